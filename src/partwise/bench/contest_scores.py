"""The scores of one contest of recipes, kept beside the weights that they are of, so that nothing is scored twice.

A file RUN/scored_last.json or RUN/scored_at_0500_x0.5.json holds what `partwise evaluate` writes, under "scored" on
what and by which version it was scored, and under "times" the milliseconds of the network.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

import partwise
from partwise.bench.contest import Contest, Entry
from partwise.bench.models import score_segmenter, segmenter_ms, size_name
from partwise.errors import PartwiseError
from partwise.files import require_replaceable, write_json
from partwise.scoring import BOOTSTRAP_DRAWS
from partwise.segmenter import Segmenter
from partwise.training.presence import frames_key
from partwise.training_data import TrainingData
from partwise.written import EVALUATION
from streeteval.compare import read_records, with_records
from streeteval.evaluator import CityscapesEvaluator
from streeteval.files import read_json
from streeteval.machine import processor
from streeteval.scene import EvenlySpaced

__all__ = ["Place", "Scores"]

_DAMAGED = (PartwiseError, AttributeError, KeyError, TypeError, ValueError)  # of a file that is then written again


class Place(NamedTuple):
    """What a score is of.

    Attributes:
        recipe: Name of the recipe.
        seed: Seed of the training.
        share: Share of the training that is done, above 0 and below 1; None for its end.
        scale: Factor by which frames are enlarged; None for the default scale of the model.
    """

    recipe: str
    seed: int
    share: float | None = None
    scale: float | None = None


class Scores:
    """What is scored of the trainings of a contest.

    Args:
        contest: What is compared.
        data: The data set and its splits.

    Attributes:
        data_name: Name of the data set.
        frames: The scenes that are scored.
        evaluators: The scores that are known, by what they are of.
        times: Milliseconds by size, by recipe and seed.
    """

    def __init__(self, contest: Contest, data: TrainingData):
        validation = data.validation()
        self.contest, self.data_name = contest, data.source.name
        self.frames = EvenlySpaced(validation, contest.frames)
        self.evaluators: dict[Place, CityscapesEvaluator] = {}
        self.times: dict[tuple[str, int], dict[str, float]] = {}
        self._circumstances = {
            "data": f"{data.source.name}/{data.val_split}",
            "frames": len(self.frames),
            "of": frames_key(validation),
            "partwise": partwise.__version__,
            "torch": torch.__version__,
        }

    def places(self, entry: Entry) -> list[Place]:
        """List all that is to be scored of a training: its end, further scales, and the minutes of the curve."""
        last = Place(entry.recipe, entry.seed)
        scaled = [last._replace(scale=scale) for scale in dict.fromkeys(self.contest.scales)]
        return [last, *scaled, *(last._replace(share=share) for share in self.contest.shares.values())]

    def require_replaceable(self, entry: Entry) -> None:
        """Raise PartwiseError if a file that partwise did not write is in the place of one of the scores."""
        for place in self.places(entry):
            require_replaceable(_file(entry, place), EVALUATION)

    def reached(self, entry: Entry) -> list[Place]:
        """List those of `places` whose weights are there."""
        return [place for place in self.places(entry) if entry.reached(place.share)]

    def find(self, entry: Entry) -> bool:
        """Take what is kept of a training, as far as it has come; return whether there was something new."""
        new = [place for place in self.reached(entry) if place not in self.evaluators and self._find(entry, place)]
        return (entry.finished and self._find_times(entry)) or bool(new)

    def _find(self, entry: Entry, place: Place) -> bool:
        """Take scores that are kept."""
        with contextlib.suppress(*_DAMAGED):
            if held := self._held(entry, place):
                self.evaluators[place] = read_records(held, self.frames.label_set)
        return place in self.evaluators

    def _find_times(self, entry: Entry) -> bool:
        """Take times that are kept, if they are new and were measured on this machine."""
        key = (entry.recipe, entry.seed)
        if key in self.times:
            return False
        with contextlib.suppress(*_DAMAGED):
            times = (self._held(entry, Place(*key)) or {}).get("times")
            if times and times["machine"] == _machine():
                self.times[key] = dict(times["ms"])
        return key in self.times

    def score(
        self, entry: Entry, place: Place, segment: Segmenter, progress: Callable[[int, int], None]
    ) -> CityscapesEvaluator:
        """Score weights of a training, and keep the scores.

        Args:
            entry: The training.
            place: What is scored, see `places`.
            segment: The model with these weights.
            progress: Called with the number of scenes that are done, and the number of all scenes.
        """
        evaluator = score_segmenter(
            segment, self.frames, place.scale, progress, instances_alone=True, draws=BOOTSTRAP_DRAWS
        )
        self.evaluators[place] = evaluator
        self._keep(entry, place, with_records(evaluator) | {"scored": self._scored(entry, place)})
        return evaluator

    def time(self, entry: Entry, segment: Segmenter, sizes: tuple[tuple[int, int], ...]) -> None:
        """Measure the milliseconds of a training's network, and keep them.

        Args:
            entry: The training, whose end is scored.
            segment: The model.
            sizes: (H, W) of the images in pixels.
        """
        ms = {size_name(size): segmenter_ms(segment, size) for size in sizes}
        self.times[entry.recipe, entry.seed] = ms
        place = Place(entry.recipe, entry.seed)
        if held := self._held(entry, place):
            self._keep(entry, place, dict(held) | {"times": {"ms": ms, "machine": _machine()}})

    def _scored(self, entry: Entry, place: Place) -> dict[str, Any]:
        """Return what a kept score must have been made with."""
        weights = hashlib.sha256(entry.weights(place.share).read_bytes()).hexdigest()[:16]
        return self._circumstances | {"weights": weights, "scale": place.scale}

    def _held(self, entry: Entry, place: Place) -> Mapping[str, Any] | None:
        """Return what the file of a score holds; None if it is missing or was made with something else."""
        file = _file(entry, place)
        held = read_json(file) if file.exists() else None
        return held if isinstance(held, dict) and held.get("scored") == self._scored(entry, place) else None

    def _keep(self, entry: Entry, place: Place, values: Mapping[str, Any]) -> None:
        write_json(_file(entry, place), values)


def _file(entry: Entry, place: Place) -> Path:
    """Return the file of a score."""
    end = "" if place.scale is None else f"_x{place.scale:g}"
    return entry.folder.path / f"scored_{entry.weights(place.share).stem}{end}.json"


def _machine() -> dict[str, Any]:
    """Return what times depend on."""
    return {"processor": processor(), "threads": torch.get_num_threads(), "torch": torch.__version__}
