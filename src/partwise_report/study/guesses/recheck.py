"""Judge recorded trainings again, by a rule that is stricter than the one that was fixed before them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from partwise.errors import PartwiseError
from partwise_report.study.guesses.answer import by_variant
from partwise_report.study.guesses.effects import Effect, difference, level
from partwise_report.study.guesses.measure import SEMANTIC_AP
from partwise_report.study.guesses.rounds import COMPARISONS, ROUNDS, STRICT_FROM
from partwise_report.study.guesses.trial import TrialRecord, read_trial
from partwise_report.study.guesses.verdicts import STRICT_RULE, Verdict, verdicts


@dataclass(frozen=True)
class Further:
    """A figure on which no verdict rests, but which limits what a verdict means.

    Attributes:
        guess: Number of the guess.
        of: Variant.
        less: Variant, or figure of the same trainings, that is subtracted.
        figure: See `measure.measure`.
        round: See `rounds.ROUNDS`.
        same_steps: Whether both variants must have the same number of steps.
    """

    guess: int
    of: str
    less: str
    figure: str
    round: int = 1
    same_steps: bool = True

    def effect(self, trials: Mapping[str, Sequence[TrialRecord]]) -> Effect | None:
        """The difference with the interval of Student's t; None if it is not recorded."""
        if self.of not in trials:
            return None
        if self.less in trials:
            found = difference(trials[self.of], trials[self.less], self.figure, same_steps=self.same_steps)
        else:
            found = level(trials[self.of], self.figure, self.less)
        return None if found is None else found.strict()


# Of the first round: chosen after the trainings, by what a reader asks of a verdict. Of the third and of the chain:
# planned.
FURTHER = (
    Further(9, "paper_windows", "report_windows", "mask_above"),
    Further(9, "paper_windows", "report_windows", "mask_above <32"),
    Further(11, "size_2", "size_1", "mask_above <32"),
    Further(11, "size_2", "size_1", "mask_iou <32"),
    Further(11, "size_2", "size_1", "car_ap"),
    Further(13, "objectness_mean", "corrected", "car_ap"),
    Further(13, "committed_rate", "corrected", "mask_iou"),
    Further(14, "rate_1e-6", "prior_near", "auc_near"),
    Further(14, "rate_1e-6", "constant_iou", "mask_iou"),
    Further(7, "skips", "constant_iou", "mask_iou", 3),
    Further(9, "paper_windows_mean", "report_windows_mean", "mask_above", 3),
    Further(9, "report_windows_mean", SEMANTIC_AP, "car_ap", 3),
    Further(9, "chain_6", "objectness_centre", "car_ap"),
    Further(9, "chain_6", SEMANTIC_AP, "car_ap"),
    Further(12, "size_1_mean", SEMANTIC_AP, "car_ap", 3),
    Further(12, "size_4_mean", SEMANTIC_AP, "car_ap", 3),
    Further(12, "size_4_mean", "size_1_mean", "mask_above", 3),
    Further(13, "objectness_mean", SEMANTIC_AP, "car_ap", 3),
    Further(14, "rate_1e-6_long", "rate_1e-5_short", "mask_iou", 3, same_steps=False),
    Further(14, "report_windows", "constant_iou", "mask_iou", 3),
    Further(14, "rate_1e-6_long", "constant_iou", "mask_iou", 3),
    Further(14, "rate_1e-5_long", "constant_iou", "mask_iou", 3),
    Further(14, "rate_1e-6_long", "prior_near", "auc_near", 3),
    Further(14, "rate_1e-5_long", "report_windows", "auc_near", 3, same_steps=False),
)


@dataclass(frozen=True)
class Rechecked:
    """A comparison under both rules.

    Attributes:
        round: See `rounds.ROUNDS`.
        planned: By the rule that was fixed before the trainings.
        strict: By `STRICT_RULE`.
        comparisons: For how many comparisons together the stricter interval holds.
    """

    round: int
    planned: Verdict
    strict: Verdict
    comparisons: int


Studies = Mapping[int, Sequence[Mapping[str, Sequence[TrialRecord]]]]  # round -> variant -> records, of each study


def read_studies(folders: Mapping[int, Sequence[Path]]) -> Studies:
    """Read the records of studies.

    Args:
        folders: Round -> folders with the records of one study each.

    Raises:
        PartwiseError: If a folder has no record, or one is damaged.
    """
    return {number: [_trials_in(folder) for folder in places] for number, places in folders.items()}


def recheck(studies: Studies) -> list[Rechecked]:
    """Judge every comparison of which both variants are recorded.

    Args:
        studies: See `read_studies`.

    Returns:
        In the order of the guesses, the first round first. The stricter intervals hold for all of them together; with
        records of the third round, for all that were planned.
    """
    planned = [
        (number, trials, verdict)
        for number, found_trials in studies.items()
        for trials in found_trials
        for verdict in verdicts(trials, ROUNDS[number])
        if verdict.effect is not None
    ]
    found = []
    together = COMPARISONS if any(studies.get(number) for number in ROUNDS if number >= STRICT_FROM) else len(planned)
    for number, trials, verdict in planned:
        (strict,) = verdicts(trials, [verdict.guess], comparisons=together)
        found.append(Rechecked(number, verdict, strict, together))
    return sorted(found, key=lambda one: (one.planned.guess.number, one.round))


def further(studies: Studies) -> list[tuple[Further, Effect]]:
    """The figures of `FURTHER` that are recorded.

    Args:
        studies: See `read_studies`.
    """
    trials = {
        number: {name: records for study in found for name, records in study.items()}
        for number, found in studies.items()
    }
    return [(one, effect) for one in FURTHER if (effect := one.effect(trials.get(one.round, {}))) is not None]


def _trials_in(folder: Path) -> dict[str, list[TrialRecord]]:
    paths = sorted(folder.glob("*.json")) if folder.is_dir() else []
    if not paths:
        raise PartwiseError(f"{folder}: no records in it: give a folder such as results/report_guesses")
    return by_variant([read_trial(path) for path in paths])


def recheck_to_json(
    found: Sequence[Rechecked], more: Sequence[tuple[Further, Effect]], command: str, semantic: Mapping[str, Any]
) -> dict[str, Any]:
    """What `partwise study recheck` writes.

    Args:
        found: See `recheck`.
        more: See `further`.
        command: The command line, without folders of this machine.
        semantic: See `semantic.semantic_aps`, with the data that it is of; empty without data.
    """
    return {
        "command": command,
        "strict_rule": STRICT_RULE,
        "comparisons": max((one.comparisons for one in found), default=0),
        "rechecked": [
            {
                "round": one.round,
                "guess": one.planned.guess.number,
                "words": one.planned.guess.words,
                "without": one.planned.guess.without,
                "blamed": one.planned.guess.blamed,
                "figure": one.planned.guess.figure,
                "threshold": one.planned.guess.threshold,
                "planned": one.planned.to_json()["effect"] | {"outcome": one.planned.outcome},
                "strict": one.strict.to_json()["effect"] | {"outcome": one.strict.outcome, "more": one.strict.more},
            }
            for one in found
        ],
        "further": [asdict(one) | {"effect": asdict(effect)} for one, effect in more],
        "semantic": dict(semantic),
    }
