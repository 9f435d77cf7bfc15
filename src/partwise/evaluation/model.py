"""Score a network on scenes: the function behind `partwise evaluate` and the evaluation during training."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Collection

from partwise.backbones.fold import fold_batch_norm
from partwise.backbones.on_device import on_device
from partwise.errors import PartwiseError
from partwise.methods import Method, Predicts
from partwise.methods.method import image_batch
from partwise.methods.options import DEFAULT_OPTIONS, InferenceOptions
from partwise.scene import Prediction, Scene, Scenes
from streeteval.evaluator import CityscapesEvaluator
from streeteval.labels import LabelSet
from streeteval.reading.depth import Depth, no_depth

__all__ = [
    "add_predictions",
    "evaluate_method",
    "evaluate_ready",
    "predict_scene",
    "require_instances",
    "require_known_classes",
    "require_same_classes",
]


def evaluate_method(
    method: Method,
    scenes: Scenes,
    evaluator: CityscapesEvaluator,
    *,
    options: InferenceOptions = DEFAULT_OPTIONS,
    depth: Depth = no_depth,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict:
    """Predict every scene, one image at a time, and score it at its own resolution; `method` stays as it is.

    Args:
        method: Any method, on any device; a copy of it is moved to `options.device`.
        scenes: Scenes of the evaluator's classes.
        evaluator: Takes the predictions.
        options: How the method predicts; the precision is "no" or "bf16".
        depth: Name of a scene -> (H, W) distances in metres, or None where they are not known; for AP100m and AP50m.
        progress: Called after each scene with how many are done, and how many there are.

    Returns:
        What `evaluator.compute()` gives, with "seconds": the time of reading, network, decoding and scoring. A
        semantic method has no instance scores.

    Raises:
        PartwiseError: If the method and the evaluator have different classes, or `options` do not fit the method.
    """
    require_same_classes(method, evaluator.label_set)
    # Folded as `partwise.load` folds it, so that the figures are those of the model as it will be used.
    ready = on_device(fold_batch_norm(copy.deepcopy(method)), options.device)
    return evaluate_ready(ready, scenes, evaluator, options=options, depth=depth, progress=progress)


def evaluate_ready(
    ready: Predicts,
    scenes: Scenes,
    evaluator: CityscapesEvaluator,
    *,
    options: InferenceOptions = DEFAULT_OPTIONS,
    depth: Depth = no_depth,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict:
    """Do as `evaluate_method` does, with a method that is ready: folded and on its device, or an exported file."""
    require_same_classes(ready, evaluator.label_set)
    begin = time.perf_counter()
    add_predictions(ready, scenes, evaluator, options, depth=depth, progress=progress)
    return evaluator.compute() | {"seconds": round(time.perf_counter() - begin, 2)}


def add_predictions(
    ready: Predicts,
    scenes: Scenes,
    evaluator: CityscapesEvaluator,
    options: InferenceOptions,
    *,
    depth: Depth = no_depth,
    instances_alone: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Predict every scene with a method that is ready, and show the evaluator the predictions.

    Args:
        ready: A method that is folded and on `options.device`, or an exported file.
        scenes: Scenes of the evaluator's classes.
        evaluator: Takes the predictions.
        options: How the method predicts; the precision is "no" or "bf16".
        depth: Name of a scene -> (H, W) distances in metres, or None where they are not known.
        instances_alone: Leave out semantic maps. A semantic method then counts as one that found no instance.
        progress: Called after each scene with how many are done, and how many there are.
    """
    for i in range(len(scenes)):
        scene = scenes[i]
        prediction = predict_scene(ready, scene, options)
        instances = prediction.instances if instances_alone or ready.has_instances else None
        semantic_HW = None if instances_alone else prediction.semantic_HW
        evaluator.update(scene, instances, semantic_HW, depth_HW=depth(scene.name))
        progress(i + 1, len(scenes))


def predict_scene(method: Predicts, scene: Scene, options: InferenceOptions = DEFAULT_OPTIONS) -> Prediction:
    """Predict the image of a scene with a method that is on `options.device`."""
    with options.autocast():
        return method.predict(image_batch(scene.image_HW3, options.device), options)[0]


def require_instances(scenes: Scenes, what: str, classes: Collection[int] = ()) -> None:
    """Check that a scene has an instance; reads on to the first scene that has one.

    Args:
        scenes: Scenes with their truth.
        what: The data in words, such as "/data/city, split val".
        classes: Ids of the classes that are asked for; empty for all that are evaluated.

    Raises:
        PartwiseError: If no scene has an instance of these classes.
    """
    names = "an evaluated class"
    for i in range(len(scenes)):
        scene = scenes[i]
        things = {label.id for label in scene.label_set.things}
        wanted = set(classes) or things
        if wanted.intersection(scene.instances.labels.tolist()):
            return
        if wanted != things:
            names = " or ".join(scene.label_set.by_id[one].name for one in classes)
    raise PartwiseError(
        f"{what}: no instance of {names} in its {len(scenes)} frames, so there is none to learn and AP is "
        "not defined: give another split, or a semantic recipe or model (fcn32s, fcn16s, fcn8s)"
    )


def require_same_classes(method: Predicts, label_set: LabelSet, what: str = "the data") -> None:
    """Check that a network's classes are those of the data that it is to be scored on.

    Args:
        method: The network.
        label_set: The classes of the data.
        what: The data in words.

    Raises:
        PartwiseError: If they are not.
    """
    require_known_classes(method.label_set, label_set, what)
    own, others = ([label.name for label in labels.evaluated] for labels in (method.label_set, label_set))
    if not method.label_set.same_classes(label_set):
        raise PartwiseError(
            f"{what}: its classes ({label_set.name}: {', '.join(others)}) are not the model's "
            f"({method.label_set.name}: {', '.join(own)}): give a model that was trained on these classes"
        )


def require_known_classes(
    known: LabelSet, label_set: LabelSet, what: str, remedy: str = "give a model that was trained on these classes"
) -> None:
    """Raises PartwiseError where data have classes that the label set of a model, or of a training, lacks.

    Args:
        known: Of the model.
        label_set: Of the data.
        what: The data in words.
        remedy: What to do, except for mapping classes.
    """
    lacking = known.lacking(label_set)
    if lacking:
        has = ", ".join(label.name for label in known.evaluated)
        raise PartwiseError(
            f"{what}: the label set {known.name} lacks the {'class' if len(lacking) == 1 else 'classes'} "
            f"{', '.join(lacking)} of the data (it has {has}): {remedy}, or map the classes by a class map or a label "
            "file"
        )
