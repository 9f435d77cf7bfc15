"""Convert what version 0.1 wrote to today's form: configurations, overrides, and the tensors of model files.

Names that version 0.1 used stay valid for one release.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

__all__ = ["migrated_field", "migrated_method", "migrated_recipe", "migrated_tensors"]

T = TypeVar("T")
# Dotted name of a field of a recipe in version 0.1 -> today's name.
RENAMED = {
    "trunk_weights": "backbone_weights",
    "optim.trunk_lr_factor": "optim.backbone_lr_factor",
    "method.trunk": "method.backbone",
}


def migrated_field(path: str) -> str:
    """Return today's dotted name of a field.

    >>> migrated_field("optim.trunk_lr_factor"), migrated_field("optim.lr")
    ('optim.backbone_lr_factor', 'optim.lr')
    """
    return RENAMED.get(path, path)


def migrated_method(values: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a method's configuration to today's names of fields; one of this version stays as it is.

    In version 0.1 part maps had the field `slips`, which today belongs to the method `parts_slips` (partwise_report).

    >>> migrated_method({"kind": "parts", "trunk": "vgg16", "slips": {"zero_start": False}})
    {'kind': 'parts', 'backbone': 'vgg16'}
    """
    migrated = _renamed(values, "method.")
    slips = migrated.get("slips")
    if migrated.get("kind") == "parts" and isinstance(slips, Mapping):
        if any(slips.values()):
            migrated["kind"] = "parts_slips"
        else:
            del migrated["slips"]
    return migrated


def migrated_recipe(values: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a recipe to today's names of fields, except the fields of its method (see `migrated_method`)."""
    migrated = _renamed(values, "")
    if isinstance(migrated.get("optim"), Mapping):
        migrated["optim"] = _renamed(migrated["optim"], "optim.")
    return migrated


def migrated_tensors(state: Mapping[str, T]) -> dict[str, T]:
    """Convert the names of tensors; "trunk." was the prefix of the backbone. The order stays the same.

    >>> migrated_tensors({"trunk.body.weight": 1, "module.trunk.body.weight": 2, "score.bias": 3})
    {'backbone.body.weight': 1, 'module.backbone.body.weight': 2, 'score.bias': 3}
    """
    return {_tensor_name(name): value for name, value in state.items()}


def _tensor_name(name: str) -> str:
    """Return today's name of a tensor."""
    outer = "module." if name.startswith("module.") else ""  # the prefix in a running mean of the weights
    inner = name.removeprefix(outer)
    return f"{outer}backbone.{inner.removeprefix('trunk.')}" if inner.startswith("trunk.") else name


def _renamed(values: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Rename the keys of a dictionary whose fields lie below `prefix` in the recipe."""
    return {migrated_field(f"{prefix}{key}").removeprefix(prefix): value for key, value in values.items()}
