"""Depth of a data set's frames from the official disparity and camera files, and distances of instances.

The data set's README defines disparity d = (value - 1) / 256, 0 = no measurement; depth = focal length * baseline / d.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from streeteval.errors import InputError
from streeteval.reading.archive import Archive
from streeteval.reading.id_files import decode_ids

__all__ = [
    "Depth",
    "DepthFiles",
    "depth_from_disparity",
    "find_depth",
    "no_depth",
]


def depth_from_disparity(disparity_HW: np.ndarray, focal_px: float, baseline_m: float) -> np.ndarray:
    """Convert disparity to depth.

    Args:
        disparity_HW: (H, W) integers as published: 0 = no measurement, else 256 * disparity + 1.
        focal_px: Focal length in pixels.
        baseline_m: Distance between the cameras in metres.

    Returns:
        (H, W) float32 depth in metres; NaN without a measurement, infinite if the disparity is 0.

    >>> depth_from_disparity(np.array([[0, 1, 257]]), 2000.0, 0.2).tolist()
    [[nan, inf, 400.0]]
    """
    disparity_px = (disparity_HW.astype(np.float32) - 1) / 256
    with np.errstate(divide="ignore"):
        return np.where(disparity_HW > 0, focal_px * baseline_m / np.maximum(disparity_px, 0), np.nan).astype(
            np.float32
        )


TREES = ("disparity", "camera")
ABSENT = "no {} in it"  # as Archive says it
Depth = Callable[[str], np.ndarray | None]  # name of a frame -> (H, W) depth in metres, or None


def no_depth(name: str) -> None:
    """Return None: the `Depth` of data without disparity."""


class DepthFiles:
    """The `Depth` of a split's frames from the official `disparity` and `camera` files, in folders or in zips.

    It can be pickled.

    Raises:
        InputError: When made, if the split has no such files. When called, if a frame's file is missing or cannot be
            used.
    """

    def __init__(self, root: str | os.PathLike, split: str):
        self.archive, self.split = Archive(root, TREES), split
        for tree in TREES:
            if split not in self.archive.splits(tree):
                raise InputError(f"{self.archive.root}: {ABSENT.format(tree)} for the split {split!r}")
        self.present = frozenset(path for tree in TREES for path in self.archive.files(tree, split))

    def __call__(self, name: str) -> np.ndarray:
        """Return the depth of a frame: (H, W) float32 in metres; see `depth_from_disparity`."""
        city = name.split("_")[0]
        disparity, camera = (
            f"{tree}/{self.split}/{city}/{name}_{tree}{suffix}"
            for tree, suffix in zip(TREES, (".png", ".json"), strict=True)
        )
        for path in (disparity, camera):
            if path not in self.present:
                raise InputError(
                    f"{self.archive.where(path)}: is missing, and other frames have theirs: add it, or take the folder "
                    "away to go without AP100m and AP50m"
                )
        return depth_from_disparity(self._disparity(disparity), *self._camera(camera))

    def _camera(self, path: str) -> tuple[float, float]:
        """Return the focal length in pixels and the baseline in metres."""
        try:
            values = json.loads(self.archive.read(path))
            focal_px, baseline_m = float(values["intrinsic"]["fx"]), float(values["extrinsic"]["baseline"])
            if not (0 < focal_px < math.inf and 0 < baseline_m < math.inf):
                raise ValueError(f"{focal_px:g} and {baseline_m:g}")
            return focal_px, baseline_m
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            raise InputError(
                f"{self.archive.where(path)}: no intrinsic.fx and extrinsic.baseline ({error!r}): "
                "take the official file"
            ) from None

    def _disparity(self, path: str) -> np.ndarray:
        """Read the (H, W) disparity of a file."""
        return decode_ids(self.archive.read(path), self.archive.where(path))


def find_depth(root: str | os.PathLike, split: str) -> Depth:
    """Return `DepthFiles` of a split, or `no_depth` if the tree has no disparity or no camera files for it.

    Raises:
        InputError: If a zip is damaged.
    """
    if Path(root).is_file() and Path(root).suffix.lower() != ".zip":
        return no_depth  # an annotation file
    try:
        return DepthFiles(root, split)
    except InputError as error:
        if any(ABSENT.format(tree) in str(error) for tree in TREES):
            return no_depth
        raise
