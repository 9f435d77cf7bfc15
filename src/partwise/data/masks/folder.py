"""The part that data sets have in common whose PNGs of ids are found by the names of files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from partwise.data.frame import Survey
from partwise.data.id_maps import ids_of_numbers
from partwise.data.image_files import OTHER_SUFFIXES, PHOTO_SUFFIXES, advice_on
from partwise.data.masks.frames import CLASS_VALUES, MaskFrame, MaskFrames, RawTruth
from partwise.data.name_forms import existing_file
from partwise.data.splits import find_split, in_usual_order
from streeteval.labels import LabelSet
from streeteval.reading.faults import Fault
from streeteval.reading.id_files import decode_ids, read_bytes

__all__ = ["MaskFolder", "MaskFrame", "RawTruth", "frames_of", "images_in", "read_id_map", "splits_with"]


class MaskFolder(MaskFrames):
    """The same for a format whose files are found by their names, and whose classes have numbers in the files.

    A format is a subclass that says where the files lie (`find_frames`, `splits`), which classes there are
    (`own_label_set`) and what a file means (`read_truth`).
    """

    def __init__(
        self, root: str | os.PathLike, split: str, *, label_set: LabelSet | None = None, complete: bool = True
    ):
        """Find the frames of a split.

        Args:
            root: Of the data set.
            split: Such as "train"; "val" is also "validation".
            label_set: The classes, whose ids or sources are the numbers in the files; the format's own without it.
            complete: Whether a frame without one of its files is an error; if not, it is left out.

        Raises:
            FaultyDataError: If frames are not complete.
            PartwiseError: If there is no such split, or it is empty.
        """
        place = Path(root)
        chosen, own = find_split(split, self.splits(place), str(root)), self.own_label_set(place)
        table = _table(label_set or own, own)
        super().__init__(place, chosen, label_set or own, self.find_frames(place, chosen), table, complete=complete)

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """See DatasetFormat."""
        raise NotImplementedError

    @classmethod
    def splits(cls, root: Path) -> list[str]:
        """The splits that are there."""
        raise NotImplementedError

    @classmethod
    def own_label_set(cls, root: Path) -> LabelSet:
        """The classes that the format defines."""
        raise NotImplementedError

    @classmethod
    def find_frames(cls, root: Path, split: str) -> tuple[list[MaskFrame], list[Fault]]:
        """The frames of a split, sorted by name, and a fault for each that is not complete."""
        raise NotImplementedError

    @classmethod
    def survey(cls, root: Path, split: str, label_set: LabelSet | None = None) -> Survey:
        """See DatasetFormat: the complete frames, and a fault for each other one.

        Raises:
            PartwiseError: If there is no such split, or it is empty.
        """
        return cls(root, split, label_set=label_set, complete=False).surveyed()


def _table(label_set: LabelSet, own: LabelSet) -> np.ndarray:
    """(65536,) int32: number in the files -> id of the label set, -1 for none."""
    table = np.full(CLASS_VALUES, -1, np.int32)
    for number, id_ in ids_of_numbers(label_set, own).items():
        if 0 <= number < CLASS_VALUES:  # no file holds others
            table[number] = id_
    return table


def read_id_map(file: Path) -> np.ndarray:
    """(H, W) int32 of a PNG of ids.

    Raises:
        PartwiseError: If it is missing, damaged, or no map of ids.
    """
    return decode_ids(read_bytes(file), str(file))


def frames_of(
    images: Sequence[Path], truth_of: Sequence[tuple[Path, str]], end: str = ""
) -> tuple[list[MaskFrame], list[Fault]]:
    """Frames from images whose truth has the same stem.

    Args:
        images: Of a split.
        truth_of: (folder, suffix) of each file of a frame's truth.
        end: What the stem of an image has and that of its truth has not.

    Returns:
        The complete frames, sorted by name, and a fault for each image without its truth, that is there twice, or
        whose format is not read. An image of such a format beside one that is read does not count.
    """
    frames, faults = [], []
    known: dict[str, Path] = {}
    for image in sorted(images, key=lambda path: (path.suffix.lower() in OTHER_SUFFIXES, path.stem)):
        unread = image.suffix.lower() in OTHER_SUFFIXES
        if (other := known.setdefault(image.stem, image)) is not image:
            if not unread:
                faults.append(Fault(str(image), f"is there twice, also as {other}", "remove one of them"))
            continue
        if unread:
            faults.append(Fault(str(image), "an image of a format that is not read", advice_on([image.suffix])))
            continue
        name = image.stem.removesuffix(end)
        found = {folder / f"{name}{suffix}": existing_file(folder, f"{name}{suffix}") for folder, suffix in truth_of}
        missing = [path for path, existing in found.items() if existing is None]
        faults += [Fault(str(image), f"has no truth {path}", "add that file or remove the image") for path in missing]
        if not missing:
            frames.append(MaskFrame(name, image, tuple(Path(existing) for existing in found.values() if existing)))
    return sorted(frames, key=lambda frame: frame.name), faults


def images_in(folder: Path) -> list[Path]:
    """The images of a folder, also those of a format that is not read; none where there is no such folder."""
    if not folder.is_dir():
        return []
    suffixes = frozenset((*PHOTO_SUFFIXES, *OTHER_SUFFIXES))
    return [path for path in folder.iterdir() if path.suffix.lower() in suffixes and not path.name.startswith(".")]


def splits_with(root: Path, names: Sequence[str], below: str = "") -> list[str]:
    """Those of some folders that are there, in the usual order."""
    return in_usual_order(name for name in names if (root / name / below).is_dir())
