"""What objectness and masks are taught by.

Axes: B images, K = k * k parts, m window cells a side, M windows, h and w cells of a map. Lists have one entry a window
grid.
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
    """Sigmoid focal loss (RetinaNet) over all cells that are not ignored, by the number of positives.

    objectness   (B, h, w) logits of each grid
    """
    total, positives = objectness[0].new_zeros(()), 0
    for index, logits in enumerate(objectness):
        truth = torch.stack([t[f"objectness_{index}"] for t in targets]).to(logits.dtype)
        loss = torchvision.ops.sigmoid_focal_loss(logits, truth.clamp(min=0), alpha=0.25, gamma=2.0)
        total = total + (loss * (truth >= 0)).sum()
        positives += int((truth == 1).sum())
    return total / max(positives, 1)


def mask_loss(parts: list[Tensor], targets: list[Targets], weights: list[Tensor], most: int) -> Tensor:
    """Mean over positive windows of `window_loss`; 0 where there is none.

    parts     (B, K, h, w) logits of each grid
    weights   (K, m, m) of each grid, see `part_weights`
    most      windows of an image; of more only every second, third, ... counts
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
    """(M,) binary cross entropy (mean over the cells inside) plus Dice (1 - 2 |a b| / (|a|^2 + |b|^2))."""
    inside = inside_Mmm.to(logits_Mmm.dtype)
    entropy = F.binary_cross_entropy_with_logits(logits_Mmm, truth_Mmm, reduction="none")
    entropy = (entropy * inside).sum(dim=(1, 2)) / inside.sum(dim=(1, 2)).clamp(min=1)
    probability, truth = torch.sigmoid(logits_Mmm) * inside, truth_Mmm * inside
    overlap = (probability * truth).sum(dim=(1, 2))
    squares = probability.square().sum(dim=(1, 2)) + truth.square().sum(dim=(1, 2))
    return entropy + 1 - (2 * overlap + 1) / (squares + 1)


def untouched(module: nn.Module) -> Tensor:
    """0, with a gradient of 0 for every weight: several processes wait for each other's gradient of each."""
    return torch.stack([weight.sum() for weight in module.parameters()]).sum() * 0.0
