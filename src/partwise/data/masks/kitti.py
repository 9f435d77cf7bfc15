"""KITTI's semantic and instance segmentation of 2018, with Cityscapes' classes.

training/image_2/<name>.png      the image
training/semantic/<name>.png     8 bit, Cityscapes' ids
training/instance/<name>.png     16 bit, id * 256 + number from 1 on; number 0 for what is no single instance

Source: the development kit of the benchmark (data_semantics).
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np

from partwise.data.masks.folder import (
    MaskFolder,
    MaskFrame,
    RawTruth,
    frames_of,
    images_in,
    read_id_map,
    splits_with,
)
from partwise.errors import PartwiseError
from streeteval.labels import CITYSCAPES, LabelSet
from streeteval.reading.faults import Fault

__all__ = ["KittiFolder"]

_FACTOR = 256


class KittiFolder(MaskFolder):
    """One split of KITTI, usually "training": the truth of "testing" is not public."""

    form: ClassVar[str] = "KITTI"

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """See DatasetFormat."""
        return any((root / split / "image_2").is_dir() for split in ("training", "testing"))

    @classmethod
    def splits(cls, root: Path) -> list[str]:
        """See DatasetFormat: every folder that has semantic truth."""
        return splits_with(root, [path.name for path in root.iterdir() if path.is_dir()], "semantic")

    @classmethod
    def own_label_set(cls, root: Path) -> LabelSet:
        """Cityscapes' classes."""
        return CITYSCAPES

    @classmethod
    def find_frames(cls, root: Path, split: str) -> tuple[list[MaskFrame], list[Fault]]:
        """See MaskFolder."""
        place = root / split
        return frames_of(images_in(place / "image_2"), [(place / "semantic", ".png"), (place / "instance", ".png")])

    def read_truth(self, frame: MaskFrame) -> RawTruth:
        """See MaskFolder."""
        classes_HW, values_HW = (read_id_map(file) for file in frame.truth)
        if classes_HW.shape != values_HW.shape:
            raise PartwiseError(f"{frame.truth[0]}: has another size than {frame.truth[1]}: take both from KITTI again")
        return RawTruth(classes_HW, np.where(values_HW % _FACTOR, values_HW, 0))
