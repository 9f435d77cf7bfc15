"""Training a network on the stored maps of its frozen backbone: what changes is all behind the backbone.

The step, the optimiser and the precision are those of any training (`training.learner`); only the samples differ.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from partwise.backbones import VggBackbone
from partwise.errors import PartwiseError
from partwise.methods import Method, build_method
from partwise.methods.method import image_batch
from partwise.scene import Scene
from partwise.training.checkpoint import load_state, save_model, save_state
from partwise.training.config import Recipe
from partwise.training.learner import Learner, NotFiniteError
from partwise.training.processes import start_accelerator
from partwise.training.start import start_weights
from partwise_report.features import Area, GivenMaps, LearntFifthBlock, StoredFrames
from partwise_report.study.guesses.tasks import changed
from partwise_report.study.windows import MIN_AREA_PX
from streeteval.labels import LabelSet

GRID_PX = 32  # crops begin and end at multiples of it, so that they fit the cells of every stride
STATE = "state.pt"
Look = Callable[[Method], dict[str, float]]


@dataclass
class Course:
    """How a training went.

    Attributes:
        step: Steps that are done.
        losses: Of each step.
        looks: Step -> the figures of a look at a few frames.
        seconds: Of training, over all its resumptions.
        stopped: Why it ended early, in words; "" if it did not.
    """

    step: int = 0
    losses: list[float] = field(default_factory=list)
    looks: dict[int, dict[str, float]] = field(default_factory=dict)
    seconds: float = 0.0
    stopped: str = ""


@dataclass(frozen=True)
class Draws:
    """Which part of which frame each step sees: a function of (seed, step) and the frames alone.

    Attributes:
        frames: To draw from.
        numbers: Of those that show an object.
        crop: (H, W) in pixels, multiples of 32, laid around an object; (0, 0) for whole frames.
        classes: Ids of the objects.
        seed: Of the draws.
    """

    frames: StoredFrames
    numbers: Sequence[int]
    crop: tuple[int, int]
    classes: tuple[int, ...]
    seed: int

    def at(self, step: int) -> tuple[int, Area | None]:
        """Number of a frame, and the part of it; None for the whole frame."""
        turn, place = divmod(step, len(self.numbers))
        order = np.random.default_rng([self.seed, 1, turn]).permutation(len(self.numbers))
        number = int(self.numbers[order[place]])
        if self.crop == (0, 0):
            return number, None
        return number, crop_around(
            self.frames.scene(number), self.crop, self.classes, np.random.default_rng([self.seed, step])
        )


def crop_around(scene: Scene, crop: tuple[int, int], classes: Collection[int], rng: np.random.Generator) -> Area:
    """A part of the frame such that a random object of the classes has its centre in the part's middle half.

    Args:
        scene: A frame with sides that are multiples of 32 px.
        crop: (H, W) in pixels, multiples of 32; cut to the frame.
        classes: Ids.
        rng: Draws the object and the place.
    """
    boxes = scene.instances.boxes[_counted(scene, classes)]
    x0, y0, x1, y1 = boxes[rng.integers(len(boxes))] if len(boxes) else (0, 0, scene.size[1], scene.size[0])
    first, sides = [], []
    for length, wanted, centre in zip(scene.size, crop, ((y0 + y1) / 2, (x0 + x1) / 2), strict=True):
        side = min(wanted, length)
        at = centre - side * rng.uniform(0.25, 0.75)
        first.append(int(np.clip(round(at / GRID_PX) * GRID_PX, 0, length - side)))
        sides.append(side)
    return Area(first[0], first[1], sides[0], sides[1])


def frames_with_objects(frames: StoredFrames, classes: Collection[int]) -> list[int]:
    """Numbers of the frames that show an object. Raises PartwiseError if there is none."""
    numbers = [number for number in range(len(frames)) if _counted(frames.scene(number), classes).any()]
    if not numbers:
        raise PartwiseError(f"{frames.store.folder}: no frame shows an object of classes {sorted(classes)}")
    return numbers


def _counted(scene: Scene, classes: Collection[int]) -> np.ndarray:
    """(N,) bool: which instances are objects of these classes, large enough to count."""
    return np.isin(scene.instances.labels, list(classes)) & (scene.instances.areas >= MIN_AREA_PX)


def build_heads(
    recipe: Recipe, label_set: LabelSet, weights: Sequence[str] = (), *, conv5_learns: bool = False
) -> Method:
    """A new network, the seed and the start of which are those of a usual training, on given maps.

    Args:
        recipe: The method, its seed, and the weights of the backbone where conv5 learns.
        label_set: The classes.
        weights: Model files to start from, such as a trained FCN-8s.
        conv5_learns: The network is given conv4_3 and learns conv5, too.
    """
    torch.manual_seed(recipe.training.seed)
    method = build_method(recipe.method, label_set)
    if weights or conv5_learns:
        start_weights(method, recipe, weights, lambda text: None)
    on_given_maps(method, conv5_learns=conv5_learns)
    return method


def on_given_maps(method: Method, *, conv5_learns: bool = False) -> None:
    """Replace the backbone of a network by what stands in for it."""
    backbone = method.backbone
    if conv5_learns:
        assert isinstance(backbone, VggBackbone)
        method.backbone = LearntFifthBlock(backbone)
    else:
        method.backbone = GivenMaps(backbone)
    method.to(memory_format=torch.channels_last)


def show(method: Method, frames: StoredFrames, number: int, area: Area | None = None) -> torch.Tensor:
    """The image of a frame, or a part of it, as a batch for `method`, whose backbone is given the stored maps of it."""
    scene = frames.scene(number) if area is None else area.cut(frames.scene(number))
    if isinstance(method.backbone, GivenMaps):
        method.backbone.maps = frames.maps(number, method.backbone.layers, area)
    return image_batch(scene.image_HW3)


def train_heads(
    method: Method,
    recipe: Recipe,
    draws: Draws,
    folder: Path | None,
    *,
    settings: Mapping[str, Any] | None = None,
    looks: Mapping[int, Look] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Course:
    """Train a network that `build_heads` made on the CPU, or go on where it was stopped; an end that is reached stays.

    Args:
        method: The network, on the CPU.
        recipe: Its optimiser, seed and number of steps.
        draws: What each step sees.
        folder: Of state.pt and, in the end, heads.safetensors; None to keep nothing.
        settings: All that the outcome depends on, see `tasks.settings_of`; a training with others is not continued.
        looks: Step -> what looks at the network before that step.
        progress: Is told (steps done, steps).

    Returns:
        How it went. A loss that is not finite ends the training and is said in `stopped`.

    Raises:
        PartwiseError: If the training in `folder` was begun with other settings.
    """
    steps = recipe.training.steps
    learner = Learner(recipe, method, start_accelerator(cpu=True))  # where the stored maps are
    course = _begun(learner, folder, settings or {})
    method.train()
    saved = time.perf_counter()
    while course.step < steps and not course.stopped:
        if looks and course.step in looks and course.step not in course.looks:
            course.looks[course.step] = looks[course.step](method)
            method.train()
        begin = time.perf_counter()
        _step(learner, draws, course, steps)
        course.seconds += time.perf_counter() - begin
        progress(course.step, steps)
        if time.perf_counter() - saved > recipe.training.checkpoint_every_seconds:
            _keep(learner, course, folder, settings or {})
            saved = time.perf_counter()
    _keep(learner, course, folder, settings or {})
    if folder is not None:
        save_model(folder / "heads.safetensors", method, {"recipe": recipe.name, "steps": course.step})
    method.eval()
    return course


def _begun(learner: Learner, folder: Path | None, settings: Mapping[str, Any]) -> Course:
    """The state of a training that was stopped, or a new one."""
    if folder is None or not (folder / STATE).exists():
        return Course()
    state = load_state(folder / STATE)
    if "settings" in state and (different := changed(state["settings"], settings)):
        raise PartwiseError(
            f"{folder}: a training with other settings ({', '.join(different)}) was begun there: give the same "
            "settings, remove the folder, or give another --out"
        )
    learner.restore(state)
    return Course(**state["course"])


def _keep(learner: Learner, course: Course, folder: Path | None, settings: Mapping[str, Any]) -> None:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        save_state(folder / STATE, learner.state() | {"course": vars(course), "settings": dict(settings)})


def _step(learner: Learner, draws: Draws, course: Course, steps: int) -> None:
    """One step of the optimiser."""
    method, frames = learner.method, draws.frames
    number, area = draws.at(course.step)
    images = show(method, frames, number, area)
    scene = frames.scene(number) if area is None else area.cut(frames.scene(number))
    learner.set_lr(course.step, course.step / steps)
    try:
        terms, _ = learner.learn([(images, [method.targets(scene)])], course.step)
    except NotFiniteError as error:
        course.stopped = f"the {error.args[0]} is not finite at step {course.step} ({error.args[1]})"
        return
    course.losses.append(float(sum(terms.values())))
    course.step += 1
