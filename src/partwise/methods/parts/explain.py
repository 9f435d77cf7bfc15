"""Why a pixel belongs to an instance, or to none: every window over it, and what became of each.

Axes: K = k * k parts, m window cells a side.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from partwise.errors import PartwiseError
from partwise.methods.method import Outputs
from partwise.methods.parts.decode import Fate
from partwise.methods.parts.network import PartMaps
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
    pixel          probability of the assembled mask at the pixel, before the semantic map sharpens it
    quality        mean probability of the mask's cells
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
    pixel: float
    quality: float
    votes: dict[str, float]
    fates: tuple[Fate, ...]

    @property
    def score(self) -> float:
        """The highest of its classes, 0 where it was not assembled."""
        return max((fate.score for fate in self.fates), default=0.0)

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
                {"label": f.label, "score": f.score, "outcome": f.outcome, "instance": f.instance, "iou": f.iou}
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
        found, i = self.prediction.instances, self.instance
        instance = None
        if i >= 0:
            instance = {"index": i, "label": int(found.labels[i]), "score": float(found.scores[i])}
            instance["box"] = found.boxes[i].tolist()
        return {
            "x": self.point[0],
            "y": self.point[1],
            "instance": instance,
            "semantic": self.semantic,
            "windows_over_the_pixel": self.counts,
            "windows": [window.to_json() for window in self.windows],
        }


@torch.inference_mode()
def explain(
    method: PartMaps, outputs: Outputs, size: tuple[int, int], point: tuple[int, int], most: int = 6
) -> Explanation:
    """Decode the outputs of one image, and say what became of the windows over a pixel.

    size    (H, W) px of the image
    point   (x, y) of the pixel
    most    windows to tell of

    Raises PartwiseError where the pixel is not in the image.
    """
    if not (0 <= point[0] < size[1] and 0 <= point[1] < size[0]):
        raise PartwiseError(f"pixel {point[0]},{point[1]}: the image is {size[1]}x{size[0]}: give X,Y inside it")
    outputs = {key: [grid[0] for grid in value] if key != "semantic" else value[0] for key, value in outputs.items()}
    weights = [method.part_weights(index) for index in range(len(method.windows))]
    fates: list[Fate] = []
    prediction = method.decoder(outputs["semantic"], outputs["objectness"], outputs["parts"], weights, size, fates)
    instance = _instance_at(prediction, point)
    by_window: dict[tuple, list[Fate]] = {}
    for fate in fates:
        by_window.setdefault((fate.grid, fate.centre), []).append(fate)
    outcomes = _outcomes(method, outputs["objectness"], by_window, instance, prediction, point)
    rank = {outcome: place for place, outcome in enumerate(OUTCOMES)}
    order = sorted(outcomes, key=lambda key: (rank[outcomes[key][0]], _score(by_window, key), outcomes[key][1]))[::-1]
    told = [_story(method, outputs, key, outcomes[key][0], by_window.get(key, []), point) for key in order[:most]]
    counts = Counter(outcome for outcome, _ in outcomes.values())
    return Explanation(
        point,
        prediction,
        instance,
        _semantic_at(method, outputs, point),
        tuple(told),
        {name: counts[name] for name in OUTCOMES if counts[name]},
    )


def _score(by_window: dict, key: tuple) -> float:
    return max((fate.score for fate in by_window.get(key, ())), default=0.0)


def _instance_at(prediction: Prediction, point: tuple[int, int]) -> int:
    x, y = point
    found = prediction.instances
    for i, (x0, y0, x1, y1) in enumerate(found.boxes.tolist()):  # the surest first
        if x0 <= x < x1 and y0 <= y < y1 and found.masks[i][y - y0, x - x0]:
            return i
    return -1


def _outcomes(method, objectness, by_window, instance, prediction, point) -> dict[tuple, tuple[str, float]]:
    """(grid, centre) of every window over the pixel -> (outcome, objectness)."""
    config, found = method.decoder.config, {}
    for index, (window, logits) in enumerate(zip(method.windows, objectness, strict=True)):
        probability = torch.sigmoid(logits)
        near = F.max_pool2d(probability[None], 3, stride=1, padding=1)[0]
        rows, columns = (_cells_over(window, at, count) for at, count in zip(point[::-1], logits.shape, strict=True))
        for y in rows:
            for x in columns:
                key, value = (index, (y, x)), float(probability[y, x])
                if key in by_window:
                    found[key] = (_furthest(by_window[key], instance, prediction, point), value)
                elif not value > config.min_objectness:
                    found[key] = ("objectness", value)
                elif config.peaks and not value >= config.peaks * float(near[y, x]):
                    found[key] = ("beside", value)
                elif method.decoder.step_cells > 1 and (y % method.decoder.step_cells or x % method.decoder.step_cells):
                    found[key] = ("skipped", value)
                else:
                    found[key] = ("many", value)
    return found


def _cells_over(window: Window, at_px: int, count: int) -> range:
    """The cells whose window covers a pixel along one axis."""
    cell = at_px // window.stride_px
    first = cell - window.cells + 1 + window.cells // 2
    return range(max(first, 0), min(first + window.cells, count))


def _furthest(fates: list[Fate], instance: int, prediction: Prediction, point: tuple[int, int]) -> str:
    """How far a window got as the class that got furthest."""
    outcomes = {fate.outcome for fate in fates}
    if "kept" in outcomes:
        return "kept" if any(f.outcome == "kept" and f.instance == instance for f in fates) else "elsewhere"
    return max(outcomes, key=list(OUTCOMES).index)


def _story(method: PartMaps, outputs: Outputs, key: tuple, outcome: str, fates: list[Fate], point) -> WindowStory:
    """Everything about one window, assembled for this where the decoder did not."""
    index, centre = key
    window, parts, logits = method.windows[index], outputs["parts"][index], outputs["objectness"][index]
    centres, weights = torch.tensor([centre], device=logits.device), method.part_weights(index)
    things = torch.softmax(outputs["semantic"], dim=0)[method.decoder.thing_train_ids]
    assembled, probability, quality, shares = method.decoder.measure(index, centres, parts, weights, things)
    rows, columns, _ = window_cells(centres, window.cells, logits.shape)
    top, left = ((cell - window.cells // 2) * window.stride_px for cell in centre)
    y, x = (point[1] - top) // window.stride_px, (point[0] - left) // window.stride_px
    around = torch.sigmoid(logits[max(centre[0] - 1, 0) : centre[0] + 2, max(centre[1] - 1, 0) : centre[1] + 2])
    return WindowStory(
        grid=index,
        window=window,
        centre=centre,
        box_px=(left, top, left + window.side_px, top + window.side_px),
        objectness=float(torch.sigmoid(logits[centre])),
        best_near=float(around.max()),
        outcome=outcome,
        part=divmod(int(weights[:, y, x].argmax()), method.config.k),
        parts_Kmm=parts[:, rows[0][:, None], columns[0][None, :]].float().cpu().numpy(),
        logits_mm=assembled[0].float().cpu().numpy(),
        pixel=float(probability[0, y, x]),
        quality=float(quality[0]),
        votes=_largest([label.name for label in method.label_set.things], shares[:, 0].tolist()),
        fates=tuple(fates),
    )


def _semantic_at(method: PartMaps, outputs: Outputs, point: tuple[int, int]) -> dict[str, float]:
    stride = method.decoder.semantic_stride_px(outputs["objectness"], outputs["semantic"])
    column = outputs["semantic"][:, point[1] // stride, point[0] // stride]
    return _largest([label.name for label in method.label_set.evaluated], torch.softmax(column, dim=0).tolist())


def _largest(names: list[str], values: list[float], least: float = 0.01) -> dict[str, float]:
    """The values of at least `least`, the largest first; the largest in any case."""
    pairs = sorted(zip(names, values, strict=True), key=lambda pair: -pair[1])
    return {name: value for i, (name, value) in enumerate(pairs) if i == 0 or value >= least}
