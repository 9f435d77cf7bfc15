"""The stage of decoding that refines the masks of the best candidates that were kept (see refine.py).

Axes: F channels of features, T classes with instances, K categories of these, M windows (each as one class), U of them
with a mask of their own, m window cells a side, n finer cells a side, h and w cells of a map.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from partwise.decoding.candidates import Candidates
from partwise.decoding.maps import enlarged, log_odds, sigmoid
from partwise.decoding.masks import RefinedMask, window_masks
from partwise.methods.parts.assemble import AssembledWindows
from partwise.methods.parts.fine_grid import ODDS_MARGIN, FineGrid, cut, cut_of, fine_cells, kinds_of
from partwise.methods.parts.pooled import PooledMaps
from partwise.methods.parts.windows import Window
from streeteval.labels import LabelSet

# (M, 2 + F, n, n) float32 -> (M, n, n): the network of `MaskRefiner.correct`, in torch or another library.
Correct = Callable[[np.ndarray], np.ndarray]


class RefinerMaps:
    """The maps of one image that the mask refiner needs besides assembled masks, at the finer cells of any grid.

    Args:
        detail_Fhw: (F, h, w) features at stride 2, see `MaskRefiner`.
        things: Probability of the classes with instances; its finest cells may be finer than those of the features.
        label_set: The label set of these classes.
    """

    def __init__(self, detail_Fhw: np.ndarray, things: PooledMaps[np.ndarray], label_set: LabelSet):
        self.things, self.label_set = things, label_set
        self.detail = PooledMaps(detail_Fhw)
        categories = list(label_set.things_by_category)
        self.kind_T = np.array([categories.index(label.category) for label in label_set.things])
        self._kinds: dict[tuple[int, int], np.ndarray] = {}

    def shape_of(self, window: Window) -> tuple[int, int]:
        """Return how many finer cells (h, w) the image has for this grid."""
        return FineGrid.of(window).shape_of(self.detail.finest)

    def kinds_at(self, shape: tuple[int, int]) -> np.ndarray:
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

    logits_Unn: np.ndarray
    quality_U: np.ndarray
    place_M: np.ndarray
    share_M: np.ndarray


def refine_windows(
    correct: Correct,
    maps: RefinerMaps,
    window: Window,
    centres_M2: np.ndarray,
    logits_Mmm: np.ndarray,
    class_M: np.ndarray,
) -> RefinedWindows:
    """Correct the masks of windows of one grid.

    Args:
        correct: The network.
        maps: The maps of the image.
        window: Stride and cells of the grid's windows.
        centres_M2: (M, 2) int64, cells (y, x) of the windows.
        logits_Mmm: (M, m, m) logits of the assembled masks.
        class_M: (M,) int64, index of each window's class in `LabelSet.things`.
    """
    shape = maps.shape_of(window)
    keyed_M3 = np.concatenate([centres_M2, maps.kind_T[class_M][:, None]], 1)
    keys, first, place_M = np.unique(keyed_M3, axis=0, return_index=True, return_inverse=True)
    place_M = place_M.reshape(-1)  # NumPy 2.0 returns another shape than later versions
    rows, columns, inside = fine_cells(keys[:, :2], window, FineGrid.of(window), shape)
    refined = _corrected(correct, maps, shape, logits_Mmm[first], keys[:, 2], rows, columns)
    probability = sigmoid(refined) * inside
    mask = (probability > 0.5).astype(np.float32)
    votes = cut_of(maps.things.at(shape), class_M, rows[place_M], columns[place_M])
    share = (votes * mask[place_M]).sum(axis=(1, 2)) / mask[place_M].sum(axis=(1, 2)).clip(min=1)
    return RefinedWindows(refined, soft_iou(probability), place_M, share)


def _corrected(
    correct: Correct,
    maps: RefinerMaps,
    shape: tuple[int, int],
    logits_Umm: np.ndarray,
    kind_U: np.ndarray,
    rows_Un: np.ndarray,
    columns_Un: np.ndarray,
) -> np.ndarray:
    """Return (U, n, n): the logits at the finer cells with their correction, as `MaskRefiner.forward` computes them."""
    fine_Unn = enlarged(logits_Umm, (rows_Un.shape[1],) * 2)
    odds_Unn = log_odds(cut_of(maps.kinds_at(shape), kind_U, rows_Un, columns_Un), ODDS_MARGIN)
    detail_UFnn = cut(maps.detail.at(shape), rows_Un, columns_Un)
    seen = np.concatenate([fine_Unn[:, None], odds_Unn[:, None], detail_UFnn], axis=1, dtype=np.float32)
    return fine_Unn + correct(seen)


def soft_iou(probability_Mnn: np.ndarray) -> np.ndarray:
    """Compute the IoU that each mask is expected to have if every cell belongs to the object with its own probability.

    The mask has the cells with a probability above .5. The intersection is the sum of the probabilities in the mask;
    the union is the number of its cells plus the sum of the probabilities outside it.

    Args:
        probability_Mnn: (M, n, n) 0..1.

    Returns:
        (M,) 0..1; 0 for a mask without a cell.
    """
    mask = (probability_Mnn > 0.5).astype(np.float32)
    held = (probability_Mnn * mask).sum(axis=(1, 2))
    return held / (mask.sum(axis=(1, 2)) + probability_Mnn.sum(axis=(1, 2)) - held).clip(min=1e-6)


def refine_masks(
    correct: Correct,
    maps: RefinerMaps,
    assembled: Sequence[AssembledWindows],
    candidates: Candidates,
    min_score: float,
) -> list[RefinedMask]:
    """Correct the masks of the candidates with a score of at least `min_score`, those of one grid at once.

    Args:
        correct: The network.
        maps: The maps of the image.
        assembled: The windows of the image, by grid.
        candidates: Candidates made of these windows, the highest score first.
        min_score: Candidates with a score below it are not refined.

    Returns:
        The refined masks in the order of the candidates.
    """
    candidates = candidates[: int((candidates.score_E >= min_score).sum())]
    made: dict[int, RefinedMask] = {}
    for windows in assembled:
        own = (candidates.grid_E == windows.grid).nonzero()[0]
        if len(own):
            made |= zip(own.tolist(), _refined(correct, maps, windows, candidates[own]), strict=True)
    return [made[index] for index in range(len(candidates))]


def _refined(
    correct: Correct, maps: RefinerMaps, windows: AssembledWindows, candidates: Candidates
) -> list[RefinedMask]:
    """Refine the masks of the candidates of one grid."""
    which = candidates.window_E.tolist()
    centres_M2 = windows.centres_M2[which]
    found = refine_windows(correct, maps, windows.window, centres_M2, windows.logits_Mmm[which], candidates.class_E)
    logits_Unn = found.logits_Unn
    place_M, all_corners = found.place_M.tolist(), windows.corners_px()
    corners = {place: all_corners[n] for place, n in zip(place_M, which, strict=True)}
    cell_px = windows.window.side_px // logits_Unn.shape[-1]
    masks = window_masks(logits_Unn, logits_Unn > 0, cell_px, [corners[place] for place in range(len(corners))])
    quality = found.quality_U.tolist()
    return [
        RefinedMask(masks[place], quality[place], share)
        for place, share in zip(place_M, found.share_M.tolist(), strict=True)
    ]
