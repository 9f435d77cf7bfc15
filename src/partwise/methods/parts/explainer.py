"""Explain why a pixel belongs to an instance, or to none: every window over the pixel, and the outcome of each.

Axes: C evaluated classes, h and w cells of a map.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from partwise.decoding.maps import softmax
from partwise.decoding.outcomes import CandidateOutcome
from partwise.methods.asked import instance_at, largest, middle_of_highest_score, require_inside
from partwise.methods.parts.assemble import assemble_windows
from partwise.methods.parts.decode import ImageOutputs, as_array
from partwise.methods.parts.explain import OUTCOMES, Explanation, WindowStory
from partwise.methods.parts.pooled import PooledMaps
from partwise.methods.parts.propose import screen
from partwise.methods.parts.refine_masks import RefinerMaps, refine_windows
from partwise.methods.parts.windows import Window, window_cells

if TYPE_CHECKING:
    from partwise.methods.parts.network import PartMaps

_RANK = {outcome: place for place, outcome in enumerate(OUTCOMES)}


class PartsExplainer:
    """Explains pixels of one image, which is decoded once.

    Args:
        method: The method whose outputs these are.
        outputs: Outputs for a batch of one image.
        size: (H, W) of the image in pixels.

    Attributes:
        prediction: Everything that was found in the image.
    """

    def __init__(self, method: PartMaps, outputs: dict[str, Any], size: tuple[int, int]) -> None:
        decoded = method.decode_one(outputs, 0, size)
        self.method, self.size, self.prediction = method, size, decoded.prediction
        self._maps = ImageOutputs.of(outputs, 0)
        self._by_window: dict[tuple, list[CandidateOutcome]] = {}
        for candidate in decoded.outcomes(method.label_set):
            self._by_window.setdefault((candidate.grid, candidate.centre), []).append(candidate)
        config, step_cells = method.decoder.config, method.decoder.step_cells
        self._screened = [screen(logits, config, step_cells) for logits in self._maps.objectness]
        self._probability_Chw = softmax(self._maps.semantic_Chw)
        self._things = PooledMaps(self._probability_Chw[method.decoder.thing_train_ids])
        detail_Fhw = self._maps.detail_Fhw
        self._refiner = None if detail_Fhw is None else RefinerMaps(detail_Fhw, self._things, method.label_set)

    def at(self, point: tuple[int, int] | None = None, most: int = 6) -> Explanation:
        """Explain the outcome of the windows over a pixel.

        Args:
            point: (x, y) of the pixel; None for the middle of the instance with the highest score.
            most: The maximum number of windows that are described.

        Raises:
            PartwiseError: If the pixel lies outside the image, or if none is given and nothing was found.
        """
        require_inside(point, self.size)
        instances = self.prediction.instances
        point = middle_of_highest_score(instances) if point is None else point
        instance = instance_at(instances, point)
        over = self._windows_over(instance, point)
        over.sort(
            key=lambda one: (_RANK[one.outcome], max((c.score for c in one.as_classes), default=0.0), one.objectness)
        )
        counts = Counter(one.outcome for one in over)
        return Explanation(
            point,
            self.prediction,
            instance,
            self._semantic_at(point),
            tuple(self._story(one, point, instance) for one in over[::-1][:most]),
            {name: counts[name] for name in OUTCOMES if counts[name]},
        )

    def _windows_over(self, instance: int, point: tuple[int, int]) -> list[_Window]:
        """List every window over the pixel."""
        found = []
        for index, (window, screened) in enumerate(zip(self.method.windows, self._screened, strict=True)):
            objectness, best_near = screened.objectness_hw, screened.best_near_hw
            rows, columns = (
                _cells_over(window, at, count) for at, count in zip(point[::-1], objectness.shape, strict=True)
            )
            for y in rows:
                for x in columns:
                    own = tuple(self._by_window.get((index, (y, x)), ()))
                    outcome = _furthest(own, instance) if own else "many"
                    outcome = next(
                        (question for question, passed in screened.passes.items() if not passed[y, x]), outcome
                    )
                    found.append(_Window(index, (y, x), float(objectness[y, x]), float(best_near[y, x]), outcome, own))
        return found

    def _story(self, one: _Window, point: tuple[int, int], instance: int) -> WindowStory:
        """Describe one window. It is assembled here, because the decoder may not have assembled it."""
        method, outputs = self.method, self._maps
        window, parts = method.windows[one.grid], outputs.parts[one.grid]
        centres, weights = np.array([one.centre]), as_array(method.part_weights[one.grid])
        votes = self._things.at(parts.shape[-2:])
        assembled = assemble_windows(one.grid, window, centres, outputs.objectness[one.grid], parts, weights, votes)
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
            refined_nn=self._refined(one, assembled.logits_Mmm, instance),
            pixel=float(assembled.probability_Mmm[0, y, x]),
            quality=float(assembled.quality_M[0]),
            votes=largest([label.name for label in method.label_set.things], assembled.share_TM[:, 0].tolist()),
            as_classes=one.as_classes,
        )

    def _refined(self, one: _Window, logits_1mm: np.ndarray, instance: int) -> np.ndarray | None:
        """Return the (n, n) logits of the refined mask of a window; None if it was not refined."""
        method, maps = self.method, self._refiner
        candidates = [(each, each.refined) for each in one.as_classes if each.refined is not None]
        if not candidates:
            return None
        told, _ = max(candidates, key=lambda pair: (pair[0].instance == instance, pair[1].score))
        assert method.mask_refiner is not None and maps is not None
        class_1 = np.array([[label.id for label in method.label_set.things].index(told.label)])
        window, centres, correct = method.windows[one.grid], np.array([one.centre]), method.mask_refiner.correct_arrays
        return refine_windows(correct, maps, window, centres, logits_1mm, class_1).logits_Unn[0]

    def _semantic_at(self, point: tuple[int, int]) -> dict[str, float]:
        """Return the probability of each class at the pixel, the largest first."""
        stride = self.method.decoder.semantic_stride_px(self._maps.objectness, self._probability_Chw)
        column = self._probability_Chw[:, point[1] // stride, point[0] // stride]
        return largest([label.name for label in self.method.label_set.evaluated], column.tolist())


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
    return PartsExplainer(method, outputs, size).at(point, most)


@dataclass(frozen=True)
class _Window:
    """The values of a window that decide whether it is described; see `WindowStory`."""

    grid: int
    centre: tuple[int, int]
    objectness: float
    best_near: float
    outcome: str
    as_classes: tuple[CandidateOutcome, ...]


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
