"""A step on a GPU: what the main process waits for, and how cuDNN chooses its algorithms. No GPU is needed."""

from types import SimpleNamespace

import pytest
import torch
from tiny_networks import tiny_recipe

from partwise.methods import build_method
from partwise.methods.parts.losses import objectness_loss
from partwise.training.learner import Learner, NotFiniteError


@pytest.fixture
def learner():
    """A tiny network on the CPU; the device of its accelerator is chosen by the test."""
    recipe = tiny_recipe()
    accelerator = SimpleNamespace(
        device=torch.device("cpu"), num_processes=1, process_index=0, backward=lambda loss: loss.backward()
    )
    return Learner(recipe, build_method(recipe.method).train(), accelerator)


def terms_of(learner, values, seen=None):
    """Terms of a loss with these values, in place of those of a batch."""

    def terms(images, targets):
        if seen is not None:
            seen.append(torch.backends.cudnn.benchmark)
        weight = next(weight for weight in learner.method.parameters() if weight.requires_grad)
        return {name: weight.sum() * 0.0 + value for name, value in values.items()}

    return terms


def test_the_terms_of_a_batch_are_read_together_behind_its_backward_pass(learner, monkeypatch):
    order, as_float, as_list = [], torch.Tensor.__float__, torch.Tensor.tolist
    values = {f"term {i}": 0.1 * i for i in range(5)}
    monkeypatch.setattr(learner, "_terms", terms_of(learner, values))
    monkeypatch.setattr(learner.accelerator, "backward", lambda loss: order.append("backward") or loss.backward())
    monkeypatch.setattr(torch.Tensor, "__float__", lambda one: order.append("norm") or as_float(one))
    monkeypatch.setattr(torch.Tensor, "tolist", lambda one: order.append("terms") or as_list(one))
    said, norm = learner.learn([(None, None), (None, None)], 0)
    assert order == ["backward", "terms", "backward", "terms", "norm"]
    assert said == pytest.approx(values) and list(said) == list(values)
    assert {type(value) for value in (*said.values(), norm)} == {float}


def test_a_loss_that_is_not_finite_changes_no_weight(learner, monkeypatch):
    before = {name: value.clone() for name, value in learner.method.state_dict().items()}
    monkeypatch.setattr(learner, "_terms", terms_of(learner, {"one": 1.0, "other": float("inf")}))
    with pytest.raises(NotFiniteError, match="loss"):
        learner.learn([(None, None)], 0)
    assert all(torch.equal(value, before[name]) for name, value in learner.method.state_dict().items())


@pytest.mark.parametrize(("device", "deterministic"), [("cuda", False), ("cuda", True), ("cpu", False)])
def test_cudnn_times_its_algorithms_in_a_step_alone(learner, monkeypatch, device, deterministic):
    seen = []
    learner.accelerator.device = torch.device(device)
    monkeypatch.setattr(torch, "are_deterministic_algorithms_enabled", lambda: deterministic)
    monkeypatch.setattr(learner, "_terms", terms_of(learner, {"one": 1.0}, seen))
    learner.learn([(None, None)], 0)
    assert seen == [device == "cuda" and not deterministic] and not torch.backends.cudnn.benchmark


def test_the_loss_of_objectness_reads_no_number():
    """meta stands for a GPU: it has no numbers that could be read."""
    logits, truth = torch.zeros(1, 4, 8), torch.zeros(4, 8, dtype=torch.int8)
    assert objectness_loss([logits.to("meta")], [{"objectness_0": truth.to("meta")}]).shape == ()
    truth[0, :3], truth[1] = 1, -1
    counted = objectness_loss([logits, logits], [{"objectness_0": truth, "objectness_1": truth}])
    alone = objectness_loss([logits], [{"objectness_0": truth}])
    assert counted.item() == pytest.approx(alone.item()) and alone.item() > 0
    nothing = torch.zeros_like(truth)
    assert objectness_loss([logits], [{"objectness_0": nothing}]).item() == pytest.approx(
        32 * 0.75 * 0.25 * 0.6931, rel=1e-3
    )
