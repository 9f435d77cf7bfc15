"""Scenes of a data set with a PNG of ids for each image, once it is known which frames there are."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from partwise.data.frame import FrameContent, Survey, raise_faults
from partwise.data.id_maps import numbered_instances
from partwise.data.image_files import decode_frame
from partwise.errors import PartwiseError
from partwise.scene import Scene
from streeteval.errors import warn_of
from streeteval.labels import LabelSet
from streeteval.reading.faults import Fault, fault_of_error, fault_of_remark, size_fault
from streeteval.reading.id_files import read_bytes
from streeteval.rle import value_counts

__all__ = ["CLASS_VALUES", "MaskFrame", "MaskFrames", "RawTruth"]

CLASS_VALUES = 1 << 16  # numbers of classes are below it


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
        faults: What is wrong with the ids; with one, the frame is not used.
    """

    classes_HW: np.ndarray
    keys_HW: np.ndarray
    void_HW: np.ndarray | None = None
    faults: Sequence[Fault] = ()


class MaskFrames:
    """Scenes of a data set with a PNG of ids for each image, once its frames are found.

    Reading a frame checks it; nothing is kept in memory but the list of frames. It can be pickled.

    Attributes:
        root: Of the data set.
        split: Its name.
        name: The data set and its split.
        label_set: Of every scene.
        frames: The complete frames, sorted by name.
        faults: What is wrong with the others.
        notes: How paths were understood; only `partwise check` lists them.
    """

    form: ClassVar[str]
    options: ClassVar[frozenset[str]] = frozenset({"label_set"})
    classes_by_name: ClassVar[bool] = False

    def __init__(
        self,
        root: Path,
        split: str,
        label_set: LabelSet,
        found: tuple[Sequence[MaskFrame], list[Fault]],
        table: np.ndarray,
        *,
        complete: bool,
    ):
        """Make the data set.

        Args:
            root: Of the data set.
            split: Its name.
            label_set: Of every scene.
            found: The frames, sorted by name, and a fault for each that is not complete.
            table: (K,) int32: number of a class in `RawTruth` -> id of the label set, -1 for none.
            complete: Whether a fault is an error; if not, frames with one are left out.

        Raises:
            FaultyDataError: If frames are not complete.
            PartwiseError: If there is no frame.
        """
        self.root, self.split, self.label_set = root, split, label_set
        self.name = f"{root.resolve().stem if root.is_file() else root.resolve().name}/{split}"
        self.frames, self.faults = found
        self.notes: list[Fault] = []
        if complete:
            raise_faults(str(root), self.faults)
        if not self.frames and not self.faults:
            raise PartwiseError(f"{root}: split {split!r} has no image: put images and truth there")
        self._table = table
        self._warned = False

    def read_truth(self, frame: MaskFrame) -> RawTruth:
        """The truth of a frame.

        Raises:
            PartwiseError: If a file is damaged or of another kind.
        """
        raise NotImplementedError

    def surveyed(self) -> Survey:
        """The complete frames, and a fault for each other one."""
        return Survey(
            f"{self.root}, split {self.split}", self.label_set, len(self), self.content, self.faults, self.notes
        )

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
        raw, image, faults, warnings = self._read(frame)
        if raw is None or image is None:
            return FrameContent(None, None, None, faults)
        if raw.classes_HW.min(initial=0) < 0 or raw.classes_HW.max(initial=0) >= CLASS_VALUES:
            problem = f"its ids are {raw.classes_HW.min()} to {raw.classes_HW.max()}"
            faults.append(Fault(files[0], problem, "ids are 0 to 65535: write them as PNG"))
            return FrameContent(None, None, None, faults)
        faults += self._unknown_classes(raw.classes_HW, files[0])
        if image.shape[:2] != raw.classes_HW.shape:
            faults.append(size_fault(str(frame.image), image.shape[:2], files[0], raw.classes_HW.shape))
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

    def _read(self, frame: MaskFrame) -> tuple[RawTruth | None, np.ndarray | None, list[Fault], list[Fault]]:
        """Truth and image of a frame, its faults and warnings; None for what cannot be read."""
        raw, image, faults, remarks = None, None, list[Fault](), list[str]()
        try:
            raw = self.read_truth(frame)
            faults += raw.faults
        except PartwiseError as error:
            faults.append(fault_of_error(str(frame.truth[0]), error))
        try:
            size = None if raw is None else raw.classes_HW.shape
            image, remarks = decode_frame(read_bytes(frame.image), str(frame.image), size)
        except PartwiseError as error:
            faults.append(fault_of_error(str(frame.image), error))
        return raw, image, faults, [fault_of_remark(str(frame.image), remark) for remark in remarks]

    def _unknown_classes(self, classes_HW: np.ndarray, file: str) -> Iterator[Fault]:
        values, pixels = value_counts(classes_HW)
        for value, count in zip(values.tolist(), pixels.tolist(), strict=True):
            if self._table[value] < 0:
                remedy = f"{self.label_set.name} has the ids {_ids(self.label_set)}"
                yield Fault(file, f"unknown id {value}", remedy, value, count)


def _ids(label_set: LabelSet) -> str:
    ids = sorted(label.file_id for label in label_set)
    return f"{ids[0]} to {ids[-1]}" if len(ids) > 6 else ", ".join(map(str, ids))
