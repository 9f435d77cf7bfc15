"""What the variants of a group are compared with, and what comes out: against a base, or step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from partwise.report.tables import MISSING
from partwise_report.study.guesses.effects import difference, keeps_half, level
from partwise_report.study.guesses.plan import CHAIN_STEPS, ORDER_STEPS
from partwise_report.study.guesses.trial import TrialRecord

BASES = {
    "rates": "corrected",
    "slips": "corrected",
    "corrections": "committed_rate",
    "heads": "corrected",
    "conv5": "conv5_learnt",
}
# Group -> (variant whose AP of cars counts, what is asked of half of it), as the page of the hypotheses fixed it.
HALVES = {
    "slips": ("corrected", "AP of cars at least halved"),
    "corrections": ("corrected", "AP of cars at least half that of corrected"),
}
STEPS = {"chain": CHAIN_STEPS, "orders": ORDER_STEPS}
FIGURES = ("car_ap", "mask_iou", "auc_near", "order")
Trials = Mapping[str, Sequence[TrialRecord]]


def half_of(trials: Trials, group: str, name: str) -> str:
    """What the threshold of a group in HALVES says of a variant: "yes", "no", "open", or MISSING without trainings."""
    half = HALVES[group][0]
    if half not in trials or name == half:
        return MISSING
    kept = keeps_half(trials[name], trials[half])
    return {"yes": "no", "no": "yes"}.get(kept, kept) if group == "slips" else kept


def effects_of(trials: Trials, group: str) -> list[dict[str, Any]]:
    """Every variant of a group against its base, figure by figure."""
    base, found = BASES[group], []
    for name, records in trials.items():
        if records[0].group == group and name != base and base in trials:
            row: dict[str, Any] = {"variant": name, "base": base}
            for figure in FIGURES:
                effect = difference(records, trials[base], figure)
                if effect is not None:
                    row[figure] = {"mean": effect.mean, "low": effect.low, "high": effect.high}
            if group in HALVES:
                row[HALVES[group][1]] = half_of(trials, group, name)
            found.append(row)
    return found


def chain_of(trials: Trials, group: str) -> list[dict[str, Any]]:
    """The steps of a chain in AP of cars: the value at each, and the difference from the trained step before it.

    A step that is not trained is named with the next one that is, which then has the worth of both.
    """
    found: list[dict[str, Any]] = []
    before, added = "", []
    for name, words in STEPS[group].items():
        added.append(words)
        if name not in trials or (own := level(trials[name], "car_ap")) is None:
            continue
        step = difference(trials[name], trials[before], "car_ap") if before else None
        row: dict[str, Any] = {
            "variant": name,
            "step": "; ".join(added),
            "car_ap": own.mean,
            "low": own.low,
            "high": own.high,
        }
        if step is not None:
            row |= {"worth": step.mean, "worth_low": step.low, "worth_high": step.high}
        found.append(row)
        before, added = name, []
    return found
