"""Compute COCO's mask AP through pycocotools, image by image, so that no mask is kept.

Truth is every instance of an evaluated class, of any size; groups are crowds. Note that COCO AP and Cityscapes AP are
two different metrics: COCO interpolates precision, matches greedily, keeps 100 predictions an image and has no void.

Axes: N images, D predictions of a class in all images, T overlap thresholds, R recalls, B bootstrap draws; K classes, A
area ranges, M numbers of predictions as pycocotools has them.
"""

from __future__ import annotations

import contextlib
import copy
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from streeteval.instances import Instances
from streeteval.labels import INSTANCE_FACTOR, Label, LabelSet
from streeteval.metrics.metric import Detail, Metric, Predicted
from streeteval.metrics.pixel import mean_of_valid
from streeteval.rle import value_counts
from streeteval.scene import Scene

Verdicts = list[dict | None]  # of pycocotools on one image, see `coco_matches`


def coco_matches(scene: Scene, instances: Instances) -> Verdicts:
    """Match the predictions of one image with pycocotools.

    Returns:
        pycocotools' verdicts: one entry for each class and area range, None if there is nothing.
    """
    from pycocotools.coco import COCO

    things = {label.id: label.name for label in scene.label_set.things}
    truth = COCO()
    truth.dataset = {
        "images": [{"id": 0, "height": scene.size[0], "width": scene.size[1]}],
        "categories": [{"id": id_, "name": name} for id_, name in things.items()],
        "annotations": _truth_entries(scene, things),
    }
    found = COCO()
    kept = instances[np.isin(instances.labels, list(things))]
    found.dataset = truth.dataset | {
        "annotations": [
            entry | {"category_id": int(label), "id": number, "iscrowd": 0, "area": int(area)}
            for number, (entry, label, area) in enumerate(zip(kept.to_coco(0), kept.labels, kept.areas, strict=True), 1)
        ]
    }
    with contextlib.redirect_stdout(io.StringIO()):  # the library reports on stdout
        truth.createIndex()
        found.createIndex()
        evaluation = _evaluation(scene.label_set, [0])
        evaluation.cocoGt, evaluation.cocoDt = truth, found
        evaluation.evaluate()
    return [entry and {key: entry[key] for key in _KEPT} for entry in evaluation.evalImgs]


_KEPT = ("dtScores", "dtMatches", "dtIgnore", "gtIgnore")  # all that COCOeval.accumulate reads


def _truth_entries(scene: Scene, things: dict[int, str]) -> list[dict]:
    """Return the COCO annotations of a scene's instances and groups."""
    ids, _ = value_counts(scene.instance_ids_HW)
    labels = np.where(ids < INSTANCE_FACTOR, ids, ids // INSTANCE_FACTOR)
    keep = np.isin(labels, list(things))
    masks = Instances.from_masks(
        labels[keep].tolist(), [1.0] * int(keep.sum()), (scene.instance_ids_HW == i for i in ids[keep]), scene.size
    )
    crowds = (ids[keep] < INSTANCE_FACTOR).tolist()
    return [
        entry | {"id": number, "iscrowd": int(crowd), "area": int(area)}
        for number, (entry, crowd, area) in enumerate(zip(masks.to_coco(0), crowds, masks.areas, strict=True), 1)
    ]


def _evaluation(label_set: LabelSet, images: list[int]) -> Any:
    """Return an empty `COCOeval` of pycocotools for these classes and images."""
    from pycocotools.cocoeval import COCOeval

    evaluation = COCOeval(iouType="segm")
    evaluation.params.catIds = [label.id for label in label_set.things]
    evaluation.params.imgIds = images
    return evaluation


def coco_scores(matches: Sequence[Verdicts], label_set: LabelSet) -> dict:
    """Compute all COCO scores.

    Args:
        matches: What `coco_matches` gave for each image.
        label_set: The classes.

    Returns:
        {"ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large", "ar_1", "ar_10", "ar_100", "per_class": {name: ap}}
        in 0..1; NaN without truth.
    """
    evaluation = _evaluation(label_set, list(range(len(matches))))
    # COCOeval's order: class, then area range, then image.
    evaluation.evalImgs = [image[place] for place in range(len(matches[0])) for image in matches]
    evaluation._paramsEval = copy.deepcopy(evaluation.params)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.accumulate()
    classes = sorted(label_set.things, key=lambda label: label.id)
    return figures_of(evaluation.eval["precision"], evaluation.eval["recall"], classes)


_OVERLAPS = np.linspace(0.5, 0.95, 10)  # COCOeval's
_PREDICTIONS = (1, 10, 100)  # an image, COCOeval's maxDets


def figures_of(precision_TRKAM: np.ndarray, recall_TKAM: np.ndarray, classes: Sequence[Label]) -> dict[str, Any]:
    """The figures of `coco_scores` from what COCOeval gathers, with its usual parameters.

    Args:
        precision_TRKAM: -1 without truth.
        recall_TKAM: Likewise.
        classes: The K classes. COCOeval sorts them by their category ids.
    """
    sizes = {
        f"ap_{name}": _mean(precision_TRKAM[:, :, :, area, -1])
        for area, name in enumerate(("small", "medium", "large"), 1)
    }
    recalls = {f"ar_{count}": _mean(recall_TKAM[:, :, 0, m]) for m, count in enumerate(_PREDICTIONS)}
    in_order = sorted(enumerate(classes), key=lambda place: place[1].train_id)
    return {
        "ap": _mean(precision_TRKAM[:, :, :, 0, -1]),
        "ap50": _mean(precision_TRKAM[np.isclose(_OVERLAPS, 0.5), :, :, 0, -1]),
        "ap75": _mean(precision_TRKAM[np.isclose(_OVERLAPS, 0.75), :, :, 0, -1]),
        **sizes,
        **recalls,
        "per_class": {label.name: _mean(precision_TRKAM[:, :, k, 0, -1]) for k, label in in_order},
    }


def drawn_coco_scores(
    matches: Sequence[Verdicts], label_set: LabelSet, weights_BN: np.ndarray
) -> dict[str, np.ndarray]:
    """Compute AP and AP50 of every draw from pycocotools' verdicts.

    Args:
        matches: What `coco_matches` gave for each image.
        label_set: The classes.
        weights_BN: (B, N) how often each image counts. With 1 for each, the values are those of `coco_scores`.

    Returns:
        {"ap", "ap50"}, (B,) each, in 0..1; NaN without truth.
    """
    parameters = _evaluation(label_set, []).params
    areas, most = len(parameters.areaRng), parameters.maxDets[-1]
    curves = [_ClassVerdicts.of([image[areas * k] for image in matches], most) for k in range(len(label_set.things))]
    ap_BKT = np.array(
        [[curve.precision(weights_N, parameters.recThrs) for curve in curves] for weights_N in weights_BN]
    )
    half = np.isclose(parameters.iouThrs, 0.5)
    return {
        "ap": mean_of_valid(ap_BKT.reshape(len(weights_BN), -1)),
        "ap50": mean_of_valid(ap_BKT[:, :, half][:, :, 0]),
    }


# What an image without truth and predictions of a class gives; pycocotools has 10 overlaps.
_NOTHING = {"dtScores": [], "dtMatches": np.zeros((10, 0)), "dtIgnore": np.zeros((10, 0)), "gtIgnore": []}


@dataclass(frozen=True)
class _ClassVerdicts:
    """Verdicts on one class, highest score first, as COCOeval.accumulate joins them.

    Attributes:
        image_D: (D,) which image a prediction belongs to.
        true_TD: (T, D) bool, true positives.
        false_TD: (T, D) bool, false positives. A prediction that is neither is ignored.
        truths_N: (N,) instances that count.
    """

    image_D: np.ndarray
    true_TD: np.ndarray
    false_TD: np.ndarray
    truths_N: np.ndarray

    @classmethod
    def of(cls, entries: list[dict | None], most: int) -> _ClassVerdicts:
        """Join the entries of each image; of an image, the `most` predictions with the highest scores count."""
        present = [(i, entry) for i, entry in enumerate(entries) if entry is not None]
        scores = np.concatenate([np.zeros(0), *(entry["dtScores"][:most] for _, entry in present)])
        order = np.argsort(-scores, kind="mergesort")
        image = np.concatenate([np.zeros(0, int), *(np.full(len(e["dtScores"][:most]), i) for i, e in present)])
        joined = lambda key: np.concatenate(
            [np.zeros((10, 0), bool), *(e[key][:, :most] != 0 for _, e in present)], axis=1
        )
        matched_TD, ignored_TD = joined("dtMatches")[:, order], joined("dtIgnore")[:, order]
        truths = np.zeros(len(entries), np.int64)
        for i, entry in present:
            truths[i] = np.count_nonzero(np.asarray(entry["gtIgnore"]) == 0)
        return cls(image[order], matched_TD & ~ignored_TD, ~matched_TD & ~ignored_TD, truths)

    def precision(self, weights_N: np.ndarray, recalls_R: np.ndarray) -> np.ndarray:
        """Return (T,) the mean over the recalls of the best precision at that recall or above; NaN without truth."""
        truths = int(self.truths_N @ weights_N)
        if truths == 0:
            return np.full(len(self.true_TD), np.nan)
        weight_D = weights_N[self.image_D]
        true_TD = np.cumsum(self.true_TD * weight_D, axis=1, dtype=np.float64)
        false_TD = np.cumsum(self.false_TD * weight_D, axis=1, dtype=np.float64)
        precision_TD = true_TD / (true_TD + false_TD + np.spacing(1))
        best_TD = np.maximum.accumulate(precision_TD[:, ::-1], axis=1)[:, ::-1]
        # Beyond the last recall that is reached, precision is 0.
        best_TD = np.hstack([best_TD, np.zeros((len(best_TD), 1))])
        places_TR = [np.searchsorted(recall_D, recalls_R, side="left") for recall_D in true_TD / truths]
        return np.take_along_axis(best_TD, np.array(places_TR), axis=1).mean(axis=1)


def _mean(values: np.ndarray) -> float:
    """Return the mean of pycocotools' values, in which -1 stands for "no truth"."""
    valid = values[values > -1]
    return float(valid.mean()) if valid.size else float("nan")


class CocoScores(Metric[Verdicts]):
    """COCO AP and its relatives. The record of an image is `coco_matches`, which no JSON file keeps."""

    name = "instance.coco"
    record_key = None

    def observe(self, scene: Scene, prediction: Predicted, depth_HW: np.ndarray | None = None) -> Verdicts | None:
        """Return the verdicts on one image; None without instances."""
        return None if prediction.instances is None else coco_matches(scene, prediction.instances)

    def summarise(
        self, records: Sequence[Verdicts], weights_BN: np.ndarray, detail: Detail | None = None
    ) -> dict[str, np.ndarray]:
        """Return AP and AP50 of each weighting."""
        return drawn_coco_scores(records, self.label_set, weights_BN)

    def scores(self, records: Sequence[Verdicts], detail: Detail) -> dict[str, Any]:
        """Return all scores, see `coco_scores`."""
        return coco_scores(records, self.label_set)

    def kinds(self, record: Verdicts) -> tuple[str, ...]:
        """Return nothing: results are compared with files, which hold no verdicts."""
        return ()
