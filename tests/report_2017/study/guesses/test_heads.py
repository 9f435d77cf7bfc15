"""Training on stored features is the training of a network with a frozen backbone; it goes on where it was stopped."""

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from partwise.data.streets import Streets
from partwise.errors import PartwiseError
from partwise.methods import build_method
from partwise.methods.method import image_batch
from partwise.recipes import recipe as find_recipe
from partwise.training import processes
from partwise.training.config import override
from partwise.training.learner import Learner
from partwise_report.features import FrozenVgg, StoredFrames, store_features
from partwise_report.study.guesses.heads import Draws, build_heads, crop_around, frames_with_objects, train_heads
from partwise_report.study.windows import cars_of, objects_of
from streeteval.labels import CITYSCAPES

SIZE, STEPS, SEED, CARS = (128, 256), 4, 7, cars_of(CITYSCAPES)
SMALL = (
    "backbone_weights=random",
    "method.branch_channels=8",
    "training.precision=no",
    "training.checkpoint_every_seconds=0",
    f"training.steps={STEPS}",
    f"training.seed={SEED}",
    "optim.backbone_lr_factor=0",
    "optim.lr=1e-3",
)


@pytest.fixture(scope="module")
def scenes():
    found = [scene for scene in Streets(12, SIZE, seed=2) if len(objects_of(scene))]
    assert len(found) >= 2
    return found[:2]


@pytest.fixture(scope="module")
def recipe():
    return override(find_recipe("parts_report_3"), list(SMALL))


def frozen(recipe):
    """The usual network of the recipe: its seed sets the backbone and the heads."""
    torch.manual_seed(SEED)
    return build_method(recipe.method)


@pytest.fixture(scope="module")
def frames(scenes, recipe, tmp_path_factory):
    backbone = FrozenVgg("random")
    for own in (backbone.plain, backbone.holes):
        own.load_state_dict(frozen(recipe).backbone.state_dict())
    folder = tmp_path_factory.mktemp("features") / "store"
    return StoredFrames(scenes, store_features(scenes, backbone, ["conv4_3", "conv5_3_holes"], folder, data_name="s"))


@pytest.fixture(scope="module")
def draws(frames):
    return Draws(frames, frames_with_objects(frames, CARS), (0, 0), CARS, SEED)


@pytest.fixture(scope="module")
def course(recipe, frames, draws, tmp_path_factory):
    method = build_heads(recipe, frames.scene(0).label_set)
    return train_heads(method, recipe, draws, tmp_path_factory.mktemp("heads"))


def test_the_losses_are_those_of_the_frozen_network(recipe, draws, course):
    method = frozen(recipe)
    learner, losses = Learner(recipe, method, processes.start_accelerator(cpu=True)), []
    method.train()
    for step in range(STEPS):
        scene = draws.frames.scene(draws.at(step)[0])
        learner.set_lr(step, step / STEPS)
        terms, _ = learner.learn([(image_batch(scene.image_HW3), [method.targets(scene)])], step)
        losses.append(sum(terms.values()))
    assert course.losses == pytest.approx(losses, rel=2e-3)
    assert abs(losses[-1] - losses[0]) > 10 * abs(losses[-1] - course.losses[-1])  # a change that can be told


def test_it_is_trained_on_the_processor_where_the_stored_maps_are(recipe, frames, draws, monkeypatch):
    asked = []
    monkeypatch.setattr(processes, "Accelerator", lambda **how: asked.append(how["cpu"]) or Accelerator(**how))
    train_heads(build_heads(recipe, frames.scene(0).label_set), override(recipe, ["training.steps=1"]), draws, None)
    assert asked == [True]


def test_conv5_is_learnt_from_a_stored_conv4_3(recipe, frames, draws, course):
    """At a rate of 0 for the backbone it starts where the stored conv5_3 is, and the losses are the same."""
    method = build_heads(recipe, frames.scene(0).label_set, conv5_learns=True)
    method.backbone.features.load_state_dict(frozen(recipe).backbone.features[23:30].state_dict())
    assert train_heads(method, recipe, draws, None).losses == pytest.approx(course.losses, rel=2e-3)


def test_a_stopped_training_goes_on_and_is_the_same(recipe, frames, draws, course, tmp_path):
    def stop(done, total):
        if done == 3:
            raise KeyboardInterrupt

    label_set, settings = frames.scene(0).label_set, {"steps": STEPS, "crop": (0, 0)}
    with pytest.raises(KeyboardInterrupt):
        train_heads(build_heads(recipe, label_set), recipe, draws, tmp_path, settings=settings, progress=stop)
    with pytest.raises(PartwiseError, match=r"other settings \(steps\) was begun there"):
        train_heads(build_heads(recipe, label_set), recipe, draws, tmp_path, settings=settings | {"steps": 9})
    seen = []
    note = lambda done, total: seen.append(done)
    again = train_heads(build_heads(recipe, label_set), recipe, draws, tmp_path, settings=settings, progress=note)
    assert seen[0] == 3  # the third step was not saved yet
    assert again.losses == course.losses


def test_a_loss_that_is_not_finite_ends_the_training_and_is_said(frames, recipe, draws):
    method = build_heads(recipe, frames.scene(0).label_set)
    torch.nn.init.constant_(method.parts_branch[0].weight, float("nan"))
    ended = train_heads(method, recipe, draws, None)
    assert ended.step == 0 and "not finite at step 0" in ended.stopped


def test_crops_lie_on_the_grid_around_a_car(frames):
    scene, rng = frames.scene(0), np.random.default_rng(0)
    boxes = objects_of(scene).boxes
    centres = np.stack([boxes[:, 1] + boxes[:, 3], boxes[:, 0] + boxes[:, 2]], axis=1) / 2
    for _ in range(20):
        area = crop_around(scene, (64, 96), CARS, rng)
        assert area.top % 32 == area.left % 32 == 0 and (area.height, area.width) == (64, 96)
        inside = (centres >= (area.top, area.left)) & (centres <= (area.top + 64, area.left + 96))
        assert inside.all(axis=1).any()
        assert area.cut(scene).size == (64, 96)


def test_frames_without_a_car_are_no_training(frames):
    with pytest.raises(PartwiseError, match="no frame shows an object"):
        frames_with_objects(frames, (31,))


def test_seeds_draw_other_frames_and_every_frame_comes_once_a_turn(frames):
    orders = [[Draws(frames, [0, 1], (0, 0), CARS, seed).at(step)[0] for step in range(8)] for seed in range(6)]
    assert all(sorted(order[at : at + 2]) == [0, 1] for order in orders for at in range(0, 8, 2))
    assert len({tuple(order) for order in orders}) > 1
