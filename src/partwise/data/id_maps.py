"""Maps of ids as files of other data sets hold them become ids of a label set and id * 1000 + number.

Axes: H W image, K distinct instances.
"""

from __future__ import annotations

import numpy as np

from partwise.errors import PartwiseError
from streeteval.labels import CITYSCAPES, INSTANCE_FACTOR, LabelSet
from streeteval.rle import joint_runs

__all__ = ["ids_of_numbers", "mapped_ids", "numbered_instances"]


def ids_of_numbers(label_set: LabelSet, own: LabelSet) -> dict[int, int]:
    """Which class each number in the files of a data set is.

    Args:
        label_set: The classes to read the data with. Each has the number `file_id`, and those in its `sources`. Names
            in `sources` are classes of `own`.
        own: The classes that the format of the data defines.

    Returns:
        Number in the files -> id of the label set.

    Raises:
        PartwiseError: If a name in `sources` has the number of another class.
    """
    numbers = {label.file_id: label.id for label in label_set}
    number_of = {name: label.file_id for label in own for name in (label.name, *label.sources)}
    for label in label_set:
        for source in label.sources:
            number = source if isinstance(source, int) else number_of.get(source)
            if number is None:
                continue
            if numbers.setdefault(number, label.id) != label.id:
                other = label_set.name_of(numbers[number])
                what = f"label set {label_set.name!r}, class {label.name!r}: {source!r} has the number {number}"
                raise PartwiseError(f"{what}, which is the class {other!r}: give one of them another id")
    return numbers


def mapped_ids(
    semantic_HW: np.ndarray | None, instance_ids_HW: np.ndarray | None, label_set: LabelSet
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Cityscapes' labelIds and instanceIds with the classes that a label set maps to others replaced by these.

    Args:
        semantic_HW: (H, W) int32 ids, or None.
        instance_ids_HW: (H, W) int32, id * 1000 + number or the bare id, or None.
        label_set: Maps ids to classes by `Label.sources`.

    Returns:
        Both, with instances numbered again where two classes became one; the same arrays where nothing is mapped.

    Raises:
        PartwiseError: For a number that is no class of the files, but happens to be an id of the label set; or as
            `ids_of_numbers` and `numbered_instances` do.
    """
    numbers = ids_of_numbers(label_set, CITYSCAPES)
    targets = {number: id_ for number, id_ in numbers.items() if number != id_}
    if not targets:
        return semantic_HW, instance_ids_HW
    ours = [id_ for id_ in label_set.by_id if id_ not in numbers]  # of classes with other numbers in the files
    if semantic_HW is not None and (unknown := np.intersect1d(semantic_HW, ours)).size:
        raise PartwiseError(f"unknown id {unknown[0]}: {label_set.name} has no class with this number")
    if semantic_HW is not None:
        stored_HW, semantic_HW = semantic_HW, semantic_HW.copy()
        for source, id_ in targets.items():
            semantic_HW[stored_HW == source] = id_
    if instance_ids_HW is not None:
        bare_HW = np.where(instance_ids_HW < INSTANCE_FACTOR, instance_ids_HW, instance_ids_HW // INSTANCE_FACTOR)
        classes_HW = bare_HW.copy()
        for source, id_ in targets.items():
            classes_HW[bare_HW == source] = id_
        keys_HW = np.where(instance_ids_HW < INSTANCE_FACTOR, 0, instance_ids_HW)
        instance_ids_HW = numbered_instances(classes_HW, keys_HW)
    return semantic_HW, instance_ids_HW


def numbered_instances(classes_HW: np.ndarray, keys_HW: np.ndarray) -> np.ndarray:
    """Give each pixel of an instance id * 1000 + number, and any other pixel its bare id.

    Args:
        classes_HW: (H, W) ids of the label set.
        keys_HW: (H, W) whole numbers: the same for the pixels of one instance, 0 for pixels in none.

    Returns:
        (H, W) int32. Two classes under one key are two instances. Numbers begin at 0 in each class, in the order of
        the keys.

    Raises:
        PartwiseError: If a class has more than 1000 instances.

    >>> numbered_instances(np.array([[26, 26, 7, 26]]), np.array([[90, 40, 0, 40]])).tolist()
    [[26001, 26000, 7, 26000]]
    """
    starts, lengths = joint_runs(classes_HW, keys_HW)
    classes, keys = classes_HW.reshape(-1)[starts].astype(np.int64), keys_HW.reshape(-1)[starts].astype(np.int64)
    pairs, place = np.unique(np.stack([classes, keys]), axis=1, return_inverse=True)
    classes_K, told_K = pairs[0], pairs[1] != 0
    first_K = np.searchsorted(classes_K[told_K], classes_K)
    numbers_K = np.cumsum(told_K) - 1 - first_K
    if numbers_K[told_K].max(initial=0) >= INSTANCE_FACTOR:
        raise PartwiseError(f"more than {INSTANCE_FACTOR} instances of one class: cut the image")
    values_K = np.where(told_K, classes_K * INSTANCE_FACTOR + numbers_K, classes_K)
    return np.repeat(values_K[place.reshape(-1)], lengths).reshape(classes_HW.shape).astype(np.int32)
