"""Read any tool's results in COCO form: a list of entries, or a whole COCO file whose annotations have scores.

Every fault of the file is found in one pass, before anything is scored.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from partwise.data.frame import raise_faults
from partwise.data.polygons.table import TableBuilder
from partwise.data.polygons.values import identifier, whole_number
from partwise.errors import PartwiseError
from partwise.evaluation.category_numbers import FROM_ONE
from partwise.evaluation.coco_results import CocoResults, Frames, names_of_frame
from streeteval.files import read_json
from streeteval.given import shown
from streeteval.labels import Label, LabelSet
from streeteval.reading.faults import Fault, counted

__all__ = ["read_coco_results", "results_of_entries"]


def read_coco_results(path: Path, frames: Frames, label_set: LabelSet) -> CocoResults:
    """Read and check a file of results.

    In a list of entries an `image_id` is that of the truth's COCO file, or the name of a frame. In a whole COCO file
    images are found by their file names, and categories by their names.

    Args:
        path: The JSON.
        frames: Of the truth.
        label_set: Of the truth; category ids are those of its data.

    Raises:
        FaultyDataError: With every fault of the file.
        PartwiseError: If it is no JSON, or neither of the two forms.
    """
    content = read_json(path)
    if isinstance(content, list):
        return replace(results_of_entries(content, str(path), frames, label_set), by_id=True)
    rows, images = (content.get(key) if isinstance(content, Mapping) else None for key in ("annotations", "images"))
    if not isinstance(rows, list) or not isinstance(images, list):
        raise PartwiseError(f"{path}: no COCO results: give a list of entries, or a file with images and annotations")
    reader = _Reader(str(path), frames, label_set)
    return reader.read(rows, reader.images_of(images), reader.labels_of(content.get("categories")))


def results_of_entries(
    rows: list[Any], where: str, frames: Frames, label_set: LabelSet, remarks: Sequence[Fault] = ()
) -> CocoResults:
    """Check a list of entries, as a file of results holds them; see `read_coco_results`.

    Args:
        rows: The entries.
        where: They come from.
        frames: Of the truth.
        label_set: Of the truth.
        remarks: What was left out before.
    """
    reader = _Reader(where, frames, label_set)
    results = reader.read(rows, reader.images_of_truth(), reader.labels_of(None))
    return replace(results, remarks=(*remarks, *results.remarks))


class _Reader:
    """Keeps the faults of one file."""

    def __init__(self, where: str, frames: Frames, label_set: LabelSet):
        self.where, self.frames, self.label_set = where, frames, label_set
        self.builder = TableBuilder(where, frames.sizes, frames.names, of_results=True)
        self.unknown: dict[int, str] = {}  # category id -> its name, which is no class

    def fault(self, problem: str, remedy: str) -> None:
        """Keep a fault of the file."""
        self.builder.faults.append(Fault(self.where, problem, remedy))

    def images_of_truth(self) -> dict[int | str, int]:
        """Image id -> place of the frame: the ids of the truth, and the names of the frames."""
        named: dict[int | str, int] = {name: place for place, name in enumerate(self.frames.names)}
        named |= {int(name): place for name, place in named.items() if str(name).isdecimal()}  # as some tools write it
        return named | {id_: place for place, ids in enumerate(self.frames.ids) for id_ in ids}

    def images_of(self, rows: list[Any]) -> dict[int | str, int]:
        """The same by the file names of a COCO file."""
        known: dict[str, int] = {name: place for place, name in enumerate(self.frames.names)}
        found: dict[int | str, int] = {}
        files: dict[int, str] = {}  # place of a frame -> its image
        for number, row in enumerate(rows):
            id_ = identifier(row.get("id")) if isinstance(row, Mapping) else None
            if not isinstance(id_, int | str) or "file_name" not in row:
                self.fault(f"image number {number} has no id or no file_name", "add them")
                continue
            file = str(row["file_name"])
            place = next((known[name] for name in names_of_frame(file) if name in known), None)
            if id_ in found:
                self.fault(f"image id {shown(id_)} is there twice", "give each image an id of its own")
            elif place is None:
                self.fault(f"image {shown(file)} is none of the {len(known)} frames", "score the split it is of")
            elif files.setdefault(place, file) != file:
                both = f"images {shown(files[place])} and {shown(file)} are both frame {self.frames.names[place]}"
                self.fault(both, "give file names with their folders, as the truth has them")
            else:
                found[id_] = place
        return found

    def labels_of(self, categories: Any) -> dict[int, int | None]:
        """Category id -> id of the label set; None for a class of which no instances are told apart.

        The categories of a file are found by their names: as written, or else by the only class whose name differs in
        case alone.
        """
        things = {label.name: label for label in self.label_set.things}
        by_id: dict[int, int | None] = {label.file_id: label.id for label in things.values()}
        known = [label for label in self.label_set.evaluated if label.name != self.label_set.outside]
        by_id |= {label.file_id: None for label in known if not label.has_instances}
        if not isinstance(categories, list):
            return by_id
        found: dict[int, int | None] = {}
        for row in categories:
            id_ = whole_number(row.get("id")) if isinstance(row, Mapping) else None
            if not isinstance(id_, int) or "name" not in row:
                self.fault(f"category {str(row)[:40]} has no id or no name", "add them")
            elif id_ in found:
                self.fault(f"category id {id_} is there twice", "give each category an id of its own")
            else:
                label = self.class_called(str(row["name"]))
                found[id_] = label.id if label in self.label_set.things else None
                if label is None:
                    self.unknown[id_] = str(row["name"])
        return found

    def class_called(self, name: str) -> Label | None:
        """The class of a name; None if none or several can be meant."""
        same = [label for label in self.label_set if label.name == name]
        alike = [label for label in self.label_set if label.name.casefold() == name.casefold()]
        return next(iter(same or (alike if len(alike) == 1 else ())), None)

    def place_of(self, id_: Any, images: Mapping[int | str, int]) -> int | None:
        """The place of the frame of an entry: by an id, or by a name as the files of images have it."""
        id_ = identifier(id_)
        if id_ is None:
            return None
        names = (id_, *names_of_frame(id_)) if isinstance(id_, str) else (id_,)
        return next((images[name] for name in names if name in images), None)

    def hint(self, category: Any) -> str:
        """What else an unknown category id may mean: ids that count from 1, where those of the data count from 0."""
        things = [label.file_id for label in self.label_set.things]
        is_next = 0 in things and category == max(things) + 1 and not Path(self.where).is_dir()
        return f"; {FROM_ONE}" if is_next else ""

    def left_out(self, category: int, entries: int) -> Fault:
        """The remark on entries that are left out because of their class."""
        if category in self.unknown:
            problem = f"category {shown(self.unknown[category])} is no class of {self.label_set.name}"
            known = ", ".join(label.name for label in self.label_set.things)
            return Fault(self.where, f"{problem} ({_counted(entries)})", f"left out: known are {known}")
        problem = f"{_counted(entries)} of category {category}"
        return Fault(self.where, problem, "left out: the truth has no instances of this class")

    def read(self, rows: list[Any], images: Mapping[int | str, int], labels: Mapping[int, int | None]) -> CocoResults:
        """Every entry, or every fault."""
        left_out: Counter[int] = Counter()
        scores = []
        for number, row in enumerate(rows):
            score = row.get("score") if isinstance(row, Mapping) else None
            scores.append(_number(score))
            if not isinstance(row, Mapping) or "image_id" not in row or "category_id" not in row:
                self.builder.fault(number, None, "it has no image_id or no category_id", "add them")
                continue
            category, place = whole_number(row["category_id"]), self.place_of(row["image_id"], images)
            if math.isnan(scores[-1]):
                what = "it has no score" if score is None else f"its score is {shown(score)}"
                self.builder.fault(number, None, what, "give each entry a finite score (a truth file has none)")
            elif place is None:
                what = f"image_id {_written(row['image_id'])} is none of the {len(self.frames.names)} frames"
                self.builder.fault(number, None, what, "score the split that the results are of")
            elif category is None or category not in labels:
                known = ", ".join(f"{label.file_id} {label.name}" for label in self.label_set.things)
                what = f"category_id {_written(row['category_id'])} is no class of {self.label_set.name}"
                self.builder.fault(number, place, what, f"give one of {known}{self.hint(category)}")
            elif labels[category] is None:
                left_out[category] += 1
            else:
                self.builder.add(number, place, category, row.get("segmentation"), crowd=False, ignored=False)
        remarks = [self.left_out(id_, count) for id_, count in left_out.items()]
        if rows and left_out.total() == len(rows) and not self.builder.faults:
            self.builder.faults += [replace(one, remedy=one.remedy.removeprefix("left out: ")) for one in remarks]
        if rows and all(isinstance(row, Mapping) and row.get("segmentation") == [] for row in rows):
            self.fault(f"none of {_counted(len(rows))} has a mask", "give the results of a model for segmentation")
        raise_faults(self.where, self.builder.faults)
        usable = {id_: label for id_, label in labels.items() if label is not None}
        place_of = {name: place for place, name in enumerate(self.frames.names)}
        if points := self.builder.points_alone:
            problem = f"{counted(points, 'outline')} of fewer than three points"
            remarks.append(Fault(self.where, problem, "they cover no pixel"))
        every = (*remarks, *self.builder.warnings)
        return CocoResults(self.where, self.builder.table(), scores, usable, place_of, self.frames.sizes, every)


def _counted(number: int) -> str:
    """Write a number of entries with its noun."""
    return f"{number} {'entry' if number == 1 else 'entries'}"


def _written(id_: Any) -> str:
    """An id as the file has it, short."""
    return repr(id_) if isinstance(id_, float) else shown(id_)


def _number(value: Any) -> float:
    """A score as a float; NaN for anything but a finite number."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return math.nan
    try:
        return float(value) if math.isfinite(value) else math.nan
    except OverflowError:  # a whole number beyond the range of floats
        return math.nan
