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

from partwise.data.archive import Archive
from partwise.data.image_files import decode_ids, encode_png
from partwise.errors import PartwiseError
from partwise.files import atomic_write
from partwise.labels import INSTANCE_FACTOR
from partwise.rle import segments
from partwise.scene import Scene

__all__ = [
    "Depth",
    "DepthFiles",
    "depth_from_disparity",
    "distances_of",
    "find_depth",
    "instance_distances",
    "no_depth",
    "write_depth",
]

FOCAL_PX, BASELINE_M = 2262.5, 0.2  # of the cameras that Cityscapes was taken with, about; only their product counts
NO_DISTANCES = (
    "the distances of its instances are not known: give data with disparity/ and camera/ beside gtFine (Cityscapes, or "
    "streets that `partwise render --depth` made)"
)


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
        PartwiseError: When made, if the split has no such files. When called, if a frame's file is missing or cannot be
            used.
    """

    def __init__(self, root: str | os.PathLike, split: str):
        self.archive, self.split = Archive(root, TREES), split
        for tree in TREES:
            if split not in self.archive.splits(tree):
                raise PartwiseError(f"{self.archive.root}: {ABSENT.format(tree)} for the split {split!r}")
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
                raise PartwiseError(
                    f"{self.archive.where(path)}: is missing, and other frames have theirs: add it, or take the folder "
                    "away to go without AP100m and AP50m"
                )
        return depth_from_disparity(self._disparity(disparity), *self._camera(camera))

    def _camera(self, path: str) -> tuple[float, float]:
        """Return the focal length in pixels and the baseline in metres."""
        try:
            values = json.loads(self.archive.read(path).decode("utf-8"))
            focal_px, baseline_m = float(values["intrinsic"]["fx"]), float(values["extrinsic"]["baseline"])
            if not (0 < focal_px < math.inf and 0 < baseline_m < math.inf):
                raise ValueError(f"{focal_px:g} and {baseline_m:g}")
            return focal_px, baseline_m
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            raise PartwiseError(
                f"{self.archive.where(path)}: no intrinsic.fx and extrinsic.baseline ({error!r}): "
                "take the official file"
            ) from None

    def _disparity(self, path: str) -> np.ndarray:
        """Read the (H, W) disparity of a file."""
        return decode_ids(self.archive.read(path), self.archive.where(path))


def find_depth(root: str | os.PathLike, split: str) -> Depth:
    """Return `DepthFiles` of a split, or `no_depth` if the tree has no disparity or no camera files for it.

    Raises:
        PartwiseError: If a zip is damaged.
    """
    if Path(root).is_file() and Path(root).suffix.lower() != ".zip":
        return no_depth  # an annotation file
    try:
        return DepthFiles(root, split)
    except PartwiseError as error:
        if any(ABSENT.format(tree) in str(error) for tree in TREES):
            return no_depth
        raise


def instance_distances(depth: Callable[[], Depth], name: str, instance_ids_HW: np.ndarray) -> dict[int, float]:
    """Measure how far away the instances of a frame are.

    Args:
        depth: Finds the depth of the data set; not called before it is needed.
        name: Of the frame.
        instance_ids_HW: (H, W) int: the truth's map of instances.

    Returns:
        Instance id (id * 1000 + number) -> median over its pixels with a measurement, in metres; infinite without one.

    Raises:
        PartwiseError: If the data have no depth for the frame, or depth of another size.
    """
    depth_HW = depth()(name)
    if depth_HW is None:
        raise PartwiseError(f"{name}: {NO_DISTANCES}")
    if depth_HW.shape != instance_ids_HW.shape:
        sizes = ("x".join(map(str, reversed(one))) for one in (depth_HW.shape, instance_ids_HW.shape))
        raise PartwiseError("{}: its depth is {}, the truth {}: give both in one size".format(name, *sizes))
    ids, _, boxes = segments(instance_ids_HW)
    found = {}
    for id_, (x0, y0, x1, y1) in zip(ids.tolist(), boxes.tolist(), strict=True):
        if id_ >= INSTANCE_FACTOR:
            depths = depth_HW[y0:y1, x0:x1][instance_ids_HW[y0:y1, x0:x1] == id_]
            measured = depths[~np.isnan(depths)]
            found[id_] = float(np.median(measured)) if len(measured) else math.inf
    return found


def write_depth(scene: Scene, root: str | os.PathLike, split: str) -> None:
    """Write disparity and camera of a scene in the official format, from the distances of its instances.

    Every pixel of an instance has its distance; all others are without a measurement.

    Args:
        scene: With distances.
        root: Of the data set.
        split: Such as "train".

    Raises:
        PartwiseError: If the scene has no distances, or the disk is full.
    """
    disparity_HW = np.zeros(scene.size, np.uint16)
    for id_, distance_m in distances_of(scene).items():
        value = 256 * FOCAL_PX * BASELINE_M / distance_m + 1
        disparity_HW[scene.instance_ids_HW == id_] = min(round(value), np.iinfo(np.uint16).max)
    camera = {"intrinsic": {"fx": FOCAL_PX}, "extrinsic": {"baseline": BASELINE_M}}
    contents = {"disparity.png": encode_png(disparity_HW), "camera.json": json.dumps(camera).encode()}
    for end, content in contents.items():
        tree = end.split(".")[0]
        path = Path(root) / tree / split / scene.name.split("_")[0] / f"{scene.name}_{end}"
        with atomic_write(path) as file:
            file.write(content)


def distances_of(scene: Scene) -> dict[int, float]:
    """The distances of a scene's instances, see `instance_distances`.

    Raises:
        PartwiseError: If the scene has none.
    """
    if scene.distances is None:
        raise PartwiseError(f"{scene.name}: {NO_DISTANCES}")
    return scene.distances()
