"""The losses that the report tried for its windows (2.4.5 to 2.4.7), those of its code, and the paper's.

Each is a number for each window, the mean over the window's cells on the map; windows are averaged or summed.

Axes: B images, K = k * k parts, M windows, N objects, h and w cells (or pixels, where the maps are enlarged to them).
Boxes of windows are y0 x0 y1 x1 in cells, half-open.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from partwise.methods import Targets
from partwise_report.instance_fcn.windows import centre_cells, means_in_boxes, weights_of_parts

__all__ = ["at_pixels", "mask_loss", "objectness_loss"]

Reduction = Literal["mean", "sum"]
LEAST_SHARE = 1e-6  # of a window that its object is taken to cover, where "weighted" divides by it


def at_pixels(maps_BKhw: Tensor, targets: list[Targets], cell_px: int) -> tuple[Tensor, list[Targets]]:
    """Enlarge maps to the pixels of the image, and state the targets there.

    Args:
        maps_BKhw: Logits, or any maps.
        targets: Of each image, with `object_at`.
        cell_px: Pixels of the image for each cell.

    Returns:
        The maps, bilinear, (B, K, H, W), and the targets with boxes in pixels and the truth of each pixel.
    """
    enlarged = F.interpolate(maps_BKhw, scale_factor=cell_px, mode="bilinear")
    return enlarged, [target | {"boxes": target["boxes"] * cell_px} for target in targets]


def objectness_loss(kind: str, objectness_Bhw: Tensor, targets: list[Targets], reduction: Reduction = "mean") -> Tensor:
    """The loss of the objectness map.

    Args:
        kind: What the objectness of a window is.
            "mean_l1": |mean of the map over the window - truth|, the map as it is (report 2.4.5);
            "central4": logistic, mean over the four central cells (report 2.4.6);
            "window": logistic, mean over every cell of the window (report 2.4.7);
            "centre": logistic, of the centre cell (InstanceFCN, section 3.2).
        objectness_Bhw: The map of each image.
        targets: Of each image, with "boxes" in cells of these maps.
        reduction: "mean" or "sum" over all windows of the batch.

    Returns:
        A scalar; 0 where there is no window.
    """
    device = objectness_Bhw.device
    losses = [
        _window_objectness(kind, map_hw, target["boxes"].to(device), target["objectness"].to(device).to(map_hw.dtype))
        for map_hw, target in zip(objectness_Bhw, targets, strict=True)
    ]
    losses_M = torch.cat(losses)
    total = losses_M.sum() + objectness_Bhw.sum() * 0.0
    return total if reduction == "sum" else total / max(1, len(losses_M))


def _window_objectness(kind: str, map_hw: Tensor, boxes_M4: Tensor, truth_M: Tensor) -> Tensor:
    """(M,) loss of each window."""
    if kind in ("centre", "central4"):
        rows, columns = centre_cells(boxes_M4, tuple(map_hw.shape), (0,) if kind == "centre" else (-1, 0))
        logits = map_hw[rows, columns]
        truth = truth_M[:, None].expand_as(logits)
        return F.binary_cross_entropy_with_logits(logits, truth, reduction="none").mean(dim=1)
    if kind == "mean_l1":
        return (means_in_boxes(map_hw, boxes_M4) - truth_M).abs()
    as_object, as_rest = (means_in_boxes(F.softplus(sign * map_hw), boxes_M4) for sign in (-1, 1))
    return truth_M * as_object + (1 - truth_M) * as_rest


def mask_loss(kind: str, parts_BKhw: Tensor, targets: list[Targets], k: int, reduction: Reduction = "mean") -> Tensor:
    """The loss of the assembled masks of positive windows: the logistic loss, mean over a window's cells on the map.

    The truth of a cell is the share of it that the window's object covers; where the targets have "object_at", the maps
    are at pixels, and the truth is 0 or 1.

    With s the share of the window that its object covers, the cells of the object and the rest weigh

    - "plain": 1 and 1 (report 2.4.5; InstanceFCN, section 3.2);
    - "balanced": 1 - s and s (report 2.4.6; Caelles et al. 2016, equation 2). A window weighs 2 s (1 - s), so that
      objects that fill their window to a half weigh most, and small ones in their margin little;
    - "weighted": (1 - s) / s and 1 (the report's code). A window weighs 2 (1 - s): small objects weigh most.

    Args:
        kind: Of the weights.
        parts_BKhw: Part maps, logits.
        targets: Of each image, with "boxes" in cells of these maps.
        k: A window has k x k parts.
        reduction: "mean" or "sum" over the positive windows of the batch. The report's code takes the sum, which weighs
            masks against objectness as its windows are counted.

    Returns:
        A scalar; 0 where there is no positive window.
    """
    total, windows = parts_BKhw.sum() * 0.0, 0
    for parts_Khw, target in zip(parts_BKhw, targets, strict=True):
        holder_M = target["object"]
        for n in torch.unique(holder_M[holder_M >= 0]).tolist():
            boxes_M4 = target["boxes"][holder_M == n].to(parts_Khw.device)
            total = total + _masks_of_object(kind, parts_Khw, _truth_of(target, n, parts_Khw), boxes_M4, k)
            windows += len(boxes_M4)
    return total if reduction == "sum" else total / max(1, windows)


def _truth_of(target: Targets, n: int, like: Tensor) -> Tensor:
    """(h, w) share of each cell that object n covers."""
    truth = target["object_at"] == n if "object_at" in target else target["coverage"][n]
    return truth.to(like.device).to(like.dtype)


def _masks_of_object(kind: str, parts_Khw: Tensor, truth_hw: Tensor, boxes_M4: Tensor, k: int) -> Tensor:
    """The sum of the losses of all windows of one object.

    A cell's loss does not depend on the window, only its weight does: the weights of all windows are added up first.
    """
    low = boxes_M4[:, :2].amin(dim=0).clamp(min=0).tolist()
    high = torch.minimum(boxes_M4[:, 2:].amax(dim=0).cpu(), torch.tensor(truth_hw.shape)).tolist()
    cut = (slice(low[0], high[0]), slice(low[1], high[1]))  # where the windows are
    parts_Khw, truth_hw = parts_Khw[:, cut[0], cut[1]], truth_hw[cut]
    boxes_M4 = boxes_M4 - torch.tensor([*low, *low], device=boxes_M4.device)
    share_M = means_in_boxes(truth_hw, boxes_M4)
    of_object_M, of_rest_M = torch.ones_like(share_M), torch.ones_like(share_M)
    if kind == "balanced":
        of_object_M, of_rest_M = 1 - share_M, share_M
    elif kind == "weighted":
        of_object_M = (1 - share_M) / share_M.clamp(min=LEAST_SHARE)
    of_object_Khw, of_rest_Khw = weights_of_parts(torch.stack([of_object_M, of_rest_M]), boxes_M4, k, truth_hw.shape)
    loss_Khw = of_object_Khw * truth_hw * F.softplus(-parts_Khw) + of_rest_Khw * (1 - truth_hw) * F.softplus(parts_Khw)
    return loss_Khw.sum()
