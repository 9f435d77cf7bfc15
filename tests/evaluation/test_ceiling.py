"""The ceiling of a method, and the losses of a network's stages: known answers by spoiling one output at a time."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from partwise.errors import PartwiseError
from partwise.evaluation.ceiling import (
    AS_IS,
    CEILING,
    OUTLINES,
    ceiling,
    pad_scene,
    perfect_in_part,
    with_true_outlines,
)
from partwise.evaluation.model import evaluate_method
from partwise.methods import FcnConfig, PartsConfig, build_method
from partwise.report.ceilings import ceiling_tables
from partwise.report.text import table_text
from partwise.scene import Prediction, Scene
from streeteval.evaluator import CityscapesEvaluator
from streeteval.instances import Instances

SPOILT = {
    "semantic": lambda oracle: torch.zeros_like(oracle).index_fill(1, torch.tensor([10]), 10.0),  # all is sky
    "objectness": lambda oracle: [torch.full_like(grid, -10.0) for grid in oracle],
    "parts": lambda oracle: [torch.full_like(grid, -10.0) for grid in oracle],
}


@pytest.fixture
def method():
    torch.manual_seed(0)
    return build_method(PartsConfig(channels=16)).eval()


def rows_of(result) -> dict:
    return {row["name"]: row for row in result["rows"]}


def says(method, scene, **spoilt):
    """Make the network say the truth of this scene, but for the outputs given."""
    oracle = method.oracle([method.targets(scene)])
    method.forward = lambda images: oracle | {key: spoil(oracle[key]) for key, spoil in spoilt.items()}


def test_the_default_allows_nearly_everything_in_rendered_streets(method, scenes):
    result = ceiling(method, scenes)
    (row,) = result["rows"]
    assert (row["name"], result["images"]) == (CEILING, len(scenes))
    assert row["ap"] > 0.85
    assert row["iou_class"] == 1.0


def test_the_ceiling_is_that_of_the_decoder(method, scenes):
    evaluator = CityscapesEvaluator()
    for scene in scenes:
        prediction = method.decode(method.oracle([method.targets(scene)]), scene.size)[0]
        evaluator.update(scene, prediction.instances, prediction.semantic_HW)
    assert ceiling(method, scenes)["rows"][0]["by_size"] == evaluator.compute()["instance"]["by_size"]


def test_a_method_that_sees_images_larger_has_its_ceiling_there(scenes):
    """What is perfect at twice the size is scored at the size of the frame; small objects gain."""
    torch.manual_seed(0)
    config = PartsConfig(channels=16)
    plain, larger = (build_method(replace(config, decode=replace(config.decode, scale=s))).eval() for s in (1.0, 2.0))
    evaluator = CityscapesEvaluator()
    for scene in scenes:
        rows, columns = (np.repeat(np.arange(side), 2) for side in scene.size)
        twice = (of[np.ix_(rows, columns)] for of in (scene.image_HW3, scene.semantic_HW, scene.instance_ids_HW))
        doubled = Scene(scene.name, *twice, scene.label_set)
        prediction = plain.decode(plain.oracle([plain.targets(doubled)]), doubled.size)[0].resized(scene.size)
        evaluator.update(scene, prediction.instances, prediction.semantic_HW)
    (row,) = ceiling(larger, scenes)["rows"]
    assert row["by_size"] == evaluator.compute()["instance"]["by_size"] and row["iou_class"] == 1.0
    assert row["by_size"]["<32"]["ap"] > ceiling(plain, scenes)["rows"][0]["by_size"]["<32"]["ap"]


def test_as_it_is_is_what_evaluation_says_at_any_scale(scenes):
    torch.manual_seed(0)
    config = PartsConfig(channels=16)
    method = build_method(replace(config, decode=replace(config.decode, scale=1.5))).eval()
    rows = rows_of(ceiling(method, scenes[:2], trained=True))
    scored = evaluate_method(method, scenes[:2], CityscapesEvaluator())
    assert rows[AS_IS]["iou_class"] == pytest.approx(scored["semantic"]["iou_class"], abs=1e-3)


@pytest.mark.parametrize("key", SPOILT)
def test_the_stage_that_fails_is_the_one_whose_truth_helps(method, scenes, key):
    scene = scenes[0]
    says(method, scene, **{key: SPOILT[key]})
    rows = rows_of(ceiling(method, [scene], trained=True))
    assert rows[AS_IS]["ap"] < 0.1
    for other in SPOILT:
        assert rows[f"true {other}"]["ap"] == (rows[CEILING]["ap"] if other == key else rows[AS_IS]["ap"])


def test_wrong_outlines_and_wrong_classes_are_told_apart(method, scenes):
    """What is wrong beside the outlines alone is corrected at outlines alone, and the reverse."""
    scene = scenes[0]
    wrong = SPOILT["semantic"]
    for spoilt, corrected, useless in (
        ("at outlines", "elsewhere", "at outlines"),
        ("elsewhere", "at outlines", "elsewhere"),
    ):
        says(method, scene, semantic=lambda oracle, where=spoilt: perfect_in_part(wrong(oracle), oracle)[where])
        rows = rows_of(ceiling(method, [scene], trained=True))
        as_is, best = rows[AS_IS], rows[CEILING]
        assert as_is["iou_class"] < 0.9 and as_is["ap"] < best["ap"]
        for key in ("ap", "iou_class"):
            assert rows[f"true semantic {corrected}"][key] == best[key]
            assert rows[f"true semantic {useless}"][key] == as_is[key]


def test_a_network_that_says_the_truth_is_at_its_ceiling_in_every_row(method, scenes):
    says(method, scenes[1])
    rows = rows_of(ceiling(method, [scenes[1]], trained=True))
    best = rows[CEILING]
    assert all(rows[name]["ap"] == best["ap"] for name in (AS_IS, *(f"true {key}" for key in SPOILT)))
    assert rows[OUTLINES] | {"name": ""} == rows[f"{CEILING}, {OUTLINES}"] | {"name": ""}
    assert rows[OUTLINES]["ap"] >= best["ap"]


def test_the_model_as_it_is_scores_what_evaluate_says(method, scenes):
    rows = rows_of(ceiling(method, scenes[:2], trained=True))
    figures = evaluate_method(method, scenes[:2], CityscapesEvaluator())
    assert rows[AS_IS]["iou_class"] == pytest.approx(figures["semantic"]["iou_class"], abs=1e-3)
    assert rows[AS_IS]["ap"] == pytest.approx(figures["instance"]["ap"], abs=1e-3)


def test_true_outlines_correct_what_is_found_and_nothing_else(scenes):
    scene = scenes[0]
    truth = scene.instances[np.argsort(-scene.instances.areas)[:2]]
    half_found, lost = truth.full_mask(0), truth.full_mask(1)
    x0, _, x1, _ = truth.boxes[0]
    half_found[:, x0 + int(0.7 * (x1 - x0)) :] = False
    lost[:, truth.boxes[1][0] + 2 :] = False
    wrong_class = 33 if truth.labels[0] != 33 else 24
    masks = [half_found, lost, truth.full_mask(0)]
    before = Instances.from_masks([*truth.labels, wrong_class], [0.9, 0.8, 0.7], masks)
    after = with_true_outlines(Prediction(before, scene.semantic_HW), scene)
    assert np.array_equal(after.instances.full_mask(0), truth.full_mask(0))
    assert np.array_equal(after.instances.full_mask(1), before.full_mask(1))
    assert np.array_equal(after.instances.full_mask(2), before.full_mask(2))
    assert np.array_equal(after.instances.scores, before.scores)
    assert after.semantic_HW is scene.semantic_HW


def test_scenes_of_any_size_are_padded_with_void(method, scenes):
    whole = scenes[2]
    cut = lambda array: np.ascontiguousarray(array[:100, :201])
    scene = Scene("cut", cut(whole.image_HW3), cut(whole.semantic_HW), cut(whole.instance_ids_HW))
    padded = pad_scene(scene, 32)
    assert padded.size == (128, 224)
    assert not padded.semantic_HW[100:].any() and not padded.semantic_HW[:, 201:].any()
    assert len(padded.instances) == len(scene.instances)
    assert pad_scene(whole, 32) is whole
    assert ceiling(method, [scene])["rows"][0]["ap50"] > 0.9


def test_a_semantic_method_has_no_ceiling(scenes):
    with pytest.raises(PartwiseError, match="tells no instances apart"):
        ceiling(build_method(FcnConfig(channels=8)), scenes)


def test_the_tables_have_a_row_for_each_stage_and_its_gain(method, scenes):
    says(method, scenes[0], parts=SPOILT["parts"])
    result = ceiling(method, scenes[:1], trained=True)
    by_size, by_class = ceiling_tables(result)
    assert (
        [row[0] for row in by_size.rows] == [row["name"] for row in result["rows"]] == [row[0] for row in by_class.rows]
    )
    gains = {row[0]: row[-1] for row in by_size.rows}
    rows = rows_of(result)
    assert gains["true parts"] == f"{100 * (rows['true parts']['ap'] - rows[AS_IS]['ap']):+.1f}"
    assert gains[AS_IS] == ""
    assert "true objectness" in table_text(by_size)
    (only,), _ = ceiling_tables(ceiling(method, scenes[:1]))[0].rows, None
    assert len(only) == len(by_size.columns) - 1
