"""Maps of one image at the cells of every grid: what windows of a stride see of a map that is finer.

Axes: F maps, h and w cells.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional as F


class PooledMaps:
    """Maps of one image and their means over coarser cells, each size made once, from the next finer one.

    maps_Fhw   at their own cells
    """

    def __init__(self, maps_Fhw: Tensor):
        self.shape = tuple(maps_Fhw.shape[-2:])
        self._made: dict[tuple[int, ...], Tensor] = {self.shape: maps_Fhw}

    @property
    def finest(self) -> Tensor:
        """(F, h, w): the maps at their own cells."""
        return self._made[self.shape]

    def at(self, shape: Sequence[int]) -> Tensor:
        """(F, *shape): the maps as means over cells of which there are so many (h / s, w / s).

        >>> import torch
        >>> PooledMaps(torch.tensor([[[0.0, 4.0], [8.0, 0.0]]])).at((1, 1)).tolist()
        [[[3.0]]]
        """
        shape = tuple(shape)
        if shape not in self._made:
            twice = (2 * shape[0], 2 * shape[1])
            if all(s % t == 0 for s, t in zip(self.shape, twice, strict=True)):
                self._made[shape] = _halved(self.at(twice))  # a mean of means of as many cells is their mean
            else:
                self._made[shape] = F.adaptive_avg_pool2d(self.finest, (shape[0], shape[1]))
        return self._made[shape]


def _halved(maps_Fhw: Tensor) -> Tensor:
    """Means over 2 x 2 cells. Sums of slices take a fifth of the time of `avg_pool2d` on a CPU."""
    rows = maps_Fhw[:, ::2] + maps_Fhw[:, 1::2]
    return (rows[:, :, ::2] + rows[:, :, 1::2]) * 0.25
