"""The weights that a run starts from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError, safe_open

from partwise.errors import PartwiseError
from partwise.methods import Method
from partwise.training.checkpoint import load_matching, read_model
from partwise.training.config import Recipe


def start_weights(method: Method, recipe: Recipe, weights: str | None, note: Callable[[str], None]) -> str:
    """Load the weights that a run starts from; returns their origin in words."""
    if weights is not None and Path(weights).is_dir():
        weights = str(Path(weights) / "last.safetensors")
    if weights is not None and _is_model(weights):
        state, info = read_model(weights)
        report = load_matching(method, state)
        note(
            f"{weights}: {len(report.loaded)} tensors taken, {len(report.missing)} start anew"
            + (f" ({', '.join(report.missing[:4])} ...)" if report.missing else "")
            + (f", {len(report.unexpected)} left" if report.unexpected else "")
        )
        if not report.loaded:
            raise PartwiseError(f"{weights}: none of its tensors fits recipe {recipe.name}: give a model of its kind")
        return f"{info.origin.get('recipe')} ({info.origin.get('steps')} steps) from {info.origin.get('weights')}"
    source = weights or recipe.trunk_weights
    if source == "random":
        return "random"
    origin = method.trunk.load_pretrained(source)
    note(f"trunk: {origin}")
    return origin


def _is_model(path: str) -> bool:
    """Whether a file carries partwise's own description; errors are left to the reader that follows."""
    try:
        with safe_open(path, framework="pt") as file:
            return "partwise" in (file.metadata() or {})
    except (SafetensorError, OSError):
        return False
