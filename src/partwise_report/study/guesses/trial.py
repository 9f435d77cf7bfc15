"""The record of one training of a variant with one seed: small, complete, and all that a study needs of it later.

Axes: N frames, B bootstrap draws of frames.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from partwise.errors import PartwiseError
from partwise.files import atomic_write
from partwise_report.study.guesses.measure import DRAWS, DRAWS_SEED
from partwise_report.study.guesses.tasks import changed
from streeteval.files import json_ready
from streeteval.metrics.bootstrap import draw_images

LOSS_POINTS = 50  # that are kept of a curve of losses


@dataclass
class TrialRecord:
    """What is kept of a training.

    Attributes:
        trial: Name of the variant.
        group: Of the variant.
        seed: Of the training.
        about: What the variant is, in words.
        settings: All that the outcome depends on; two records with the same settings and seed are of the same training.
        steps: That were done.
        seconds: Of training.
        stopped: Why it ended early; "" if it did not.
        losses: Means over `LOSS_POINTS` equal parts of the training.
        looks: Step -> figures on a few frames, before the first step, in the middle and in the end.
        figures: See `measure.measure`.
        machine: What it was trained on.
    """

    trial: str
    group: str
    seed: int
    about: str
    settings: dict[str, Any]
    steps: int
    seconds: float
    stopped: str
    losses: list[float]
    looks: dict[str, dict[str, float]]
    figures: dict[str, dict[str, Any]]
    machine: dict[str, Any] = field(default_factory=dict)

    def mean(self, figure: str) -> float:
        """A figure over all frames; NaN if it has no value."""
        value = (self.figures.get(figure) or {}).get("mean")
        return math.nan if value is None else float(value)

    def draws(self, figure: str) -> NDArray[np.float64]:
        """(B,) the figure in each draw of frames; NaN where a draw has no value, empty if there is no such figure."""
        found = self.figures.get(figure)
        if not found:
            return np.zeros(0)
        if "draws" in found:
            return _floats(found["draws"])
        values_N = _floats(found["by_frame"])
        weights_BN = _draws_of(len(values_N)) * np.isfinite(values_N)
        with np.errstate(invalid="ignore"):
            return (weights_BN @ np.nan_to_num(values_N)) / weights_BN.sum(axis=1)

    def look(self, place: int, figure: str) -> float:
        """A figure of the first (0), the middle (1) or the last (2) look; NaN if there is none."""
        steps = sorted(self.looks, key=int)
        value = self.looks[steps[place]].get(figure) if place < len(steps) else None
        return math.nan if value is None else float(value)

    def write(self, folder: Path) -> None:
        """Into the file of its variant and seed, on one line: there are many numbers."""
        with atomic_write(folder / file_name(self.trial, self.seed), "w") as file:
            file.write(json.dumps(json_ready(asdict(self)), separators=(",", ":"), allow_nan=False) + "\n")


@functools.cache
def _draws_of(frames: int) -> NDArray[np.int64]:
    """(B, N) how often each frame is in each draw."""
    return draw_images(frames, DRAWS, DRAWS_SEED)


def _floats(values: Iterable[float | None]) -> NDArray[np.float64]:
    return np.array([math.nan if value is None else value for value in values], float)


def file_name(trial: str, seed: int) -> str:
    """Of a record in its folder."""
    return f"{trial}-{seed}.json"


def read_trial(path: Path) -> TrialRecord:
    """The record in a file. Raises PartwiseError if there is none that can be read."""
    try:
        return TrialRecord(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise PartwiseError(f"{path}: not the record of a training ({error}): move the file away") from None


def kept_trial(folders: Sequence[Path], trial: str, seed: int, settings: Mapping[str, Any]) -> TrialRecord | None:
    """The record of a training that is finished, from the first of these folders that has it; None if none has.

    Raises:
        PartwiseError: If a record there is damaged, or is of a training with other settings.
    """
    for folder in folders:
        path = folder / file_name(trial, seed)
        if path.exists():
            found = read_trial(path)
            if different := changed(found.settings, settings):
                raise PartwiseError(
                    f"{path}: was trained with other settings ({', '.join(different)}): give the settings that it was "
                    "trained with, or another folder"
                )
            return found
    return None


def unlike(records: Iterable[TrialRecord], steps_too: bool = True) -> list[str]:
    """Say in what trainings differ that must be the same where they are compared.

    Args:
        records: Of all variants and seeds of one comparison.
        steps_too: Whether the number of steps must be the same.

    Returns:
        Of "steps", "crop", "precision", "frames to train on", "frames to measure on".
    """
    shared = [_shared(record) for record in records]
    names = [name for name in shared[0] if steps_too or name != "steps"] if shared else []
    return [name for name in names if any(one[name] != shared[0][name] for one in shared)]


def _shared(record: TrialRecord) -> dict[str, Any]:
    features = record.settings["features"]
    frames = {
        f"frames to {use}": [features[part].get("data"), features[part]["frames"]]
        for part, use in (("train", "train on"), ("val", "measure on"))
    }
    precision = [field for field in record.settings.get("overrides", ()) if field.startswith("training.precision=")]
    same = {"steps": record.settings.get("steps"), "crop": record.settings.get("crop"), "precision": precision[-1:]}
    return {**same, **frames}


def thinned(losses: Sequence[float]) -> list[float]:
    """Means over equal parts of a curve, at most `LOSS_POINTS`.

    >>> thinned([1.0, 2.0])
    [1.0, 2.0]
    """
    parts = np.array_split(np.array(losses), min(LOSS_POINTS, max(1, len(losses))))
    return [round(float(part.mean()), 5) for part in parts if len(part)]
