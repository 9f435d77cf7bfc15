"""Score the parts of a run against the truth. One row at a time is decoded, so memory does not grow with the photos."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import asdict
from pathlib import Path

from partwise.data.cityscapes import CityscapesFolder
from partwise.data.source import DataSource
from partwise.errors import PartwiseError
from partwise.evaluation.coco_results import names_of_frame
from partwise.selection import OTHERS
from partwise.shards.parts import names_in, part_files, photos_in, settings_in
from streeteval.evaluator import CityscapesEvaluator
from streeteval.labels import LabelSet
from streeteval.reading.depth import find_depth
from streeteval.reading.faults import Fault, counted
from streeteval.reading.truth import TruthFolder, require_truth
from streeteval.scene import EvenlySpaced, names_of

__all__ = ["holds_parts", "score_parts"]


def holds_parts(folder: Path) -> bool:
    """Whether a folder holds Parquet parts: that of a run, or of one of its shards."""
    return bool(part_files(folder))


def score_parts(
    folder: Path,
    data: DataSource,
    split: str,
    frames: int,
    evaluator_for: Callable[[EvenlySpaced, bool], CityscapesEvaluator],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[CityscapesEvaluator, dict]:
    """Score the instances in parts. How the photos are divided among parts and shards changes no figure.

    Args:
        folder: Of a run or of a shard.
        data: The data set.
        split: Of the data set.
        frames: Largest number of frames to score, evenly spaced; 0 for all.
        evaluator_for: Makes the evaluator, see `partwise.scoring`.
        progress: Called with the number of frames that are done, and the number of all frames.

    Returns:
        The evaluator, and its figures with "warnings".

    Raises:
        PartwiseError: If a part is damaged, the classes are not those of the data, a frame has no row or several, or
            the size of a photo is not that of the truth.
    """
    without_images = data.form == CityscapesFolder.form and data.labels is None
    truth = TruthFolder(data.root, split) if without_images else data.open(split)
    scenes = EvenlySpaced(truth, frames)
    require_truth(scenes, f"{data}, split {split}", progress)
    warnings = _checked_settings(folder, truth.label_set)
    place_of, others = _places(folder, scenes.names, names_of(truth))
    if others:
        problem = f"{counted(others, 'photo')} in the parts but not in the split {split}"
        warnings.append(Fault(str(folder), problem, "left out"))
    evaluator, depth = evaluator_for(scenes, False), find_depth(data.root, split)
    for photo in photos_in(folder, place_of):
        scene = scenes[place_of[photo.name]]
        evaluator.update(scene, photo.instances, depth_HW=depth(scene.name))
        progress(len(evaluator), len(scenes))
    return evaluator, evaluator.compute() | {"warnings": [asdict(warning) for warning in warnings]}


def _checked_settings(folder: Path, label_set: LabelSet) -> list[Fault]:
    """Check the classes of every part, and warn of instances that were not written."""
    left_out: set[str] = set()
    for path in part_files(folder):
        settings = settings_in(path)
        known = LabelSet.from_dict(settings["label_set"], str(path))
        if not known.same_classes(label_set):
            raise PartwiseError(
                f"{path}: has the classes of {known.name}, and the data have those of {label_set.name}: predict with a "
                "model of the data's classes"
            )
        for name, least in settings["min_score"].items():
            if least > 0:
                left_out.add(f"instances{'' if name == OTHERS else f' of {name}'} with a score below {least:g}")
        if settings["classes"]:
            left_out.add(f"instances of classes other than {', '.join(settings['classes'])}")
    remedy = "AP counts them as not found: predict all classes with a least score of 0"
    return [Fault(str(folder), f"{what} were not written", remedy) for what in sorted(left_out)]


def _places(folder: Path, chosen: list[str], every: Collection[str]) -> tuple[dict[str, int], int]:
    """Find the row of each frame.

    Args:
        folder: Of the parts.
        chosen: Names of the frames to score.
        every: Names of all frames of the split.

    Returns:
        Name of a photo -> place of its frame in `chosen`; and the number of photos that are no frames of the split.

    Raises:
        PartwiseError: If a frame has no photo, or two.
    """
    known, numbers = set(every), {name: place for place, name in enumerate(chosen)}
    photo_of: dict[str, str] = {}  # name of a frame -> name of its photo
    others = 0
    for path in part_files(folder):
        for photo in names_in(path):
            frame = next((name for name in names_of_frame(photo) if name in known), None)
            if frame is None:
                others += 1
            elif frame in photo_of:
                both = f"{photo_of[frame]} and {photo}"
                raise PartwiseError(f"{path}: both photos {both} are the frame {frame}: give each frame one result")
            else:
                photo_of[frame] = photo
    missing = [name for name in chosen if name not in photo_of]
    if missing:
        raise PartwiseError(
            f"{folder}: {len(missing)} of {counted(len(chosen), 'frame')} have no result, such as {missing[0]}: give "
            "the folder of a complete run on this split; its tables of faults name the photos that failed"
        )
    return {photo: numbers[frame] for frame, photo in photo_of.items() if frame in numbers}, others
