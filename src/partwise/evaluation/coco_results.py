"""Any tool's results as entries of single instances, once they are read and checked: see coco_reader.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from partwise.data.polygons.table import AnnotationTable
from streeteval.instances import Instances
from streeteval.reading.faults import Fault, counted

__all__ = ["CocoResults", "Frames", "names_of_frame"]

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

    def of_frame(self, name: str) -> tuple[Instances, np.ndarray]:
        """The instances of a frame, and their scores as float64; entries without a pixel are left out."""
        place = self.place_of[name]
        size = self.sizes[place]
        drawn = [(n, self.table.crop(n, size)) for n in self.table.of_image(place)]
        kept = [(n, crop) for n, crop in drawn if crop is not None]
        scores = np.array([self.scores[int(self.table.names_N[n])] for n, _ in kept], np.float64)
        labels = np.array([self.labels[int(self.table.categories_N[n])] for n, _ in kept])
        boxes, masks = np.array([crop[0] for _, crop in kept]), tuple(crop[1] for _, crop in kept)
        return Instances(labels, scores.clip(-_LARGEST_SCORE, _LARGEST_SCORE), boxes, masks, size), scores

    def remarks_on(self, found: Mapping[str, int]) -> list[Fault]:
        """All that was left out, and the frames without a result.

        Args:
            found: Name of each frame that is scored -> how many instances `of_frame` gave.
        """
        entries = {name: len(self.table.of_image(self.place_of[name])) for name in found}
        bare = sum(count == 0 for count in entries.values())
        empty = sum(entries.values()) - sum(found.values())
        remarks = list(self.remarks)
        if bare:
            problem = f"{bare} of {counted(len(found), 'frame')} without an entry that counts"
            remarks.append(Fault(self.where, problem, "scored as frames in which nothing was found"))
        if empty:
            remarks.append(Fault(self.where, f"{empty} masks without a pixel", "left out"))
        return remarks


def names_of_frame(file_name: str) -> tuple[str, ...]:
    """The names that the frame of an image may have, the most likely one first."""
    path = PurePosixPath(file_name.replace("\\", "/"))
    return str(path), str(path.parent / path.stem), path.stem, path.stem.removesuffix(_FRAME_END)
