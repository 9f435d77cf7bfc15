"""Estimate how much a score would change with other images: a bootstrap over images.

Source: "An Introduction to the Bootstrap", Efron and Tibshirani, 1993, chapter 13, percentile intervals. An image that
is drawn n times weighs n. So a draw costs only sums and no matching: see `Metric.summarise`. Two results weighed by the
same draws are compared image by image (a paired bootstrap).

Axes: B draws, N images.
"""

from __future__ import annotations

import numpy as np

__all__ = ["LEVEL", "draw_images", "interval"]

LEVEL = 0.95


def draw_images(images: int, draws: int, seed: int) -> np.ndarray:
    """Draw images with replacement.

    Args:
        images: Number N of images.
        draws: Number B of draws, each of N images.
        seed: Seed of the draws.

    Returns:
        (B, N) int64: how often each image is in each draw.
    """
    return np.random.default_rng(seed).multinomial(images, np.full(images, 1 / images), size=draws)


def interval(values_B: np.ndarray) -> tuple[float, float]:
    """Return the bounds (low, high) of the middle 95 % of the draws.

    Args:
        values_B: (B,) the value of each draw, NaN if it has none.

    Returns:
        The bounds; NaN if fewer than half of the draws have a value.
    """
    valid = values_B[~np.isnan(values_B)]
    if 2 * len(valid) < len(values_B) or len(valid) == 0:
        return float("nan"), float("nan")
    low, high = np.quantile(valid, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
