"""What can be known of the order of instances without learning it: from the place alone, and from what a pixel sees.

Axes: H and W pixels, R ranks (0 background), F folds, N instances of the class.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from torch import nn

from partwise.backbones import VggBackbone
from partwise.methods import Fcn
from partwise.scene import Scene
from partwise_report.ordering.network import Ordering
from partwise_report.ordering.targets import BACKGROUND, IGNORED, OVERFLOW, of_class
from streeteval.boxes import nearest_index
from streeteval.instances import Instances

# Rows and columns of cells, from coarse to fine: a cell that no training frame has filled asks the grid before it.
GRIDS = ((1, 1), (1, 8), (1, 16), (2, 16), (1, 32), (2, 32), (4, 32), (8, 32), (8, 64), (16, 64))
FOLDS = 5
Grid = tuple[int, int]


@dataclass(frozen=True, eq=False)
class PlaceRanks:
    """A predictor of ranks that sees no image: the most frequent rank at a place.

    Attributes:
        grid: (rows, columns) of cells over the image, of any size.
        ranks: (rows, columns) int, 1 and up: the rank that it says in each cell.
        order: Mean over frames of the share of the class's pixels whose rank is right, 0..1, on frames that were left
            out (`FOLDS`-fold); by this the grid was chosen. NaN with fewer than two frames.
    """

    grid: Grid
    ranks: np.ndarray
    order: float

    def map(self, size: tuple[int, int]) -> np.ndarray:
        """(H, W) int: the rank at every pixel of an image of `size` (H, W)."""
        rows, columns = (nearest_index(cells, pixels) for cells, pixels in zip(self.grid, size, strict=True))
        return self.ranks[np.ix_(rows, columns)]

    def share_right(self, ranks_HW: np.ndarray) -> float:
        """Compare with the truth of a frame, as `fit_place_ranks` takes it.

        Returns:
            Share of the pixels of ranked instances whose rank is right, 0..1; NaN where there is none.
        """
        shown = _shown(ranks_HW)
        return float((self.map(ranks_HW.shape) == ranks_HW)[shown].mean()) if shown.any() else float("nan")


def fit_place_ranks(frames: Sequence[np.ndarray], grids: Sequence[Grid] = GRIDS) -> PlaceRanks:
    """Find the most frequent rank of each cell of a grid, and the grid that predicts frames left out best.

    Every frame counts the same, however many pixels it shows, as in the mean over frames that a network is scored by.

    Args:
        frames: The truth of each frame, (H, W) uint8 of any size: the rank of a pixel, 0 background, 255 ignored.
        grids: (rows, columns), from coarse to fine.

    Raises:
        ValueError: If no frame has a ranked instance.
    """
    frames = [frame for frame in frames if _shown(frame).any()]
    if not frames:
        raise ValueError("no frame has a ranked instance")
    most = max(int(frame[_shown(frame)].max()) for frame in frames)
    folds = min(FOLDS, len(frames))
    shares = {grid: np.zeros((folds, *grid, most + 1)) for grid in grids}
    for n, frame in enumerate(frames):
        for grid in grids:
            shares[grid][n % folds] += _cell_shares(frame, grid, most)
    if folds < 2:
        return PlaceRanks(grids[0], _tables({grid: of.sum(axis=0) for grid, of in shares.items()})[grids[0]], np.nan)
    right = dict.fromkeys(grids, 0.0)
    left_out = [_tables({grid: of.sum(axis=0) - of[fold] for grid, of in shares.items()}) for fold in range(folds)]
    for n, frame in enumerate(frames):
        for grid, ranks in left_out[n % folds].items():
            right[grid] += PlaceRanks(grid, ranks, np.nan).share_right(frame) / len(frames)
    best = max(grids, key=lambda grid: right[grid])
    return PlaceRanks(best, _tables({grid: of.sum(axis=0) for grid, of in shares.items()})[best], right[best])


def _shown(ranks_HW: np.ndarray) -> np.ndarray:
    """(H, W) bool: pixels of instances that have a rank."""
    return (ranks_HW != BACKGROUND) & (ranks_HW != IGNORED)


def _cell_shares(ranks_HW: np.ndarray, grid: Grid, most: int) -> np.ndarray:
    """(rows, columns, most + 1): share of the frame's ranked pixels in each cell that has each rank; the sum is 1."""
    y, x = np.nonzero(_shown(ranks_HW))
    rows, columns = (nearest_index(cells, side) for cells, side in zip(grid, ranks_HW.shape, strict=True))
    place = (rows[y] * grid[1] + columns[x]) * (most + 1) + ranks_HW[y, x]
    counts = np.bincount(place, minlength=grid[0] * grid[1] * (most + 1)) / len(y)
    return counts.reshape(*grid, most + 1)


def _tables(shares: dict[Grid, np.ndarray]) -> dict[Grid, np.ndarray]:
    """The most frequent rank of each cell of every grid; an empty cell has that of its place in the grid before."""
    tables: dict[Grid, np.ndarray] = {}
    coarser: np.ndarray | None = None
    for grid, of in shares.items():
        ranks = of.argmax(axis=-1)
        if coarser is not None:
            rows, columns = (nearest_index(old, new) for old, new in zip(coarser.shape, grid, strict=True))
            ranks = np.where(of.any(axis=-1), ranks, coarser[np.ix_(rows, columns)])
        tables[grid] = coarser = ranks
    return tables


def receptive_field_px(method: Fcn) -> int:
    """Side of the square of the image that a pixel of the output can depend on, from the layers of the network.

    The longest path counts: the backbone, conv6 and conv7, then the enlargements, each of which looks at two
    cells along an axis.
    """
    field, step = 1, 1
    backbone = cast(VggBackbone, method.backbone)
    for layer in (*backbone.features[: max(backbone.taps.values()) + 1], *method.conv6, *method.conv7):
        kernel, stride, dilation = _geometry(layer)
        field += (kernel - 1) * dilation * step
        step *= stride
    finest = min((int(name) for name in method.skips), default=step)
    around = 1 if isinstance(method, Ordering) and method.config.source == "slice" else 0  # of the 3x3 at the ranks
    factors = [finest, *([2] * len(method.skips))]
    return field + step * (max(_cells_seen(pixel, factors, around) for pixel in range(step)) - 1)


def _cells_seen(pixel: int, factors: Sequence[int], around: int) -> int:
    """How many cells along an axis of the coarsest map a pixel depends on through bilinear enlargements.

    Args:
        pixel: Its coordinate.
        factors: Of each enlargement, the finest first.
        around: Cells to each side that a convolution adds before the finest enlargement.
    """
    low = high = pixel
    for factor in factors:
        low = (2 * low + 1 - factor) // (2 * factor) - around
        high = (2 * high + 1 - factor) // (2 * factor) + 1 + around
        around = 0
    return high - low + 1


def _geometry(layer: nn.Module) -> tuple[int, int, int]:
    """Kernel, stride and dilation of a square layer; those of one that looks at a single cell are 1."""
    kernel, stride, dilation = (getattr(layer, name, 1) for name in ("kernel_size", "stride", "dilation"))
    first = lambda value: value if isinstance(value, int) else value[0]
    return first(kernel), first(stride), first(dilation)


def unseen_order(scenes: Iterable[Scene], method: Ordering, view_px: int = 0) -> dict[str, float | list[float]]:
    """Count the instances whose rank depends on one that no pixel of theirs can see.

    The rank of an instance is 1 + the number of those before it. One that lies outside what its pixels see changes its
    rank without changing anything that the network could know there.

    Args:
        scenes: At the size at which the network sees them.
        method: Its order and its layers count.
        view_px: Side of the square that a pixel sees; 0 for the receptive field of the method.

    Returns:
        {"view_px", "instances" (with a rank), "unseen" (how many depend on one out of sight), "share" (of all
        instances; NaN without any), "by_frame" (share of each frame; NaN without instances)}.
    """
    view_px = view_px or receptive_field_px(method)
    found: list[np.ndarray] = []
    for scene in scenes:
        instances = of_class(scene, method.config.class_id)
        found.append(depends_on_unseen(instances, method.assignment(scene).maps_N, view_px // 2))
    every = np.concatenate(found) if found else np.zeros(0, bool)
    shares = [float(of.mean()) if len(of) else float("nan") for of in (every, *found)]
    return {
        "view_px": view_px,
        "instances": len(every),
        "unseen": int(every.sum()),
        "share": shares[0],
        "by_frame": shares[1:],
    }


def depends_on_unseen(instances: Instances, maps_N: np.ndarray, reach_px: int) -> np.ndarray:
    """Say of each instance with a rank whether one of a lower rank lies out of the sight of all its pixels.

    Args:
        instances: Of one image.
        maps_N: (N,) int: their ranks, or OVERFLOW.
        reach_px: How far a pixel sees to each side. An instance is out of sight if its box does not touch the box of
            the other one, enlarged by so much: a lower bound of what no pixel sees.

    Returns:
        (M,) bool, of the M instances with a rank.
    """
    ranked = maps_N != OVERFLOW
    ranks_M, boxes_M4 = maps_N[ranked], instances.boxes[ranked].astype(int)
    low, high = boxes_M4[:, None, :2] - reach_px, boxes_M4[:, None, 2:] + reach_px
    hidden_MM = ((boxes_M4[None, :, 2:] <= low) | (boxes_M4[None, :, :2] >= high)).any(axis=-1)
    return (hidden_MM & (ranks_M[None] < ranks_M[:, None])).any(axis=1)
