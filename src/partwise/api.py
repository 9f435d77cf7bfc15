"""Training, scoring and comparing in one call each, as the command line does them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from partwise.class_map import ClassNames
from partwise.data.source import DataSource
from partwise.experiment import TrainingData, plan, run
from partwise.files import write_json
from partwise.methods.options import DEFAULT_OPTIONS, InferenceOptions
from partwise.scoring import BOOTSTRAP_DRAWS, compare_results, score
from partwise.training.run import Monitor
from streeteval.compare import RECORDS_KEY
from streeteval.files import expanded

__all__ = ["Comparison", "Difference", "Evaluation", "compare", "evaluate", "train"]


@dataclass(frozen=True)
class Evaluation:
    """Scores of a model or of result files: fractions in 0..1, or None if a score has no value.

    Attributes:
        images: Number of frames that were scored.
        semantic: IoU and iIoU of classes and categories; None without semantic maps.
        instance: AP and AP50, also by class and by size, and AR; None without instances.
        figures: All scores, as `partwise evaluate --json` writes them and docs/evaluation.md defines them.
    """

    images: int
    semantic: Mapping[str, Any] | None
    instance: Mapping[str, Any] | None
    figures: Mapping[str, Any]

    @property
    def ap(self) -> float | None:
        """Average precision at IoU .5 to .95, the mean over the classes; None without instances."""
        return None if self.instance is None else self.instance["ap"]

    @property
    def iou_class(self) -> float | None:
        """Mean IoU of the classes; None without semantic maps."""
        return None if self.semantic is None else self.semantic["iou_class"]

    def to_dict(self) -> dict[str, Any]:
        """Return `figures` as plain values that JSON can hold."""
        return dict(self.figures)

    def save(self, path: str | os.PathLike) -> Path:
        """Write the JSON file that `partwise compare` reads.

        Args:
            path: The file to write. An evaluation that lies there is replaced.

        Returns:
            The path, with `~` replaced by the home folder.

        Raises:
            PartwiseError: If the file cannot be written, or a file of another kind lies there.
        """
        write_json(path, self.figures)
        return expanded(path)

    def __repr__(self) -> str:
        shown = {"AP": self.ap, "IoU class": self.iou_class}
        words = [f"{name} {value:.3f}" for name, value in shown.items() if value is not None]
        return f"Evaluation({self.images} images: {', '.join(words) or 'no figures'})"


@dataclass(frozen=True)
class Difference:
    """One figure of two results. Each number is None if the figure has no value.

    Attributes:
        a: The figure of A.
        b: The figure of B.
        difference: B - A.
        low: Lower bound of the 95 % interval of the difference.
        high: Upper bound of the 95 % interval of the difference.
        images: Number of images that have truth for the figure; below 5 it has no interval.
        sentence: The comparison in one sentence.
    """

    a: float | None
    b: float | None
    difference: float | None
    low: float | None
    high: float | None
    images: int
    sentence: str


@dataclass(frozen=True)
class Comparison:
    """The differences of two results on the same images.

    Attributes:
        images: Number of images.
        draws: Number of draws of the bootstrap.
        differences: Name of a figure, such as "instance.ap" -> its difference.
        figures: All of it, as `partwise compare --json` writes it.
    """

    images: int
    draws: int
    differences: Mapping[str, Difference]
    figures: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return `figures` as plain values that JSON can hold."""
        return dict(self.figures)


class _Silent:
    """A monitor that shows nothing."""

    def note(self, text: str) -> None:
        """Ignore a note."""

    def progress(self, done: float, record: dict) -> None:
        """Ignore the progress of a training."""

    def count(self, what: str, done: int, total: int) -> None:
        """Ignore the progress of anything else."""


def train(
    recipe: str,
    data: str | os.PathLike | DataSource,
    out: str | os.PathLike,
    *,
    minutes: float = 0.0,
    steps: int = 0,
    scale_steps: float = 1.0,
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
        data: Root of a data set of any known format. The network gets the classes of the data set.
        out: Folder of the run.
        minutes: Length of the training in minutes by the clock; 0 for the length that the recipe sets.
        steps: Length of the training in steps, which makes the run repeatable on a CPU; 0 for the length of the recipe.
        scale_steps: Factor of the steps that the recipe sets; without `minutes` and `steps`.
        overrides: Fields to change, such as "optim.lr=3e-4".
        weights: What to start from: model files, run folders, names of models, or weights for the backbone.
        classes: Which classes of these weights stand for those of the data, where their names differ: class of the data
            -> "car", "car,truck", "*" for all that no other class takes, or "" for none.
        resume: Continue from the state in `out`.
        split: The split to train on.
        val_split: The split to evaluate on.
        monitor: Receives notes and progress; None shows nothing.

    Returns:
        The folder of the run. `partwise.load` takes it.

    Raises:
        PartwiseError: If the recipe, the data or the folder cannot be used.
    """
    stages = plan(recipe, overrides, expanded(out), minutes, steps, scale_steps, weights)
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
        model: A model file, a run folder or the name of a model; the default model if neither `model` nor
            `predictions` is given.
        predictions: A folder of result files, or a JSON file in COCO form, instead of a model.
        split: The split of the data to score on.
        classes: Which classes of the model stand for those of the data, where they differ, as in `train`.
        frames: The largest number of frames to score, evenly spaced; 0 for all.
        full: Also compute boundary AP, panoptic quality, COCO AP and bootstrap intervals.
        metrics: Names of further metrics, such as those of other packages.
        workers: Number of processes that read result files.
        options: How the model predicts: device, precision, scale and flip.
        device: Replaces `options.device`: "cpu", "cuda", "cuda:1" or "auto".
        precision: Replaces `options.precision`: "no" (fp32), "bf16" or "auto".
        progress: Called with the number of frames that are done, and the number of all frames.

    Returns:
        The scores.

    Raises:
        PartwiseError: If the data, the model or the result files cannot be used.
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
    """Compare two results on the same images: differences with 95 % intervals from a paired bootstrap.

    Args:
        a: A JSON file of `evaluate`, an `Evaluation`, or a model. A model is scored on `data` first.
        b: The other result, in one of these forms.
        data: Root of a data set. Only models need it.
        split: The split of the data to score models on.
        draws: Number of draws of the bootstrap.
        seed: Seed of the draws.

    Returns:
        The differences B - A.

    Raises:
        PartwiseError: If the results are on different images, have different truth or settings, or a file is damaged.
    """
    figures = compare_results(_result(a), _result(b), data, split, draws=draws, seed=seed)
    differences = {name: Difference(**row) for name, row in figures["differences"].items()}
    return Comparison(figures["images"], figures["draws"], differences, figures)


def _result(given: str | os.PathLike | Evaluation) -> str | Mapping[str, Any]:
    if isinstance(given, Evaluation):
        return {RECORDS_KEY: given.figures[RECORDS_KEY]}
    return os.fspath(given)
