"""The targets of part maps: which windows contain an object, and what their masks should be.

Axes: m window cells a side, M windows, h and w cells of a map, H and W pixels.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from partwise.fields import CountOrZero, NotNegative, Positive, configuration
from partwise.methods.method import Targets
from partwise.methods.parts.windows import Window
from partwise.scene import Scene
from streeteval.labels import INSTANCE_FACTOR

__all__ = ["IGNORED", "NEGATIVE", "POSITIVE", "AssignConfig", "assign_windows", "coverage", "right_grid"]

POSITIVE, NEGATIVE, IGNORED = 1, 0, -1


@configuration
class AssignConfig:
    """The rules by which a window is positive, negative or ignored.

    Attributes:
        fill_max: An object belongs to the smallest window whose side times this number is at least the object's longest
            side.
        positive_reach: A window is positive if its centre is nearer to the object's centre than this share of the
            longest side (DeepMask: 16 px of 128).
        ignored_reach: A window that is not positive is ignored within this share of the longest side (DeepMask: 32 px
            of 128).
        scale_margin: A grid that would be the right one for an object larger or smaller by this factor ignores the
            object (2 ** 1/4).
        min_area_px: Objects with fewer pixels are ignored.
    """

    fill_max: Positive = 0.8
    positive_reach: NotNegative = 0.125
    ignored_reach: NotNegative = 0.25
    scale_margin: Positive = 1.19
    min_area_px: CountOrZero = 20


def right_grid(longest_side_px: float, windows: tuple[Window, ...], fill_max: float) -> int:
    """Return the index of an object's grid: the one with the smallest windows that can hold it, else the last one.

    Args:
        longest_side_px: Longest side of the object.
        windows: Stride and cells of each grid, in ascending size.
        fill_max: See `AssignConfig`.

    >>> right_grid(40, (Window(4, 8), Window(4, 16), Window(8, 16)), fill_max=0.8)
    1
    """
    for index, window in enumerate(windows):
        if longest_side_px <= fill_max * window.side_px:
            return index
    return len(windows) - 1


def assign_windows(
    scene: Scene, windows: tuple[Window, ...], config: AssignConfig, border_windows: bool = True
) -> Targets:
    """Assign windows to the objects of a scene.

    Args:
        scene: The scene.
        windows: Stride and cells of each grid, in ascending size.
        config: The rules.
        border_windows: Whether a window may extend beyond the image. If not, an object gets no windows if the window
            around its centre would.

    Returns:
        For each grid i with M_i positive windows:
        objectness_i: (h, w) int8, POSITIVE, NEGATIVE or IGNORED.
        centres_i: (M_i, 2) int64, cell (y, x) of each positive window.
        coverage_i: (M_i, m, m) float16, share of each cell that the object covers, 0..1.
        nearest_i: (M_i,) bool, whether the window is the one that is nearest to the centre of its object.
        owner_i: (M_i,) int64, instance id of its object.
    """
    height, width = scene.size
    grids = [_Grid(window, height // window.stride_px, width // window.stride_px) for window in windows]
    things = {label.id for label in scene.label_set.things}
    instances = scene.instances
    thing_group = _group_pixels(scene)
    for grid in grids:
        grid.ignore_where(thing_group)
    order = np.argsort(-instances.areas, kind="stable")  # if two objects want the same cell, the smaller one gets it
    for positives in (False, True):
        for i in order.tolist():
            box, mask = instances.boxes[i].tolist(), instances.masks[i]
            side = float(max(box[2] - box[0], box[3] - box[1]))
            usable = int(instances.labels[i]) in things and instances.areas[i] >= config.min_area_px
            right = right_grid(side, windows, config.fill_max)
            if positives and usable and (border_windows or _stays_inside(box, windows[right], scene.size)):
                owner = int(scene.instance_ids_HW[box[1] : box[3], box[0] : box[2]][mask][0])
                grids[right].add(owner, box, mask, side, config)
            elif not positives:
                near = {
                    right_grid(side * factor, windows, config.fill_max)
                    for factor in (1 / config.scale_margin, 1, config.scale_margin)
                }
                for index, grid in enumerate(grids):
                    if not usable or index in near:
                        grid.ignore_near(box, max(config.ignored_reach * side, grid.window.stride_px))
    targets: Targets = {}
    for index, grid in enumerate(grids):
        targets |= {f"{key}_{index}": value for key, value in grid.tensors().items()}
    return targets


def _stays_inside(box: list[int], window: Window, size: tuple[int, int]) -> bool:
    """Check whether the window around the centre of a box lies inside the image (H, W)."""
    twice = (box[1] + box[3], box[0] + box[2])  # twice the centre
    return all(window.side_px <= t <= 2 * length - window.side_px for t, length in zip(twice, size, strict=True))


class _Grid:
    """The targets of one grid of windows while they are built."""

    def __init__(self, window: Window, rows: int, columns: int):
        self.window, self.rows, self.columns = window, rows, columns
        self.objectness = np.zeros((rows, columns), np.int8)
        self.centres: list[tuple[int, int]] = []
        self.coverage: list[np.ndarray] = []
        self.nearest: list[bool] = []
        self.owner: list[int] = []

    def ignore_where(self, pixels_HW: np.ndarray) -> None:
        """Ignore cells of which more than half belongs to these pixels."""
        if not pixels_HW.any():
            return
        s = self.window.stride_px
        share = pixels_HW[: self.rows * s, : self.columns * s].reshape(self.rows, s, self.columns, s).mean((1, 3))
        self.objectness[share > 0.5] = IGNORED

    def ignore_near(self, box: list[int], reach_px: float) -> None:
        """Ignore the windows whose centre is within `reach_px` of the centre of a box."""
        rows, columns, _ = self._near(box, reach_px)
        self.objectness[np.ix_(rows, columns)] = IGNORED

    def add(self, owner: int, box: list[int], mask: np.ndarray, side: float, config: AssignConfig) -> None:
        """Add the positive windows of one object: all that are near its centre.

        Args:
            owner: Instance id of the object.
            box: x0, y0, x1, y1 in pixels.
            mask: (box height, box width) bool.
            side: Longest side of the object in pixels.
            config: The rules.
        """
        reach = max(config.positive_reach * side, self.window.stride_px / 2)
        rows, columns, distance = self._near(box, reach)
        if distance.size == 0:
            return
        best = np.unravel_index(distance.argmin(), distance.shape)
        share, top, left = coverage(mask, box, self.window.stride_px)
        for r, y in enumerate(rows.tolist()):
            for c, x in enumerate(columns.tolist()):
                self.objectness[y, x] = POSITIVE
                self.centres.append((y, x))
                self.coverage.append(_cut(share, top, left, y, x, self.window.cells))
                self.nearest.append((r, c) == best)
                self.owner.append(owner)

    def _near(self, box: list[int], reach_px: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return rows and columns of windows near the centre of a box, and their distance (rows, columns) in px."""
        centre_x, centre_y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        rows = self.window.cells_within(centre_y, reach_px, self.rows)
        columns = self.window.cells_within(centre_x, reach_px, self.columns)
        dy, dx = self.window.centre_px(rows) - centre_y, self.window.centre_px(columns) - centre_x
        return rows, columns, np.hypot(dy[:, None], dx[None, :])

    def tensors(self) -> dict[str, Tensor]:
        """Return the targets. If several objects made one cell positive, the last (smallest) object keeps it."""
        last = {centre: position for position, centre in enumerate(self.centres)}
        keep = sorted(last.values())
        cells = self.window.cells
        cover = np.stack([self.coverage[i] for i in keep]) if keep else np.zeros((0, cells, cells), np.float16)
        return {
            "objectness": torch.from_numpy(self.objectness),
            "centres": torch.tensor([self.centres[i] for i in keep], dtype=torch.int64).reshape(-1, 2),
            "coverage": torch.from_numpy(cover),
            "nearest": torch.tensor([bool(self.nearest[i]) for i in keep], dtype=torch.bool),
            "owner": torch.tensor([self.owner[i] for i in keep], dtype=torch.int64),
        }


def coverage(mask: np.ndarray, box: list[int], stride_px: int) -> tuple[np.ndarray, int, int]:
    """Compute which share of each cell an object covers.

    Args:
        mask: (box height, box width) bool.
        box: x0, y0, x1, y1 of the mask in pixels, half-open.
        stride_px: Side of a cell in pixels.

    Returns:
        The shares 0..1 in a piece of the map around the box, and the row and column of the piece's first cell.

    >>> coverage(np.ones((4, 2), bool), [3, 0, 5, 4], 4)[0].tolist()
    [[0.25, 0.25]]
    """
    x0, y0, x1, y1 = box
    top, left = y0 // stride_px, x0 // stride_px
    bottom, right = -(-y1 // stride_px), -(-x1 // stride_px)
    padded = np.zeros(((bottom - top) * stride_px, (right - left) * stride_px), np.float32)
    padded[y0 - top * stride_px : y1 - top * stride_px, x0 - left * stride_px : x1 - left * stride_px] = mask
    return padded.reshape(bottom - top, stride_px, right - left, stride_px).mean(axis=(1, 3)), top, left


def _cut(share: np.ndarray, top: int, left: int, y: int, x: int, cells: int) -> np.ndarray:
    """Cut the window at cell (y, x) out of a piece of a coverage map; cells outside the piece are 0."""
    window = np.zeros((cells, cells), np.float16)
    oy, ox = top - (y - cells // 2), left - (x - cells // 2)  # position of the piece in the window
    y0, x0 = max(oy, 0), max(ox, 0)
    y1, x1 = min(oy + share.shape[0], cells), min(ox + share.shape[1], cells)
    if y0 < y1 and x0 < x1:
        window[y0:y1, x0:x1] = share[y0 - oy : y1 - oy, x0 - ox : x1 - ox]
    return window


def _group_pixels(scene: Scene) -> np.ndarray:
    """Return (H, W) bool: pixels of a class with instances that belong to no single instance (groups in Cityscapes)."""
    is_thing = np.zeros(256, bool)
    is_thing[[label.id for label in scene.label_set if label.has_instances]] = True
    return is_thing[scene.semantic_HW] & (scene.instance_ids_HW < INSTANCE_FACTOR)
