"""Assembled masks corrected at a finer grid: what a coarse window says of an object, with the outlines of the image.

The cells of a window are 4 to 32 px wide, and the ceilings say that outlines are what part maps lose most by. A small
network sees the assembled mask, the semantic map and the features that refine that map, at cells of 2 px or a 64th of
the window, and says what to add to the mask's logits (BPR, Tang et al. 2021, refines masks of Cityscapes so, with a
larger network on patches of the image). It starts at 0, so that a network that gets one begins where it was.

Axes: F channels of features, T classes that have instances, K categories of these, M windows, m window cells a side, n
cells a side of the finer grid, h and w cells of a map at stride 2, H and W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from partwise.backbones.initialisation import he_normal, start_at_zero
from partwise.labels import INSTANCE_FACTOR, LabelSet
from partwise.methods.method import Targets
from partwise.methods.parts.windows import Window, window_cells

FINE_PX = 2  # stride of the features, and the finest cells
MOST_CELLS = 64  # of a side
CHANNELS = 16
ODDS_MARGIN = 1e-4  # probabilities of the semantic map are kept so far from 0 and 1 before they become log-odds


def kind_of_owner(owner_M: Tensor, label_set: LabelSet) -> Tensor:
    """(M,) index in `label_set.things_by_category` of the category of each instance id."""
    table = torch.full((256,), -1)
    for kind, members in enumerate(label_set.things_by_category.values()):
        table[[label.id for label in members]] = kind
    return table.to(owner_M.device)[owner_M // INSTANCE_FACTOR]


def kinds_of(things_Thw: Tensor, label_set: LabelSet) -> Tensor:
    """Probability of the classes that have instances -> (K, h, w): of each category of
    `label_set.things_by_category`.
    """
    of_label = dict(zip(label_set.things, things_Thw, strict=True))
    return torch.stack([sum(of_label[label] for label in members) for members in label_set.things_by_category.values()])


@dataclass(frozen=True)
class FineGrid:
    """The finer cells of one grid of windows.

    >>> FineGrid.of(Window(4, 8)), FineGrid.of(Window(32, 16))
    (FineGrid(cell_px=2, cells=16), FineGrid(cell_px=8, cells=64))
    """

    cell_px: int
    cells: int

    @classmethod
    def of(cls, window: Window) -> FineGrid:
        """Cells of 2 px or, where a side would have more than 64, twice as large, but never above the window's own."""
        cell_px = FINE_PX
        while window.side_px // cell_px > MOST_CELLS and 2 * cell_px <= window.stride_px:
            cell_px *= 2
        return cls(cell_px, window.side_px // cell_px)

    def shape_of(self, maps_Fhw: Tensor) -> tuple[int, int]:
        """How many of these cells a map at stride 2 has, (h, w)."""
        height, width = (side * FINE_PX // self.cell_px for side in maps_Fhw.shape[-2:])
        return height, width


def fine_cells(
    centres_M2: Tensor, window: Window, fine: FineGrid, shape: Sequence[int]
) -> tuple[Tensor, Tensor, Tensor]:
    """As `window_cells`, of the finer cells on a map of `shape` with cells of `fine.cell_px`."""
    times = window.stride_px // fine.cell_px
    corner = (centres_M2 - window.cells // 2) * times
    return window_cells(corner + fine.cells // 2, fine.cells, shape)


class MaskRefiner(nn.Module):
    """Logits of assembled windows -> corrected logits at the finer grid."""

    def __init__(self, features: int, channels: int = CHANNELS):
        super().__init__()
        self.reduce = nn.Conv2d(features, channels // 2, 1)
        layers, inputs = [], channels // 2 + 2
        for dilation in (1, 2, 4):
            layers += [nn.Conv2d(inputs, channels, 3, padding=dilation, dilation=dilation), nn.ReLU(inplace=True)]
            inputs = channels
        self.body = nn.Sequential(*layers)
        self.correction = nn.Conv2d(channels, 1, 1)
        he_normal(self.body)
        start_at_zero(self.correction)

    def forward(
        self,
        logits_Mmm: Tensor,
        centres_M2: Tensor,
        window: Window,
        detail_Fhw: Tensor,
        kinds_Khw: Tensor,
        kind_M: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Of M windows of one grid over one image:

        logits_Mmm   as `assemble` gives them
        detail_Fhw   this module's `reduce` of the features at stride 2, at the cells of `FineGrid.of(window)`
        kinds_Khw    probability of each category that has instances, see `kinds_of`, at the same cells
        kind_M       which of them each window is of
        returns      logits (M, n, n), and (M, n, n) bool: which cells lie on the map
        """
        fine = FineGrid.of(window)
        rows, columns, inside = fine_cells(centres_M2, window, fine, detail_Fhw.shape[-2:])
        rows, columns = rows[:, :, None], columns[:, None, :]
        enlarged = F.interpolate(logits_Mmm[:, None], size=(fine.cells,) * 2, mode="bilinear")
        odds = torch.logit(kinds_Khw[kind_M[:, None, None], rows, columns].clamp(ODDS_MARGIN, 1 - ODDS_MARGIN))
        seen = torch.cat([enlarged, odds[:, None], detail_Fhw[:, rows, columns].movedim(0, 1)], dim=1)
        seen = seen.contiguous(memory_format=torch.channels_last)  # half the time of the convolutions on a CPU
        return (enlarged + self.correction(self.body(seen)))[:, 0], inside


def soft_iou(probability_Mnn: Tensor) -> Tensor:
    """(M,): the IoU of each mask, its cells above .5, with an object that has each cell with its probability: what the
    mask holds of the probability, by the mask and what lies beside it. 0 for a mask without a cell.
    """
    mask = (probability_Mnn > 0.5).to(probability_Mnn.dtype)
    held = (probability_Mnn * mask).sum(dim=(1, 2))
    return held / (mask.sum(dim=(1, 2)) + probability_Mnn.sum(dim=(1, 2)) - held).clamp(min=1e-6)


def window_truth(centres_M2: Tensor, window: Window, owned_HW: Tensor, owner_M: Tensor) -> Tensor:
    """(M, n, n): share of each finer cell that the window's own object covers.

    owned_HW   instance id of every pixel
    owner_M    instance id of each window's object
    """
    fine = FineGrid.of(window)
    pixels = FineGrid(1, window.side_px)
    rows, columns, inside = fine_cells(centres_M2, window, pixels, owned_HW.shape)
    own = (owned_HW[rows[:, :, None], columns[:, None, :]] == owner_M[:, None, None]) & inside
    return F.avg_pool2d(own[:, None].float(), fine.cell_px)[:, 0]


def chosen_windows(target: Targets, grids: int, most: int) -> list[Tensor]:
    """For each grid which of the positive windows of an image are refined in training: at most so many, at random."""
    counts = [len(target[f"centres_{index}"]) for index in range(grids)]
    taken = torch.randperm(sum(counts))[:most].sort().values
    return [
        taken[(taken >= first) & (taken < first + count)] - first
        for first, count in zip(torch.tensor([0, *counts]).cumsum(0).tolist(), counts, strict=False)
    ]
