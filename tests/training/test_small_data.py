"""What a training on few images needs: gradients of several batches in one step, and an end when nothing improves."""

import copy
import json
from dataclasses import replace

import pytest
import torch
from accelerate import Accelerator
from tiny_networks import Watcher, tiny_recipe

from partwise.data.cityscapes import CityscapesFolder
from partwise.data.loader import TrainingSamples
from partwise.errors import PartwiseError
from partwise.methods import build_method
from partwise.training.checkpoint import read_model
from partwise.training.config import OptimConfig, check_recipe
from partwise.training.folder import RunFolder
from partwise.training.learner import Learner
from partwise.training.loop import train


@pytest.fixture(scope="module")
def frames(city_root):
    return CityscapesFolder(city_root, "train")


def test_a_step_of_several_batches_follows_the_mean_of_their_gradients(frames):
    recipe = replace(tiny_recipe(), optim=OptimConfig(clip_norm=0.0))
    torch.manual_seed(0)
    method = build_method(recipe.method)
    samples = TrainingSamples(frames, method.targets, recipe.data, seed=0)
    batches = [samples.batch([draw]) for draw in (0, 1)]

    def gradients(some):
        learner = Learner(recipe, copy.deepcopy(method).train(), Accelerator(cpu=True))
        terms, _ = learner.learn(some, step=0)
        return terms, {n: p.grad for n, p in learner.method.named_parameters() if p.grad is not None}

    (one, first), (two, second), (both, together) = map(gradients, (batches[:1], batches[1:], batches))
    assert both["mask"] == pytest.approx((one["mask"] + two["mask"]) / 2)
    for name in together:
        assert torch.allclose(together[name], (first[name] + second[name]) / 2, rtol=1e-3, atol=1e-5), name


def test_a_run_with_several_batches_a_step_sees_each_sample_once_though_it_is_resumed(frames, tmp_path, monkeypatch):
    seen, right = [], TrainingSamples.batch
    monkeypatch.setattr(TrainingSamples, "batch", lambda self, draws: seen.extend(draws) or right(self, draws))
    for steps, resume in ((1, False), (2, True)):
        recipe = tiny_recipe(steps=steps, accumulate=3, batch_size=2)
        train(recipe, frames, tmp_path / "run", Watcher(), data_name="tiny", resume=resume)
    assert seen == list(range(12))


def test_a_run_ends_when_evaluations_no_longer_improve(frames, tmp_path):
    values = iter([0.1, 0.3, 0.2, 0.3, 0.9, 0.9, 0.9])
    folder, watcher = RunFolder(tmp_path / "run"), Watcher()
    recipe = tiny_recipe(steps=20, evaluate_every_steps=1, patience=2)
    evaluate = lambda method: {"instance": {"ap": next(values)}}
    train(recipe, frames, folder.path, watcher, data_name="tiny", evaluate=evaluate)
    steps = [json.loads(line)["step"] for line in folder.metrics.read_text().splitlines() if "evaluation" in line]
    assert steps == [1, 2, 3, 4] and folder.finished
    assert any("no better than 0.300; the best weights are in best.safetensors" in note for note in watcher.notes)
    assert read_model(folder.best)[1].origin["steps"] == 2 and read_model(folder.last)[1].origin["steps"] == 4
    again = Watcher()
    train(recipe, frames, folder.path, again, data_name="tiny", evaluate=evaluate, resume=True)
    assert any("give a larger training.patience to continue it" in note for note in again.notes)
    more = tiny_recipe(steps=6, evaluate_every_steps=1, patience=9)
    train(more, frames, folder.path, again, data_name="tiny", evaluate=evaluate, resume=True)
    assert read_model(folder.best)[1].origin["steps"] == 5 and read_model(folder.last)[1].origin["steps"] == 6


def test_patience_without_evaluations_is_one_line():
    with pytest.raises(PartwiseError, match="evaluate_every_steps"):
        check_recipe(tiny_recipe(patience=2))
