"""Train a recipe, or a pipeline of recipes, on a data set: data, training and evaluation put together."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from partwise.class_map import ClassNames
from partwise.data.dataset import described
from partwise.data.streets import Streets
from partwise.errors import PartwiseError
from partwise.evaluation.model import evaluate_method, require_instances, require_same_classes
from partwise.methods import Method, build_method, method_name
from partwise.methods.distil import check_teacher
from partwise.methods.method import require_mirrorable
from partwise.methods.options import InferenceOptions
from partwise.model_files import find_model, start_files
from partwise.recipes import PIPELINES
from partwise.recipes import recipe as find_recipe
from partwise.training.checkpoint import load_model, read_info
from partwise.training.config import Recipe, assigned, method_from_dict, method_to_dict, override
from partwise.training.crops import check_crop, fitting_crop
from partwise.training.folder import RunFolder
from partwise.training.loop import Monitor, train
from partwise.training.start import file_of, is_model, start_weights
from partwise.training_data import TrainingData
from streeteval.evaluator import CityscapesEvaluator
from streeteval.reading.truth import require_truth
from streeteval.scene import EvenlySpaced

__all__ = [
    "RENDERED_SCENES",
    "RENDERED_SIZE",
    "Stage",
    "TrainingData",
    "plan",
    "planned_recipe",
    "require_trainable",
    "run",
]

RENDERED_SCENES, RENDERED_SIZE = 10_000_000, (512, 1024)  # more scenes than any training draws; (H, W) in pixels


@dataclass(frozen=True)
class Stage:
    """One recipe with the folder of its run.

    Attributes:
        recipe: The configuration of the experiment.
        out: Folder of the run.
    """

    recipe: Recipe
    out: Path


def plan(
    name: str,
    overrides: Sequence[str],
    out: Path,
    minutes: float = 0.0,
    steps: int = 0,
    scale_steps: float = 1.0,
    weights: Sequence[str] = (),
) -> list[Stage]:
    """List the stages of a recipe (one stage) or of a pipeline. The stages share the length.

    Args:
        name: Name of a recipe or a pipeline.
        overrides: Fields of every stage to change, such as "optim.lr=3e-4".
        out: Folder of the run. Each stage of a pipeline has a folder in it.
        minutes: Length of all stages together in minutes; 0 for the length that the recipe sets.
        steps: Length of all stages together in steps; 0 for the length that the recipe sets.
        scale_steps: Factor of the steps of each recipe, to run a long schedule in short; without another length.
        weights: What the first stage starts from, as for `run`; a recipe may take its network from a model among them.

    Raises:
        PartwiseError: If a name or a field is unknown, a value is wrong, or no length is set.
    """
    if not (math.isfinite(scale_steps) and scale_steps > 0) or (scale_steps != 1 and (minutes or steps)):
        given = f"minutes={minutes:g}, steps={steps}, scale_steps={scale_steps:g}"
        raise PartwiseError(f"{given}: give scale_steps above 0, and then neither minutes nor steps")
    shares = PIPELINES.get(name, {name: 1.0})
    if len(shares) > 1 and any(assigned(one)[0] == "network_of_weights" for one in overrides):
        raise PartwiseError(f"network_of_weights: each stage of {name} has a network of its own: leave it out")
    stages: list[Stage] = []
    for stage, share in shares.items():
        length = [f"training.minutes={minutes * share!r}"] if minutes else []
        length += [f"training.steps={max(1, round(steps * share)) if steps > 0 else steps}"] if steps else []
        if length:  # a given length replaces both lengths of the recipe
            length = ["training.minutes=0", "training.steps=0", *length]
        recipe = planned_recipe(stage, [*overrides, *length], () if stages else weights)
        if scale_steps != 1:
            if not recipe.training.steps:
                raise PartwiseError(f"scale_steps={scale_steps:g}: recipe {stage} says no steps: give steps")
            scaled = max(1, round(recipe.training.steps * scale_steps))
            recipe = override(recipe, [f"training.steps={scaled}"])
        if not (recipe.training.minutes or recipe.training.steps):
            raise PartwiseError(f"recipe {stage} sets no length: give minutes or steps")
        stages.append(Stage(recipe, out / stage if name in PIPELINES else out))
    return stages


def planned_recipe(name: str, overrides: Sequence[str], weights: Sequence[str] = ()) -> Recipe:
    """Return a recipe as it is trained, whether or not it sets a length.

    Args:
        name: Name of the recipe.
        overrides: Fields to change, as for `plan`.
        weights: What the training starts from, as for `plan`.

    Raises:
        PartwiseError: If a name or a field is unknown, or a value is wrong.
    """
    recipe, asks = find_recipe(name), [one for one in overrides if assigned(one)[0] == "network_of_weights"]
    asked = override(recipe, asks)
    changed = _on_network_of(weights, asked)
    if asks and asked.network_of_weights and not recipe.network_of_weights and changed is asked:
        raise PartwiseError(
            f"{asks[-1]}: no model of the method {method_name(recipe.method)} is given whose network {name} could "
            "have: give --weights MODEL"
        )
    return override(changed, list(overrides))


def _on_network_of(weights: Sequence[str], recipe: Recipe) -> Recipe:
    """Give a recipe the network of the last model of its method that it starts from, if the recipe asks for it."""
    if not recipe.network_of_weights:
        return recipe
    files = [file for file in map(file_of, start_files(weights)) if is_model(file)]
    own = method_to_dict(recipe.method)
    stays = {name: value for name, value in own.items() if name == "frozen_blocks"}
    for network in (read_info(file).method for file in reversed(files)):
        if network.get("kind") == own["kind"]:
            return _with_fitting_crop(replace(recipe, method=method_from_dict(network | stays)))
    return recipe


def _with_fitting_crop(recipe: Recipe) -> Recipe:
    """Enlarge the crop of a recipe, if need be, to a size that its network takes without padding."""
    with torch.device("meta"):  # no memory, no numbers: only its strides
        multiple = build_method(recipe.method).size_multiple
    return override(recipe, [f"data.augment.crop={list(fitting_crop(recipe.data.augment.crop, multiple))}"])


def run(
    stages: Sequence[Stage],
    data: TrainingData,
    monitor: Monitor,
    *,
    weights: Sequence[str] = (),
    class_names: ClassNames | None = None,
    resume: bool = False,
) -> Path:
    """Train the stages. Each stage starts from the weights of the stage before it.

    Args:
        stages: From `plan`.
        data: The data set and its splits.
        monitor: Receives notes and progress.
        weights: What the first stage starts from: model files, run folders, names of models, or weights for the
            backbone.
        class_names: Which classes of these weights stand for those of the data, see `ClassMap.between`.
        resume: Skip finished stages, continue the stage that was interrupted, and start the others.

    Returns:
        The folder of the last run.

    Raises:
        PartwiseError: If the data have nothing that the recipe can learn, or training raises it.
    """
    weights = start_files(weights)
    for number, stage in enumerate(stages):
        folder = RunFolder(stage.out)
        if number > 0 and resume and not folder.run.exists():
            resume = False  # the run was interrupted before this stage began
        if len(stages) > 1 and resume and folder.finished:
            monitor.note(f"{stage.out}: finished before")
        else:
            _train(stage, data, monitor, weights, class_names, resume)
        weights, class_names = [str(folder.last)], None
    return stages[-1].out


def require_trainable(stages: Sequence[Stage], data: TrainingData) -> str:
    """Check all that can be checked before a training from the weights of the recipe. Nothing is written.

    Args:
        stages: From `plan`.
        data: The data set and its splits.

    Returns:
        The origin of the weights that the first stage starts from, as model files store it.

    Raises:
        PartwiseError: If the data have nothing that a recipe can learn, classes or a crop do not fit, or a teacher or
            the weights cannot be loaded.
    """
    methods = [_method_for(stage.recipe, data) for stage in stages]
    for stage, method in zip(stages, methods, strict=True):
        recipe, where = stage.recipe, f"{data.source}, split {data.val_split}"
        require_same_classes(method, data.validation().label_set, where)
        check_crop(recipe.data.augment.crop, method.size_multiple)
        if recipe.teacher:
            teacher, _ = load_model(find_model(recipe.teacher))
            check_teacher(method, teacher, features=recipe.teacher_features > 0)
            if recipe.teacher_flip:
                require_mirrorable(teacher)
    return start_weights(methods[0], stages[0].recipe, (), lambda text: None).origin


def _method_for(recipe: Recipe, data: TrainingData) -> Method:
    """Build the network of a recipe. Raises PartwiseError if the data have nothing that it can learn."""
    splits = ((data.scenes(), data.split), (data.validation(), data.val_split))
    method = build_method(recipe.method, data.scenes().label_set)
    for scenes, split in splits:
        if method.has_instances:
            require_instances(scenes, f"{data.source}, split {split}", method.instance_classes)
        else:
            require_truth(scenes, f"{data.source}, split {split}")
    return method


def _train(
    stage: Stage,
    data: TrainingData,
    monitor: Monitor,
    weights: Sequence[str],
    class_names: ClassNames | None,
    resume: bool,
) -> None:
    recipe, scenes, validation = stage.recipe, data.scenes(), data.validation()
    for dataset in (scenes, validation):
        monitor.note(described(dataset))
    _method_for(recipe, data)
    chosen = EvenlySpaced(validation, recipe.training.evaluate_frames)
    rendered = None
    if recipe.data.rendered_share:
        rendered = Streets(RENDERED_SCENES, RENDERED_SIZE, recipe.training.seed, recipe.data.rendered_pavement)
    if rendered and not rendered.label_set.same_classes(scenes.label_set):
        monitor.note(f"rendered streets are left out: their classes are not those of {scenes.label_set.name}")
        rendered = None
    teacher, taught = load_model(find_model(recipe.teacher)) if recipe.teacher else (None, None)
    train(
        recipe,
        scenes,
        stage.out,
        monitor,
        data_name=data.name,
        evaluate=_evaluation(chosen, f"{len(chosen)} of {len(validation)} frames of {data.val_split}", monitor),
        rendered=rendered,
        weights=weights,
        class_names=class_names,
        teacher=teacher,
        teacher_terms=taught.terms if taught else "",
        resume=resume,
    )


def _evaluation(chosen: EvenlySpaced, words: str, monitor: Monitor) -> Callable[[Method], dict]:
    def evaluate(method: Method) -> dict:
        monitor.note(f"evaluating {words}")
        options = InferenceOptions(device=str(next(method.parameters()).device))
        progress = functools.partial(monitor.count, "evaluating")
        return evaluate_method(
            method, chosen, CityscapesEvaluator(method.label_set), options=options, progress=progress
        )

    return evaluate
