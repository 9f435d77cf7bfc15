"""Tables of `partwise study report` (study_*.json): verdicts, one switch at a time, every variant.

Most systems of the study know cars alone, and the AP of all classes would divide theirs by eight: only the AP of cars
is shown.
"""

from __future__ import annotations

import math
from functools import partial
from statistics import mean, stdev
from typing import Any

from tables.table import MISSING, Make, Table, fraction, load, signed

BASES = {"putback": "working", "guesses": "all_corrected", "corrected": "report_3_committed"}
FIGURES = {"mask IoU": "mask_iou", "mask IoU, small": "mask_iou_small", "AUC": "objectness_auc"}
FLOOR = 0.02  # differences below this decide nothing, as in the study
GROUPS = ("written", "committed", "putback", "corrected", "guesses")
WORDS = (("ideal maps", "oracle maps"), ("the trunk", "the backbone"), ("surely", "clearly"))
ORDERS = {
    "ordering_slice": "rank of the centre, from the car slice (report 2.3.1)",
    "ordering_full": "rank of the centre, from all features (report 2.3.2)",
    "order_coordinates": "the same; the layers see y and x",
    "order_locations": "the cell of the centre in a grid of 6 x 12",
    "order_hungarian": "30 maps, assigned by best fit",
    "order_colouring": "8 colours, assigned dynamically",
    "order_relative": "offset of each pixel to its own centre, and a heat map of centres",
}


def verdicts(study: str) -> Table:
    """The outcome for each guess of the report, with the figures that decide it."""
    rows = [
        [verdict["guess"], verdict["source"], verdict["outcome"], _plain("; ".join(verdict["figures"]))]
        for verdict in load(study)["verdicts"]
        if verdict["figures"]
    ]
    return Table(["guess of the report", "section", "outcome", "figures"], rows)


def switches(study: str, group: str) -> Table:
    """Each variant of a group against the base of the group; a difference in brackets is undecided."""
    by_name = _by_name(study)
    rows = []
    for variant in by_name.values():
        if variant["group"] != group or variant["name"] == BASES[group]:
            continue
        cells = [f"`{variant['name']}`", _plain(variant["about"])]
        for figure in FIGURES.values():
            cells += [fraction(_probe(variant, figure)), difference(by_name, variant["name"], BASES[group], figure)]
        rows.append([*cells, fraction(_probe(variant, "map_likeness"))])
    columns = [heading for figure in FIGURES for heading in (figure, "difference")]
    return Table(["variant", "what differs", *columns, "maps alike"], rows)


def difference(by_name: dict[str, Any], name: str, base: str, figure: str) -> str:
    """Mean difference over the frames, in brackets where it is within the largest of three limits.

    The limits are FLOOR, two standard errors over the frames, and what another seed of `working` changes.
    """
    pairs = zip(_frames(by_name[name], figure), _frames(by_name[base], figure), strict=True)
    apart = [one - other for one, other in pairs if one is not None and other is not None]
    if not apart:
        return MISSING
    again = abs(_probe(by_name["working_again"], figure) - _probe(by_name["working"], figure))
    error = stdev(apart) / math.sqrt(len(apart)) if len(apart) > 1 else math.inf
    decided = abs(mean(apart)) > max(FLOOR, 2 * error, again) + 1e-9
    return signed(mean(apart)) if decided else f"({signed(mean(apart))})"


def variants(study: str) -> Table:
    """Every variant: training, AP of cars or IoU, probes, how far the weights moved."""
    columns = ["group", "variant", "steps", "loss first", "loss last", "car AP", "IoU class", "mask IoU"]
    columns += ["oracle mask IoU", "AUC", "maps alike", "moved backbone", "moved rest", "converged"]
    rows = []
    for variant in sorted(_by_name(study).values(), key=lambda variant: GROUPS.index(variant["group"])):
        losses = [f"{variant[key]:.3g}" for key in ("loss_first", "loss_last")]
        scores = [fraction(variant["scores"].get(key)) for key in ("car_ap", "iou_class")]
        probes = [fraction(_probe(variant, "mask_iou")), fraction(_probe(variant, "mask_iou", "ideal"))]
        probes += [fraction(_probe(variant, figure)) for figure in ("objectness_auc", "map_likeness")]
        moved = [f"{variant['moved'][part]:.1e}" for part in ("trunk", "rest")]
        made = [variant["group"], f"`{variant['name']}`", str(variant["steps"]), *losses]
        rows.append([*made, *scores, *probes, *moved, "yes" if variant["converged"] else "no"])
    return Table(columns, rows)


def marks(study: str) -> Table:
    """What the probes of `working` and of the fixed window are held against."""
    by_name, rows = _by_name(study), []
    for name in ("working", "fixed_window", "all_corrected"):
        of = by_name[name]
        oracle = [fraction(_probe(of, figure, "ideal")) for figure in ("mask_iou", "mask_iou_small")]
        rows.append([f"`{name}`", fraction(of["probes"]["constant_maps_iou"]), *oracle])
    return Table(["variant", "constant maps, mask IoU", "oracle maps, mask IoU", "oracle maps, small cars"], rows)


def orders() -> Table:
    """The variants that tell cars apart by an order, and what stands in its place."""
    rows = []
    for name, about in ORDERS.items():
        variant = _by_name("study_orders")[name]
        losses = [f"{variant[key]:.2f}" for key in ("loss_first", "loss_last")]
        rows.append([about, f"`{name}`", fraction(variant["scores"]["car_ap"]), *losses])
    return Table(["what tells cars apart", "variant", "car AP", "loss, first tenth", "loss, last tenth"], rows)


def ranks() -> Table:
    """Share of the cars' pixels with the right rank, against predictors that see no image."""
    by_name = _by_name("study_orders")
    rows = [[f"`{name}`", fraction(_probe(by_name[name], "order"))] for name in ("ordering_slice", "ordering_full")]
    sees_nothing = by_name["ordering_full"]["probes"]
    rows.append(["one rank for all pixels", fraction(sees_nothing["constant_order"])])
    rows.append(["the most frequent rank of each of 16 strips of the image", fraction(sees_nothing["column_order"])])
    return Table(["what names the rank", "share of right pixels"], rows)


def _by_name(study: str) -> dict[str, Any]:
    return {variant["name"]: variant for variant in load(study)["variants"]}


def _probe(variant: dict[str, Any], figure: str, of: str = "probes") -> float | None:
    return (variant[of].get(figure) or {}).get("mean")


def _frames(variant: dict[str, Any], figure: str) -> list[float | None]:
    return (variant["probes"].get(figure) or {}).get("by_frame") or []


def _plain(text: str) -> str:
    for old, new in WORDS:
        text = text.replace(old, new)
    return text


TABLES: dict[str, Make] = {"orders": orders, "order-ranks": ranks}
for _name, _study in (("frames", "study_city"), ("rendered", "study_streets")):
    TABLES[f"study-{_name}-verdicts"] = partial(verdicts, _study)
    TABLES[f"study-{_name}-variants"] = partial(variants, _study)
    TABLES[f"study-{_name}-marks"] = partial(marks, _study)
    TABLES |= {f"study-{_name}-{group}": partial(switches, _study, group) for group in BASES}
