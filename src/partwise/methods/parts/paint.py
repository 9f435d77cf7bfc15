"""Windows painted as masks at full resolution.

Axes: T classes with instances, M windows, m window cells a side, n finer cells a side, E candidates (a window as one of
its likely classes), h and w cells of the semantic map, H and W pixels.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from partwise.geometry import box_of_mask, boxes_of_masks
from partwise.methods.parts.refine import FineGrid, fine_cells
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


CELL_PX = 2  # of what is compared before it is painted: as fine as the finest semantic map of a network


@dataclass
class _Sharpened:
    """P windows of one grid, each for one category, at n cells a side of `Painter.cell_px`.

    logits_Pnn   of their masks, the semantic map's log-odds added
    boxes        of what is above 0 and in the image, x0 y0 x1 y1 in cells of the window; 0 0 0 0 for nothing
    masks_Pnn    what is above 0 and in the image
    """

    logits_Pnn: Tensor
    boxes: list[Box]
    masks_Pnn: np.ndarray


class Painter:
    """Paints the windows of one image: at cells of 2 px, to be compared, and what remains at full resolution.

    The assembled mask of a window is sharpened by the log-odds of the classes of one category that it stands for, so
    that it is painted once for all of these.

    wanted       the windows that may be asked for; those of one grid are sharpened at once
    things_Thw   probability of each class, with cells of `stride` px
    members      which of the classes are of each category
    size         (H, W) px
    sharpen      see DecodeConfig
    """

    def __init__(
        self,
        proposals: Sequence[Proposals],
        wanted: Iterable[PaintedWindow],
        things_Thw: Tensor,
        members: Mapping[str, Sequence[int]],
        stride: int,
        size: tuple[int, int],
        sharpen: float,
    ):
        self.of_grid = {proposal.grid: proposal for proposal in proposals}
        # (y, x) px of each window's first cell; it may lie outside the image
        self.corners = {
            one.grid: ((one.centres_M2 - one.window.cells // 2) * one.window.stride_px).tolist() for one in proposals
        }
        self.cell_px, self.size, self.sharpen = min(stride, CELL_PX), size, sharpen
        if stride > CELL_PX:
            things_Thw = F.interpolate(things_Thw[None], scale_factor=stride // CELL_PX, mode="bilinear")[0]
        self._place: dict[PaintedWindow, int] = {}
        of_grid: dict[int, list[PaintedWindow]] = {}
        for one in dict.fromkeys(wanted):
            several = of_grid.setdefault(one[0], [])
            self._place[one] = len(several)
            several.append(one)
        classes = {grid: self._classes(grid, several, members) for grid, several in of_grid.items()}
        odds = _LogOdds(things_Thw, itertools.chain.from_iterable(classes.values())) if sharpen else None
        self._sharpened = {grid: self._sharpen(grid, several, classes[grid], odds) for grid, several in of_grid.items()}

    def _classes(self, grid: int, several: list[PaintedWindow], members) -> list[tuple[int, ...]]:
        """The classes of its category that each window stands for."""
        likely = self.of_grid[grid].likely_TM.T.tolist()
        return [tuple(t for t in members[category] if likely[n][t]) for _, n, category in several]

    def _sharpen(self, grid: int, several: list[PaintedWindow], classes, odds: _LogOdds | None) -> _Sharpened:
        """The windows of one grid."""
        proposal = self.of_grid[grid]
        which = [n for _, n, _ in several]
        fine = FineGrid(self.cell_px, proposal.window.side_px // self.cell_px)
        shape = tuple(-(-along // self.cell_px) for along in self.size)
        rows, columns, inside = fine_cells(proposal.centres_M2[which].cpu(), proposal.window, fine, shape)
        logits = proposal.logits_Mmm[which].float().cpu()
        logits = F.interpolate(logits[:, None], size=(fine.cells,) * 2, mode="bilinear")[:, 0]
        if odds is not None:
            logits = logits + self.sharpen * odds.at(classes, rows, columns)
        masks = ((logits > 0) & inside).numpy()
        return _Sharpened(logits, boxes_of_masks(masks).tolist(), masks)

    def in_cells(self, one: PaintedWindow) -> Mask | None:
        """The sharpened mask, box and mask in cells of `cell_px`; None without a cell."""
        grid, n, _ = one
        made, place = self._sharpened[grid], self._place[one]
        x0, y0, x1, y1 = made.boxes[place]
        if x0 == x1:
            return None
        top, left = (along // self.cell_px for along in self.corners[grid][n])
        return (left + x0, top + y0, left + x1, top + y1), made.masks_Pnn[place, y0:y1, x0:x1]

    def in_pixels(self, one: PaintedWindow) -> Mask:
        """The same at full resolution, of a window that has a cell."""
        grid, n, _ = one
        made, place = self._sharpened[grid], self._place[one]
        mask = _mask(made.logits_Pnn[place], made.boxes[place], self.cell_px, self.corners[grid][n], self.size)
        if mask is None:  # a few cells between much lower ones have no pixel above 0: these are enlarged as they are
            box, inside = self.in_cells(one)
            x0, y0, x1, y1 = (along * self.cell_px for along in box)
            x1, y1 = min(x1, self.size[1]), min(y1, self.size[0])
            enlarged = inside.repeat(self.cell_px, 0).repeat(self.cell_px, 1)
            mask = (x0, y0, x1, y1), enlarged[: y1 - y0, : x1 - x0]
        return mask

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
            boxes, quality = boxes_of_masks((logits > 0).numpy()).tolist(), found.quality_U.tolist()
            painted: dict[int, Mask | None] = {}
            for one, place, share in zip(own, found.place_M.tolist(), found.share_M.tolist(), strict=True):
                if place not in painted:
                    painted[place] = _mask(logits[place], boxes[place], cell_px, self.corners[grid][one[1]], self.size)
                made[one] = painted[place], quality[place], share
        return [made[one] for one in several]


class _LogOdds:
    """log(p / (1 - p)) of the probability of any of some classes, for several sets of classes."""

    def __init__(self, things_Thw: Tensor, sets: Iterable[tuple[int, ...]]):
        self.index = {classes: index for index, classes in enumerate(dict.fromkeys(sets))}
        member_ST = torch.zeros(len(self.index), len(things_Thw))
        for classes, index in self.index.items():
            member_ST[index, list(classes)] = 1
        any_Shw = (member_ST @ things_Thw.flatten(1)).unflatten(1, things_Thw.shape[1:])
        self.odds_Shw = any_Shw.clamp_(1e-4, 1 - 1e-4).logit_()

    def at(self, classes_P: Sequence[tuple[int, ...]], rows_Pn: Tensor, columns_Pn: Tensor) -> Tensor:
        """(P, n, n): of a set of classes for each window, at its cells."""
        which_P = torch.tensor([self.index[classes] for classes in classes_P])
        return self.odds_Shw[which_P[:, None, None], rows_Pn[:, :, None], columns_Pn[:, None, :]]


def _mask(logits_nn: Tensor, likely: Box, cell_px: int, corner: Sequence[int], size: tuple[int, int]) -> Mask | None:
    """(box, cropped bool mask) of one window at full resolution, None if no pixel is left.

    likely   the cells that may be in it
    cell_px  pixels to a cell
    corner   (y, x) of the window
    """
    if likely[0] == likely[2]:
        return None
    # The piece of the window that can hold the mask, with a cell to spare: most windows are mostly empty.
    x0, y0 = max(likely[0] - 1, 0), max(likely[1] - 1, 0)
    x1, y1 = min(likely[2] + 1, len(logits_nn)), min(likely[3] + 1, len(logits_nn))
    top, left = corner
    piece = (top + y0 * cell_px, left + x0 * cell_px)
    cut = (
        max(piece[1], 0), max(piece[0], 0), min(left + x1 * cell_px, size[1]), min(top + y1 * cell_px, size[0])
    )  # fmt: skip
    if cut[0] >= cut[2] or cut[1] >= cut[3]:
        return None
    enlarged = logits_nn[None, None, y0:y1, x0:x1]
    if cell_px > 1:
        enlarged = F.interpolate(enlarged, scale_factor=cell_px, mode="bilinear")
    mask = (enlarged[0, 0, cut[1] - piece[0] : cut[3] - piece[0], cut[0] - piece[1] : cut[2] - piece[1]] > 0).numpy()
    tight = box_of_mask(mask)
    if tight is None:
        return None
    box = (cut[0] + tight[0], cut[1] + tight[1], cut[0] + tight[2], cut[1] + tight[3])
    return box, mask[tight[1] : tight[3], tight[0] : tight[2]]
