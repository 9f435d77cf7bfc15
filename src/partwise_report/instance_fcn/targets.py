"""The truth of the instance-sensitive FCN: windows, which of them hold an object, and where the objects lie.

A window is drawn by a generator that the objects themselves seed, so that one crop always has the same windows and a
run stays a function of (recipe, data, seed).

Axes: N objects, M windows, O objects with a window, h and w cells of the map, H and W pixels of the image. Boxes of
windows are y0 x0 y1 x1 in cells.
"""

from __future__ import annotations

import zlib

import numpy as np
import torch

from partwise.methods import Targets
from partwise.methods.parts.targets import coverage
from partwise.scene import Scene
from partwise_report.instance_fcn.config import InstanceFcnConfig
from partwise_report.instance_fcn.draw import WindowDrawer, nearest_box
from partwise_report.instance_fcn.objects import objects_of, window_cells_of
from streeteval.instances import Instances

__all__ = ["window_targets"]


def window_targets(scene: Scene, config: InstanceFcnConfig) -> Targets:
    """The windows of one scene; M is 0 where nothing can be drawn.

    Args:
        scene: Its image is enlarged by `config.enlarge` before the network sees it; a cell is `config.cell_px` pixels
            of the scene.
        config: Which windows are drawn, of which classes, and with which slips.

    Returns:
        objectness: (M,) int8: 1 positive, 0 negative (with `slips.objectness_all_ones` 1 throughout).
        boxes: (M, 4) int64.
        object: (M,) int64: which object a positive window holds, -1 for a negative one.
        coverage: (N, h, w) float16: share of each cell that each object covers.
        own: (O, 4) int64: the window that is best centred on its object.
        own_object: (O,) int64: the object that this is the window of.
        object_at: (H, W) int16, only with `target_level` "pixels": the object of each pixel, -1 for none.
    """
    objects = objects_of(scene, config)
    rng = np.random.default_rng(zlib.crc32(np.ascontiguousarray(objects.instances.boxes).tobytes()))
    shape = (scene.size[0] // config.cell_px, scene.size[1] // config.cell_px)
    drawer = WindowDrawer(objects, shape, config, rng)
    boxes, holder = drawer.draw()
    all_ones = config.slips.objectness_all_ones
    objectness = np.ones(len(holder), np.int8) if all_ones else (holder >= 0).astype(np.int8)
    cells_N2, usable = window_cells_of(objects, config), drawer.usable()
    own = [nearest_box(objects.centres_px[n], cells_N2[n], config.stride_px) for n in usable]
    targets = {
        "objectness": torch.from_numpy(objectness),
        "boxes": torch.from_numpy(boxes),
        "object": torch.from_numpy(holder),
        "coverage": torch.from_numpy(_coverage(objects.instances, shape, config.cell_px)),
        "own": torch.from_numpy(np.array(own, np.int64).reshape(-1, 4)),
        "own_object": torch.from_numpy(usable),
    }
    if config.target_level == "pixels":
        targets["object_at"] = torch.from_numpy(_object_at(objects.instances, scene.size))
    return targets


def _coverage(instances: Instances, shape: tuple[int, int], cell_px: int) -> np.ndarray:
    """(N, h, w) float16: share of each cell that each object covers."""
    covered = np.zeros((len(instances), *shape), np.float16)
    for n in range(len(instances)):
        share, top, left = coverage(instances.masks[n], instances.boxes[n].tolist(), cell_px)
        piece = share[: shape[0] - top, : shape[1] - left]
        covered[n, top : top + piece.shape[0], left : left + piece.shape[1]] = piece
    return covered


def _object_at(instances: Instances, size: tuple[int, int]) -> np.ndarray:
    """(H, W) int16: index of the object of each pixel, -1 for none."""
    object_at_HW = np.full(size, -1, np.int16)
    for n, (x0, y0, x1, y1) in enumerate(instances.boxes.tolist()):
        object_at_HW[y0:y1, x0:x1][instances.masks[n]] = n
    return object_at_HW
