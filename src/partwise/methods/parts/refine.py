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

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from partwise.backbones.initialisation import he_normal, start_at_zero
from partwise.methods.method import Targets
from partwise.methods.parts.fine_grid import ODDS_MARGIN, FineGrid, fine_cells, kinds_of
from partwise.methods.parts.windows import Window
from streeteval.labels import INSTANCE_FACTOR, LabelSet

__all__ = ["FineGrid", "MaskRefiner", "chosen_windows", "kind_of_owner", "kinds_of", "window_truth"]

CHANNELS = 16


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
        return enlarged[:, 0] + self.correct(seen), inside

    def correct(self, seen_MFnn: Tensor) -> Tensor:
        """Compute what is added to the logits of M masks.

        Args:
            seen_MFnn: (M, 2 + F, n, n): the enlarged logits, the log-odds of the category, and the features.

        Returns:
            (M, n, n).
        """
        seen = seen_MFnn.contiguous(memory_format=torch.channels_last)  # halves the time of the convolutions on a CPU
        return self.correction(self.body(seen))[:, 0]

    @torch.inference_mode()
    def correct_arrays(self, seen_MFnn: np.ndarray) -> np.ndarray:
        """Compute `correct` for the decoder, which uses NumPy."""
        weight = self.correction.weight
        return self.correct(torch.from_numpy(seen_MFnn).to(weight)).float().cpu().numpy()


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
