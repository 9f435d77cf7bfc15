"""Weights beside the default model: what they say of their origin, and that they see something."""

import numpy as np
import pytest

from partwise import load
from partwise.bench.robustness import Changed
from partwise.data.streets import Streets
from partwise.evaluation.model import add_predictions, evaluate_method
from partwise.model_files import MODELS, find_model
from partwise.ready_model import Segmenter
from partwise.runtime.opened import open_exported
from partwise.training.checkpoint import read_model
from streeteval.evaluator import CityscapesEvaluator
from streeteval.labels import CITYSCAPES

UNSEEN = 3_000_017  # no training has this seed


def evaluated(model: Segmenter, scenes: Streets) -> dict:
    """Scores of a model that may be an exported file."""
    evaluator = CityscapesEvaluator()
    add_predictions(model.method, scenes, evaluator, model.options)
    return evaluator.compute()


def test_they_say_that_no_photo_of_a_street_was_used():
    _, info = read_model(find_model("streets-free"))
    assert "streets-free" in MODELS and info.label_set.same_classes(CITYSCAPES)
    assert "teacher" not in info.origin and info.origin["recipe"] == "parts_free"
    assert info.origin["weights"].startswith("EfficientNet-Lite0, ImageNet weights")
    assert info.origin["terms"].startswith("Apache-2.0: rendered streets alone")


def test_they_find_instances_of_streets_that_no_training_saw():
    model = load("streets-free")
    figures = evaluate_method(model.method, Streets(6, (512, 1024), UNSEEN), CityscapesEvaluator())
    assert figures["instance"]["per_class"]["car"]["ap50"] > 0.3
    assert figures["semantic"]["per_class"]["road"]["iou"] > 0.8


def test_the_default_model_is_the_robust_one_trained_further():
    _, default = read_model(find_model("streets"))
    _, before = read_model(find_model("streets-robust"))
    assert default.method == before.method and default.label_set.same_classes(before.label_set)
    assert default.origin["terms"] == before.origin["terms"] and default.origin["averaged"] == 2
    assert default.origin["weights"].startswith(f"{before.origin['recipe']} ({before.origin['steps']} steps) from ")


def test_the_model_in_int8_is_the_default_one():
    _, default = read_model(find_model("streets"))
    exported = open_exported(find_model("streets-int8"), "cpu")
    assert exported.info.origin == default.origin and exported.info.label_set.same_classes(default.label_set)
    assert exported.measured["weight_bits"] == 7  # right on every processor
    assert exported.measured["fp32"]["ap"] - exported.measured["int8"]["ap"] <= 0.005


def test_it_scores_in_int8_about_as_in_fp32():
    scenes = Streets(4, (512, 1024), UNSEEN)
    in_fp32, in_int8 = (evaluated(load(name, device="cpu"), scenes) for name in ("streets", "streets-int8"))
    assert in_int8["instance"]["ap50"] > 0.9 * in_fp32["instance"]["ap50"] > 0
    assert in_int8["semantic"]["iou_class"] > 0.9 * in_fp32["semantic"]["iou_class"] > 0


@pytest.mark.parametrize("name", ["streets", "streets-robust"])
def test_turned_colours_cost_it_little(name):
    model, scenes = load(name), Streets(4, (512, 1024), UNSEEN)
    plain, turned = (
        evaluate_method(model.method, given, CityscapesEvaluator())["instance"]["ap50"]
        for given in (scenes, Changed(scenes, "hue: half a turn"))
    )
    assert turned > 0.8 * plain > 0


def test_a_photo_without_anything_shows_nothing():
    grey = np.full((256, 512, 3), 128, np.uint8)
    assert not len(load("streets-free")(grey, min_score=0.3))
