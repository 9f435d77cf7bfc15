"""Which windows the instance-sensitive FCN is trained on: as the report draws them (2.4.4), its code, and the paper.

Axes: N objects, M windows, h and w cells of the map. Boxes of windows are y0 x0 y1 x1 in cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from partwise_report.instance_fcn.config import PAPER_CELLS, InstanceFcnConfig
from partwise_report.instance_fcn.objects import Objects, octaves_off, window_cells_of

__all__ = ["NEGATIVE_OCTAVES", "WindowDrawer", "nearest_box"]

POSITIVE_OCTAVES, NEGATIVE_OCTAVES = 0.25, 1.0  # DeepMask 3.2: how far the longest side may, must be off
TRIES = 20  # draws of a negative window before it is given up

Box = tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class WindowDrawer:
    """Draws the windows of one scene.

    Attributes:
        objects: Of the scene.
        shape: (h, w) of the maps in cells.
        config: Which windows are drawn, and how far they are shifted.
        rng: Of the draws.
    """

    objects: Objects
    shape: tuple[int, int]
    config: InstanceFcnConfig
    rng: np.random.Generator

    def usable(self) -> np.ndarray:
        """Indices of the objects that have positive windows."""
        objects, config, slips = self.objects, self.config, self.config.slips
        paper = config.windows == "paper"
        usable = np.ones(len(objects.instances), bool)
        if paper:
            usable &= np.abs(octaves_off(objects, config)) <= POSITIVE_OCTAVES
        if slips.no_border_windows:
            half = PAPER_CELLS * config.stride_px / 2 if paper else objects.sizes_px / 2 + config.margin_px
            low, high = objects.centres_px - half, objects.centres_px + half
            usable &= (low >= 0).all(axis=1) & (high <= np.array(self.shape) * config.stride_px).all(axis=1)
        return np.flatnonzero(usable)

    def draw(self) -> tuple[np.ndarray, np.ndarray]:
        """Boxes (M, 4) int64 and holders (M,) int64: the object that a positive window holds, -1 for a negative one."""
        boxes, holder = self._paper() if self.config.windows == "paper" else self._report()
        return np.array(boxes, np.int64).reshape(-1, 4), np.array(holder, np.int64)

    def _report(self) -> tuple[list[Box], list[int]]:
        """Half of the windows positive and half negative, the objects taking turns."""
        usable, half = self.usable(), self.config.windows_per_image // 2
        turns = [int(usable[i % len(usable)]) for i in range(half if len(usable) else 0)]
        positive = [self._positive(n) for n in turns]
        negative = self._negatives(turns)
        return positive + negative, turns + [-1] * len(negative)

    def _positive(self, n: int) -> Box:
        """A window that holds object n, shifted by at most `shift_px`."""
        config, cells = self.config, window_cells_of(self.objects, self.config)[n]
        if config.slips.one_positive_shift:
            shift = self.rng.uniform(-config.shift_px, config.shift_px)
            return nearest_box(self.objects.centres_px[n] + shift, cells, config.stride_px)
        centre = self.objects.centres_px[n]
        first = [_within(centre[a], cells[a], config.shift_px, config.stride_px) for a in (0, 1)]
        return _box(self.rng.choice(first[0]), self.rng.choice(first[1]), cells)

    def _negatives(self, turns: list[int]) -> list[Box]:
        """A negative window of each object's size; fewer where draws are given up."""
        return [box for n in turns if (box := self._negative(n)) is not None]

    def _negative(self, n: int) -> Box | None:
        """A window of object n's size that is shifted too far to hold it.

        None where every draw leaves the image with its centre or is right for some object.
        """
        stride_px, cells = self.config.stride_px, window_cells_of(self.objects, self.config)[n]
        for _ in range(TRIES):
            box = nearest_box(self.objects.centres_px[n] + self._negative_shift(n), cells, stride_px)
            centre = (np.array(box[:2]) + np.array(box[2:])) * stride_px / 2
            on_map = (centre >= 0).all() and (centre < np.array(self.shape) * stride_px).all()
            if on_map and not self._holds_one(box, centre, n):
                return box
        return None

    def _negative_shift(self, n: int) -> np.ndarray:
        """(2,) y and x in px. It touches or cuts the object unless the configuration gives a largest shift."""
        least, most = self.config.negative_px
        if self.config.slips.wrong_negatives:
            assert most is not None  # the slip has a default
            return np.full(2, self.rng.uniform(least, most) * self.rng.choice([-1, 1]))
        reach = least + self.objects.sizes_px[n] / 2 if most is None else np.full(2, float(most))
        shift = self.rng.uniform(-reach, reach)
        far = self.rng.integers(2)  # the axis along which it is certainly off; half a cell more, since cells round it
        first = least + self.config.stride_px / 2
        last = first + max(reach[far] - least, 16) if most is None else max(most, first)
        shift[far] = self.rng.choice([-1, 1]) * self.rng.uniform(first, last)
        return shift

    def _holds_one(self, box: Box, centre: np.ndarray, own: int) -> bool:
        """Whether a window holds an object (for `own`, whose window it is: whole or not) that is centred near enough.

        With the slip `wrong_negatives` y of the one is compared with x of the other, whole or not.
        """
        near_px, centres_N2 = self.config.negative_px[0], self.objects.centres_px
        if self.config.slips.wrong_negatives:
            return bool((np.abs(centres_N2[:, ::-1] - centre).max(axis=1) < near_px).any())
        off = np.abs(centres_N2 - centre).max(axis=1) < near_px
        y0, x0, y1, x1 = (side * self.config.stride_px for side in box)
        b = self.objects.boxes_px
        whole = (b[:, 0] >= x0) & (b[:, 1] >= y0) & (b[:, 2] <= x1) & (b[:, 3] <= y1)
        whole[own] = True
        return bool((off & whole).any())

    def _paper(self) -> tuple[list[Box], list[int]]:
        """Up to half positive windows and so many negative ones that there are `windows_per_image`.

        So in Faster R-CNN (3.1.3), to which InstanceFCN (3.2) goes back. Positive: positions within `shift_px` of an
        object of the canonical size; negative: where every object is off by the least shift of a negative window, or by
        a factor of 2.
        """
        config, shape, usable = self.config, self.shape, self.usable()
        axes = [(np.arange(side) - PAPER_CELLS // 2 + PAPER_CELLS / 2) * config.stride_px for side in shape]
        holder_hw, nearest_hw = np.full(shape, -1), np.full(shape, np.inf)
        blocked_hw = np.zeros(shape, bool)
        octaves = np.abs(octaves_off(self.objects, config))
        for n, (y, x) in enumerate(self.objects.centres_px):
            off_hw = np.maximum(np.abs(axes[0] - y)[:, None], np.abs(axes[1] - x)[None, :])
            blocked_hw |= (off_hw < config.negative_px[0]) & (octaves[n] < NEGATIVE_OCTAVES)
            mine_hw = (off_hw <= config.shift_px) & (off_hw < nearest_hw) & (n in usable)
            holder_hw[mine_hw], nearest_hw[mine_hw] = n, off_hw[mine_hw]
        half = config.windows_per_image // 2
        positive = self._some(np.argwhere(holder_hw >= 0), half)
        boxes = [self._paper_box(y, x) for y, x in positive]
        if config.slips.wrong_negatives and len(usable):
            negative = self._negatives([int(usable[i % len(usable)]) for i in range(half)])
        else:
            rest = np.argwhere((holder_hw < 0) & ~blocked_hw)
            negative = [self._paper_box(y, x) for y, x in self._some(rest, config.windows_per_image - len(positive))]
        return boxes + negative, [*(int(holder_hw[y, x]) for y, x in positive), *[-1] * len(negative)]

    def _paper_box(self, y: int, x: int) -> Box:
        return _box(y - PAPER_CELLS // 2, x - PAPER_CELLS // 2, (PAPER_CELLS, PAPER_CELLS))

    def _some(self, cells_X2: np.ndarray, count: int) -> np.ndarray:
        """At most `count` rows, drawn without putting back."""
        return cells_X2[self.rng.permutation(len(cells_X2))[:count]]


def nearest_box(centre_2: np.ndarray, cells_2: np.ndarray, stride_px: int) -> Box:
    """The window of so many rows and columns that is centred best on a point (y, x) in pixels."""
    first = np.round(np.asarray(centre_2) / stride_px - np.asarray(cells_2) / 2)
    return _box(first[0], first[1], cells_2)


def _within(centre_px: float, cells: int, reach_px: float, stride_px: int) -> np.ndarray:
    """First cells of the windows whose centre is at most `reach_px` from `centre_px` along one axis.

    The nearest one where there is none.

    >>> _within(100.0, 21, 16, 8).tolist(), _within(100.0, 21, 1, 8).tolist()
    ([0, 1, 2, 3, 4], [2])
    """
    low, high = ((centre_px + side) / stride_px - cells / 2 for side in (-reach_px, reach_px))
    inside = np.arange(int(np.ceil(low)), int(np.floor(high)) + 1)
    return inside if len(inside) else np.array([round((low + high) / 2)])


def _box(y0: float, x0: float, cells_2: Sequence[int] | np.ndarray) -> Box:
    return int(y0), int(x0), int(y0 + cells_2[0]), int(x0 + cells_2[1])
