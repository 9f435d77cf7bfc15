"""Resize an image as networks see it, without torch.

Axes: H and W pixels.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

__all__ = ["image_at"]


def image_at(image_HW3: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize an image as networks see it (bilinear, smoothed where it becomes smaller).

    It differs from `resized_images`, which uses torch, by at most one level where a value is rounded.

    Each channel is resized as float, because Pillow rounds twice when it resizes bytes.

    Args:
        image_HW3: (H, W, 3) uint8 RGB.
        size: New (H, W) in pixels.

    Returns:
        (*size, 3) uint8 RGB; the image itself if it has this size already.
    """
    if image_HW3.shape[:2] == tuple(size):
        return image_HW3
    channels = (Image.fromarray(image_HW3[:, :, c].astype(np.float32)) for c in range(3))
    resized = [np.asarray(one.resize(size[::-1], Image.Resampling.BILINEAR)) for one in channels]
    return np.stack(resized, axis=-1).round().clip(0, 255).astype(np.uint8)
