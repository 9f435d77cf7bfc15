"""The windows of part maps compared with the objects that they are for, as the doctor needs it.

Axes: N objects, M windows, m cells of a window, P and K = k * k parts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from partwise.methods.capabilities import WindowTruth, usable_objects
from partwise.methods.parts.targets import NEGATIVE, coverage, right_grid
from partwise.methods.parts.windows import Window, part_weights
from partwise.scene import Scene
from streeteval.instances import Instances

if TYPE_CHECKING:
    from partwise.methods.parts.network import PartMaps

SAME_SIZE_OCTAVES = 0.25  # objects within a factor of 2 ** (1/4) of the canonical size have that size (DeepMask)


def window_truth(method: PartMaps, scene: Scene, targets: dict[str, Tensor]) -> WindowTruth:
    """Read the windows from the targets of a scene, see `HasWindows.window_truth`.

    Args:
        method: The method that made the targets.
        scene: The scene.
        targets: What `PartMaps.targets` returned for this scene.
    """
    assign, objects = method.config.assign, usable_objects(scene, method.config.assign.min_area_px)
    sides = objects.longest_sides
    own_grid = np.array([right_grid(float(side), method.windows, assign.fill_max) for side in sides], int)
    boxes, holders, centres = [], [], []
    for index, window in enumerate(method.windows):
        mine = np.flatnonzero(own_grid == index)
        cells = targets[f"centres_{index}"].numpy()
        cover = targets[f"coverage_{index}"].float().numpy()
        boxes.append(_boxes(cells, window))
        holders.append(_holders(cells, cover, objects, mine, window))
        centres.append(_centre_share(cover, method.config.k))
        negatives = (targets[f"objectness_{index}"] == NEGATIVE).nonzero().numpy()
        near = _boxes(negatives, window)
        near = near[_is_near(near, objects, mine, assign.ignored_reach * sides + window.side_px)]
        boxes.append(near)  # other negative windows are far from every object of their size, and so certainly negative
        holders.append(np.full(len(near), -1))
        centres.append(np.full(len(near), np.nan))
    side_px = np.array([method.windows[index].side_px for index in own_grid], float)
    boxes_M4, object_M, centre_M = (np.concatenate(column) for column in (boxes, holders, centres))
    whole = np.stack([side_px, side_px], axis=1)
    near_px_N = assign.positive_reach * sides
    return WindowTruth(objects, boxes_M4, object_M, centre_M, near_px_N, side_px, SAME_SIZE_OCTAVES, whole)


def _boxes(cells_M2: np.ndarray, window: Window) -> np.ndarray:
    """Compute the (M, 4) boxes in px of the windows at cells (y, x)."""
    corner = (cells_M2[:, ::-1] - window.cells // 2) * window.stride_px
    return np.concatenate([corner, corner + window.side_px], axis=1).astype(int)


def centre_offsets(boxes_M4: np.ndarray, box_4: np.ndarray) -> np.ndarray:
    """Compute the distance between the centres of boxes and the centre of one box, along x or y, whichever is larger.

    Args:
        boxes_M4: (M, 4) x0 y0 x1 y1 in px.
        box_4: (4,) x0 y0 x1 y1 in px.

    Returns:
        (M,) distance in px.
    """
    apart = (boxes_M4[:, :2] + boxes_M4[:, 2:] - box_4[:2] - box_4[2:]) / 2
    return np.abs(apart).max(axis=1) if len(boxes_M4) else np.zeros(0)


def _is_near(boxes_M4: np.ndarray, objects: Instances, mine: np.ndarray, reach_px_N: np.ndarray) -> np.ndarray:
    """Return (M,) bool: whether a box is within the reach of any object of `mine`."""
    near = np.zeros(len(boxes_M4), bool)
    for n in mine:
        near |= centre_offsets(boxes_M4, objects.boxes[n]) <= reach_px_N[n]
    return near


def _holders(
    cells_M2: np.ndarray, cover_Mmm: np.ndarray, objects: Instances, mine: np.ndarray, window: Window
) -> np.ndarray:
    """Return (M,) index of each window's object: that of `mine` whose coverage is most similar to the window's."""
    pieces = [coverage(objects.masks[n], objects.boxes[n].tolist(), window.stride_px) for n in mine]
    holders = np.full(len(cells_M2), -1)
    for i, ((y, x), cover) in enumerate(zip(cells_M2.tolist(), cover_Mmm, strict=True)):
        best = np.inf
        for n, (share, top, left) in zip(mine, pieces, strict=True):
            if centre_offsets(_boxes(cells_M2[i : i + 1], window), objects.boxes[n])[0] > window.side_px / 2:
                continue
            difference = np.abs(
                _placed(share, top - y + window.cells // 2, left - x + window.cells // 2, cover) - cover
            )
            if difference.sum() < best:
                best, holders[i] = difference.sum(), n
    return holders


def _placed(share: np.ndarray, top: int, left: int, like: np.ndarray) -> np.ndarray:
    """Place a piece at row `top` and column `left` of an empty window; what lies outside the window is cut off."""
    window = np.zeros_like(like)
    y0, x0 = max(top, 0), max(left, 0)
    y1, x1 = min(top + share.shape[0], like.shape[0]), min(left + share.shape[1], like.shape[1])
    if y0 < y1 and x0 < x1:
        window[y0:y1, x0:x1] = share[y0 - top : y1 - top, x0 - left : x1 - left]
    return window


def _centre_share(cover_Mmm: np.ndarray, k: int) -> np.ndarray:
    """Return (M,) share of what a window covers that lies in its centre part (in the middle four for even k)."""
    if len(cover_Mmm) == 0:
        return np.zeros(0)
    middle = in_the_middle(torch.arange(k * k), k)
    centre = part_weights(k, cover_Mmm.shape[-1], "nearest")[middle].sum(dim=0).numpy()
    whole = cover_Mmm.sum(axis=(1, 2))
    return np.where(whole > 0, (cover_Mmm * centre).sum(axis=(1, 2)) / np.maximum(whole, 1e-9), np.nan)


def in_the_middle(part_P: Tensor, k: int) -> Tensor:
    """Return (P,) bool: whether each part is the centre one of k x k parts, or one of the middle four for even k."""
    low, high = (k - 1) // 2, k // 2
    row_P, column_P = part_P // k, part_P % k
    return (row_P >= low) & (row_P <= high) & (column_P >= low) & (column_P <= high)
