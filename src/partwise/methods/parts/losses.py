"""The losses of objectness and masks.

Axes: B images, K = k * k parts, m window cells a side, M windows, h and w cells of a map. Lists have one entry for each
grid of windows.
"""

from __future__ import annotations

import math

import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F

from partwise.methods.method import Targets
from partwise.methods.parts.windows import assemble


def objectness_loss(objectness: list[Tensor], targets: list[Targets]) -> Tensor:
    """Compute the sigmoid focal loss (RetinaNet, Lin et al. 2017) over all cells that are not ignored.

    Args:
        objectness: (B, h, w) logits of each grid.
        targets: The targets of the B images, see `assign_windows`.

    Returns:
        A scalar: the sum over the cells, divided by the number of positive cells.
    """
    total = objectness[0].new_zeros(())
    positives = torch.zeros_like(total, dtype=torch.int64)  # a tensor: a GPU waits wherever a number is read
    for index, logits in enumerate(objectness):
        truth = torch.stack([t[f"objectness_{index}"] for t in targets]).to(logits.dtype)
        loss = torchvision.ops.sigmoid_focal_loss(logits, truth.clamp(min=0), alpha=0.25, gamma=2.0)
        total = total + (loss * (truth >= 0)).sum()
        positives = positives + (truth == 1).sum()
    return total / positives.clamp(min=1)


def mask_loss(parts: list[Tensor], targets: list[Targets], weights: list[Tensor], most: int) -> Tensor:
    """Compute the mean of `window_loss` over the positive windows.

    Args:
        parts: (B, K, h, w) logits of each grid.
        targets: The targets of the B images, see `assign_windows`.
        weights: (K, m, m) of each grid, see `part_weights`.
        most: The maximum number of windows of an image. If there are more, only every second (third, ...) window is
            used.

    Returns:
        A scalar; 0 if there is no positive window.
    """
    losses = []
    for b, target in enumerate(targets):
        count = sum(len(target[f"centres_{index}"]) for index in range(len(parts)))
        step = max(1, math.ceil(count / most))
        for index, (maps_BKhw, weights_Kmm) in enumerate(zip(parts, weights, strict=True)):
            centres = target[f"centres_{index}"][::step]
            if len(centres) == 0:
                continue
            truth = target[f"coverage_{index}"][::step].float()
            assembled, inside = assemble(maps_BKhw[b], centres, weights_Kmm)
            losses.append(window_loss(assembled, truth, inside))
    return torch.cat(losses).mean() if losses else sum((p.sum() for p in parts), parts[0].new_zeros(())) * 0.0


def window_loss(logits_Mmm: Tensor, truth_Mmm: Tensor, inside_Mmm: Tensor) -> Tensor:
    """Compute the binary cross entropy (mean over the cells on the map) plus 1 - 2 |a b| / (|a|^2 + |b|^2) (Dice).

    Args:
        logits_Mmm: (M, m, m) logits of the masks.
        truth_Mmm: (M, m, m) share of each cell that the object covers, 0..1.
        inside_Mmm: (M, m, m) bool: the cells that lie on the map.

    Returns:
        (M,) loss of each window.
    """
    inside = inside_Mmm.to(logits_Mmm.dtype)
    entropy = F.binary_cross_entropy_with_logits(logits_Mmm, truth_Mmm, reduction="none")
    entropy = (entropy * inside).sum(dim=(1, 2)) / inside.sum(dim=(1, 2)).clamp(min=1)
    probability, truth = torch.sigmoid(logits_Mmm) * inside, truth_Mmm * inside
    overlap = (probability * truth).sum(dim=(1, 2))
    squares = probability.square().sum(dim=(1, 2)) + truth.square().sum(dim=(1, 2))
    return entropy + 1 - (2 * overlap + 1) / (squares + 1)


def untouched(module: nn.Module) -> Tensor:
    """Return 0 with a gradient of 0 for every weight of a module.

    In a training with several processes each process waits for the gradients of all weights, so that every weight needs
    one in every step.
    """
    return torch.stack([weight.sum() for weight in module.parameters()]).sum() * 0.0
