"""COCO AP against an annotation file as it is: objects may overlap there, and their areas are those of the file.

The scores of `CityscapesEvaluator` are those of maps, in which a pixel belongs to one object. Here the annotations
themselves are the truth, as for pycocotools, whose figures these are. hotcoco computes them; without it pycocotools.
"""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from pycocotools import mask as coco_mask

from partwise.data.frame import raise_faults
from partwise.data.polygons.classes import classes_in
from partwise.data.polygons.coco_file import AnnotatedImages
from partwise.evaluation.coco_results import EmptyEntry
from streeteval.evaluator import CityscapesEvaluator
from streeteval.files import json_ready
from streeteval.given import shown
from streeteval.instances import Instances
from streeteval.labels import Label, LabelSet
from streeteval.metrics.coco import figures_of
from streeteval.reading.faults import Fault

__all__ = ["AnnotatedEvaluator", "CocoTruth", "HasCocoFile", "coco_file_scores"]


@runtime_checkable
class HasCocoFile(Protocol):
    """A data set whose truth is a COCO file."""

    annotated: AnnotatedImages
    label_set: LabelSet

    def coco_content(self) -> dict[str, Any]:
        """What the file holds."""
        ...


@dataclass(frozen=True, eq=False)
class CocoTruth:
    """The truth of some images in COCO form.

    Attributes:
        ids: Name of a frame -> the number of its image in `content`.
        content: "images", "categories" and "annotations": masks as compressed run lengths, classes with instances only.
    """

    ids: Mapping[str, int]
    content: Mapping[str, Any]

    @classmethod
    def of(cls, dataset: HasCocoFile, names: Sequence[str]) -> CocoTruth:
        """The truth of a COCO data set.

        Args:
            dataset: The data set.
            names: Of the frames that count.

        Raises:
            FaultyDataError: For areas that are no numbers, which matter to nothing else.
        """
        wanted = set(names)
        frames = {id_: one for one in dataset.annotated.images if one.name in wanted for id_ in one.ids}
        # In the order of the file's ids, in which pycocotools takes predictions of the same score.
        place_in_file = {one.name: _in_order(one.ids) for one in frames.values()}
        ids = {name: number for number, name in enumerate(sorted(names, key=place_in_file.__getitem__), 1)}
        sizes = {one.name: one.size for one in frames.values()}
        labels = classes_in(dataset.label_set, dataset.annotated.categories)
        annotations, faults = [], []
        for row in dataset.coco_content()["annotations"]:
            frame, label = frames.get(row["image_id"]), labels[row["category_id"]]
            if frame is not None and label is not None and label.evaluated and label.has_instances:
                if not _is_area(row.get("area", 0)):
                    problem = f"annotation {row.get('id')!r} of image {frame.name}: its area is {shown(row['area'])}"
                    faults.append(Fault(dataset.annotated.where, problem, "give a number of pixels, or leave it out"))
                    continue
                annotations.append(_entry(row, label, frame.size) | {"image_id": ids[frame.name]})
        raise_faults(dataset.annotated.where, faults)
        for number, entry in enumerate(annotations, 1):
            entry["id"] = number
        images = [{"id": ids[name], "height": sizes[name][0], "width": sizes[name][1]} for name in names]
        # The libraries print on stderr about a category without a name, and need no names.
        categories = [{"id": label.file_id, "name": str(label.file_id)} for label in dataset.label_set.things]
        return cls(ids, {"images": images, "categories": categories, "annotations": annotations})


def _in_order(ids: Sequence[int | str]) -> tuple[bool, int | str]:
    """The key by which images are sorted: numbers first, then texts."""
    return min((isinstance(id_, str), id_) for id_ in ids)


def _is_area(value: Any) -> bool:
    """Whether it is a number of pixels, or None, which stands for no number."""
    return value is None or (isinstance(value, int | float) and 0 <= value <= sys.float_info.max)


def _entry(row: Mapping[str, Any], label: Label, size: tuple[int, int]) -> dict[str, Any]:
    """An annotation as the libraries want it; what a file leaves out is computed from its mask."""
    shape = row["segmentation"]
    if isinstance(shape, Mapping):
        rle = dict(shape)
        if not isinstance(rle["counts"], str | bytes):
            rle = coco_mask.frPyObjects(rle, *size)
    else:
        rle = coco_mask.merge(coco_mask.frPyObjects([list(map(float, polygon)) for polygon in shape], *size))
    area = row.get("area")
    return {
        "category_id": label.file_id,
        "segmentation": _as_text(rle),
        "area": float(coco_mask.area(rle)) if area is None else float(area),
        "bbox": coco_mask.toBbox(rle).tolist(),
        "iscrowd": int(bool(row.get("iscrowd", 0)) or bool(row.get("ignore", 0))),
    }


def _as_text(rle: Mapping[str, Any]) -> dict[str, Any]:
    counts = rle["counts"]
    size = [int(side) for side in rle["size"]]
    return {"size": size, "counts": counts.decode("ascii") if isinstance(counts, bytes) else counts}


def coco_file_scores(truth: CocoTruth, results: Sequence[Mapping[str, Any]], label_set: LabelSet) -> dict[str, Any]:
    """COCO's mask AP and its kin, see `coco_scores` for the keys; fractions, NaN without truth.

    Args:
        truth: The annotations.
        results: Entries with the `image_id` and `category_id` of `truth`, a score, and compressed run lengths.
        label_set: Of the names of the classes.
    """
    found = [
        dict(entry)
        | {
            "id": number,
            "iscrowd": 0,
            "area": float(coco_mask.area(entry["segmentation"])),
            "bbox": coco_mask.toBbox(entry["segmentation"]).tolist(),
        }
        for number, entry in enumerate(results, 1)
    ]
    classes = sorted(label_set.things, key=lambda label: label.file_id)
    with contextlib.redirect_stdout(io.StringIO()):  # the libraries report on stdout
        evaluation = _evaluation(truth.content, dict(truth.content) | {"annotations": found})
        evaluation.params.catIds = [label.file_id for label in classes]
        evaluation.evaluate()
        evaluation.accumulate()
    return figures_of(np.asarray(evaluation.eval["precision"]), np.asarray(evaluation.eval["recall"]), classes)


def _evaluation(truth: Mapping[str, Any], found: Mapping[str, Any]) -> Any:
    """A COCOeval of masks, of hotcoco, or of pycocotools if hotcoco is not installed."""
    try:
        import hotcoco
    except ModuleNotFoundError:
        from pycocotools.cocoeval import COCOeval

        return COCOeval(_opened(truth), _opened(found), "segm")
    return hotcoco.COCOeval(hotcoco.COCO(dict(truth)), hotcoco.COCO(dict(found)), "segm")


def _opened(content: Mapping[str, Any]) -> Any:
    """The content of a COCO file as pycocotools has it."""
    from pycocotools.coco import COCO

    coco = COCO()
    coco.dataset = dict(content)
    coco.createIndex()
    return coco


class AnnotatedEvaluator(CityscapesEvaluator):
    """An evaluator that also scores against a COCO file; its scores have "coco" besides, see `coco_file_scores`.

    Args:
        label_set: The classes.
        truth: The annotations of every frame that will be scored.
        settings: As of `CityscapesEvaluator`.
    """

    def __init__(self, label_set: LabelSet, truth: CocoTruth, **settings: Any):
        super().__init__(label_set, **settings)
        self.truth = truth
        self.found: dict[str, list[dict[str, Any]]] = {}

    def update(self, scene: Any, instances: Instances | None = None, *rest: Any, **options: Any) -> None:
        """Add one image, see `CityscapesEvaluator.update`."""
        super().update(scene, instances, *rest, **options)
        if instances is None:
            return
        scores = options.get("scores")
        scores = instances.scores if scores is None else scores
        entries = instances.to_coco(self.truth.ids[scene.name])
        self.found[scene.name] = [
            {
                "image_id": entry["image_id"],
                "category_id": self.label_set.file_id_of(int(label)),
                "score": float(score),
                "segmentation": entry["segmentation"],
            }
            for entry, label, score in zip(entries, instances.labels, scores, strict=True)
        ]

    def insert_empty(self, name: str, entries: Sequence[EmptyEntry], size: tuple[int, int]) -> None:
        """Add the entries without a pixel of an image that is there: false positives of COCO's scores alone.

        Args:
            name: Of the image.
            entries: In the order of their numbers, so that among equal scores each keeps its place in the file.
            size: (H, W) of the image.
        """
        nothing = _as_text(coco_mask.encode(np.zeros(size, np.uint8, order="F")))
        for number, label, score in entries:
            row = {"image_id": self.truth.ids[name], "category_id": self.label_set.file_id_of(label)}
            self.found[name].insert(number, row | {"score": score, "segmentation": nothing})

    def fresh(self) -> AnnotatedEvaluator:
        """An evaluator with the same settings and truth, and no image."""
        return AnnotatedEvaluator(self.label_set, self.truth, metrics=self.others, **vars(self.settings))

    def merge(self, other: CityscapesEvaluator) -> AnnotatedEvaluator:
        """Take over another evaluator's images; returns self."""
        super().merge(other)
        if isinstance(other, AnnotatedEvaluator):
            self.found |= other.found
        return self

    def compute(self) -> dict[str, Any]:
        """All scores; "coco" is None without instances."""
        if not self.found:
            return super().compute() | {"coco": None}
        entries = [entry for name in sorted(self.found) for entry in self.found[name]]
        return super().compute() | {"coco": json_ready(coco_file_scores(self.truth, entries, self.label_set))}
