"""Phase 1 as the report's code has it: 20 score maps with void taught, three stages, and what becomes of void."""

import numpy as np
import pytest
import torch

from partwise.data.streets import Streets
from partwise.errors import PartwiseError
from partwise.experiment import plan
from partwise.methods import build_method
from partwise.recipes import PIPELINES, recipe
from partwise.training.checkpoint import load_matching
from partwise.training.config import method_from_dict, method_to_dict
from partwise_report.fcn import ReportFcn, ReportFcnConfig
from partwise_report.ordering import OrderingConfig
from partwise_report.recipes.phase_1 import FCN_REPORT
from streeteval.evaluator import CityscapesEvaluator
from streeteval.labels import CITYSCAPES

TRAFFIC_LIGHT = CITYSCAPES["traffic light"].id


def small(**changes) -> ReportFcn:
    return ReportFcn(ReportFcnConfig(**({"output_stride": 8, "channels": 8} | changes)))


@pytest.fixture(scope="module")
def scene():
    return Streets(1, (64, 128), 0)[0]


def test_the_stages_have_the_lengths_and_the_rate_of_the_text():
    stages = [recipe(name) for name in PIPELINES["fcn_report"]]
    assert [stage.training.steps for stage in stages] == [15_000, 800_000, 100_000]
    assert [stage.method.output_stride for stage in stages] == [32, 16, 8]
    for stage in stages:
        assert (stage.optim.name, stage.optim.lr, stage.training.batch_size) == ("adam", 1e-6, 1)
        network = stage.method
        assert (network.fc6, network.conv7, network.upsampling, network.void) == ("3x3x3", "3x3", "learnt", "taught")
    assert "80,000" in stages[1].about  # what the log says


def test_void_is_a_class_of_its_own_and_handed_in_as_traffic_light(scene):
    method = small()
    assert method(torch.zeros(1, 3, 64, 128, dtype=torch.uint8))["semantic"].shape[1] == 20
    targets = method.targets(scene)
    void = CITYSCAPES.id_to_train_id[scene.semantic_HW] == 255
    assert void.any() and np.array_equal(targets["semantic"].numpy() == 19, void)
    found = method.decode(method.oracle([targets]), scene.size)[0].semantic_HW
    assert np.array_equal(found, np.where(void, TRAFFIC_LIGHT, scene.semantic_HW))


def test_what_void_is_handed_in_as_costs_at_evaluated_pixels_alone(scene):
    """Ignored pixels are not scored: with a perfect network both ids give the same scores."""
    scores = []
    for void_as_id in (TRAFFIC_LIGHT, 0):
        method = small(void_as_id=void_as_id)
        evaluator = CityscapesEvaluator()
        evaluator.update(
            scene, semantic_HW=method.decode(method.oracle([method.targets(scene)]), scene.size)[0].semantic_HW
        )
        scores.append(evaluator.compute()["semantic"]["iou_class"])
    assert scores == [1.0, 1.0]


def test_the_loss_teaches_void():
    method = small()
    truth = {"semantic": torch.full((64, 64), 19, dtype=torch.uint8)}
    assert method.loss({"semantic": torch.zeros(1, 20, 64, 64)}, [truth])["semantic"] == pytest.approx(np.log(20))


def test_without_void_it_is_the_plain_network(scene):
    method = small(void="ignored")
    assert method.score.out_channels == 19
    assert (method.targets(scene)["semantic"] == 255).any()
    assert set(np.unique(method.decode(method.oracle([method.targets(scene)]), scene.size)[0].semantic_HW)) <= {
        label.id for label in CITYSCAPES.evaluated
    }


def test_a_stage_and_an_ordering_take_over_what_the_stage_before_has_learnt():
    first, last = small(output_stride=32), small()
    new = {name.split(".")[0] for name in load_matching(last, first.state_dict()).missing}
    assert new == {"skips", "enlarge"}
    config = OrderingConfig(source="slice", conv7="3x3", upsampling="learnt", void_taught=True, channels=8)
    report = load_matching(build_method(config), last.state_dict())
    assert set(report.missing) == {"order.weight", "order.bias", "enlarge.image.weight"}


def test_a_wrong_id_is_named_and_the_configuration_survives_a_file():
    with pytest.raises(PartwiseError, match="void_as_id=99: no label of cityscapes"):
        small(void_as_id=99)
    config = ReportFcnConfig(void_as_id=0)
    assert method_from_dict(method_to_dict(config)) == config


def test_a_short_form_of_the_schedule_keeps_the_shares_of_its_stages(tmp_path):
    stages = plan("fcn_report", ["method.channels=8"], tmp_path, scale_steps=1e-3)
    assert [stage.recipe.training.steps for stage in stages] == [15, 800, 100]
    assert [stage.out.name for stage in stages] == list(FCN_REPORT)
    assert [stage.recipe.training.steps for stage in plan("fcn_report", [], tmp_path, steps=915)] == [15, 800, 100]
    assert [stage.recipe.training.steps for stage in plan("fcn_report", [], tmp_path, scale_steps=1e-9)] == [1, 1, 1]


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"scale_steps": 0.0}, "scale_steps=0"),
        ({"scale_steps": 0.1, "steps": 10}, "neither minutes nor steps"),
        ({"scale_steps": float("nan")}, "scale_steps=nan"),
    ],
)
def test_a_wrong_factor_is_named(how, words, tmp_path):
    with pytest.raises(PartwiseError, match=words):
        plan("fcn_report", [], tmp_path, **how)
    with pytest.raises(PartwiseError, match="says no steps"):
        plan("fcn8s", [], tmp_path, scale_steps=0.5)
