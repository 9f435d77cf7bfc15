"""The most likely class of every pixel, from the logits of a semantic map at coarser cells.

Axes: C evaluated classes, Q quads, h and w cells.
"""

from __future__ import annotations

import numpy as np

from partwise.decoding.maps import highest

__all__ = ["likeliest_of_pixels"]


def likeliest_of_pixels(logits_Chw: np.ndarray, stride_px: int, best_hw: np.ndarray) -> np.ndarray:
    """Enlarge logits (bilinear) and take the class with the highest logit at every pixel.

    If four neighbouring cells (a quad) have the same class, every pixel between them has it as well, because its logits
    are a weighted mean of theirs. So only the other quads are interpolated.

    Args:
        logits_Chw: (C, h, w) logits.
        stride_px: Pixels per cell: an even number, or 1 for no enlargement.
        best_hw: (h, w) uint8 class with the highest logit at each cell.

    Returns:
        (h * stride_px, w * stride_px) uint8 train ids.
    """
    if stride_px == 1:
        return best_hw
    height, width = best_hw.shape
    best = np.pad(best_hw, 1, mode="edge")
    corners = (best[:-1, :-1], best[:-1, 1:], best[1:, :-1], best[1:, 1:])
    agreed = (corners[0] == corners[1]) & (corners[0] == corners[2]) & (corners[0] == corners[3])
    y, x = (~agreed).nonzero()
    # Quad (y, x) lies between the cells at y - 1 and y, x - 1 and x. Beyond the border the nearest cell is used.
    rows, columns = (y - 1).clip(min=0), (x - 1).clip(min=0)
    below, right = y.clip(max=height - 1), x.clip(max=width - 1)
    cells = logits_Chw.reshape(len(logits_Chw), -1)
    quads = np.stack([rows * width + columns, rows * width + right, below * width + columns, below * width + right])
    logits_C4Q = cells[:, quads]
    share = ((np.arange(stride_px) + 0.5) / stride_px).astype(logits_Chw.dtype)
    axis = np.stack([1 - share, share])
    weights = np.einsum("ay,bx->yxab", axis, axis).reshape(stride_px * stride_px, 4)
    _, own = highest(np.matmul(weights, logits_C4Q))
    pixels = np.empty((height + 1, stride_px, width + 1, stride_px), np.uint8)
    pixels[:] = corners[0][:, None, :, None]
    pixels[y, :, x] = own.T.reshape(-1, stride_px, stride_px)
    half = stride_px // 2
    whole = pixels.reshape((height + 1) * stride_px, (width + 1) * stride_px)
    return whole[half : half + height * stride_px, half : half + width * stride_px]
