"""The finer cells at which assembled masks are sharpened and refined.

Axes: T classes that have instances, K categories of these, M windows, n cells a side of the finer grid, h and w cells
of a map.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

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


def cut(maps_Fhw: np.ndarray, rows_Mn: np.ndarray, columns_Mn: np.ndarray) -> np.ndarray:
    """Cut windows out of maps. A slice takes a fraction of the time of an index for each cell.

    Args:
        maps_Fhw: (F, h, w) maps.
        rows_Mn: (M, n) int64, the rows of the cells of each window, as `fine_cells` returns them.
        columns_Mn: (M, n) int64, their columns.

    Returns:
        (M, F, n, n).
    """
    count, n = rows_Mn.shape
    found = np.empty((count, len(maps_Fhw), n, n), maps_Fhw.dtype)
    for window, (rows, columns) in enumerate(_places(rows_Mn, columns_Mn)):
        found[window] = maps_Fhw[:, rows, columns]
    return found


def cut_of(maps_Fhw: np.ndarray, which_M: np.ndarray, rows_Mn: np.ndarray, columns_Mn: np.ndarray) -> np.ndarray:
    """Cut each window out of one of the maps, see `cut`.

    Args:
        maps_Fhw: (F, h, w) maps.
        which_M: (M,) int64, the map of each window.
        rows_Mn: See `cut`.
        columns_Mn: See `cut`.

    Returns:
        (M, n, n).
    """
    count, n = rows_Mn.shape
    found = np.empty((count, n, n), maps_Fhw.dtype)
    for window, (rows, columns) in enumerate(_places(rows_Mn, columns_Mn)):
        found[window] = maps_Fhw[which_M[window], rows, columns]
    return found


def _places(rows_Mn: np.ndarray, columns_Mn: np.ndarray) -> Iterator[tuple[Any, Any]]:
    """Yield rows and columns of each window: slices if it lies on the map, indices if its cells were clamped."""
    n = rows_Mn.shape[1]
    whole_M = (rows_Mn[:, -1] - rows_Mn[:, 0] == n - 1) & (columns_Mn[:, -1] - columns_Mn[:, 0] == n - 1)
    first = zip(whole_M.tolist(), rows_Mn[:, 0].tolist(), columns_Mn[:, 0].tolist(), strict=True)
    for window, (whole, top, left) in enumerate(first):
        if whole:
            yield slice(top, top + n), slice(left, left + n)
        else:
            yield rows_Mn[window][:, None], columns_Mn[window]


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
