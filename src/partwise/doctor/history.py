"""Check what a run has written: did the loss fall, were gradients clipped, did the evaluations give numbers?"""

from __future__ import annotations

import json
import statistics
from typing import Any

from partwise.doctor.finding import Finding, Severity, judged
from partwise.errors import PartwiseError
from partwise.training.folder import RunFolder
from partwise.training.record import HEADLINES

FEWEST_LINES = 20  # of metrics.jsonl below which nothing is said of a trend
# Medians of the first and the last fifth. A run that learns loses a third of its loss in its first hundred steps (the
# demo: three quarters); the report's figure 2.15 shows one that does not fall at all.
FALL_FAULT, FALL_WARNING = 0.02, 0.1
CLIPPED_SHARE = 0.95
WAITING_SHARE = 0.5


def read_history(folder: RunFolder) -> list[dict[str, Any]]:
    """Read the lines of metrics.jsonl; a last line that is not complete is left out.

    Raises:
        PartwiseError: If there are no lines.
    """
    try:
        text = folder.metrics.read_text(encoding="utf-8", errors="replace")
    except OSError:
        raise PartwiseError(f"{folder.metrics}: cannot be read: give the folder of a run, or a recipe") from None
    records = []
    for line in text.splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict):
            records.append(record)
    if not records:
        raise PartwiseError(f"{folder.metrics}: holds no line of a run: train first, or give a recipe")
    return records


def history_findings(records: list[dict[str, Any]], clip_norm: float) -> list[Finding]:
    """Return all that the lines of a run show."""
    steps = [record for record in records if "loss" in record]
    evaluations = [record for record in records if "evaluation" in record]
    return [
        *not_finite(steps, evaluations),
        *falling_loss(steps),
        *clipped(steps, clip_norm),
        *waiting(steps),
        *empty_score(evaluations),
    ]


def not_finite(steps: list[dict], evaluations: list[dict]) -> list[Finding]:
    """Find lines whose loss or gradient is not finite, and evaluations whose headline figure is no number."""
    bad = [f"step {r['step']}" for r in steps if r["loss"] is None or r.get("gradient_norm", 0.0) is None]
    bad += [f"evaluation at step {r['step']}" for r in evaluations if not _figures(r)]
    what = f"lines of {len(steps) + len(evaluations)} whose loss, gradient or score is not a number"
    remedy = "look at the step before it; lower optim.lr; for a score: does the split show any instance?"
    return [judged("finite history", what, len(bad), ", ".join(bad[:3]), remedy, fault_above=0)]


def falling_loss(steps: list[dict]) -> list[Finding]:
    """Measure by how much the loss, and each of its terms, fell from the first to the last fifth of the lines."""
    series: dict[str, list[float]] = {"sum": [r["loss"] for r in steps if r["loss"] is not None]}
    for record in steps:
        for name, value in record.get("loss_terms", {}).items():
            if value is not None:
                series.setdefault(name, []).append(value)
    if len(series["sum"]) < FEWEST_LINES:
        what = f"share by which the loss fell (only {len(series['sum'])} lines: too few to say)"
        return [Finding("falling loss", Severity.OK, what, None, FALL_FAULT)]
    falls = {name: _fall(values) for name, values in series.items() if len(values) >= FEWEST_LINES}
    what = f"share by which the loss fell between the first and the last fifth of {len(series['sum'])} lines"
    remedy = "look at the faults above: equal units, a rate that cannot move the weights, targets that say nothing"
    found = [_fallen("falling loss", what, falls["sum"], "sum of all terms", remedy, FALL_FAULT, falls)]
    for name, fall in falls.items():
        if name != "sum" and len(falls) > 2 and fall < FALL_FAULT:
            found.append(Finding("falling loss", Severity.WARNING, what, fall, FALL_FAULT, name, remedy))
    return found


def _fallen(check: str, what: str, fall: float, where: str, remedy: str, fault: float, details: dict) -> Finding:
    """Make the finding of a loss that fell by the share `fall`."""
    severity = Severity.FAULT if fall < fault else Severity.WARNING if fall < FALL_WARNING else Severity.OK
    threshold = FALL_WARNING if severity == Severity.WARNING else fault
    return Finding(check, severity, what, fall, threshold, where, "" if severity == Severity.OK else remedy, details)


def _fall(values: list[float]) -> float:
    """Return the share by which values fell from the first to the last fifth."""
    fifth = max(len(values) // 5, 1)
    first, last = statistics.median(values[:fifth]), statistics.median(values[-fifth:])
    return (first - last) / abs(first) if first else 0.0


def clipped(steps: list[dict], clip_norm: float) -> list[Finding]:
    """Measure the share of steps whose gradient was scaled down to optim.clip_norm."""
    norms = [r["gradient_norm"] for r in steps if r.get("gradient_norm") is not None]
    if not norms or not clip_norm:
        return []
    share = sum(norm > clip_norm for norm in norms) / len(norms)
    what = f"share of {len(norms)} steps whose gradient was cut (median norm {statistics.median(norms):.3g})"
    remedy = (
        f"raise optim.clip_norm (now {clip_norm:g}): where every step is cut, all weigh alike, good ones and bad ones"
    )
    return [judged("clipped gradient", what, share, "gradient_norm", remedy, warn_above=CLIPPED_SHARE)]


def waiting(steps: list[dict]) -> list[Finding]:
    """Measure the share of the time in which the network waited for data."""
    timed = [r for r in steps if "data_seconds" in r and "seconds" in r]
    if len(timed) < 2:
        return []
    spent = timed[-1]["seconds"] - timed[0]["seconds"]
    per_step = spent / max(timed[-1]["step"] - timed[0]["step"], 1)
    waited = statistics.mean(r["data_seconds"] for r in timed[1:])
    what = "share of a step's time in which the network waited for data"
    remedy = "raise data.workers, or put the data on a faster disk"
    share = waited / per_step if per_step > 0 else 0.0
    return [judged("waiting for data", what, share, "data_seconds", remedy, warn_above=WAITING_SHARE)]


def empty_score(evaluations: list[dict]) -> list[Finding]:
    """Check whether the last evaluation's headline figure is exactly 0: nothing at all was right."""
    if not evaluations or not _figures(evaluations[-1]):
        return []
    figures = _figures(evaluations[-1])
    name, value = next(iter(figures.items()))
    what = f"{name} of the last of {len(evaluations)} evaluations"
    bad = value == 0
    remedy = "train longer; then look at the windows and at decode(oracle(targets)) above" if bad else ""
    severity = Severity.WARNING if bad else Severity.OK
    return [Finding("empty score", severity, what, value, 0, f"step {evaluations[-1]['step']}", remedy)]


def _figures(record: dict) -> dict[str, float]:
    """Return the headline figures of an evaluation that are numbers, instances first."""
    evaluation = record.get("evaluation") or {}
    found = {name: (evaluation.get(part) or {}).get(name) for part, names in HEADLINES.items() for name in names}
    return {name: value for name, value in found.items() if isinstance(value, int | float)}
