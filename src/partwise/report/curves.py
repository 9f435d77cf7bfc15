"""Read the metrics.jsonl of a run, and draw the loss, its terms and the scores over the steps.

Axes: S steps.
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from partwise.errors import PartwiseError

__all__ = ["INK", "LINES", "SCORES", "SMOOTHED_SHARE", "Metrics", "draw_curves", "read_metrics"]

INK = "#808080"  # readable on white and on near black: the pictures have no background
LINES = ("#e8710a", "#3f8efc", "#1fa774", "#c154c1", "#d64550", "#a08a1c", "#5f6cd9", "#8a8a8a")
SMOOTHED_SHARE = 0.03  # width of the running mean as a share of all steps
SCORES = (
    ("instance", "ap", "AP"),
    ("instance", "ap50", "AP50"),
    ("semantic", "iou_class", "IoU class"),
    ("semantic", "iou_category", "IoU category"),
)


@dataclass
class Metrics:
    """The lines of a metrics.jsonl in the order of their steps.

    Attributes:
        steps: (S,) int64.
        seconds: (S,) float64, seconds since the start of the run; NaN if missing.
        losses: (S,) float64; NaN if missing.
        rates: (S,) float64, learning rates; NaN if missing.
        terms: Name of a loss term -> (S,) float64; NaN if missing.
        evaluations: Pairs of a step and what `compute` of the evaluator returned.
    """

    steps: np.ndarray
    seconds: np.ndarray
    losses: np.ndarray
    rates: np.ndarray
    terms: dict[str, np.ndarray]
    evaluations: list[tuple[int, dict[str, Any]]] = field(default_factory=list)


def read_metrics(path: str | os.PathLike) -> Metrics:
    """Read lines {"step", "seconds", "loss", "loss_terms", "lr"} and {"step", "evaluation"}.

    If a step occurs again, because the run was resumed from an earlier step, its last line counts. An incomplete last
    line, which a kill may leave, is skipped.

    Args:
        path: A metrics.jsonl.

    Raises:
        PartwiseError: If the file cannot be read, or another line is not such an object.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise PartwiseError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from error
    losses: dict[int, dict] = {}
    evaluations: dict[int, dict] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            step = int(entry["step"])
        except (ValueError, TypeError, KeyError) as error:
            if number == len(lines):
                continue
            raise PartwiseError(
                f"{path} line {number}: {line[:60]!r} is no entry with a step: correct or remove it"
            ) from error
        if "evaluation" in entry:
            evaluations[step] = entry["evaluation"] or {}
        if "loss" in entry:
            losses[step] = entry
    rows = [losses[step] for step in sorted(losses)]
    names = dict.fromkeys(name for row in rows for name in row.get("loss_terms") or {})
    seconds, loss, lr = (
        np.array([_number(row.get(key)) for row in rows], np.float64) for key in ("seconds", "loss", "lr")
    )
    return Metrics(
        np.array(sorted(losses), np.int64),
        seconds,
        loss,
        lr,
        {name: np.array([_number((row.get("loss_terms") or {}).get(name)) for row in rows]) for name in names},
        sorted(evaluations.items()),
    )


def draw_curves(metrics: Metrics) -> Figure:
    """Draw loss, loss terms, and scores if there were evaluations. The figure has no background.

    Thin lines are the values, thick lines are their running mean. The axis at the top shows minutes.

    Args:
        metrics: From `read_metrics`.
    """
    scores = _score_curves(metrics)
    panels = 1 + (len(metrics.terms) > 1) + bool(scores)
    figure = Figure(figsize=(4.6 * panels, 3.4), dpi=150, layout="constrained", facecolor="none")
    axes = iter(np.atleast_1d(figure.subplots(1, panels)))
    loss_axes = next(axes)
    _draw_smoothed(loss_axes, metrics.steps, {"loss": metrics.losses})
    _dress(loss_axes, "loss", metrics)
    if len(metrics.terms) > 1:
        term_axes = next(axes)
        _draw_smoothed(term_axes, metrics.steps, metrics.terms)
        _dress(term_axes, "terms of the loss", metrics)
        term_axes.legend(frameon=False, labelcolor=INK, fontsize=8)
    if scores:
        score_axes = next(axes)
        for colour, (name, (steps, values)) in zip(LINES, scores.items(), strict=False):
            score_axes.plot(steps, values, "o-", color=colour, label=name, markersize=4, linewidth=1.6)
        score_axes.set_ylim(bottom=0)
        _dress(score_axes, "scores during training", metrics)
        score_axes.legend(frameon=False, labelcolor=INK, fontsize=8)
    return figure


def _score_curves(metrics: Metrics) -> dict[str, tuple[list[int], list[float]]]:
    """Return the name, the steps and the values of each main score that has a value."""
    curves: dict[str, tuple[list[int], list[float]]] = {}
    for step, evaluation in metrics.evaluations:
        for part, key, name in SCORES:
            value = _number((evaluation.get(part) or {}).get(key))
            if math.isfinite(value):
                steps, values = curves.setdefault(name, ([], []))
                steps.append(step)
                values.append(value)
    return curves


def _draw_smoothed(axes: Axes, steps: np.ndarray, curves: dict[str, np.ndarray]) -> None:
    """Draw each curve thin and its running mean thick; on a logarithmic scale if values are positive and vary much."""
    for i, (name, values) in enumerate(curves.items()):
        colour = LINES[i % len(LINES)]
        axes.plot(steps, values, color=colour, alpha=0.3, linewidth=0.8)
        axes.plot(steps, _running_mean(values), color=colour, linewidth=1.8, label=name)
    every = np.concatenate([np.zeros(0), *curves.values()])
    every = every[np.isfinite(every)]
    if len(every) and every.min() > 0 and every.max() > 20 * every.min():
        axes.set_yscale("log")
    elif len(every) and every.min() >= 0:
        axes.set_ylim(bottom=0)


def _running_mean(values: np.ndarray) -> np.ndarray:
    """Compute the mean over a window around each value, without NaN. The window is shorter at the ends."""
    half = max(1, round(len(values) * SMOOTHED_SHARE / 2))
    finite = np.isfinite(values)
    sums = np.concatenate([[0.0], np.cumsum(np.where(finite, values, 0))])
    counts = np.concatenate([[0], np.cumsum(finite)])
    first = np.maximum(np.arange(len(values)) - half, 0)
    last = np.minimum(np.arange(len(values)) + half + 1, len(values))
    number = counts[last] - counts[first]
    return np.where(number > 0, (sums[last] - sums[first]) / np.maximum(number, 1), np.nan)


def _dress(axes: Axes, title: str, metrics: Metrics) -> None:
    """Set title, grid, colours, and the axis of minutes."""
    axes.set_facecolor("none")
    axes.set_title(title, color=INK, fontsize=10, loc="left", pad=22)
    axes.set_xlabel("step", color=INK, fontsize=8)
    axes.grid(color=INK, alpha=0.2, linewidth=0.6)
    axes.tick_params(colors=INK, labelsize=8, which="both")
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(INK)
    timed = np.isfinite(metrics.seconds)
    if timed.sum() < 2:
        return
    left, right = axes.get_xlim()
    minutes = metrics.seconds[timed] / 60
    above = axes.secondary_xaxis("top")
    ticks = np.linspace(metrics.steps[timed][0], metrics.steps[timed][-1], 4)
    above.set_xticks(ticks, [f"{m:.1f} min" for m in np.interp(ticks, metrics.steps[timed], minutes)])
    above.tick_params(colors=INK, labelsize=7, length=2)
    above.spines["top"].set_visible(False)
    axes.set_xlim(left, right)


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else math.nan
