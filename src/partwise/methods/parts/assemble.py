"""The second stage of decoding: assemble the proposed windows from their parts, and list them as candidates.

Axes: T classes with instances, K parts, M windows, m window cells a side, h and w cells of a grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from partwise.decoding.candidates import Candidates
from partwise.decoding.maps import sigmoid
from partwise.methods.parts.pooled import PooledMaps
from partwise.methods.parts.windows import Window, assemble, window_cells


@dataclass(frozen=True, eq=False)
class AssembledWindows:
    """M windows of one grid, assembled.

    Attributes:
        grid: Index of the grid.
        window: Stride and cells of the grid's windows.
        centres_M2: (M, 2) int64, cells (y, x) of the windows.
        objectness_M: (M,) 0..1.
        logits_Mmm: (M, m, m) logits of the masks.
        probability_Mmm: (M, m, m) 0..1, 0 outside the map.
        quality_M: (M,) 0..1, mean probability of the mask's cells, each weighted by its own probability. The mask has
            the cells with a probability above .5.
        share_TM: (T, M) 0..1, share of each class in the mask's cells, with the same weights.
    """

    grid: int
    window: Window
    centres_M2: np.ndarray
    objectness_M: np.ndarray
    logits_Mmm: np.ndarray
    probability_Mmm: np.ndarray
    quality_M: np.ndarray
    share_TM: np.ndarray

    def corners_px(self) -> list[list[int]]:
        """Return (y, x) of each window's first cell in pixels of the image; it may lie outside the image."""
        return ((self.centres_M2 - self.window.cells // 2) * self.window.stride_px).tolist()


def assemble_windows(
    grid: int,
    window: Window,
    centres_M2: np.ndarray,
    objectness_hw: np.ndarray,
    parts_Khw: np.ndarray,
    weights_Kmm: np.ndarray,
    votes_Thw: np.ndarray,
) -> AssembledWindows:
    """Assemble the windows of one grid, and compute the quality of their masks and their votes for classes.

    Args:
        grid: Index of the grid.
        window: Stride and cells of the grid's windows.
        centres_M2: (M, 2) int64, cells (y, x) of the windows.
        objectness_hw: (h, w) logits.
        parts_Khw: (K, h, w) logits.
        weights_Kmm: (K, m, m), see `part_weights`.
        votes_Thw: (T, h, w) probability of each class with instances at the cells of the grid.
    """
    logits, inside = assemble(parts_Khw, centres_M2, weights_Kmm)
    probability = sigmoid(logits) * inside
    rows, columns, _ = window_cells(centres_M2, window.cells, parts_Khw.shape[-2:])
    votes_TMmm = votes_Thw[:, rows[:, :, None], columns[:, None, :]]
    mask = probability * (probability > 0.5)
    area = mask.sum(axis=(1, 2)).clip(min=1e-6)
    return AssembledWindows(
        grid=grid,
        window=window,
        centres_M2=centres_M2,
        objectness_M=sigmoid(objectness_hw[centres_M2[:, 0], centres_M2[:, 1]]),
        logits_Mmm=logits,
        probability_Mmm=probability,
        quality_M=(mask * mask).sum(axis=(1, 2)) / area,
        share_TM=np.einsum("tmyx,myx->tm", votes_TMmm, mask) / area,
    )


def assemble_grids(
    windows: Sequence[Window],
    centres: Sequence[np.ndarray],
    objectness: Sequence[np.ndarray],
    parts: Sequence[np.ndarray],
    part_weights: Sequence[np.ndarray],
    things: PooledMaps,
) -> list[AssembledWindows]:
    """Assemble the proposed windows of all grids, see `assemble_windows`; grids without a proposed window are left out.

    Args:
        windows: Stride and cells of each grid.
        centres: (M, 2) int64 of each grid, see `propose`.
        objectness: (h, w) logits of each grid.
        parts: (K, h, w) logits of each grid.
        part_weights: (K, m, m) of each grid.
        things: Probability of the classes with instances.
    """
    grids = zip(windows, centres, objectness, parts, part_weights, strict=True)
    return [
        assemble_windows(grid, window, centres_M2, logits_hw, parts_Khw, weights_Kmm, things.at(parts_Khw.shape[-2:]))
        for grid, (window, centres_M2, logits_hw, parts_Khw, weights_Kmm) in enumerate(grids)
        if len(centres_M2)
    ]


def list_candidates(assembled: Sequence[AssembledWindows], quality_power: float, class_share: float) -> Candidates:
    """List every window once for each of its likely classes.

    score = objectness x quality ** quality_power x share of the class

    Args:
        assembled: The windows of one image, by grid.
        quality_power: Exponent of the quality.
        class_share: A class is likely if it has at least this share, 0..1. The class with the highest share is always
            likely.

    Returns:
        The candidates; the highest score comes first.
    """
    none = np.zeros(0, np.int64)
    columns: list[tuple[np.ndarray, ...]] = [(none, none, np.zeros((0, 2), np.int64), none, np.zeros(0), np.zeros(0))]
    columns += [_candidate_columns(one, quality_power, class_share) for one in assembled]
    return Candidates(*(np.concatenate(column) for column in zip(*columns, strict=True))).by_score()


def _candidate_columns(one: AssembledWindows, quality_power: float, class_share: float) -> tuple[np.ndarray, ...]:
    """Return the fields of `Candidates` for the windows of one grid."""
    scores_TM = one.objectness_M * one.quality_M**quality_power * one.share_TM
    likely_TM = (one.share_TM >= class_share) | (one.share_TM == one.share_TM.max(axis=0))
    class_E, window_E = likely_TM.nonzero()
    return (
        np.full(len(class_E), one.grid),
        window_E,
        one.centres_M2[window_E],
        class_E,
        one.objectness_M.astype(np.float64)[window_E],
        scores_TM[likely_TM].astype(np.float64),
    )
