"""The cross entropy of the orderings, over all pixels or with another balance of background and instances.

Axes: B images, R maps of ranks (0 background), H and W pixels, h and w cells, s the stride, S the rows of a strip,
c columns of cells with one more on each side.
"""

from __future__ import annotations

import functools
import itertools
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from partwise_report.ordering.targets import BACKGROUND, IGNORED

LossOver = Literal["all", "instances", "balanced"]
STRIP = 16  # rows of pixels that are enlarged at once: a column of the cells of 31 maps is 254 kB, which a cache holds


def order_loss(logits_BRhw: Tensor, ranks_BHW: Tensor, over: LossOver = "all") -> Tensor:
    """Compute the softmax cross entropy of the ranks.

    Args:
        logits_BRhw: Of the maps, float, at the pixels or at a stride: then they are enlarged (bilinear). The width in
            pixels is a multiple of that in cells.
        ranks_BHW: uint8, the true map of each pixel; 0 background, 255 ignored.
        over: "all": mean over all pixels that are not ignored. "instances": mean over the pixels of instances.
            "balanced": half the mean over background and half that over instances.

    Returns:
        A scalar. Pixels of which the batch has none contribute nothing.
    """
    weights_BHW = _weights(ranks_BHW, over)
    truth_BHW = torch.where(ranks_BHW == IGNORED, BACKGROUND, ranks_BHW).long()  # ignored: any map, at weight 0
    if logits_BRhw.shape[-2:] == ranks_BHW.shape[-2:]:
        return (F.cross_entropy(logits_BRhw, truth_BHW, reduction="none") * weights_BHW).sum()
    if logits_BRhw.device.type == "cpu":
        return _EnlargedCrossEntropy.apply(logits_BRhw, truth_BHW, weights_BHW)
    return _of_whole_maps(logits_BRhw, truth_BHW, weights_BHW)


def _of_whole_maps(logits_BRhw: Tensor, truth_BHW: Tensor, weights_BHW: Tensor) -> Tensor:
    """The same as `_EnlargedCrossEntropy` in a few large operations: on a GPU many small ones would take longer."""
    size = truth_BHW.shape[-2:]
    logits_BRHW = F.interpolate(logits_BRhw.float(), size=size, mode="bilinear", align_corners=False)
    return (F.cross_entropy(logits_BRHW, truth_BHW, reduction="none") * weights_BHW).sum()


def _weights(ranks_BHW: Tensor, over: LossOver) -> Tensor:
    """(B, H, W) float32: what each pixel adds to the loss, per unit of its cross entropy."""
    background, ignored = ranks_BHW == BACKGROUND, ranks_BHW == IGNORED
    if over == "all":
        return _shares(~ignored)
    on_instances = _shares(~ignored & ~background)
    return on_instances if over == "instances" else 0.5 * (on_instances + _shares(background))


def _shares(chosen_BHW: Tensor) -> Tensor:
    return chosen_BHW.float() / chosen_BHW.sum().clamp(min=1)


class _EnlargedCrossEntropy(torch.autograd.Function):
    """The weighted cross entropy of logits that are enlarged to the pixels, strip by strip, for a CPU.

    Loss and gradient are made in one pass. Neither the enlarged logits nor their gradient is ever in memory as a whole:
    for 31 maps of 1024x512 px each of them would have 65 MB, and time goes with what is read and written. A strip is
    enlarged by one column of pixels of all its cells at a time: these have the same two weights, so that no pixel needs
    a product with more than two cells.
    """

    @staticmethod
    def forward(ctx: Any, logits_BRhw: Tensor, truth_BHW: Tensor, weights_BHW: Tensor) -> Tensor:
        rows_Hh = _bilinear(logits_BRhw.shape[-2], truth_BHW.shape[-2]).to(logits_BRhw.device)
        stride = truth_BHW.shape[-1] // logits_BRhw.shape[-1]
        truth_BsHw, weights_BsHw = _by_column(truth_BHW, stride), _by_column(weights_BHW, stride)
        total = logits_BRhw.new_zeros((), dtype=torch.float32)
        with torch.autocast(logits_BRhw.device.type, enabled=False):
            tall_BRHw = rows_Hh @ logits_BRhw.float().contiguous()
            gradient_BRHw = torch.zeros_like(tall_BRHw)
            for b, first in itertools.product(range(len(tall_BRHw)), range(0, truth_BHW.shape[1], STRIP)):
                here = slice(first, first + STRIP)
                if weights_BsHw[b, :, here].any():
                    loss, gradient_BRHw[b, :, here] = _of_strip(
                        tall_BRHw[b, :, here], truth_BsHw[b, :, here], weights_BsHw[b, :, here]
                    )
                    total += loss
            ctx.save_for_backward((rows_Hh.T @ gradient_BRHw).to(logits_BRhw.dtype))
        return total

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None, None]:
        (gradient_BRhw,) = ctx.saved_tensors
        return gradient_BRhw * slopes[0], None, None


def _by_column(values_BHW: Tensor, stride: int) -> Tensor:
    """(B, stride, H, w): the first pixel of each cell, the second pixel of each cell, ..."""
    return values_BHW.unflatten(-1, (-1, stride)).permute(0, 3, 1, 2).contiguous()


def _of_strip(logits_RSw: Tensor, truth_sSw: Tensor, weights_sSw: Tensor) -> tuple[Tensor, Tensor]:
    """The weighted cross entropy of a strip, and (R, S, w) its derivative by the logits of the cells."""
    stride, cells = len(truth_sSw), logits_RSw.shape[-1]
    around_RSc = torch.cat([logits_RSw[..., :1], logits_RSw, logits_RSw[..., -1:]], dim=-1)  # a cell more on each side
    slopes_RSc = torch.zeros_like(around_RSc)
    total = logits_RSw.new_zeros(())
    for column in range(stride):
        place = (column + 0.5) / stride + 0.5  # in cells, from the centre of the cell before
        left, share = int(place), place - int(place)
        near, far = slice(left, left + cells), slice(left + 1, left + 1 + cells)
        logits_RSw = torch.lerp(around_RSc[..., near], around_RSc[..., far], share)
        loss, slope_RSw = _with_slope(logits_RSw, truth_sSw[column], weights_sSw[column])
        total += loss
        slopes_RSc[..., near].add_(slope_RSw, alpha=1 - share)
        slopes_RSc[..., far].add_(slope_RSw, alpha=share)
    slopes_RSc[..., 1] += slopes_RSc[..., 0]  # what lies outside has the values of the border
    slopes_RSc[..., -2] += slopes_RSc[..., -1]
    return total, slopes_RSc[..., 1:-1]


def _with_slope(logits_RSW: Tensor, truth_SW: Tensor, weights_SW: Tensor) -> tuple[Tensor, Tensor]:
    """The weighted cross entropy of a strip, and (R, S, W) its derivative by the logits, in their memory."""
    logits_RSW -= logits_RSW.amax(dim=0)
    of_truth_SW = logits_RSW.gather(0, truth_SW[None])[0]
    sums_SW = logits_RSW.exp_().sum(dim=0)
    loss = ((sums_SW.log() - of_truth_SW) * weights_SW).sum()
    logits_RSW *= weights_SW / sums_SW
    return loss, logits_RSW.scatter_add_(0, truth_SW[None], -weights_SW[None])


@functools.lru_cache(maxsize=16)
def _bilinear(cells: int, pixels: int) -> Tensor:
    """(pixels, cells) float32: how much of each cell is in each pixel of a line, as in `F.interpolate`."""
    one_hot = torch.eye(cells)[None]
    return F.interpolate(one_hot, size=pixels, mode="linear", align_corners=False)[0].T.contiguous()
