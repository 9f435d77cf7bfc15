"""Why a pixel belongs to an instance of the instance-sensitive FCN, or to none: every window over it, and its end.

Axes: K = k * k parts, r and c rows and columns of a window, h and w cells of the maps.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torchvision

from partwise.methods import Outputs
from partwise.methods.asked import instance_at, middle_of_highest_score, pixel_to_json, require_inside
from partwise.scene import Prediction
from partwise_report.instance_fcn.decode import Decoded, Proposals, objectness_of_windows
from partwise_report.instance_fcn.windows import cells_of
from partwise_report.slips import SPARSE_STEP_CELLS

if TYPE_CHECKING:
    from partwise.report.panel import Panel
    from partwise_report.instance_fcn.network import InstanceFcn

__all__ = ["OUTCOMES", "InstanceFcnExplanation", "WindowStory", "explain"]

# What becomes of a window, from the first question that the decoder asks to the last.
OUTCOMES = {
    "skipped": "between the windows that a sparse inference looks at (slips.sparse_inference)",
    "unlikely": "objectness below decode.min_score",
    "many": "decode.max_windows windows of this size have more objectness",
    "empty": "assembled, but no pixel is left of its mask",
    "full": "assembled, but decode.max_instances windows score higher",
    "overlaps": "assembled, but a higher-scoring mask overlaps it by more than decode.nms_iou",
    "elsewhere": "an instance, but not that of this pixel",
    "summed": "added to the one mask of its class (slips.summed_windows)",
    "kept": "the instance of this pixel",
}


@dataclass(frozen=True, eq=False)
class WindowStory:
    """One window over the pixel.

    Attributes:
        cells: (y0, x0, y1, x1) of the window in cells of the maps; it may leave them.
        box_px: (x0, y0, x1, y1) of the window in pixels of the image.
        objectness: Of the window, 0..1: what its loss looks at.
        outcome: A key of OUTCOMES.
        part: (row, column) of the part that answers for the pixel.
        parts_Krc: Logits of each part map at the window's cells; NaN outside the maps.
        logits_rc: What is assembled of them.
        pixel: Probability of the assembled mask at the pixel's cell.
    """

    cells: tuple[int, int, int, int]
    box_px: tuple[int, int, int, int]
    objectness: float
    outcome: str
    part: tuple[int, int]
    parts_Krc: np.ndarray
    logits_rc: np.ndarray
    pixel: float

    def to_json(self) -> dict[str, Any]:
        """Plain values, without the maps."""
        return {
            "box_px": list(self.box_px),
            "cells": list(self.cells),
            "objectness": self.objectness,
            "outcome": self.outcome,
            "outcome_in_words": OUTCOMES[self.outcome],
            "part_of_the_pixel": list(self.part),
            "probability_at_the_pixel": self.pixel,
        }


@dataclass(frozen=True, eq=False)
class InstanceFcnExplanation:
    """Of one pixel (x, y).

    Attributes:
        point: (x, y) of the pixel.
        prediction: Everything that was found in the image.
        instance: Index of the instance with the highest score whose mask holds the pixel; -1 for none.
        windows: Those that got furthest: that of the instance first, then by outcome and objectness.
        counts: Outcome -> how many of the windows over the pixel.
        objectness_hw: The objectness of the window of the first story's size that is centred at each cell, 0..1.
        cell_px: Pixels of the image for each cell.
        label_names: Id -> name of the classes.
    """

    point: tuple[int, int]
    prediction: Prediction
    instance: int
    windows: tuple[WindowStory, ...]
    counts: dict[str, int]
    objectness_hw: np.ndarray
    cell_px: int
    label_names: dict[int, str]

    def to_json(self) -> dict[str, Any]:
        """Plain values, without the maps."""
        pixel = pixel_to_json(self.point, self.prediction.instances, self.instance, {})
        return pixel | {"windows_over_the_pixel": self.counts, "windows": [one.to_json() for one in self.windows]}

    def to_text(self, shown_score: float) -> str:
        """See partwise.report.explained.ShowsItself."""
        from partwise_report.instance_fcn.explained import explanation_text

        return explanation_text(self, shown_score)

    def to_panel(self) -> Panel:
        """See partwise.report.shown_panel.ShowsPanel."""
        from partwise_report.instance_fcn.panel import panel_of_instance_fcn

        return panel_of_instance_fcn(self)

    def to_picture(self, image_HW3: np.ndarray) -> np.ndarray:
        """See partwise.report.explained.ShowsItself."""
        from partwise_report.instance_fcn.explained import draw_explanation  # matplotlib, which predicting goes without

        return draw_explanation(image_HW3, self)


_Box = tuple[int, int, int, int]  # y0 x0 y1 x1 in cells


@dataclass(frozen=True)
class _Grid:
    """The windows of one size: which were assembled, and their objectness."""

    cells: tuple[int, int]
    scores_hw: np.ndarray
    looked_at: frozenset[_Box]


class InstanceFcnExplainer:
    """Explains pixels of one image, which is decoded once.

    Args:
        method: That the outputs are of.
        outputs: Of one image.
        size: (H, W) of the image in pixels.

    Attributes:
        prediction: Everything that was found in the image.
    """

    @torch.inference_mode()
    def __init__(self, method: InstanceFcn, outputs: Outputs, size: tuple[int, int]) -> None:
        self.method, self.outputs, self.size = method, outputs, size
        self.prediction = method.decode(outputs, size)[0]
        enlarge = method.config.enlarge
        (proposals,) = method.proposals(outputs, (enlarge, enlarge))
        decoded = method.decoder.decoded(proposals, size)
        self._ends = _ends(method, proposals, decoded, size)
        boxes = [tuple(box) for one in proposals for box in one.boxes_M4.tolist()]
        self._shown = [boxes[n] for n in decoded.shown]
        objectness_hw = outputs["objectness"][0][0].float()
        self._grids = [
            _Grid(
                cells,
                objectness_of_windows(method.config.objectness, objectness_hw, cells).clamp(0, 1).cpu().numpy(),
                frozenset(tuple(box) for box in method.decoder.best(objectness_hw, cells)[0].tolist()),
            )
            for cells in method.decoder.sizes
        ]

    @torch.inference_mode()
    def at(self, point: tuple[int, int] | None = None, most: int = 6) -> InstanceFcnExplanation:
        """Say what became of the windows over a pixel.

        Args:
            point: (x, y) of the pixel; None for the middle of the instance with the highest score.
            most: Windows to tell of.

        Raises:
            PartwiseError: If the pixel is not in the image, or none is given and nothing was found.
        """
        require_inside(point, self.size)
        instances, method = self.prediction.instances, self.method
        point = middle_of_highest_score(instances) if point is None else point
        instance = instance_at(instances, point)
        ends = self._ends if instance < 0 else self._ends | {self._shown[instance]: "kept"}
        over = self._windows_over(ends, point)
        rank = {outcome: place for place, outcome in enumerate(OUTCOMES)}
        over.sort(key=lambda one: (rank[one[2]], one[1]), reverse=True)
        counts = Counter(outcome for *_, outcome in over)
        first = over[0][0]
        cells = first[2] - first[0], first[3] - first[1]
        return InstanceFcnExplanation(
            point=point,
            prediction=self.prediction,
            instance=instance,
            windows=tuple(_story(method, self.outputs, *one, point) for one in over[:most]),
            counts={name: counts[name] for name in OUTCOMES if counts[name]},
            objectness_hw=next(grid.scores_hw for grid in self._grids if tuple(grid.cells) == cells),
            cell_px=method.config.cell_px,
            label_names={label.id: label.name for label in method.label_set.things},
        )

    def _windows_over(self, ends: dict[_Box, str], point: tuple[int, int]) -> list[tuple[_Box, float, str]]:
        """(cells, objectness, outcome) of every window over the pixel."""
        at = [side // self.method.config.cell_px for side in point[::-1]]
        found = []
        for grid in self._grids:
            cells = grid.cells
            # The window centred at cell c begins at c - side // 2.
            rows, columns = (
                range(max(cell - side + 1 + side // 2, 0), min(cell + side // 2 + 1, count))
                for cell, side, count in zip(at, cells, grid.scores_hw.shape, strict=True)
            )
            for y, x in ((y, x) for y in rows for x in columns):
                y0, x0 = y - cells[0] // 2, x - cells[1] // 2
                box, score = (y0, x0, y0 + cells[0], x0 + cells[1]), float(grid.scores_hw[y, x])
                seen = box in grid.looked_at
                found.append((box, score, ends.get(box, "empty") if seen else _not_looked_at(self.method, box, score)))
        return found


def explain(
    method: InstanceFcn,
    outputs: Outputs,
    size: tuple[int, int],
    point: tuple[int, int] | None = None,
    most: int = 6,
) -> InstanceFcnExplanation:
    """Decode the outputs of one image, and say what became of the windows over a pixel.

    Args:
        method: That the outputs are of.
        outputs: Of one image.
        size: (H, W) of the image in pixels.
        point: (x, y) of the pixel; None for the middle of the instance with the highest score.
        most: Windows to tell of.

    Raises:
        PartwiseError: If the pixel is not in the image, or none is given and nothing was found.
    """
    require_inside(point, size)
    return InstanceFcnExplainer(method, outputs, size).at(point, most)


def _ends(method: InstanceFcn, proposals: list[Proposals], decoded: Decoded, size: tuple[int, int]) -> dict[_Box, str]:
    """What became of every window that was assembled and has a mask."""
    boxes = [tuple(box) for one in proposals for box in one.boxes_M4.tolist()]
    masks_M4, labels_M = (torch.cat([getattr(one, name) for one in proposals]) for name in ("mask_box_M4", "labels_M"))
    overlap = torchvision.ops.box_iou(masks_M4, masks_M4[decoded.kept])
    if method.config.slips.overlap_of_image:
        low = torch.maximum(masks_M4[:, None, :2], masks_M4[decoded.kept][None, :, :2])
        high = torch.minimum(masks_M4[:, None, 2:], masks_M4[decoded.kept][None, :, 2:])
        overlap = (high - low).clamp(min=0).prod(dim=-1) / (size[0] * size[1])
    same = labels_M[:, None] == labels_M[decoded.kept][None, :]
    suppressed = ((overlap > method.config.decode.nms_iou) & same).any(dim=1).tolist()
    ends = {box: "overlaps" if gone else "full" for box, gone in zip(boxes, suppressed, strict=True)}
    ends |= {boxes[n]: "summed" if method.config.slips.summed_windows else "empty" for n in decoded.kept}
    ends |= {boxes[n]: "elsewhere" for n in decoded.shown}
    return ends


def _not_looked_at(method: InstanceFcn, box: _Box, score: float) -> str:
    """Why a window was not assembled."""
    if method.config.slips.sparse_inference and (box[0] % SPARSE_STEP_CELLS or box[1] % SPARSE_STEP_CELLS):
        return "skipped"
    return "unlikely" if score < method.config.decode.min_score else "many"


def _story(
    method: InstanceFcn, outputs: Outputs, box: _Box, objectness: float, outcome: str, point: tuple[int, int]
) -> WindowStory:
    """Everything about one window."""
    parts_Khw, cell_px = outputs["parts"][0][0].float().cpu(), method.config.cell_px
    y0, x0, y1, x1 = box
    cells = cells_of(torch.tensor([box]), method.config.k, tuple(parts_Khw.shape[-2:]))
    shape = (y1 - y0, x1 - x0)
    nowhere = ~cells.inside_P.view(shape)
    logits_rc = cells.assembled(parts_Khw).view(shape).masked_fill(nowhere, torch.nan)
    parts_Krc = parts_Khw[:, cells.y_P, cells.x_P].view(-1, *shape).masked_fill(nowhere, torch.nan)
    y, x = point[1] // cell_px - y0, point[0] // cell_px - x0
    return WindowStory(
        cells=box,
        box_px=(x0 * cell_px, y0 * cell_px, x1 * cell_px, y1 * cell_px),
        objectness=objectness,
        outcome=outcome,
        part=divmod(int(cells.part_P.view(shape)[y, x]), method.config.k),
        parts_Krc=parts_Krc.numpy(),
        logits_rc=logits_rc.numpy(),
        pixel=float(torch.sigmoid(logits_rc[y, x])),
    )
