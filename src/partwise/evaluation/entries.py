"""Score results of any tool as entries of single instances: COCO's JSON, or text files of YOLO."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from partwise.data.cityscapes import CityscapesFolder
from partwise.data.frame import raise_faults
from partwise.data.polygons.dataset import AnnotatedFolder
from partwise.data.polygons.yolo import YoloFolder
from partwise.data.source import DataSource
from partwise.errors import PartwiseError
from partwise.evaluation.category_numbers import CategoryNumbers
from partwise.evaluation.coco_file import AnnotatedEvaluator
from partwise.evaluation.coco_reader import read_coco_results
from partwise.evaluation.coco_results import Frames
from partwise.evaluation.yolo_results import is_empty_yolo_results, is_yolo_results, read_yolo_results
from streeteval.evaluator import CityscapesEvaluator
from streeteval.reading.depth import find_depth
from streeteval.reading.truth import TruthFolder, require_truth
from streeteval.scene import EvenlySpaced, names_of

__all__ = ["holds_entries", "require_official_form", "score_entries"]


def holds_entries(results: Path, data: DataSource) -> bool:
    """Check whether results are a JSON file, or a folder with text files of YOLO.

    Text files without a line are results of YOLO only beside data of another format than Cityscapes'.
    """
    if results.suffix.lower() == ".json" or not results.is_dir():
        return results.suffix.lower() == ".json"
    return is_yolo_results(results) or (is_empty_yolo_results(results) and _other_form(data) is not None)


def require_official_form(results: Path, data: DataSource) -> None:
    """Check that a folder of anything may be results in the official form: that the data are Cityscapes'.

    Raises:
        PartwiseError: If they are not.
    """
    if form := _other_form(data):
        known = "a JSON file in COCO form, a folder of YOLO's text files with scores, or one of Parquet parts"
        raise PartwiseError(f"{results}: holds no results for {form} data: give {known}")


def _other_form(data: DataSource) -> str | None:
    """The format of data that are not Cityscapes'; None for these, and for what is no data set."""
    try:
        return None if data.form == CityscapesFolder.form else data.form
    except PartwiseError:
        return None


def score_entries(
    results: Path,
    data: DataSource,
    split: str,
    frames: int,
    evaluator_for: Callable[[EvenlySpaced, bool], CityscapesEvaluator],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[CityscapesEvaluator, dict]:
    """Score one COCO file, or text files of YOLO, against data of any format.

    Args:
        results: See `holds_entries`.
        data: The data set.
        split: Of the data set.
        frames: Largest number of frames to score, evenly spaced; 0 for all.
        evaluator_for: Makes the evaluator, see `partwise.scoring`.
        progress: Called with the number of frames that are done, and the number of all frames.

    Returns:
        The evaluator, and its figures with "warnings".

    Raises:
        FaultyDataError: With every fault of the results.
        PartwiseError: If a JSON file holds no results, or the data have no truth.
    """
    without_images = data.form == CityscapesFolder.form and data.labels is None
    truth = TruthFolder(data.root, split) if without_images else data.open(split)
    names = names_of(truth)
    listed = {one.name: one for one in truth.annotated.images} if isinstance(truth, AnnotatedFolder) else {}
    sizes = [listed[name].size if name in listed else truth[place].size for place, name in enumerate(names)]
    ids = [listed[name].ids if name in listed else () for name in names]
    read = read_coco_results if results.suffix.lower() == ".json" else read_yolo_results
    entries = read(results, Frames(names, sizes, ids), truth.label_set)
    scenes = EvenlySpaced(truth, frames)
    require_truth(scenes, f"{data}, split {split}", progress)
    evaluator, depth, found = evaluator_for(scenes, False), find_depth(data.root, split), dict[str, int]()
    numbers = CategoryNumbers(truth.label_set) if entries.by_id and isinstance(truth, YoloFolder) else None
    for place in range(len(scenes)):
        scene = scenes[place]
        instances, scores, empty = entries.of_frame(scene.name)
        found[scene.name] = len(instances)
        evaluator.update(scene, instances, scores=scores, depth_HW=depth(scene.name))
        if isinstance(evaluator, AnnotatedEvaluator):
            evaluator.insert_empty(scene.name, empty, scene.size)
        if numbers:
            numbers.see(scene, instances)
        progress(place + 1, len(scenes))
    fault, remark = numbers.remark(str(results)) if numbers else (None, None)
    raise_faults(str(results), [fault] if fault else [])
    remarks = [*([remark] if remark else []), *entries.remarks_on(found, isinstance(evaluator, AnnotatedEvaluator))]
    return evaluator, evaluator.compute() | {"warnings": [asdict(one) for one in remarks]}
