"""The windows of one sample as a method's targets have them, whatever the method: boxes, and what each holds.

Axes: N objects, M windows, m cells of a window, K parts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from partwise.instances import Instances
from partwise.methods import InstanceFcn, Method, PartMaps
from partwise.methods.instance_fcn.targets import (
    CANONICAL_SHARE,
    NEGATIVE_OCTAVES,
    NEGATIVE_SHIFT_PX,
    STRIDE_PX,
    objects_of,
    window_cells_of,
)
from partwise.methods.instance_fcn.windows import cells_of
from partwise.methods.method import Targets
from partwise.methods.parts.targets import NEGATIVE, coverage, right_grid
from partwise.methods.parts.windows import Window, part_weights
from partwise.scene import Scene

SAME_SIZE_OCTAVES = 0.25  # DeepMask: objects within 2 ** (1/4) of the canonical size are of that size


@dataclass
class WindowTruth:
    """Windows and the objects that they are for.

    objects       the instances of evaluated classes that the method means to learn from
    boxes_M4      int, x0 y0 x1 y1 in pixels of the sample; they may leave it
    object_M      int: the object that a positive window holds; -1 for a negative window
    centre_M      share of the object's pixels in the window that lie in the centre part; NaN where there is none
    near_px_N     a window that fits an object and is nearer to its centre than this along both axes is no negative
    fitting_px_N  side of the window that fits each object; `octaves`: how many times two another may be off
    window_px_N2  width and height of the window that the object has, or would have
    """

    objects: Instances
    boxes_M4: np.ndarray
    object_M: np.ndarray
    centre_M: np.ndarray
    near_px_N: np.ndarray
    fitting_px_N: np.ndarray
    octaves: float
    window_px_N2: np.ndarray

    @property
    def held(self) -> Instances:
        """The objects that a positive window holds."""
        return self.objects[self.has_window]

    @property
    def has_window(self) -> np.ndarray:
        """(N,) bool: whether a positive window holds the object."""
        return np.isin(np.arange(len(self.objects)), self.object_M)

    def fits(self, n: int, boxes_M4: np.ndarray) -> np.ndarray:
        """(M,) bool: whether windows are of a size that fits object n."""
        side = (boxes_M4[:, 2:] - boxes_M4[:, :2]).max(axis=1, initial=1)
        return np.abs(np.log2(side / self.fitting_px_N[n])) < self.octaves


def has_windows(method: Method) -> bool:
    """Whether `window_truth` knows the windows of this method."""
    return isinstance(method, PartMaps | InstanceFcn)


def window_truth(method: Method, scene: Scene, targets: Targets) -> WindowTruth:
    """The windows that `targets` (of `scene`) hold."""
    return (_of_part_maps if isinstance(method, PartMaps) else _of_instance_fcn)(method, scene, targets)


def usable_objects(scene: Scene, min_area_px: int) -> Instances:
    """The instances of evaluated classes with at least so many pixels."""
    things = [label.id for label in scene.label_set.things]
    instances = scene.instances
    return instances[np.isin(instances.labels, things) & (instances.areas >= min_area_px)]


def _of_part_maps(method: PartMaps, scene: Scene, targets: Targets) -> WindowTruth:
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
        boxes.append(near)  # the others, far from every object of their size, are negatives beyond doubt
        holders.append(np.full(len(near), -1))
        centres.append(np.full(len(near), np.nan))
    side_px = np.array([method.windows[index].side_px for index in own_grid], float)
    columns = [np.concatenate(column) for column in (boxes, holders, centres)]
    whole = np.stack([side_px, side_px], axis=1)
    return WindowTruth(objects, *columns, assign.positive_reach * sides, side_px, SAME_SIZE_OCTAVES, whole)


def _of_instance_fcn(method: InstanceFcn, scene: Scene, targets: Targets) -> WindowTruth:
    config, found = method.config, objects_of(scene, method.config.classes)
    objects = found.instances  # beside the windows drawn for training, the one that is centred best on each
    cells_M4, holder_M = (torch.cat([targets[a], targets[b]]) for a, b in (("boxes", "own"), ("object", "own_object")))
    window_px_N2 = window_cells_of(found, config.windows)[:, ::-1] * STRIDE_PX
    fitting, octaves = window_px_N2.max(axis=1, initial=1).astype(float), SAME_SIZE_OCTAVES
    if config.windows == "paper":
        fitting, octaves = objects.longest_sides / CANONICAL_SHARE, NEGATIVE_OCTAVES
    boxes_M4 = cells_M4[:, [1, 0, 3, 2]].numpy() * STRIDE_PX
    centre_M = np.full(len(boxes_M4), np.nan)
    positive = holder_M >= 0
    covered = targets["coverage"].float()
    if positive.any():
        cells = cells_of(cells_M4[positive], config.k, tuple(covered.shape[-2:]))
        share_P = covered[holder_M[positive][cells.window_P], cells.y_P, cells.x_P] * cells.inside_P
        sums = torch.zeros(2, cells.count)
        sums[0].index_add_(0, cells.window_P, share_P)
        sums[1].index_add_(0, cells.window_P, share_P * _in_the_middle(cells.part_P, config.k))
        centre_M[positive.numpy()] = (sums[1] / sums[0]).numpy()  # 0 / 0 is NaN: nothing of the object lies inside
    near_px_N = np.full(len(objects), float(NEGATIVE_SHIFT_PX))
    return WindowTruth(
        objects, boxes_M4, holder_M.numpy(), centre_M, near_px_N, fitting, octaves, window_px_N2.astype(float)
    )


def _in_the_middle(part_P: torch.Tensor, k: int) -> torch.Tensor:
    """(P,) bool: whether parts are the centre one of k x k, or of the four in the middle where k is even."""
    low, high = (k - 1) // 2, k // 2
    row_P, column_P = part_P // k, part_P % k
    return (row_P >= low) & (row_P <= high) & (column_P >= low) & (column_P <= high)


def _boxes(cells_M2: np.ndarray, window: Window) -> np.ndarray:
    """(M, 4) boxes in px of windows at cells (y, x)."""
    corner = (cells_M2[:, ::-1] - window.cells // 2) * window.stride_px
    return np.concatenate([corner, corner + window.side_px], axis=1).astype(int)


def centre_offsets(boxes_M4: np.ndarray, box_4: np.ndarray) -> np.ndarray:
    """(M,) the larger of the distances of the centres along x and along y, in px."""
    apart = (boxes_M4[:, :2] + boxes_M4[:, 2:] - box_4[:2] - box_4[2:]) / 2
    return np.abs(apart).max(axis=1) if len(boxes_M4) else np.zeros(0)


def _is_near(boxes_M4: np.ndarray, objects: Instances, mine: np.ndarray, reach_px_N: np.ndarray) -> np.ndarray:
    near = np.zeros(len(boxes_M4), bool)
    for n in mine:
        near |= centre_offsets(boxes_M4, objects.boxes[n]) <= reach_px_N[n]
    return near


def _holders(cells_M2, cover_Mmm: np.ndarray, objects: Instances, mine: np.ndarray, window: Window) -> np.ndarray:
    """(M,) which object each window's coverage is of: the one among `mine` whose own coverage is most like it."""
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
    """A piece laid at (top, left) of an empty window, cut where it leaves it."""
    window = np.zeros_like(like)
    y0, x0 = max(top, 0), max(left, 0)
    y1, x1 = min(top + share.shape[0], like.shape[0]), min(left + share.shape[1], like.shape[1])
    if y0 < y1 and x0 < x1:
        window[y0:y1, x0:x1] = share[y0 - top : y1 - top, x0 - left : x1 - left]
    return window


def _centre_share(cover_Mmm: np.ndarray, k: int) -> np.ndarray:
    """(M,) share of what a window covers that its centre part (its four, where k is even) has to show."""
    if len(cover_Mmm) == 0:
        return np.zeros(0)
    middle = _in_the_middle(torch.arange(k * k), k)
    centre = part_weights(k, cover_Mmm.shape[-1], "nearest")[middle].sum(dim=0).numpy()
    whole = cover_Mmm.sum(axis=(1, 2))
    return np.where(whole > 0, (cover_Mmm * centre).sum(axis=(1, 2)) / np.maximum(whole, 1e-9), np.nan)
