"""The outputs of a perfect network of part maps: the inverse of decoding.

Axes: K = k * k parts, m window cells a side, M windows, E cells of all windows, P positions at which maps are
corrected, h and w cells of a map.
"""

from __future__ import annotations

import torch
from torch import Tensor

from partwise.methods.method import Targets
from partwise.methods.parts.windows import Window, window_cells

ORACLE_LOGIT = 10.0
LEAST_SHARE = 1e-4  # coverage is clamped to this distance from 0 and 1, which gives logits of +-9.2
STIFFNESS = 0.01  # regularisation of the least squares; the squares of a cell's weights sum to .25 to 1
RESIDUAL = 0.1  # cells whose logits differ by less from what is wanted are not corrected


class OracleParts:
    """The part maps and objectness that a perfect network would give.

    If only one window uses a map at a cell, the map has there the logit of the window's coverage, which minimises the
    cross entropy. If several windows use it, the map first has the value of the window in which the part has the
    largest weight. Then all maps are changed at this cell, as little as possible, until they assemble into what each
    window wants (least squares). Bilinear parts can often serve two objects that touch; nearest parts cannot.

    Args:
        windows: Stride and cells of each grid.
        weights: (K, m, m) of each grid, from `part_weights`. A window uses a part at a cell where its weight is
            positive.
    """

    def __init__(self, windows: tuple[Window, ...], weights: list[Tensor]):
        self.windows, self.weights = windows, [weight.cpu() for weight in weights]

    def maps(self, target: Targets) -> dict[str, list[Tensor]]:
        """Compute the maps for one scene.

        Args:
            target: The targets of the scene, see `assign_windows`.

        Returns:
            "objectness", (h, w) logits of each grid, positive only at the nearest window of each object, and "parts",
            (K, h, w) logits of each grid.
        """
        made = [self._grid(index, target) for index in range(len(self.windows))]
        return {"objectness": [objectness for objectness, _ in made], "parts": [parts for _, parts in made]}

    def _grid(self, index: int, target: Targets) -> tuple[Tensor, Tensor]:
        """Compute objectness (h, w) and part maps (K, h, w) of one grid."""
        shape, weights = tuple(target[f"objectness_{index}"].shape), self.weights[index]
        objectness = torch.full(shape, -ORACLE_LOGIT)
        parts = torch.full((len(weights), *shape), -ORACLE_LOGIT)
        claim = torch.zeros(len(weights), *shape)  # the largest weight so far
        centres, nearest = target[f"centres_{index}"], target[f"nearest_{index}"]
        if len(centres) == 0:
            return objectness, parts
        objectness[centres[nearest, 0], centres[nearest, 1]] = ORACLE_LOGIT
        wanted_Mmm = torch.logit(target[f"coverage_{index}"].float(), eps=LEAST_SHARE)
        rows, columns, inside = window_cells(centres, weights.shape[-1], shape)
        # The nearest windows, which will be decoded, come first. The other positive windows get the remaining cells.
        for n in [*nearest.nonzero().flatten().tolist(), *(~nearest).nonzero().flatten().tolist()]:
            at = (slice(None), rows[n][:, None], columns[n][None, :])
            stronger = (weights > claim[at]) & inside[n] & (bool(nearest[n]) | (claim[at] == 0))
            parts[at] = torch.where(stronger, wanted_Mmm[n].expand_as(weights), parts[at])
            claim[at] = torch.where(stronger, weights, claim[at])
        place_Mmm = rows[:, :, None] * shape[1] + columns[:, None, :]
        inside = inside & nearest[:, None, None]
        weights_EK = weights.movedim(0, -1).expand(len(centres), -1, -1, -1)[inside]
        return objectness, corrected(parts, place_Mmm[inside], weights_EK, wanted_Mmm[inside])


def corrected(parts_Khw: Tensor, place_E: Tensor, weights_EK: Tensor, wanted_E: Tensor) -> Tensor:
    """Change part maps, as little as possible, until they assemble at every cell into what the windows there want.

    At each cell the change x minimises |W x - r|^2 + STIFFNESS |x|^2, where r is the difference between what the
    windows want and what they have.

    Args:
        parts_Khw: (K, h, w) logits before the change.
        place_E: (E,) int64, y * w + x of each cell of each window.
        weights_EK: (E, K) weights by which the parts are assembled there.
        wanted_E: (E,) logit that the window wants there.

    Returns:
        (K, h, w) logits.

    >>> one, two = torch.tensor([0.75, 0.25]), torch.tensor([0.25, 0.75])  # two windows share a cell and two parts
    >>> wanted = torch.tensor([9.0, -9.0])
    >>> moved = corrected(torch.zeros(2, 1, 1), torch.tensor([0, 0]), torch.stack([one, two]), wanted)
    >>> [round(float(logit), 1) for logit in torch.stack([one, two]) @ moved.flatten()]
    [8.7, -8.7]
    """
    flat_KC = parts_Khw.flatten(1).clone()
    lacking_E = wanted_E - (weights_EK * flat_KC[:, place_E].T).sum(dim=1)
    broken = torch.zeros(flat_KC.shape[1], dtype=torch.bool)
    broken[place_E[lacking_E.abs() > RESIDUAL]] = True
    if not broken.any():
        return parts_Khw
    row_of_place = broken.cumsum(0) - 1
    use_E = broken[place_E]
    row, weights_EK, lacking_E = row_of_place[place_E[use_E]], weights_EK[use_E], lacking_E[use_E]
    count, k2 = int(broken.sum()), weights_EK.shape[1]
    normal_PKK = STIFFNESS * torch.eye(k2).repeat(count, 1, 1)
    normal_PKK.index_add_(0, row, weights_EK[:, :, None] * weights_EK[:, None, :])
    right_PK = torch.zeros(count, k2).index_add_(0, row, weights_EK * lacking_E[:, None])
    flat_KC[:, broken] += torch.linalg.solve(normal_PKK, right_PK).T
    return flat_KC.view_as(parts_Khw)
