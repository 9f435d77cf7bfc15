"""The stage of decoding that sharpens assembled masks with the semantic map, at cells of 2 px.

Axes: T classes with instances, E candidates, P windows of a grid (each for one category), S sets of classes, m window
cells a side, n finer cells a side, h and w cells of the semantic map.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

import numpy as np

from partwise.decoding.candidates import Candidates
from partwise.decoding.maps import enlarged, log_odds
from partwise.decoding.masks import WindowMask, window_masks
from partwise.methods.parts.assemble import AssembledWindows
from partwise.methods.parts.fine_grid import ODDS_MARGIN, FineGrid, cut_of, fine_cells
from streeteval.labels import LabelSet

CELL_PX = 2  # side of a cell of the masks that suppression compares: that of the finest semantic map of a network

WindowKey = tuple[int, int, str]  # grid, index of the window there, category
Classes = tuple[int, ...]  # indices in `LabelSet.things`


def sharpen(
    assembled: Sequence[AssembledWindows],
    candidates: Candidates,
    things_Thw: np.ndarray,
    stride_px: int,
    size: tuple[int, int],
    label_set: LabelSet,
    *,
    min_score: float,
    weight: float,
) -> list[WindowMask]:
    """Add the semantic map's log-odds to the masks of the candidates with a score above `min_score`.

    A mask gets the log-odds of all classes of the candidate's category that the window is a candidate for. So the
    candidates of one window and category have the same mask.

    Args:
        assembled: The windows of one image, by grid.
        candidates: All candidates made of these windows, the highest score first.
        things_Thw: (T, h, w) probability of each class with instances.
        stride_px: Side of a cell of `things_Thw` in pixels.
        size: (H, W) of the image in pixels.
        label_set: The classes.
        min_score: Candidates whose score is not above it get no mask.
        weight: Weight of the log-odds; 0 keeps the assembled masks.

    Returns:
        The masks in the order of the candidates, at cells of 2 px (1 px if `stride_px` is 1).
    """
    keys, classes = _windows_of(candidates, label_set)
    keys = keys[: int((candidates.score_E > min_score).sum())]
    wanted: dict[int, dict[WindowKey, Classes]] = {}
    for key in keys:
        wanted.setdefault(key[0], {})[key] = classes[key]
    cell_px = min(stride_px, CELL_PX)
    height, width = (side * stride_px // cell_px for side in things_Thw.shape[1:])
    things_Thw = enlarged(things_Thw, (height, width))
    sets = itertools.chain.from_iterable(own.values() for own in wanted.values())
    odds = _LogOdds(things_Thw, sets, weight) if weight else None
    made: dict[WindowKey, WindowMask] = {}
    for windows in assembled:
        own = wanted.get(windows.grid, {})
        made |= zip(own, _sharpened(windows, own, odds, cell_px, size), strict=True)
    return [made[key] for key in keys]


def _windows_of(candidates: Candidates, label_set: LabelSet) -> tuple[list[WindowKey], dict[WindowKey, Classes]]:
    """List the window and category of each candidate, and the classes of this category that the window stands for."""
    categories = [label.category for label in label_set.things]
    keys: list[WindowKey] = []
    classes: dict[WindowKey, list[int]] = {}
    columns = (candidates.grid_E.tolist(), candidates.window_E.tolist(), candidates.class_E.tolist())
    for grid, window, class_index in zip(*columns, strict=True):
        key = (grid, window, categories[class_index])
        keys.append(key)
        classes.setdefault(key, []).append(class_index)
    return keys, {key: tuple(sorted(several)) for key, several in classes.items()}


def _sharpened(
    windows: AssembledWindows,
    wanted: dict[WindowKey, Classes],
    odds: _LogOdds | None,
    cell_px: int,
    size: tuple[int, int],
) -> list[WindowMask]:
    """Sharpen windows of one grid, each with the log-odds of its classes."""
    if not wanted:
        return []
    which = [window for _, window, _ in wanted]
    fine = FineGrid(cell_px, windows.window.side_px // cell_px)
    shape = tuple(-(-along // cell_px) for along in size)
    rows, columns, inside = fine_cells(windows.centres_M2[which], windows.window, fine, shape)
    logits = enlarged(windows.logits_Mmm[which], (fine.cells,) * 2)
    if odds is not None:
        logits = logits + odds.at(list(wanted.values()), rows, columns)
    corners = windows.corners_px()
    return window_masks(logits, (logits > 0) & inside, cell_px, [corners[n] for n in which])


class _LogOdds:
    """Weighted log-odds log(p / (1 - p)) for several sets of classes; p is the probability of any class of a set."""

    def __init__(self, things_Thw: np.ndarray, sets: Iterable[Classes], weight: float):
        self.index = {classes: index for index, classes in enumerate(dict.fromkeys(sets))}
        member_ST = np.zeros((len(self.index), len(things_Thw)), np.float32)
        for classes, index in self.index.items():
            member_ST[index, list(classes)] = 1
        any_Shw = (member_ST @ things_Thw.reshape(len(things_Thw), -1)).reshape(-1, *things_Thw.shape[1:])
        self.odds_Shw = weight * log_odds(any_Shw, ODDS_MARGIN)

    def at(self, classes: Sequence[Classes], rows_Pn: np.ndarray, columns_Pn: np.ndarray) -> np.ndarray:
        """Return (P, n, n): the log-odds of one set of classes for each window, at the window's cells."""
        which_P = np.array([self.index[one] for one in classes])
        return cut_of(self.odds_Shw, which_P, rows_Pn, columns_Pn)
