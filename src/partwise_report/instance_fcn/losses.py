"""The losses that the report tried for its windows (2.4.5 to 2.4.7), and the paper's.

Axes: B images, K = k * k parts, M windows, P cells of all windows, h and w cells.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from partwise.methods.method import Targets
from partwise_report.instance_fcn.windows import cells_of, centre_cells


def objectness_loss(kind: str, objectness_Bhw: Tensor, targets: list[Targets]) -> Tensor:
    """Mean over all windows of the batch; 0 where there is none.

    kind  "mean_l1"   |mean of the map over the window - truth|, the map as it is (report 2.4.5)
          "central4"  logistic, mean over the four central cells (report 2.4.6)
          "window"    logistic, mean over every cell of the window (report 2.4.7)
          "centre"    logistic, of the centre cell (InstanceFCN, section 3.2)
    """
    device = objectness_Bhw.device
    losses = [
        _window_objectness(kind, map_hw, target["boxes"].to(device), target["objectness"].to(device).to(map_hw.dtype))
        for map_hw, target in zip(objectness_Bhw, targets, strict=True)
    ]
    losses_M = torch.cat(losses)
    return losses_M.mean() if len(losses_M) else objectness_Bhw.sum() * 0.0


def _window_objectness(kind: str, map_hw: Tensor, boxes_M4: Tensor, truth_M: Tensor) -> Tensor:
    """(M,) loss of each window."""
    shape = tuple(map_hw.shape)
    if kind in ("centre", "central4"):
        rows, columns = centre_cells(boxes_M4, shape, (0,) if kind == "centre" else (-1, 0))
        logits = map_hw[rows, columns]
        truth = truth_M[:, None].expand_as(logits)
        return F.binary_cross_entropy_with_logits(logits, truth, reduction="none").mean(dim=1)
    cells = cells_of(boxes_M4, 1, shape)
    values_P = map_hw[cells.y_P, cells.x_P]
    if kind == "mean_l1":
        return (cells.mean(values_P) - truth_M).abs()
    return cells.mean(F.binary_cross_entropy_with_logits(values_P, truth_M[cells.window_P], reduction="none"))


def mask_loss(kind: str, parts_BKhw: Tensor, targets: list[Targets], k: int) -> Tensor:
    """Mean over the positive windows of the batch, each the mean over its cells on the map; 0 where there is none.

    kind  "plain"     logistic (report 2.4.5; InstanceFCN, section 3.2)
          "balanced"  logistic, the object weighted by the share of the rest of the window and the rest by that of the
                      object (report 2.4.6; Caelles et al. 2016, equation 2)

    The paper and the report sum over cells and windows, which weighs masks more against objectness, by the number of
    cells of a window (21 x 21 in the paper); with the mean a large car counts no more than a small one.

    The truth of a cell is the share of it that the window's object covers: the mean over the cell's pixels.
    """
    losses = []
    for parts_Khw, target in zip(parts_BKhw, targets, strict=True):
        positive = target["object"] >= 0
        boxes, holder = (target[name][positive].to(parts_Khw.device) for name in ("boxes", "object"))
        cells = cells_of(boxes, k, tuple(parts_Khw.shape[-2:]))
        logits_P = cells.assembled(parts_Khw)
        coverage = target["coverage"].to(parts_Khw.device)
        truth_P = coverage[holder[cells.window_P], cells.y_P, cells.x_P].to(logits_P.dtype)
        entropy_P = F.binary_cross_entropy_with_logits(logits_P, truth_P, reduction="none")
        if kind == "balanced":
            share_P = cells.mean(truth_P)[cells.window_P]  # of the window's cells that are the object's
            entropy_P = (1 - share_P) * truth_P * F.softplus(-logits_P) + share_P * (1 - truth_P) * F.softplus(logits_P)
        losses.append(cells.mean(entropy_P))
    losses_M = torch.cat(losses)
    return losses_M.mean() if len(losses_M) else parts_BKhw.sum() * 0.0
