"""Read segments of images in COCO's panoptic form, and score one image: a PNG whose colours are ids, and a JSON entry.

Axes: H W image.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from streeteval.errors import InputError
from streeteval.files import read_json
from streeteval.metrics.segments import VOID, PredictedSegment, SegmentSums, TrueSegment, match_segments, shared_areas
from streeteval.reading.faults import Fault, fault_of_error
from streeteval.reading.id_files import decode, read_bytes

__all__ = ["Annotations", "ScoredFrame", "pairs_of", "read_segments", "rgb2id", "score_frame"]

Annotation = Mapping[str, Any]
Annotations = Sequence[tuple[Annotation, Annotation]]
_IN_JSON = "write each segment of the PNG into segments_info, and no other"


def rgb2id(color: Any) -> Any:
    """Return the segment ids of colours: of an (H, W, 3) array a map, of three numbers one.

    >>> rgb2id([145, 101, 0]), rgb2id(np.array([[[2, 1, 0]]], np.uint8)).tolist()
    (26001, [[258]])
    """
    if isinstance(color, np.ndarray) and color.ndim == 3:
        red, green, blue = (color[:, :, channel].astype(np.int32) for channel in range(3))
        return red + (green << 8) + (blue << 16)
    return int(color[0]) + 256 * int(color[1]) + 256 * 256 * int(color[2])


def read_segments(path: str | Path) -> np.ndarray:
    """Read the (H, W) int32 segment ids of a PNG.

    Raises:
        InputError: If the file is missing, damaged, or has no three channels.
    """
    image = decode(read_bytes(path), str(path), ("PNG",))
    if image.mode not in ("RGB", "RGBA"):
        raise InputError(f"{path}: one channel ({image.mode}): write ids as colours, R + 256 G + 256**2 B")
    if image.mode == "RGBA":
        return rgb2id(np.asarray(image))
    # Four bytes a pixel are read as one number.
    return (np.asarray(image.convert("RGBA")).view("<u4")[:, :, 0] & 0xFFFFFF).astype(np.int32)


@dataclass(frozen=True)
class ScoredFrame:
    """The sums of one image, or what is wrong with its prediction."""

    sums: dict[int, SegmentSums] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)


def score_frame(
    gt_folder: str, pred_folder: str, categories: Collection[int], pair: tuple[Annotation, Annotation]
) -> ScoredFrame:
    """Score one image; nothing is raised for a faulty prediction.

    Args:
        gt_folder: Folder of the PNG files of the truth.
        pred_folder: Folder of those of the predictions.
        categories: Ids of the categories.
        pair: The annotations of truth and prediction.

    Raises:
        InputError: If the truth cannot be read.
    """
    true, other = pair
    truth_HW = read_segments(Path(gt_folder, true["file_name"]))
    path = Path(pred_folder, other["file_name"])
    try:
        predicted_HW = read_segments(path)
    except InputError as error:
        return ScoredFrame(faults=[fault_of_error(str(path), error)])
    if predicted_HW.shape != truth_HW.shape:
        sizes = [f"{one.shape[1]}x{one.shape[0]}" for one in (predicted_HW, truth_HW)]
        problem = f"is {sizes[0]}, the truth {sizes[1]}"
        return ScoredFrame(faults=[Fault(str(path), problem, "write it at the truth's size")])
    shared = shared_areas(truth_HW, predicted_HW)
    areas: dict[int, int] = {}
    for (_, segment), pixels in shared.items():
        areas[segment] = areas.get(segment, 0) + pixels
    category_of = {one["id"]: one["category_id"] for one in other["segments_info"]}
    faults = _faults(str(path), areas, category_of, categories)
    if faults:
        return ScoredFrame(faults=faults)
    truth = {
        one["id"]: TrueSegment(one["category_id"], one["area"], bool(one["iscrowd"])) for one in true["segments_info"]
    }
    predicted = {segment: PredictedSegment(category, areas[segment]) for segment, category in category_of.items()}
    return ScoredFrame(match_segments(shared, truth, predicted))


def _faults(
    file: str, areas: Mapping[int, int], category_of: Mapping[int, int], categories: Collection[int]
) -> list[Fault]:
    """Return what is wrong with the segments of a prediction."""
    faults = [
        Fault(file, f"segment {segment} is not in the JSON", _IN_JSON, segment, pixels)
        for segment, pixels in areas.items()
        if segment != VOID and segment not in category_of
    ]
    empty = sorted(category_of.keys() - areas.keys())
    faults += [Fault(file, f"segment {segment} of the JSON has no pixel", _IN_JSON) for segment in empty]
    known = f"the truth has {', '.join(map(str, sorted(categories)))}"
    faults += [
        Fault(file, f"segment {segment} has the unknown category_id {category}", known)
        for segment, category in category_of.items()
        if category not in categories
    ]
    return faults


def pairs_of(
    gt_json_file: str, gt_folder: str, pred_json_file: str, pred_folder: str
) -> tuple[list[tuple[Annotation, Annotation]], dict[int, Annotation]]:
    """Read both JSON files.

    Returns:
        The annotations of truth and prediction of each image of the truth, and the categories by id.

    Raises:
        InputError: If a folder or file is missing or not in COCO's panoptic form, or images have no prediction.
    """
    for folder, what in ((gt_folder, "ground truth"), (pred_folder, "predicted")):
        if not Path(folder).is_dir():
            raise InputError(f"Folder {folder} with {what} segmentations doesn't exist")
    truth, found = read_json(gt_json_file), read_json(pred_json_file)
    try:
        by_image = {one["image_id"]: one for one in found["annotations"]}
        _require_form(found["annotations"], ("file_name", "segments_info"), ("id", "category_id"))
    except (KeyError, TypeError) as error:
        raise InputError(f"{pred_json_file}: not in COCO's panoptic form ({error!r}): see its documentation") from None
    try:
        categories = {one["id"]: one for one in truth["categories"]}
        _require_form(truth["categories"], ("id", "name", "isthing"))
        _require_form(truth["annotations"], ("file_name", "segments_info"), ("id", "category_id", "area", "iscrowd"))
        missing = [one["image_id"] for one in truth["annotations"] if one["image_id"] not in by_image]
    except (KeyError, TypeError) as error:
        remedy = "make it with create-panoptic"
        raise InputError(f"{gt_json_file}: not in COCO's panoptic form ({error!r}): {remedy}") from None
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise InputError(f"{pred_json_file}: no prediction for the image with id {missing[0]}{more}: add it")
    return [(one, by_image[one["image_id"]]) for one in truth["annotations"]], categories


def _require_form(entries: Sequence[Annotation], keys: Sequence[str], of_segments: Sequence[str] = ()) -> None:
    """Raise KeyError or TypeError if an entry, or one of its segments, lacks a key."""
    for entry in entries:
        for key in keys:
            entry[key]
        if of_segments:
            for segment in entry["segments_info"]:
                for key in of_segments:
                    segment[key]
