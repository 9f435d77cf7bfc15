"""The finer cells at which assembled masks are sharpened and refined.

Axes: T classes that have instances, K categories of these, M windows, n cells a side of the finer grid, h and w cells
of a map.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from partwise.methods.parts.windows import Array, Window, window_cells
from streeteval.labels import LabelSet

FINE_PX = 2  # stride of the features, and side of the finest cells, in pixels
MOST_CELLS = 64  # the maximum number of cells a side
ODDS_MARGIN = 1e-4  # probabilities are clamped to this distance from 0 and 1 before they become log-odds


def kinds_of(things_Thw: Array, label_set: LabelSet) -> Array:
    """Sum the probabilities of the classes of each category.

    Args:
        things_Thw: (T, h, w) probability of each class with instances.
        label_set: The classes.

    Returns:
        (K, h, w) probability of each category of `label_set.things_by_category`.
    """
    of_label = dict(zip(label_set.things, things_Thw, strict=True))
    kinds = [sum(of_label[label] for label in members) for members in label_set.things_by_category.values()]
    if isinstance(things_Thw, np.ndarray):
        return np.stack(kinds)
    import torch

    return torch.stack(kinds)


@dataclass(frozen=True)
class FineGrid:
    """The finer cells of one grid of windows.

    Attributes:
        cell_px: Side of a cell in pixels.
        cells: Number of cells along a side of a window.

    >>> FineGrid.of(Window(4, 8)), FineGrid.of(Window(32, 16))
    (FineGrid(cell_px=2, cells=16), FineGrid(cell_px=8, cells=64))
    """

    cell_px: int
    cells: int

    @classmethod
    def of(cls, window: Window) -> FineGrid:
        """Choose the finer cells of a window.

        They have a side of 2 px. While a side of the window would have more than 64 of them, their side is doubled, up
        to the side of the window's own cells.
        """
        cell_px = FINE_PX
        while window.side_px // cell_px > MOST_CELLS and 2 * cell_px <= window.stride_px:
            cell_px *= 2
        return cls(cell_px, window.side_px // cell_px)

    def shape_of(self, maps_Fhw: Array) -> tuple[int, int]:
        """Return how many of these cells (h, w) an image has, from its (F, h, w) maps at stride 2."""
        height, width = (side * FINE_PX // self.cell_px for side in maps_Fhw.shape[-2:])
        return height, width


def fine_cells(centres_M2: Array, window: Window, fine: FineGrid, shape: Sequence[int]) -> tuple[Array, Array, Array]:
    """Return the finer cells of M windows; the result has the form of `window_cells`.

    Args:
        centres_M2: (M, 2) int64, cells (y, x) of the windows in their own grid.
        window: Stride and cells of the windows.
        fine: The finer cells.
        shape: Number of finer cells (h, w) of the map.
    """
    times = window.stride_px // fine.cell_px
    corner = (centres_M2 - window.cells // 2) * times
    return window_cells(corner + fine.cells // 2, fine.cells, shape)
