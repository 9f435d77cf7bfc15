"""Windows painted as masks at full resolution.

Axes: T classes with instances, M windows, m window cells a side, n finer cells a side, E candidates (a window as one of
its likely classes), h and w cells of the semantic map, H and W pixels.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from partwise.geometry import box_of_mask, boxes_of_masks, crop_intersection
from partwise.labels import LabelSet
from partwise.methods.parts.windows import Window

Box = tuple[int, int, int, int]  # x0, y0, x1, y1
Mask = tuple[Box, np.ndarray]  # the box, and the bool mask in it
PaintedWindow = tuple[int, int, str]  # grid, index among its proposals, category
Candidate = tuple[int, int, int]  # grid, index among its proposals, index of its class in `LabelSet.things`


@dataclass
class RefinedWindows:
    """M windows of one grid, each as one class, corrected at n finer cells a side.

    A window that stands for several classes of a category has one mask, so that there are U masks.

    logits_Unn, quality_U   of the masks, see `soft_iou`
    place_M                 which of them is whose
    share_M                 of the class in the votes of the mask's cells
    """

    logits_Unn: Tensor
    quality_U: Tensor
    place_M: Tensor
    share_M: Tensor


# (grid, centres (M, 2), logits (M, m, m), index of each one's class in `LabelSet.things` (M,)) -> RefinedWindows
Refine = Callable[[int, Tensor, Tensor, Tensor], RefinedWindows]


@dataclass
class Proposals:
    """M assembled windows of one grid and their E candidates, before masks are painted at full resolution.

    objectness_M                    0..1
    window_index_E, label_index_E   the candidate's window in 0..M-1 and class in 0..T-1
    likely_TM                       which classes a window stands for
    """

    grid: int
    window: Window
    centres_M2: Tensor
    logits_Mmm: Tensor
    objectness_M: Tensor
    window_index_E: Tensor
    label_index_E: Tensor
    scores_E: Tensor
    likely_TM: Tensor


class Painter:
    """Paints the windows of one image.

    things_Thw   probability of each class, with cells of `stride` px
    label_set    whose `things` the classes are
    size         (H, W) px
    sharpen      see DecodeConfig
    """

    def __init__(
        self,
        proposals: Sequence[Proposals],
        things_Thw: Tensor,
        label_set: LabelSet,
        stride: int,
        size: tuple[int, int],
        sharpen: float,
    ):
        self.of_grid = {proposal.grid: proposal for proposal in proposals}
        self.logits = {proposal.grid: proposal.logits_Mmm.float().cpu() for proposal in proposals}
        # Bilinear enlargement stays between its cells, and log-odds add at most 9.2 * sharpen.
        self.boxes = {grid: _boxes_above(-2 if sharpen else 0, logits) for grid, logits in self.logits.items()}
        # (y, x) px of each window's first cell; it may lie outside the image
        self.corners = {
            one.grid: ((one.centres_M2 - one.window.cells // 2) * one.window.stride_px).tolist() for one in proposals
        }
        self.likely = {proposal.grid: proposal.likely_TM.T.tolist() for proposal in proposals}
        self.things_Thw, self.stride = things_Thw, stride
        self.size, self.sharpen = size, sharpen
        self.members = {
            category: [label_set.things.index(label) for label in kin] for category, kin in label_set.kin.items()
        }
        self._painted: dict[PaintedWindow, Mask | None] = {}

    def sharpened(self, one: PaintedWindow) -> Mask | None:
        """The assembled mask, with the log-odds of the window's likely classes of that category; None without a pixel.

        A window is painted once for all classes of a category.
        """
        if one not in self._painted:
            grid, n, _ = one
            odds = functools.partial(_enlarged_log_odds, self.things_Thw, self._likely(one), self.stride)
            cell_px = self.of_grid[grid].window.stride_px
            self._painted[one] = _mask(
                self.logits[grid][n], self.boxes[grid][n], cell_px, self.corners[grid][n], self.size, self.sharpen, odds
            )
        return self._painted[one]

    def refined(self, several: Sequence[Candidate], refine: Refine) -> list[tuple[Mask | None, float, float]]:
        """Their masks as a network corrects them, those of one grid at once, with the quality of each and its class's
        share of the votes.
        """
        made: dict[Candidate, tuple[Mask | None, float, float]] = {}
        for grid, proposal in self.of_grid.items():
            own = [one for one in several if one[0] == grid]
            if not own:
                continue
            which = [n for _, n, _ in own]
            classes = torch.tensor([label_index for _, _, label_index in own], device=proposal.centres_M2.device)
            found = refine(grid, proposal.centres_M2[which], proposal.logits_Mmm[which], classes)
            cell_px = proposal.window.side_px // found.logits_Unn.shape[-1]
            logits = found.logits_Unn.float().cpu()
            boxes, quality = _boxes_above(0, logits), found.quality_U.tolist()
            painted: dict[int, Mask | None] = {}
            for one, place, share in zip(own, found.place_M.tolist(), found.share_M.tolist(), strict=True):
                if place not in painted:
                    painted[place] = _mask(logits[place], boxes[place], cell_px, self.corners[grid][one[1]], self.size)
                made[one] = painted[place], quality[place], share
        return [made[one] for one in several]

    def _likely(self, one: PaintedWindow) -> list[int]:
        """The classes of the category that the window stands for."""
        grid, n, category = one
        likely = self.likely[grid][n]
        return [t for t in self.members[category] if likely[t]]


def _boxes_above(threshold: float, logits_Mmm: Tensor) -> list[Box]:
    """Of each window the cells that are above it."""
    return boxes_of_masks((logits_Mmm > threshold).numpy()).tolist()


def _mask(
    logits: Tensor,
    likely: Box,
    cell_px: int,
    corner: Sequence[int],
    size: tuple[int, int],
    sharpen: float = 0.0,
    log_odds: Callable[[Box], Tensor] | None = None,
) -> Mask | None:
    """(box, cropped bool mask) of one window at full resolution, None if no pixel is left.

    logits   (m, m) of its mask
    likely   the cells that may be in it
    cell_px  pixels to a cell
    corner   (y, x) of the window
    log_odds   of a box: what is added to the logits at its pixels, `sharpen` times
    """
    if likely[0] == likely[2]:
        return None
    # The piece of the window that can hold the mask, with a cell to spare: most windows are mostly empty.
    x0, y0 = max(likely[0] - 1, 0), max(likely[1] - 1, 0)
    x1, y1 = min(likely[2] + 1, len(logits)), min(likely[3] + 1, len(logits))
    top, left = corner
    piece = (top + y0 * cell_px, left + x0 * cell_px)
    cut = (
        max(piece[1], 0), max(piece[0], 0), min(left + x1 * cell_px, size[1]), min(top + y1 * cell_px, size[0])
    )  # fmt: skip
    if cut[0] >= cut[2] or cut[1] >= cut[3]:
        return None
    enlarged = F.interpolate(logits[None, None, y0:y1, x0:x1], scale_factor=cell_px, mode="bilinear")[0, 0]
    enlarged = enlarged[cut[1] - piece[0] : cut[3] - piece[0], cut[0] - piece[1] : cut[2] - piece[1]]
    if sharpen:
        enlarged = enlarged + sharpen * log_odds(cut)
    mask = (enlarged > 0).numpy()
    tight = box_of_mask(mask)
    if tight is None:
        return None
    box = (cut[0] + tight[0], cut[1] + tight[1], cut[0] + tight[2], cut[1] + tight[3])
    return box, mask[tight[1] : tight[3], tight[0] : tight[2]]


def _enlarged_log_odds(things_Thw: Tensor, classes: list[int], stride: int, cut: Box) -> Tensor:
    """log(p / (1 - p)) of the probability of any of some classes at the pixels of `cut`, bilinear."""
    x0, y0 = max(cut[0] // stride - 1, 0), max(cut[1] // stride - 1, 0)
    x1, y1 = -(-cut[2] // stride) + 1, -(-cut[3] // stride) + 1
    piece = things_Thw[:, y0:y1, x0:x1][classes].sum(dim=0)[None, None].clamp(1e-4, 1 - 1e-4)
    if stride > 1:
        piece = F.interpolate(piece, scale_factor=stride, mode="bilinear")
    oy, ox = cut[1] - y0 * stride, cut[0] - x0 * stride
    return torch.logit(piece[0, 0, oy : oy + cut[3] - cut[1], ox : ox + cut[2] - cut[0]])


class KeptMasks:
    """The masks that suppression has kept so far, by class."""

    def __init__(self):
        self._of_label: dict[int, list[tuple[int, Box, np.ndarray, int]]] = {}

    def add(self, index: int, label: int, mask: Mask) -> None:
        """Keep the mask of instance `index`."""
        self._of_label.setdefault(label, []).append((index, *mask, np.count_nonzero(mask[1])))

    def overlapped(self, label: int, mask: Mask, nms_iou: float) -> tuple[int, float] | None:
        """(index, IoU) of a kept mask of this class that a mask overlaps by more than `nms_iou`; None for none."""
        box, inside = mask
        area = np.count_nonzero(inside)
        for index, kept_box, kept_inside, kept_area in self._of_label.get(label, ()):
            width = min(box[2], kept_box[2]) - max(box[0], kept_box[0])
            height = min(box[3], kept_box[3]) - max(box[1], kept_box[1])
            if width <= 0 or height <= 0:
                continue
            most = min(width * height, area, kept_area)
            if most <= nms_iou * (area + kept_area - most):
                continue  # too few pixels can be shared, wherever they lie in the boxes
            shared = crop_intersection(box, inside, kept_box, kept_inside)
            iou = shared / (area + kept_area - shared)
            if iou > nms_iou:
                return index, iou
        return None
