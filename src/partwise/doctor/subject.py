"""Examine our own experiments: a recipe before it is trained, a run while or after it is trained."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from partwise.class_map import ClassNames
from partwise.data.streets import Streets
from partwise.doctor import data, network, signals, start, unseen, windows
from partwise.doctor.ceiling import contradicting_targets, lost_in_decoding
from partwise.doctor.examine import STEPS, trial_findings
from partwise.doctor.finding import Diagnosis, Finding
from partwise.doctor.history import history_findings, read_history
from partwise.doctor.look import Look, look_at
from partwise.doctor.trial import Trial, run_trial
from partwise.doctor.unseen import Subject
from partwise.errors import PartwiseError
from partwise.evaluation.model import require_instances, require_same_classes
from partwise.methods import HasWindows, Method, build_method, usable_objects
from partwise.methods.method import Outputs
from partwise.plugins import Plugins
from partwise.scene import Scene, Scenes
from partwise.training.checkpoint import load_model, read_model
from partwise.training.config import Recipe, recipe_from_dict
from partwise.training.crops import check_crop
from partwise.training.folder import RunFolder
from partwise.training.optim import build_optimiser
from partwise.training.start import file_of, has_backbone_of, is_model, start_weights
from streeteval.instances import Instances
from streeteval.scene import labels_of

FRAMES = 24  # enough for a few objects of every size, few enough for seconds
STREET_SIZE = (512, 1024)  # of rendered streets, where no data is given
DECODED = 8  # samples whose oracle outputs are decoded
NO_TRUTH = ("boxes", "centres", "nearest", "object", "own", "own_object", "owner")  # targets that say where, not what

Note = Callable[[str], None]
# What is checked of a method that tells instances apart, beside its windows and its decoding.
RULES: Mapping[str, Callable[[Subject], list[Finding]]] = Plugins(
    "partwise.doctor", {"unseen order": unseen.unseen_order}, "rule of the doctor"
)
Progress = Callable[[str, int, int], None]


def examine_recipe(
    recipe: Recipe,
    scenes: Scenes | None = None,
    *,
    weights: Sequence[str] = (),
    class_names: ClassNames | None = None,
    where: str = "rendered streets",
    frames: int = FRAMES,
    steps: int = STEPS,
    note: Note = lambda text: None,
    progress: Progress = lambda what, done, total: None,
) -> Diagnosis:
    """Report everything that can be said of a recipe before it is trained.

    Args:
        recipe: The whole configuration.
        scenes: The training data; None for rendered streets.
        weights: As for training: model files or run folders, or weights for the backbone. The last one is compared.
        class_names: Which classes of these weights stand for those of the data, see `ClassMap.between`.
        where: The data in words.
        frames: At most this many are looked at; 0 for all.
        steps: Steps of the trial.
        note: Called with what is being done.
        progress: Called with what is being done, how much of it is done, and how much there is.

    Raises:
        PartwiseError: If the data cannot be read or has nothing to learn, the crop does not fit, or `class_names` are
            no classes of the data and the weights.
    """
    torch.manual_seed(recipe.training.seed)
    method = build_method(recipe.method) if scenes is None else build_method(recipe.method, labels_of(scenes))
    note("loading weights")
    progress("loading weights", 0, 0)
    found = _start(method, recipe, weights, class_names, scenes or (), note) + start.lifeless_layers(method)
    found += _all(method, recipe, scenes, where, frames, steps, note, progress)
    return Diagnosis(f"recipe {recipe.name}", tuple(found))


def examine_run(
    path: Path,
    scenes: Scenes | None = None,
    *,
    where: str = "rendered streets",
    frames: int = FRAMES,
    steps: int = STEPS,
    note: Note = lambda text: None,
    progress: Progress = lambda what, done, total: None,
) -> Diagnosis:
    """Report everything that can be said of a run: its history, its present weights, and its recipe.

    Args:
        path: Folder of the run.
        scenes: The training data; None for rendered streets.
        where: The data in words.
        frames: At most this many are looked at; 0 for all.
        steps: Steps of the trial.
        note: Called with what is being done.
        progress: Called with what is being done, how much of it is done, and how much there is.

    Raises:
        PartwiseError: If `path` holds no run, or one of another version, or the data have other classes than the run.
    """
    folder = RunFolder(path)
    described = folder.described()
    if "recipe" not in described:
        raise PartwiseError(f"{folder.run}: missing or damaged: give the folder of a run, or the name of a recipe")
    recipe = recipe_from_dict(described["recipe"], str(folder.run))
    records = read_history(folder)
    if not folder.last.is_file():
        raise PartwiseError(f"{folder.last}: no such file: the run has not written its first checkpoint yet")
    method, _ = load_model(folder.last)
    _require_classes(method, scenes, path, where)
    found = history_findings(records, recipe.optim.clip_norm) + start.lifeless_layers(method)
    found += start.unwanted_start(recipe.backbone_weights, str(described.get("origin", {}).get("weights", "")))
    found += _all(method, recipe, scenes, where, frames, steps, note, progress)
    return Diagnosis(f"run {path}, {records[-1].get('step', 0)} steps of {recipe.name}", tuple(found))


def _require_classes(method: Method, scenes: Scenes | None, path: Path, where: str) -> None:
    """Raises PartwiseError if the data of a run, or the rendered streets in their place, have other classes."""
    if scenes is not None:
        require_same_classes(method, labels_of(scenes), where)
    elif not method.label_set.same_classes(Streets(1, STREET_SIZE).label_set):
        classes = ", ".join(label.name for label in method.label_set.evaluated)
        raise PartwiseError(f"{path}: its classes are {classes}, which rendered streets do not have: give --data ROOT")


def _start(
    method: Method,
    recipe: Recipe,
    weights: Sequence[str],
    class_names: ClassNames | None,
    scenes: Scenes,
    note: Note,
) -> list[Finding]:
    """Load the weights as training would, then compare them with the file."""
    try:
        start_weights(method, recipe, weights, note, class_names, scenes)
    except PartwiseError as error:
        if class_names:  # it may be a wrong map
            raise
        return start.missing_weights(error, weights[-1] if weights else recipe.backbone_weights)
    for path in map(
        file_of, reversed(weights)
    ):  # the last one that has the backbone is the one whose backbone was taken
        if not is_model(path):
            return start.pretrained_weights(method, path)
        state, _ = read_model(path)
        if has_backbone_of(method, state):
            return start.weights_of_model(method, state, path)
    return start.pretrained_weights(method, recipe.backbone_weights)


def _all(
    method: Method,
    recipe: Recipe,
    scenes: Scenes | None,
    where: str,
    frames: int,
    steps: int,
    note: Note,
    progress: Progress,
) -> list[Finding]:
    """Run the checks that a recipe and a run have in common."""
    check_crop(recipe.data.augment.crop, method.size_multiple)
    endless = scenes is None
    if scenes is None:
        scenes = Streets(frames or FRAMES, STREET_SIZE, recipe.training.seed)
        frames = 0
    note(f"looking at {min(frames or len(scenes), len(scenes))} of {len(scenes)} frames of {where}")
    least = steps * recipe.training.batch_size
    look = look_at(scenes, frames, method, recipe.data, recipe.training.seed, least, where, progress)
    look.complete &= not endless
    if method.has_instances:
        require_instances(look.frames, f"{where}, {len(look.frames)} frames")
    note(f"training {steps} steps")
    batches = look.batches(recipe.training.batch_size)
    optim = recipe.optim
    optimiser = build_optimiser(method, optim)
    for group in optimiser.param_groups:
        group["lr"] = optim.lr * group["lr_factor"]
    trained = functools.partial(progress, "training steps")
    trial = run_trial(method, batches, method.loss, optimiser, steps, clip_norm=optim.clip_norm, progress=trained)
    found = trial_findings(trial) + signals.constant_targets(trial, NO_TRUTH)
    if trial.first is not None:
        images = [batches[i % len(batches)][0] for i in range(len(trial.terms))]
        found += network.backbone_input(method, trial.first, images)
    found += network.holes(method) + _data(method, recipe, look, trial)
    note("comparing targets, windows and decoding")
    return found + _truth(method, look, trial.outputs, progress)


def _data(method: Method, recipe: Recipe, look: Look, trial: Trial) -> list[Finding]:
    """Check classes and sizes of what there is to learn."""
    found = data.missing_classes(look.frames, look.complete, look.where)
    if method.has_instances:
        found += data.erased_by_resize(look.frames, recipe.data.augment)
        found += data.cut_by_crop(look.frames, recipe.data.augment)
    for name, classes, truths in signals.class_maps(trial.outputs, [look.targets]):
        found += signals.dominant_class(name, classes, truths)
    return found


def _truth(method: Method, look: Look, trained_outputs: Outputs, progress: Progress) -> list[Finding]:
    """Check a method of instances: its windows, its order and its decoding."""
    if not method.has_instances:
        return []
    found, promised = [], [_promised(method, scene) for scene in look.samples]
    if isinstance(method, HasWindows):
        truths = []
        for pair in zip(look.samples, look.targets, strict=True):
            truths.append(method.window_truth(*pair))
            progress("comparing windows", len(truths), len(look.samples))
        found += windows.uncovered_objects(truths) + windows.centre_share(truths)
        found += windows.border_objects(truths, look.samples) + windows.wrong_negatives(truths)
        promised = [truth.held for truth in truths]
    some = slice(DECODED)
    decoding = functools.partial(progress, "decoding oracle outputs")
    found += lost_in_decoding(method, look.samples[some], look.targets[some], promised[some], decoding)
    progress("comparing targets", 0, 0)
    found += contradicting_targets(method, look.targets[some], trained_outputs)
    progress("comparing orders", 0, 0)
    subject = Subject(method, look.samples, look.targets)
    for name in RULES:
        found += RULES[name](subject)
    return found


def _promised(method: Method, scene: Scene) -> Instances:
    """Return the objects that a method without windows means to find."""
    objects = usable_objects(scene, 1)
    return objects[np.isin(objects.labels, method.instance_classes)]
