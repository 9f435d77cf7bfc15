"""Conversions between pixels, cells, windows and boxes. Boxes of single masks are in streeteval.boxes.

Conventions: y before x in every shape; boxes x0 y0 x1 y1, half-open; the centre of pixel i lies at i + 0.5; cell j of a
map with stride s covers the pixels [j s, (j + 1) s), so its centre lies at (j + 0.5) s.
"""

from collections.abc import Sequence

import numpy as np

__all__ = ["boxes_of_masks", "cell_centres_px", "padded_size"]


def boxes_of_masks(masks_MHW: np.ndarray) -> np.ndarray:
    """Find the tight box of each mask.

    Args:
        masks_MHW: (M, H, W) of any type.

    Returns:
        (M, 4) int, x0 y0 x1 y1 in pixels, half-open; 0 0 0 0 for a mask without a pixel.

    Example:
        >>> boxes_of_masks(np.array([[[0, 0, 0], [0, 1, 1]], [[0, 0, 0], [0, 0, 0]]])).tolist()
        [[1, 1, 3, 2], [0, 0, 0, 0]]
    """
    sides = []
    for axis in (1, 2):
        some: np.ndarray = np.any(masks_MHW, axis=axis)
        last = some.shape[1] - some[:, ::-1].argmax(axis=1)
        sides.append((some.argmax(axis=1), np.where(some.any(axis=1), last, 0)))
    (x0, x1), (y0, y1) = sides
    return np.stack([x0, y0, x1, y1], axis=1)


def cell_centres_px(count: int, stride_px: float) -> np.ndarray:
    """Return the pixel coordinates of the centres of `count` cells, (count,) float32.

    Example:
        >>> cell_centres_px(3, 4).tolist()
        [2.0, 6.0, 10.0]
    """
    return ((np.arange(count) + 0.5) * stride_px).astype(np.float32)


def padded_size(size: Sequence[int], multiple: int) -> tuple[int, int]:
    """Round (H, W) up to a multiple.

    Example:
        >>> padded_size((500, 1024), 32)
        (512, 1024)
    """
    height, width = (-(-side // multiple) * multiple for side in size)
    return height, width
