"""Results as YOLO tools write them: a text file for each image, with a line for each instance: class x y x y ... score.

Coordinates are shares of the image's width and height. Source: Ultralytics' `predict` with save_txt and save_conf.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from partwise.data.frame import raise_faults
from partwise.data.polygons.yolo_layout import holds_label_lines, in_pixels, read_lines, text_files
from partwise.evaluation.coco_reader import results_of_entries
from partwise.evaluation.coco_results import CocoResults, Frames, names_of_frame
from streeteval.folders import files_below
from streeteval.labels import LabelSet
from streeteval.reading.faults import Fault, counted

__all__ = ["is_empty_yolo_results", "is_yolo_results", "read_yolo_results"]

_LEAST = 6  # numbers of a polygon
_LOOKED_AT = 10  # files, to find out what a folder holds
_OF_A_BOX = 4  # numbers: x y width height, or two points of an outline
_NO_BOXES = "predict with a model for segmentation"


def is_yolo_results(folder: Path) -> bool:
    """Check whether a folder holds text files of YOLO, itself or in `labels`.

    It does if the first line is one, or, as that may be an outline of a single point, any of the first few files.
    """
    texts = _folder_of_texts(folder)
    lines = (line for file in text_files(texts)[:_LOOKED_AT] for line in read_lines(file, _entry))
    return holds_label_lines(texts) or any(isinstance(one, dict) and len(one["shares"]) >= _LEAST for one in lines)


def is_empty_yolo_results(folder: Path) -> bool:
    """Check whether a folder is what YOLO's `predict` leaves if it finds nothing at all: `labels` without a line.

    A folder without anything is not: it may be a wrong one.
    """
    labels = folder / "labels"
    return labels.is_dir() and all(file.suffix == ".txt" and not file.stat().st_size for file in files_below(labels)[0])


def read_yolo_results(folder: Path, frames: Frames, label_set: LabelSet) -> CocoResults:
    """Read and check a folder of text files. A frame without a file is one in which nothing was found.

    An outline of fewer than three points, or whose points lie on one line along a side of the image, is left out: a
    small mask becomes one. Lines of four numbers are boxes only if no line of the folder is a polygon.

    Args:
        folder: With the files, or with a folder `labels` of them.
        frames: Of the truth; a file has the name of its frame.
        label_set: Of the truth. A class is a number: that of the class in the truth's own YOLO data, or its category
            id.

    Raises:
        FaultyDataError: With every fault of the files.
    """
    place_of = {name: place for place, name in enumerate(frames.names)}
    rows: list[dict[str, Any]] = []
    faults: list[Fault] = []
    boxes: list[Fault] = []
    without_mask, has_polygon = 0, False
    for file in text_files(_folder_of_texts(folder)):
        name = next((one for one in names_of_frame(file.name) if one in place_of), None)
        if name is None:
            problem = f"{file.stem} is none of the {counted(len(place_of), 'frame')}"
            faults.append(Fault(str(file), problem, "score the split that the results are of"))
            continue
        for one in read_lines(file, _entry):
            if isinstance(one, Fault):
                faults.append(one)
            elif len(one["shares"]) < _LEAST:
                without_mask += 1
                if len(one["shares"]) == _OF_A_BOX:
                    boxes.append(Fault(str(file), f"line {one['number']} is a box", _NO_BOXES))
            else:
                has_polygon = True
                if _encloses_nothing(one["shares"]):
                    without_mask += 1
                    continue
                points = in_pixels(one["shares"], frames.sizes[place_of[name]])
                row = {"image_id": name, "category_id": one["index"], "score": one["score"]}
                rows.append(row | {"segmentation": [points]})
    if not has_polygon:
        faults += boxes
    raise_faults(str(folder), faults)
    what = Fault(str(folder), f"{counted(without_mask, 'line')} without a mask", "left out")
    return results_of_entries(rows, str(folder), frames, label_set, [what] if without_mask else [])


def _folder_of_texts(folder: Path) -> Path:
    return folder / "labels" if (folder / "labels").is_dir() else folder


def _entry(number: int, words: list[str]) -> dict[str, Any]:
    """Read a line as {"number", "index", "shares", "score"}. Raises ValueError (what is wrong, what to do)."""
    try:
        index, *shares, score = map(float, words)
    except ValueError:
        raise ValueError(f"line {number} is no list of numbers", "write class x y x y ... score") from None
    if len(shares) % 2:
        problem = f"line {number} has no score: {counted(len(words) - 1, 'number')} after the class"
        raise ValueError(problem, "predict with save_conf=True, which writes a score behind each polygon")
    if not index.is_integer():
        raise ValueError(f"line {number}: class {words[0]} is no whole number", "write the class as a number")
    return {"number": number, "index": int(index), "shares": shares, "score": score}


def _encloses_nothing(shares: list[float]) -> bool:
    """Check whether all points of an outline lie on one line along a side of the image, as on its border."""
    return all(map(math.isfinite, shares)) and (len(set(shares[::2])) == 1 or len(set(shares[1::2])) == 1)
