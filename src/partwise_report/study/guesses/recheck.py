"""Judge recorded trainings again, by a rule that is stricter than the one that was fixed before them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from partwise.errors import PartwiseError
from partwise_report.study.guesses.answer import by_variant
from partwise_report.study.guesses.trial import TrialRecord, read_trial
from partwise_report.study.guesses.verdicts import ROUNDS, STRICT_RULE, Verdict, verdicts


@dataclass(frozen=True)
class Rechecked:
    """A comparison under both rules.

    Attributes:
        round: See `verdicts.ROUNDS`.
        planned: By the rule that was fixed before the trainings.
        strict: By `STRICT_RULE`.
    """

    round: int
    planned: Verdict
    strict: Verdict


def recheck(folders: Mapping[int, Sequence[Path]]) -> list[Rechecked]:
    """Judge every comparison of which both variants are recorded.

    Args:
        folders: Round -> folders with the records of one study each.

    Returns:
        In the order of the guesses, the first round first. The stricter intervals hold for all of them together.

    Raises:
        PartwiseError: If a folder has no record, or one is damaged.
    """
    planned = [
        (number, trials, verdict)
        for number, places in folders.items()
        for trials in map(_trials_in, places)
        for verdict in verdicts(trials, ROUNDS[number])
        if verdict.effect is not None
    ]
    found = []
    for number, trials, verdict in planned:
        (strict,) = verdicts(trials, [verdict.guess], comparisons=len(planned))
        found.append(Rechecked(number, verdict, strict))
    return sorted(found, key=lambda one: (one.planned.guess.number, one.round))


def _trials_in(folder: Path) -> dict[str, list[TrialRecord]]:
    paths = sorted(folder.glob("*.json")) if folder.is_dir() else []
    if not paths:
        raise PartwiseError(f"{folder}: no records in it: give a folder such as results/report_guesses")
    return by_variant([read_trial(path) for path in paths])


def recheck_to_json(found: Sequence[Rechecked], command: str, semantic: Mapping[str, Any]) -> dict[str, Any]:
    """What `partwise study recheck` writes.

    Args:
        found: See `recheck`.
        command: The command line, without folders of this machine.
        semantic: See `semantic.semantic_aps`, with the data that it is of; empty without data.
    """
    return {
        "command": command,
        "strict_rule": STRICT_RULE,
        "comparisons": len(found),
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
        "semantic": dict(semantic),
    }
