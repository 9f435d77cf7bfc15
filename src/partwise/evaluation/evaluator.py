"""`CityscapesEvaluator`: the one object behind the command line, the folder of result files and the training loop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from partwise.errors import PartwiseError
from partwise.evaluation.instance import SIZES_PX, average_recall, class_table, instance_scores
from partwise.evaluation.matching import EVERYWHERE, ImageMatches, match, overlaps
from partwise.evaluation.pixel import PixelCounts, count_pixels, pixel_scores, thing_category_names
from partwise.files import json_ready
from partwise.labels import CITYSCAPES, LabelSet
from partwise.scene import Instances, Scene


@dataclass(frozen=True)
class ImageRecord:
    """What is kept of one image: `pixels` (None without a semantic map), `matches` by criterion (or {})."""

    pixels: PixelCounts | None
    matches: dict[str, ImageMatches]


class CityscapesEvaluator:
    """Streaming Cityscapes scores: `update` once an image, `merge` what other processes counted, `compute`.

    Keeps a few numbers for each prediction and instance of the truth, about 1 kB an image for the pixel scores, and no
    pixel. Equal to cityscapesScripts 2.3.0; the order of the images and how they are split over processes change
    nothing.
    """

    def __init__(self, label_set: LabelSet = CITYSCAPES):
        self.label_set = label_set
        self.records: dict[str, ImageRecord] = {}

    def __len__(self) -> int:
        return len(self.records)

    def update(
        self,
        scene: Scene,
        instances: Instances | None = None,
        semantic_HW: np.ndarray | None = None,
        *,
        scores: np.ndarray | None = None,
    ) -> None:
        """Add one image.

        instances     what was predicted, with ids of the label set as labels; None: no instance scores
        semantic_HW   predicted label ids (not train ids) at the truth's size; None: no pixel scores
        scores        (N,) float64 in place of `instances.scores` where float32 would tie confidences

        Raises PartwiseError: an image twice, another size than the truth, an unknown id, or instances (semantic maps)
        for some images and not for others.
        """
        if scene.name in self.records:
            raise PartwiseError(f"{scene.name}: scored twice: give every image once")
        matches, pixels = {}, None
        if instances is not None:
            found = overlaps(scene, instances, scores)
            matches[EVERYWHERE.name] = match(found, EVERYWHERE, [label.id for label in scene.label_set.things])
        if semantic_HW is not None:
            try:
                pixels = count_pixels(np.asarray(semantic_HW), scene.semantic_HW, scene.instance_ids_HW, self.label_set)
            except PartwiseError as error:
                raise PartwiseError(f"{scene.name}: {error}") from None
        self._add(scene.name, ImageRecord(pixels, matches))

    def merge(self, other: CityscapesEvaluator) -> CityscapesEvaluator:
        """Take over another evaluator's images; returns self.

        Raises PartwiseError if both saw an image of the same name or they score different things.
        """
        for name, record in other.records.items():
            if name in self.records:
                raise PartwiseError(f"{name}: scored twice: give every image to one process only")
            self._add(name, record)
        return self

    def _add(self, name: str, record: ImageRecord) -> None:
        for first in self.records.values():
            if (first.pixels is None) != (record.pixels is None) or first.matches.keys() != record.matches.keys():
                raise PartwiseError(
                    f"{name}: this image has other predictions (instances, semantic map) than those before it: "
                    "a score needs them for every image"
                )
            break
        self.records[name] = record

    def compute(self) -> dict:
        """All scores as fractions, in JSON's own types; None where a score has no value (a class without truth).

        {"images": int, "semantic": None or {...}, "instance": None or {...}}; docs/evaluation.md defines every key.
        """
        records = [self.records[name] for name in sorted(self.records)]
        has_pixels = bool(records) and records[0].pixels is not None
        has_matches = bool(records) and bool(records[0].matches)
        return json_ready(
            {
                "images": len(records),
                "semantic": self._semantic(records) if has_pixels else None,
                "instance": self._instance([r.matches[EVERYWHERE.name] for r in records]) if has_matches else None,
            }
        )

    def _semantic(self, records: list[ImageRecord]) -> dict:
        scores = pixel_scores(np.sum([record.pixels.flat() for record in records], axis=0), self.label_set)
        iiou = dict(zip([label.name for label in self.label_set.things], scores["iiou"], strict=True))
        category_iiou = dict(zip(thing_category_names(self.label_set), scores["category_iiou"], strict=True))
        return {
            **{key: scores[key] for key in ("iou_class", "iiou_class", "iou_category", "iiou_category")},
            "per_class": {
                label.name: {"iou": iou, "iiou": iiou.get(label.name)}
                for label, iou in zip(self.label_set.evaluated, scores["iou"], strict=True)
            },
            "per_category": {
                name: {"iou": iou, "iiou": category_iiou.get(name)}
                for name, iou in zip(self.label_set.categories, scores["category_iou"], strict=True)
            },
        }

    def _instance(self, matches: list[ImageMatches]) -> dict:
        tables = lambda **how: {label.name: class_table(matches, label.id, **how) for label in self.label_set.things}
        return {
            **instance_scores(tables()),
            "by_size": {name: instance_scores(tables(sizes_px=(low, below))) for name, low, below in SIZES_PX},
            "ar": average_recall(matches),
        }
