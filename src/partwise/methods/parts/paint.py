"""The stage of decoding that paints the masks of instances in pixels.

Axes: n cells a side of a window, H and W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

from partwise.decoding.maps import enlarged
from partwise.decoding.masks import Mask, PaintedMask, RefinedMask, WindowMask
from streeteval.boxes import box_of_mask


def paint(sharpened: Sequence[WindowMask], refined: Sequence[RefinedMask], size: tuple[int, int]) -> list[PaintedMask]:
    """Paint the mask of each instance: the refined mask if there is one and it has a pixel, else the sharpened mask.

    Args:
        sharpened: The sharpened masks of all instances; none is empty.
        refined: The refined masks of the first instances; there may be fewer than instances.
        size: (H, W) of the image in pixels.
    """
    pixels = {mask: paint_pixels(mask, size) for mask in dict.fromkeys(one.mask for one in refined)}
    painted = []
    for index, mask in enumerate(sharpened):
        fine = refined[index] if index < len(refined) else None
        corrected = None if fine is None else pixels[fine.mask]
        if corrected is not None:
            painted.append(PaintedMask(corrected, fine))
        else:  # a few cells among neighbours with much lower logits may have no pixel above 0
            painted.append(PaintedMask(paint_pixels(mask, size) or paint_cells(mask, size)))
    return painted


def paint_pixels(mask: WindowMask, size: tuple[int, int]) -> Mask | None:
    """Enlarge the logits of a window to pixels (bilinear), and threshold them at 0.

    Args:
        mask: The mask of the window.
        size: (H, W) of the image in pixels.

    Returns:
        Box and mask in pixels; None if no pixel is above 0.
    """
    if mask.empty:
        return None
    # Use only the piece of the window around the mask, with a margin of one cell: most windows are mostly empty.
    cell_px, cells, (top, left) = mask.cell_px, len(mask.logits_nn), mask.corner_px
    x0, y0 = max(mask.box[0] - 1, 0), max(mask.box[1] - 1, 0)
    x1, y1 = min(mask.box[2] + 1, cells), min(mask.box[3] + 1, cells)
    piece_y, piece_x = top + y0 * cell_px, left + x0 * cell_px
    cut_x0, cut_y0 = max(piece_x, 0), max(piece_y, 0)
    cut_x1, cut_y1 = min(left + x1 * cell_px, size[1]), min(top + y1 * cell_px, size[0])
    if cut_x0 >= cut_x1 or cut_y0 >= cut_y1:
        return None
    logits = enlarged(mask.logits_nn[y0:y1, x0:x1], ((y1 - y0) * cell_px, (x1 - x0) * cell_px))
    inside = logits[cut_y0 - piece_y : cut_y1 - piece_y, cut_x0 - piece_x : cut_x1 - piece_x] > 0
    tight = box_of_mask(inside)
    if tight is None:
        return None
    box = (cut_x0 + tight[0], cut_y0 + tight[1], cut_x0 + tight[2], cut_y0 + tight[3])
    return box, inside[tight[1] : tight[3], tight[0] : tight[2]]


def paint_cells(mask: WindowMask, size: tuple[int, int]) -> Mask:
    """Paint all pixels of the cells of a mask.

    Args:
        mask: The mask of the window; it is not empty.
        size: (H, W) of the image in pixels.

    Returns:
        Box and mask in pixels.
    """
    box, inside = mask.in_cells()
    x0, y0, x1, y1 = (along * mask.cell_px for along in box)
    x1, y1 = min(x1, size[1]), min(y1, size[0])
    pixels = inside.repeat(mask.cell_px, 0).repeat(mask.cell_px, 1)
    return (x0, y0, x1, y1), pixels[: y1 - y0, : x1 - x0]
