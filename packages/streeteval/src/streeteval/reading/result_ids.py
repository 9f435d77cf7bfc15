"""Check whether a map of label ids, as any tool writes it, holds label ids, and not train ids or instance ids."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from streeteval.labels import IGNORED_TRAIN_ID, INSTANCE_FACTOR, LabelSet
from streeteval.reading.faults import Fault
from streeteval.rle import value_counts
from streeteval.scene import Scene

_OR_READ = "or choose to read train ids (--train-ids, in Python train_ids)"
_AND_READ = "and choose to read them (--train-ids, in Python train_ids)"


def fault_of_ids(ids_HW: np.ndarray, scene: Scene, file: str) -> Fault | None:
    """Find what is wrong with a predicted map of label ids.

    Args:
        ids_HW: (H, W) int32 of any values, at the size of the scene.
        scene: The frame with its truth.
        file: Path of the map.

    Returns:
        The fault; None if the map can be scored.
    """
    label_set = scene.label_set
    ids = f"{min(label_set.by_id)} to {max(label_set.by_id)}"
    if ids_HW.min() < 0:
        return Fault(file, f"value {ids_HW.min()} is no label id of {label_set.name}", f"write label ids, {ids}")
    if ids_HW.max() >= INSTANCE_FACTOR:
        return Fault(file, f"value {ids_HW.max()}: these are instance ids", f"write label ids, {ids}")
    foreign = sorted(set(value_counts(ids_HW)[0].tolist()) - label_set.by_id.keys())
    if foreign:
        return Fault(file, f"value {foreign[0]} is no label id of {label_set.name}", f"write label ids, {ids}")
    return None


class _Numbering(NamedTuple):
    """How a tool numbers the evaluated classes: one after the other from `first`, and `void` for no class."""

    name: str
    first: int
    void: int

    def train_ids(self, classes: int) -> np.ndarray:
        """Return the train id of each value, (256,) int64; 255 for no class, -1 where no value of this kind is."""
        table = np.full(256, -1, np.int64)
        table[self.first : self.first + classes] = np.arange(classes)
        table[[self.void, IGNORED_TRAIN_ID]] = IGNORED_TRAIN_ID
        return table


def fault_of_numbering(ids_HW: np.ndarray, scene: Scene, file: str, train_ids: bool = False) -> Fault | None:
    """Find out that a map numbers the classes in another way than it is read.

    It does if it holds no other values than this numbering has, at least two classes of the numbering are right at most
    of their pixels, and most pixels are right, more than as it is read. A bad map of label ids can hold only such
    values, too: unlabelled (0), road (7), building (11). But then they hardly ever lie where the truth has the classes
    that have these numbers elsewhere. A map that holds a higher label id, as most do, costs nothing.

    Args:
        ids_HW: (H, W) int32 of any values, at the size of the scene.
        scene: The frame with its truth.
        file: Path of the map.
        train_ids: Whether the map is read as train ids, not as label ids.
    """
    label_set = scene.label_set
    classes = len(label_set.evaluated)
    by_train_id = _Numbering("train ids", 0, IGNORED_TRAIN_ID)
    others = [
        by_train_id,
        _Numbering(f"train ids with {classes} for no class", 0, classes),
        _Numbering("train ids + 1 with 0 for no class", 1, 0),
    ]
    if ids_HW.min() < 0 or ids_HW.max() > IGNORED_TRAIN_ID:
        return None
    values = value_counts(ids_HW)[0]
    tables = {one: table for one in others if (table := one.train_ids(classes))[values].min() >= 0}
    if not tables:
        return None
    truth_HW = label_set.id_to_train_id[scene.semantic_HW]
    asked_HW = truth_HW != IGNORED_TRAIN_ID
    found_N, truth_N = ids_HW[asked_HW], truth_HW[asked_HW]
    read = by_train_id.train_ids(classes) if train_ids else label_set.id_to_train_id
    best, most = None, int(np.count_nonzero(read[found_N] == truth_N))
    for one, table in tables.items():
        in_class_N = table[found_N]
        pixels = np.bincount(in_class_N, minlength=classes)[:classes]
        right = np.bincount(in_class_N[in_class_N == truth_N], minlength=classes)[:classes]
        if np.count_nonzero(2 * right > pixels) >= 2 and right.sum() > max(most, truth_N.size / 2):
            best, most = one, int(right.sum())
    return None if best is None else Fault(file, f"these are {best.name}", _remedy(best, label_set, train_ids))


def _remedy(found: _Numbering, label_set: LabelSet, train_ids: bool) -> str:
    """Say how the classes should be numbered."""
    road = label_set.evaluated[0]
    usual = f"with {IGNORED_TRAIN_ID} for no class"
    if train_ids:
        return f"write train ids ({road.train_id} for {road.name}) {usual}"
    remedy = f"write label ids ({road.id} for {road.name}, not {found.first}), "
    return remedy + (_OR_READ if found.void == IGNORED_TRAIN_ID else f"or write train ids {usual} {_AND_READ}")


def no_class_with_ap(labels: dict[int, int], label_set: LabelSet, root: str) -> Fault | None:
    """Return the fault of results none of whose lines names a class that AP is defined for, as with train ids.

    Args:
        labels: How many lines name each id.
        label_set: The classes.
        root: The folder of the results.
    """
    things = {label.id: label.name for label in label_set.things}
    if not labels or things.keys() & labels.keys() or any(label_set.by_id[id_].has_instances for id_ in labels):
        return None
    named = ", ".join(f"{id_} {label_set.by_id[id_].name}" for id_ in sorted(labels))
    problem = f"all lines of all .txt files are of classes without instances ({named})"
    remedy = f"write label ids ({next(iter(things))} for {next(iter(things.values()))}), not train ids, {_OR_READ}"
    return Fault(root, problem, remedy)
