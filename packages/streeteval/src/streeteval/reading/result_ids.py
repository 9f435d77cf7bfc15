"""Check whether a map of label ids, as any tool writes it, holds label ids, and not train ids or instance ids."""

from __future__ import annotations

import numpy as np

from streeteval.labels import IGNORED_TRAIN_ID, INSTANCE_FACTOR, LabelSet
from streeteval.reading.faults import Fault
from streeteval.rle import value_counts
from streeteval.scene import Scene

_OR_READ = "or choose to read train ids (train_ids)"


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
    values = set(value_counts(ids_HW)[0].tolist())
    if _are_train_ids(ids_HW, values, scene):
        road = label_set.evaluated[0]
        remedy = (
            f"write label ids ({road.id} for {road.name}, not {road.train_id}), or choose to read train ids (train_ids)"
        )
        return Fault(file, "these are train ids", remedy)
    foreign = sorted(values - label_set.by_id.keys())
    if foreign:
        return Fault(file, f"value {foreign[0]} is no label id of {label_set.name}", f"write label ids, {ids}")
    return None


def _are_train_ids(ids_HW: np.ndarray, values: set[int], scene: Scene) -> bool:
    """Return whether a map holds train ids in place of label ids.

    It does if all its values are train ids, at least two of which are right at most of their pixels, and label ids are
    not.

    A map of label ids can hold only such values, too: unlabelled (0), road (7), building (11). But then two of them
    hardly ever lie where the truth has the classes with these train ids.
    """
    label_set = scene.label_set
    train_ids = [label.train_id for label in label_set.evaluated]
    if values - {*train_ids, IGNORED_TRAIN_ID}:
        return False
    truth_HW = label_set.id_to_train_id[scene.semantic_HW]
    asked_HW = truth_HW != IGNORED_TRAIN_ID
    found_N, truth_N = ids_HW[asked_HW], truth_HW[asked_HW]
    right, pixels = (np.bincount(found, minlength=256)[train_ids] for found in (found_N[found_N == truth_N], found_N))
    right_as_label_ids = np.count_nonzero(label_set.id_to_train_id[found_N] == truth_N)
    return bool(np.count_nonzero(2 * right > pixels) >= 2 and right.sum() > right_as_label_ids)


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
