"""The one object behind the command line, the folder of result files and the training loop: `CityscapesEvaluator`.

Axes: B weightings, N images.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from streeteval.errors import InputError
from streeteval.files import json_ready, readable
from streeteval.given import plain
from streeteval.instances import Instances
from streeteval.labels import CITYSCAPES, LabelSet
from streeteval.metrics.available import OWN_METRICS, SETTING_OF, require_free_names
from streeteval.metrics.bootstrap import LEVEL, draw_images, interval
from streeteval.metrics.instance import InstanceScores
from streeteval.metrics.metric import SIDE_BOUNDS_PX, Detail, Metric, Predicted, size_ranges
from streeteval.scene import Scene

__all__ = ["CityscapesEvaluator", "ImageRecord", "Settings"]


@dataclass(frozen=True)
class Settings:
    """What is computed beside the official scores; all but the bounds costs time.

    Attributes:
        side_bounds_px: Bounds between the sizes of instances that AP is given for, see `size_ranges`.
        boundary: Boundary AP.
        panoptic: Panoptic quality; needs instances and a semantic map of every image.
        coco: COCO AP by pycocotools.
        by_occlusion: AP by the share of an object's box that other instances cover.
        draws: Bootstrap draws for an interval of every headline figure; 0 for none.
        seed: Seed of the draws.
    """

    side_bounds_px: tuple[int, ...] = SIDE_BOUNDS_PX
    boundary: bool = False
    panoptic: bool = False
    coco: bool = False
    by_occlusion: bool = False
    draws: int = 0
    seed: int = 0


@dataclass(frozen=True)
class ImageRecord:
    """What is kept of one image.

    Attributes:
        truth_crc32: Checksum of the truth's two maps, so that results on different truths are not compared.
        parts: The record of each metric, by its name; None if the prediction lacks what the metric is about.
    """

    truth_crc32: int
    parts: dict[str, Any]


class CityscapesEvaluator:
    """Streaming scores: `update` once an image, `merge` what other processes counted, `compute`.

    A container of metrics: pixel and instance scores, those that the settings add, and those of other packages. Keeps a
    few numbers for each prediction and instance of the truth, about 1 kB an image for the pixel scores, and no
    pixel. Equal to cityscapesScripts 2.3.0; the order of the images and how they are split over processes change
    nothing. Settings are given by keyword: `CityscapesEvaluator(boundary=True, draws=1000)`.

    Args:
        label_set: The classes.
        metrics: Other metrics to compute as well, such as `find_metric(name)(label_set)`.
        settings: The fields of `Settings`.

    Raises:
        InputError: For bounds of sizes that do not rise, and for metrics whose names are taken.
    """

    def __init__(self, label_set: LabelSet = CITYSCAPES, *, metrics: Sequence[Metric[Any]] = (), **settings: Any):
        self.label_set = label_set
        self.settings = Settings(**settings)
        require_free_names(metrics)
        self.others = tuple(metrics)
        self.metrics = (*self._own_metrics(), *metrics)
        self.records: dict[str, ImageRecord] = {}
        self._detail = Detail(size_ranges(self.settings.side_bounds_px))

    def _own_metrics(self) -> list[Metric[Any]]:
        """Make the own metrics that the settings ask for."""
        asked = [name for name in OWN_METRICS if name not in SETTING_OF or getattr(self.settings, SETTING_OF[name])]
        how = {InstanceScores.name: {"boundary": self.settings.boundary}}
        return [OWN_METRICS[name](self.label_set, **how.get(name, {})) for name in asked]

    def __len__(self) -> int:
        return len(self.records)

    def fresh(self) -> CityscapesEvaluator:
        """Return an evaluator with the same settings and no image, for another process to fill."""
        return type(self)(self.label_set, metrics=self.others, **asdict(self.settings))

    def update(
        self,
        scene: Scene,
        instances: Instances | None = None,
        semantic_HW: np.ndarray | None = None,
        *,
        scores: np.ndarray | None = None,
        depth_HW: np.ndarray | None = None,
    ) -> None:
        """Add one image.

        Args:
            scene: The image with its truth.
            instances: What was predicted, with ids of the label set as labels; None: no instance scores.
            semantic_HW: (H, W) predicted label ids (not train ids) at the truth's size; None: no pixel scores.
            scores: (N,) float64 scores of the N instances in place of `instances.scores`, if float32 would tie
                confidences.
            depth_HW: (H, W) depth of the truth in metres, NaN where unknown (distance.py); None: no AP100m and AP50m.

        Raises:
            InputError: If an image is added twice, a size is not that of the truth, an id is unknown, or instances,
                semantic maps or depth are given for some images and not for others.
        """
        name = readable(scene.name)  # as a JSON file holds it: results from a file and from a model are compared
        if name in self.records:
            raise InputError(f"{scene.name}: scored twice: give every image once")
        semantic_HW, scores, depth_HW = plain(semantic_HW), plain(scores), plain(depth_HW)
        prediction = Predicted(instances, None if semantic_HW is None else np.asarray(semantic_HW), scores)
        parts = {metric.name: metric.observe(scene, prediction, depth_HW) for metric in self.metrics}
        self._add(name, ImageRecord(_crc32(scene), parts))

    def merge(self, other: CityscapesEvaluator) -> CityscapesEvaluator:
        """Add another evaluator's images; returns self.

        Raises:
            InputError: If both saw an image of the same name, or they score different things.
        """
        if (self.described(), self.label_set.name) != (other.described(), other.label_set.name):
            raise InputError(f"evaluators with different settings: {self.described()} and {other.described()}")
        for name, record in other.records.items():
            if name in self.records:
                raise InputError(f"{name}: scored twice: give every image to one process only")
            self._add(name, record)
        return self

    def _add(self, name: str, record: ImageRecord) -> None:
        """Add the record of an image.

        Raises:
            InputError: If there is one of this name, or other images have records of other metrics.
        """
        kinds, first = (self.kinds(x) for x in (record, next(iter(self.records.values()), record)))
        if kinds != first:
            raise InputError(
                f"{name}: this image gives {', '.join(kinds) or 'nothing'} to score, those before it "
                f"{', '.join(first) or 'nothing'}: give the same for every image"
            )
        self.records[name] = record

    def kinds(self, record: ImageRecord) -> tuple[str, ...]:
        """Say what can be scored with the record of an image."""
        found = [(metric, record.parts.get(metric.name)) for metric in self.metrics]
        return tuple(kind for metric, part in found if part is not None for kind in metric.kinds(part))

    def described(self) -> dict[str, Any]:
        """Return the settings, and the names of the metrics of other packages if there are any."""
        names = [metric.name for metric in self.others]
        return asdict(self.settings) | ({"metrics": names} if names else {})

    def observed(self) -> list[tuple[Metric[Any], list[Any]]]:
        """Return every metric that has something to score, with its records in the order of the images' names.

        Every sum and draw is taken in this order.
        """
        records = [self.records[name].parts for name in sorted(self.records)]
        scored = [metric for metric in self.metrics if records and records[0].get(metric.name) is not None]
        return [(metric, [parts[metric.name] for parts in records]) for metric in scored]

    def summarise(self, weights_BN: np.ndarray, detail: Detail | None = None) -> dict[str, np.ndarray]:
        """Compute every headline figure for B weightings of the N images.

        Args:
            weights_BN: (B, N) int, how often each image counts, in the order of their names.
            detail: Asks for the figures of classes ("instance.ap car") and sizes ("instance.ap 32-64 px") as well.

        Returns:
            (B,) values of each figure by its place in the scores, such as "instance.ap50" or "panoptic.pq".
        """
        return {
            f"{metric.name}.{figure}": values_B
            for metric, records in self.observed()
            for figure, values_B in metric.summarise(records, weights_BN, detail).items()
        }

    def compute(self) -> dict[str, Any]:
        """Compute all scores.

        Returns:
            {"images": int, "settings": {...}, "semantic": None or {...}, "instance": None or {...}, "panoptic": None or
            {...}, the name of every other metric: None or {...}, "intervals": None or {...}} in JSON's own types.
            Scores are fractions of 1; None if a score has no value (a class without truth). docs/evaluation.md defines
            every key.
        """
        found = {metric.name: metric.scores(records, self._detail) for metric, records in self.observed()}
        scores: dict[str, Any] = {"images": len(self), "settings": self.described()}
        for name in (*OWN_METRICS, *(metric.name for metric in self.others)):
            parent, _, key = name.rpartition(".")  # "instance.coco" stands in "instance"
            place = scores[parent] if parent else scores
            if place is not None:
                place[key] = found.get(name)
        scores["intervals"] = self._intervals() if len(self) and self.settings.draws else None
        return json_ready(scores)

    def _intervals(self) -> dict[str, Any]:
        """Return the interval of every headline figure; NaN where too few images have truth for it."""
        drawn = self.summarise(draw_images(len(self), self.settings.draws, self.settings.seed))
        images = {
            f"{metric.name}.{figure}": number
            for metric, records in self.observed()
            for figure, number in metric.images_behind(records).items()
        }
        intervals = {key: interval(values_B, images[key]) for key, values_B in drawn.items()}
        return {"level": LEVEL, "draws": self.settings.draws, **intervals}


def _crc32(scene: Scene) -> int:
    """Return a checksum of the truth, from every fourth row of both maps: it sees a changed object and takes 1 ms."""
    crc = zlib.crc32(np.ascontiguousarray(scene.semantic_HW[::4]).data)
    return zlib.crc32(np.ascontiguousarray(scene.instance_ids_HW[::4], np.uint16).data, crc)
