"""Which instance has which map, said otherwise than by rank: by place, by best fit, by colour.

Axes: N instances, R maps (map 0 is the background), P pixels, H and W pixels.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn import functional as F

from partwise_report.ordering.targets import BACKGROUND, IGNORED, OVERFLOW, Assignment
from streeteval.instances import Instances

STEP_PX = 4  # fits are measured at every fourth pixel along both axes
LEAST_PROBABILITY = 1e-6


def by_location(instances: Instances, limit: int, *, grid: tuple[int, int]) -> Assignment:
    """The map of an instance is the cell of a grid over the image in which its centre lies (SOLO, section 3.1).

    Of several instances with their centres in one cell the largest has it (of equally large ones that which begins
    first in reading order), the others overflow.

    Args:
        instances: Of one class.
        limit: Number of maps, rows x columns.
        grid: (rows, columns).

    >>> one = np.zeros((4, 8), bool); one[3, 6] = True
    >>> by_location(Instances.from_masks([26], [1], [one]), 8, grid=(2, 4)).maps_N.tolist()
    [8]
    """
    rows, columns = grid
    if rows * columns != limit:
        raise ValueError(f"a grid of {rows} x {columns} cells for {limit} maps")
    cells, keys = [], []
    for (x0, y0, *_), mask in zip(instances.boxes.tolist(), instances.masks, strict=True):
        ys, xs = np.nonzero(mask)
        y, x = y0 + ys.mean() + 0.5, x0 + xs.mean() + 0.5
        cells.append(int(y * rows / instances.size[0]) * columns + int(x * columns / instances.size[1]) + 1)
        keys.append((-len(ys), y0 + int(ys[0]), x0 + int(xs[0])))
    maps_N = np.full(len(cells), OVERFLOW)
    taken = set()
    for n in sorted(range(len(cells)), key=keys.__getitem__):
        if cells[n] not in taken:
            taken.add(cells[n])
            maps_N[n] = cells[n]
    return Assignment(maps_N, 0, len(cells) - len(taken))


def numbers_of(instances_HW: Tensor) -> Tensor:
    """(N,) the numbers of the instances in a map of numbers, ascending; background and ignored are none."""
    numbers = torch.unique(instances_HW)
    return numbers[(numbers != BACKGROUND) & (numbers != IGNORED)]


def repainted(instances_HW: Tensor, numbers_N: Tensor, maps_N: Tensor) -> Tensor:
    """The map of numbers with each number replaced by a map's, uint8; numbers that are not given become IGNORED."""
    table = torch.full((256,), IGNORED, dtype=torch.uint8, device=instances_HW.device)
    table[BACKGROUND] = BACKGROUND
    table[numbers_N.long()] = maps_N.to(torch.uint8)
    return table[instances_HW.long()]


@torch.no_grad()
def best_fit(logits_RHW: Tensor, instances_HW: Tensor) -> Tensor:
    """(H, W) uint8: every instance has a map of its own, so that the sum of their soft IoU is largest (Hungarian).

    As RIS (Romera-Paredes & Torr 2016) and DETR (Carion et al. 2020) assign: no order of the truth matters. Where there
    are more instances than maps, those that fit worst are IGNORED.
    """
    seen = instances_HW[::STEP_PX, ::STEP_PX]
    probability_RP = torch.softmax(logits_RHW[:, ::STEP_PX, ::STEP_PX].flatten(1).float(), dim=0)[1:]
    numbers_N = numbers_of(instances_HW)
    inside_NP = (seen.flatten()[None] == numbers_N[:, None]).float()
    known_P = (seen != IGNORED).flatten().float()
    overlap_NR = inside_NP @ probability_RP.T
    union_NR = inside_NP.sum(dim=1, keepdim=True) + (probability_RP * known_P).sum(dim=1) - overlap_NR
    iou_NR = overlap_NR / union_NR.clamp(min=LEAST_PROBABILITY)
    chosen, maps = linear_sum_assignment(iou_NR.cpu().numpy(), maximize=True)
    maps_N = torch.from_numpy(maps + 1).to(instances_HW.device)
    return repainted(instances_HW, numbers_N[torch.from_numpy(chosen).to(numbers_N.device)], maps_N)


def colouring_loss(logits_RHW: Tensor, instances_HW: Tensor, halo_px: int, halo_weight: float) -> Tensor:
    """Deep Coloring (Kulikov et al. 2018): each instance has the colour that suits it best at the moment.

    A colour suits an instance as far as its pixels have it and those around it (within `halo_px`, the halo) do not:
    mean log p over the instance + halo_weight x mean log (1 - p) over the halo. The loss is minus the mean log p of the
    chosen colour over the instance, mean over the instances, minus the mean log p of the background over the pixels of
    none: as in the authors' code (kulikovv/DeepColoring, halo_loss) the halo has a say in the choice alone. Instances
    that are far from each other may share a colour.
    """
    log_p = F.log_softmax(logits_RHW.float(), dim=0)
    background = instances_HW == BACKGROUND
    loss = -log_p[0][background].mean() if background.any() else log_p.sum() * 0.0
    chosen = []
    for number in numbers_of(instances_HW).tolist():
        (y0, y1, x0, x1), mask, halo = _with_halo(instances_HW, number, halo_px)
        here = log_p[1:, y0:y1, x0:x1]
        inside_R = here[:, mask].mean(dim=1)
        suits_R = inside_R.detach()
        if halo.any():
            apart = torch.log1p(-here[:, halo].detach().exp().clamp(max=1 - LEAST_PROBABILITY))
            suits_R = suits_R + halo_weight * apart.mean(dim=1)
        chosen.append(inside_R[suits_R.argmax()])
    return loss - torch.stack(chosen).mean() if chosen else loss


def colours(instances_HW: Tensor, count: int, halo_px: int) -> Tensor:
    """(H, W) uint8: the instances in `count` colours (1 ... count), none of which touches the halo of its like.

    Greedy: an instance, in the order of its number, has the first colour that none of those before it in its halo has;
    where all are taken, the one with the fewest pixels there.
    """
    numbers = numbers_of(instances_HW)
    painted = torch.where(instances_HW == IGNORED, IGNORED, BACKGROUND).to(torch.uint8)
    for number in numbers.tolist():
        (y0, y1, x0, x1), mask, halo = _with_halo(instances_HW, number, halo_px)
        near = torch.bincount(painted[y0:y1, x0:x1][halo].long(), minlength=256)[1 : count + 1]
        painted[y0:y1, x0:x1][mask] = int(near.argmin()) + 1
    return painted


def _with_halo(instances_HW: Tensor, number: int, halo_px: int) -> tuple[tuple[int, int, int, int], Tensor, Tensor]:
    """(y0, y1, x0, x1) of a piece of the image, and in it one instance's mask and what lies within `halo_px` of it."""
    whole = instances_HW == number
    ys, xs = whole.any(dim=1).nonzero().flatten(), whole.any(dim=0).nonzero().flatten()
    y0, y1 = max(int(ys[0]) - halo_px, 0), min(int(ys[-1]) + 1 + halo_px, whole.shape[0])
    x0, x1 = max(int(xs[0]) - halo_px, 0), min(int(xs[-1]) + 1 + halo_px, whole.shape[1])
    mask = whole[y0:y1, x0:x1]
    grown = F.max_pool2d(mask[None].float(), 2 * halo_px + 1, stride=1, padding=halo_px)[0] > 0
    return (y0, y1, x0, x1), mask, grown & ~mask & (instances_HW[y0:y1, x0:x1] != IGNORED)
