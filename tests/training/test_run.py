"""A run depends only on recipe, data and seed: with any interruptions it ends with the same weights and lines."""

import json
import math
import os
import signal
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from tiny_networks import Watcher, tiny_recipe

from partwise.data.cityscapes import CityscapesFolder
from partwise.errors import PartwiseError
from partwise.evaluation.model import evaluate_method
from partwise.methods import PartMaps
from partwise.training.checkpoint import load_model, load_state, read_model
from partwise.training.folder import RunFolder
from partwise.training.loop import train
from partwise.training.run import Run
from partwise.training.stopping import Stopped, StopSwitch
from streeteval.evaluator import CityscapesEvaluator

TIMES = ("seconds", "data_seconds")


@pytest.fixture(scope="module")
def frames(city_root):
    return CityscapesFolder(city_root, "train")


def evaluation_of(frames):
    return lambda method: evaluate_method(method, [frames[0]], CityscapesEvaluator())


def without_times(value):
    if isinstance(value, dict):
        return {key: without_times(item) for key, item in value.items() if key not in TIMES}
    return value


def contents(folder: RunFolder) -> dict:
    """Everything that a run writes, except times."""
    state = load_state(folder.state)
    return {
        "last": load_file(folder.last),
        "best": load_file(folder.best),
        "optimiser": state["optimiser"]["state"],
        "progress": {key: state["progress"][key] for key in ("step", "best", "evaluated")},
        "metrics": [without_times(json.loads(line)) for line in folder.metrics.read_text().splitlines()],
    }


def same(a, b) -> bool:
    """Compare all levels bit for bit."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


RECIPE = tiny_recipe(steps=5, evaluate_every_steps=2, checkpoint_every_seconds=0.0)


@pytest.fixture(scope="module")
def uninterrupted(frames, module_folder):
    folder = RunFolder(module_folder / "whole")
    train(RECIPE, frames, folder.path, Watcher(), data_name="tiny", evaluate=evaluation_of(frames))
    return contents(folder)


def test_a_run_writes_every_step_and_every_evaluation(uninterrupted):
    lines = uninterrupted["metrics"]
    assert [line["step"] for line in lines if "loss" in line] == [1, 2, 3, 4, 5]
    assert [line["step"] for line in lines if "evaluation" in line] == [2, 4, 5]
    assert all(math.isfinite(line["loss"]) and line["loss"] == sum(line["loss_terms"].values()) for line in lines[:2])


def crash():
    raise RuntimeError("the power is gone")


def test_crashed_and_resumed_is_uninterrupted(uninterrupted, frames, tmp_path):
    """A crash in step 4 loses this step, a crash in an evaluation loses this evaluation, and a line is incomplete."""
    folder = RunFolder(tmp_path / "run")
    how = {"data_name": "tiny", "evaluate": evaluation_of(frames)}
    with pytest.raises(RuntimeError):
        train(RECIPE, frames, folder.path, Watcher(4, crash), **how)
    assert load_state(folder.state)["progress"]["step"] == 3
    with folder.metrics.open("a") as file:
        file.write('{"step": 4, "lo')
    load_model(folder.last)
    with pytest.raises(RuntimeError):
        train(RECIPE, frames, folder.path, Watcher(), **how | {"evaluate": lambda _: crash()}, resume=True)
    assert load_state(folder.state)["progress"] | {"seconds": 0, "waited": 0} == {
        "step": 4, "seconds": 0, "best": uninterrupted["metrics"][2]["evaluation"]["instance"]["ap"], "waited": 0,
        "evaluated": 2, "stale": 0,
    }  # fmt: skip
    assert not folder.finished
    train(RECIPE, frames, folder.path, Watcher(), **how, resume=True)
    assert folder.finished
    assert same(contents(folder), uninterrupted)


def test_the_running_mean_is_what_is_saved_and_it_resumes(frames, tmp_path):
    """w' = d w' + (1 - d) w after every step, from the weights after the first; d grows to the decay. Resumed with the
    same bits.
    """
    decay, weights, how = 0.27, [], {"data_name": "tiny", "evaluate": evaluation_of(frames)}
    steady = replace(RECIPE, optim=replace(RECIPE.optim, schedule="constant", warmup_steps=0))
    recipe = replace(steady, training=replace(steady.training, ema=decay))
    plain, whole, cut = (RunFolder(tmp_path / name) for name in ("plain", "whole", "cut"))
    for step in range(1, 6):  # the weights of the steps, which do not depend on the mean
        shorter = replace(steady, training=replace(steady.training, steps=step))
        train(shorter, frames, plain.path, Watcher(), data_name="tiny", resume=step > 1)
        weights.append(read_model(plain.last)[0])
    train(recipe, frames, whole.path, Watcher(), **how)
    saved = read_model(whole.last)[0]
    for name in (name for name, value in saved.items() if value.is_floating_point()):
        mean = weights[0][name]
        for count, after in enumerate(weights[1:], 1):
            share = min(decay, (1 + count) / (10 + count))
            mean = share * mean + (1 - share) * after[name]
        assert torch.allclose(saved[name], mean, atol=1e-6), name
    assert any(not torch.equal(saved[name], weights[-1][name]) for name in saved)
    with pytest.raises(RuntimeError):
        train(recipe, frames, cut.path, Watcher(4, crash), **how)
    train(recipe, frames, cut.path, Watcher(), **how, resume=True)
    assert same(contents(cut), contents(whole))


def test_a_mean_that_the_state_does_not_hold_starts_from_its_weights(frames, tmp_path):
    """w' = (2 w + 9 w1) / 11 after one step, for the weights w of the state and w1 after the step."""
    steady = replace(RECIPE, optim=replace(RECIPE.optim, schedule="constant", warmup_steps=0))
    two, three = (replace(steady, training=replace(steady.training, steps=steps)) for steps in (2, 3))
    averaged = replace(three, training=replace(three.training, ema=0.9))
    weights = {}
    for name, recipe in (("plain", three), ("mean", averaged)):
        folder, watcher = RunFolder(tmp_path / name), Watcher()
        train(two, frames, folder.path, Watcher(), data_name="tiny")
        weights["before"] = read_model(folder.last)[0]
        train(recipe, frames, folder.path, watcher, data_name="tiny", resume=True)
        weights[name] = read_model(folder.last)[0]
    assert any("training.ema 0.0 -> 0.9" in note for note in watcher.notes)
    for name, value in weights["mean"].items():
        if value.is_floating_point():
            wanted = (2 * weights["before"][name] + 9 * weights["plain"][name]) / 11
            assert torch.allclose(value, wanted, atol=1e-6), name
    assert any(not torch.equal(weights["mean"][name], weights["plain"][name]) for name in weights["mean"])


def test_stopped_by_ctrl_c_and_resumed_with_a_worker_is_uninterrupted(uninterrupted, frames, tmp_path):
    folder = RunFolder(tmp_path / "run")
    recipe = replace(RECIPE, training=replace(RECIPE.training, checkpoint_every_seconds=1000.0))
    how = {"data_name": "tiny", "evaluate": evaluation_of(frames)}
    watcher = Watcher(3, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(Stopped, match="stopped at step 3: the same command with --resume continues it"):
        train(recipe, frames, folder.path, watcher, **how)
    assert load_state(folder.state)["progress"]["step"] == 3
    watcher = Watcher()
    recipe = replace(recipe, data=replace(recipe.data, workers=1))
    train(recipe, frames, folder.path, watcher, **how, resume=True)
    assert same(contents(folder), uninterrupted)
    assert any("continuing from step 3" in note and "data.workers 0 -> 1" in note for note in watcher.notes)


def test_the_end_says_the_rate_and_the_share_of_waiting(frames, tmp_path):
    watcher = Watcher()
    train(tiny_recipe(), frames, tmp_path / "run", watcher, data_name="tiny")
    said = [note for note in watcher.notes if "waiting for data" in note]
    assert len(said) == 1 and said[0].startswith("2 steps in ") and "steps/s" in said[0]
    waited = sum(record["data_seconds"] for record in watcher.records)
    share = float(said[0].split("steps/s, ")[1].split(" %")[0])
    assert share == pytest.approx(100 * waited / watcher.records[-1]["seconds"], abs=0.2)


def test_a_finished_run_can_be_made_longer_but_not_begun_again(frames, tmp_path):
    folder = RunFolder(tmp_path / "run")
    train(tiny_recipe(), frames, folder.path, Watcher(), data_name="tiny")
    with pytest.raises(PartwiseError, match=r"holds a run already .*--resume"):
        train(tiny_recipe(), frames, folder.path, Watcher(), data_name="tiny")
    watcher, before = Watcher(), folder.last.read_bytes()
    train(tiny_recipe(), frames, folder.path, watcher, data_name="tiny", resume=True)
    assert watcher.records == [] and folder.last.read_bytes() == before
    assert any("the run has reached its end" in note for note in watcher.notes)
    train(tiny_recipe(steps=3), frames, folder.path, watcher, data_name="tiny", resume=True)
    assert [record["step"] for record in watcher.records] == [3]


def test_another_network_cannot_be_resumed(frames, tmp_path):
    train(tiny_recipe(), frames, tmp_path / "run", Watcher(), data_name="tiny")
    other = tiny_recipe(method=replace(tiny_recipe().method, channels=16))
    with pytest.raises(PartwiseError, match="differs from that of the recipe") as caught:
        train(other, frames, tmp_path / "run", Watcher(), data_name="tiny", resume=True)
    assert "\n" not in str(caught.value)


def test_what_is_changed_on_resuming_is_what_the_optimiser_does(frames, tmp_path):
    """If the old weight decay were kept, the second half of the run would still shrink the weights."""
    folder, watcher = RunFolder(tmp_path / "run"), Watcher()
    recipe = replace(RECIPE, optim=replace(RECIPE.optim, weight_decay=0.5, backbone_lr_factor=0.2))
    train(recipe, frames, folder.path, Watcher(), data_name="tiny")
    changed = replace(recipe, optim=replace(recipe.optim, weight_decay=0.0, backbone_lr_factor=0.9))
    longer = replace(changed, training=replace(changed.training, steps=6))
    train(longer, frames, folder.path, watcher, data_name="tiny", resume=True)
    groups = load_state(folder.state)["optimiser"]["param_groups"]
    assert {group["lr_factor"] for group in groups} == {0.9, 1.0}
    assert {group["weight_decay"] for group in groups} == {0.0}
    said = " ".join(watcher.notes)
    assert "optim.weight_decay 0.5 -> 0.0" in said and "optim.backbone_lr_factor 0.2 -> 0.9" in said


@pytest.mark.parametrize(("name", "other"), [("adamw", "sgd"), ("sgd", "adam")])
def test_another_optimiser_cannot_be_resumed(name, other, frames, tmp_path):
    first, second = (replace(RECIPE, optim=replace(RECIPE.optim, name=one)) for one in (name, other))
    train(first, frames, tmp_path / "run", Watcher(), data_name="tiny")
    with pytest.raises(PartwiseError, match=r"differs from that of the recipe \(optim\.name\)"):
        train(second, frames, tmp_path / "run", Watcher(), data_name="tiny", resume=True)


def test_other_data_is_told_and_its_classes_are_looked_for_again(frames, tmp_path):
    folder, watcher = RunFolder(tmp_path / "run"), Watcher()
    recipe = replace(RECIPE, data=replace(RECIPE.data, repeat_threshold=0.5))
    train(recipe, frames, folder.path, Watcher(), data_name="a")
    folder.keep_presence(~folder.presence(len(frames)))
    longer = replace(recipe, training=replace(recipe.training, steps=6))
    train(longer, frames, folder.path, watcher, data_name="b", resume=True)
    assert any("data a -> a, then b" in note for note in watcher.notes)
    assert any("finding the classes" in note for note in watcher.notes)
    assert load_model(folder.last)[1].origin["data"] == "a, then b"
    again = Watcher()
    train(longer, frames, folder.path, again, data_name="b", resume=True)
    assert load_model(folder.last)[1].origin["data"] == "a, then b"
    assert not any("finding the classes" in note for note in again.notes)


def test_a_share_that_is_kept_is_kept_though_the_run_ends_at_once(frames, tmp_path):
    """The checkpoint from which a run is resumed is written after this step, so the weights must be kept before it."""
    whole, cut = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "cut")
    recipe = tiny_recipe(steps=4, keep_at=(0.5,), checkpoint_every_seconds=0.0)
    train(recipe, frames, whole.path, Watcher(), data_name="tiny")
    save, saved = Run.save, []

    def save_and_end(run):
        save(run)
        saved.append(run.progress.step)
        if run.progress.step == 2:
            crash()

    with pytest.MonkeyPatch.context() as patch, pytest.raises(RuntimeError):
        patch.setattr(Run, "save", save_and_end)
        train(recipe, frames, cut.path, Watcher(), data_name="tiny")
    assert saved[-1] == 2
    train(recipe, frames, cut.path, Watcher(), data_name="tiny", resume=True)
    assert same(load_file(cut.kept(0.5)), load_file(whole.kept(0.5)))


def test_stopped_before_an_evaluation_it_is_made_up_for_when_resumed(uninterrupted, frames, tmp_path):
    folder, evaluated = RunFolder(tmp_path / "run"), []

    def evaluate(method):
        evaluated.append(1)
        return evaluation_of(frames)(method)

    how = {"data_name": "tiny", "evaluate": evaluate}
    with pytest.raises(Stopped):
        train(RECIPE, frames, folder.path, Watcher(2, lambda: os.kill(os.getpid(), signal.SIGTERM)), **how)
    assert evaluated == []
    train(RECIPE, frames, folder.path, Watcher(), **how, resume=True)
    assert same(contents(folder), uninterrupted)


def test_folders_that_cannot_hold_the_run(frames, tmp_path):
    (tmp_path / "file").write_text("x")
    for out, resume, words in (
        (tmp_path / "file", False, "this is a file"),
        (tmp_path / "file" / "run", False, "cannot write"),
        (tmp_path / "none", True, "no run to resume"),
        (tmp_path, True, "no run to resume"),
    ):
        with pytest.raises(PartwiseError, match=words):
            train(tiny_recipe(), frames, out, Watcher(), data_name="tiny", resume=resume)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


def test_a_run_killed_before_its_first_checkpoint_begins_again(frames, tmp_path):
    folder = RunFolder(tmp_path / "run")
    recipe = tiny_recipe(checkpoint_every_seconds=1000.0)
    with pytest.raises(RuntimeError):
        train(recipe, frames, folder.path, Watcher(1, crash), data_name="tiny")
    assert not folder.state.exists()
    watcher = Watcher()
    train(recipe, frames, folder.path, watcher, data_name="tiny", resume=True)
    assert any("starts from the beginning" in note for note in watcher.notes)
    assert [json.loads(line)["step"] for line in folder.metrics.read_text().splitlines()] == [1, 2]


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_a_loss_or_gradient_that_is_not_finite_ends_the_run_with_good_weights(what, frames, tmp_path, monkeypatch):
    folder, calls, right = RunFolder(tmp_path / "run"), [], PartMaps.loss

    def loss(self, outputs, targets):
        calls.append(1)
        terms = right(self, outputs, targets)
        if len(calls) == 3:
            if what == "loss":
                terms["mask"] = terms["mask"] * math.nan
            else:
                terms["semantic"].register_hook(lambda gradient: gradient * math.inf)
        return terms

    monkeypatch.setattr(PartMaps, "loss", loss)
    recipe = tiny_recipe(steps=4, checkpoint_every_seconds=0.0)
    words = f"the {what} is not finite at step 2 .*optim.lr.*last.safetensors"
    with pytest.raises(PartwiseError, match=words) as caught:
        train(recipe, frames, folder.path, Watcher(), data_name="tiny")
    assert "\n" not in str(caught.value)
    assert load_model(folder.last)[1].origin["steps"] == 2
    assert all(torch.isfinite(value).all() for value in load_file(folder.last).values())


def test_a_full_disk_ends_the_run_and_leaves_the_last_checkpoint(frames, tmp_path, disk_full_after):
    folder = RunFolder(tmp_path / "run")
    train(tiny_recipe(), frames, folder.path, Watcher(), data_name="tiny")
    before = {path.name: path.read_bytes() for path in (folder.last, folder.state)}
    with disk_full_after(1_000_000), pytest.raises(PartwiseError, match=f"cannot write {folder.last}") as caught:
        train(tiny_recipe(steps=4), frames, folder.path, Watcher(), data_name="tiny", resume=True)
    assert "\n" not in str(caught.value)
    assert {path.name: path.read_bytes() for path in (folder.last, folder.state)} == before
    assert not list(folder.path.glob(".*"))
    train(tiny_recipe(steps=4), frames, folder.path, Watcher(), data_name="tiny", resume=True)
    assert load_state(folder.state)["progress"]["step"] == 4


def test_what_is_wrong_is_found_before_anything_is_written(frames, tmp_path):
    out = tmp_path / "run"
    for recipe, weights, words in (
        (tiny_recipe(steps=0), [], "it has no end: give --steps N or --minutes M"),
        (replace(RECIPE, data=replace(RECIPE.data, augment=replace(RECIPE.data.augment, crop=(50, 64)))), [], "crop"),
        (tiny_recipe(), [str(tmp_path / "none.pth")], "none.pth"),
        (tiny_recipe(), [str(tmp_path)], "the folder has no last.safetensors"),
        (tiny_recipe(), [__file__], "test_run.py"),
    ):
        with pytest.raises(PartwiseError, match=words) as caught:
            train(recipe, frames, out, Watcher(), data_name="tiny", weights=weights)
        assert "\n" not in str(caught.value)
        assert not out.exists()


def test_weights_of_another_run_are_the_start(frames, tmp_path):
    train(tiny_recipe(), frames, tmp_path / "one", Watcher(), data_name="tiny")
    first = load_file(tmp_path / "one" / "last.safetensors")
    frozen = replace(tiny_recipe(steps=1), optim=replace(RECIPE.optim, lr=1e-30, weight_decay=0.0, warmup_steps=0))
    train(frozen, frames, tmp_path / "two", Watcher(), data_name="tiny", weights=[str(tmp_path / "one")])
    second = load_file(tmp_path / "two" / "last.safetensors")
    floats = {name for name, value in first.items() if value.is_floating_point()}
    assert all(torch.allclose(first[name], second[name], rtol=1e-2, atol=1e-3) for name in floats)
    _, info = load_model(tmp_path / "two" / "last.safetensors")
    assert info.origin["weights"] == "tiny (2 steps) from random"


def test_heads_of_a_model_on_another_backbone_are_the_start(frames, tmp_path):
    train(tiny_recipe(), frames, tmp_path / "light", Watcher(), data_name="tiny")
    other = replace(tiny_recipe().method, backbone="resnet18")
    one_step = replace(tiny_recipe(other, steps=1), optim=replace(RECIPE.optim, lr=1e-30, weight_decay=0.0))
    train(one_step, frames, tmp_path / "run", Watcher(), data_name="tiny", weights=[str(tmp_path / "light")])
    first, second = (load_file(tmp_path / name / "last.safetensors") for name in ("light", "run"))
    heads = [name for name in first if name.startswith("parts_branch.")]
    assert heads and all(torch.allclose(first[name], second[name]) for name in heads)
    _, info = load_model(tmp_path / "run" / "last.safetensors")
    assert info.origin["weights"] == "random; heads from tiny (2 steps) from random"


def test_of_several_weights_a_later_one_comes_first(frames, tmp_path):
    still = replace(tiny_recipe(steps=1), optim=replace(RECIPE.optim, lr=1e-30, weight_decay=0.0))
    other = replace(still, method=replace(still.method, backbone="resnet18"))
    for name, recipe in (("whole", tiny_recipe()), ("heads", replace(other, training=replace(other.training, seed=5)))):
        train(recipe, frames, tmp_path / name, Watcher(), data_name="tiny")
    whole, heads = (load_file(tmp_path / name / "last.safetensors") for name in ("whole", "heads"))
    parts = [name for name in heads if name.startswith("parts_branch.")]
    assert not any(torch.allclose(whole[name], heads[name]) for name in parts if name.endswith("0.0.weight"))
    for order, wanted in ((("whole", "heads"), heads), (("heads", "whole"), whole)):
        out = tmp_path / "-".join(order)
        train(still, frames, out, Watcher(), data_name="tiny", weights=[str(tmp_path / name) for name in order])
        taken = load_file(out / "last.safetensors")
        assert all(torch.allclose(taken[name], wanted[name]) for name in parts)
        backbone = [name for name in whole if name.startswith("backbone.") and name.endswith("weight")]
        assert all(torch.allclose(taken[name], whole[name]) for name in backbone)  # the model with this backbone
        origin = load_model(out / "last.safetensors")[1].origin["weights"]
        lent = "" if order[-1] == "whole" else "; heads from tiny (1 steps) from random"
        assert origin == f"tiny (2 steps) from random{lent}"


def test_a_taught_run_is_resumed_bit_for_bit(frames, tmp_path):
    train(tiny_recipe(), frames, tmp_path / "teacher", Watcher(), data_name="tiny")
    teacher = load_model(tmp_path / "teacher" / "last.safetensors")[0]
    recipe = replace(RECIPE, teacher="teacher", teacher_weight=0.5, teacher_features=0.5)
    whole, cut = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "cut")
    how = {"data_name": "tiny", "evaluate": evaluation_of(frames), "teacher": teacher}
    train(recipe, frames, whole.path, Watcher(), **how)
    with pytest.raises(RuntimeError):
        train(recipe, frames, cut.path, Watcher(3, crash), **how)
    train(recipe, frames, cut.path, Watcher(), **how, resume=True)
    assert same(contents(cut), contents(whole))
    terms = contents(whole)["metrics"][0]["loss_terms"]
    assert all(terms[f"taught_{what}"] > 0 for what in ("semantic", "parts", "features"))
    assert load_model(whole.last)[1].origin["teacher"] == "teacher"


def test_tensorboard_shows_what_metrics_say(frames, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder = RunFolder(tmp_path / "run")
    how = {"data_name": "tiny", "evaluate": evaluation_of(frames)}
    train(tiny_recipe(tensorboard=True), frames, folder.path, Watcher(), **how)
    events = EventAccumulator(str(folder.path / "tensorboard"))
    events.Reload()
    lines = [json.loads(line) for line in folder.metrics.read_text().splitlines()]
    shown = {event.step: event.value for event in events.Scalars("loss/sum")}
    assert shown == pytest.approx({line["step"]: line["loss"] for line in lines if "loss" in line})
    iou = lines[-1]["evaluation"]["semantic"]["iou_class"]
    assert [event.value for event in events.Scalars("evaluation/iou_class")] == pytest.approx([iou])


def test_the_second_ctrl_c_ends_at_once_and_the_handlers_come_back():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), StopSwitch() as switch:
        signal.raise_signal(signal.SIGINT)
        assert switch.pressed
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
    with StopSwitch() as switch:
        with pytest.raises(KeyboardInterrupt), switch.lifted():
            signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        assert switch.pressed
    assert signal.getsignal(signal.SIGINT) is before
