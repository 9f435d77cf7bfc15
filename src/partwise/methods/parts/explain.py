"""The explanation of one pixel by part maps: the windows over the pixel, and the outcome of each. `explainer` makes it.

Axes: K = k * k parts, m window cells a side, n finer cells a side.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from partwise.decoding.outcomes import CandidateOutcome
from partwise.methods.asked import pixel_to_json
from partwise.methods.parts.windows import Window
from partwise.scene import Prediction

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
