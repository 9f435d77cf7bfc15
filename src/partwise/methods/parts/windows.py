"""Windows of the instance-sensitive method: where they lie, which object belongs to which, how parts assemble.

Axes: k x k parts, m window cells a side, M windows, h and w cells of a map with stride s.
A window at cell c covers the cells c - m // 2 ... c - m // 2 + m - 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from partwise.errors import PartwiseError

__all__ = ["Window", "assemble", "mirrored_windows", "parse_windows", "part_weights", "window_cells"]


@dataclass(frozen=True)
class Window:
    """A grid of windows: one at every cell of the map with stride `stride_px`, `cells` cells a side."""

    stride_px: int
    cells: int

    @property
    def side_px(self) -> int:
        """Side of the window in pixels."""
        return self.stride_px * self.cells

    def centre_px(self, cell):
        """Pixel coordinate of the centre of the window at `cell` (number or array), along either axis.

        >>> Window(4, 8).centre_px(5), Window(4, 7).centre_px(5)
        (20.0, 22.0)
        """
        return (cell - self.cells // 2 + self.cells / 2) * self.stride_px

    def cells_within(self, centre_px: float, reach_px: float, count: int) -> np.ndarray:
        """The cells in 0..count-1 whose window centre is at most `reach_px` from `centre_px` along this axis.

        >>> Window(4, 8).cells_within(21.0, 4.0, 100).tolist()
        [5, 6]
        """
        cells = np.arange(count)
        return cells[np.abs(self.centre_px(cells) - centre_px) <= reach_px]


def parse_windows(pairs: list[list[int]] | tuple) -> tuple[Window, ...]:
    """((stride, cells), ...) -> Windows in ascending side. PartwiseError for anything but positive whole numbers."""
    windows = []
    for pair in pairs:
        if len(pair) != 2 or not all(isinstance(number, int) and number > 0 for number in pair):
            raise PartwiseError(f"windows: {pair!r} is not (stride in px, cells): give two positive whole numbers")
        windows.append(Window(*pair))
    if not windows:
        raise PartwiseError("windows: none given: a method of part maps needs at least one (stride, cells)")
    return tuple(sorted(windows, key=lambda window: window.side_px))


def part_weights(k: int, cells: int, mode: str) -> Tensor:
    """(k * k, cells, cells) float32: how much each part map counts at each cell of a window; sums to 1 at every cell.

    "nearest"   the cell's own part, as InstanceFCN copies it
    "bilinear"  a blend of the nearest parts (TensorMask, section 3.3), so that no seam stands between two parts

    >>> part_weights(2, 4, "nearest")[0].tolist()
    [[1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]
    """
    position = (torch.arange(cells) + 0.5) * k / cells - 0.5  # in units of parts, 0 = centre of the first
    if mode == "nearest":
        nearest = torch.div(torch.arange(cells) * k, cells, rounding_mode="floor")
        axis = (nearest[None, :] == torch.arange(k)[:, None]).float()
    elif mode == "bilinear":
        inside = position.clamp(0, k - 1)
        axis = (1 - (inside[None, :] - torch.arange(k)[:, None]).abs()).clamp(min=0)
    else:
        raise PartwiseError(f"assembling {mode!r}: give 'bilinear' or 'nearest'")
    return torch.einsum("ay,bx->abyx", axis, axis).reshape(k * k, cells, cells)


def window_cells(centres_M2: Tensor, cells: int, shape: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
    """Row and column of every cell of M windows, clamped to the map, and which of them lie on the map.

    centres_M2  (M, 2) int64, y and x of the windows
    returns     rows (M, m), columns (M, m), inside (M, m, m) bool
    """
    offset = torch.arange(cells, device=centres_M2.device) - cells // 2
    rows, columns = centres_M2[:, :1] + offset, centres_M2[:, 1:] + offset
    inside_y, inside_x = (rows >= 0) & (rows < shape[0]), (columns >= 0) & (columns < shape[1])
    inside = inside_y[:, :, None] & inside_x[:, None, :]
    return rows.clamp(0, shape[0] - 1), columns.clamp(0, shape[1] - 1), inside


def mirrored_windows(maps_Bhw: Tensor, window: Window) -> Tensor:
    """What a map says of the windows at the cells of a mirror image -> of the image's own windows.

    A window of an even number of cells has its middle at the border of two: that at cell c is at w - c in the mirror,
    and the first has none there, so that it takes what its neighbour has.

    >>> mirrored_windows(torch.tensor([[[1, 2, 3, 4]]]), Window(4, 8)).tolist()
    [[[4, 4, 3, 2]]]
    """
    flipped = maps_Bhw.flip(-1)
    return flipped if window.cells % 2 else torch.cat([flipped[..., :1], flipped[..., :-1]], dim=-1)


def assemble(parts_Khw: Tensor, centres_M2: Tensor, weights_Kmm: Tensor) -> tuple[Tensor, Tensor]:
    """Windows put together from part maps (InstanceFCN, section 3.1): no parameters, differentiable.

    parts_Khw    (k * k, h, w) part maps of one image
    weights_Kmm  from `part_weights`
    returns      (M, m, m) assembled values, and (M, m, m) bool: which cells lie on the map
    """
    rows, columns, inside = window_cells(centres_M2, weights_Kmm.shape[-1], parts_Khw.shape[-2:])
    gathered = parts_Khw[:, rows[:, :, None], columns[:, None, :]]  # (K, M, m, m)
    return (gathered * weights_Kmm[:, None]).sum(dim=0), inside
