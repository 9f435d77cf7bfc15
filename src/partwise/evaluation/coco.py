"""COCO's mask AP through pycocotools, image by image, so that no mask is kept.

Truth: every instance of an evaluated class, of any size; groups are crowds. Note that COCO AP and Cityscapes AP are two
different metrics: COCO interpolates precision, matches greedily, keeps 100 predictions an image and knows no void.
"""

from __future__ import annotations

import contextlib
import copy
import io

import numpy as np

from partwise.labels import INSTANCE_FACTOR, LabelSet
from partwise.scene import Instances, Scene


def coco_matches(scene: Scene, instances: Instances) -> list[dict | None]:
    """pycocotools' verdicts on one image: one entry for each class and area range, None where there is nothing."""
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
            entry | {"id": number, "iscrowd": 0, "area": int(area)}
            for number, (entry, area) in enumerate(zip(kept.to_coco(0), kept.areas, strict=True), 1)
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
    """COCO annotations of a scene's instances and groups."""
    ids = np.flatnonzero(np.bincount(scene.instance_ids_HW.reshape(-1)))
    labels = np.where(ids < INSTANCE_FACTOR, ids, ids // INSTANCE_FACTOR)
    keep = np.isin(labels, list(things))
    masks = Instances.from_masks(
        labels[keep], np.ones(keep.sum()), (scene.instance_ids_HW == i for i in ids[keep]), scene.size
    )
    crowds = (ids[keep] < INSTANCE_FACTOR).tolist()
    return [
        entry | {"id": number, "iscrowd": int(crowd), "area": int(area)}
        for number, (entry, crowd, area) in enumerate(zip(masks.to_coco(0), crowds, masks.areas, strict=True), 1)
    ]


def _evaluation(label_set: LabelSet, images: list[int]):
    from pycocotools.cocoeval import COCOeval

    evaluation = COCOeval(iouType="segm")
    evaluation.params.catIds = [label.id for label in label_set.things]
    evaluation.params.imgIds = images
    return evaluation


def coco_scores(matches: list[list[dict | None]], label_set: LabelSet) -> dict:
    """{"ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large", "ar_1", "ar_10", "ar_100", "per_class": {name: ap}}.

    In 0..1, NaN without truth. matches: what `coco_matches` gave for each image.
    """
    evaluation = _evaluation(label_set, list(range(len(matches))))
    # COCOeval's order: class, then area range, then image.
    evaluation.evalImgs = [image[place] for place in range(len(matches[0])) for image in matches]
    evaluation._paramsEval = copy.deepcopy(evaluation.params)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.accumulate()
    precision_TRKAM, recall_TKAM = evaluation.eval["precision"], evaluation.eval["recall"]
    overlaps = evaluation.params.iouThrs
    return {
        "ap": _mean(precision_TRKAM[:, :, :, 0, -1]),
        "ap50": _mean(precision_TRKAM[np.isclose(overlaps, 0.5), :, :, 0, -1]),
        "ap75": _mean(precision_TRKAM[np.isclose(overlaps, 0.75), :, :, 0, -1]),
        **{
            f"ap_{name}": _mean(precision_TRKAM[:, :, :, area, -1])
            for area, name in enumerate(("small", "medium", "large"), 1)
        },
        **{f"ar_{count}": _mean(recall_TKAM[:, :, 0, m]) for m, count in enumerate(evaluation.params.maxDets)},
        "per_class": {label.name: _mean(precision_TRKAM[:, :, k, 0, -1]) for k, label in enumerate(label_set.things)},
    }


def _mean(values: np.ndarray) -> float:
    """pycocotools marks "no truth" with -1."""
    valid = values[values > -1]
    return float(valid.mean()) if valid.size else float("nan")
