"""The pictures of the study of the report's guesses: both sides of every comparison, and what each step is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from partwise.report.curves import INK, LINES
from partwise_report.study.guesses.comparisons import Trials
from partwise_report.study.guesses.effects import MARKS, level
from partwise_report.study.guesses.verdicts import MEANING, Verdict

OPEN = "#a8a8a8"
COLUMNS = 3


def draw_guesses(found: Sequence[Verdict], trials: Trials) -> Figure | None:
    """A panel for each guess that has trainings: both variants with every seed, and the marks.

    Returns:
        None if no guess has trainings of both sides.
    """
    return draw_compared([(verdict, trials) for verdict in found])


def draw_compared(found: Sequence[tuple[Verdict, Trials]]) -> Figure | None:
    """Do as `draw_guesses` does, with verdicts of several studies, each with the trainings of its study."""
    shown = [(verdict, trials) for verdict, trials in found if verdict.effect is not None]
    if not shown:
        return None
    rows = -(-len(shown) // COLUMNS)
    figure = Figure(figsize=(9.6, 1.9 * rows), dpi=150, layout="constrained", facecolor="none")
    panels = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axes, (verdict, trials) in zip(panels, shown, strict=False):
        _draw_guess(axes, verdict, trials)
    for axes in panels[len(shown) :]:
        axes.set_visible(False)
    return figure


def _draw_guess(axes: Any, verdict: Verdict, trials: Trials) -> None:
    guess = verdict.guess
    colour = {"right": LINES[2], "wrong": LINES[4]}.get(verdict.outcome, OPEN)
    for place, name in ((1, guess.without), (0, guess.blamed)):
        own = level(trials[name], guess.figure)
        if own is None:
            continue
        axes.barh(place, own.mean, height=0.5, color=colour if place else OPEN, alpha=0.7)
        axes.plot([own.low, own.high], [place, place], color=INK, linewidth=1)
        axes.plot(
            [record.mean(guess.figure) for record in trials[name]],
            [place] * len(trials[name]),
            "o",
            color=INK,
            markersize=3,
        )
        for mark in MARKS[guess.figure.split(" ")[0]]:
            nothing = level(trials[name], mark)
            if nothing is not None:
                axes.plot([nothing.mean] * 2, [place - 0.4, place + 0.4], color=INK, linewidth=1, linestyle="--")
    axes.set_yticks([1, 0], [guess.without, guess.blamed])
    axes.set_title(f"{guess.number}: {verdict.outcome}", color=INK, fontsize=8, loc="left")
    axes.set_xlabel(MEANING[guess.figure], color=INK, fontsize=7)
    _plain(axes)


def draw_steps(steps: Sequence[Mapping[str, Any]]) -> Figure:
    """A waterfall: the first value, then what each step adds or takes, with intervals.

    Args:
        steps: {"step", "car_ap", and from the second on "worth", "worth_low", "worth_high"}.
    """
    figure = Figure(figsize=(9.2, 0.8 + 0.34 * len(steps)), dpi=150, layout="constrained", facecolor="none")
    axes = figure.subplots()
    places = np.arange(len(steps))[::-1]
    before = 0.0
    for place, step in zip(places, steps, strict=True):
        value = float(step["car_ap"])
        worth = value - before
        sure = "worth" in step and (step["worth_low"] > 0 or step["worth_high"] < 0)
        colour = LINES[0] if "worth" not in step else (LINES[2] if worth > 0 else LINES[4]) if sure else OPEN
        axes.barh(place, worth, left=before, height=0.6, color=colour)
        words, right = f"{value:.3f}", max(value, before)
        if "worth" in step:
            right = max(right, before + step["worth_high"])  # the words must not lie on the interval
            axes.plot([before + step["worth_low"], before + step["worth_high"]], [place, place], color=INK, linewidth=1)
            words += f"  ({round(step['worth'], 3) + 0.0:+.3f})"
        axes.annotate(words, (right, place), (4, 0), textcoords="offset points", fontsize=7, color=INK, va="center")
        before = value
    axes.set_yticks(places, [str(step["step"]) for step in steps])
    axes.set_xlabel(MEANING["car_ap"], color=INK, fontsize=8)
    axes.margins(x=0.15)
    _plain(axes)
    return figure


def _plain(axes: Any) -> None:
    axes.set_facecolor("none")
    axes.tick_params(colors=INK, labelsize=7)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(INK)
