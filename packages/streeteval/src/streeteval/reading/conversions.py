"""Turn results that are not in the benchmark's form into it: train ids into label ids, small maps into large ones."""

from __future__ import annotations

import numpy as np

from streeteval.boxes import nearest_index
from streeteval.labels import IGNORED_TRAIN_ID, LabelSet
from streeteval.reading.faults import Fault

__all__ = ["enlarged", "is_smaller", "label_ids_of"]


def label_ids_of(train_ids_HW: np.ndarray, label_set: LabelSet, file: str) -> np.ndarray | Fault:
    """Return the label ids that train ids stand for; 255, no class, becomes the void class.

    Args:
        train_ids_HW: (H, W) of any values.
        label_set: The classes.
        file: Path of the map.

    Returns:
        (H, W) int32; or the fault of a value that is no train id.
    """
    ids = np.full(IGNORED_TRAIN_ID + 1, -1, np.int32)
    ids[[label.train_id for label in label_set.evaluated]] = [label.id for label in label_set.evaluated]
    ids[IGNORED_TRAIN_ID] = label_set.void_id
    low, high = int(train_ids_HW.min()), int(train_ids_HW.max())
    if low >= 0 and high <= IGNORED_TRAIN_ID:
        found_HW = ids[train_ids_HW]
        if found_HW.min() >= 0:
            return found_HW
        wrong = int(train_ids_HW[found_HW < 0][0])
    else:
        wrong = low if low < 0 else high
    last = len(label_set.evaluated) - 1
    return Fault(file, f"value {wrong} is no train id of {label_set.name}", f"write 0 to {last}, and 255 for no class")


def is_smaller(size: tuple[int, int], truth: tuple[int, int]) -> bool:
    """Whether a map of `size` (H, W) has the shape of the truth and fewer pixels.

    >>> is_smaller((512, 1024), (1024, 2048)), is_smaller((512, 512), (1024, 2048))
    (True, False)
    """
    return 0 < size[0] < truth[0] and size[0] * truth[1] == size[1] * truth[0]


def enlarged(map_HW: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Enlarge a map to `size` (H, W): each new pixel has the value at its centre.

    >>> enlarged(np.array([[1, 2]]), (2, 4)).tolist()
    [[1, 1, 2, 2], [1, 1, 2, 2]]
    """
    rows, columns = (nearest_index(old, new) for old, new in zip(map_HW.shape, size, strict=True))
    return map_HW[np.ix_(rows, columns)]
