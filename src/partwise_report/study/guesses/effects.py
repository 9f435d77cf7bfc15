"""How much one variant differs from another, over frames and seeds, and whether that decides anything.

Axes: B bootstrap draws, S seeds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student_t

from partwise_report.study.guesses.measure import SEMANTIC_AP
from partwise_report.study.guesses.trial import TrialRecord, unlike
from streeteval.metrics.bootstrap import interval

SEEDS = 3  # of each variant, from which on a difference decides anything
LEVEL = 0.95  # of the intervals
# Figure -> what its marks are subtracted from: figures of the same record that do not count as learnt.
MARKS = {
    "mask_iou": ("constant_iou",),
    "mask_above": (),
    "auc_near": ("prior_near",),
    "auc_far": ("prior_far",),
    "order": ("order_constant", "order_place"),
    "car_ap": (),
}


@dataclass(frozen=True)
class Effect:
    """A mean with the interval that holds the middle 95 % of the draws of frames and seeds.

    Attributes:
        mean: Over seeds and frames.
        low: Of the interval.
        high: Of the interval.
        seed_share: How much of the variance comes from the seeds, 0..1; the rest comes from the frames.
        seeds: The smaller number of seeds on either side.
        error: Standard error of the mean, with an unbiased variance of the seeds; NaN if it is not known.
        freedom: Degrees of freedom of the error (Welch-Satterthwaite); infinite if it comes from the frames alone.
    """

    mean: float
    low: float
    high: float
    seed_share: float
    seeds: int
    error: float = math.nan
    freedom: float = math.inf

    def strict(self, comparisons: int = 1) -> Effect:
        """The same with the interval of Student's t, which also holds for so many comparisons together (Bonferroni).

        Draws of three seeds with replacement make an interval that is too narrow: three seeds say little of their own
        variance.
        """
        level = 1 - (1 - LEVEL) / comparisons
        half = float(student_t.ppf((1 + level) / 2, self.freedom)) * self.error
        return replace(self, low=self.mean - half, high=self.mean + half)

    def __str__(self) -> str:
        return f"{self.mean:+.3f} [{self.low:+.3f}, {self.high:+.3f}]"


def level(records: Sequence[TrialRecord], figure: str, less: str = "") -> Effect | None:
    """One figure of a variant over its seeds, or its distance to another figure of the same trainings.

    Args:
        records: Of the seeds of one variant.
        figure: See `measure.measure`.
        less: Is subtracted, in each draw and seed; "" for nothing.

    Returns:
        None if there is no record with these figures.
    """
    known = [record for record in records if all(record.draws(name).size for name in (figure, less) if name)]
    if not known:
        return None
    rows = [record.draws(figure) - (record.draws(less) if less else 0.0) for record in known]
    means = [record.mean(figure) - (record.mean(less) if less else 0.0) for record in known]
    return _effect(float(np.mean(means)), _over_seeds(rows, 1), np.mean(rows, axis=0), [np.array(means)])


def difference(
    one: Sequence[TrialRecord],
    other: Sequence[TrialRecord],
    figure: str,
    share: float = 1.0,
    *,
    same_steps: bool = True,
) -> Effect | None:
    """One figure of a variant less that of another, in the same draws of frames and independent draws of seeds.

    Args:
        one: Records of the seeds of a variant.
        other: Those of the variant that it is compared with.
        figure: See `measure.measure`.
        share: The figure of `other` is multiplied by it first.
        same_steps: Whether trainings of different lengths cannot be compared.

    Returns:
        None if either has no record with this figure, or if the trainings cannot be compared (see `trial.unlike`).
    """
    rows = [
        [of * record.draws(figure) for record in records if record.draws(figure).size]
        for records, of in ((one, 1.0), (other, share))
    ]
    if not all(rows) or unlike([*one, *other], same_steps):
        return None
    means = [of * np.array([record.mean(figure) for record in records]) for records, of in ((one, 1.0), (other, share))]
    drawn_B = _over_seeds(rows[0], 1) - _over_seeds(rows[1], 2)
    of_frames_B = np.mean(rows[0], axis=0) - np.mean(rows[1], axis=0)
    return _effect(float(means[0].mean() - means[1].mean()), drawn_B, of_frames_B, means)


def _over_seeds(rows_SB: Sequence[NDArray[np.float64]], stream: int) -> NDArray[np.float64]:
    """(B,) in each draw the mean over as many seeds as there are, drawn with replacement."""
    table_SB = np.array(rows_SB)
    seeds, draws = table_SB.shape
    chosen_BS = np.random.default_rng([2017, stream]).integers(seeds, size=(draws, seeds))
    return table_SB[chosen_BS, np.arange(draws)[:, None]].mean(axis=1)


def _effect(
    mean: float,
    drawn_B: NDArray[np.float64],
    of_frames_B: NDArray[np.float64],
    of_seeds: Sequence[NDArray[np.float64]],
) -> Effect:
    """An effect from draws of frames and seeds, draws of frames alone, and the values of each side's seeds."""
    low, high = interval(drawn_B)
    variance = float(np.nanvar(drawn_B)) if np.isfinite(drawn_B).any() else math.nan
    of_seed = sum(float(values.var()) / len(values) for values in of_seeds)  # as the draws of seeds see it
    share = min(1.0, of_seed / variance) if variance > 0 else 0.0
    error, freedom = _error(of_frames_B, [values for values in of_seeds if len(values) > 1])
    return Effect(mean, low, high, share, min(len(values) for values in of_seeds), error, freedom)


def _error(of_frames_B: NDArray[np.float64], of_seeds: Sequence[NDArray[np.float64]]) -> tuple[float, float]:
    """The standard error of a mean and its degrees of freedom; NaN if fewer than half of the draws have a value."""
    finite_B = of_frames_B[np.isfinite(of_frames_B)]
    if 2 * len(finite_B) < len(of_frames_B) or not len(finite_B):
        return math.nan, math.inf
    parts = [(float(values.var(ddof=1)) / len(values), len(values) - 1) for values in of_seeds]
    variance = float(finite_B.var()) + sum(part for part, _ in parts)
    bottom = sum(part**2 / freedom for part, freedom in parts)
    return math.sqrt(variance), variance**2 / bottom if bottom > 0 else math.inf


def outcome(effect: Effect, threshold: float) -> str:
    """Whether a difference decides a guess that is right from a threshold on: "right", "wrong" or "open".

    With fewer than `SEEDS` seeds of either variant it is open.
    With a threshold above 0: right if the mean reaches it and the interval lies above 0; wrong if the whole interval
    lies below it. With one below 0: right if the whole interval lies above it, wrong if it lies below.

    >>> outcome(Effect(0.05, 0.01, 0.09, 0.5, 3), 0.02), outcome(Effect(0.0, -0.01, 0.01, 0.5, 3), 0.02)
    ('right', 'wrong')
    >>> outcome(Effect(0.05, -0.01, 0.11, 0.5, 3), 0.02)
    'open'
    """
    if not all(map(math.isfinite, (effect.mean, effect.low, effect.high))) or effect.seeds < SEEDS:
        return "open"
    if effect.high < threshold:
        return "wrong"
    if threshold < 0:
        return "right" if effect.low > threshold else "open"
    return "right" if effect.mean >= threshold and effect.low > 0 else "open"


def has_learnt(records: Sequence[TrialRecord], figure: str, strict: bool = False) -> bool:
    """Whether a variant lies above every mark of a figure, by its interval, so that it knows something of the image.

    Args:
        records: Of the seeds of the variant.
        figure: See `measure.measure`.
        strict: By the interval of Student's t. AP of cars must also lie above that of the network's own pixels of cars
            as one instance. Otherwise the mark of AP is that of the network before its first step.
    """
    for found, mark in _above_marks(records, figure, strict):
        if found is None or not (found.strict() if strict else found).low > mark:
            return False
    return True


def reaches(records: Sequence[TrialRecord], figure: str, threshold: float) -> bool:
    """Whether a variant lies so far above every mark that losing what it learnt would be a difference of `threshold`.

    If the better one of two variants does not, their figures are too small for a difference to mean anything.
    """
    above = _above_marks(records, figure)
    return all(found is not None and found.mean - mark >= abs(threshold) for found, mark in above)


def _above_marks(
    records: Sequence[TrialRecord], figure: str, strict: bool = False
) -> list[tuple[Effect | None, float]]:
    """The distance of a figure to each of its marks that vary with the frames, and the mark that does not (or 0)."""
    base = figure.split(" ")[0]
    if base == "car_ap":
        before = [record.look(0, "car_ap") for record in records]
        above = (level(records, figure), max([value for value in before if math.isfinite(value)], default=0.0))
        measured = all(record.draws(SEMANTIC_AP).size for record in records)
        semantic = level(records, figure, SEMANTIC_AP) if measured else None
        return [above, (semantic, 0.0)] if strict else [above]
    marks = [figure.replace(base, mark) for mark in MARKS[base]]
    return [(level(records, figure, mark), 0.0) for mark in marks or [""]]


def seeds_needed(effect: Effect, threshold: float) -> str:
    """How much more would decide an open difference if its mean stayed, in words."""
    if effect.seeds < SEEDS:
        return f"{SEEDS} seeds of each variant"
    bound = 0.0 if threshold > 0 else threshold
    distance = effect.mean - bound if effect.mean >= threshold else threshold - effect.mean
    half = (effect.high - effect.low) / 2
    if not math.isfinite(half) or distance <= 0:
        return "cannot be said"
    of_seeds, of_frames = effect.seed_share * half**2, (1 - effect.seed_share) * half**2
    if of_frames < distance**2:
        needed = max(effect.seeds + 1, math.ceil(effect.seeds * of_seeds / (distance**2 - of_frames)))
        return f"about {needed} seeds"
    return f"about {math.ceil((half / distance) ** 2)} times as many frames and seeds"


def keeps_half(records: Sequence[TrialRecord], base: Sequence[TrialRecord]) -> str:
    """Whether a variant reaches at least half of the AP of cars of another one, in words.

    Args:
        records: Of the seeds of the variant.
        base: Those of the other one.

    Returns:
        "yes" or "no" where the interval of (AP - half of the other one's AP) lies on one side of 0, else "open"; "open"
        too with fewer than `SEEDS` seeds, or if the other one has learnt nothing.
    """
    effect = difference(records, base, "car_ap", 0.5)
    if effect is None or effect.seeds < SEEDS or not has_learnt(base, "car_ap"):
        return "open"
    return "yes" if effect.low >= 0 else "no" if effect.high < 0 else "open"


def steps_needed(records: Sequence[TrialRecord], figure: str, goal: float = 0.0) -> str:
    """When a variant would lie `goal` above the marks, in words.

    How far it is from there is said by all frames; how fast it comes nearer, by the few frames that were looked at
    in the middle and at the end of its training.
    """
    reached = [found.mean - mark for found, mark in _above_marks(records, figure) if found is not None]
    if reached and min(reached) > goal:
        return "more seeds"
    above = {"mask_iou": "mask_above", "auc_near": "near_above", "auc_far": "far_above", "order": "order_above"}.get(
        figure.split(" ")[0], figure.split(" ")[0]
    )
    middle, last = (np.mean([record.look(place, above) for record in records]) for place in (1, 2))
    steps = max((record.steps for record in records), default=0)
    gained = last - middle
    if not math.isfinite(gained) or not steps or not reached:
        return "cannot be said"
    if gained <= 0:
        return "no number of steps: it does not come nearer to the marks"
    return f"about {round(steps + (steps / 2) * (goal - min(reached)) / gained):,} steps"
