"""Boxes and cropped masks, and which pixel of one size a pixel of another size is.

Conventions: y before x in every shape; boxes x0 y0 x1 y1, half-open; the centre of pixel i lies at i + 0.5.
"""

from collections.abc import Sequence

import numpy as np

__all__ = [
    "Box",
    "box_of_mask",
    "crop_intersection",
    "crop_iou",
    "nearest_index",
]

Box = Sequence[int] | np.ndarray  # x0 y0 x1 y1


def box_of_mask(mask_HW: np.ndarray) -> tuple[int, int, int, int] | None:
    """Find the tight box of the non-zero pixels.

    Args:
        mask_HW: (H, W) of any type.

    Returns:
        x0, y0, x1, y1 in pixels, half-open; None if no pixel is set.

    Example:
        >>> box_of_mask(np.array([[0, 0, 0], [0, 1, 1]]))
        (1, 1, 3, 2)
    """
    rows = np.flatnonzero(mask_HW.any(axis=1))
    if len(rows) == 0:
        return None
    columns = np.flatnonzero(mask_HW.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def crop_intersection(box_a: Box, mask_a: np.ndarray, box_b: Box, mask_b: np.ndarray) -> int:
    """Count the pixels that two cropped masks share.

    Args:
        box_a: x0 y0 x1 y1 of the first mask, in pixels.
        mask_a: (h, w) bool, the crop of `box_a`.
        box_b: x0 y0 x1 y1 of the second mask, in pixels.
        mask_b: (h, w) bool, the crop of `box_b`.
    """
    x0, y0 = max(box_a[0], box_b[0]), max(box_a[1], box_b[1])
    x1, y1 = min(box_a[2], box_b[2]), min(box_a[3], box_b[3])
    if x0 >= x1 or y0 >= y1:
        return 0
    part_a = mask_a[y0 - box_a[1] : y1 - box_a[1], x0 - box_a[0] : x1 - box_a[0]]
    part_b = mask_b[y0 - box_b[1] : y1 - box_b[1], x0 - box_b[0] : x1 - box_b[0]]
    return int(np.count_nonzero(part_a & part_b))


def crop_iou(box_a: Box, mask_a: np.ndarray, box_b: Box, mask_b: np.ndarray) -> float:
    """IoU of two cropped masks, 0..1. The arguments are those of `crop_intersection`.

    Example:
        >>> crop_iou((0, 0, 2, 1), np.ones((1, 2), bool), (1, 0, 3, 1), np.ones((1, 2), bool))
        0.3333333333333333
    """
    shared = crop_intersection(box_a, mask_a, box_b, mask_b)
    union = np.count_nonzero(mask_a) + np.count_nonzero(mask_b) - shared
    return float(shared / union) if shared else 0.0


def nearest_index(old: int, new: int) -> np.ndarray:
    """Resample a row of `old` pixels to `new` pixels: the old pixel in which the centre of each new pixel lies.

    Returns:
        (new,) int, 0..old - 1.

    Example:
        >>> nearest_index(4, 2).tolist(), nearest_index(2, 4).tolist()
        ([1, 3], [0, 0, 1, 1])
    """
    return (2 * np.arange(new) + 1) * old // (2 * new)
