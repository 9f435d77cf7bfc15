"""Windows of any height and width on part maps: which part each cell belongs to, and sums over the cells of a window.

The windows of the report vary with the object, so that they have no common shape: their cells lie one after the other.

Axes: M windows, P cells of all windows together, K = k * k parts, h and w cells of a map, N objects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True, eq=False)
class WindowCells:
    """The cells of M windows, window after window, row after row.

    Attributes:
        window_P: The window of each cell.
        part_P: The part of each cell, 0 to K - 1.
        y_P, x_P: Row and column of each cell, clamped to the map.
        inside_P: bool: whether the cell lies on the map.
        count: The number M of windows.
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

    Args:
        boxes_M4: int64: y0 x0 y1 x1 in cells, half-open, at least one cell; windows may leave the map.
        k: A window has k x k parts.
        shape: (h, w) of the map.

    Example:
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


def means_in_boxes(map_hw: Tensor, boxes_M4: Tensor) -> Tensor:
    """The mean of a map over the cells of each window that lie on it, by a summed-area table.

    Args:
        map_hw: Float.
        boxes_M4: int64: y0 x0 y1 x1 in cells, half-open; windows may leave the map.

    Returns:
        (M,) of the map's dtype; 0 where a window has no cell on the map.

    Example:
        >>> means_in_boxes(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[0, 0, 2, 2], [1, -1, 9, 1]]))
        tensor([2.5000, 3.0000])
    """
    height, width = map_hw.shape
    table = F.pad(map_hw.double().cumsum(dim=0).cumsum(dim=1), (1, 0, 1, 0))  # float64: differences of large sums
    y0, y1 = (boxes_M4[:, side].clamp(0, height) for side in (0, 2))
    x0, x1 = (boxes_M4[:, side].clamp(0, width) for side in (1, 3))
    total_M = table[y1, x1] - table[y0, x1] - table[y1, x0] + table[y0, x0]
    return (total_M / ((y1 - y0) * (x1 - x0)).clamp(min=1)).to(map_hw.dtype)


def weights_of_parts(weights_XM: Tensor, boxes_M4: Tensor, k: int, shape: Sequence[int]) -> Tensor:
    """Add up, at each cell of each part map, the weights of the windows whose part lies there.

    Args:
        weights_XM: X weights of each window; each is shared evenly by the window's cells on the map.
        boxes_M4: int64: y0 x0 y1 x1 in cells, half-open; windows may leave the map.
        k: A window has k x k parts, as even as whole cells allow (see `cells_of`).
        shape: (h, w) of the map.

    Returns:
        (X, K, h, w) float32.

    Example:
        >>> weights_of_parts(torch.ones(1, 1), torch.tensor([[0, 0, 1, 2]]), 2, (1, 3)).tolist()
        [[[[0.5, 0.0, 0.0]], [[0.0, 0.5, 0.0]], [[0.0, 0.0, 0.0]], [[0.0, 0.0, 0.0]]]]
    """
    edges = torch.arange(k + 1, device=boxes_M4.device)
    y_ME, x_ME = (
        # Part r of k has the cells whose index i has i * k // side == r: from ceil(r * side / k) on.
        (first[:, None] + (edges * (last - first)[:, None] + k - 1) // k).clamp(0, limit)
        for first, last, limit in zip(boxes_M4[:, :2].T, boxes_M4[:, 2:].T, shape, strict=True)
    )
    area_M = ((y_ME[:, -1] - y_ME[:, 0]) * (x_ME[:, -1] - x_ME[:, 0])).clamp(min=1)
    share_XM = (weights_XM / area_M).double()
    table = share_XM.new_zeros(len(weights_XM), k * k, shape[0] + 1, shape[1] + 1)
    for part in range(k * k):
        row, column = divmod(part, k)
        for dy, dx in ((0, 0), (0, 1), (1, 0), (1, 1)):
            corner = y_ME[:, row + dy] * (shape[1] + 1) + x_ME[:, column + dx]
            table[:, part].flatten(1).index_add_(1, corner, share_XM if dy == dx else -share_XM)
    return table.cumsum(dim=-2).cumsum(dim=-1)[..., :-1, :-1].float()
