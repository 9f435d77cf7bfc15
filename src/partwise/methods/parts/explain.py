"""Why a pixel belongs to an instance, or to none: every window over it, and what became of each.

Axes: K = k * k parts, m window cells a side.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor

from partwise.methods.asked import instance_at, largest, middle_of_the_surest, pixel_to_json, require_inside
from partwise.methods.method import Outputs
from partwise.methods.parts.network import PartMaps
from partwise.methods.parts.paint import Refine
from partwise.methods.parts.pooled import PooledMaps
from partwise.methods.parts.suppress import Fate
from partwise.methods.parts.windows import Window, window_cells
from partwise.scene import Prediction

# What becomes of a window, from the first question that the decoder asks to the last.
OUTCOMES = {
    "objectness": "objectness not above decode.min_objectness",
    "beside": "a neighbouring window has more objectness (decode.peaks)",
    "many": "decode.max_windows windows have more objectness",
    "skipped": "windows between those that a sparse inference looks at",
    "unsure": "assembled, but its score is not above decode.min_score",
    "full": "assembled, but decode.max_instances instances are surer",
    "empty": "assembled, but no pixel is left of its mask",
    "overlaps": "assembled, but a surer mask of its class overlaps it by more than decode.nms_iou",
    "elsewhere": "an instance, but not that of this pixel",
    "kept": "the instance of this pixel",
}


@dataclass(frozen=True, eq=False)
class WindowStory:
    """One window over the pixel.

    grid, window   index of its grid, and its stride and cells
    centre         (y, x) of its cell
    box_px         (x0, y0, x1, y1) before the image cuts it
    objectness     0..1
    best_near      the highest objectness among its cell and the 8 around it
    outcome        a key of OUTCOMES
    part           (row, column) of the part that answers for the pixel
    parts_Kmm      logits of each part map at the window's cells
    logits_mm      what is assembled of them
    refined_nn     the same, corrected at finer cells, as the class of the pixel's instance or else its surest; None
                   where it was not refined
    pixel          probability of the assembled mask at the pixel, before it is sharpened or refined
    quality        mean probability of the mask's cells, see `PartsDecoder.measure`
    votes          class name -> share of the mask, the largest first
    fates          what became of it as each of its likely classes; empty where it was not assembled
    """

    grid: int
    window: Window
    centre: tuple[int, int]
    box_px: tuple[int, int, int, int]
    objectness: float
    best_near: float
    outcome: str
    part: tuple[int, int]
    parts_Kmm: np.ndarray
    logits_mm: np.ndarray
    refined_nn: np.ndarray | None
    pixel: float
    quality: float
    votes: dict[str, float]
    fates: tuple[Fate, ...]

    def to_json(self) -> dict:
        """Plain values, without the maps."""
        return {
            "stride_px": self.window.stride_px,
            "cells": self.window.cells,
            "box_px": list(self.box_px),
            "objectness": self.objectness,
            "best_objectness_near": self.best_near,
            "outcome": self.outcome,
            "outcome_in_words": OUTCOMES[self.outcome],
            "part_of_the_pixel": list(self.part),
            "probability_at_the_pixel": self.pixel,
            "mask_quality": self.quality,
            "votes": self.votes,
            "as_classes": [
                {
                    "label": f.label,
                    "score": f.score,
                    "outcome": f.outcome,
                    "instance": f.instance,
                    "iou": f.iou,
                    "refined": f.refined and asdict(f.refined),
                }
                for f in self.fates
            ],
        }


@dataclass(frozen=True, eq=False)
class Explanation:
    """Of one pixel (x, y).

    prediction   everything that was found in the image
    instance     index of the surest instance whose mask holds the pixel; -1 for none
    semantic     class name -> probability at the pixel, the largest first
    windows      the windows that got furthest: that of the instance first, then by outcome, score and objectness
    counts       outcome -> how many of the windows over the pixel
    """

    point: tuple[int, int]
    prediction: Prediction
    instance: int
    semantic: dict[str, float]
    windows: tuple[WindowStory, ...]
    counts: dict[str, int]

    def to_json(self) -> dict:
        """Plain values; the instance as in the prediction's order, the surest first."""
        pixel = pixel_to_json(self.point, self.prediction.instances, self.instance, self.semantic)
        return pixel | {
            "windows_over_the_pixel": self.counts,
            "windows": [window.to_json() for window in self.windows],
        }


@torch.inference_mode()
def explain(
    method: PartMaps, outputs: Outputs, size: tuple[int, int], point: tuple[int, int] | None = None, most: int = 6
) -> Explanation:
    """Decode the outputs of one image, and say what became of the windows over a pixel.

    size    (H, W) px of the image
    point   (x, y) of the pixel; the middle of the surest instance without one
    most    windows to tell of

    Raises PartwiseError where the pixel is not in the image, or none is given and nothing was found.
    """
    require_inside(point, size)
    fates: list[Fate] = []
    prediction = method.decode_one(outputs, 0, size, fates)
    point = middle_of_the_surest(prediction.instances) if point is None else point
    instance = instance_at(prediction.instances, point)
    by_window: dict[tuple, list[Fate]] = {}
    for fate in fates:
        by_window.setdefault((fate.grid, fate.centre), []).append(fate)
    over = _windows_over(method, outputs, by_window, instance, point)
    rank = {outcome: place for place, outcome in enumerate(OUTCOMES)}
    over.sort(key=lambda one: (rank[one.outcome], max((f.score for f in one.fates), default=0.0), one.objectness))
    probability_Chw = torch.softmax(outputs["semantic"][0], dim=0)
    things = PooledMaps(probability_Chw[method.decoder.thing_train_ids])
    refine = method.refiner_of(outputs["detail"][0], things) if "detail" in outputs else None
    counts = Counter(one.outcome for one in over)
    return Explanation(
        point,
        prediction,
        instance,
        _semantic_at(method, outputs, probability_Chw, point),
        tuple(_story(method, outputs, things, refine, one, point, instance) for one in over[::-1][:most]),
        {name: counts[name] for name in OUTCOMES if counts[name]},
    )


@dataclass(frozen=True)
class _Window:
    """What is known of a window before it is told of; see WindowStory."""

    grid: int
    centre: tuple[int, int]
    objectness: float
    best_near: float
    outcome: str
    fates: tuple[Fate, ...]


def _windows_over(method: PartMaps, outputs: Outputs, by_window: dict, instance: int, point) -> list[_Window]:
    """Every window over the pixel."""
    found = []
    for index, (window, logits) in enumerate(zip(method.windows, outputs["objectness"], strict=True)):
        objectness, best_near, passes = method.decoder.screen(logits[0])
        rows, columns = (
            _cells_over(window, at, count) for at, count in zip(point[::-1], objectness.shape, strict=True)
        )
        for y in rows:
            for x in columns:
                fates = tuple(by_window.get((index, (y, x)), ()))
                outcome = _furthest(fates, instance) if fates else "many"
                outcome = next((question for question, passed in passes.items() if not passed[y, x]), outcome)
                found.append(_Window(index, (y, x), float(objectness[y, x]), float(best_near[y, x]), outcome, fates))
    return found


def _cells_over(window: Window, at_px: int, count: int) -> range:
    """The cells whose window covers a pixel along one axis."""
    cell = at_px // window.stride_px
    first = cell - window.cells + 1 + window.cells // 2
    return range(max(first, 0), min(first + window.cells, count))


def _furthest(fates: tuple[Fate, ...], instance: int) -> str:
    """How far a window got as the class that got furthest."""
    outcomes = {fate.outcome for fate in fates}
    if "kept" in outcomes:
        return "kept" if any(f.outcome == "kept" and f.instance == instance for f in fates) else "elsewhere"
    return max(outcomes, key=list(OUTCOMES).index)


def _story(
    method: PartMaps,
    outputs: Outputs,
    things: PooledMaps,
    refine: Refine | None,
    one: _Window,
    point: tuple[int, int],
    instance: int,
) -> WindowStory:
    """Everything about one window, assembled for this where the decoder did not."""
    window, parts = method.windows[one.grid], outputs["parts"][one.grid][0]
    centres, weights = torch.tensor([one.centre], device=parts.device), method.part_weights[one.grid]
    votes = things.at(parts.shape[-2:])
    assembled, probability, quality, shares = method.decoder.measure(one.grid, centres, parts, weights, votes)
    refined = None
    if sure := [fate for fate in one.fates if fate.refined is not None]:
        told = max(sure, key=lambda fate: (fate.instance == instance, fate.refined.score))
        ids = [label.id for label in method.label_set.things]
        class_1 = torch.tensor([ids.index(told.label)], device=parts.device)
        refined = refine(one.grid, centres, assembled, class_1).logits_Unn[0].float().cpu().numpy()
    rows, columns, _ = window_cells(centres, window.cells, parts.shape[-2:])
    top, left = ((cell - window.cells // 2) * window.stride_px for cell in one.centre)
    y, x = (point[1] - top) // window.stride_px, (point[0] - left) // window.stride_px
    return WindowStory(
        grid=one.grid,
        window=window,
        centre=one.centre,
        box_px=(left, top, left + window.side_px, top + window.side_px),
        objectness=one.objectness,
        best_near=one.best_near,
        outcome=one.outcome,
        part=divmod(int(weights[:, y, x].argmax()), method.config.k),
        parts_Kmm=parts[:, rows[0][:, None], columns[0][None, :]].float().cpu().numpy(),
        logits_mm=assembled[0].float().cpu().numpy(),
        refined_nn=refined,
        pixel=float(probability[0, y, x]),
        quality=float(quality[0]),
        votes=largest([label.name for label in method.label_set.things], shares[:, 0].tolist()),
        fates=one.fates,
    )


def _semantic_at(method: PartMaps, outputs: Outputs, probability_Chw: Tensor, point) -> dict[str, float]:
    stride = method.decoder.semantic_stride_px([grid[0] for grid in outputs["objectness"]], probability_Chw)
    column = probability_Chw[:, point[1] // stride, point[0] // stride]
    return largest([label.name for label in method.label_set.evaluated], column.tolist())
