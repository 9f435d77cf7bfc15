"""From part maps and objectness to instances as the instance-sensitive FCN does it: a window at every position.

Axes: M windows, K = k * k parts, C evaluated classes, h and w cells of a map, H and W pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
import torchvision
from torch import Tensor
from torch.nn import functional as F

from partwise.scene import Prediction
from partwise_report.instance_fcn.config import InstanceFcnConfig, InstanceFcnDecodeConfig
from partwise_report.instance_fcn.windows import cells_of
from partwise_report.slips import SPARSE_STEP_CELLS
from streeteval.boxes import box_of_mask
from streeteval.instances import Instances
from streeteval.labels import LabelSet

__all__ = ["Decoded", "InstanceFcnDecodeConfig", "InstanceFcnDecoder", "Proposals", "objectness_of_windows"]

OUTSIDE_LOGIT = -20.0  # of a window's cells that do not lie on the map


def objectness_of_windows(kind: str, objectness_hw: Tensor, cells: tuple[int, int]) -> Tensor:
    """(h, w) score of the window of `cells` (rows, columns) centred at each cell: what the loss of this kind looks at.

    Args:
        kind: "mean_l1": mean of the map in the window, not a logit; "window": mean probability in the window;
            "central4": probability of the mean logit of its four central cells; "centre": of its centre cell.
        objectness_hw: The map as the network gives it.
        cells: (rows, columns) of the windows.
    """
    if kind == "centre":
        return torch.sigmoid(objectness_hw)
    if kind == "central4":
        padded = F.pad(objectness_hw[None, None], (1, 0, 1, 0), mode="replicate")
        return torch.sigmoid(F.avg_pool2d(padded, 2, stride=1)[0, 0])
    values = torch.sigmoid(objectness_hw) if kind == "window" else objectness_hw
    height, width = objectness_hw.shape
    inside = torch.ones_like(values)
    # The window at cell c covers c - rows // 2 ... c - rows // 2 + rows - 1; beyond the map there is nothing.
    pad = [(side // 2, side - 1 - side // 2) for side in cells]
    both = F.pad(torch.stack([values, inside])[None], (*pad[1], *pad[0]))
    summed = both.cumsum(dim=-1).cumsum(dim=-2)
    summed = F.pad(summed, (1, 0, 1, 0))[0]
    rows, columns = cells
    area = (
        summed[:, rows : rows + height, columns : columns + width]
        - summed[:, :height, columns : columns + width]
        - summed[:, rows : rows + height, :width]
        + summed[:, :height, :width]
    )
    return area[0] / area[1].clamp(min=1)


@dataclass
class Proposals:
    """M assembled windows of one size on one map, before their masks are painted.

    Attributes:
        boxes_M4: int64: y0 x0 y1 x1 in cells.
        logits: (M, rows, columns) of the masks.
        mask_box_M4: float: x0 y0 x1 y1 of the mask in pixels of the image, by its cells.
        scores_M: In 0..1.
        labels_M: Ids of the label set.
        cell_px: (y, x): pixels of the image that a cell is high and wide.
    """

    boxes_M4: Tensor
    logits: Tensor
    mask_box_M4: Tensor
    scores_M: Tensor
    labels_M: Tensor
    cell_px: tuple[float, float]


@dataclass(frozen=True, eq=False)
class Decoded:
    """What windows became.

    Attributes:
        instances: The one with the highest score first.
        kept: The windows that suppression left, numbered over all proposals, the highest score first.
        shown: The window of each instance.
    """

    instances: Instances
    kept: list[int]
    shown: list[int]


class InstanceFcnDecoder:
    """Looks at every window of each size, keeps the best, and paints them.

    Args:
        config: Of the method.
        classes: Ids; with several the class is voted for inside the mask by the semantic map.
        label_set: That these ids are of.
    """

    def __init__(self, config: InstanceFcnConfig, classes: tuple[int, ...], label_set: LabelSet):
        self.config, self.slips, self.sizes, self.k = config.decode, config.slips, config.window_sizes, config.k
        self.kind, self.stride_px = config.objectness, config.stride_px
        self.ids = torch.tensor(classes)
        self.train_ids = torch.tensor([label_set.by_id[id_].train_id for id_ in classes])

    def proposals(
        self, objectness_hw: Tensor, parts_Khw: Tensor, semantic_Chw: Tensor | None, enlarged: tuple[float, float]
    ) -> list[Proposals]:
        """The assembled windows of one map of one image, one entry a size; windows without a mask are left out.

        Args:
            objectness_hw: Map as the network gives it.
            parts_Khw: Part maps, logits.
            semantic_Chw: Logits, or None where there is one class.
            enlarged: (y, x) pixels of the network's input for each pixel of the image.
        """
        found = []
        for cells in self.sizes:
            boxes, scores = self.best(objectness_hw, cells)
            made = cells_of(boxes, self.k, tuple(objectness_hw.shape))
            logits = made.assembled(parts_Khw).masked_fill(~made.inside_P, OUTSIDE_LOGIT).view(len(boxes), *cells)
            some = (logits > 0).flatten(1).any(dim=1)
            boxes, scores, logits = boxes[some], scores[some], logits[some]
            labels = self.ids.to(boxes.device)[:1].expand(len(boxes))
            if len(self.ids) > 1:
                labels = self._vote(boxes, logits, cast(Tensor, semantic_Chw))
            cell_px = self.stride_px / enlarged[0], self.stride_px / enlarged[1]
            found.append(Proposals(boxes, logits, _mask_boxes(boxes, logits, cell_px), scores, labels, cell_px))
        return found

    def best(self, objectness_hw: Tensor, cells: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Boxes (M, 4) and scores of the best windows of one size."""
        score_hw = objectness_of_windows(self.kind, objectness_hw.float(), cells)
        first_y = torch.arange(score_hw.shape[0], device=score_hw.device) - cells[0] // 2
        first_x = torch.arange(score_hw.shape[1], device=score_hw.device) - cells[1] // 2
        looked_at = torch.ones_like(score_hw, dtype=torch.bool)
        if self.slips.sparse_inference:
            on_y, on_x = (first % SPARSE_STEP_CELLS == 0 for first in (first_y, first_x))
            looked_at = on_y[:, None] & on_x[None, :]
        looked_at &= score_hw >= self.config.min_score
        places, scores = looked_at.nonzero(), score_hw[looked_at]
        best = torch.argsort(scores, descending=True, stable=True)[: self.config.max_windows]
        corner = torch.stack([first_y[places[best, 0]], first_x[places[best, 1]]], dim=1)
        return torch.cat([corner, corner + torch.tensor(cells, device=corner.device)], dim=1), scores[best].clamp(0, 1)

    def _vote(self, boxes_M4: Tensor, logits: Tensor, semantic_Chw: Tensor) -> Tensor:
        """(M,) id of the class that the semantic map finds likeliest inside each mask."""
        probability_Thw = torch.softmax(semantic_Chw.float(), dim=0)[self.train_ids.to(semantic_Chw.device)]
        made = cells_of(boxes_M4, self.k, tuple(semantic_Chw.shape[-2:]))
        inside_P = (logits.flatten() > 0) & made.inside_P
        votes_PT = probability_Thw[:, made.y_P, made.x_P].T * inside_P[:, None]
        votes_MT = votes_PT.new_zeros(len(boxes_M4), len(self.ids)).index_add(0, made.window_P, votes_PT)
        return self.ids.to(votes_MT.device)[votes_MT.argmax(dim=1)]

    def prediction(self, proposals: list[Proposals], size: tuple[int, int]) -> Prediction:
        """Suppression over all sizes and maps, then masks at full resolution; `size` (H, W) of the image."""
        return Prediction(self.decoded(proposals, size).instances)

    def decoded(self, proposals: list[Proposals], size: tuple[int, int]) -> Decoded:
        """The same, with the windows that instances come from."""
        boxes, scores, labels = (
            torch.cat([getattr(one, name) for one in proposals]) for name in ("mask_box_M4", "scores_M", "labels_M")
        )
        kept = self._kept(boxes, scores, labels, size)
        group = torch.repeat_interleave(
            torch.arange(len(proposals)), torch.tensor([len(one.scores_M) for one in proposals])
        )
        first = torch.tensor([0, *(len(one.scores_M) for one in proposals)]).cumsum(0)
        painted = {n: _paint(proposals[group[n]], n - int(first[group[n]]), size) for n in kept.tolist()}
        if self.slips.summed_windows:
            painted = _summed(painted, labels, size)
        pieces = {n: piece for n, one in painted.items() if one is not None and (piece := _cut_mask(*one)) is not None}
        if not pieces:
            return Decoded(Instances.empty(size), kept.tolist(), [])
        made = Instances(
            labels[list(pieces)].cpu().numpy(),
            scores[list(pieces)].detach().cpu().numpy(),
            np.array([box for box, _ in pieces.values()]),
            tuple(mask for _, mask in pieces.values()),
            size,
        )
        return Decoded(made, kept.tolist(), list(pieces))

    def _kept(self, boxes_M4: Tensor, scores_M: Tensor, labels_M: Tensor, size: tuple[int, int]) -> Tensor:
        """Indices of the windows that suppression leaves, the highest score first; at most `max_instances`."""
        if self.slips.overlap_of_image:
            kept = _suppressed_by_image(boxes_M4, scores_M, labels_M, self.config.nms_iou * size[0] * size[1])
        else:
            kept = torchvision.ops.batched_nms(boxes_M4, scores_M, labels_M, self.config.nms_iou)
        return kept[: self.config.max_instances]


def _suppressed_by_image(boxes_M4: Tensor, scores_M: Tensor, labels_M: Tensor, most_px: float) -> Tensor:
    """The slip `overlap_of_image`: a window goes if it shares more than `most_px` pixels with a higher-scoring one."""
    order = torch.argsort(scores_M, descending=True, stable=True)
    boxes_M4, labels_M = boxes_M4[order], labels_M[order]
    left = torch.ones_like(order, dtype=torch.bool)
    for m in range(len(order)):
        if left[m]:
            low, high = torch.maximum(boxes_M4[:, :2], boxes_M4[m, :2]), torch.minimum(boxes_M4[:, 2:], boxes_M4[m, 2:])
            shared_px_M = (high - low).clamp(min=0).prod(dim=1)
            left[m + 1 :] &= ((shared_px_M <= most_px) | (labels_M != labels_M[m]))[m + 1 :]
    return order[left]


_Painted = tuple[tuple[int, int], Tensor]  # (y, x) of the first pixel in the image, and logits


def _summed(painted: dict[int, _Painted | None], labels_M: Tensor, size: tuple[int, int]) -> dict[int, _Painted | None]:
    """The slip `summed_windows`: the logits of all windows of a class added up, under the first of them."""
    summed: dict[int, _Painted | None] = {}
    for label in torch.unique(labels_M).tolist():
        own = {n: one for n, one in painted.items() if one is not None and labels_M[n] == label}
        total_HW = torch.zeros(size)
        for (y, x), logits in own.values():
            total_HW[y : y + logits.shape[0], x : x + logits.shape[1]] += logits.cpu()
        if own:
            summed[next(iter(own))] = (0, 0), total_HW
    return summed


def _mask_boxes(boxes_M4: Tensor, logits: Tensor, cell_px: tuple[float, float]) -> Tensor:
    """(M, 4) float x0 y0 x1 y1 in pixels of the image: the boxes of the cells above 0; each window has one."""
    sides = []
    for axis, other in ((1, 2), (2, 1)):  # rows, columns
        shown = (logits > 0).any(dim=other)
        first = shown.float().argmax(dim=1)
        last = shown.shape[1] - shown.flip(1).float().argmax(dim=1)
        scale = cell_px[axis - 1]
        sides.append(((boxes_M4[:, axis - 1] + first) * scale, (boxes_M4[:, axis - 1] + last) * scale))
    (y0, y1), (x0, x1) = sides
    return torch.stack([x0, y0, x1, y1], dim=1).float()


def _paint(proposal: Proposals, m: int, size: tuple[int, int]) -> _Painted | None:
    """One window in pixels of the image, cut to it; None where no pixel is left."""
    box, logits = proposal.boxes_M4[m].tolist(), proposal.logits[m].float()
    cell_y, cell_x = proposal.cell_px
    top, bottom = round(box[0] * cell_y), round(box[2] * cell_y)
    left, right = round(box[1] * cell_x), round(box[3] * cell_x)
    if bottom <= top or right <= left:
        return None
    painted = F.interpolate(logits[None, None], size=(bottom - top, right - left), mode="bilinear")[0, 0]
    y0, x0, y1, x1 = max(top, 0), max(left, 0), min(bottom, size[0]), min(right, size[1])
    if y0 >= y1 or x0 >= x1:
        return None
    return (y0, x0), painted[y0 - top : y1 - top, x0 - left : x1 - left]


def _cut_mask(corner: tuple[int, int], logits: Tensor) -> tuple[tuple[int, int, int, int], np.ndarray] | None:
    """(box, cropped bool mask) of the pixels above 0; None where there is none."""
    mask = (logits > 0).cpu().numpy()
    tight = box_of_mask(mask)
    if tight is None:
        return None
    (top, left), (x0, y0, x1, y1) = corner, tight
    return (left + x0, top + y0, left + x1, top + y1), mask[y0:y1, x0:x1]
