"""The instances of one image with their final scores. A refined mask changes the score of its instance.

Axes: N instances.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from partwise.decoding.candidates import Candidates
from partwise.decoding.masks import PaintedMask
from streeteval.instances import Instances
from streeteval.labels import LabelSet


@dataclass(frozen=True)
class RefinedScore:
    """The factors of the score of an instance whose mask was refined.

    score = objectness x quality ** refined_power x share x exp(-crowding^2 / soft_sigma)

    Attributes:
        quality: Quality of the refined mask, 0..1, see `RefinedMask`.
        share: Share of the instance's class, 0..1, see `RefinedMask`.
        crowding: The highest IoU with an instance of the same class that has a higher score, 0..1.
        score: The product, 0..1.
    """

    quality: float
    share: float
    crowding: float
    score: float


@dataclass(frozen=True, eq=False)
class Scored:
    """N instances with their final scores.

    Attributes:
        instances: The instances, the highest score first.
        place_N: (N,) int, index in `instances` of each instance in the order that was given.
        refined_N: The factors of each score, in the order that was given; None for an instance whose mask was not
            refined.
    """

    instances: Instances
    place_N: np.ndarray
    refined_N: tuple[RefinedScore | None, ...]


def score_instances(
    kept: Candidates,
    painted: Sequence[PaintedMask],
    label_set: LabelSet,
    size: tuple[int, int],
    *,
    refined_power: float,
    soft_sigma: float,
) -> Scored:
    """Make instances of the candidates that were kept, and score those with a refined mask by that mask.

    Args:
        kept: N candidates.
        painted: Their masks in pixels.
        label_set: The label set that `Candidates.class_E` refers to.
        size: (H, W) of the image in pixels.
        refined_power: Exponent of the quality of a refined mask.
        soft_sigma: Width of the penalty for crowding (Soft-NMS, Bodla et al. 2017), which applies only to refined
            masks; 0 for no penalty.
    """
    refined = [
        None if one.refined is None else _score_alone(objectness, one.refined.quality, one.refined.share, refined_power)
        for objectness, one in zip(kept.objectness_E.tolist(), painted, strict=True)
    ]
    scores = [before if one is None else one.score for before, one in zip(kept.score_E.tolist(), refined, strict=True)]
    ids = np.array([label.id for label in label_set.things])
    boxes, masks = np.array([one.mask[0] for one in painted]), tuple(one.mask[1] for one in painted)
    found = Instances(ids[kept.class_E], np.array(scores), boxes, masks, size)
    if soft_sigma > 0 and any(refined):
        crowding = found.crowding().tolist()
        refined = [one and _crowded(one, iou, soft_sigma) for one, iou in zip(refined, crowding, strict=True)]
        scores = [before if one is None else one.score for before, one in zip(scores, refined, strict=True)]
        found = replace(found, scores=np.array(scores))
    order = np.argsort(-found.scores, kind="stable")
    return Scored(found[order], np.argsort(order), tuple(refined))


def _score_alone(objectness: float, quality: float, share: float, refined_power: float) -> RefinedScore:
    """Score a refined mask without the penalty for crowding."""
    return RefinedScore(quality, share, 0.0, objectness * quality**refined_power * share)


def _crowded(refined: RefinedScore, iou: float, soft_sigma: float) -> RefinedScore:
    """Apply the penalty for crowding to a refined mask that overlaps, with this IoU, one with a higher score."""
    if iou == 0:
        return refined
    return replace(refined, crowding=iou, score=refined.score * math.exp(-(iou**2) / soft_sigma))
