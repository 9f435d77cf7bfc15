"""The windows of part maps: where they lie, and how they are assembled from their parts.

Axes: B images, K = k x k parts, m window cells a side, M windows, h and w cells of a map with stride s.
A window at cell c covers the cells from c - m // 2 to c - m // 2 + m - 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, overload

import numpy as np

from partwise.errors import PartwiseError

if TYPE_CHECKING:
    from torch import Tensor

Array = TypeVar("Array", "np.ndarray", "Tensor")  # decoding uses NumPy, training uses torch

__all__ = [
    "Array",
    "Window",
    "assemble",
    "parse_windows",
    "part_weights",
    "part_weights_array",
    "window_cells",
]


@dataclass(frozen=True)
class Window:
    """The windows of one grid. There is one window at every cell of the map.

    Attributes:
        stride_px: Stride of the map in pixels.
        cells: Number of cells along a side of a window.
    """

    stride_px: int
    cells: int

    @property
    def side_px(self) -> int:
        """Side of a window in pixels."""
        return self.stride_px * self.cells

    @overload
    def centre_px(self, cell: int) -> float: ...

    @overload
    def centre_px(self, cell: np.ndarray) -> np.ndarray: ...

    def centre_px(self, cell: int | np.ndarray) -> float | np.ndarray:
        """Return the coordinate of the centre of the window at `cell` in pixels, along either axis.

        Args:
            cell: Index of a cell, or an array of indices.

        >>> Window(4, 8).centre_px(5), Window(4, 7).centre_px(5)
        (20.0, 22.0)
        """
        return (cell - self.cells // 2 + self.cells / 2) * self.stride_px

    def cells_within(self, centre_px: float, reach_px: float, count: int) -> np.ndarray:
        """Return the cells whose window has its centre near a position, along one axis.

        Args:
            centre_px: The position in pixels.
            reach_px: The maximum distance in pixels.
            count: Number of cells along the axis.

        >>> Window(4, 8).cells_within(21.0, 4.0, 100).tolist()
        [5, 6]
        """
        cells = np.arange(count)
        return cells[np.abs(self.centre_px(cells) - centre_px) <= reach_px]


def parse_windows(pairs: list[list[int]] | tuple) -> tuple[Window, ...]:
    """Read windows from a configuration.

    Args:
        pairs: (stride in px, cells a side) of each grid.

    Returns:
        The windows, in ascending order of their side.

    Raises:
        PartwiseError: If there is no pair, or a pair is not made of two positive whole numbers.
    """
    windows = []
    for pair in pairs:
        if len(pair) != 2 or not all(isinstance(number, int) and number > 0 for number in pair):
            raise PartwiseError(f"windows: {pair!r} is not (stride in px, cells): give two positive whole numbers")
        windows.append(Window(*pair))
    if not windows:
        raise PartwiseError("windows: none is given: give at least one pair (stride in px, cells)")
    return tuple(sorted(windows, key=lambda window: window.side_px))


def part_weights_array(k: int, cells: int, mode: str) -> np.ndarray:
    """Compute how much each part map counts at each cell of a window.

    Args:
        k: A window is divided into k x k parts.
        cells: Number of cells along a side of a window.
        mode: "nearest": each cell takes only the part in which it lies, as InstanceFCN copies it. "bilinear": each cell
            blends the nearest parts (TensorMask, section 3.3), so that there is no seam between parts.

    Returns:
        (k * k, cells, cells) float32; the weights of each cell sum to 1.

    Raises:
        PartwiseError: If the mode is unknown.

    >>> part_weights_array(2, 4, "nearest")[0].tolist()
    [[1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]
    """
    parts = np.arange(k, dtype=np.float32)[:, None]
    if mode == "nearest":
        axis = (np.arange(cells) * k // cells == parts).astype(np.float32)
    elif mode == "bilinear":
        # in units of parts, 0 = centre of the first
        position = ((np.arange(cells, dtype=np.float32) + np.float32(0.5)) * k / cells - np.float32(0.5)).clip(0, k - 1)
        axis = (1 - np.abs(position - parts)).clip(min=0)
    else:
        raise PartwiseError(f"assembling {mode!r}: give 'bilinear' or 'nearest'")
    return np.einsum("ay,bx->abyx", axis, axis).reshape(k * k, cells, cells)


def part_weights(k: int, cells: int, mode: str) -> Tensor:
    """Return what `part_weights_array` computes as a tensor, for a network."""
    import torch

    return torch.from_numpy(part_weights_array(k, cells, mode))


def window_cells(centres_M2: Array, cells: int, shape: Sequence[int]) -> tuple[Array, Array, Array]:
    """Return row and column of every cell of M windows, clamped to the map.

    Args:
        centres_M2: (M, 2) int64, cells (y, x) of the windows.
        cells: Number of cells along a side of a window.
        shape: Number of cells (h, w) of the map.

    Returns:
        Rows (M, m), columns (M, m), and (M, m, m) bool: the cells that lie on the map.
    """
    offset: Any = np.arange(cells) - cells // 2
    if not isinstance(centres_M2, np.ndarray):
        offset = centres_M2.new_tensor(offset)
    rows, columns = centres_M2[:, :1] + offset, centres_M2[:, 1:] + offset
    inside_y, inside_x = (rows >= 0) & (rows < shape[0]), (columns >= 0) & (columns < shape[1])
    inside: Any = inside_y[:, :, None] & inside_x[:, None, :]
    return rows.clip(0, shape[0] - 1), columns.clip(0, shape[1] - 1), inside


def assemble(parts_Khw: Array, centres_M2: Array, weights_Kmm: Array) -> tuple[Array, Array]:
    """Assemble windows from part maps (InstanceFCN, section 3.1); this is differentiable and has no parameters.

    Args:
        parts_Khw: (k * k, h, w) part maps of one image.
        centres_M2: (M, 2) int64, cells (y, x) of the windows.
        weights_Kmm: (k * k, m, m), from `part_weights`.

    Returns:
        (M, m, m) assembled values, and (M, m, m) bool: the cells that lie on the map.
    """
    rows, columns, inside = window_cells(centres_M2, weights_Kmm.shape[-1], parts_Khw.shape[-2:])
    gathered = parts_Khw[:, rows[:, :, None], columns[:, None, :]]  # (K, M, m, m)
    return (gathered * weights_Kmm[:, None]).sum(0), inside
