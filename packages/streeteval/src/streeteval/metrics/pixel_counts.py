"""Count the pixels of one image for Cityscapes' pixel scores: the confusion, and the weighted sums behind iIoU.

Axes: H W image, D label ids, C evaluated classes, G evaluated categories, T classes with instances (things), I
instances of an image, 3 = (true positive, false positive, false negative), R runs.
Source of every rule: cityscapesScripts 2.3.0, evaluation/evalPixelLevelSemanticLabeling.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np

from streeteval.errors import InputError
from streeteval.labels import CITYSCAPES, INSTANCE_FACTOR, LabelSet
from streeteval.rle import joint_counts, joint_runs

__all__ = ["PixelCounts", "count_pixels", "groups_of", "pixel_tables", "rows_of"]


@dataclass(frozen=True)
class PixelCounts:
    """The sums behind the pixel scores of one image, or of many when added.

    Attributes:
        classes: (C, 3) int64, in pixels.
        categories: (G, 3) int64, in pixels.
        thing_classes: (T, 3) float64: TP and FN weighted by mean size / size of each instance, FP in pixels.
        thing_categories: (categories all of whose classes have instances, 3) float64, likewise.
    """

    classes: np.ndarray
    categories: np.ndarray
    thing_classes: np.ndarray
    thing_categories: np.ndarray

    def flat(self) -> np.ndarray:
        """Return all sums as one float64 vector; every integer below 2**53 pixels stays exact."""
        return np.concatenate([getattr(self, field.name).reshape(-1).astype(np.float64) for field in fields(self)])


@dataclass(frozen=True)
class _Groups:
    """Which label ids count for what; D = 1 + the highest id."""

    evaluated_D: np.ndarray  # bool: rows whose pixels can be false positives of another class
    class_ids: tuple[int, ...]
    category_ids: tuple[tuple[int, ...], ...]  # evaluated ids of each evaluated category
    thing_ids: tuple[int, ...]
    thing_categories: tuple[str, ...]
    thing_category_ids: tuple[tuple[int, ...], ...]  # every id of the category: caravan and trailer too


@lru_cache
def groups_of(label_set: LabelSet) -> _Groups:
    """Find which label ids count for what."""
    size = 1 + max(label.id for label in label_set)
    evaluated = np.zeros(size, bool)
    evaluated[[label.id for label in label_set.evaluated]] = True
    members = {name: [label for label in label_set if label.category == name] for name in label_set.categories}
    of_things = [name for name, labels in members.items() if all(label.has_instances for label in labels)]
    return _Groups(
        evaluated_D=evaluated,
        class_ids=tuple(label.id for label in label_set.evaluated),
        category_ids=tuple(tuple(x.id for x in labels if x.evaluated) for labels in members.values()),
        thing_ids=tuple(label.id for label in label_set.things),
        thing_categories=tuple(of_things),
        thing_category_ids=tuple(tuple(label.id for label in members[name]) for name in of_things),
    )


def count_pixels(
    predicted_HW: np.ndarray,
    semantic_HW: np.ndarray,
    instance_ids_HW: np.ndarray,
    label_set: LabelSet = CITYSCAPES,
) -> PixelCounts:
    """Count the pixels of one image.

    Args:
        predicted_HW: (H, W) integer label ids (not train ids). An id that is not evaluated is a miss if the truth is
            evaluated there.
        semantic_HW: (H, W) the truth's label ids.
        instance_ids_HW: (H, W) the truth's instances, id * 1000 + number.
        label_set: The classes.

    Raises:
        InputError: If the sizes differ or an id is not in the label set.
    """
    return pixel_tables(predicted_HW, semantic_HW, instance_ids_HW, label_set)[1]


def pixel_tables(
    predicted_HW: np.ndarray,
    semantic_HW: np.ndarray,
    instance_ids_HW: np.ndarray,
    label_set: LabelSet = CITYSCAPES,
) -> tuple[np.ndarray, PixelCounts]:
    """Return the confusion of one image, (D, D) int64 with the truth as rows, and its `count_pixels`.

    Raises:
        InputError: As `count_pixels` does.
    """
    if predicted_HW.shape != semantic_HW.shape:
        raise InputError(
            f"predicted label ids are {_size(predicted_HW)}, the truth {_size(semantic_HW)}: "
            "predict at the truth's size"
        )
    groups = groups_of(label_set)
    side = len(groups.evaluated_D)
    for whose, ids_HW in (("predicted", predicted_HW), ("true", semantic_HW)):
        low, high = int(ids_HW.min(initial=0)), int(ids_HW.max(initial=0))
        if low < 0 or high >= side:
            raise InputError(
                f"{whose} id {low if low < 0 else high} is no id of {label_set.name} (0..{side - 1}): "
                "give label ids, not train ids"
            )
    starts_R, lengths_R = joint_runs(predicted_HW, semantic_HW, instance_ids_HW)
    predicted_R, semantic_R, ids_R = (
        map_HW.reshape(-1)[starts_R] for map_HW in (predicted_HW, semantic_HW, instance_ids_HW)
    )
    confusion_DD = joint_counts(semantic_R, predicted_R, lengths_R, (side, side))
    hits = _hits_of_instances(ids_R, predicted_R, lengths_R, side)
    things, thing_categories = _weighted_counts(hits, confusion_DD, label_set)
    return confusion_DD, PixelCounts(
        classes=np.array([_block_counts(confusion_DD, (id_,), groups.evaluated_D) for id_ in groups.class_ids]),
        categories=np.array([_block_counts(confusion_DD, ids, groups.evaluated_D) for ids in groups.category_ids]),
        thing_classes=things,
        thing_categories=thing_categories,
    )


def _block_counts(confusion_DD: np.ndarray, ids: tuple[int, ...], evaluated_D: np.ndarray) -> tuple[int, int, int]:
    """Return (TP, FP, FN) of a set of ids taken as one class; FP only where the truth is evaluated."""
    rows = list(ids)
    true_positive = int(confusion_DD[np.ix_(rows, rows)].sum())
    false_negative = int(confusion_DD[rows].sum()) - true_positive
    return true_positive, _false_positives(confusion_DD, rows, rows, evaluated_D), false_negative


def _false_positives(
    confusion_DD: np.ndarray, columns: Sequence[int], own_rows: Sequence[int], evaluated_D: np.ndarray
) -> int:
    """Count the pixels predicted as one of `columns` where the truth is evaluated and none of `own_rows`."""
    rows_D = evaluated_D.copy()
    rows_D[list(own_rows)] = False
    return int(confusion_DD[rows_D][:, list(columns)].sum())


def _weighted_counts(
    hits: tuple[np.ndarray, np.ndarray, np.ndarray], confusion_DD: np.ndarray, label_set: LabelSet
) -> tuple[np.ndarray, np.ndarray]:
    """Return the sums of iIoU from `_hits_of_instances`: every instance weighs mean size of its class / its own size.

    False positives do not belong to an instance and stay unweighted. In a category, every predicted id of the category
    is right (a caravan for a car), but only instances of evaluated classes are asked for.
    """
    groups = groups_of(label_set)
    labels_I, sizes_I, hits_ID = hits
    classes, categories = np.zeros((len(groups.thing_ids), 3)), np.zeros((len(groups.thing_categories), 3))
    category_of = {label.id: label.category for label in label_set}
    for t, id_ in enumerate(groups.thing_ids):
        own = labels_I == id_
        # Without a mean size there is no iIoU: NaN goes through every sum, and is absent from the scores.
        weight = (label_set.by_id[id_].mean_instance_px or np.nan) / sizes_I[own]
        right = hits_ID[own, id_]
        classes[t] = (
            (right * weight).sum(),
            _false_positives(confusion_DD, (id_,), (id_,), groups.evaluated_D),
            ((sizes_I[own] - right) * weight).sum(),
        )
        if category_of[id_] in groups.thing_categories:
            g = groups.thing_categories.index(category_of[id_])
            right = hits_ID[own][:, groups.thing_category_ids[g]].sum(axis=1)
            categories[g, 0] += (right * weight).sum()
            categories[g, 2] += ((sizes_I[own] - right) * weight).sum()
    for g, ids in enumerate(groups.thing_category_ids):
        categories[g, 1] = _false_positives(confusion_DD, ids, ids, groups.evaluated_D)
    return classes, categories


def _hits_of_instances(
    ids_R: np.ndarray, predicted_R: np.ndarray, lengths_R: np.ndarray, side: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the instances of an image from its runs: labels (I,), pixels (I,), and pixels by predicted id (I, D)."""
    inside = ids_R >= INSTANCE_FACTOR
    ids_I, place_R = np.unique(ids_R[inside], return_inverse=True)
    hits_ID = joint_counts(place_R, predicted_R[inside], lengths_R[inside], (len(ids_I), side))
    return ids_I // INSTANCE_FACTOR, hits_ID.sum(axis=1), hits_ID


def _size(array_HW: np.ndarray) -> str:
    """Write the size of a map, such as 2048x1024."""
    return "x".join(str(side) for side in reversed(array_HW.shape))


def rows_of(label_set: LabelSet) -> tuple[int, int, int, int]:
    """Return the rows of each array of `PixelCounts`: (C, G, T, categories of things)."""
    groups = groups_of(label_set)
    return len(groups.class_ids), len(groups.category_ids), len(groups.thing_ids), len(groups.thing_categories)
