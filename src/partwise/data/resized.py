"""Resize an image as networks see it, without torch.

Axes: H and W pixels.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

__all__ = ["image_at", "planes_at"]


def image_at(image_HW3: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize an image as networks see it, see `planes_at`.

    Args:
        image_HW3: (H, W, 3) uint8 RGB.
        size: New (H, W) in pixels.

    Returns:
        (*size, 3) uint8 RGB; the image itself if it has this size already.
    """
    if image_HW3.shape[:2] == tuple(size):
        return image_HW3
    return np.ascontiguousarray(planes_at(image_HW3.transpose(2, 0, 1), size).transpose(1, 2, 0))


def planes_at(image_3HW: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize the planes of an image (bilinear, smoothed where it becomes smaller).

    On the CPU every runtime resizes by this function. Another one, such as torch's, rounds about 1 % of the values to
    the other side, which changes scores by some thousandths.

    Args:
        image_3HW: (3, H, W) uint8.
        size: New (H, W) in pixels.

    Returns:
        (3, *size) uint8; the image itself if it has this size already.
    """
    if image_3HW.shape[1:] == tuple(size):
        return image_3HW
    # Each plane is resized as float, because Pillow rounds twice when it resizes bytes.
    planes = (Image.fromarray(np.ascontiguousarray(plane)).convert("F") for plane in image_3HW)
    resized = [np.asarray(plane.resize(size[::-1], Image.Resampling.BILINEAR)) for plane in planes]
    return np.stack(resized).round().clip(0, 255).astype(np.uint8)
