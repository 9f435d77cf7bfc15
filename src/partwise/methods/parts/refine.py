"""A small network that corrects assembled masks at a finer grid, so that outlines follow the image.

The cells of a window are 4 to 32 px wide, and the ceilings show that part maps lose most at outlines. The network sees
the assembled mask, the semantic map, and the features that refine this map, at cells of 2 px or of a 64th of the
window. It predicts what is added to the logits of the mask. (BPR, Tang et al. 2021, refines masks of Cityscapes in this
way, with a larger network on patches of the image.) The correction starts at 0, so that a network that gets a refiner
computes at first what it computed before.

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

FINE_PX = 2  # stride of the features, and side of the finest cells, in pixels
MOST_CELLS = 64  # the maximum number of cells a side
CHANNELS = 16
ODDS_MARGIN = 1e-4  # probabilities are clamped to this distance from 0 and 1 before they become log-odds


def kind_of_owner(owner_M: Tensor, label_set: LabelSet) -> Tensor:
    """Return the category of each instance.

    Args:
        owner_M: (M,) instance ids.
        label_set: The label set of these ids.

    Returns:
        (M,) index of the category in `label_set.things_by_category`; -1 if the class has no instances.
    """
    table = torch.full((256,), -1)
    for kind, members in enumerate(label_set.things_by_category.values()):
        table[[label.id for label in members]] = kind
    return table.to(owner_M.device)[owner_M // INSTANCE_FACTOR]


def kinds_of(things_Thw: Tensor, label_set: LabelSet) -> Tensor:
    """Sum the probabilities of the classes of each category.

    Args:
        things_Thw: (T, h, w) probability of each class with instances.
        label_set: The classes.

    Returns:
        (K, h, w) probability of each category of `label_set.things_by_category`.
    """
    of_label = dict(zip(label_set.things, things_Thw, strict=True))
    return torch.stack([sum(of_label[label] for label in members) for members in label_set.things_by_category.values()])


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

    def shape_of(self, maps_Fhw: Tensor) -> tuple[int, int]:
        """Return how many of these cells (h, w) an image has, from its (F, h, w) maps at stride 2."""
        height, width = (side * FINE_PX // self.cell_px for side in maps_Fhw.shape[-2:])
        return height, width


def fine_cells(
    centres_M2: Tensor, window: Window, fine: FineGrid, shape: Sequence[int]
) -> tuple[Tensor, Tensor, Tensor]:
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


class MaskRefiner(nn.Module):
    """The network that corrects the logits of assembled windows at the finer grid.

    Args:
        features: Channels of the features at stride 2.
        channels: Channels inside the network.
    """

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
        """Correct the masks of M windows of one grid of one image.

        Args:
            logits_Mmm: (M, m, m) logits, see `assemble`.
            centres_M2: (M, 2) int64, cells (y, x) of the windows.
            window: Stride and cells of the grid's windows.
            detail_Fhw: (F, h, w) features at stride 2 after this network's `reduce`, at the cells of
                `FineGrid.of(window)`.
            kinds_Khw: (K, h, w) probability of each category at the same cells, see `kinds_of`.
            kind_M: (M,) int64, index of the category of each window.

        Returns:
            (M, n, n) logits, and (M, n, n) bool: the cells that lie on the map.
        """
        fine = FineGrid.of(window)
        rows, columns, inside = fine_cells(centres_M2, window, fine, detail_Fhw.shape[-2:])
        rows, columns = rows[:, :, None], columns[:, None, :]
        enlarged = F.interpolate(logits_Mmm[:, None], size=(fine.cells,) * 2, mode="bilinear")
        odds = torch.logit(kinds_Khw[kind_M[:, None, None], rows, columns].clamp(ODDS_MARGIN, 1 - ODDS_MARGIN))
        seen = torch.cat([enlarged, odds[:, None], detail_Fhw[:, rows, columns].movedim(0, 1)], dim=1)
        seen = seen.contiguous(memory_format=torch.channels_last)  # halves the time of the convolutions on a CPU
        return (enlarged + self.correction(self.body(seen)))[:, 0], inside


def soft_iou(probability_Mnn: Tensor) -> Tensor:
    """Compute the IoU that each mask is expected to have if every cell belongs to the object with its own probability.

    The mask has the cells with a probability above .5. The intersection is the sum of the probabilities in the mask;
    the union is the number of its cells plus the sum of the probabilities outside it.

    Args:
        probability_Mnn: (M, n, n) 0..1.

    Returns:
        (M,) 0..1; 0 for a mask without a cell.
    """
    mask = (probability_Mnn > 0.5).to(probability_Mnn.dtype)
    held = (probability_Mnn * mask).sum(dim=(1, 2))
    return held / (mask.sum(dim=(1, 2)) + probability_Mnn.sum(dim=(1, 2)) - held).clamp(min=1e-6)


def window_truth(centres_M2: Tensor, window: Window, owned_HW: Tensor, owner_M: Tensor) -> Tensor:
    """Compute which share of each finer cell the window's own object covers.

    Args:
        centres_M2: (M, 2) int64, cells (y, x) of the windows.
        window: Stride and cells of the windows.
        owned_HW: (H, W) instance id of every pixel.
        owner_M: (M,) instance id of each window's object.

    Returns:
        (M, n, n) 0..1.
    """
    fine = FineGrid.of(window)
    pixels = FineGrid(1, window.side_px)
    rows, columns, inside = fine_cells(centres_M2, window, pixels, owned_HW.shape)
    own = (owned_HW[rows[:, :, None], columns[:, None, :]] == owner_M[:, None, None]) & inside
    return F.avg_pool2d(own[:, None].float(), fine.cell_px)[:, 0]


def chosen_windows(target: Targets, grids: int, most: int) -> list[Tensor]:
    """Draw the positive windows of one image that are refined in training.

    Args:
        target: The targets of the image, see `assign_windows`.
        grids: Number of grids.
        most: The maximum number of windows; if there are more, they are drawn at random.

    Returns:
        For each grid the indices of the chosen windows, ascending.
    """
    counts = [len(target[f"centres_{index}"]) for index in range(grids)]
    taken = torch.randperm(sum(counts))[:most].sort().values
    return [
        taken[(taken >= first) & (taken < first + count)] - first
        for first, count in zip(torch.tensor([0, *counts]).cumsum(0).tolist(), counts, strict=False)
    ]
