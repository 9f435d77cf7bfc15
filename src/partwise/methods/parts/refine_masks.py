"""The stage of decoding that refines the masks of the best candidates that were kept (see refine.py).

Axes: F channels of features, T classes with instances, K categories of these, M windows (each as one class), U of them
with a mask of their own, m window cells a side, n finer cells a side, h and w cells of a map.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from partwise.decoding.candidates import Candidates
from partwise.decoding.masks import RefinedMask, window_masks
from partwise.labels import LabelSet
from partwise.methods.parts.assemble import AssembledWindows
from partwise.methods.parts.pooled import PooledMaps
from partwise.methods.parts.refine import FineGrid, MaskRefiner, fine_cells, kinds_of, soft_iou
from partwise.methods.parts.windows import Window


class RefinerMaps:
    """The maps of one image that the mask refiner needs besides assembled masks, at the finer cells of any grid.

    Args:
        detail_Fhw: (F, h, w) features at stride 2, see `MaskRefiner`.
        things: Probability of the classes with instances; its finest cells may be finer than those of the features.
        label_set: The label set of these classes.
    """

    def __init__(self, detail_Fhw: Tensor, things: PooledMaps, label_set: LabelSet):
        self.things, self.label_set = things, label_set
        self.detail = PooledMaps(detail_Fhw.contiguous())  # the refiner reads the memory channel by channel
        categories = list(label_set.things_by_category)
        self.kind_T = torch.tensor([categories.index(label.category) for label in label_set.things]).to(
            detail_Fhw.device
        )
        self._kinds: dict[tuple[int, int], Tensor] = {}

    def shape_of(self, window: Window) -> tuple[int, int]:
        """Return how many finer cells (h, w) the image has for this grid."""
        return FineGrid.of(window).shape_of(self.detail.finest)

    def kinds_at(self, shape: tuple[int, int]) -> Tensor:
        """Return (K, *shape): the probability of each category that has instances."""
        if shape not in self._kinds:
            self._kinds[shape] = kinds_of(self.things.at(shape), self.label_set)
        return self._kinds[shape]


@dataclass(frozen=True, eq=False)
class RefinedWindows:
    """M windows of one grid with refined masks, each window for one class.

    A window that is a candidate for several classes of one category has one mask for them, so that there are U masks.

    Attributes:
        logits_Unn: (U, n, n) logits of the masks.
        quality_U: (U,) 0..1, see `soft_iou`.
        place_M: (M,) int64, index of each window's mask.
        share_M: (M,) 0..1, share of the class in the votes of the mask's cells.
    """

    logits_Unn: Tensor
    quality_U: Tensor
    place_M: Tensor
    share_M: Tensor


def refine_windows(
    refiner: MaskRefiner, maps: RefinerMaps, window: Window, centres_M2: Tensor, logits_Mmm: Tensor, class_M: Tensor
) -> RefinedWindows:
    """Correct the masks of windows of one grid.

    Args:
        refiner: The network.
        maps: The maps of the image.
        window: Stride and cells of the grid's windows.
        centres_M2: (M, 2) int64, cells (y, x) of the windows.
        logits_Mmm: (M, m, m) logits of the assembled masks.
        class_M: (M,) int64, index of each window's class in `LabelSet.things`.
    """
    shape = maps.shape_of(window)
    keys, place_M = torch.cat([centres_M2, maps.kind_T[class_M][:, None]], 1).unique(dim=0, return_inverse=True)
    first = place_M.new_empty(len(keys)).scatter_(0, place_M, torch.arange(len(place_M), device=place_M.device))
    refined, inside = refiner(
        logits_Mmm[first], centres_M2[first], window, maps.detail.at(shape), maps.kinds_at(shape), keys[:, 2]
    )
    probability = torch.sigmoid(refined) * inside
    rows, columns, _ = fine_cells(centres_M2, window, FineGrid.of(window), shape)
    mask = (probability > 0.5).to(probability.dtype)[place_M]
    votes = maps.things.at(shape)[class_M[:, None, None], rows[:, :, None], columns[:, None, :]] * mask
    share = votes.sum(dim=(1, 2)) / mask.sum(dim=(1, 2)).clamp(min=1)
    return RefinedWindows(refined, soft_iou(probability), place_M, share)


def refine_masks(
    refiner: MaskRefiner,
    maps: RefinerMaps,
    assembled: Sequence[AssembledWindows],
    candidates: Candidates,
    min_score: float,
) -> list[RefinedMask]:
    """Correct the masks of the candidates with a score of at least `min_score`, those of one grid at once.

    Args:
        refiner: The network.
        maps: The maps of the image.
        assembled: The windows of the image, by grid.
        candidates: Candidates made of these windows, the highest score first.
        min_score: Candidates with a score below it are not refined.

    Returns:
        The refined masks in the order of the candidates, as NumPy arrays.
    """
    candidates = candidates[: int((candidates.score_E >= min_score).sum())]
    made: dict[int, RefinedMask] = {}
    for windows in assembled:
        own = (candidates.grid_E == windows.grid).nonzero()[0]
        if len(own):
            made |= zip(own.tolist(), _refined(refiner, maps, windows, candidates[own]), strict=True)
    return [made[index] for index in range(len(candidates))]


def _refined(
    refiner: MaskRefiner, maps: RefinerMaps, windows: AssembledWindows, candidates: Candidates
) -> list[RefinedMask]:
    """Refine the masks of the candidates of one grid."""
    which = candidates.window_E.tolist()
    centres_M2 = windows.centres_M2[which]
    class_M = torch.tensor(candidates.class_E, device=centres_M2.device)
    found = refine_windows(refiner, maps, windows.window, centres_M2, windows.logits_Mmm[which], class_M)
    logits_Unn = found.logits_Unn.float().cpu().numpy()
    place_M, all_corners = found.place_M.tolist(), windows.corners_px()
    corners = {place: all_corners[n] for place, n in zip(place_M, which, strict=True)}
    cell_px = windows.window.side_px // logits_Unn.shape[-1]
    masks = window_masks(logits_Unn, logits_Unn > 0, cell_px, [corners[place] for place in range(len(corners))])
    quality = found.quality_U.tolist()
    return [
        RefinedMask(masks[place], quality[place], share)
        for place, share in zip(place_M, found.share_M.tolist(), strict=True)
    ]
