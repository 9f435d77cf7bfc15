"""Windows of any height and width on part maps: which part each cell belongs to, and sums over the cells of a window.

The windows of the report vary with the object, so that they have no common shape: their cells lie one after the other.

Axes: M windows, P cells of all windows together, K = k * k parts, h and w cells of a map, N objects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class WindowCells:
    """The cells of M windows, window after window, row after row.

    window_P  which window;  part_P  which of the K parts;  y_P, x_P  where, clamped to the map
    inside_P  bool: whether the cell lies on the map
    count     M
    """

    window_P: Tensor
    part_P: Tensor
    y_P: Tensor
    x_P: Tensor
    inside_P: Tensor
    count: int

    def assembled(self, parts_Khw: Tensor) -> Tensor:
        """(P,) values copied each from its own part's map (InstanceFCN, section 3.1)."""
        return parts_Khw[self.part_P, self.y_P, self.x_P]

    def mean(self, values_P: Tensor) -> Tensor:
        """(M,) mean of the values of each window's cells on the map; 0 where a window has none."""
        inside = self.inside_P.to(values_P.dtype)
        total = values_P.new_zeros(self.count).index_add(0, self.window_P, values_P * inside)
        return total / values_P.new_zeros(self.count).index_add(0, self.window_P, inside).clamp(min=1)


def cells_of(boxes_M4: Tensor, k: int, shape: Sequence[int]) -> WindowCells:
    """The cells of windows on a map of `shape` (h, w), each window cut into k x k parts as even as whole cells allow.

    boxes_M4  int64: y0 x0 y1 x1 in cells, half-open, at least one cell; windows may leave the map

    >>> cells_of(torch.tensor([[0, 0, 2, 3]]), 2, (4, 4)).part_P.tolist()
    [0, 0, 1, 2, 2, 3]
    """
    y0, x0, y1, x1 = boxes_M4.unbind(dim=1)
    rows, columns = y1 - y0, x1 - x0
    cells = rows * columns
    window_P = torch.repeat_interleave(torch.arange(len(boxes_M4), device=boxes_M4.device), cells)
    place_P = torch.arange(len(window_P), device=boxes_M4.device) - (cells.cumsum(0) - cells)[window_P]
    row_P, column_P = place_P // columns[window_P], place_P % columns[window_P]
    part_P = (row_P * k // rows[window_P]) * k + column_P * k // columns[window_P]
    y_P, x_P = y0[window_P] + row_P, x0[window_P] + column_P
    inside_P = (y_P >= 0) & (y_P < shape[0]) & (x_P >= 0) & (x_P < shape[1])
    y_P, x_P = y_P.clamp(0, shape[0] - 1), x_P.clamp(0, shape[1] - 1)
    return WindowCells(window_P, part_P, y_P, x_P, inside_P, len(boxes_M4))


def centre_cells(boxes_M4: Tensor, shape: Sequence[int], around: tuple[int, ...] = (0,)) -> tuple[Tensor, Tensor]:
    """Row and column (M, A * A) of the centre cell of windows, or of the cells at the offsets `around`, on the map.

    The window centred at cell c covers c - rows // 2 ... as in `windows.Window`; (-1, 0) gives its four central cells.
    """
    offset = torch.tensor(around, device=boxes_M4.device)
    centre_y = torch.div(boxes_M4[:, 0] + boxes_M4[:, 2], 2, rounding_mode="floor")
    centre_x = torch.div(boxes_M4[:, 1] + boxes_M4[:, 3], 2, rounding_mode="floor")
    rows = (centre_y[:, None] + offset.repeat_interleave(len(around))).clamp(0, shape[0] - 1)
    columns = (centre_x[:, None] + offset.repeat(len(around))).clamp(0, shape[1] - 1)
    return rows, columns
