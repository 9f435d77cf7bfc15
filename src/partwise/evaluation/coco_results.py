"""Any tool's results as entries of single instances, once they are read and checked: see coco_reader.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import NamedTuple
from urllib.parse import unquote

import numpy as np

from partwise.data.polygons.table import AnnotationTable
from streeteval.instances import Instances
from streeteval.reading.faults import Fault, counted

__all__ = ["CocoResults", "EmptyEntry", "Frames", "names_of_frame"]

_LARGEST_SCORE = float(np.finfo(np.float32).max)
_FRAME_END = "_leftImg8bit"  # of a Cityscapes frame's file, no part of its name


@dataclass(frozen=True)
class Frames:
    """The frames that results are for.

    Attributes:
        names: Of every frame of the split.
        sizes: (H, W) of each in pixels.
        ids: The image ids that the truth gives each; empty for none.
    """

    names: Sequence[str]
    sizes: Sequence[tuple[int, int]]
    ids: Sequence[Sequence[int | str]]


class EmptyEntry(NamedTuple):
    """An entry whose mask has no pixel.

    Attributes:
        number: Its place among all entries of its frame.
        label: Id of the label set.
        score: Its score.
    """

    number: int
    label: int
    score: float


@dataclass(frozen=True, eq=False)
class CocoResults:
    """What a results file says, checked.

    Attributes:
        where: The file.
        table: Its entries; the names are their places in the file.
        scores: Of each entry, by its place in the file.
        labels: Id of the label set of each category id.
        place_of: Name of a frame -> its place in the table.
        sizes: (H, W) of each frame.
        remarks: What was left out when the file was read.
        by_id: Whether the file is a list of entries, whose category ids should be those of the data.
    """

    where: str
    table: AnnotationTable
    scores: Sequence[float]
    labels: Mapping[int, int]
    place_of: Mapping[str, int]
    sizes: Sequence[tuple[int, int]]
    remarks: tuple[Fault, ...]
    by_id: bool = False

    def of_frame(self, name: str) -> tuple[Instances, np.ndarray, list[EmptyEntry]]:
        """The instances of a frame, their scores as float64, and the entries that have no pixel."""
        place = self.place_of[name]
        size = self.sizes[place]
        boxes, masks, labels, scores, empty = [], [], [], [], []
        for number, n in enumerate(self.table.of_image(place)):
            crop, label = self.table.crop(n, size), self.labels[int(self.table.categories_N[n])]
            score = self.scores[int(self.table.names_N[n])]
            if crop is None:
                empty.append(EmptyEntry(number, label, score))
                continue
            boxes.append(crop[0])
            masks.append(crop[1])
            labels.append(label)
            scores.append(score)
        of_all = np.array(scores, np.float64)
        fit = of_all.clip(-_LARGEST_SCORE, _LARGEST_SCORE)
        return Instances(np.array(labels), fit, np.array(boxes), tuple(masks), size), of_all, empty

    def remarks_on(self, found: Mapping[str, int], in_coco: bool = False) -> list[Fault]:
        """All that was left out, and the frames without a result.

        Args:
            found: Name of each frame that is scored -> how many instances `of_frame` gave.
            in_coco: Whether COCO's scores of the truth's own file count the entries without a pixel.
        """
        entries = {name: len(self.table.of_image(self.place_of[name])) for name in found}
        bare = sum(count == 0 for count in entries.values())
        empty = sum(entries.values()) - sum(found.values())
        remarks = list(self.remarks)
        if bare:
            problem = f"{bare} of {counted(len(found), 'frame')} without an entry that counts"
            remarks.append(Fault(self.where, problem, "scored as frames in which nothing was found"))
        if empty:
            remedy = "left out, and false positives of coco, as for pycocotools" if in_coco else "left out"
            remarks.append(Fault(self.where, f"{counted(empty, 'mask')} without a pixel", remedy))
        return remarks


def names_of_frame(file_name: str) -> tuple[str, ...]:
    """The names that the frame of an image may have, the most likely one first; some tools percent-encode them."""
    plain = file_name.replace("\\", "/")
    paths = [PurePosixPath(one) for one in dict.fromkeys((plain, unquote(plain)))]
    names = [(str(one), str(one.parent / one.stem), one.stem, one.stem.removesuffix(_FRAME_END)) for one in paths]
    return tuple(name for several in names for name in several)
