"""The cross entropy of the orderings, over all pixels or with another balance of background and instances.

Axes: B images, R maps of ranks (0 background), H and W pixels.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from partwise_report.ordering.targets import BACKGROUND, IGNORED

LossOver = Literal["all", "instances", "balanced"]


def order_loss(logits_BRHW: Tensor, ranks_BHW: Tensor, over: LossOver = "all") -> Tensor:
    """Compute the softmax cross entropy of the ranks.

    Args:
        logits_BRHW: Of the maps, float.
        ranks_BHW: uint8, the true map of each pixel; 0 background, 255 ignored.
        over: "all": mean over all pixels that are not ignored. "instances": mean over the pixels of instances.
            "balanced": half the mean over background and half that over instances.

    Returns:
        A scalar. Pixels of which the batch has none contribute nothing.
    """
    truth = ranks_BHW.long()
    losses_BHW = F.cross_entropy(logits_BRHW, truth, ignore_index=IGNORED, reduction="none")
    known = truth != IGNORED
    if over == "all":
        return _mean(losses_BHW, known)
    on_instances = _mean(losses_BHW, known & (truth != BACKGROUND))
    if over == "instances":
        return on_instances
    return 0.5 * (on_instances + _mean(losses_BHW, truth == BACKGROUND))


def _mean(losses_BHW: Tensor, chosen_BHW: Tensor) -> Tensor:
    return torch.where(chosen_BHW, losses_BHW, 0.0).sum() / chosen_BHW.sum().clamp(min=1)
