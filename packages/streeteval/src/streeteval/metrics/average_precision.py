"""Compute Cityscapes' average precision (AP) of one class from the matches of many images, and its mean over classes.

Precision and recall are taken at every distinct confidence, over all images. AP is the official tool's step-wise area,
without COCO's monotone envelope. Images can carry weights, which a bootstrap needs: an image drawn twice weighs 2.

Axes: N images, P predictions of one class in all images, E distinct confidences, O overlap thresholds.
Source of every rule: cityscapesScripts 2.3.0, evaluation/evalInstanceLevelSemanticLabeling.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streeteval.metrics.matching import ImageMatches
from streeteval.metrics.pixel import mean_of_valid

__all__ = ["OVERLAPS", "ClassTable", "class_table", "instance_scores", "stepwise_area"]

OVERLAPS = np.arange(0.5, 1.0, 0.05)  # cityscapesScripts, args.overlaps; an IoU must be larger, not equal


@dataclass(frozen=True)
class ClassTable:
    """Every verdict on one class, highest score first.

    Attributes:
        image: (P,) int, which image a prediction belongs to.
        score: (P,) float, the confidence of every prediction, falling.
        last: (E,) int, the last prediction of every distinct confidence.
        true_PO: (P, O) bool, true positives.
        false_PO: (P, O) bool, false positives. A prediction that is neither is ignored.
        truths: (N,) int64, counted instances of each image.
    """

    image: np.ndarray
    score: np.ndarray
    last: np.ndarray
    true_PO: np.ndarray
    false_PO: np.ndarray
    truths: np.ndarray

    def average_precision(self, weights: np.ndarray | None = None) -> np.ndarray:
        """Compute AP at every overlap.

        Args:
            weights: (N,) how often each image counts; None for once.

        Returns:
            (O,) AP in 0..1: NaN without truth, 0 with truth and no prediction.
        """
        truths = self.truths.sum() if weights is None else (self.truths * weights).sum()
        if truths == 0:
            return np.full(self.true_PO.shape[1], np.nan)
        weight = np.ones(len(self.image)) if weights is None else weights[self.image].astype(np.float64)
        true_EO = np.cumsum(self.true_PO * weight[:, None], axis=0)[self.last]
        false_EO = np.cumsum(self.false_PO * weight[:, None], axis=0)[self.last]
        return stepwise_area(true_EO, false_EO, truths)

    def curve(self, overlap: int = 0) -> np.ndarray:
        """Compute the points of precision and recall whose area is AP, without the artificial first one.

        Args:
            overlap: Index in `OVERLAPS`.

        Returns:
            (E, 3) recall, precision and confidence at every distinct confidence, highest first; empty without truth.
        """
        truths = self.truths.sum()
        if truths == 0:
            return np.zeros((0, 3))
        true_E = np.cumsum(self.true_PO[:, overlap])[self.last]
        accepted_E = true_E + np.cumsum(self.false_PO[:, overlap])[self.last]
        precision_E = np.divide(true_E, accepted_E, out=np.ones(len(true_E)), where=accepted_E > 0)
        return np.stack([true_E / truths, precision_E, self.score[self.last]], axis=1)


def stepwise_area(true_EO: np.ndarray, false_EO: np.ndarray, truths: float) -> np.ndarray:
    """Compute the official area under precision and recall: the sum of p[i] * (r[i + 1] - r[i - 1]) / 2.

    The curve begins with an artificial point p = 1, r = 0, and both ends are repeated. If nothing is accepted yet (0 /
    0), the point falls on the artificial one, which leaves the sum as it is.

    Args:
        true_EO: (E, O) accepted true positives at every confidence, highest score first, so that they never decrease.
        false_EO: (E, O) accepted false positives, likewise.
        truths: Counted instances.

    Returns:
        (O,) the area in 0..1.

    >>> two_truths_one_found = stepwise_area(np.array([[1.0]]), np.array([[0.0]]), 2)
    >>> two_truths_one_found.tolist()
    [0.5]
    """
    accepted = true_EO + false_EO
    precision = np.divide(true_EO, accepted, out=np.ones_like(true_EO), where=accepted > 0)
    recall = true_EO / truths
    start = np.zeros((1, recall.shape[1]))
    precision = np.concatenate([start + 1, precision])
    recall = np.concatenate([start, start, recall, recall[-1:] if len(recall) else start])
    return (precision * (recall[2:] - recall[:-2]) * 0.5).sum(axis=0)


def class_table(
    matches: Sequence[ImageMatches],
    label: int,
    sizes_px: tuple[float, float] = (0, np.inf),
    boundary: bool = False,
    chosen: Sequence[np.ndarray] | None = None,
    overlaps: np.ndarray = OVERLAPS,
) -> ClassTable:
    """Judge all predictions of one class.

    Args:
        matches: The matches of each image.
        label: Id of the class.
        sizes_px: Only truth whose longest side lies in [from, below) counts. A prediction on other truth is ignored,
            and so is one on nothing whose own longest side lies outside (as COCO does with areas).
        chosen: (T,) bool of each image: only these instances of the truth count; a prediction on another is ignored.
        boundary: Judge by min(mask IoU, boundary IoU), as boundary AP does, instead of by mask IoU.
        overlaps: (O,) the thresholds of IoU, at least .5, so that a prediction matches one instance at most.
    """
    low, below = sizes_px
    own = [m.label == label for m in matches]
    take = lambda column: _joined([getattr(m, column)[rows] for m, rows in zip(matches, own, strict=True)])
    image = np.repeat(np.arange(len(matches)), [int(rows.sum()) for rows in own])
    score, truth, iou = take("score"), take("truth").astype(np.int64), take("iou")
    counted = [(m.truth_label == label) & (m.truth_side_px >= low) & (m.truth_side_px < below) for m in matches]
    if chosen is not None:
        counted = [rows & these for rows, these in zip(counted, chosen, strict=True)]
    on_counted = _on_counted(counted, image, truth)
    if boundary:
        iou = np.fmin(iou, take("boundary_iou"))
    order = np.argsort(-score, kind="stable")
    hit_PO = iou[:, None] > overlaps
    ignored_PO = np.maximum(take("ignored_iou"), take("ignored_share"))[:, None] > overlaps
    side = take("side_px")
    ignored_PO |= ((side < low) | (side >= below))[:, None]
    first_PO = _first_of_each_truth(hit_PO[order], (image * (1 + truth.max(initial=0)) + truth)[order])
    hit_PO, ignored_PO, on_counted = hit_PO[order], ignored_PO[order], on_counted[order, None]
    ends = np.flatnonzero(np.diff(score[order], append=-np.inf))
    return ClassTable(
        image=image[order],
        score=score[order],
        last=ends,
        true_PO=first_PO & on_counted,
        false_PO=np.where(hit_PO, on_counted & ~first_PO, ~ignored_PO),
        truths=np.array([int(rows.sum()) for rows in counted], np.int64),
    )


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    """Concatenate the arrays; an empty array if there are none."""
    return np.concatenate(parts) if parts else np.zeros(0)


def _on_counted(counted: list[np.ndarray], image: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return (P,) bool: whether the instance that a prediction overlaps most is among the counted ones."""
    flat = _joined([*counted, np.zeros(1, bool)]).astype(bool)  # the last one stands for "none"
    starts = np.cumsum([0, *(len(rows) for rows in counted)])[:-1]
    place = np.where(truth >= 0, truth + starts[image] if len(starts) else truth, len(flat) - 1)
    return flat[place]


def _first_of_each_truth(hit_PO: np.ndarray, key_P: np.ndarray) -> np.ndarray:
    """Return (P, O) bool: the first row that hits each truth at each overlap; `key_P` names the truth."""
    first_PO = np.zeros_like(hit_PO)
    for o in range(hit_PO.shape[1]):
        rows = np.flatnonzero(hit_PO[:, o])
        first_PO[rows[np.unique(key_P[rows], return_index=True)[1]], o] = True
    return first_PO


def instance_scores(tables: dict[str, ClassTable], weights: np.ndarray | None = None) -> dict:
    """Compute AP and AP50 over classes and of each class.

    Args:
        tables: The verdicts of each class, by its name.
        weights: (N,) how often each image counts; None for once.

    Returns:
        {"ap", "ap50", "per_class": {name: {"ap", "ap50"}}} in 0..1; NaN without truth.
    """
    ap_TO = np.array([table.average_precision(weights) for table in tables.values()]).reshape(-1, len(OVERLAPS))
    return {
        # The official mean runs over all valid entries; a class is NaN at every overlap or at none.
        "ap": float(mean_of_valid(ap_TO.reshape(-1))),
        "ap50": float(mean_of_valid(ap_TO[:, 0])),
        "per_class": {
            name: {"ap": float(ap_O.mean()), "ap50": float(ap_O[0])} for name, ap_O in zip(tables, ap_TO, strict=True)
        },
    }
