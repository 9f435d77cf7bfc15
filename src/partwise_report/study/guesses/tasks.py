"""What a training of the study is: a variant with a seed, the folders around it, and the recipe that follows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from partwise.errors import PartwiseError
from partwise.recipes import recipe as find_recipe
from partwise.training.checkpoint import read_info
from partwise.training.config import Recipe, check_recipe, leaves, override, recipe_to_dict
from partwise_report.features import FeatureStore
from partwise_report.study.guesses.plan import COMMON
from partwise_report.study.guesses.variant import Variant

OF_FCN8S = (
    "fc6",
    "conv7",
    "upsampling",
    "channels",
)  # fields that a network must share with the FCN-8s that it starts from


@dataclass(frozen=True)
class Study:
    """What all trainings of a study share.

    Attributes:
        data: Root of the tree.
        out: Folder of the study: OUT/trials has the records, OUT/work what a training needs to go on.
        caches: Folder with the stored features: CACHES/STORE/train and CACHES/STORE/val.
        records: Further folders with records of trainings that are finished.
        weights: Of VGG16, for variants that learn conv5.
        fcn8s: A trained FCN-8s (model file or run); "" if there is none.
        steps: Of every training, in place of the variant's own; 0 for those.
        seeds: Of every variant.
        split: To train on.
        val_split: To measure on.
        precision: Of every training: "no" (fp32) as planned, or "bf16".
        round: Whose comparisons decide, see `rounds.ROUNDS`.
    """

    data: Path
    out: Path
    caches: Path
    records: tuple[Path, ...] = ()
    weights: str = "torchvision"
    fcn8s: str = ""
    steps: int = 0
    seeds: tuple[int, ...] = (0, 1, 2)
    split: str = "train"
    val_split: str = "val"
    precision: str = "no"
    round: int = 1

    @property
    def trials(self) -> Path:
        """Folder of the records."""
        return self.out / "trials"

    def store(self, name: str, part: str) -> Path:
        """Folder of stored features; part: "train" or "val"."""
        return self.caches / name / part


@dataclass(frozen=True)
class Task:
    """A training: a variant with a seed."""

    study: Study
    variant: Variant
    seed: int


def recipe_of(variant: Variant, seed: int, study: Study, cars: tuple[int, ...] = ()) -> Recipe:
    """The whole configuration of a training.

    Args:
        variant: What is trained.
        seed: Of the training.
        study: What all trainings share.
        cars: Ids of the class car in the data; () for those of Cityscapes, which the recipes have.

    Raises:
        PartwiseError: For a field or value that is wrong.
    """
    recipe = find_recipe(variant.recipe)
    fields = leaves(recipe_to_dict(recipe))
    given = [*COMMON, "training.batch_size=1", "training.ema=0"]
    if variant.start == "fcn8s":
        described = read_info(model_of(study.fcn8s)).method
        given += [f"method.{name}={described[name]}" for name in OF_FCN8S if f"method.{name}" in fields]
    if cars:
        known = {"method.classes": list(cars), "method.class_id": cars[0]}
        given += [f"{name}={value}" for name, value in known.items() if name in fields]
    steps = study.steps or variant.steps
    length = [f"training.steps={steps}", "training.minutes=0", f"training.seed={seed}"]
    recipe = override(recipe, [*given, *variant.overrides, *length, f"training.precision={study.precision}"])
    recipe = replace(recipe, name=variant.name, backbone_weights=study.weights if variant.conv5_learns else "random")
    check_recipe(recipe)
    return recipe


def settings_of(task: Task) -> dict[str, Any]:
    """All that the outcome of a training depends on beside its seed."""
    variant, study = task.variant, task.study
    stores = {
        part: FeatureStore.open(study.store(variant.store, part), complete=False).description
        for part in ("train", "val")
    }
    return {
        "recipe": variant.recipe,
        "overrides": [*COMMON, *variant.overrides, *_other_precision(study)],
        "steps": study.steps or variant.steps,
        "crop": list(variant.crop),
        "start": variant.start,
        "conv5_learns": variant.conv5_learns,
        "features": {
            part: {
                "data": one.data,
                "frames": len(one.frames),
                "size": list(one.size),
                "weights": one.weights_hash,
                "mean_subtracted": one.mean_subtracted,
                "changes": list(one.changes),
            }
            for part, one in stores.items()
        },
    }


def changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Names of the settings that differ, as JSON holds them.

    >>> changed({"steps": 10, "crop": [1, 2]}, {"steps": 20, "crop": (1, 2)})
    ['steps']
    """
    old, new = (json.loads(json.dumps(settings)) for settings in (dict(before), dict(now)))
    return [name for name in {**old, **new} if old.get(name) != new.get(name)]


def _other_precision(study: Study) -> list[str]:
    """The field of a precision that is not the planned one, so that such a training counts as another one."""
    return [] if study.precision == Study.precision else [f"training.precision={study.precision}"]


def model_of(given: str) -> str:
    """The model file of a trained FCN-8s, given itself or its run. Raises PartwiseError if there is none."""
    path = Path(given)
    if path.is_dir():
        path = path / "last.safetensors"
    if not path.is_file():
        raise PartwiseError(f"{given}: no trained FCN-8s: give a model file or a run folder")
    return str(path)
