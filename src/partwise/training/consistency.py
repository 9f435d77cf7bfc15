"""Whether the fields of a recipe fit each other, and whether those that are given have an effect."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from partwise.errors import PartwiseError

if TYPE_CHECKING:
    from partwise.training.config import Recipe

__all__ = ["check_effect", "check_recipe"]

# Field -> another field, and the value of that one with which the field has no effect.
_NEEDS: dict[str, tuple[str, Any]] = {
    "teacher_weight": ("teacher", ""),
    "data.rendered_pavement": ("data.rendered_share", 0),
    "data.augment.degrade.jpeg_quality": ("data.augment.degrade.jpeg", 0),
    "method.refiner_channels": ("method.semantic_stride_px", 4),
    "method.max_refined_windows": ("method.refine_masks", False),
}


def check_recipe(recipe: Recipe) -> None:
    """Check that the fields of a recipe fit each other; single fields are checked where they are defined.

    Raises:
        PartwiseError: If they do not.
    """
    if recipe.teacher_features > 0 and not recipe.teacher:
        raise PartwiseError(f"teacher_features={recipe.teacher_features}: no teacher is given: add teacher=MODEL")
    if recipe.teacher_flip and not recipe.teacher:
        raise PartwiseError("teacher_flip=true: no teacher is given: add teacher=MODEL, or give teacher_flip=false")
    if recipe.teacher and not (recipe.teacher_weight or recipe.teacher_features):
        raise PartwiseError(
            f"teacher={recipe.teacher}: teacher_weight and teacher_features are 0, so that nothing is learnt from it: "
            "give one of them, or no teacher"
        )
    training = recipe.training
    if training.patience and not training.evaluate_every_steps:
        raise PartwiseError(
            f"training.patience={training.patience}: the run is evaluated only at its end: add "
            "training.evaluate_every_steps"
        )


def check_effect(values: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Check that fields that a user gives have an effect. A recipe itself may set such fields.

    Args:
        values: The leaves of a recipe by dotted name.
        given: Those that the user gave.

    Raises:
        PartwiseError: If one has no effect with the other fields.
    """
    for path, (needed, off) in _NEEDS.items():
        if given.get(path) and needed in values and values[needed] == off:
            raise PartwiseError(
                f"{path}={given[path]}: it has no effect with {needed}={json.dumps(off)}: change {needed}, too, or "
                f"leave {path} out"
            )
