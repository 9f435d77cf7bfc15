"""The truth of the spatial centre ordering (report 2.3): which instance has which map.

An assignment is a function (Instances of one class, limit) -> Assignment: the method knows no other way from instances
to maps, so that another one needs only another function.

Axes: H and W pixels, N instances of the class.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from partwise.data.depth import distances_of
from partwise.scene import Scene
from streeteval.instances import Instances
from streeteval.labels import IGNORED_TRAIN_ID, INSTANCE_FACTOR

OVERFLOW = -1  # no map is left for the instance
IGNORED = IGNORED_TRAIN_ID  # pixels that are neither background nor of an instance with a map
BACKGROUND = 0


@dataclass(frozen=True, eq=False)
class Assignment:
    """The map of each instance, and how often the rule of the assignment had nothing to say.

    Attributes:
        maps_N: (N,) int: 1 ... limit, or OVERFLOW.
        ties: Instances whose place another one shares exactly.
        overflow: Instances without a map.
    """

    maps_N: np.ndarray
    ties: int
    overflow: int


Assign = Callable[[Instances, int], Assignment]


def by_centre(instances: Instances, limit: int, *, vertical_first: bool = False) -> Assignment:
    """Report 2.3: instances sorted by the mean of their pixels, x first, then y; the first has map 1.

    Args:
        instances: Of one class.
        limit: Instances beyond it have no map.
        vertical_first: y first, then x, as in the report's published code.

    The report assumes that no two centres are equal. Where two are, the larger instance comes first, of equally large
    ones that whose first pixel (in reading order) comes first: never the one with the lower number.

    >>> one, two = np.zeros((4, 6), bool), np.zeros((4, 6), bool)
    >>> one[0, 4], two[3, 1] = True, True
    >>> both = Instances.from_masks([26, 26], [1, 1], [one, two])
    >>> by_centre(both, 30).maps_N.tolist(), by_centre(both, 30, vertical_first=True).maps_N.tolist()
    ([2, 1], [1, 2])
    """
    keys = []
    for (x0, y0, *_), mask in zip(instances.boxes.tolist(), instances.masks, strict=True):
        rows, columns = np.nonzero(mask)
        x, y = x0 + float(columns.mean()), y0 + float(rows.mean())
        first_pixel = (y0 + int(rows[0]), x0 + int(columns[0]))
        keys.append(((y, x) if vertical_first else (x, y), -len(rows), first_pixel))
    order = sorted(range(len(keys)), key=keys.__getitem__)
    maps_N = np.full(len(keys), OVERFLOW)
    maps_N[order[:limit]] = np.arange(1, min(limit, len(order)) + 1)
    centres = [centre for centre, *_ in keys]
    return Assignment(maps_N, sum(centres.count(centre) > 1 for centre in centres), max(0, len(keys) - limit))


def by_depth(instances: Instances, limit: int, *, distances_N: Sequence[float]) -> Assignment:
    """Sort the instances by their distance, the nearest first, as others do that have depth (report 2.3).

    Args:
        instances: Of one class.
        limit: Instances beyond it have no map.
        distances_N: In metres, of each instance; infinite where it is not known, which comes last.

    Returns:
        Of two equal distances the order of `by_centre` counts; such instances are counted as ties.

    Example:
        >>> one, two = np.zeros((4, 6), bool), np.zeros((4, 6), bool)
        >>> one[0, 4], two[3, 1] = True, True
        >>> both = Instances.from_masks([26, 26], [1, 1], [one, two])
        >>> by_depth(both, 30, distances_N=[8.0, 20.0]).maps_N.tolist()
        [1, 2]
    """
    places_N = by_centre(instances, len(instances)).maps_N.tolist()
    distances = list(distances_N)
    order = sorted(range(len(distances)), key=lambda n: (distances[n], places_N[n]))
    maps_N = np.full(len(order), OVERFLOW)
    maps_N[order[:limit]] = np.arange(1, min(limit, len(order)) + 1)
    ties = sum(distances.count(distance) > 1 for distance in distances)
    return Assignment(maps_N, ties, max(0, len(order) - limit))


def class_distances(scene: Scene, class_id: int) -> list[float]:
    """The distance in metres of each instance of a class, in the order of `of_class`.

    Raises:
        PartwiseError: If the scene has no distances.
    """
    distances = distances_of(scene)
    ids = np.unique(scene.instance_ids_HW)
    return [distances[id_] for id_ in ids[ids // INSTANCE_FACTOR == class_id].tolist()]


def of_class(scene: Scene, class_id: int) -> Instances:
    """The instances of one class, in the order of their ids."""
    return scene.instances[scene.instances.labels == class_id]


def map_of_pixels(scene: Scene, class_id: int, limit: int, assign: Assign) -> np.ndarray:
    """(H, W) uint8: 1 ... limit at the pixels of the instance that has this map, IGNORED, or BACKGROUND.

    Ignored are instances without a map and groups of the class ("cargroup"): they show the class, but no map is right.
    """
    instances = of_class(scene, class_id)
    maps_N = assign(instances, limit).maps_N
    pixels_HW = np.zeros(scene.size, np.uint8)
    pixels_HW[scene.instance_ids_HW == class_id] = IGNORED
    for (x0, y0, x1, y1), mask, number in zip(instances.boxes.tolist(), instances.masks, maps_N.tolist(), strict=True):
        pixels_HW[y0:y1, x0:x1][mask] = IGNORED if number == OVERFLOW else number
    return pixels_HW


def count_assignments(
    scenes: Iterable[Scene], class_id: int = 26, limit: int = 30, assign: Assign | None = None
) -> dict[str, int]:
    """Count what the assignment could not decide, over a data set.

    Report 2.3 assumes "at most 30" instances and that no two centres are equal.

    Args:
        scenes: The data set.
        class_id: Whose instances are counted.
        limit: Instances beyond it have no map.
        assign: None for `by_centre`.

    Returns:
        {"frames", "instances", "most" (in one frame), "ties", "frames_with_ties", "overflow", "frames_with_overflow"}.
    """
    assign = assign or by_centre
    counts = dict.fromkeys(
        ("frames", "instances", "most", "ties", "frames_with_ties", "overflow", "frames_with_overflow"), 0
    )
    for scene in scenes:
        instances = of_class(scene, class_id)
        made = assign(instances, limit)
        counts["frames"] += 1
        counts["instances"] += len(instances)
        counts["most"] = max(counts["most"], len(instances))
        for name, count in (("ties", made.ties), ("overflow", made.overflow)):
            counts[name] += count
            counts[f"frames_with_{name}"] += count > 0
    return counts
