"""Compare trained models: scores, number of parameters and speed, from one run on one machine.

All scores are from the same frames. Times are by the clock: run nothing else at the same time.
"""

from __future__ import annotations

import functools
import hashlib
import os
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

import partwise
from partwise.bench.model_views import View, known_sizes, known_view, size_name, views_of
from partwise.bench.scored_data import data_for
from partwise.bench.speed import median_ms, with_threads
from partwise.data.source import DataSource
from partwise.data.streets import Streets
from partwise.errors import PartwiseError
from partwise.evaluation.model import add_predictions
from partwise.model_files import MODELS, find_model
from partwise.model_info import is_exported
from partwise.runtime.exported_parts import ExportedParts
from partwise.runtime.opened import open_exported
from partwise.scene import Scenes
from partwise.segmenter import Segmenter, load
from partwise.training.presence import frames_key
from streeteval.evaluator import CityscapesEvaluator
from streeteval.machine import describe_machine
from streeteval.reading.truth import require_truth
from streeteval.scene import EvenlySpaced

TIMED_SCENES, REPEATS = 3, 3
OFFICIAL_SIZE = (1024, 2048)  # (H, W) of Cityscapes frames: always timed, and scored if the frames have this size


def bench_models(
    models: Sequence[str],
    data: Path,
    split: str = "val",
    *,
    frames: int = 0,
    scales: Sequence[float] = (),
    threads: int = 2,
    device: str = "cpu",
    progress: Callable[[str, int, int], None] = lambda part, done, total: None,
    before: Mapping[str, Any] | None = None,
    keep: Callable[[dict], None] = lambda figures: None,
) -> dict:
    """Score every model and measure its speed, at its default scale and at further scales.

    Args:
        models: What `partwise.load` takes, also exported files.
        data: Root of the data set.
        split: Split of the data set.
        frames: Largest number of frames, evenly spaced; 0 for all.
        scales: Factors by which frames are enlarged for further scores.
        threads: Number of threads of torch and of other runtimes, for scores and times.
        device: Device of the networks.
        progress: Called with what is being done, how much of it is done, and all of it.
        before: What an earlier call returned or passed to `keep`. Its figures of the same model files are kept.
        keep: Called with the figures after each measurement.

    Returns:
        {"machine", "data", "frames", "models": [{"model", "digest", "origin", "method", "backbone", "parameters",
        "sizes": {"1024x512": {"scale", "ms", and if it was scored "ap", "ap50", "ar100", "class_ap", "size_ap",
        "size_ap50", "pq", "iou_class", "iou_category"}}}]}. "scale" is None for the default scale of the model. Of two
        scales at one size the second is called such as "1024x512 at scale 1". Figures that a model does not have are
        None.

    Raises:
        PartwiseError: If a number is out of range, two models have one name, the earlier figures are of other frames or
            of another machine, or loading or scoring raises it.
    """
    if frames < 0 or threads < 1:
        raise PartwiseError(f"--frames {frames} --threads {threads}: give frames from 0 (all) and threads from 1 on")
    names = names_in_tables(models)
    # Read all files first: an error after scoring the first model would be late.
    digests = [hashlib.sha256(find_model(model).read_bytes()).hexdigest()[:16] for model in models]
    source = DataSource.of(data)
    scenes = EvenlySpaced(source.open(split), frames)
    require_truth(scenes, f"{data}, split {split}")
    views = views_of(scenes[0].size, scales, OFFICIAL_SIZE)
    in_order = sorted(views, key=lambda view: view.size)
    versions = {"torch": torch.__version__, "partwise": partwise.__version__}
    truth = {"size": size_name(scenes[0].size), "truth": frames_key(source.open(split))[:16]}
    figures: dict = {
        "machine": describe_machine() | {"threads": threads, "device": device} | versions,
        "data": {"root": data.resolve().name, "split": split} | truth,
        "frames": len(scenes),
        "models": [],
    }
    known = known_sizes(before, figures)
    # Models are loaded one at a time, here and below: a GPU may not have room for all of them.
    for name, digest, model in zip(names, digests, models, strict=True):
        sizes = {view.name: known_view(known.get((name, digest), {}), view) for view in in_order}
        segment = loaded(model, device, threads)
        data_for(segment, source, split)
        figures["models"].append({"model": name, "digest": digest} | _described(segment) | {"sizes": sizes})
    with with_threads(threads):
        for model, row in zip(models, figures["models"], strict=True):
            segment = loaded(model, device, threads)
            own = EvenlySpaced(data_for(segment, source, split), frames)
            for _ in _measured(segment, row, own, views, progress):
                keep(figures)
    return figures


def _measured(
    segment: Segmenter,
    row: dict[str, Any],
    scenes: EvenlySpaced,
    views: Sequence[View],
    progress: Callable[[str, int, int], None],
) -> Iterator[None]:
    """Add the missing figures to the row of a model, one at a time: the time of each view, the scores of some views."""
    for view in sorted(views, key=lambda view: view.size):
        at = row["sizes"][view.name]
        if "ms" not in at:
            progress(f"the time of {row['model']}, {view.name}", 0, 0)
            at["ms"] = segmenter_ms(segment, view.size, None if view.scale is None else 1.0)
            yield
    for view in views:
        at, what = row["sizes"][view.name], f"{row['model']}, {view.name}"
        if view.scored and "ap" not in at:
            evaluator = score_segmenter(segment, scenes, view.scale, functools.partial(progress, what))
            at |= model_figures(evaluator.compute())
            yield


def loaded(model: str | os.PathLike, device: str = "cpu", threads: int = 1) -> Segmenter:
    """Load a model in fp32; an exported file runs with a number of threads of its own."""
    path = find_model(model)
    if not is_exported(path):
        return load(path, device=device, precision="no")
    file = open_exported(path, device, threads)
    return Segmenter(ExportedParts(file), file.info)


def model_name(model: str) -> str:
    """Make a short name for a table: that of an installed model, a run folder, or a file without .safetensors.

    Example:
        >>> model_name("runs/night/last.safetensors"), model_name("runs/night"), model_name("mine.safetensors")
        ('night', 'night', 'mine')
        >>> model_name("exported/mine.onnx")
        'mine.onnx'
    """
    if model in MODELS:
        return model
    path = Path(model).absolute()
    if path.name in ("last.safetensors", "best.safetensors"):
        return path.parent.name
    return path.name.removesuffix(".safetensors")


def names_in_tables(models: Sequence[str]) -> list[str]:
    """Return the `model_name` of every model. Raises PartwiseError if two have one name."""
    names = [model_name(model) for model in models]
    for name in names:
        if names.count(name) > 1:
            raise PartwiseError(f"{names.count(name)} models are called {name}: a table needs a name for each")
    return names


def loaded_by_name(models: Sequence[str], threads: int) -> dict[str, Segmenter]:
    """Load all models before the first is measured, so that a wrong file ends a command at once; see `loaded`."""
    return {name: loaded(model, threads=threads) for name, model in zip(names_in_tables(models), models, strict=True)}


def score_segmenter(
    segment: Segmenter,
    scenes: Scenes,
    scale: float | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    *,
    instances_alone: bool = False,
    draws: int = 0,
) -> CityscapesEvaluator:
    """Score a model on scenes: its instances, its semantic map, and PQ if it has both.

    Args:
        segment: The model.
        scenes: Scenes with their truth.
        scale: Factor by which scenes are enlarged; None for the default scale.
        progress: Called with the number of scenes that are done, and the number of all scenes.
        instances_alone: Ignore semantic maps, so that a model without one can be compared with the others.
        draws: Bootstrap draws of the intervals; 0 for no intervals.

    Returns:
        The evaluator, which holds the records of all scenes.
    """
    method = segment.method
    panoptic = method.has_instances and method.has_semantics and not instances_alone
    evaluator = CityscapesEvaluator(method.label_set, panoptic=panoptic, draws=draws)
    add_predictions(
        method,
        scenes,
        evaluator,
        segment.options.changed(scale=scale),
        instances_alone=instances_alone,
        progress=progress,
    )
    return evaluator


def segmenter_ms(segment: Segmenter, size: tuple[int, int], scale: float | None = None) -> float:
    """Measure the median milliseconds from an image to its `Result`; the mean over rendered scenes.

    Args:
        segment: The model.
        size: (H, W) of the images in pixels.
        scale: Factor by which images are enlarged; None for the default scale.
    """
    images = [scene.image_HW3 for scene in Streets(TIMED_SCENES, size, seed=7)]
    times = (median_ms(functools.partial(segment, image, scale=scale), REPEATS) for image in images)
    return round(statistics.mean(times), 1)


def parameter_count(segment: Segmenter) -> int:
    """Count weights and biases, also those that are not trained; those of an exported file before it was quantised."""
    if isinstance(segment.method, ExportedParts):
        return segment.method.file.parameters
    return sum(parameter.numel() for parameter in segment.method.parameters())


def instance_figures(instance: dict | None) -> dict:
    """Select the main scores of instances.

    Args:
        instance: "instance" of what the evaluator computed; None without instances, which gives None for each score.
    """
    keys = ("ap", "ap50", "ar100", "class_ap", "size_ap", "size_ap50")
    if instance is None:
        return dict.fromkeys(keys)
    by_class = {name: row["ap"] for name, row in instance["per_class"].items()}
    by_size = {of: {name: row[of] for name, row in instance["by_size"].items()} for of in ("ap", "ap50")}
    values = (instance["ap"], instance["ap50"], instance["ar"]["100"], by_class, by_size["ap"], by_size["ap50"])
    return dict(zip(keys, values, strict=True))


def model_figures(computed: dict) -> dict:
    """Select the main scores of what the evaluator computed; a missing score is None."""
    semantic, panoptic = computed["semantic"] or {}, computed["panoptic"] or {}
    figures = {key: semantic.get(key) for key in ("iou_class", "iou_category")} | {"pq": panoptic.get("pq")}
    return instance_figures(computed["instance"]) | figures


def _described(segment: Segmenter) -> dict:
    method = segment.info.method
    about = {"origin": segment.info.origin, "method": method["kind"], "backbone": method.get("backbone")}
    return about | {"parameters": parameter_count(segment)}
