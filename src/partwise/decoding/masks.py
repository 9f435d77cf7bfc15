"""Masks on their way from the network to the image: at the cells of a window, refined, and painted in pixels.

Axes: P windows, n cells a side of a window.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from partwise.geometry import boxes_of_masks

Box = tuple[int, int, int, int]  # x0, y0, x1, y1, half-open
Mask = tuple[Box, np.ndarray]  # the box, and the bool mask inside it


@dataclass(frozen=True, eq=False)
class WindowMask:
    """The mask of one window at its cells, before it is painted in pixels.

    Attributes:
        logits_nn: (n, n) float32; a cell belongs to the mask if its logit is above 0.
        inside_nn: (n, n) bool: the cells that belong to the mask.
        box: The tight box of these cells, in cells of the window; (0, 0, 0, 0) if there are none.
        cell_px: Side of a cell in pixels.
        corner_px: (y, x) of the window's first cell in pixels of the image, a multiple of `cell_px`. It may be
            negative, because a window may extend beyond the image.
    """

    logits_nn: np.ndarray
    inside_nn: np.ndarray
    box: Box
    cell_px: int
    corner_px: tuple[int, int]

    @property
    def empty(self) -> bool:
        """Whether no cell belongs to the mask."""
        return self.box[0] == self.box[2]

    def in_cells(self) -> Mask:
        """Return the box in cells of the image and the mask inside it; if the mask is empty, both are empty."""
        x0, y0, x1, y1 = self.box
        top, left = self.corner_px[0] // self.cell_px, self.corner_px[1] // self.cell_px
        return (left + x0, top + y0, left + x1, top + y1), self.inside_nn[y0:y1, x0:x1]


@dataclass(frozen=True, eq=False)
class RefinedMask:
    """A window's mask after the mask refiner corrected it, for one class.

    Attributes:
        mask: The mask at the refiner's cells. Candidates of one window and category share it.
        quality: 0..1, the expected IoU of the mask if every cell is right with its own probability.
        share: 0..1, share of the class in the votes of the mask's cells.
    """

    mask: WindowMask
    quality: float
    share: float


@dataclass(frozen=True, eq=False)
class PaintedMask:
    """The mask of one instance in pixels of the image.

    Attributes:
        mask: Box and mask in pixels.
        refined: The refined mask that it was painted from; None if it was painted from a sharpened mask.
    """

    mask: Mask
    refined: RefinedMask | None = None


def window_masks(
    logits_Pnn: np.ndarray, inside_Pnn: np.ndarray, cell_px: int, corners_px: Sequence[Sequence[int]]
) -> list[WindowMask]:
    """Make the masks of P windows of one grid.

    Args:
        logits_Pnn: (P, n, n) float32.
        inside_Pnn: (P, n, n) bool: the cells that belong to the masks.
        cell_px: Side of a cell in pixels.
        corners_px: (y, x) of each window's first cell in pixels of the image.

    Returns:
        P masks, which share the memory of the two arrays.
    """
    boxes = boxes_of_masks(inside_Pnn).tolist()
    return [
        WindowMask(logits_nn, inside_nn, tuple(box), cell_px, (top, left))
        for logits_nn, inside_nn, box, (top, left) in zip(logits_Pnn, inside_Pnn, boxes, corners_px, strict=True)
    ]
