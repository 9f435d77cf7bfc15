"""Tables of the report's guesses, as `partwise study report` decided them (study_guesses*.json)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from tables.table import MISSING, Make, Table, fraction, load, signed

STUDY = "study_guesses"
SECOND = ("study_guesses_third", "study_guesses_ten", "study_guesses_longer")  # with more frames, seeds or steps
SIZES = ("<32", "32-64", "64-128", ">=128")  # longest side of a car in pixels
FIGURES = {"AP of cars": "car_ap", "mask IoU": "mask_iou", "AUC, near": "auc_near"}
ORDER_FIGURES = {
    "order": "order",
    "mark: the place": "order_place",
    "mark: one rank": "order_constant",
    "cars of unseen rank": "order_unseen",
    "AP of cars": "car_ap",
}


def verdicts(studies: Sequence[str] = (STUDY,), counted: bool = False) -> Table:
    """The outcome of each guess that was trained, with its difference and 95 % interval.

    Args:
        studies: Names of their files.
        counted: Whether a column has the steps and one the seeds.
    """
    rows = []
    for verdict in _compared(studies):
        guess, effect = verdict["guess"], verdict["effect"]
        compared = f"`{guess['without']}` - `{guess['blamed']}`"
        interval = f"{signed(effect['low'])} to {signed(effect['high'])}"
        length = [f"{verdict['steps']:,}", str(min(verdict["seeds"]))] if counted else []
        difference = [signed(effect["mean"]), interval, f"{guess['threshold']:+.2f}"]
        rows.append([str(guess["number"]), guess["words"], compared, *length, *difference, verdict["outcome"]])
    length = ["steps", "seeds"] if counted else []
    return Table(["#", "guess", "figure of", *length, "difference", "95 % interval", "right from", "outcome"], rows)


def _compared(studies: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The verdicts on guesses of which both variants were trained."""
    for study in studies:
        yield from (verdict for verdict in load(study)["verdicts"] if verdict["effect"] is not None)


def variants(studies: Sequence[str] = (STUDY,)) -> Table:
    """The figures of each variant, with intervals over frames and seeds."""
    return _of_variants(studies, lambda variant: variant["group"] != "orders", FIGURES)


def orders(studies: Sequence[str] = (STUDY,)) -> Table:
    """The share of cars' pixels with the right rank, and what counts as nothing learnt."""
    return _of_variants(studies, lambda variant: variant["group"] == "orders", ORDER_FIGURES)


def _of_variants(studies: Sequence[str], chosen: Callable[[dict[str, Any]], bool], figures: Mapping[str, str]) -> Table:
    rows = []
    for variant in (one for study in studies for one in load(study)["variants"].values()):
        if chosen(variant):
            found = variant["figures"]
            cells = [_with_interval(found[figure]) if figure in found else MISSING for figure in figures.values()]
            length = f"{max(variant['steps']):,}"
            rows.append([f"`{variant['name']}`", variant["about"], length, str(len(variant["seeds"])), *cells])
    return Table(["variant", "what differs", "steps", "seeds", *figures], rows)


def chain() -> Table:
    """Each step from Implementation III as committed to the working method, and what it is worth in AP of cars."""
    rows = []
    for step in load(STUDY)["effects"]["chain"]:
        worth = [MISSING, MISSING]
        if "worth" in step:
            worth = [signed(step["worth"]), f"{signed(step['worth_low'])} to {signed(step['worth_high'])}"]
        rows.append([step["step"], f"`{step['variant']}`", fraction(step["car_ap"]), *worth])
    return Table(["step", "variant", "AP of cars", "worth", "95 % interval"], rows)


def sizes() -> Table:
    """Mask IoU above constant maps by the longest side of the car."""
    rows = []
    for variant in load(STUDY)["variants"].values():
        figures = variant["figures"]
        if variant["group"] == "orders":  # they have no windows
            continue
        cells = [
            signed(figures[key]["mean"]) if (key := f"mask_above {name}") in figures else MISSING for name in SIZES
        ]
        rows.append([f"`{variant['name']}`", *cells])
    return Table(["variant", *(f"{name} px" for name in SIZES)], rows)


def _with_interval(figure: dict[str, Any]) -> str:
    return f"{fraction(figure['mean'])} ({fraction(figure['low'])} to {fraction(figure['high'])})"


TABLES: dict[str, Make] = {
    "guesses-verdicts": verdicts,
    "guesses-variants": variants,
    "guesses-chain": chain,
    "guesses-orders": orders,
    "guesses-sizes": sizes,
    "guesses-second-verdicts": partial(verdicts, SECOND, counted=True),
    "guesses-second-variants": partial(variants, SECOND),
    "guesses-second-orders": partial(orders, SECOND),
}
