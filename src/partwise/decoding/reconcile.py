"""The last stage of decoding: the semantic map is changed where it contradicts the instances.

Axes: H and W pixels, h and w cells of a semantic map.
"""

from __future__ import annotations

import numpy as np

from streeteval.boxes import nearest_index
from streeteval.instances import Instances
from streeteval.labels import LabelSet


def reconcile(
    semantic_HW: np.ndarray, instances: Instances, uncertain_HW: np.ndarray, label_set: LabelSet
) -> np.ndarray:
    """Give uncertain pixels the class of their instance, if the map has another class of the same category there.

    The semantic map decides pixel by pixel, so that part of a bus easily becomes a truck. The class of an instance
    depends on all of its pixels and is therefore more reliable. Where the map has a class of another category, it
    stays as it is, because the map knows outlines better than the instance does.

    Args:
        semantic_HW: (H, W) uint8 ids of the label set; it is not changed.
        instances: The instances of the same image. Where several overlap, the one with the highest score counts.
        uncertain_HW: (H, W) bool: where the map may be changed.
        label_set: The label set of the ids.

    Returns:
        (H, W) uint8: the new map.
    """
    reconciled_HW = semantic_HW.copy()
    for i in np.argsort(instances.scores, kind="stable").tolist():  # the highest score last: it overwrites the others
        label = int(instances.labels[i])
        category = [other.id for other in label_set.things_by_category[label_set.by_id[label].category]]
        x0, y0, x1, y1 = instances.boxes[i]
        pixels_hw = reconciled_HW[y0:y1, x0:x1]
        open_hw = instances.masks[i] & uncertain_HW[y0:y1, x0:x1]
        ids = pixels_hw[open_hw]
        ids[np.isin(ids, category)] = label
        pixels_hw[open_hw] = ids
    return reconciled_HW


def uncertain_pixels(
    uncertain_hw: np.ndarray, stride_px: int, seen: tuple[int, int], size: tuple[int, int]
) -> np.ndarray:
    """Enlarge a map of uncertain cells to the pixels of an image.

    Args:
        uncertain_hw: (h, w) bool, at cells of `stride_px` pixels.
        stride_px: Side of a cell in pixels.
        seen: (H, W) in pixels at which the network saw the image; the cells may extend beyond it.
        size: (H, W) of the image in pixels.

    Returns:
        (H, W) bool: whether the semantic map is uncertain at each pixel.

    >>> uncertain_pixels(np.array([[True, False]]), 2, (1, 3), (1, 3)).tolist()
    [[True, True, False]]
    """
    uncertain_HW = uncertain_hw.repeat(stride_px, 0).repeat(stride_px, 1)[: seen[0], : seen[1]]
    if tuple(size) == tuple(seen):
        return uncertain_HW
    return uncertain_HW[np.ix_(*(nearest_index(*sides) for sides in zip(seen, size, strict=True)))]
