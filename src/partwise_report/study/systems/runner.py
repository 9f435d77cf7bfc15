"""Training the variants one after the other on one budget; what is finished is passed over, what was cut goes on."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from partwise.data.dataset import described
from partwise.errors import PartwiseError
from partwise.evaluation.model import require_instances
from partwise.experiment import TrainingData
from partwise.files import require_replaceable, write_json
from partwise.methods import METHODS, method_name
from partwise.model_files import find_model
from partwise.recipes import recipe as find_recipe
from partwise.scene import Scenes
from partwise.training.checkpoint import read_info
from partwise.training.config import Recipe, check_recipe, leaves, override, recipe_to_dict
from partwise.training.folder import RunFolder
from partwise.training.loop import Monitor, train
from partwise.training.presence import frames_key
from partwise.training.resuming import require_same_settings
from partwise_report.ceilings import require_cars
from partwise_report.study.look import View, look
from partwise_report.study.systems.record import Record, make_record
from partwise_report.study.systems.variants import GROUPS, VARIANTS, Variant
from streeteval.errors import unknown_name
from streeteval.scene import EvenlySpaced

EARLY = 0.2  # of a training: the report shows its maps after 15,000 of 80,000 and 30,000 of 150,000 iterations
ON_FEATURES = ("ordering", "orders", "instance_fcn")  # methods on FCN-8s's own features, fc6 and fc7 included
UNTRAINED_FRAMES = 4  # on which a network is looked at before its first step
# Every step is logged, for the loss of the first and the last tenth; every frame comes as often as any other, so that
# nobody must first look which classes each shows.
COMMON = (
    "training.log_every_steps=1",
    "data.repeat_threshold=0",
    "data.rendered_share=0",
    f"training.keep_at=[0, {EARLY}]",
)


@dataclass(frozen=True)
class GivenFcn8s:
    """A model file with a trained FCN-8s, and the fields that the networks on its features must share with it."""

    file: Path
    fields: tuple[str, ...]

    @classmethod
    def read(cls, name_or_file: str) -> GivenFcn8s:
        """Of a model file or a run folder. Raises PartwiseError where there is none, or a model of another method."""
        file = find_model(name_or_file)
        method = read_info(file).method
        if method.get("kind") != "fcn" or method.get("output_stride") != 8 or method.get("holes"):
            raise PartwiseError(
                f"{file}: a model of method {method.get('kind')} with output_stride {method.get('output_stride')}: "
                "give a trained FCN-8s, such as the run of partwise train fcn8s"
            )
        return cls(file, tuple(f"method.{name}={method[name]}" for name in ("fc6", "channels")))


@dataclass(frozen=True)
class Study:
    """The settings that all variants share.

    Attributes:
        data: The tree, and its splits.
        out: Folder: OUT/runs/<variant> and what page.py writes.
        minutes: Of training for all variants together; 0 where `steps` decide.
        steps: Of a variant of share 1: repeatable on a CPU, and fair where the machine's speed varies.
        frames: Evenly spaced ones of the validation split that every network is looked at on.
        view: (H, W) px: the part around the middle of these frames; (0, 0) for whole frames.
        weights: Of the VGG16 backbone: a file, torchvision or random; "" as the recipes say.
        overrides: "field=value" for all variants that have the field, or "PATTERN:field=value" for those whose name or
            group matches, such as "fcn*:method.channels=512".
        seed: Of every training, unless a variant says another.
        fcn8s: A trained FCN-8s, see `GivenFcn8s`, from which variants start instead of the study's own.
    """

    data: TrainingData
    out: Path
    minutes: float = 0.0
    steps: int = 0
    frames: int = 24
    view: tuple[int, int] = (0, 0)
    weights: str = ""
    overrides: tuple[str, ...] = ()
    seed: int = 0
    fcn8s: GivenFcn8s | None = None

    def folder(self, name: str) -> RunFolder:
        """The run of a variant."""
        return RunFolder(self.out / "runs" / name)

    def record_file(self, name: str) -> Path:
        """The record of a variant."""
        return self.folder(name).path / "record.json"

    def kept_record(self, name: str) -> Record | None:
        """The record of a variant that is finished; None where there is none, or one of another version."""
        try:
            return Record(**json.loads(self.record_file(name).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def looked_at(self) -> View:
        """What every network is looked at on."""
        return View(EvenlySpaced(self.data.validation(), self.frames), self.view)


def recipe_of(variant: Variant, variants: Sequence[Variant], study: Study) -> Recipe:
    """The whole configuration of a variant: its recipe, what all share, the user's overrides, then its own switch.

    The budget is shared among `variants` in proportion to their shares.
    Raises PartwiseError for a field or value that is wrong.
    """
    recipe = find_recipe(variant.recipe)
    own = [text.partition("=")[0] for text in variant.overrides]
    given = [text for pattern, text in split_overrides(study.overrides) if _matches(variant, pattern)]
    fcn8s = _given_start(variant, study)
    if fcn8s and method_name(recipe.method) in ON_FEATURES:
        given += fcn8s.fields
    fitting = [text for text in (*COMMON, *given) if has_field(recipe, text) and text.partition("=")[0] not in own]
    recipe = override(recipe, [*fitting, f"training.seed={study.seed}", *variant.overrides])
    if study.weights and recipe.backbone_weights == "torchvision":  # the recipes on VGG16
        recipe = replace(recipe, backbone_weights=study.weights)
    if study.steps:
        length: dict[str, Any] = {"steps": max(1, round(study.steps * variant.share)), "minutes": 0.0}
    else:
        length = {"steps": 0, "minutes": study.minutes * variant.share / sum(other.share for other in variants)}
    recipe = replace(recipe, name=variant.name, training=replace(recipe.training, **length))
    check_recipe(recipe)
    return recipe


def split_overrides(overrides: Sequence[str]) -> list[tuple[str, str]]:
    """(pattern, "field=value") of each; the pattern is "*" where none is given.

    >>> split_overrides(["optim.lr=1e-3", "fcn*:method.channels=64"])
    [('*', 'optim.lr=1e-3'), ('fcn*', 'method.channels=64')]
    """
    found = []
    for text in overrides:
        pattern, colon, rest = text.partition(":")
        found.append((pattern, rest) if colon and "=" not in pattern else ("*", text))
    return found


def check_overrides(variants: Sequence[Variant], study: Study) -> None:
    """Raises PartwiseError for an override whose pattern fits no variant, or whose field none of those has.

    All that a study can train counts, so that the same overrides can be given with any choice of variants.
    """
    every = (*VARIANTS, *variants)
    for pattern, text in split_overrides(study.overrides):
        meant = [find_recipe(name) for name in {v.recipe: 0 for v in every if _matches(v, pattern)}]
        if not meant:
            raise unknown_name("variant or group in an override", pattern, [*GROUPS, *(v.name for v in VARIANTS)])
        if not any(has_field(recipe, text) for recipe in meant):
            override(meant[0], [text])  # says what is wrong with it


def has_field(recipe: Recipe, text: str) -> bool:
    """Whether a recipe has the field of "field=value"."""
    return text.partition("=")[0] in leaves(recipe_to_dict(recipe))


def _given_start(variant: Variant, study: Study) -> GivenFcn8s | None:
    return study.fcn8s if variant.start == "fcn8s" else None


def _matches(variant: Variant, pattern: str) -> bool:
    return fnmatchcase(variant.name, pattern) or variant.group == pattern


def run_study(variants: Sequence[Variant], study: Study, monitor: Monitor) -> list[Record]:
    """Train every variant that is not finished, in their order; returns the records of all, written beside the runs.

    A variant must come after the one that it starts from.
    Raises what `training.loop.train` raises, and PartwiseError where a finished run has other settings.
    """
    for name in ("study.json", "study.md", "report.html"):  # what page.py writes in the end
        require_replaceable(study.out / name)
    recipes = {variant.name: recipe_of(variant, variants, study) for variant in variants}
    check_overrides(variants, study)
    scenes, looked_at = study.data.scenes(), study.looked_at()
    require_cars(scenes.label_set)
    for dataset in (scenes, study.data.validation()):
        monitor.note(described(dataset))
    if any(METHODS[method_name(recipe.method)].has_instances for recipe in recipes.values()):
        require_instances(scenes, f"{study.data.source}, split {study.data.split}")
        require_instances(study.data.validation(), f"{study.data.source}, split {study.data.val_split}")
    whole, done, records = sum(variant.share for variant in variants), 0.0, []
    for number, variant in enumerate(variants, 1):
        folder = study.folder(variant.name)
        watch = _Share(monitor, done / whole, variant.share / whole)
        monitor.note(f"{number}/{len(variants)} {variant.name}: {variant.about}")
        if folder.finished:
            _require_same(folder, recipes[variant.name], study.data)
        else:
            _train(variant, recipes[variant.name], scenes, looked_at, study, watch)
        records.append(_record(variant, study, looked_at, monitor))
        done += variant.share
    return records


def _train(variant: Variant, recipe: Recipe, scenes: Scenes, looked_at: View, study: Study, monitor: Monitor) -> None:
    folder, weights = study.folder(variant.name), []
    if variant.start:
        fcn8s = _given_start(variant, study)
        weights = [str(fcn8s.file if fcn8s else study.folder(variant.start).last)]
    train(
        recipe,
        scenes,
        folder.path,
        monitor,
        data_name=study.data.name,
        evaluate=lambda method: look(method, looked_at, functools.partial(monitor.count, f"looking at {variant.name}")),
        weights=weights,
        resume=folder.run.exists(),
    )
    for spare in (folder.state, folder.best):  # a finished variant is not trained again, and there are many
        spare.unlink(missing_ok=True)


def _record(variant: Variant, study: Study, looked_at: View, monitor: Monitor) -> Record:
    """The record of a finished variant, made once."""
    kept = study.kept_record(variant.name)
    if kept is not None:
        return kept
    untrained_on = EvenlySpaced(looked_at, UNTRAINED_FRAMES)
    record = make_record(variant, study.folder(variant.name), looked_at, untrained_on, monitor.count)
    write_json(study.record_file(variant.name), record.to_json())
    monitor.note(f"{variant.name}: {'converged' if record.converged else 'not converged'}, {record.why}")
    return study.kept_record(variant.name) or record


def _require_same(folder: RunFolder, recipe: Recipe, data: TrainingData) -> None:
    """Raises PartwiseError where a finished run was made with other settings, apart from its length."""
    now = {"recipe": recipe_to_dict(recipe), "origin": {"data": data.name}, "frames": frames_key(data.scenes())}
    remedy = "give the settings that the study began with, or another --out"
    require_same_settings(folder, now, remedy, apart_from=("training.minutes", "training.steps", "about"))


class _Share:
    """A Monitor that shows the progress of one variant as its share of the whole study."""

    def __init__(self, monitor: Monitor, begin: float, share: float):
        self.monitor, self.begin, self.share = monitor, begin, share

    def note(self, text: str) -> None:
        """See Monitor.note."""
        self.monitor.note(text)

    def progress(self, done: float, record: dict) -> None:
        """See Monitor.progress."""
        self.monitor.progress(self.begin + done * self.share, record)

    def count(self, what: str, done: int, total: int) -> None:
        """See Monitor.count."""
        self.monitor.count(what, done, total)
