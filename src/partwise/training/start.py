"""Load the weights that a run starts from."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from torch import Tensor

from partwise.class_map import ClassMap, ClassNames
from partwise.errors import PartwiseError
from partwise.methods import Method
from partwise.scene import Scenes
from partwise.training.checkpoint import load_matching, load_model, read_model
from partwise.training.class_rows import logits_of_images, mapped_state
from partwise.training.config import Recipe

__all__ = [
    "file_of",
    "has_backbone_of",
    "is_model",
    "start_weights",
]

_IMAGES = 16  # that show how several classes of a model make one
# Errors of torch.load, safetensors and a download for a file with other content, or without a connection.
_FOREIGN = (
    OSError,
    RuntimeError,
    ValueError,
    KeyError,
    AttributeError,
    EOFError,
    pickle.UnpicklingError,
    SafetensorError,
)


def start_weights(
    method: Method,
    recipe: Recipe,
    weights: Sequence[str],
    note: Callable[[str], None],
    class_names: ClassNames | None = None,
    scenes: Scenes = (),
) -> str:
    """Load the weights that a run starts from.

    Args:
        method: The network.
        recipe: Its `backbone_weights` are used if none of `weights` has weights of the backbone.
        weights: Model files, run folders, or weights of the backbone. Tensors of a later one replace those of an
            earlier one.
        note: Is called with sentences for the user.
        class_names: Which classes of a model of other classes stand for those of the method, see `ClassMap.between`.
        scenes: Some of their images show how several classes of such a model make one, see class_rows.py.

    Returns:
        The origin of the weights in words.

    Raises:
        PartwiseError: If weights are missing, damaged, or belong to another network, and for names of classes that one
            of the label sets does not have or that no model is given for.
    """
    names = list(method.state_dict())
    backbone = ""
    origins: list[str] = []
    taken: set[str] = set()
    for given in weights:
        path = file_of(given)
        if not is_model(path):
            backbone = _into_backbone(method, path, note)
            continue
        origin, has_backbone, loaded = _from_model(method, recipe, path, note, class_names, scenes)
        origins = [origin] if len(loaded) == len(names) else [*origins, origin]
        backbone = origin if has_backbone else backbone
        taken |= loaded
    if class_names and not taken:
        raise PartwiseError("map: no model is given whose classes could stand for others: give weights of one")
    backbone = backbone or _into_backbone(method, recipe.backbone_weights, note)
    fresh = [name for name in names if name not in taken and not name.startswith("backbone.")]
    if taken and fresh:
        named = ", ".join(fresh[:4]) + (" ..." if len(fresh) > 4 else "")
        note(f"{len(fresh)} tensors of the heads start as in a new network ({named})")
    return "; heads from ".join([backbone, *(origin for origin in origins if origin != backbone)])


def file_of(given: str) -> str:
    """Return the newest weights if `given` is a run folder, else `given` itself.

    Raises:
        PartwiseError: If it is a folder without weights.
    """
    if not Path(given).is_dir():
        return given
    path = Path(given) / "last.safetensors"
    if not path.is_file():
        raise PartwiseError(f"{given}: the folder has no last.safetensors: give a run folder or a weight file")
    return str(path)


def _into_backbone(method: Method, source: str, note: Callable[[str], None]) -> str:
    """Load the weights of the backbone, and return their origin in words."""
    if source == "random":
        return "random"
    try:
        origin = method.backbone.load_pretrained(source)
    except _FOREIGN as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise PartwiseError(
            f"{source}: cannot load weights for {method.backbone.name} ({reason}): give a weight file that fits, or "
            "random"
        ) from None
    note(f"backbone: {origin}")
    return origin


def _from_model(
    method: Method,
    recipe: Recipe,
    path: str,
    note: Callable[[str], None],
    class_names: ClassNames | None,
    scenes: Scenes,
) -> tuple[str, bool, set[str]]:
    """Copy the tensors of a model that fit. If the model has another backbone, only tensors of its heads are copied.

    If the model has other classes, the rows of the classes that stand for those of the method are copied.

    Returns:
        The origin of the model in words, whether its backbone was copied, and the names of the copied tensors.
    """
    state, info = read_model(path)
    classes = ClassMap.between(method.label_set, info.label_set, class_names)
    if not classes.is_identity:
        for line in (f"{path}: its classes are those of {info.label_set.name}; the heads start", *classes.lines()):
            note(line)
        logits_PC = logits_of_images(load_model(path)[0], _images(scenes))
        state = mapped_state(method, state, classes, path, logits_PC)
    same_backbone = has_backbone_of(method, state)
    if not same_backbone:
        state = {name: value for name, value in state.items() if not name.startswith("backbone.")}
    report = load_matching(method, state)
    if not report.loaded:
        raise PartwiseError(f"{path}: none of its tensors fits recipe {recipe.name}: give a model of the same method")
    note(
        f"{path}: {len(report.loaded)} tensors taken"
        + (f", {len(report.unexpected)} left" if report.unexpected else "")
    )
    origin = f"{info.origin.get('recipe')} ({info.origin.get('steps')} steps) from {info.origin.get('weights')}"
    return origin, same_backbone, set(report.loaded)


def _images(scenes: Scenes) -> list[np.ndarray]:
    """(H, W, 3) uint8 RGB of a few scenes, evenly spaced."""
    count = min(_IMAGES, len(scenes))
    return [scenes[i * len(scenes) // count].image_HW3 for i in range(count)]


def has_backbone_of(method: Method, state: dict[str, Tensor]) -> bool:
    """Check whether a model has the same backbone: more than half of its tensors fit, because some may differ."""
    own = {name: value.shape for name, value in method.state_dict().items() if name.startswith("backbone.")}
    fits = sum(name in state and state[name].shape == shape for name, shape in own.items())
    return fits > len(own) / 2


def is_model(path: str) -> bool:
    """Check whether a file contains the description that partwise writes; if the file cannot be read, return False."""
    try:
        with safe_open(path, framework="pt") as file:
            return "partwise" in (file.metadata() or {})
    except (SafetensorError, OSError):
        return False
