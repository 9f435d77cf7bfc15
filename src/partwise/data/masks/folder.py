"""The part that data sets with a PNG of ids for each image have in common."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from partwise.data.frame import FrameContent, Survey, raise_faults
from partwise.data.id_maps import ids_of_numbers, numbered_instances
from partwise.data.image_files import decode_frame
from partwise.data.splits import find_split, in_usual_order
from partwise.errors import PartwiseError
from partwise.scene import Scene
from streeteval.errors import warn_of
from streeteval.labels import LabelSet
from streeteval.reading.faults import Fault, fault_of_error, fault_of_remark, size_fault
from streeteval.reading.id_files import decode_ids, read_bytes
from streeteval.rle import value_counts

__all__ = ["MaskFolder", "MaskFrame", "RawTruth", "frames_of", "images_in", "read_id_map", "splits_with"]

_CLASS_VALUES = 1 << 16


@dataclass(frozen=True)
class MaskFrame:
    """Where one frame lies.

    Attributes:
        name: Of the frame.
        image: Path of its image.
        truth: Paths of the files that `MaskFolder.read_truth` reads.
    """

    name: str
    image: Path
    truth: tuple[Path, ...]


@dataclass(frozen=True, eq=False)
class RawTruth:
    """The truth of a frame in the numbers of its files.

    Attributes:
        classes_HW: (H, W) int32 numbers of classes.
        keys_HW: (H, W) int32: the same number for the pixels of one instance, 0 for those in none.
        void_HW: (H, W) bool: nothing is known of these pixels; None where that is said by their class.
    """

    classes_HW: np.ndarray
    keys_HW: np.ndarray
    void_HW: np.ndarray | None = None


class MaskFolder:
    """Scenes of a data set with a PNG of ids for each image.

    A format is a subclass that says where the files lie (`find_frames`, `splits`), which classes there are
    (`own_label_set`) and what a file means (`read_truth`). Reading a frame checks it; nothing is kept in memory but the
    list of frames. It can be pickled.
    """

    form: ClassVar[str]
    options: ClassVar[frozenset[str]] = frozenset({"label_set"})
    classes_by_name: ClassVar[bool] = False

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
        self.root = Path(root)
        self.split = find_split(split, self.splits(self.root), str(root))
        self.name = f"{self.root.resolve().name}/{self.split}"
        self.label_set = label_set or self.own_label_set(self.root)
        self.frames, self.faults = self.find_frames(self.root, self.split)
        if complete:
            raise_faults(str(root), self.faults)
        if not self.frames and not self.faults:
            raise PartwiseError(f"{root}: split {self.split!r} has no image: put images and truth there")
        self._table = _table(self.label_set, self.own_label_set(self.root))
        self._warned = False

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

    def read_truth(self, frame: MaskFrame) -> RawTruth:
        """The truth of a frame.

        Raises:
            PartwiseError: If a file is damaged or of another kind.
        """
        raise NotImplementedError

    @classmethod
    def survey(cls, root: Path, split: str, label_set: LabelSet | None = None) -> Survey:
        """See DatasetFormat: the complete frames, and a fault for each other one.

        Raises:
            PartwiseError: If there is no such split, or it is empty.
        """
        folder = cls(root, split, label_set=label_set, complete=False)
        return Survey(f"{root}, split {split}", folder.label_set, len(folder), folder.content, folder.faults)

    @property
    def names(self) -> list[str]:
        """The frames' names, sorted."""
        return [frame.name for frame in self.frames]

    def __len__(self) -> int:
        return len(self.frames)

    def __iter__(self) -> Iterator[Scene]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, i: int) -> Scene:
        """Frame i, read and checked."""
        place = range(len(self))[operator.index(i)]
        content = self.content(place)
        scene = content.scene(self.frames[place].name, self.label_set)
        if content.warnings and not self._warned:
            warn_of("", [f"{content.warnings[0]} (partwise check lists every such frame)"])
            self._warned = True
        return scene

    def content(self, i: int) -> FrameContent:
        """Frame i with everything that is wrong with it."""
        frame, files = self.frames[i], (str(self.frames[i].truth[0]), str(self.frames[i].truth[-1]))
        try:
            raw = self.read_truth(frame)
        except PartwiseError as error:
            return FrameContent(None, None, None, [fault_of_error(files[0], error)])
        try:
            image, remarks = decode_frame(read_bytes(frame.image), str(frame.image), raw.classes_HW.shape)
        except PartwiseError as error:
            return FrameContent(None, None, None, [fault_of_error(str(frame.image), error)])
        if raw.classes_HW.min(initial=0) < 0 or raw.classes_HW.max(initial=0) >= _CLASS_VALUES:
            problem = f"its ids are {raw.classes_HW.min()} to {raw.classes_HW.max()}"
            return FrameContent(None, None, None, [Fault(files[0], problem, "ids are 0 to 65535: write them as PNG")])
        faults = list(self._unknown_classes(raw.classes_HW, files[0]))
        if image.shape[:2] != raw.classes_HW.shape:
            faults.append(size_fault(str(frame.image), image.shape[:2], files[0], raw.classes_HW.shape))
        warnings = [fault_of_remark(str(frame.image), remark) for remark in remarks]
        if faults:
            return FrameContent(image, None, None, faults, warnings, files)
        semantic_HW = self._table[raw.classes_HW]
        if raw.void_HW is not None:
            semantic_HW = np.where(raw.void_HW, self.label_set.void_id, semantic_HW)
        has_instances = np.isin(semantic_HW, [label.id for label in self.label_set if label.has_instances])
        try:
            ids_HW = numbered_instances(semantic_HW, np.where(has_instances, raw.keys_HW, 0))
        except PartwiseError as error:
            return FrameContent(image, None, None, [fault_of_error(files[1], error)], warnings, files)
        return FrameContent(image, semantic_HW.astype(np.uint8), ids_HW, [], warnings, files)

    def _unknown_classes(self, classes_HW: np.ndarray, file: str) -> Iterator[Fault]:
        values, pixels = value_counts(classes_HW)
        for value, count in zip(values.tolist(), pixels.tolist(), strict=True):
            if self._table[value] < 0:
                remedy = f"{self.label_set.name} has the ids {_ids(self.label_set)}"
                yield Fault(file, f"unknown id {value}", remedy, value, count)


def _ids(label_set: LabelSet) -> str:
    ids = sorted(label.file_id for label in label_set)
    return f"{ids[0]} to {ids[-1]}" if len(ids) > 6 else ", ".join(map(str, ids))


def _table(label_set: LabelSet, own: LabelSet) -> np.ndarray:
    """(65536,) int32: number in the files -> id of the label set, -1 for none."""
    table = np.full(_CLASS_VALUES, -1, np.int32)
    for number, id_ in ids_of_numbers(label_set, own).items():
        if 0 <= number < _CLASS_VALUES:  # no file holds others
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
        The complete frames, sorted by name, and a fault for each image without its truth.
    """
    frames, faults = [], []
    for image in sorted(images, key=lambda path: path.stem):
        name = image.stem.removesuffix(end)
        truth = tuple(folder / f"{name}{suffix}" for folder, suffix in truth_of)
        missing = [path for path in truth if not path.is_file()]
        faults += [Fault(str(image), f"has no truth {path}", "add that file or remove the image") for path in missing]
        if not missing:
            frames.append(MaskFrame(name, image, truth))
    return frames, faults


def images_in(folder: Path, suffixes: Sequence[str] = (".jpg", ".jpeg", ".png")) -> list[Path]:
    """The images of a folder; none where there is no such folder."""
    if not folder.is_dir():
        return []
    return [path for path in folder.iterdir() if path.suffix.lower() in suffixes and not path.name.startswith(".")]


def splits_with(root: Path, names: Sequence[str], below: str = "") -> list[str]:
    """Those of some folders that are there, in the usual order."""
    return in_usual_order(name for name in names if (root / name / below).is_dir())
