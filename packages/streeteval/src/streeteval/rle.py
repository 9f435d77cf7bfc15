"""Maps as runs: stretches of a row with one value.

Truth and predictions change rarely along a row. So a few ten thousand runs describe two million pixels, and counting
runs is faster than counting pixels.

Axes: H W image, R runs, K distinct values.
"""

from __future__ import annotations

import numpy as np


def joint_runs(*maps_HW: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the runs on which none of the maps changes, row after row. A run ends at the end of its row.

    Args:
        maps_HW: One or more arrays (H, W) of one size.

    Returns:
        Starts (R,), indices into the flattened maps; and lengths (R,) in pixels.

    Example:
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
    """Count the pixels with value r in one map and c in another.

    Args:
        rows_R: (R,) value of the first map in each joint run, 0..shape[0] - 1.
        columns_R: (R,) value of the second map in each joint run, 0..shape[1] - 1.
        lengths_R: (R,) length of each run in pixels.
        shape: Numbers of values of the first and the second map.

    Returns:
        An array of `shape`, int64.
    """
    joint = rows_R.astype(np.int64) * shape[1] + columns_R
    # float64 holds every count below 2**53 exactly.
    return np.bincount(joint, weights=lengths_R, minlength=shape[0] * shape[1]).astype(np.int64).reshape(shape)


def value_counts(ids_HW: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Count the pixels of each value of a map.

    Args:
        ids_HW: (H, W) ids from 0 on.

    Returns:
        Ids (K,), ascending; and pixels (K,).

    Example:
        >>> ids, pixels = value_counts(np.array([[7, 7, 26000], [7, 26000, 26000]]))
        >>> ids.tolist(), pixels.tolist()
        ([7, 26000], [3, 3])
    """
    starts, lengths = joint_runs(ids_HW)
    return _counted(ids_HW.reshape(-1)[starts], lengths)


def _counted(values_R: np.ndarray, lengths_R: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Count the pixels of each value of runs: ids (K,), ascending, and pixels (K,)."""
    counts = np.bincount(values_R, weights=lengths_R)
    ids = np.flatnonzero(counts)
    return ids, counts[ids].astype(np.int64)


def segments(ids_HW: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Count the pixels of each value of a map, and find its box.

    Args:
        ids_HW: (H, W) ids from 0 on.

    Returns:
        Ids (K,), ascending; pixels (K,); and boxes (K, 4), x0 y0 x1 y1 in pixels, half-open.

    Example:
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
    """Compute COCO's uncompressed run lengths of a mask that is kept as a crop. The image itself is not needed.

    Args:
        mask_hw: (h, w) bool, the crop.
        corner: (x, y) of the crop's first pixel in the image.
        size: (H, W) of the image in pixels.

    Returns:
        (R,) int64: lengths of the runs of 0 and 1 in turn, column after column of the image. The first run is of 0 and
        may have length 0. `pycocotools.mask.frPyObjects` compresses them.

    Example:
        >>> column_runs(np.array([[True, True]]), (1, 0), (2, 4)).tolist()  # columns 00 10 10 00
        [2, 1, 1, 1, 3]
    """
    (height, width), (x, y) = size, corner
    framed = np.zeros((mask_hw.shape[1], mask_hw.shape[0] + 2), np.int8)
    framed[:, 1:-1] = mask_hw.T
    columns, rows = np.nonzero(np.diff(framed, axis=1))
    ends = (columns + x) * height + rows + y  # begin and end of each run of 1, in turn
    joined = np.flatnonzero(ends[1:] == ends[:-1])  # runs of 1 that continue in the next column
    ends = np.delete(ends, np.concatenate([joined, joined + 1]))
    lengths = np.diff(ends, prepend=0, append=height * width)
    return lengths[:-1] if lengths[-1] == 0 else lengths
