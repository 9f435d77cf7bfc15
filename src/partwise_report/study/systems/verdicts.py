"""What the records say of each guess of the report: a pure function of them, in words that the numbers choose."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from partwise_report.study.probes import MEANING
from partwise_report.study.systems.record import Record

SURE = 2.0  # standard errors that a difference must be away from 0
FLOOR = 0.02  # the least difference that means anything, of any figure
BASES = {"putback": "working", "guesses": "all_corrected", "corrected": "report_3_committed"}
# What a network that knows nothing of the image reaches; up to there it shows on which side it started, not what helps.
KNOWS_NOTHING = {"mask_iou": "the best maps that say the same everywhere", "objectness_auc": "chance"}
AGAIN = "working_again"  # the working method with another seed: what chance alone does


@dataclass(frozen=True)
class Difference:
    """One figure of a variant less that of another, over the frames that both were looked at on.

    Attributes:
        within: A difference up to this is undecided: the largest of FLOOR, SURE standard errors over the frames, and
            what another seed changed.
    """

    figure: str
    name: str
    base: str
    value: float
    base_value: float
    mean: float
    within: float

    @property
    def sign(self) -> int:
        """1 where the variant is better for sure, -1 where it is worse, 0 where that is undecided."""
        return 0 if not math.isfinite(self.mean) or abs(self.mean) <= self.within + 1e-9 else 1 if self.mean > 0 else -1

    def __str__(self) -> str:
        shown = f"{self.name} {self.value:.3f} against {self.base} {self.base_value:.3f}"
        return shown if self.sign else f"{shown} (undecided: difference within {self.within:.3f})"


def difference(
    records: Mapping[str, Record], name: str, base: str, figure: str, of: str = "probes"
) -> Difference | None:
    """One figure of `name` less that of `base`; None where one of them was not trained or has no such figure.

    Args:
        records: Name of a variant -> its record.
        name: Of one variant.
        base: Of the other.
        figure: See `probes.FIGURES`.
        of: "probes", or "oracle" for what the representations allow.
    """
    if name not in records or base not in records:
        return None
    one, other = records[name].by_frame(figure, of), records[base].by_frame(figure, of)
    if len(one) != len(other) or len(one) == 0:
        return None
    both = np.isfinite(one) & np.isfinite(other)
    if not both.any():
        return None
    apart = (one - other)[both]
    within = max(_uncertain(apart), chance(records, figure) if of == "probes" else 0.0)
    values = (float(one[both].mean()), float(other[both].mean()))
    return Difference(figure, name, base, *values, float(apart.mean()), within)


def chance(records: Mapping[str, Record], figure: str) -> float:
    """How far apart two trainings are that differ by their seed alone; 0 where there is no such pair."""
    base = BASES["putback"]
    if AGAIN not in records or base not in records:
        return 0.0
    apart = records[AGAIN].probe(figure) - records[base].probe(figure)
    return abs(apart) if math.isfinite(apart) else 0.0


@dataclass(frozen=True)
class Guess:
    """A guess of the report and what decides it.

    Attributes:
        pairs: (variant without what the guess blames, variant with it).
        right: What is said where the first is better in every pair.
        wrong: What is said where it is better in none, and worse in one.
        of: "oracle" where the guess is about the truth that a network is asked for: perfect maps decide it then.
    """

    key: str
    words: str
    source: str
    figure: str
    pairs: tuple[tuple[str, str], ...]
    right: str
    wrong: str
    of: str = "probes"


GUESSES = (
    Guess(
        "objectness",
        "The objectness loss is not appropriate",
        "2.4.5 (a), 2.4.6 (a)",
        "objectness_auc",
        tuple(("objectness_centre", blamed) for blamed in ("objectness_mean", "objectness_four", "all_corrected")),
        "The measure matters: one logit at the centre tells windows on cars from others better",
        "The measure is not why it failed: without the slips another measure does no better",
    ),
    Guess(
        "balance",
        "Unbalanced portions of object and background",
        "2.4.5 (b)",
        "mask_iou",
        (("all_corrected", "unbalanced"),),
        "Balancing the mask loss helps",
        "Balancing the mask loss does not help",
    ),
    Guess(
        "skips",
        "The skip architecture may not give enough detail",
        "2.4.5 (c)",
        "mask_iou",
        (("all_corrected", "skips"),),
        "Holes are better than skips",
        "Skips are no worse than holes",
    ),
    Guess(
        "truth",
        "The truth differs from the paper's",
        "2.4.5 (d), 2.4.6 (b)",
        "mask_iou",
        (("paper_truth", "all_corrected"),),
        "The paper's windows are better",
        "Without the paper's many sizes of an image its windows are no better on this data",
        "oracle",
    ),
    Guess(
        "fcn8s",
        "Starting from FCN-8s may not be appropriate",
        "2.4.6 (c)",
        "mask_iou",
        (("all_corrected", "corrected_from_fcn8s"), ("working", "from_fcn8s")),
        "Starting from ImageNet weights is better than from FCN-8s",
        "Starting from FCN-8s is no worse than from ImageNet weights",
    ),
)
SMALL = ("small objects", "The method will not work on data with small objects", "2.4.7")
ORDER = ("order", "Convolution is invariant to translation, so that no order can be learnt", "2.3.3")


@dataclass(frozen=True)
class Verdict:
    """`outcome`: "right", "wrong", "in part", "undecided" or "not trained"; `figures` are those that decide it."""

    key: str
    guess: str
    source: str
    outcome: str
    sentence: str
    figures: tuple[str, ...] = ()

    def to_json(self) -> dict:
        """As a dict for `write_json`."""
        return asdict(self)


def verdicts(records: Sequence[Record]) -> list[Verdict]:
    """One for each guess of the report, in the order in which it makes them."""
    by_name = {record.name: record for record in records}
    return [_order(by_name), *(_compare(by_name, guess) for guess in GUESSES), _small(by_name)]


def _compare(records: Mapping[str, Record], guess: Guess) -> Verdict:
    """In each pair the variant without what the guess blames against the one with it."""
    trained, oracle = (
        [one for pair in guess.pairs if (one := difference(records, *pair, guess.figure, of)) is not None]
        for of in ("probes", "oracle")
    )
    by_oracle = guess.of == "oracle" and bool(oracle)
    found = oracle if by_oracle else trained
    head = (guess.key, guess.words, guess.source)
    if not found:
        missing = " and ".join(guess.pairs[0])
        return Verdict(*head, "not trained", f"Not trained here: it takes {missing}.")
    learnt = [by_oracle or _has_learnt(records, one) for one in found]
    signs = [one.sign if known else 0 for one, known in zip(found, learnt, strict=True)]
    shown = (*map(str, trained), *(f"oracle maps: {one}" for one in oracle if one.sign))
    means = f"({MEANING[guess.figure]})"
    if not any(learnt):
        blind = KNOWS_NOTHING[guess.figure]
        return Verdict(*head, "undecided", f"Undecided: none is surely above {blind} {means}.", shown)
    if all(sign > 0 for sign in signs):
        return Verdict(*head, "right", f"{guess.right} {means}.", shown)
    if all(sign == 0 for sign in signs):
        widest = max(one.within for one in found)
        return Verdict(*head, "undecided", f"Undecided: every difference lies within {widest:.3f} {means}.", shown)
    if any(sign > 0 for sign in signs):
        better = ", ".join(one.base for one, sign in zip(found, signs, strict=True) if sign > 0)
        return Verdict(*head, "in part", f"{guess.right}, but only against {better} {means}.", shown)
    return Verdict(*head, "wrong", f"{guess.wrong} {means}.", shown)


def _has_learnt(records: Mapping[str, Record], found: Difference) -> bool:
    """Whether the better of two networks is above what one reaches that knows nothing of the image."""
    value, name = max((found.value, found.name), (found.base_value, found.base))
    mark = records[name].blind(found.figure)
    return math.isnan(mark) or value > mark + _uncertain(records[name].by_frame(found.figure))


def _uncertain(values: np.ndarray) -> float:
    """How far the mean of one figure over frames is to be trusted; infinity for one frame."""
    values = values[np.isfinite(values)]
    error = float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.inf
    return max(FLOOR, SURE * error)


def _small(records: Mapping[str, Record]) -> Verdict:
    """Windows that scale against one fixed window, on small cars: with oracle maps, and as they were trained."""
    figure, fixed, scaled = "mask_iou_small", "fixed_window", BASES["putback"]
    oracle, trained = (difference(records, scaled, fixed, figure, of) for of in ("oracle", "probes"))
    found = [one for one in (oracle, trained) if one is not None]
    if not found:
        return Verdict(*SMALL, "not trained", f"Not trained here: it takes {scaled} and {fixed}.")
    shown = tuple(f"{how}: {one}" for how, one in (("oracle maps", oracle), ("trained", trained)) if one is not None)
    decides = next((one for one in found if one.sign), found[0])
    how = "oracle maps" if decides is oracle else "trained maps"
    means = f"({MEANING[figure]})"
    if decides.sign > 0:
        sentence = (
            f"It is the window and not the object: with {how} a fixed window of 168 px masks small cars worse than"
        )
        return Verdict(*SMALL, "wrong", f"{sentence} windows that scale {means}.", shown)
    if decides.sign < 0:
        return Verdict(*SMALL, "right", f"With {how} windows that scale mask small cars no better {means}.", shown)
    return Verdict(*SMALL, "undecided", f"Undecided: the difference lies within {decides.within:.3f} {means}.", shown)


def _order(records: Mapping[str, Record]) -> Verdict:
    """The ranks against the most frequent rank, which sees nothing, and that of each strip, which sees where.

    The guess is right where a network has learnt the one, and not the other although the place tells more.
    """
    names = [name for name in ("ordering_slice", "ordering_full") if name in records]
    if not names:
        return Verdict(*ORDER, "not trained", "Not trained here: it takes ordering_slice or ordering_full.")
    best = max((records[name] for name in names), key=lambda record: record.probe("order"))
    said, blind, placed = best.probe("order"), best.mark("constant_order"), best.mark("column_order")
    within = _uncertain(best.by_frame("order"))
    shown = (
        *(f"{name}: {records[name].probe('order'):.3f} of the car pixels have the right rank" for name in names),
        f"one rank for all pixels: {blind:.3f}; the most frequent rank of each of 16 strips: {placed:.3f}",
    )
    outcome, sentence = "undecided", f"Undecided: what the place tells and what was learnt lie within {within:.3f}."
    if not math.isfinite(within + blind + placed):
        sentence = "Undecided: a single frame decides nothing."
    elif said < blind - within:
        sentence = f"Undecided: after {best.steps} steps it has not even learnt one rank for all pixels."
    elif said > max(placed, blind) + within:
        outcome, sentence = "wrong", "The network counts: it beats what the place in the image alone tells."
    elif said > blind + within:
        outcome, sentence = (
            "in part",
            (
                "It sees roughly where a car is, as the border of the image shows it, but does not count: no better "
                "than the most frequent rank of that part of the image."
            ),
        )
    elif said < placed - within:
        outcome, sentence = (
            "right",
            (
                f"After {best.steps} steps it neither counts nor knows where it is: as good as one rank for all "
                "pixels, and worse than what the place alone tells."
            ),
        )
    return Verdict(*ORDER, outcome, sentence, shown)


def switches(records: Sequence[Record], group: str) -> list[tuple[Record, dict[str, Difference | None]]]:
    """Every variant of "putback", "corrected" or "guesses" with its differences from the base of its group."""
    by_name = {record.name: record for record in records}
    base = BASES[group]
    figures = ("mask_iou", "mask_iou_small", "objectness_auc")
    return [
        (record, {figure: difference(by_name, record.name, base, figure) for figure in figures})
        for record in records
        if record.group == group and record.name != base
    ]
