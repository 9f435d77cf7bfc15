"""Results as YOLO tools write them: a text file for each image, with a line for each instance: class x y x y ... score.

Coordinates are shares of the image's width and height. Source: Ultralytics' `predict` with save_txt and save_conf.
"""

from __future__ import annotations

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


def is_yolo_results(folder: Path) -> bool:
    """Check whether a folder holds text files of YOLO, itself or in `labels`."""
    return holds_label_lines(_folder_of_texts(folder))


def is_empty_yolo_results(folder: Path) -> bool:
    """Check whether a folder is what YOLO's `predict` leaves if it finds nothing at all: `labels` without a line.

    A folder without anything is not: it may be a wrong one.
    """
    labels = folder / "labels"
    return labels.is_dir() and all(file.suffix == ".txt" and not file.stat().st_size for file in files_below(labels)[0])


def read_yolo_results(folder: Path, frames: Frames, label_set: LabelSet) -> CocoResults:
    """Read and check a folder of text files. A frame without a file is one in which nothing was found.

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
    without_mask = 0
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
            else:
                points = in_pixels(one["shares"], frames.sizes[place_of[name]])
                row = {"image_id": name, "category_id": one["index"], "score": one["score"]}
                rows.append(row | {"segmentation": [points]})
    raise_faults(str(folder), faults)
    what = Fault(str(folder), f"{counted(without_mask, 'line')} without a mask", "left out")
    return results_of_entries(rows, str(folder), frames, label_set, [what] if without_mask else [])


def _folder_of_texts(folder: Path) -> Path:
    return folder / "labels" if (folder / "labels").is_dir() else folder


def _entry(number: int, words: list[str]) -> dict[str, Any]:
    """Read a line as {"index", "shares", "score"}. Raises ValueError (what is wrong, what to do)."""
    try:
        index, *shares, score = map(float, words)
    except ValueError:
        raise ValueError(f"line {number} is no list of numbers", "write class x y x y ... score") from None
    if len(shares) % 2:
        problem = f"line {number} has no score: {counted(len(words) - 1, 'number')} after the class"
        raise ValueError(problem, "predict with save_conf=True, which writes a score behind each polygon")
    if len(shares) == 4:
        raise ValueError(f"line {number} is a box", "predict with a model for segmentation")
    if not index.is_integer():
        raise ValueError(f"line {number}: class {words[0]} is no whole number", "write the class as a number")
    return {"index": int(index), "shares": shares, "score": score}
