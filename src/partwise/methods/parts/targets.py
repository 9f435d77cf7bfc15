"""The truth of part maps: which windows hold an object, and what they should show.

Axes: m window cells a side, M windows, h and w cells of a map, H and W pixels.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from partwise.fields import CountOrZero, NotNegative, Positive, configuration
from partwise.labels import INSTANCE_FACTOR
from partwise.methods.method import Targets
from partwise.methods.parts.windows import Window
from partwise.scene import Scene

__all__ = ["IGNORED", "NEGATIVE", "POSITIVE", "AssignConfig", "assign_windows", "coverage", "right_grid"]

POSITIVE, NEGATIVE, IGNORED = 1, 0, -1


@configuration
class AssignConfig:
    """Which windows are positive.

    fill_max        an object belongs to the smallest window whose side times this is at least its longest side
    positive_reach  windows centred within this share of the longest side are positive (DeepMask: 16 px of 128)
    ignored_reach   farther ones within this share are neither positive nor negative (DeepMask: 32 px of 128)
    scale_margin    a grid that would be right for an object so many times larger or smaller ignores it (2 ** 1/4)
    min_area_px     smaller objects are neither positive nor negative
    """

    fill_max: Positive = 0.8
    positive_reach: NotNegative = 0.125
    ignored_reach: NotNegative = 0.25
    scale_margin: Positive = 1.19
    min_area_px: CountOrZero = 20


def right_grid(longest_side_px: float, windows: tuple[Window, ...], fill_max: float) -> int:
    """Index of the grid that an object of this longest side belongs to: the smallest that holds it, else the largest.

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
    """For each grid i with M_i positive windows:

    objectness_i  (h, w) int8: 1 positive, 0 negative, -1 ignored
    centres_i     (M_i, 2) int64: cell (y, x) of each positive window
    coverage_i    (M_i, m, m) float16: share of each cell that the object covers
    nearest_i     (M_i,) bool: the one window of its object that is nearest to the object's centre
    owner_i       (M_i,) int64: instance id of its object

    border_windows  False: objects whose window, laid around their centre, leaves the image have none
    """
    height, width = scene.size
    grids = [_Grid(window, height // window.stride_px, width // window.stride_px) for window in windows]
    things = {label.id for label in scene.label_set.things}
    instances = scene.instances
    thing_group = _group_pixels(scene)
    for grid in grids:
        grid.ignore_where(thing_group)
    order = np.argsort(-instances.areas, kind="stable")  # where two want one cell, the smaller has it
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
    """Whether the window around the centre of a box lies in the image (H, W)."""
    twice = (box[1] + box[3], box[0] + box[2])  # the centre
    return all(window.side_px <= t <= 2 * length - window.side_px for t, length in zip(twice, size, strict=True))


class _Grid:
    """The targets of one grid of windows while they are being made."""

    def __init__(self, window: Window, rows: int, columns: int):
        self.window, self.rows, self.columns = window, rows, columns
        self.objectness = np.zeros((rows, columns), np.int8)
        self.centres: list[tuple[int, int]] = []
        self.coverage: list[np.ndarray] = []
        self.nearest: list[bool] = []
        self.owner: list[int] = []

    def ignore_where(self, pixels_HW: np.ndarray) -> None:
        """Cells that are mostly such pixels are ignored."""
        if not pixels_HW.any():
            return
        s = self.window.stride_px
        share = pixels_HW[: self.rows * s, : self.columns * s].reshape(self.rows, s, self.columns, s).mean((1, 3))
        self.objectness[share > 0.5] = IGNORED

    def ignore_near(self, box: list[int], reach_px: float) -> None:
        rows, columns, _ = self._near(box, reach_px)
        self.objectness[np.ix_(rows, columns)] = IGNORED

    def add(self, owner: int, box: list[int], mask: np.ndarray, side: float, config: AssignConfig) -> None:
        """Positive windows for one object; at least the nearest one, unless smaller objects took it."""
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
        """Rows and columns of windows near the centre of a box, and their distance in px, (rows, columns)."""
        centre_x, centre_y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        rows = self.window.cells_within(centre_y, reach_px, self.rows)
        columns = self.window.cells_within(centre_x, reach_px, self.columns)
        dy, dx = self.window.centre_px(rows) - centre_y, self.window.centre_px(columns) - centre_x
        return rows, columns, np.hypot(dy[:, None], dx[None, :])

    def tensors(self) -> dict[str, Tensor]:
        """Where several objects made one cell positive, the last (smallest) one keeps it."""
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
    """Share of each cell of the stride that a cropped mask covers, and the top and left cell of the piece returned.

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
    """The window at cell (y, x) out of a piece of a coverage map, zero outside the piece."""
    window = np.zeros((cells, cells), np.float16)
    oy, ox = top - (y - cells // 2), left - (x - cells // 2)  # where the piece lies in the window
    y0, x0 = max(oy, 0), max(ox, 0)
    y1, x1 = min(oy + share.shape[0], cells), min(ox + share.shape[1], cells)
    if y0 < y1 and x0 < x1:
        window[y0:y1, x0:x1] = share[y0 - oy : y1 - oy, x0 - ox : x1 - ox]
    return window


def _group_pixels(scene: Scene) -> np.ndarray:
    """(H, W) bool: pixels of a class with instances that belong to no single instance (Cityscapes groups)."""
    is_thing = np.zeros(256, bool)
    is_thing[[label.id for label in scene.label_set if label.has_instances]] = True
    return is_thing[scene.semantic_HW] & (scene.instance_ids_HW < INSTANCE_FACTOR)
