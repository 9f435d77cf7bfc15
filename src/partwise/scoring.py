"""Score a model or a folder of result files on a data set, and compare two results."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from partwise.class_map import ClassNames
from partwise.data.cityscapes import TREES
from partwise.data.dataset import described
from partwise.data.source import DataSource
from partwise.errors import PartwiseError
from partwise.evaluation.coco_file import AnnotatedEvaluator, CocoTruth, HasCocoFile
from partwise.evaluation.entries import holds_entries, require_official_form, score_entries
from partwise.methods.options import DEFAULT_OPTIONS, InferenceOptions
from partwise.segmenter import load
from partwise.shards.scores import holds_parts, score_parts
from streeteval.compare import RECORDS_KEY, compare, read_records, records_of
from streeteval.evaluator import CityscapesEvaluator
from streeteval.metrics.available import OWN_METRICS, SETTING_OF, find_metric
from streeteval.metrics.metric import SIDE_BOUNDS_PX
from streeteval.reading.depth import find_depth
from streeteval.reading.layout import tree_in
from streeteval.reading.result_files import AS_WANTED, ReadOptions, ResultFiles
from streeteval.reading.truth import TruthFolder, require_truth
from streeteval.scene import EvenlySpaced
from streeteval.scoring import score_results

BOOTSTRAP_DRAWS = 1000


def score(
    data: str | os.PathLike | DataSource,
    split: str,
    *,
    model: str | None = None,
    predictions: Path | None = None,
    class_names: ClassNames | None = None,
    frames: int = 0,
    full: bool = False,
    metrics: Sequence[str] = (),
    workers: int = 1,
    read: ReadOptions = AS_WANTED,
    options: InferenceOptions = DEFAULT_OPTIONS,
    side_bounds_px: Sequence[int] = SIDE_BOUNDS_PX,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict:
    """Score a model or result files.

    Args:
        data: The data set.
        split: The split to score on.
        model: A model file, a run folder or the name of a model; the default model if neither `model` nor
            `predictions` is given.
        predictions: A folder of result files, of Parquet parts or of YOLO's text files, or a JSON file in COCO form,
            instead of a model.
        class_names: Which classes of a model stand for those of the data, see `ClassMap.between`.
        frames: The largest number of frames to score, evenly spaced; 0 for all.
        full: Also compute boundary AP, COCO AP, bootstrap intervals, and panoptic quality if there is a semantic map.
        metrics: Names of further metrics: those of other packages, or some of those that `full` adds.
        workers: Number of processes that read result files.
        read: How result files in the official form are read: train ids, small maps.
        options: How a model predicts the frames. It is scored at the size of the truth.
        side_bounds_px: Bounds between the sizes of instances for which AP is given: longest side in pixels, rising.
        progress: Called with the number of frames that are done, and the number of all frames.

    Returns:
        What `CityscapesEvaluator.compute` returns, "records" (for `compare`) and "circumstances" (how it was made).

    Raises:
        PartwiseError: If the data, the model or the result files cannot be used.
    """
    if model is not None and predictions is not None:
        raise PartwiseError("both --model and --predictions given: score one of them at a time")
    if predictions is not None:
        _leave_out({"--map": bool(class_names)} | _of_networks(options), "is for models, and --predictions are files")
    else:
        files_only = {f"--workers {workers}": workers > 1} | _of_reading(read)
        _leave_out(files_only, "is for --predictions, and a model is scored")
    if frames < 0 or workers < 1:
        raise PartwiseError(f"--frames {frames} --workers {workers}: give frames from 0 (all) and workers from 1 on")
    source = DataSource.of(data)
    circumstances = {"data": source.name, "split": split}
    evaluator_for = _evaluator_for(full, metrics, side_bounds_px)
    if predictions is not None:
        evaluator, figures = _score_files(predictions, source, split, frames, evaluator_for, workers, read, progress)
        circumstances["predictions"] = predictions.resolve().name
    else:
        evaluator, figures, how = _score_model(
            model, source, split, frames, evaluator_for, options, progress, class_names
        )
        circumstances |= how
    return figures | {RECORDS_KEY: records_of(evaluator), "circumstances": circumstances}


def _of_networks(options: InferenceOptions) -> dict[str, bool]:
    """Return which options of inference are not the default ones, by the name that a person gave them."""
    return {
        "--flip": options.flip,
        "--no-overview": not options.overview,
        "--scale": options.scale is not None,
        "--device": options.device not in ("auto", DEFAULT_OPTIONS.device),  # defaults of the command and of Python
        "--precision": options.precision != DEFAULT_OPTIONS.precision,
    }


def _of_reading(read: ReadOptions) -> dict[str, bool]:
    """Return how files in the official form are to be read, by the name that a person gave it."""
    return {"--train-ids": read.train_ids, "--enlarge": read.enlarge}


def _leave_out(asked: dict[str, bool], why: str) -> None:
    """Raise PartwiseError for the first option that is given and would have no effect."""
    for option, given in asked.items():
        if given:
            raise PartwiseError(f"{option} {why}: leave it out")


# (scenes, whether panoptic quality can be computed) -> an evaluator without images
EvaluatorFor = Callable[[EvenlySpaced, bool], CityscapesEvaluator]


def _evaluator_for(full: bool, metrics: Sequence[str], side_bounds_px: Sequence[int]) -> EvaluatorFor:
    """Make the function that makes evaluators with these settings.

    Raises:
        PartwiseError: If a metric is unknown.
    """
    others = [find_metric(name) for name in dict.fromkeys(metrics) if name not in OWN_METRICS]
    asked = {SETTING_OF[name]: True for name in metrics if name in SETTING_OF}

    def empty(scenes: EvenlySpaced, panoptic: bool) -> CityscapesEvaluator:
        extras = {"boundary": True, "panoptic": panoptic, "coco": True, "draws": BOOTSTRAP_DRAWS} if full else {}
        own: dict[str, Any] = {"side_bounds_px": tuple(side_bounds_px), **extras, **asked}
        own["metrics"] = [metric(scenes.label_set) for metric in others]
        if isinstance(scenes.scenes, HasCocoFile):
            return AnnotatedEvaluator(scenes.label_set, CocoTruth.of(scenes.scenes, scenes.names), **own)
        return CityscapesEvaluator(scenes.label_set, **own)

    return empty


def _score_files(
    folder: Path,
    data: DataSource,
    split: str,
    frames: int,
    evaluator_for: EvaluatorFor,
    workers: int,
    read: ReadOptions,
    progress: Callable,
) -> tuple[CityscapesEvaluator, dict]:
    if not folder.exists():
        raise PartwiseError(f"{folder}: no such file or folder: check the path of the results")
    entries = holds_entries(folder, data)
    if entries or holds_parts(folder):
        others = {f"--workers {workers}": workers > 1} | _of_reading(read)
        _leave_out(others, "is for folders of files in the official form")
        return (score_entries if entries else score_parts)(folder, data, split, frames, evaluator_for, progress)
    # Scoring result files needs no image, and decoding an image takes longer than everything else together.
    if data.labels is not None:
        require_official_form(folder, data)
        remedy = "leave the label file out, or give the results as a COCO file"
        raise PartwiseError(f"{data.labels}: files as the official scripts read them have Cityscapes' ids: {remedy}")
    try:
        truth = TruthFolder(data.root, split)
    except PartwiseError:
        require_official_form(folder, data)
        raise
    _refuse_the_data(folder, data.root)
    files = ResultFiles.find(folder, truth.names, truth.names_elsewhere, read)
    scenes = EvenlySpaced(truth, frames)
    require_truth(scenes, f"{data}, split {split}", progress)
    evaluator = evaluator_for(scenes, bool(files.instance and files.pixel))
    depth = find_depth(data.root, split)
    warnings = score_results(files, scenes, evaluator, workers=workers, depth=depth, progress=progress)
    return evaluator, evaluator.compute() | {"warnings": [asdict(warning) for warning in warnings]}


def _refuse_the_data(folder: Path, data: Path) -> None:
    """Refuse the data set itself as result files, because the truth would be scored against itself.

    Raises:
        PartwiseError: If one of the folders lies in the other.
    """
    results = folder.resolve()
    for tree in TREES:
        place = tree_in(data, tree)
        if place and (results.is_relative_to(place.resolve()) or place.resolve().is_relative_to(results)):
            raise PartwiseError(f"{folder}: holds or is in the data set's own {place}: give a folder of results alone")


def _score_model(
    model: str | None,
    data: DataSource,
    split: str,
    frames: int,
    evaluator_for: EvaluatorFor,
    options: InferenceOptions,
    progress: Callable,
    class_names: ClassNames | None = None,
) -> tuple[CityscapesEvaluator, dict, dict]:
    """Score a model; return evaluator, figures and circumstances."""
    # With torch, which takes seconds and which result files do not need.
    from partwise.evaluation.model import evaluate_ready, require_instances

    scenes = EvenlySpaced(data.open(split), frames)
    require_truth(scenes, f"{data}, split {split}", progress)
    segment = load(model, options=options, classes=class_names, label_set=scenes.label_set)
    scenes = EvenlySpaced(data.open_as(split, segment.method.label_set), frames)
    if segment.method.has_instances:
        require_instances(scenes, f"{data}, split {split}")
    evaluator = evaluator_for(scenes, segment.method.has_instances and segment.method.has_semantics)
    depth = find_depth(data.root, split)
    figures = evaluate_ready(segment.method, scenes, evaluator, options=segment.options, depth=depth, progress=progress)
    how = asdict(segment.options) | {"default_scale": segment.method.default_scale}
    how["dataset"] = described(data.open_as(split, segment.method.label_set))
    if class_names:
        how["classes"] = segment.method.classes.names
    return evaluator, figures, {"model": segment.info.origin, **how}


def compare_results(
    a: str | Mapping[str, Any],
    b: str | Mapping[str, Any],
    data: str | os.PathLike | DataSource | None = None,
    split: str = "val",
    *,
    draws: int = BOOTSTRAP_DRAWS,
    seed: int = 0,
    frames: int = 0,
    full: bool = False,
    metrics: Sequence[str] = (),
    side_bounds_px: Sequence[int] = SIDE_BOUNDS_PX,
    options: InferenceOptions = DEFAULT_OPTIONS,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> dict:
    """Compare two results, each the JSON file of an evaluation or a model.

    Args:
        a: A path that ends in .json, the content of such a file, or what `partwise.load` takes. A model is scored on
            `data` first.
        b: The other result, in one of these forms.
        data: Root of the data set to score models on.
        split: The split to score models on.
        draws: Number of draws of the bootstrap, from 1 on.
        seed: Seed of the draws, from 0 on.
        frames: The largest number of frames to score models on, evenly spaced; 0 for all.
        full: Also score models in boundary AP, panoptic quality and COCO AP.
        metrics: Names of further metrics for models. A file has the metrics that it was scored with.
        side_bounds_px: Bounds between the sizes of instances: longest side in pixels, rising.
        options: How models predict.
        progress: Called with what is being done (scoring A, scoring B, the bootstrap), how much of it is done, and all
            of it.

    Returns:
        What `streeteval.compare.compare` returns, with "a" and "b", the two names.

    Raises:
        PartwiseError: If bounds do not rise, a file or a model cannot be used, a model is given without `data`, or the
            results are on different data or have different settings.
    """
    if draws < 1 or seed < 0 or frames < 0:
        raise PartwiseError(
            f"--draws {draws} --seed {seed} --frames {frames}: give draws from 1, a seed and frames from 0 on"
        )
    models = [result for result in (a, b) if not _is_json(result)]
    if models and data is None:
        raise PartwiseError(f"{models[0]} is no .json file and taken for a model, to be scored first: give --data ROOT")
    if not models:
        asked = {"--data": data is not None, "--frames": frames > 0, "--full": full, "--metric": bool(metrics)}
        _leave_out(asked | _of_networks(options), "is for models, and both results are JSON files")
    evaluator_for = _evaluator_for(full, metrics, side_bounds_px)
    evaluators = []
    for name, result in (("A", a), ("B", b)):
        if isinstance(result, Mapping) or data is None or _is_json(result):  # without data, both are files
            evaluators.append(read_records(result))
        else:
            said = functools.partial(progress, f"scoring {name}")
            scored = _score_model(result, DataSource.of(data), split, frames, evaluator_for, options, said)
            evaluators.append(scored[0])
    bootstrap = functools.partial(progress, "bootstrap, draws")
    named = {name: one if isinstance(one, str) else "" for name, one in (("a", a), ("b", b))}
    return named | compare(evaluators[0], evaluators[1], draws, seed, side_bounds_px, bootstrap)


def _is_json(result: str | Mapping[str, Any]) -> bool:
    return isinstance(result, Mapping) or result.lower().endswith(".json")
