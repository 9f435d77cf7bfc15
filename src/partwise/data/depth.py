"""Distances of the instances of a scene, and depth files of rendered streets in the official form."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from partwise.errors import PartwiseError
from partwise.files import atomic_write
from partwise.scene import Scene
from streeteval.labels import INSTANCE_FACTOR
from streeteval.reading.depth import Depth
from streeteval.reading.id_files import encode_png
from streeteval.rle import segments

__all__ = ["distances_of", "instance_distances", "write_depth"]

FOCAL_PX, BASELINE_M = 2262.5, 0.2  # of the cameras that Cityscapes was taken with, about; only their product counts
NO_DISTANCES = (
    "the distances of its instances are not known: give data with disparity/ and camera/ beside gtFine (Cityscapes, or "
    "streets that `partwise render --depth` made)"
)


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
