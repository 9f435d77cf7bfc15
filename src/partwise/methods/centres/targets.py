"""The targets of the method of centres: the centre of each instance, and the offset of each cell to its own centre.

Axes: T classes with instances, N instances, h and w cells of stride 4, H and W pixels.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from partwise.geometry import cell_centres_px
from partwise.methods.parts.targets import coverage
from partwise.scene import Scene
from streeteval.labels import INSTANCE_FACTOR

STRIDE_PX = 4  # stride of the finest map of the pyramid
IGNORED = -1.0
# Standard deviation of the Gaussian around a centre as a share of the object's longest side: the larger an object is,
# the less exactly its centre can be located.
SIGMA_SHARE = 0.1
SIGMA_PX = (2.0, 16.0)  # its lower and upper limit; 8 px for all objects in Panoptic-DeepLab, section 3.1
LEAST_SIDE_PX = 16.0  # the loss treats the offsets of smaller objects like those of an object of this side


def centre_targets(scene: Scene, min_area_px: int) -> dict[str, Tensor]:
    """Compute the target maps of one scene.

    The centre of an instance is the mean position of its pixels (the spatial centre of the report).

    Args:
        scene: Its sides are multiples of STRIDE_PX.
        min_area_px: Instances with fewer pixels are ignored.

    Returns:
        "heat": (T, h, w) float32. 1 at the cell of each centre, and a Gaussian around it. -1 (ignored) where most of a
        cell is covered by a group of the class, by an instance below `min_area_px`, or by a class that is not
        evaluated. "offset": (2, h, w) float32, dy and dx in px from the cell's centre to the centre of the instance
        that covers most of the cell.
        "side": (h, w) float32, the longest side of this instance in px, at least LEAST_SIDE_PX; 0 for no instance.
        "weight": (h, w) float32, 1 / sqrt(number of cells of this instance), so that a large object has less weight
        than the number of its cells; 0 for no instance.
    """
    height, width = scene.size[0] // STRIDE_PX, scene.size[1] // STRIDE_PX
    things = {label.id: index for index, label in enumerate(scene.label_set.things)}
    heat = np.zeros((len(things), height, width), np.float32)
    offset = np.zeros((2, height, width), np.float32)
    side, weight, most = np.zeros((3, height, width), np.float32)
    y_px, x_px = cell_centres_px(height, STRIDE_PX), cell_centres_px(width, STRIDE_PX)
    ignored, instances = _group_cells(scene, things), scene.instances
    for n in np.argsort(-instances.areas, kind="stable").tolist():
        box, mask, label = instances.boxes[n].tolist(), instances.masks[n], int(instances.labels[n])
        share, top, left = coverage(mask, box, STRIDE_PX)
        share = share[: height - top, : width - left]
        at = (slice(top, top + share.shape[0]), slice(left, left + share.shape[1]))
        if label not in things or instances.areas[n] < min_area_px:
            ignored[(things[label],) if label in things else ()][(..., *at)] |= share > 0.5
            continue
        rows, columns = np.nonzero(mask)
        y, x = box[1] + float(rows.mean()) + 0.5, box[0] + float(columns.mean()) + 0.5
        longest = float(instances.longest_sides[n])
        sigma = float(np.clip(SIGMA_SHARE * longest, *SIGMA_PX))
        bump = np.exp(-((y_px[:, None] - y) ** 2 + (x_px[None, :] - x) ** 2) / (2 * sigma**2))
        bump[min(int(y / STRIDE_PX), height - 1), min(int(x / STRIDE_PX), width - 1)] = 1.0
        np.maximum(heat[things[label]], bump, out=heat[things[label]])
        own = share > most[at]
        most[at] = np.where(own, share, most[at])
        offset[0][at] = np.where(own, y - y_px[at[0], None], offset[0][at])
        offset[1][at] = np.where(own, x - x_px[None, at[1]], offset[1][at])
        side[at] = np.where(own, max(longest, LEAST_SIDE_PX), side[at])
        weight[at] = np.where(own, 1 / np.sqrt(max(own.sum(), 1)), weight[at])
    heat[ignored & (heat < 1)] = IGNORED
    maps = {"heat": heat, "offset": offset, "side": side, "weight": weight}
    return {name: torch.from_numpy(np.ascontiguousarray(map_)) for name, map_ in maps.items()}


def _group_cells(scene: Scene, things: dict[int, int]) -> np.ndarray:
    """Compute (T, h, w) bool: cells that are mostly covered by pixels of this class without an instance (a group)."""
    cells = np.zeros((len(things), scene.size[0] // STRIDE_PX, scene.size[1] // STRIDE_PX), bool)
    grouped = scene.instance_ids_HW < INSTANCE_FACTOR
    for id_, index in things.items():
        pixels = grouped & (scene.semantic_HW == id_)
        if pixels.any():
            parts = pixels.reshape(cells.shape[1], STRIDE_PX, cells.shape[2], STRIDE_PX)
            cells[index] = parts.mean(axis=(1, 3)) > 0.5
    return cells
