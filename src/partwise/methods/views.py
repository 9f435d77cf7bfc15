"""The views of a photo: the usual size, and an overview in which an object may fill the photo.

The windows of part maps have a largest size. An object that is larger in the image that the network sees is cut at the
edge of a window, or missed. The overview shows the same photo so small that the largest window holds it. Only objects
that are too large for the usual view are taken from the overview.

Axes: H and W pixels, N instances.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from partwise.methods.options import joined
from partwise.scene import Prediction
from streeteval.boxes import crop_intersection
from streeteval.instances import Instances
from streeteval.labels import LabelSet

__all__ = ["from_near_to_far", "may_be_cut", "overview_size", "predict_views", "whole_from_overview"]

FITS = 1.25  # in a view with a longer side of so many times the largest object, even an object that fills it fits
ALWAYS = 2.0  # in a view that is longer than this many times the largest object, a near object may be missed altogether
CUT_SCORE = 0.05  # an instance with a lower score is no sign that an object was cut
NEAR_LIMIT = 0.8  # objects from this share of the largest size on are taken from the overview, too
PIECE_INSIDE = 0.5  # an instance is a piece of a larger one if at least this share of its pixels lies inside
PIECE_SCORE = 0.5  # a piece gives way to a whole object that has at least this share of its score


def predict_views(
    predict: Callable[[tuple[int, int]], list[Prediction]],
    size: tuple[int, int],
    seen: tuple[int, int],
    largest_px: float,
    label_set: LabelSet,
) -> list[Prediction]:
    """Predict images from their usual view, and from an overview where an object may be too large for that.

    Args:
        predict: (H, W) of a view in pixels -> a prediction of the size of the images for each of them.
        size: (H, W) of the images in pixels.
        seen: (H, W) of the usual view in pixels.
        largest_px: See `overview_size`.
        label_set: The classes.
    """
    usual, smaller = predict(seen), overview_size(size, seen, largest_px)
    limit_px = largest_px * max(size) / max(seen)
    needed = [max(seen) > ALWAYS * largest_px or may_be_cut(one, limit_px) for one in usual]
    if smaller is None or not any(needed):
        return usual
    kind_of = _kinds_of_classes(label_set)
    return [
        whole_from_overview(one, small, limit_px, kind_of) if asked else one
        for one, small, asked in zip(usual, predict(smaller), needed, strict=True)
    ]


def from_near_to_far(
    views: Sequence[list[Prediction]],
    seen: Sequence[tuple[int, int]],
    size: tuple[int, int],
    largest_px: float,
    label_set: LabelSet,
) -> list[Prediction]:
    """Join several views of the same images: an object that is too large for a view is taken from the smaller ones.

    Args:
        views: The predictions of each view, at the size of the images, from the smallest view to the largest.
        seen: (H, W) of each view in pixels.
        size: (H, W) of the images in pixels.
        largest_px: See `overview_size`; infinite if large objects are taken from any view.
        label_set: The classes.

    Returns:
        A prediction for each image, with the semantic map of the largest view.
    """
    kind_of, together = _kinds_of_classes(label_set), list(views[0])
    for view, view_px in zip(views[1:], seen[1:], strict=True):
        limit_px = largest_px * max(size) / max(view_px)
        for index, (smaller, own) in enumerate(zip(together, view, strict=True)):
            whole, large = smaller.instances, _too_large(smaller.instances, limit_px)
            kept = _without_pieces(_fitting(own.instances, limit_px), large, kind_of)
            together[index] = joined([Prediction(whole), Prediction(kept, own.semantic_HW)])
    return together


def overview_size(size: tuple[int, int], seen: tuple[int, int], largest_px: float) -> tuple[int, int] | None:
    """Compute the size of the overview.

    Args:
        size: (H, W) of the image in pixels.
        seen: (H, W) of the usual view in pixels.
        largest_px: Longest side of the largest object that the method finds whole, see `Method.largest_px`.

    Returns:
        (H, W) in pixels; None if an object that fills the usual view fits into the largest window.

    >>> overview_size((512, 1024), (640, 1280), 410), overview_size((240, 320), (300, 400), 410)
    ((205, 410), None)
    """
    if math.isinf(largest_px) or max(seen) <= FITS * largest_px:
        return None
    height, width = (max(1, round(side * largest_px / max(size))) for side in size)
    return height, width


def may_be_cut(usual: Prediction, limit_px: float) -> bool:
    """Check whether the usual view shows an object that may be too large for its windows."""
    instances = usual.instances
    return bool(((instances.longest_sides >= NEAR_LIMIT * limit_px) & (instances.scores >= CUT_SCORE)).any())


def whole_from_overview(
    usual: Prediction, overview: Prediction, limit_px: float, kind_of: Mapping[int, int]
) -> Prediction:
    """Take the objects that are too large for the usual view from the overview, and drop their pieces.

    An instance of the usual view that is larger than the limit may be cut at the edge of its window, and is dropped
    as well.

    Args:
        usual: The prediction of the usual view; its semantic map is kept.
        overview: The prediction of the overview, at the same size (H, W).
        limit_px: Longest side in pixels of the image of the largest object that the usual view shows whole.
        kind_of: Class id -> number of its category. A piece of a bus may have been taken for a car.

    Returns:
        The prediction, with the instance with the highest score first.
    """
    large, whole = _too_large(overview.instances, limit_px), _fitting(usual.instances, limit_px)
    return joined([Prediction(large), Prediction(_without_pieces(whole, large, kind_of), usual.semantic_HW)])


def _kinds_of_classes(label_set: LabelSet) -> dict[int, int]:
    """Return the number of its category for each class id that has instances."""
    categories = list(label_set.things_by_category)
    return {label.id: categories.index(label.category) for label in label_set.things}


def _too_large(instances: Instances, limit_px: float) -> Instances:
    """Return the instances of a smaller view that may be too large for a view with this limit."""
    return instances[instances.longest_sides >= NEAR_LIMIT * limit_px]


def _fitting(instances: Instances, limit_px: float) -> Instances:
    """Return the instances of a view that are not larger than its limit."""
    return instances[instances.longest_sides <= limit_px]


def _without_pieces(instances: Instances, large: Instances, kind_of: Mapping[int, int]) -> Instances:
    """Leave out each instance that is a piece of a large one of the same category."""
    is_piece = [
        any(_is_piece(instances, i, large, j, kind_of) for j in range(len(large))) for i in range(len(instances))
    ]
    return instances[np.flatnonzero(~np.array(is_piece, bool))]


def _is_piece(instances: Instances, i: int, large: Instances, j: int, kind_of: Mapping[int, int]) -> bool:
    """Check whether instance `i` is a piece of the large instance `j`."""
    if kind_of[int(instances.labels[i])] != kind_of[int(large.labels[j])]:
        return False
    if large.scores[j] < PIECE_SCORE * instances.scores[i] or instances.areas[i] >= large.areas[j]:
        return False
    shared = crop_intersection(instances.boxes[i], instances.masks[i], large.boxes[j], large.masks[j])
    return shared >= PIECE_INSIDE * instances.areas[i]
