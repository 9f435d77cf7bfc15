"""The weights that a run starts from."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from partwise.errors import PartwiseError
from partwise.methods import Method
from partwise.training.checkpoint import load_matching, read_model
from partwise.training.config import Recipe

# What torch.load, safetensors and a download may raise for a file that holds something else, or for no connection.
_FOREIGN = (OSError, RuntimeError, ValueError, KeyError, AttributeError, EOFError, pickle.UnpicklingError)


def start_weights(method: Method, recipe: Recipe, weights: str | None, note: Callable[[str], None]) -> str:
    """Load the weights that a run starts from; returns their origin in words.

    Raises PartwiseError where they are missing, damaged, or of another network.
    """
    if weights is not None and Path(weights).is_dir():
        folder, weights = weights, str(Path(weights) / "last.safetensors")
        if not Path(weights).is_file():
            raise PartwiseError(f"{folder}: a folder without last.safetensors: give a run folder or a weight file")
    if weights is not None and _is_model(weights):
        return _from_model(method, recipe, weights, note)
    return _into_trunk(method, weights or recipe.trunk_weights, note)


def _into_trunk(method: Method, source: str, note: Callable[[str], None]) -> str:
    if source == "random":
        return "random"
    try:
        origin = method.trunk.load_pretrained(source)
    except _FOREIGN as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise PartwiseError(
            f"{source}: no weights for {method.trunk.name} ({reason}): give a weight file that fits, or random"
        ) from None
    note(f"trunk: {origin}")
    return origin


def _from_model(method: Method, recipe: Recipe, path: str, note: Callable[[str], None]) -> str:
    state, info = read_model(path)
    same_trunk = _has_trunk_of(method, state)
    if not same_trunk:
        state = {name: value for name, value in state.items() if not name.startswith("trunk.")}
    report = load_matching(method, state)
    if not report.loaded:
        raise PartwiseError(f"{path}: none of its tensors fits recipe {recipe.name}: give a model of its kind")
    note(
        f"{path}: {len(report.loaded)} tensors taken, {len(report.missing)} start anew"
        + (f" ({', '.join(report.missing[:4])} ...)" if report.missing else "")
        + (f", {len(report.unexpected)} left" if report.unexpected else "")
    )
    origin = f"{info.origin.get('recipe')} ({info.origin.get('steps')} steps) from {info.origin.get('weights')}"
    if same_trunk:
        return origin
    # A model on another trunk lends its heads; the trunk starts as it would without one.
    return f"{_into_trunk(method, recipe.trunk_weights, note)}; heads from {origin}"


def _has_trunk_of(method: Method, state: dict[str, Tensor]) -> bool:
    """Whether a model stands on the same trunk: most of its tensors fit (some may differ, as with a lost layer)."""
    own = {name: value.shape for name, value in method.state_dict().items() if name.startswith("trunk.")}
    fits = sum(name in state and state[name].shape == shape for name, shape in own.items())
    return fits > len(own) / 2


def _is_model(path: str) -> bool:
    """Whether a file carries partwise's own description; errors are left to the reader that follows."""
    try:
        with safe_open(path, framework="pt") as file:
            return "partwise" in (file.metadata() or {})
    except (SafetensorError, OSError):
        return False
