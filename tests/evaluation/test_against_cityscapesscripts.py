"""Every headline figure equals cityscapesScripts 2.3.0 within 1e-9."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.oracle import (
    official_instance_scores,
    official_pixel_scores,
    same,
    score_files,
    write_prediction,
    write_truth,
)
from evaluation.scenes import painted, predicted, random_instances, random_scenes, random_semantic, scene_of
from streeteval.evaluator import CityscapesEvaluator
from streeteval.instances import Instances
from streeteval.labels import CITYSCAPES
from streeteval.scoring import evaluate_folder


def assert_same_instance_scores(folder: Path, scenes, instances) -> tuple[dict, bool]:
    evaluator = CityscapesEvaluator()
    for scene, found in zip(scenes, instances, strict=True):
        evaluator.update(scene, found)
    ours = evaluator.compute()["instance"]
    official, crashed = official_instance_scores(folder, scenes, instances)
    pairs = {"ap": (ours["ap"], official["allAp"]), "ap50": (ours["ap50"], official["allAp50%"])}
    for name, scores in official["classes"].items():
        pairs[f"{name} ap"] = (ours["per_class"][name]["ap"], scores["ap"])
        pairs[f"{name} ap50"] = (ours["per_class"][name]["ap50"], scores["ap50%"])
    assert len(pairs) == 18
    assert {key: pair for key, pair in pairs.items() if not same(*pair)} == {}
    return ours, crashed


def assert_same_pixel_scores(folder: Path, scenes, semantics) -> dict:
    evaluator = CityscapesEvaluator()
    for scene, semantic_HW in zip(scenes, semantics, strict=True):
        evaluator.update(scene, None, semantic_HW)
    ours = evaluator.compute()["semantic"]
    official = official_pixel_scores(folder, scenes, semantics)
    pairs = {
        "iou_class": (ours["iou_class"], official["averageScoreClasses"]),
        "iiou_class": (ours["iiou_class"], official["averageScoreInstClasses"]),
        "iou_category": (ours["iou_category"], official["averageScoreCategories"]),
        "iiou_category": (ours["iiou_category"], official["averageScoreInstCategories"]),
    }
    for name, scores in ours["per_class"].items():
        pairs[f"{name} iou"] = (scores["iou"], official["classScores"][name])
        pairs[f"{name} iiou"] = (scores["iiou"], official["classInstScores"][name])
    for name, scores in ours["per_category"].items():
        pairs[f"category {name} iou"] = (scores["iou"], official["categoryScores"][name])
        pairs[f"category {name} iiou"] = (scores["iiou"], official["categoryInstScores"][name])
    assert len(pairs) == 4 + 2 * 19 + 2 * 7
    assert {key: pair for key, pair in pairs.items() if not same(*pair)} == {}
    return ours


ONE_CAR, TWO_CARS = ((26000, 5, 5, 25, 25),), ((26000, 5, 5, 25, 25), (26001, 30, 5, 50, 25))
ON_CAR, ON_OTHER = (5, 5, 25, 25), (30, 5, 50, 25)
# name: (truth, predictions, AP of cars)
CASES = {
    "perfect": (TWO_CARS, [(26, 0.9, *ON_CAR), (26, 0.8, *ON_OTHER)], 1.0),
    "empty": (TWO_CARS, [], 0.0),
    "missed": (TWO_CARS, [(26, 0.9, *ON_CAR)], 0.5),
    "duplicated": (ONE_CAR, [(26, 0.9, *ON_CAR), (26, 0.8, *ON_CAR)], 1.0),
    "duplicated with a tie": (ONE_CAR, [(26, 0.9, *ON_CAR), (26, 0.9, *ON_CAR)], 0.75),
    "false above true": (ONE_CAR, [(26, 0.9, *ON_OTHER), (26, 0.8, *ON_CAR)], 0.25),
    "false tied with true": (ONE_CAR, [(26, 0.9, *ON_OTHER), (26, 0.9, *ON_CAR)], 0.75),
    "overlapping": (TWO_CARS, [(26, 0.9, 5, 5, 50, 25), (26, 0.8, *ON_OTHER), (26, 0.7, *ON_CAR)], None),
    "half the pixels": (ONE_CAR, [(26, 0.9, 5, 5, 15, 25)], 0.0),
    "on void": (((0, 30, 5, 50, 25), *ONE_CAR), [(26, 0.9, *ON_CAR), (26, 0.95, 28, 5, 50, 25)], None),
    "on a group": (((26, 30, 5, 50, 25), *ONE_CAR), [(26, 0.9, *ON_CAR), (26, 0.95, 28, 5, 50, 25)], None),
    "on another class's group": (((24, 30, 5, 50, 25), *ONE_CAR), [(26, 0.9, *ON_CAR), (26, 0.95, *ON_OTHER)], 0.25),
    "on a small group": (((26, 30, 5, 39, 14), *ONE_CAR), [(26, 0.9, *ON_CAR), (26, 0.95, 30, 5, 45, 16)], None),
    "on a caravan region": (((29, 30, 5, 50, 25), *ONE_CAR), [(26, 0.9, *ON_CAR), (26, 0.95, *ON_OTHER)], 1.0),
    "on a caravan instance": (((29000, 30, 5, 50, 25), *ONE_CAR), [(26, 0.9, *ON_CAR), (26, 0.95, *ON_OTHER)], 0.25),
    "predicted caravans": (ONE_CAR, [(26, 0.9, *ON_CAR), (29, 0.95, *ON_OTHER)], 1.0),
    "99 pixels": (((26001, 30, 5, 41, 14), *ONE_CAR), [(26, 0.9, *ON_CAR), (26, 0.95, 30, 5, 41, 14)], 1.0),
    "100 pixels, missed": (((26001, 30, 5, 40, 15), *ONE_CAR), [(26, 0.9, *ON_CAR)], 0.5),
    "a class without truth": (ONE_CAR, [(26, 0.9, *ON_CAR), (24, 0.9, *ON_OTHER)], 1.0),
    "a class without predictions": (((24000, 30, 5, 50, 25), *ONE_CAR), [(26, 0.9, *ON_CAR)], 1.0),
    "no truth at all": ((), [(26, 0.9, *ON_CAR)], None),
    "nothing at all": ((), [], None),
}


@pytest.mark.parametrize("case", CASES)
def test_instance_scores_of_every_named_case(case, tmp_path):
    truth, predictions, expected = CASES[case]
    ours, _ = assert_same_instance_scores(tmp_path, [scene_of(painted(*truth))], [predicted(*predictions)])
    if expected is not None:
        assert ours["per_class"]["car"]["ap"] == pytest.approx(expected, abs=1e-12)


def test_where_the_official_tool_crashes_a_class_of_ignored_predictions_scores_zero(tmp_path):
    """All predicted cars lie on void, so no prediction counts: the definition says 0, the tool IndexError."""
    scene = scene_of(painted((0, 30, 5, 50, 25), *ONE_CAR))
    ours, crashed = assert_same_instance_scores(tmp_path, [scene], [predicted((26, 0.9, *ON_OTHER))])
    assert crashed
    assert ours["per_class"]["car"] == {"ap": 0.0, "ap50": 0.0}


def test_confidences_that_float32_would_tie_are_told_apart(tmp_path):
    scene = scene_of(painted(*ONE_CAR))
    found = predicted((26, 0.5, *ON_OTHER), (26, 0.5, *ON_CAR))
    scores = np.array([0.5, 0.5 + 1e-12])
    write_prediction(tmp_path, scene.name, found)
    text = (tmp_path / f"{scene.name}.txt").read_text().split("\n")
    (tmp_path / f"{scene.name}.txt").write_text(f"{text[0]}\n{text[1].rsplit(' ', 1)[0]} {float(scores[1])!r}\n")
    truth = str(write_truth(tmp_path, scene)[1])
    official, _ = score_files(tmp_path, [truth], [str(tmp_path / f"{scene.name}.txt")])
    evaluator = CityscapesEvaluator()
    evaluator.update(scene, found, scores=scores)
    assert evaluator.compute()["instance"]["ap"] == official["allAp"] == 1.0


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_instance_scores_of_random_scenes(data):
    scenes = data.draw(random_scenes())
    instances = [data.draw(random_instances(scene)) for scene in scenes]
    with tempfile.TemporaryDirectory() as folder:
        assert_same_instance_scores(Path(folder), scenes, instances)


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_pixel_scores_of_random_scenes(data):
    scenes = data.draw(random_scenes())
    semantics = [data.draw(random_semantic(scene)) for scene in scenes]
    with tempfile.TemporaryDirectory() as folder:
        assert_same_pixel_scores(Path(folder), scenes, semantics)


def test_pixel_scores_where_labels_and_instances_of_the_truth_disagree(tmp_path):
    """The confusion follows labelIds, the weights follow instanceIds: each file speaks for itself."""
    ids_HW = painted((26000, 5, 5, 25, 25), (24000, 30, 5, 50, 25))
    scene = scene_of(ids_HW, semantic_HW=painted((27, 0, 0, 20, 20), (24, 30, 5, 50, 30)))
    assert_same_pixel_scores(tmp_path, [scene], [painted((26, 5, 5, 30, 25), (25, 30, 5, 40, 25))])


def perturbed(scene, rng: np.random.Generator) -> tuple[Instances, np.ndarray]:
    """Truth as a network might see it: shifted, cut, mislabelled, doubled, some missed; and a semantic map to match."""
    height, width = scene.size
    truth = scene.instances
    labels, scores, masks = [], [], []
    for i in range(len(truth)):
        for _ in range(rng.choice([0, 1, 1, 1, 2])):
            reach = max(2, int(0.08 * truth.longest_sides[i]))
            mask = np.roll(truth.full_mask(i), rng.integers(-reach, reach, 2), (0, 1))
            if rng.random() < 0.2:
                x0, _, x1, _ = truth.boxes[i]
                mask[:, : int(x0 + 0.3 * (x1 - x0))] = False
            masks.append(mask)
            labels.append(rng.choice([24, 26]) if rng.random() < 0.1 else truth.labels[i])
            scores.append(round(rng.random(), 2))
    things = [label.id for label in CITYSCAPES.things]
    found = Instances.from_masks(labels, scores, masks, scene.size)
    found = found[np.isin(found.labels, things)]
    semantic_HW = np.roll(scene.semantic_HW, (3, -5), (0, 1))
    for _ in range(20):
        x, y = rng.integers(0, width), rng.integers(0, height)
        semantic_HW[y : y + 100, x : x + 200] = rng.choice([label.id for label in CITYSCAPES])
    return found, semantic_HW


def test_official_frames_with_perturbed_truth(official_scenes, tmp_path):
    rng = np.random.default_rng(0)
    pairs = [perturbed(scene, rng) for scene in official_scenes]
    ours, _ = assert_same_instance_scores(tmp_path / "instances", official_scenes, [found for found, _ in pairs])
    assert 0.05 < ours["ap"] < 0.95, "a test of nothing if all is right or all is wrong"
    assert evaluate_folder(tmp_path / "instances", official_scenes)["instance"] == ours, (
        "from the official tool's files"
    )
    ours = assert_same_pixel_scores(tmp_path / "pixels", official_scenes, [semantic for _, semantic in pairs])
    assert 0.05 < ours["iou_class"] < 0.95
