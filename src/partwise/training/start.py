"""Load the weights that a run starts from."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from torch import Tensor

from partwise.class_map import ClassMap, ClassNames
from partwise.errors import PartwiseError
from partwise.methods import HasClassHeads, Method
from partwise.model_info import joined_terms, require_torch_model
from partwise.scene import Scenes
from partwise.training.checkpoint import load_matching, load_model, read_model
from partwise.training.class_rows import logits_of_images, mapped_state
from partwise.training.config import Recipe

__all__ = [
    "Start",
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


@dataclass(frozen=True)
class Start:
    """What a run starts from.

    Attributes:
        origin: The origin of the weights in words.
        terms: The terms of use of all models that gave tensors; "" for none.
    """

    origin: str
    terms: str


@dataclass(frozen=True)
class _Lent:
    """What a model gave: the origin of the model in words, its terms of use, and the names of the tensors."""

    origin: str
    terms: str
    names: set[str]


def start_weights(
    method: Method,
    recipe: Recipe,
    weights: Sequence[str],
    note: Callable[[str], None],
    class_names: ClassNames | None = None,
    scenes: Scenes = (),
) -> Start:
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
        The origin of the weights, and the terms of use of every model of which a tensor is left in the network.

    Raises:
        PartwiseError: If weights are missing, damaged, or belong to another network, and for names of classes that one
            of the label sets does not have or that no model is given for.
    """
    names = list(method.state_dict())
    backbone = ""
    lent: list[_Lent] = []
    taken: set[str] = set()
    for given in weights:
        path = file_of(given)
        require_torch_model(path, "cannot be trained further")
        if not is_model(path):
            backbone = _into_backbone(method, path, note)
            _replace(lent, {name for name in names if name.startswith("backbone.")})
            continue
        model, has_backbone, replaced = _from_model(method, recipe, path, note, class_names, scenes)
        _replace(lent, replaced)
        lent.append(model)
        backbone = model.origin if has_backbone else backbone
        taken |= model.names
    if class_names and not taken:
        raise PartwiseError("map: no model is given whose classes could stand for others: give weights of one")
    backbone = backbone or _into_backbone(method, recipe.backbone_weights, note)
    fresh = [name for name in names if name not in taken and not name.startswith("backbone.")]
    if taken and fresh:
        named = ", ".join(fresh[:4]) + (" ..." if len(fresh) > 4 else "")
        note(f"{len(fresh)} tensors of the heads start as in a new network ({named})")
    left = [model for model in lent if model.names]
    origin = "; heads from ".join([backbone, *(model.origin for model in left if model.origin != backbone)])
    return Start(origin, joined_terms(model.terms for model in left))


def _replace(lent: Sequence[_Lent], names: set[str]) -> None:
    """Note that nothing of earlier models is left in these tensors."""
    for model in lent:
        model.names.difference_update(names)


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
) -> tuple[_Lent, bool, set[str]]:
    """Copy the tensors of a model that fit. If the model has another backbone, only tensors of its heads are copied.

    If the model has other classes, the rows of the classes that stand for those of the method are copied.

    Returns:
        What the model gave, whether its backbone was copied, and the names of the tensors of which nothing else is
        left: where classes are mapped, a layer of classes may keep rows that an earlier model gave.
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
    return _Lent(origin, info.terms, set(report.loaded)), same_backbone, set(report.loaded) - _kept(method, classes)


def _kept(method: Method, classes: ClassMap) -> set[str]:
    """Return the names of the tensors of which a model of other classes leaves some rows as they were."""
    if all(classes.sources.values()) or not isinstance(method, HasClassHeads):
        return set()
    return {f"{head.layer}.{kind}" for head in method.class_heads() for kind in ("weight", "bias")}


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
