"""Arithmetic on the maps of a network in NumPy: sigmoid, class probabilities, and enlargement.

Axes: C classes, h and w cells.
"""

from __future__ import annotations

import functools

import numpy as np

SMALL = 64  # cells; up to this side the product with a matrix is faster than an index for each cell

__all__ = ["enlarged", "highest", "log_odds", "sigmoid", "softmax"]


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Compute 1 / (1 + exp(-logits)) without overflow.

    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    small = np.exp(-np.abs(logits))
    return np.where(logits >= 0, 1, small) / (1 + small)


def softmax(logits_Chw: np.ndarray) -> np.ndarray:
    """Compute class probabilities along the first axis.

    >>> softmax(np.array([[[0.0]], [[0.0]]])).ravel().tolist()
    [0.5, 0.5]
    """
    exp_Chw = np.exp(logits_Chw - logits_Chw.max(axis=0))
    exp_Chw /= exp_Chw.sum(axis=0)
    return exp_Chw


def log_odds(probability: np.ndarray, margin: float) -> np.ndarray:
    """Compute log(p / (1 - p)) of probabilities that are clipped to `margin` from 0 and 1."""
    clipped = probability.clip(margin, 1 - margin)
    return np.log(clipped / (1 - clipped))


def highest(values_Chw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the highest value along the first axis, and its index; the first of several equal values.

    A loop over the classes takes a fraction of the time of `argmax`, because each class lies together in memory.

    Args:
        values_Chw: (C, h, w) with at most 256 classes.

    Returns:
        (h, w) values and (h, w) uint8 indices.

    >>> best, index = highest(np.array([[[1.0, 5.0]], [[3.0, 5.0]]]))
    >>> best.tolist(), index.tolist()
    ([[3.0, 5.0]], [[1, 0]])
    """
    best_hw = values_Chw[0].copy()
    index_hw = np.zeros(best_hw.shape, np.uint8)
    for index in range(1, len(values_Chw)):
        index_hw[values_Chw[index] > best_hw] = index
        np.maximum(best_hw, values_Chw[index], out=best_hw)
    return best_hw, index_hw


def enlarged(maps: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Enlarge maps (bilinear, cell centres aligned as in `torch.nn.functional.interpolate`).

    Args:
        maps: (..., h, w) float32.
        size: New (h, w), a multiple of the old one or equal to it.

    Returns:
        (..., *size) float32.

    >>> enlarged(np.array([[0.0, 4.0]], np.float32), (1, 4)).tolist()
    [[0.0, 1.0, 3.0, 4.0]]
    """
    if maps.shape[-2:] == tuple(size):
        return maps
    height, width = maps.shape[-2:]
    if max(height, width) <= SMALL:
        return _weights(height, size[0]) @ (maps @ _weights(width, size[1]).T)
    return _along_last(_along_last(maps, size[1]).swapaxes(-1, -2), size[0]).swapaxes(-1, -2)


@functools.cache
def _weights(old: int, new: int) -> np.ndarray:
    """Return (new, old) float32: the weight of each old cell in each new one, as `_along_last` interpolates."""
    return np.ascontiguousarray(_along_last(np.eye(old, dtype=np.float32), new).T)


def _along_last(maps: np.ndarray, count: int) -> np.ndarray:
    """Interpolate along the last axis at the centres of `count` cells."""
    old = maps.shape[-1]
    position = ((np.arange(count) + 0.5) * old / count - 0.5).clip(0, old - 1)
    first = np.floor(position).astype(np.int64)
    share = (position - first).astype(maps.dtype)
    return maps[..., first] * (1 - share) + maps[..., np.minimum(first + 1, old - 1)] * share
