"""The AP of cars that a map of semantics has, which tells no car from another: a mark for AP of cars.

A network that only knows which pixels are cars has some AP where a frame shows one car, or cars far apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from scipy import ndimage

from partwise.scene import Scene
from partwise_report.ceilings import CLASS_NAME
from streeteval.instances import Instances
from streeteval.labels import LabelSet
from streeteval.metrics.average_precision import class_table, instance_scores
from streeteval.metrics.bootstrap import draw_images
from streeteval.metrics.instance import InstanceScores
from streeteval.metrics.matching import EVERYWHERE
from streeteval.metrics.metric import Predicted

LEAST_SCORES = (0.0, 0.25, 0.5, 0.75)  # of the instances whose pixels are joined
WAYS = ("one instance", "connected components")


class OneInstanceMark:
    """AP of cars of a network whose own pixels of cars are taken as one instance a frame.

    The pixels are those of its instances of cars from a least score on. Of several least scores the one counts that
    gives the highest AP, so that the mark is as high as it can be.

    Args:
        label_set: Of the frames.
    """

    def __init__(self, label_set: LabelSet) -> None:
        self._metric, self._car = InstanceScores(label_set), _car_of(label_set)
        self._matches: dict[float, list[Any]] = {least: [] for least in LEAST_SCORES}

    def add(self, scene: Scene, found: Instances) -> None:
        """Add what a network found in a frame."""
        for least, matches in self._matches.items():
            chosen = found[(found.labels == self._car) & (found.scores >= least)]
            mask_HW = np.zeros(scene.size, bool)
            for n in range(len(chosen)):
                mask_HW |= chosen.full_mask(n)
            matches.append(_matched(self._metric, scene, [mask_HW], self._car))

    def figure(self, draws: int, seed: int) -> dict[str, Any]:
        """{"mean": AP of all frames, "draws": (draws,) AP of each draw of frames}."""
        tables = [_table(matches, self._car) for matches in self._matches.values()]
        best = max(tables, key=lambda table: np.nan_to_num(instance_scores(table)["ap"]))
        weights_BN = draw_images(len(self._matches[LEAST_SCORES[0]]), draws, seed)
        values = [instance_scores(best, weights_N)["ap"] for weights_N in weights_BN]
        return {"mean": round(instance_scores(best)["ap"], 6), "draws": np.round(values, 4)}


def semantic_aps(scenes: Iterable[Scene], progress: Callable[[int], None] = lambda done: None) -> dict[str, float]:
    """AP of cars of the true map of cars, cut into instances without knowing more than the map.

    Args:
        scenes: Frames of one label set.
        progress: Is told how many frames are done.

    Returns:
        Way of cutting (see `WAYS`) -> AP. Scores are equal.
    """
    matches: dict[str, list[Any]] = {way: [] for way in WAYS}
    metric, car = None, 0
    for done, scene in enumerate(scenes, 1):
        if metric is None:
            metric, car = InstanceScores(scene.label_set), _car_of(scene.label_set)
        map_HW = scene.semantic_HW == car
        for way, masks in (("one instance", [map_HW]), ("connected components", list(_components(map_HW)))):
            matches[way].append(_matched(metric, scene, masks, car))
        progress(done)
    return {way: round(float(instance_scores(_table(found, car))["ap"]), 6) for way, found in matches.items()}


def _components(map_HW: np.ndarray) -> Iterator[np.ndarray]:
    """The parts of a map that touch, also across a corner."""
    parts_HW, count = ndimage.label(map_HW, np.ones((3, 3)))
    return (parts_HW == number for number in range(1, count + 1))


def _car_of(label_set: LabelSet) -> int:
    return next(label.id for label in label_set.things if label.name == CLASS_NAME)


def _matched(metric: InstanceScores, scene: Scene, masks: list[np.ndarray], car: int) -> Any:
    """The matches of masks of cars with equal scores."""
    count = len(masks)
    instances = Instances.from_masks([car] * count, [1.0] * count, masks, scene.size)
    found = metric.observe(scene, Predicted(instances))
    assert found is not None
    return found[EVERYWHERE.name]


def _table(matches: list[Any], car: int) -> Any:
    return {CLASS_NAME: class_table(matches, car, sizes_px=(0.0, np.inf))}
