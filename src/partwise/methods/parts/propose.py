"""The first stage of decoding: choose the windows that are assembled, by their objectness alone.

Axes: M windows, h and w cells of a grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from partwise.decoding.maps import sigmoid
from partwise.methods.parts.decode_config import DecodeConfig


@dataclass(frozen=True, eq=False)
class Screened:
    """The results of the tests that each window of one grid must pass before windows of all grids are compared.

    Attributes:
        objectness_hw: (h, w) 0..1.
        best_near_hw: (h, w) the highest objectness among each cell and its 8 neighbours, 0..1.
        passes: Name of a test -> (h, w) bool, whether each window passes it. The tests are "objectness", "beside" and
            "skipped", see `explain.OUTCOMES` for what it means to fail one.
    """

    objectness_hw: np.ndarray
    best_near_hw: np.ndarray
    passes: dict[str, np.ndarray]


def screen(logits_hw: np.ndarray, config: DecodeConfig, step_cells: int = 1) -> Screened:
    """Test the windows of one grid, each by itself and against its neighbours.

    Args:
        logits_hw: (h, w) logits of objectness.
        config: The settings; `min_objectness` and `peaks` are read.
        step_cells: Only the windows at every `step_cells`-th cell pass the test "skipped".
    """
    objectness = sigmoid(logits_hw)
    best_near = ndimage.maximum_filter(objectness, 3, mode="nearest")
    passes = {
        "objectness": objectness > config.min_objectness,
        "beside": objectness >= config.peaks * best_near,
        "skipped": _every(step_cells, objectness),
    }
    return Screened(objectness, best_near, passes)


def propose(logits: Sequence[np.ndarray], config: DecodeConfig, step_cells: int = 1) -> list[np.ndarray]:
    """Choose the windows that are assembled.

    Args:
        logits: (h, w) logits of objectness of each grid.
        config: The settings; `min_objectness`, `peaks` and `max_windows` are read.
        step_cells: Only the windows at every `step_cells`-th cell are chosen.

    Returns:
        For each grid (M, 2) int64, the cells (y, x) of its windows, the highest objectness first.
    """
    found = []
    for index, logits_hw in enumerate(logits):
        screened = screen(logits_hw, config, step_cells)
        good = screened.passes["objectness"] & screened.passes["beside"] & screened.passes["skipped"]
        cells = np.argwhere(good)
        grid = np.full(len(cells), index)
        found.append((screened.objectness_hw[good], cells, grid))
    scores, cells, grids = (np.concatenate(column) for column in zip(*found, strict=True))
    best = np.argsort(-scores, kind="stable")[: config.max_windows]
    return [cells[best][grids[best] == index] for index in range(len(logits))]


def _every(step: int, like_hw: np.ndarray) -> np.ndarray:
    """Return (h, w) bool: True at every `step`-th cell along both axes."""
    y, x = (np.arange(side) % step == 0 for side in like_hw.shape)
    return y[:, None] & x[None, :]
