"""Maps as runs: the stretches of a row on which nothing changes. Truth and predictions are flat nearly everywhere, so a
few ten thousand runs say what two million pixels say, and every count below is over runs.

Axes: H W image, R runs, K distinct values.
"""

from __future__ import annotations

import numpy as np


def joint_runs(*maps_HW: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(starts (R,), lengths (R,)) in pixels, row after row, of the stretches on which no map changes.

    A run ends with its row. starts index the flattened maps.

    >>> starts, lengths = joint_runs(np.array([[1, 1, 2], [2, 2, 2]]), np.array([[0, 0, 0], [0, 5, 5]]))
    >>> starts.tolist(), lengths.tolist()
    ([0, 2, 3, 4], [2, 1, 1, 2])
    """
    size, width = maps_HW[0].size, maps_HW[0].shape[1]
    changes, change = np.zeros(size, bool), np.empty(max(size - 1, 0), bool)
    for map_HW in maps_HW:
        flat = map_HW.reshape(-1)
        changes[1:] |= np.not_equal(flat[1:], flat[:-1], out=change)
    changes[:: max(width, 1)] = True
    starts = np.flatnonzero(changes)
    return starts, np.diff(starts, append=size)


def joint_counts(
    rows_R: np.ndarray, columns_R: np.ndarray, lengths_R: np.ndarray, shape: tuple[int, int]
) -> np.ndarray:
    """`shape` int64: pixels with value r in one map and c in another, from the values of their joint runs."""
    joint = rows_R.astype(np.int64) * shape[1] + columns_R
    # float64 holds every count below 2**53 exactly.
    return np.bincount(joint, weights=lengths_R, minlength=shape[0] * shape[1]).astype(np.int64).reshape(shape)


def value_counts(ids_HW: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(ids (K,), pixels (K,)) of every value of a map of ids >= 0, ids ascending.

    >>> ids, pixels = value_counts(np.array([[7, 7, 26000], [7, 26000, 26000]]))
    >>> ids.tolist(), pixels.tolist()
    ([7, 26000], [3, 3])
    """
    starts, lengths = joint_runs(ids_HW)
    return _counted(ids_HW.reshape(-1)[starts], lengths)


def _counted(values_R: np.ndarray, lengths_R: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(ids (K,), pixels (K,)) of the values of runs."""
    counts = np.bincount(values_R, weights=lengths_R)
    ids = np.flatnonzero(counts)
    return ids, counts[ids].astype(np.int64)


def segments(ids_HW: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(ids (K,), pixels (K,), boxes (K, 4) as x0 y0 x1 y1) of every value of a map of ids >= 0, ids ascending.

    >>> ids, pixels, boxes = segments(np.array([[7, 7, 26000], [7, 26000, 26000]]))
    >>> ids.tolist(), pixels.tolist(), boxes.tolist()
    ([7, 26000], [3, 3], [[0, 0, 2, 2], [1, 0, 3, 2]])
    """
    starts, lengths = joint_runs(ids_HW)
    values = ids_HW.reshape(-1)[starts]
    ids, pixels = _counted(values, lengths)
    places = np.zeros(ids.max(initial=-1) + 1, np.int64)
    places[ids] = np.arange(len(ids))
    y, x = np.divmod(starts, ids_HW.shape[1])
    boxes = np.empty((len(ids), 4), np.int64)
    boxes[:, :2], boxes[:, 2:] = np.iinfo(np.int64).max, 0
    for column, extreme, position in (
        (0, np.minimum, x),
        (1, np.minimum, y),
        (2, np.maximum, x + lengths),
        (3, np.maximum, y + 1),
    ):
        extreme.at(boxes[:, column], places[values], position)
    return ids, pixels, boxes


def column_runs(mask_hw: np.ndarray, corner: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """COCO's uncompressed run lengths of a mask that is kept as a crop; costs the crop's size, not the image's.

    Args:
        mask_hw: (h, w) bool, the crop.
        corner: (x, y) of the crop's first pixel in the image.
        size: (H, W) of the image in pixels.

    Returns:
        (R,) int64: lengths of runs, column after column of the image, of 0 and 1 in turn; 0 first, which may be empty.
        `pycocotools.mask.frPyObjects` compresses them.

    >>> column_runs(np.array([[True, True]]), (1, 0), (2, 4)).tolist()  # columns 00 10 10 00
    [2, 1, 1, 1, 3]
    """
    (height, width), (x, y) = size, corner
    framed = np.zeros((mask_hw.shape[1], mask_hw.shape[0] + 2), np.int8)
    framed[:, 1:-1] = mask_hw.T
    columns, rows = np.nonzero(np.diff(framed, axis=1))
    ends = (columns + x) * height + rows + y  # where a run of 1 begins, where it ends, and so on
    joined = np.flatnonzero(ends[1:] == ends[:-1])  # over the end of a column
    ends = np.delete(ends, np.concatenate([joined, joined + 1]))
    lengths = np.diff(ends, prepend=0, append=height * width)
    return lengths[:-1] if lengths[-1] == 0 else lengths
