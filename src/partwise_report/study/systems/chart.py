"""Every variant of a group against its base in one picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from partwise.report.curves import INK, LINES
from partwise_report.study.systems.record import Record
from partwise_report.study.systems.verdicts import BASES, difference

TITLES = {"mask_iou": "IoU of a car's mask in its own window", "objectness_auc": "windows on cars above others (AUC)"}


def draw_switches(records: Sequence[Record], group: str) -> Figure | None:
    """A bar for each variant of "putback", "corrected" or "guesses"; None where fewer than two of them were trained.

    Orange is the base, green is better than it, red worse, grey undecided. A tick is what the network had before its
    first step, the dashed line what part maps reach that say the same everywhere (left) and chance (right).
    """
    by_name = {record.name: record for record in records}
    base = BASES[group]
    own = [record for record in records if record.group == group or record.name == base]
    own = [record for record in own if np.isfinite(record.probe("mask_iou"))]
    if len(own) < 2 or base not in by_name:
        return None
    figure = Figure(figsize=(9.2, 0.9 + 0.3 * len(own)), dpi=150, layout="constrained", facecolor="none")
    for axes, name in zip(figure.subplots(1, 2, sharey=True), TITLES, strict=True):
        places = np.arange(len(own))[::-1]
        colours = [_colour(by_name, record.name, base, name) for record in own]
        axes.barh(places, [record.probe(name) for record in own], color=colours, height=0.62)
        before = [(record.untrained.get(name) or {}).get("mean") for record in own]
        axes.plot([np.nan if b is None else b for b in before], places, "|", color=INK, markersize=9)
        axes.axvline(by_name[base].blind(name), color=INK, linewidth=1, linestyle="--")
        axes.set_yticks(places, [record.name for record in own])
        axes.set_title(TITLES[name], color=INK, fontsize=9, loc="left")
        axes.set_facecolor("none")
        axes.tick_params(colors=INK, labelsize=8)
        for side, spine in axes.spines.items():
            spine.set_visible(side in ("left", "bottom"))
            spine.set_color(INK)
    return figure


def _colour(by_name: dict[str, Record], name: str, base: str, figure: str) -> str:
    found = difference(by_name, name, base, figure)
    if name == base or found is None:
        return LINES[0]
    return {1: LINES[2], 0: "#a8a8a8", -1: LINES[4]}[found.sign]
