"""Training, scoring and comparing in one call each, as the command line does them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from partwise.class_map import ClassNames
from partwise.data.source import DataSource
from partwise.evaluation.compare import RECORDS_KEY
from partwise.experiment import TrainingData, plan, run
from partwise.files import expanded, write_json
from partwise.methods.options import DEFAULT_OPTIONS, InferenceOptions
from partwise.scoring import BOOTSTRAP_DRAWS, compare_results, score
from partwise.training.run import Monitor

__all__ = ["Comparison", "Difference", "Evaluation", "compare", "evaluate", "train"]


@dataclass(frozen=True)
class Evaluation:
    """Scores of a model or of result files; fractions of 1, None where a score has no value.

    Attributes:
        images: Frames that were scored.
        semantic: IoU and iIoU of classes and categories; None without semantic maps.
        instance: AP, AP50, by class and by size, AR; None without instances.
        figures: Everything, as `partwise evaluate --json` writes it and docs/evaluation.md defines it.
    """

    images: int
    semantic: Mapping[str, Any] | None
    instance: Mapping[str, Any] | None
    figures: Mapping[str, Any]

    @property
    def ap(self) -> float | None:
        """Average precision over IoU .5 to .95, mean over the classes."""
        return None if self.instance is None else self.instance["ap"]

    @property
    def iou_class(self) -> float | None:
        """Mean IoU of the classes."""
        return None if self.semantic is None else self.semantic["iou_class"]

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold."""
        return dict(self.figures)

    def save(self, path: str | os.PathLike) -> Path:
        """Write the JSON that `partwise compare` reads. Raises PartwiseError if it cannot be written."""
        write_json(path, self.figures)
        return expanded(path)

    def __repr__(self) -> str:
        shown = {"AP": self.ap, "IoU class": self.iou_class}
        words = [f"{name} {value:.3f}" for name, value in shown.items() if value is not None]
        return f"Evaluation({self.images} images: {', '.join(words) or 'no figures'})"


@dataclass(frozen=True)
class Difference:
    """One figure of two results: the values, B - A, and the bounds of its 95 % interval; None without a value."""

    a: float | None
    b: float | None
    difference: float | None
    low: float | None
    high: float | None
    sentence: str


@dataclass(frozen=True)
class Comparison:
    """The differences of two results on the same images, by the name of the figure, such as "instance.ap"."""

    images: int
    draws: int
    differences: Mapping[str, Difference]
    figures: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold."""
        return dict(self.figures)


class _Silent:
    """A monitor that shows nothing."""

    def note(self, text: str) -> None:
        """See Monitor."""

    def progress(self, done: float, record: dict) -> None:
        """See Monitor."""

    def count(self, what: str, done: int, total: int) -> None:
        """See Monitor."""


def train(
    recipe: str,
    data: str | os.PathLike | DataSource,
    out: str | os.PathLike,
    *,
    minutes: float = 0.0,
    steps: int = 0,
    overrides: Sequence[str] = (),
    weights: Sequence[str] = (),
    classes: ClassNames | None = None,
    resume: bool = False,
    split: str = "train",
    val_split: str = "val",
    monitor: Monitor | None = None,
) -> Path:
    """Train a recipe, or a pipeline of recipes, as `partwise train` does.

    Args:
        recipe: A name that `partwise recipes` lists.
        data: Root of a data set of any known format; its classes become the network's.
        out: Folder of the run.
        minutes: Length by the clock; 0 as the recipe says.
        steps: Length in steps, which makes a run repeatable; 0 as the recipe says.
        overrides: Fields to change, such as "optim.lr=3e-4".
        weights: Model files, run folders, names of models, or weights for the backbone to start from.
        classes: Which classes of these weights stand for those of the data, where their names differ: class of the data
            -> "car", "car,truck", "*" for all that no other class takes, or "" for none.
        resume: Go on from the state in `out`.
        split: What to train on.
        val_split: What to evaluate on.
        monitor: Is told what is going on; nothing is shown without it.

    Returns:
        The folder of the run, which `partwise.load` takes.

    Raises:
        PartwiseError: For anything that is wrong with recipe, data or folder, in one line.
    """
    stages = plan(recipe, overrides, expanded(out), minutes, steps)
    where = TrainingData(data, split, val_split)
    return run(stages, where, monitor or _Silent(), weights=weights, class_names=classes, resume=resume)


def evaluate(
    data: str | os.PathLike | DataSource,
    *,
    model: str | os.PathLike | None = None,
    predictions: str | os.PathLike | None = None,
    split: str = "val",
    classes: ClassNames | None = None,
    frames: int = 0,
    full: bool = False,
    metrics: Sequence[str] = (),
    workers: int = 1,
    options: InferenceOptions = DEFAULT_OPTIONS,
    device: str | None = None,
    precision: str | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Evaluation:
    """Score a model, or the result files of any tool, as `partwise evaluate` does.

    Args:
        data: Root of a data set.
        model: A model file, a run folder or a model's name; the default model where nothing is given.
        predictions: A folder of result files, instead of a model.
        split: Of the data.
        classes: Which classes of the model stand for those of the data, where they differ, as in `train`.
        frames: At most so many, evenly spaced; 0 for all.
        full: Also boundary AP, panoptic quality, COCO AP and bootstrap intervals.
        metrics: Names of further metrics, such as those of other packages.
        workers: Processes that read result files.
        options: How the model predicts: device, precision, scale and flip.
        device: Replaces `options.device`: "cpu", "cuda", "cuda:1", or "auto".
        precision: Replaces `options.precision`: "no" (fp32), "bf16" or "auto".
        progress: Is told how many frames are done, of how many.

    Raises:
        PartwiseError: For anything that is wrong with data, model or result files, in one line.
    """
    figures = score(
        data,
        split,
        model=None if model is None else os.fspath(model),
        predictions=None if predictions is None else expanded(predictions),
        class_names=classes,
        frames=frames,
        full=full,
        metrics=metrics,
        workers=workers,
        options=options.changed(device=device, precision=precision),
        progress=progress,
    )
    return Evaluation(figures["images"], figures["semantic"], figures["instance"], figures)


def compare(
    a: str | os.PathLike | Evaluation,
    b: str | os.PathLike | Evaluation,
    *,
    data: str | os.PathLike | DataSource | None = None,
    split: str = "val",
    draws: int = BOOTSTRAP_DRAWS,
    seed: int = 0,
) -> Comparison:
    """Whether B is better than A on the same images: differences with intervals from a paired bootstrap.

    Args:
        a: A JSON file of `evaluate`, an `Evaluation`, or a model, which is scored on `data` first.
        b: Likewise.
        data: Root of a data set, for models.
        split: Of the data.
        draws: Of the bootstrap.
        seed: Of the draws.

    Raises:
        PartwiseError: For results on different images, with different truth or settings, and for a damaged file.
    """
    figures = compare_results(_result(a), _result(b), data, split, draws=draws, seed=seed)
    differences = {name: Difference(**row) for name, row in figures["differences"].items()}
    return Comparison(figures["images"], figures["draws"], differences, figures)


def _result(given: str | os.PathLike | Evaluation) -> str | Mapping[str, Any]:
    if isinstance(given, Evaluation):
        return {RECORDS_KEY: given.figures[RECORDS_KEY]}
    return os.fspath(given)
