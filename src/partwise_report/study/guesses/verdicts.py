"""What trainings say of the report's guesses: right, wrong, not decided or not trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from partwise_report.study.guesses.effects import (
    SEEDS,
    Effect,
    difference,
    has_learnt,
    outcome,
    reaches,
    seeds_needed,
    steps_needed,
)
from partwise_report.study.guesses.measure import SEMANTIC_AP
from partwise_report.study.guesses.rounds import COMPARISONS, GUESSES, ROUNDS, STRICT_FROM, Alike, Guess
from partwise_report.study.guesses.trial import TrialRecord, unlike

MEANING = {
    "car_ap": "AP of cars",
    "mask_iou": "mask IoU of cars, their windows given",
    "mask_above": "mask IoU of cars above constant maps",
    "auc_near": "AUC of objectness against near windows",
    "auc_far": "AUC of objectness against all windows without a car",
    "order": "share of cars' pixels with the right rank",
}
RULE = (
    "right: the mean difference (without what the guess blames - with it) over seeds reaches the threshold and its "
    "95 % interval over frames and seeds lies above 0; wrong: the interval lies below the threshold. With a threshold "
    "below 0, right: the interval lies above the threshold. A comparison counts only with three seeds of each variant, "
    "and if the better variant lies above every mark of the figure, by at least the threshold"
)


STRICT_RULE = (
    "as the rule, but with intervals of Student's t that hold for all comparisons together (Bonferroni); and AP of "
    "cars counts only where it lies above that of the same network with all of its pixels of cars as one instance"
)


@dataclass(frozen=True)
class Verdict:
    """What the trainings so far say of a guess.

    Attributes:
        guess: See `Guess`.
        outcome: "right", "wrong", "not decided" or "not trained".
        effect: The difference; None if it is not trained, or if the trainings cannot be compared.
        more: What would decide it, in words; "" if it is decided.
        steps: Of the trainings.
        seeds: Trainings of each side.
    """

    guess: Guess
    outcome: str
    effect: Effect | None = None
    more: str = ""
    steps: int = 0
    seeds: tuple[int, int] = (0, 0)

    @property
    def decided(self) -> bool:
        """Whether it is right or wrong."""
        return self.outcome in ("right", "wrong")

    def to_json(self) -> dict[str, Any]:
        """Of JSON's own types."""
        return asdict(self)


def verdicts(
    trials: Mapping[str, Sequence[TrialRecord]], guesses: Sequence[Guess] = GUESSES, comparisons: int = 0
) -> list[Verdict]:
    """What the records say of each guess.

    Args:
        trials: Variant -> its records, one a seed.
        guesses: To judge.
        comparisons: Of how many comparisons these are, for `STRICT_RULE`; 0 for `RULE`, which was fixed first.
    """
    return [_judge(trials, guess, comparisons) for guess in guesses]


def verdicts_of_round(trials: Mapping[str, Sequence[TrialRecord]], number: int) -> list[Verdict]:
    """What the records say of the guesses of a round (see `rounds.ROUNDS`), by the rule that was fixed for it."""
    return verdicts(trials, ROUNDS[number], COMPARISONS if number >= STRICT_FROM else 0)


def rule_of_round(number: int) -> str:
    """The rule of `verdicts_of_round`, in words."""
    return STRICT_RULE if number >= STRICT_FROM else RULE


def _judge(trials: Mapping[str, Sequence[TrialRecord]], guess: Guess, comparisons: int) -> Verdict:
    one, other = (trials.get(name, ()) for name in (guess.without, guess.blamed))
    same_steps = not guess.about_steps
    if one and other and (different := unlike([*one, *other], same_steps)):
        more = f"trainings of both variants with the same {' and '.join(different)}"
        return Verdict(guess, "not decided", None, more, seeds=(len(one), len(other)))
    effect = difference(one, other, guess.figure, same_steps=same_steps) if one and other else None
    if effect is None:
        missing = [name for name, records in ((guess.without, one), (guess.blamed, other)) if not records]
        return Verdict(guess, "not trained", more=f"trainings of {' and '.join(missing)}" if missing else "")
    steps, seeds = min(record.steps for record in (*one, *other)), (len(one), len(other))
    better = one if effect.mean >= 0 else other
    if comparisons:
        effect = effect.strict(comparisons)
        if guess.figure == "car_ap" and not all(record.draws(SEMANTIC_AP).size for record in better):
            more = "AP of its pixels of cars as one instance, which these trainings did not measure"
            return Verdict(guess, "not decided", effect, more, steps, seeds)
    if not has_learnt(better, guess.figure, strict=comparisons > 0):
        return Verdict(guess, "not decided", effect, steps_needed(better, guess.figure), steps, seeds)
    if not reaches(better, guess.figure, guess.threshold):
        more = steps_needed(better, guess.figure, abs(guess.threshold))
        return Verdict(guess, "not decided", effect, more, steps, seeds)
    if guess.only_if is not None and (more := _unlike_by(trials, guess.only_if)):
        return Verdict(guess, "not decided", effect, more, steps, seeds)
    found = outcome(effect, guess.threshold)
    if found == "open":
        return Verdict(guess, "not decided", effect, seeds_needed(effect, guess.threshold), steps, seeds)
    return Verdict(guess, found, effect, "", steps, seeds)


def _unlike_by(trials: Mapping[str, Sequence[TrialRecord]], alike: Alike) -> str:
    """What keeps two variants from counting as alike, in words; "" if they do."""
    one, other = (trials.get(name, ()) for name in (alike.one, alike.other))
    effect = difference(one, other, alike.figure, same_steps=False)
    if effect is None or effect.seeds < SEEDS:
        return f"{SEEDS} trainings each of {alike.one} and {alike.other}, which must be alike"
    strict = effect.strict()
    if max(-strict.low, strict.high) > alike.within:
        return f"{alike.one} and {alike.other} alike within {alike.within:g}, and they differ by {strict}"
    return ""
