"""Colours for instances: they look different, and neighbouring instances differ most.

Distances are computed in OKLab (Ottosson 2020, "A perceptual color space for image processing"), where equal distances
look about equally large. Axes: N instances, M colours.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from streeteval.instances import Instances

__all__ = [
    "CHROMA_RANGE",
    "FEW_COLOURS",
    "LIGHTNESS_RANGE",
    "MAX_COLOURS",
    "REACH",
    "assign_colours",
    "distinct_colours",
    "readable_on",
]

MAX_COLOURS = 256  # with more instances colours repeat, on instances far from each other
FEW_COLOURS = 24  # an image with few instances uses this many colours
LIGHTNESS_RANGE = (0.58, 0.87)  # of OKLab's 0..1: visible on a dark road and on a light sky
CHROMA_RANGE = (0.11, 0.24)  # streets are grey, so a colour must not be grey; nor must it be glaring
REACH = 0.06  # instances with a smaller gap, as a share of the image's diagonal, count as neighbours


def assign_colours(instances: Instances) -> np.ndarray:
    """Choose a colour for each instance. It depends only on the boxes and their order.

    Up to 256 instances have different colours. Large instances choose first; each takes the free colour that differs
    most from the colours of its neighbours.

    Args:
        instances: The instances of one image.

    Returns:
        (N, 3) uint8 RGB.
    """
    count = len(instances)
    palette = distinct_colours(min(MAX_COLOURS, max(count, FEW_COLOURS)))
    likeness_MM = 1 / (_pairwise_squared(_oklab(palette)) + 1e-3)
    nearness_NN = _nearness(instances)
    boxes = instances.boxes.astype(np.int64)
    order = np.argsort(-(boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]), kind="stable")
    chosen, used = np.zeros(count, np.int64), np.zeros(len(palette), np.int64)
    for rank, i in enumerate(order):
        done = order[:rank]
        cost_M = nearness_NN[i, done] @ likeness_MM[chosen[done]]
        cost_M[used > used.min()] = np.inf
        chosen[i] = int(np.argmin(cost_M))
        used[chosen[i]] += 1
    return palette[chosen]


@cache
def distinct_colours(count: int) -> np.ndarray:
    """Make saturated colours that are neither dark nor white, each as far as possible from those before it.

    Args:
        count: Number of colours.

    Returns:
        (count, 3) uint8 RGB, read-only.

    Raises:
        ValueError: If there are not so many colours.

    Example:
        >>> bool((distinct_colours(5) == distinct_colours(9)[:5]).all())
        True
    """
    steps = np.linspace(0, 255, 16).round().astype(np.uint8)
    candidates = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    lab = _oklab(candidates)
    chroma = np.hypot(lab[:, 1], lab[:, 2])
    vivid = (chroma >= CHROMA_RANGE[0]) & (chroma <= CHROMA_RANGE[1])
    vivid &= (lab[:, 0] >= LIGHTNESS_RANGE[0]) & (lab[:, 0] <= LIGHTNESS_RANGE[1])
    candidates, lab = candidates[vivid], lab[vivid]
    if count > len(candidates):
        raise ValueError(f"distinct_colours: {count} colours asked for, there are {len(candidates)}")
    picked = [int(np.argmin(np.abs(candidates.astype(int) - (255, 136, 0)).sum(axis=1)))]  # begin with orange
    nearest = np.full(len(candidates), np.inf)
    while len(picked) < count:
        nearest = np.minimum(nearest, ((lab - lab[picked[-1]]) ** 2).sum(axis=1))
        picked.append(int(np.argmax(nearest)))
    colours = candidates[picked]
    colours.flags.writeable = False
    return colours


def readable_on(colour: np.ndarray) -> tuple[int, int, int]:
    """Return black or white: the one with the higher contrast on `colour` (WCAG 2.2, contrast ratio).

    Args:
        colour: (3,) RGB, 0..255.
    """
    luminance = float(_linear(np.asarray(colour)) @ (0.2126, 0.7152, 0.0722))
    return (0, 0, 0) if (luminance + 0.05) ** 2 > 1.05 * 0.05 else (255, 255, 255)


def _nearness(instances: Instances) -> np.ndarray:
    """Return how near boxes are to each other, (N, N) in (0, 1]: 1 if two boxes touch, less the larger the gap is."""
    x0, y0, x1, y1 = instances.boxes.astype(np.float32).T
    gap_x = np.maximum(np.maximum(x0[:, None] - x1, x0 - x1[:, None]), 0)
    gap_y = np.maximum(np.maximum(y0[:, None] - y1, y0 - y1[:, None]), 0)
    reach_px = REACH * float(np.hypot(*instances.size))
    return 1 / (1 + (gap_x**2 + gap_y**2) / reach_px**2)


def _pairwise_squared(points: np.ndarray) -> np.ndarray:
    return ((points[:, None] - points[None]) ** 2).sum(axis=-1)


def _linear(colours: np.ndarray) -> np.ndarray:
    """Convert sRGB uint8 to linear light, 0..1."""
    c = colours.astype(np.float64) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def _oklab(colours: np.ndarray) -> np.ndarray:
    """Convert sRGB (M, 3) uint8 to OKLab (M, 3): lightness 0..1 and two axes of colour."""
    to_cones = np.array(
        [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
         [0.0883024619, 0.2817188376, 0.6299787005]]
    )  # fmt: skip
    to_lab = np.array(
        [[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
         [0.0259040371, 0.7827717662, -0.8086757660]]
    )  # fmt: skip
    return np.cbrt(_linear(colours) @ to_cones.T) @ to_lab.T
