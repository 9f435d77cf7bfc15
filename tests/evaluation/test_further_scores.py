"""AP by size, recall, boundary IoU, PQ, COCO AP: each against brute force or its own library."""

import contextlib
import io
import tempfile
from pathlib import Path

import cityscapesscripts.evaluation.evalPanopticSemanticLabeling as official_panoptic  # noqa: N813
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from evaluation.oracle import same
from evaluation.scenes import painted, predicted, random_instances, random_scenes, random_semantic, scene_of
from partwise.errors import PartwiseError
from streeteval.boxes import box_of_mask
from streeteval.evaluator import CityscapesEvaluator
from streeteval.instances import Instances
from streeteval.labels import CITYSCAPES, INSTANCE_FACTOR
from streeteval.metrics.average_precision import OVERLAPS
from streeteval.metrics.boundary import boundary_iou, boundary_of
from streeteval.metrics.coco import coco_matches, coco_scores
from streeteval.metrics.metric import size_ranges

MASKS = hnp.arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9)))


def evaluated(scenes, instances, **settings) -> dict:
    evaluator = CityscapesEvaluator(**settings)
    for scene, found in zip(scenes, instances, strict=True):
        evaluator.update(scene, found)
    return evaluator.compute()["instance"]


@settings(max_examples=60, deadline=None)
@given(MASKS, st.integers(1, 3))
def test_boundary_is_what_lies_near_the_outside(mask_hw, width_px):
    height, width = mask_hw.shape
    outside = np.pad(mask_hw, width_px)
    expected = [
        [mask_hw[y, x] and not outside[y : y + 2 * width_px + 1, x : x + 2 * width_px + 1].all() for x in range(width)]
        for y in range(height)
    ]
    assert boundary_of(mask_hw, width_px).tolist() == expected


@settings(max_examples=40, deadline=None)
@given(hnp.arrays(bool, (12, 14)), hnp.arrays(bool, (12, 14)))
def test_boundary_iou_of_crops_is_that_of_whole_masks(a_HW, b_HW):
    if not (a_HW.any() and b_HW.any()):
        return
    near_a, near_b = boundary_of(a_HW, 1), boundary_of(b_HW, 1)
    expected = (near_a & near_b).sum() / (near_a | near_b).sum()
    crops = [part for mask in (a_HW, b_HW) for part in cropped(mask)]
    assert boundary_iou(*crops, 1) == pytest.approx(expected)


def cropped(mask_HW):
    x0, y0, x1, y1 = box = box_of_mask(mask_HW)
    return box, mask_HW[y0:y1, x0:x1]


def test_boundary_ap_punishes_a_blobby_contour_that_mask_ap_forgives():
    size = (400, 400)
    truth = painted((26000, 50, 50, 350, 350), size=size)
    notched = predicted((26, 0.9, 50, 50, 350, 350), size=size)
    notched.masks[0][:12:2] = False
    scores = evaluated([scene_of(truth)], [notched], boundary=True)
    assert scores["ap"] == 1.0
    assert scores["boundary"]["ap"] < 0.9
    assert 0.5 < scores["boundary"]["mean_iou"] < 1.0


SIZES = {"<32": 20, "32-64": 32, "64-128": 127, "128-256": 128, ">=256": 256}


@pytest.mark.parametrize("name", SIZES)
def test_a_size_counts_its_own_truth_and_no_other(name):
    """Two instances of different size; the one of this size is found, the other is missed and so is a decoy."""
    side, other = SIZES[name], 40 if name == "<32" else 20
    truth = painted((26000, 0, 0, side, 12), (26001, 0, 50, other, 70), background=7, size=(120, 300))
    found = predicted((26, 0.5, 0, 0, side, 12), (26, 0.9, 0, 90, other, 110), size=(120, 300))
    scores = evaluated([scene_of(truth)], [found])
    assert scores["ap"] == 0.125, "the decoy scores higher: precision 0, then 1/2 at recall 1/2"
    assert scores["by_size"][name]["ap"] == 1.0
    assert sum(of["ap"] is not None for of in scores["by_size"].values()) == 2


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_where_all_sides_lie_in_one_size_its_ap_is_the_ap(data):
    """Scenes of 20 x 20 pixels: everything is below 32."""
    scenes = [scene_of(x.instance_ids_HW[:20, :20], x.name) for x in data.draw(random_scenes())]
    found = [clipped(data.draw(random_instances(wide(scene)))) for scene in scenes]
    scores = evaluated(scenes, found)
    names = [name for name, _, _ in size_ranges()]
    assert {key: scores["by_size"][names[0]][key] for key in ("ap", "ap50", "per_class")} == {
        key: scores[key] for key in ("ap", "ap50", "per_class")
    }
    assert all(scores["by_size"][name]["ap"] is None for name in names[1:])


@pytest.mark.parametrize("bounds", [(16, 32), (8, 32, 64, 128, 256), (32, 64, 128, 256)])
def test_other_bounds_give_other_sizes_and_the_same_where_they_agree(bounds):
    rng = np.random.default_rng(3)
    truth = np.zeros((200, 320), np.int32)
    boxes = [(24 + 12 * i, 30 * i, rng.integers(10, 29), rng.integers(10, 29)) for i in range(6)]
    for number, (y, x, height, width) in enumerate(boxes):
        truth[y : y + height, x : x + width] = 26000 + number
    found = predicted(
        *((26, 0.9 - 0.1 * i, x, y, x + w, y + h) for i, (y, x, h, w) in enumerate(boxes)), size=truth.shape
    )
    by_size = evaluated([scene_of(truth)], [found], side_bounds_px=bounds)["by_size"]
    assert list(by_size) == [name for name, _, _ in size_ranges(bounds)] and len(by_size) == len(bounds) + 1
    for name, low, below in size_ranges(bounds):
        held = any(low <= max(h, w) < below for _, _, h, w in boxes)
        assert by_size[name]["ap"] == (1.0 if held else None)


@pytest.mark.parametrize("bounds", [(), (32, 32), (64, 32), (0, 8), (-4,)])
def test_bounds_that_do_not_rise_are_refused(bounds):
    with pytest.raises(PartwiseError, match="bounds of sizes"):
        CityscapesEvaluator(side_bounds_px=bounds)


def wide(scene):
    return scene_of(np.pad(scene.instance_ids_HW, ((0, 20), (0, 36))), scene.name)


def clipped(instances: Instances) -> Instances:
    masks = [instances.full_mask(i)[:20, :20] for i in range(len(instances))]
    return Instances.from_masks(instances.labels, instances.scores, masks, (20, 20))


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_average_recall_by_brute_force(data):
    scenes = data.draw(random_scenes())
    found = [data.draw(random_instances(scene)) for scene in scenes]
    hits = []
    for scene, instances in zip(scenes, found, strict=True):
        masks = [instances.full_mask(i) for i in range(len(instances)) if instances.labels[i] != 29]
        for value in np.unique(scene.instance_ids_HW):
            truth = scene.instance_ids_HW == value
            if value // INSTANCE_FACTOR in (24, 25, 26, 27, 33) and truth.sum() >= 100:
                ious = [(truth & mask).sum() / (truth | mask).sum() for mask in masks]
                hits.append([max(ious, default=0) > overlap for overlap in OVERLAPS])
    ar = evaluated(scenes, found)["ar"]
    assert ar["10"] == ar["100"] == ar["1000"] == (pytest.approx(np.mean(hits)) if hits else None)


def test_average_recall_counts_only_the_highest_scores():
    truth = painted((26000, 5, 5, 25, 25))
    decoys = [(24, 0.9, x, 30, x + 4, 35) for x in range(0, 50, 5)]
    ar = evaluated([scene_of(truth)], [predicted(*decoys, (26, 0.1, 5, 5, 25, 25))])["ar"]
    assert ar == {"10": 0.0, "100": 1.0, "1000": 1.0}


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_panoptic_quality_against_cityscapesscripts(data):
    scenes = data.draw(random_scenes())
    evaluator = CityscapesEvaluator(panoptic=True)
    pairs = []
    with tempfile.TemporaryDirectory() as folder:
        for scene in scenes:
            instances, semantic_HW = data.draw(random_instances(scene)), data.draw(random_semantic(scene))
            evaluator.update(scene, instances, semantic_HW)
            pairs.append(
                (truth_segments(Path(folder), scene), said_segments(Path(folder), scene, instances, semantic_HW))
            )
        categories = {x.id: {"isthing": int(x.has_instances)} for x in CITYSCAPES.evaluated}
        with contextlib.redirect_stdout(io.StringIO()):
            counts = official_panoptic.pq_compute_single_core(0, pairs, folder, folder, categories)
    ours = evaluator.compute()["panoptic"]
    try:
        official, per_class = counts.pq_average(categories, None)
    except ZeroDivisionError:  # the official tool's answer to no class at all
        assert ours["pq"] is None
        return
    assert all(same(ours[key], official[key]) for key in ("pq", "sq", "rq"))
    for label in CITYSCAPES.evaluated:
        for key in ("pq", "sq", "rq"):
            assert same(ours["per_class"][label.name][key] or 0.0, per_class[label.id][key])


def truth_segments(folder: Path, scene) -> dict:
    """As preparation/createPanopticImgs.py."""
    segments = []
    for value in np.unique(scene.instance_ids_HW).tolist():
        label = CITYSCAPES.by_id[value if value < INSTANCE_FACTOR else value // INSTANCE_FACTOR]
        if label.evaluated:
            crowd = int(value < INSTANCE_FACTOR and label.has_instances)
            area = int((scene.instance_ids_HW == value).sum())
            segments.append({"id": value, "category_id": label.id, "iscrowd": crowd, "area": area})
    known = np.isin(scene.instance_ids_HW, [segment["id"] for segment in segments])
    return annotation(folder / f"{scene.name}_truth.png", np.where(known, scene.instance_ids_HW, 0), segments)


def said_segments(folder: Path, scene, instances: Instances, semantic_HW) -> dict:
    things = [label.id for label in CITYSCAPES.things]
    stuff = [label.id for label in CITYSCAPES.evaluated if not label.has_instances]
    kept = instances[np.isin(instances.labels, things)]
    ids_HW = kept.to_id_map(np.where(np.isin(semantic_HW, stuff), semantic_HW, 0))
    segments = [
        {"id": value, "category_id": value if value < INSTANCE_FACTOR else value // INSTANCE_FACTOR}
        for value in np.unique(ids_HW).tolist()
        if value
    ]
    return annotation(folder / f"{scene.name}_said.png", ids_HW, segments)


def annotation(path: Path, ids_HW, segments: list[dict]) -> dict:
    Image.fromarray(np.stack([ids_HW % 256, ids_HW // 256, 0 * ids_HW], axis=2).astype(np.uint8)).save(path)
    return {"file_name": path.name, "image_id": path.stem, "segments_info": segments}


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_coco_ap_image_by_image_is_coco_ap_of_all_images_at_once(data):
    scenes = data.draw(random_scenes())
    found = [data.draw(random_instances(scene)) for scene in scenes]
    ours = coco_scores([coco_matches(s, f) for s, f in zip(scenes, found, strict=True)], CITYSCAPES)
    with contextlib.redirect_stdout(io.StringIO()):
        theirs = coco_at_once(scenes, found)
    order = ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large", "ar_1", "ar_10", "ar_100")
    assert [-1.0 if np.isnan(ours[key]) else ours[key] for key in order] == pytest.approx(list(theirs[:9]))


def coco_at_once(scenes, found) -> np.ndarray:
    """The twelve figures of COCOeval.summarize on one data set of all images."""
    truth, results = COCO(), []
    annotations = []
    for number, (scene, instances) in enumerate(zip(scenes, found, strict=True)):
        for value in np.unique(scene.instance_ids_HW):
            label = value if value < INSTANCE_FACTOR else value // INSTANCE_FACTOR
            if label in (24, 25, 26, 27, 33):
                mask = scene.instance_ids_HW == value
                entry = Instances.from_masks([label], [1], [mask]).to_coco(number)[0]
                crowd = {"iscrowd": int(value < INSTANCE_FACTOR), "area": int(mask.sum()), "id": 1 + len(annotations)}
                annotations.append(entry | crowd)
        # With a box beside the mask, loadRes takes the area of the box for that of the instance.
        for result in instances[instances.labels != 29].to_coco(number):
            results.append({key: value for key, value in result.items() if key != "bbox"})
    categories = [{"id": label.id, "name": label.name} for label in CITYSCAPES.things]
    images = [{"id": i, "height": s.size[0], "width": s.size[1]} for i, s in enumerate(scenes)]
    truth.dataset = {"images": images, "categories": categories, "annotations": annotations}
    truth.createIndex()
    evaluation = COCOeval(truth, truth.loadRes(results) if results else COCO(), "segm")
    evaluation.params.imgIds = [image["id"] for image in images]
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return evaluation.stats
