"""Choose the thresholds of the tracker: one after the other is set to its best value, until none changes any more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any, TypeVar

from partwise.errors import PartwiseError
from partwise.video.tracker import TrackSettings

__all__ = ["VALUES", "choose_settings"]

VALUES: dict[str, tuple[float, ...]] = {
    "start": (0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6),
    "low": (0.02, 0.04, 0.06, 0.1, 0.15, 0.2),
    "high": (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5),
    "overlap": (0.05, 0.1, 0.15, 0.2, 0.3, 0.4),
    "mask_share": (0.0, 0.25, 0.5, 0.75, 1.0),
    "lost_seconds": (0.0, 0.3, 0.6, 1.0, 1.5, 2.0, 3.0),
}
ROUNDS = 3
Seen = TypeVar("Seen")


def choose_settings(
    seen: Sequence[Seen],
    begin: TrackSettings,
    score: Callable[[Sequence[Seen], TrackSettings], dict[str, Any]],
    progress: Callable[[str, int, int], None] = lambda part, done, total: None,
) -> tuple[TrackSettings, dict[str, Any]]:
    """Choose thresholds by the mean of HOTA and IDF1.

    Args:
        seen: The sequences.
        begin: Where the search begins.
        score: Returns {"hota", "idf1", ...} of a tracker with these thresholds on the sequences.
        progress: Called with what is being done, how much of it is done, and all of it.

    Returns:
        The thresholds, and {"begin", "sequences", "rounds": [a row for each value that was tried]}.
    """
    known: dict[TrackSettings, dict[str, Any]] = {}

    def value_of(settings: TrackSettings) -> float:
        if settings not in known:
            known[settings] = score(seen, settings)
        return (known[settings]["hota"] + known[settings]["idf1"]) / 2

    best, rows = begin, []
    for round_ in range(1, ROUNDS + 1):
        before = best
        for name, values in VALUES.items():
            tried = [settings for value in values if (settings := _with(best, name, value)) is not None]
            for place, settings in enumerate(tried):
                progress(f"thresholds, round {round_}, {name}", place, len(tried))
                value = value_of(settings)
                figures = {key: known[settings][key] for key in ("hota", "idf1", "id_changes")}
                rows.append({"round": round_, "changed": name} | asdict(settings) | figures)
                rows[-1]["mean"] = round(value, 4)
            best = max([best, *tried], key=value_of)  # the first of equal ones: a draw changes nothing
        if best == before:
            break
    return best, {"begin": asdict(begin), "sequences": len(seen), "rounds": rows}


def _with(settings: TrackSettings, name: str, value: float) -> TrackSettings | None:
    """The settings with another value; None if the thresholds would be out of order."""
    try:
        changed = replace(settings, **{name: value})
    except PartwiseError:
        return None
    return changed if changed.low <= changed.high <= changed.start else None
