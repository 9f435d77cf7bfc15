"""Maps of one image at the cells of every grid: fine maps are averaged over the coarser cells of a grid.

Axes: F maps, h and w cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic

import numpy as np

from partwise.methods.parts.windows import Array


class PooledMaps(Generic[Array]):
    """Maps of one image and their means over coarser cells. Each size is computed once, from the next finer one.

    Args:
        maps_Fhw: (F, h, w) maps at their own cells.
    """

    def __init__(self, maps_Fhw: Array):
        self.shape: tuple[int, ...] = tuple(maps_Fhw.shape[-2:])
        self._made: dict[tuple[int, ...], Array] = {self.shape: maps_Fhw}

    @property
    def finest(self) -> Array:
        """(F, h, w): the maps at their own cells."""
        return self._made[self.shape]

    def at(self, shape: Sequence[int]) -> Array:
        """Average the maps over coarser cells.

        Args:
            shape: Number of the coarser cells (h / s, w / s).

        Returns:
            (F, *shape).

        >>> PooledMaps(np.array([[[0.0, 4.0], [8.0, 0.0]]])).at((1, 1)).tolist()
        [[[3.0]]]
        """
        shape = tuple(shape)
        if shape not in self._made:
            twice = (2 * shape[0], 2 * shape[1])
            if all(s % t == 0 for s, t in zip(self.shape, twice, strict=True)):
                self._made[shape] = _halved(self.at(twice))  # means of equally many cells can be averaged again
            else:
                self._made[shape] = _averaged(self.finest, shape)
        return self._made[shape]


def _halved(maps_Fhw: Array) -> Array:
    """Average over 2 x 2 cells. In torch on a CPU, sums of slices take a fifth of the time of `avg_pool2d`."""
    rows = maps_Fhw[:, ::2] + maps_Fhw[:, 1::2]
    return (rows[:, :, ::2] + rows[:, :, 1::2]) * 0.25


def _averaged(maps_Fhw: Array, shape: tuple[int, ...]) -> Array:
    """Average over cells that need not divide the maps evenly: the mean of all cells that a coarser cell touches."""
    if not isinstance(maps_Fhw, np.ndarray):
        from torch.nn import functional as F

        return F.adaptive_avg_pool2d(maps_Fhw, (shape[0], shape[1]))
    rows_th, columns_tw = (_touched(*sides) for sides in zip(maps_Fhw.shape[-2:], shape, strict=True))
    return (rows_th @ maps_Fhw @ columns_tw.T).astype(maps_Fhw.dtype)


def _touched(old: int, new: int) -> np.ndarray:
    """Return (new, old): the weight of each old cell in the mean of each new one."""
    cells, place = np.arange(old), np.arange(new)[:, None]
    touched = (cells >= place * old // new) & (cells < -(-(place + 1) * old // new))
    return touched / touched.sum(axis=1, keepdims=True)
