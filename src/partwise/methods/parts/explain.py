"""Explain why a pixel belongs to an instance, or to none: every window over the pixel, and the outcome of each.

Axes: K = k * k parts, m window cells a side, n finer cells a side.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from partwise.decoding.maps import softmax
from partwise.decoding.outcomes import CandidateOutcome
from partwise.methods.asked import instance_at, largest, middle_of_highest_score, pixel_to_json, require_inside
from partwise.methods.parts.assemble import assemble_windows
from partwise.methods.parts.decode import ImageOutputs, as_array
from partwise.methods.parts.pooled import PooledMaps
from partwise.methods.parts.propose import screen
from partwise.methods.parts.refine_masks import RefinerMaps, refine_windows
from partwise.methods.parts.windows import Window, window_cells
from partwise.scene import Prediction

if TYPE_CHECKING:
    from partwise.methods.parts.network import PartMaps

# The outcomes of a window, in the order in which the decoder decides.
OUTCOMES = {
    "objectness": "objectness not above decode.min_objectness",
    "beside": "a neighbouring window has a higher objectness (decode.peaks)",
    "many": "decode.max_windows other windows have a higher objectness",
    "skipped": "not used by sparse inference",
    "unsure": "assembled, but its score is not above decode.min_score",
    "full": "assembled, but decode.max_instances instances score higher",
    "empty": "assembled, but its mask has no pixel",
    "overlaps": "assembled, but a higher-scoring mask of its class overlaps it by more than decode.nms_iou",
    "elsewhere": "kept, but as another instance than that of this pixel",
    "kept": "kept as the instance of this pixel",
}


@dataclass(frozen=True, eq=False)
class WindowStory:
    """One window over the pixel, and what the decoder did with it.

    Attributes:
        grid: Index of its grid.
        window: Its stride and cells.
        centre: (y, x) of its cell.
        box_px: (x0, y0, x1, y1) in px, before it is cut at the image's border.
        objectness: 0..1.
        best_near: The highest objectness among its cell and the 8 neighbours.
        outcome: A key of OUTCOMES.
        part: (row, column) of the part that contains the pixel.
        parts_Kmm: (K, m, m) logits of each part map at the window's cells.
        logits_mm: (m, m) logits of the assembled mask.
        refined_nn: (n, n) logits of the refined mask; None if it was not refined. If the window was refined for several
            classes, it is that of the pixel's instance, or else that of the class with the highest score.
        pixel: Probability of the assembled mask at the pixel, before it is sharpened or refined.
        quality: Quality of the mask, 0..1, see `AssembledWindows`.
        votes: Class name -> share of the mask's votes, the largest first.
        as_classes: The outcome for each of its likely classes; empty if it was not assembled.
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
    as_classes: tuple[CandidateOutcome, ...]

    def to_json(self) -> dict:
        """Return plain values, without the maps."""
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
                    "label": one.label,
                    "score": one.score,
                    "outcome": one.outcome,
                    "instance": one.instance,
                    "iou": one.iou,
                    "refined": one.refined and asdict(one.refined),
                }
                for one in self.as_classes
            ],
        }


@dataclass(frozen=True, eq=False)
class Explanation:
    """The explanation of one pixel.

    Attributes:
        point: (x, y) of the pixel.
        prediction: Everything that was found in the image.
        instance: Index of the instance with the highest score whose mask contains the pixel; -1 for none.
        semantic: Class name -> probability at the pixel, the largest first.
        windows: The windows that got furthest in decoding: that of the instance first, then by outcome, score,
            objectness.
        counts: Outcome -> number of windows over the pixel.
    """

    point: tuple[int, int]
    prediction: Prediction
    instance: int
    semantic: dict[str, float]
    windows: tuple[WindowStory, ...]
    counts: dict[str, int]

    def to_json(self) -> dict:
        """Return plain values. The index of the instance is its place in the prediction."""
        pixel = pixel_to_json(self.point, self.prediction.instances, self.instance, self.semantic)
        return pixel | {
            "windows_over_the_pixel": self.counts,
            "windows": [window.to_json() for window in self.windows],
        }


def explain(
    method: PartMaps,
    outputs: dict[str, Any],
    size: tuple[int, int],
    point: tuple[int, int] | None = None,
    most: int = 6,
) -> Explanation:
    """Decode the outputs for one image, and explain the outcome of the windows over a pixel.

    Args:
        method: The method whose outputs these are.
        outputs: Outputs for a batch of one image.
        size: (H, W) of the image in pixels.
        point: (x, y) of the pixel; None for the middle of the instance with the highest score.
        most: The maximum number of windows that are described.

    Raises:
        PartwiseError: If the pixel lies outside the image, or if none is given and nothing was found.
    """
    require_inside(point, size)
    decoded = method.decode_one(outputs, 0, size)
    prediction = decoded.prediction
    point = middle_of_highest_score(prediction.instances) if point is None else point
    instance = instance_at(prediction.instances, point)
    by_window: dict[tuple, list[CandidateOutcome]] = {}
    for candidate in decoded.outcomes(method.label_set):
        by_window.setdefault((candidate.grid, candidate.centre), []).append(candidate)
    maps_of_image = ImageOutputs.of(outputs, 0)
    over = _windows_over(method, maps_of_image, by_window, instance, point)
    rank = {outcome: place for place, outcome in enumerate(OUTCOMES)}
    over.sort(key=lambda one: (rank[one.outcome], max((c.score for c in one.as_classes), default=0.0), one.objectness))
    probability_Chw = softmax(maps_of_image.semantic_Chw)
    things = PooledMaps(probability_Chw[method.decoder.thing_train_ids])
    detail_Fhw = maps_of_image.detail_Fhw
    maps = None if detail_Fhw is None else RefinerMaps(detail_Fhw, things, method.label_set)
    counts = Counter(one.outcome for one in over)
    return Explanation(
        point,
        prediction,
        instance,
        _semantic_at(method, maps_of_image, probability_Chw, point),
        tuple(_story(method, maps_of_image, things, maps, one, point, instance) for one in over[::-1][:most]),
        {name: counts[name] for name in OUTCOMES if counts[name]},
    )


@dataclass(frozen=True)
class _Window:
    """The values of a window that decide whether it is described; see `WindowStory`."""

    grid: int
    centre: tuple[int, int]
    objectness: float
    best_near: float
    outcome: str
    as_classes: tuple[CandidateOutcome, ...]


def _windows_over(
    method: PartMaps,
    outputs: ImageOutputs,
    by_window: dict[tuple, list[CandidateOutcome]],
    instance: int,
    point: tuple[int, int],
) -> list[_Window]:
    """List every window over the pixel."""
    found = []
    for index, (window, logits) in enumerate(zip(method.windows, outputs.objectness, strict=True)):
        screened = screen(logits, method.decoder.config, method.decoder.step_cells)
        objectness, best_near = screened.objectness_hw, screened.best_near_hw
        rows, columns = (
            _cells_over(window, at, count) for at, count in zip(point[::-1], objectness.shape, strict=True)
        )
        for y in rows:
            for x in columns:
                own = tuple(by_window.get((index, (y, x)), ()))
                outcome = _furthest(own, instance) if own else "many"
                outcome = next((question for question, passed in screened.passes.items() if not passed[y, x]), outcome)
                found.append(_Window(index, (y, x), float(objectness[y, x]), float(best_near[y, x]), outcome, own))
    return found


def _cells_over(window: Window, at_px: int, count: int) -> range:
    """Return the cells whose window covers a pixel along one axis."""
    cell = at_px // window.stride_px
    first = cell - window.cells + 1 + window.cells // 2
    return range(max(first, 0), min(first + window.cells, count))


def _furthest(as_classes: tuple[CandidateOutcome, ...], instance: int) -> str:
    """Return the outcome of a window for the class that got furthest in decoding."""
    outcomes = {one.outcome for one in as_classes}
    if "kept" in outcomes:
        own = any(one.outcome == "kept" and one.instance == instance for one in as_classes)
        return "kept" if own else "elsewhere"
    return max(outcomes, key=list(OUTCOMES).index)


def _story(
    method: PartMaps,
    outputs: ImageOutputs,
    things: PooledMaps[np.ndarray],
    maps: RefinerMaps | None,
    one: _Window,
    point: tuple[int, int],
    instance: int,
) -> WindowStory:
    """Describe one window. It is assembled here, because the decoder may not have assembled it."""
    window, parts = method.windows[one.grid], outputs.parts[one.grid]
    centres, weights = np.array([one.centre]), as_array(method.part_weights[one.grid])
    votes = things.at(parts.shape[-2:])
    assembled = assemble_windows(one.grid, window, centres, outputs.objectness[one.grid], parts, weights, votes)
    refined = None
    if candidates := [(each, each.refined) for each in one.as_classes if each.refined is not None]:
        told, _ = max(candidates, key=lambda pair: (pair[0].instance == instance, pair[1].score))
        assert method.mask_refiner is not None and maps is not None
        ids = [label.id for label in method.label_set.things]
        class_1 = np.array([ids.index(told.label)])
        found = refine_windows(method.mask_refiner.correct_arrays, maps, window, centres, assembled.logits_Mmm, class_1)
        refined = found.logits_Unn[0]
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
        parts_Kmm=parts[:, rows[0][:, None], columns[0][None, :]],
        logits_mm=assembled.logits_Mmm[0],
        refined_nn=refined,
        pixel=float(assembled.probability_Mmm[0, y, x]),
        quality=float(assembled.quality_M[0]),
        votes=largest([label.name for label in method.label_set.things], assembled.share_TM[:, 0].tolist()),
        as_classes=one.as_classes,
    )


def _semantic_at(
    method: PartMaps, outputs: ImageOutputs, probability_Chw: np.ndarray, point: tuple[int, int]
) -> dict[str, float]:
    """Return the probability of each class at the pixel, the largest first."""
    stride = method.decoder.semantic_stride_px(outputs.objectness, probability_Chw)
    column = probability_Chw[:, point[1] // stride, point[0] // stride]
    return largest([label.name for label in method.label_set.evaluated], column.tolist())
