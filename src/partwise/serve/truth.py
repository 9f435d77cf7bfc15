"""Truth against prediction for the frames of a data set, and the curve of AP over the frames that were looked at.

Axes: N instances.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from partwise.data.dataset import Dataset
from partwise.errors import PartwiseError
from partwise.report.panels import match_instances
from partwise.scene import Scene
from partwise.segmenter import Result
from partwise.serve.forms import instances_json
from partwise.serve.limits import RefusedError
from streeteval.metrics.average_precision import class_table, instance_scores
from streeteval.metrics.instance import InstanceScores, Matches
from streeteval.metrics.matching import EVERYWHERE
from streeteval.metrics.metric import Predicted
from streeteval.scene import names_of

__all__ = ["Truth", "truth_json"]

MOST_POINTS = 400  # of a curve that is sent to the page


@dataclass(eq=False)
class Truth:
    """A split of a data set, and the matches of the frames that were looked at.

    Attributes:
        scenes: The split, read with the classes of the model.
        name: What the page calls it, without a folder.
        root: Its place on this machine, which is cut out of every error.
    """

    scenes: Dataset
    name: str
    root: str
    _matches: dict[str, Matches] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def names(self) -> list[str]:
        """Names of the frames."""
        return names_of(self.scenes)

    def scene(self, i: int) -> Scene:
        """Read frame i.

        Raises:
            RefusedError: If there is no such frame, or it cannot be read. The message has no path of this machine.
        """
        if not 0 <= i < len(self.scenes):
            raise RefusedError(f"frame {i}: the data have the frames 0 to {len(self.scenes) - 1}", 404)
        try:
            return self.scenes[i]
        except PartwiseError as error:
            raise RefusedError(str(error).replace(self.root, self.name), 422) from None

    def observe(self, scene: Scene, result: Result) -> None:
        """Match a prediction with its truth, and keep the matches for the curve."""
        metric = InstanceScores(scene.label_set)
        matches = metric.observe(scene, Predicted(result.instances, result.semantic_HW))
        if matches is not None:
            with self._lock:
                self._matches[scene.name] = matches

    def curve_json(self) -> dict[str, Any]:
        """AP and the curve of precision and recall at an IoU of .5, by class, over the frames that were looked at."""
        with self._lock:
            matches = [one[EVERYWHERE.name] for one in self._matches.values()]
        tables = {label.name: class_table(matches, label.id) for label in self.scenes.label_set.things}
        scores = instance_scores(tables)
        classes = [
            {
                "name": name,
                "truths": int(table.truths.sum()),
                "ap": _number(scores["per_class"][name]["ap"]),
                "ap50": _number(scores["per_class"][name]["ap50"]),
                "curve": np.round(_thinned(table.curve()), 4).tolist(),
            }
            for name, table in tables.items()
        ]
        return {
            "frames": len(matches),
            "of": len(self.scenes),
            "ap": _number(scores["ap"]),
            "ap50": _number(scores["ap50"]),
            "classes": classes,
        }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)


def _thinned(points: np.ndarray) -> np.ndarray:
    """At most MOST_POINTS of the points, with the first and the last."""
    if len(points) <= MOST_POINTS:
        return points
    return points[np.linspace(0, len(points) - 1, MOST_POINTS).round().astype(int)]


def truth_json(scene: Scene, result: Result, page: tuple[int, int]) -> dict[str, Any]:
    """The true instances of evaluated classes, and which prediction is on which of them.

    Args:
        scene: The photo with its truth.
        result: What was found in it.
        page: (H, W) of the picture in the page.

    Returns:
        "instances" as in `result_json`, and "matched": for each prediction the index of its true instance, or -1. A
        prediction and its true instance have one class and an IoU of at least .5; those with the highest score come
        first, so that leaving out low scores changes no other pair.
    """
    evaluated = [label.id for label in scene.label_set.things]
    truth = scene.instances[np.isin(scene.instances.labels, evaluated)]
    matched = match_instances(truth, result.instances)
    shown = truth.resized(page) if page != truth.size else truth
    if len(shown) != len(truth):  # a tiny one has no pixel at the size of the page
        kept = [n for n in range(len(truth)) if len(truth[[n]].resized(page))]
        place = {n: i for i, n in enumerate(kept)}
        matched = np.array([place.get(int(n), -2 if n >= 0 else -1) for n in matched], int)
    colours_N3 = np.zeros((len(shown), 3), np.uint8)
    return {"instances": instances_json(shown, colours_N3), "matched": matched.tolist()}
