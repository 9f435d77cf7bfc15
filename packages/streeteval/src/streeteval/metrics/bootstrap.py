"""Estimate how much a score would change with other images: a bootstrap over images.

Source: "An Introduction to the Bootstrap", Efron and Tibshirani, 1993, chapter 13, percentile intervals. An image that
is drawn n times weighs n. So a draw costs only sums and no matching: see `Metric.summarise`. Two results weighed by the
same draws are compared image by image (a paired bootstrap).

Draws say nothing of images that are not there. If one image alone has truth for a figure, every draw that holds it has
the same value, and the interval has no width. So a figure has an interval from `FEWEST_IMAGES` images on, counted by
`Metric.images_behind`.

Axes: B draws, N images.
"""

from __future__ import annotations

import numpy as np

__all__ = ["FEWEST_IMAGES", "LEVEL", "draw_images", "interval"]

LEVEL = 0.95
FEWEST_IMAGES = 5  # with truth for a figure; of fewer, draws are too few different sets


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


def interval(values_B: np.ndarray, images: int = FEWEST_IMAGES) -> tuple[float, float]:
    """Return the bounds (low, high) of the middle 95 % of the draws.

    Args:
        values_B: (B,) the value of each draw, NaN if it has none.
        images: Number of images that have truth for the figure, see `Metric.images_behind`.

    Returns:
        The bounds; NaN if fewer than half of the draws have a value, or `images` is below `FEWEST_IMAGES`.
    """
    if images < FEWEST_IMAGES:
        return float("nan"), float("nan")
    valid = values_B[~np.isnan(values_B)]
    if 2 * len(valid) < len(values_B) or len(valid) == 0:
        return float("nan"), float("nan")
    low, high = np.quantile(valid, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
