"""One image of Cityscapes' instance score: which prediction lies on which instance of the truth, in a few numbers each.

`overlaps` counts pixels once (one bincount a mask, inside its box); `match` judges them under a criterion (which
instances of the truth count). What remains of an image is an `ImageMatches`: nothing in it grows with the pixels.

Axes: H W image, P predictions, K values in the truth's map of instance ids, T counted instances of the truth.
Source of every rule: cityscapesScripts 2.3.0, evaluation/evalInstanceLevelSemanticLabeling.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np

from streeteval.errors import InputError
from streeteval.instances import Instances
from streeteval.labels import INSTANCE_FACTOR
from streeteval.rle import segments
from streeteval.scene import Scene

__all__ = [
    "EVERYWHERE",
    "PROPOSAL_COUNTS",
    "WITHIN_50_M",
    "WITHIN_100_M",
    "Criterion",
    "ImageMatches",
    "Overlaps",
    "match",
    "overlaps",
]

PROPOSAL_COUNTS = (10, 100, 1000)  # AR@10, AR@100, AR@1000: InstanceFCN, table 2


@dataclass(frozen=True)
class Criterion:
    """Which instances of the truth count. The others, and groups, are neither asked for nor punished.

    Attributes:
        name: Of the criterion.
        min_px: Least number of pixels.
        max_distance_m: Largest distance in metres (median over the pixels with a distance).
        min_distance_share: Least share of the pixels that have a distance, 0..1.
    """

    name: str = "all"
    min_px: int = 100
    max_distance_m: float = np.inf
    min_distance_share: float = -np.inf


# cityscapesScripts: minRegionSizes, distanceThs, distanceConfs.
EVERYWHERE = Criterion()
WITHIN_100_M = Criterion("100m", 1000, 100.0, 0.5)
WITHIN_50_M = Criterion("50m", 1000, 50.0, 0.5)


@dataclass(frozen=True)
class Overlaps:
    """The pixel counts of one image.

    Attributes:
        labels: (P,) class ids of the predictions of evaluated classes that have a pixel.
        scores: (P,) float64.
        sides_px: (P,) longest side of each box.
        pixels: (P,) size of each mask.
        indices: (P,) places in the Instances that the predictions came from.
        void_px: (P,) pixels on classes that are not evaluated.
        truth_ids: (K,) every value of the truth's map.
        truth_px: (K,) pixels of each value.
        truth_boxes: (K, 4) box of each value.
        shared_px_PK: (P, K) pixels of prediction p on value k.
    """

    labels: np.ndarray
    scores: np.ndarray
    sides_px: np.ndarray
    pixels: np.ndarray
    indices: np.ndarray
    void_px: np.ndarray
    truth_ids: np.ndarray
    truth_px: np.ndarray
    truth_boxes: np.ndarray
    shared_px_PK: np.ndarray

    @property
    def truth_labels(self) -> np.ndarray:
        """(K,) the class of every value; a bare id (a class without instances, or a group) is its own class."""
        return np.where(self.truth_ids < INSTANCE_FACTOR, self.truth_ids, self.truth_ids // INSTANCE_FACTOR)


@dataclass(frozen=True)
class ImageMatches:
    """All that an instance score needs of one image.

    Attributes:
        truth_label: (T,) class id of each counted instance.
        truth_px: (T,) its pixels.
        truth_side_px: (T,) longest side of its box.
        truth_best_iou: (T, 3) best IoU of any prediction, class aside, among the 10, 100, 1000 with the highest scores.
        label: (P,) class id of each prediction.
        score: (P,) its score.
        side_px: (P,) longest side of its box.
        truth: (P,) the counted instance of its class that it overlaps most, an index into T; -1 for none.
        iou: (P,) its IoU with that instance.
        boundary_iou: (P,) their boundary IoU; NaN if it was not asked for or iou <= 0.5.
        ignored_iou: (P,) best IoU with a group, or with an instance of its class that does not count.
        ignored_share: (P,) share of its pixels on void, on groups and on instances of its class that do not count.
    """

    truth_label: np.ndarray
    truth_px: np.ndarray
    truth_side_px: np.ndarray
    truth_best_iou: np.ndarray
    label: np.ndarray
    score: np.ndarray
    side_px: np.ndarray
    truth: np.ndarray
    iou: np.ndarray
    boundary_iou: np.ndarray
    ignored_iou: np.ndarray
    ignored_share: np.ndarray

    def to_dict(self) -> dict[str, list]:
        """Return the columns as lists, for a JSON file; NaN becomes None."""
        columns: dict[str, np.ndarray] = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: np.where(np.isnan(x), np.array(None), x).tolist() if x.dtype.kind == "f" else x.tolist()
            for name, x in columns.items()
        }

    @classmethod
    def from_dict(cls, columns: dict[str, list]) -> ImageMatches:
        """Restore matches from what `to_dict` returned.

        Raises:
            KeyError, TypeError, ValueError or OverflowError: If `columns` is anything else.
        """
        arrays = {name: np.array(columns[name], dtype) for name, dtype in _COLUMNS.items()}
        arrays["truth_best_iou"] = arrays["truth_best_iou"].reshape(-1, len(PROPOSAL_COUNTS))
        truths, found = len(arrays["truth_label"]), len(arrays["label"])
        for name, array in arrays.items():
            wanted = truths if name in _TRUTH_COLUMNS else found
            if len(array) != wanted or array.ndim != 1 + (name == "truth_best_iou"):
                raise ValueError(f"{name} has {len(array)} rows and not {wanted}")
            if name != "boundary_iou" and not np.isfinite(array).all():
                raise ValueError(f"{name} is not finite")
        if ((arrays["truth"] < -1) | (arrays["truth"] >= truths)).any():
            raise ValueError(f"truth names one of {truths} instances that is not there")
        return cls(**arrays)


_COLUMNS = {
    "truth_label": np.int16,
    "truth_px": np.int32,
    "truth_side_px": np.int32,
    "truth_best_iou": np.float64,
    "label": np.int16,
    "score": np.float64,
    "side_px": np.int32,
    "truth": np.int32,
    "iou": np.float64,
    "boundary_iou": np.float64,
    "ignored_iou": np.float64,
    "ignored_share": np.float64,
}
_TRUTH_COLUMNS = ("truth_label", "truth_px", "truth_side_px", "truth_best_iou")


def overlaps(scene: Scene, instances: Instances, scores: np.ndarray | None = None) -> Overlaps:
    """Count the pixels that predictions share with the truth.

    Predictions of classes that are not evaluated (caravan, trailer) and empty masks are left out, as in the official
    tool.

    Args:
        scene: The image with its truth.
        instances: The predictions.
        scores: (N,) float64 to use instead of `instances.scores`, whose float32 may tie what a file tells apart.

    Raises:
        InputError: If the instances belong to an image of another size.
    """
    if instances.size != scene.size:
        raise InputError(
            f"{scene.name}: instances of a {instances.size[1]}x{instances.size[0]} image, the truth is "
            f"{scene.size[1]}x{scene.size[0]}: predict at the truth's size"
        )
    truth_ids, truth_px, truth_boxes = segments(scene.instance_ids_HW)
    places = np.zeros(int(truth_ids.max(initial=0)) + 1, np.int64)
    places[truth_ids] = np.arange(len(truth_ids))
    things = [label.id for label in scene.label_set.things]
    chosen = np.flatnonzero(np.isin(instances.labels, things))
    shared_PK = np.zeros((len(chosen), len(truth_ids)), np.int64)
    for row, (i, (x0, y0, x1, y1)) in enumerate(zip(chosen.tolist(), instances.boxes[chosen].tolist(), strict=True)):
        inside = scene.instance_ids_HW[y0:y1, x0:x1][instances.masks[i]]
        shared_PK[row] = np.bincount(places[inside], minlength=len(truth_ids))
    pixels = shared_PK.sum(axis=1)
    keep = pixels > 0
    chosen, shared_PK, pixels = chosen[keep], shared_PK[keep], pixels[keep]
    void_K = np.isin(truth_ids, [label.id for label in scene.label_set if not label.evaluated])
    all_scores = instances.scores.astype(np.float64) if scores is None else np.asarray(scores, np.float64)
    return Overlaps(
        labels=instances.labels[chosen],
        scores=all_scores[chosen],
        sides_px=instances.longest_sides[chosen],
        pixels=pixels,
        indices=chosen,
        void_px=shared_PK[:, void_K].sum(axis=1),
        truth_ids=truth_ids,
        truth_px=truth_px,
        truth_boxes=truth_boxes,
        shared_px_PK=shared_PK,
    )


def match(
    found: Overlaps,
    criterion: Criterion,
    things: list[int],
    distances: np.ndarray | None = None,
    boundary_iou: Callable[[int, int], float] | None = None,
) -> ImageMatches:
    """Judge an image's overlaps.

    Two instances of the truth never share a pixel, so at most one has an IoU above 0.5 with a prediction. Any threshold
    of 0.5 or more needs only the best one.

    Args:
        found: The pixel counts.
        criterion: Which instances of the truth count.
        things: Ids of the evaluated classes with instances.
        distances: (K, 2) median distance in metres and share of pixels with a distance of every value of the truth's
            map; needed if the criterion asks for distances.
        boundary_iou: Boundary IoU of prediction p and value k of the truth's map; asked for if their IoU is above 0.5.
    """
    labels_K = found.truth_labels
    # An instance without a distance is not counted within a distance (cityscapesScripts: medDist -1, distConf 0).
    distance_K, share_K = (np.full(len(labels_K), -1.0), np.zeros(len(labels_K))) if distances is None else distances.T
    group_K = found.truth_ids < INSTANCE_FACTOR
    uncounted_K = (
        (found.truth_px < criterion.min_px)
        | (distance_K > criterion.max_distance_m)
        | (share_K < criterion.min_distance_share)
    )
    counted_K = ~group_K & ~uncounted_K & np.isin(labels_K, things)
    iou_PK = found.shared_px_PK / (found.truth_px + found.pixels[:, None] - found.shared_px_PK)
    own_PK = labels_K == found.labels[:, None]
    counted_iou = np.where(own_PK & counted_K, iou_PK, 0)[:, counted_K]
    truth, iou = _best(counted_iou)
    _, ignored_iou = _best(np.where(own_PK & (group_K | uncounted_K), iou_PK, 0))
    # As in the official tool, the pixels on a group that is also too small count twice.
    weight_K = group_K.astype(np.int64) + uncounted_K
    ignored_px = found.void_px + np.where(own_PK, found.shared_px_PK * weight_K, 0).sum(axis=1)
    boxes = found.truth_boxes[counted_K]
    near = np.full(len(iou), np.nan)
    if boundary_iou is not None:
        for p in np.flatnonzero(iou > 0.5).tolist():
            near[p] = boundary_iou(p, np.flatnonzero(counted_K)[truth[p]])
    return ImageMatches(
        truth_label=labels_K[counted_K].astype(np.int16),
        truth_px=found.truth_px[counted_K].astype(np.int32),
        truth_side_px=np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]),
        truth_best_iou=_best_of_highest(iou_PK[:, counted_K], found.scores),
        label=found.labels.astype(np.int16),
        score=found.scores,
        side_px=found.sides_px,
        truth=truth,
        iou=iou,
        boundary_iou=near,
        ignored_iou=ignored_iou,
        ignored_share=ignored_px / found.pixels,
    )


def _best(iou_PT: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return column and value of the largest entry of every row; (-1, 0) if no entry is above 0."""
    if iou_PT.shape[1] == 0:
        return np.full(len(iou_PT), -1, np.int32), np.zeros(len(iou_PT))
    best = iou_PT.argmax(axis=1)
    value = iou_PT[np.arange(len(iou_PT)), best]
    return np.where(value > 0, best, -1).astype(np.int32), value


def _best_of_highest(iou_PT: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Find the best IoU of any prediction among the 10, 100, 1000 with the highest scores.

    Args:
        iou_PT: (P, T) IoU of every prediction with every counted instance.
        scores: (P,); of equal scores, the first given comes first.

    Returns:
        (T, 3).
    """
    ranked = iou_PT[np.argsort(-scores, kind="stable")]
    return np.stack([ranked[:n].max(axis=0, initial=0.0) for n in PROPOSAL_COUNTS], axis=1)
