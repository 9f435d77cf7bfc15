"""What a contest of recipes compares, and the plan of its trainings, which is checked before the first of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from partwise.errors import PartwiseError
from partwise.experiment import Stage, TrainingData, plan, require_trainable
from partwise.methods.options import seen_sizes
from partwise.training.config import Recipe, assigned, leaves, recipe_to_dict
from partwise.training.folder import RunFolder
from partwise.training.migration import migrated_field
from partwise.training.presence import frames_key
from partwise.training.record import differences
from partwise.training.resuming import require_same_settings

__all__ = ["Contest", "Entry", "differing", "planned"]

DECIDED_BY = {  # field of a recipe that the contest sets -> the option that decides it
    "training.seed": "--seeds",
    "training.minutes": "--minutes",
    "training.steps": "--minutes",
    "training.keep_at": "--at",
    "training.evaluate_frames": "--frames",
}
SHARED = ("method.backbone", "backbone_weights", "data.augment.crop", "training.batch_size", "training.accumulate")
REMEDY = "give the settings that it was trained with, or another --out"


@dataclass(frozen=True)
class Contest:
    """What is compared, and the length of the trainings.

    Attributes:
        recipes: Names of recipes; each of the others is compared with the first.
        overrides: Fields of all recipes to change.
        minutes: Length of each training in minutes.
        seeds: Number of trainings of each recipe; their seeds are 0, 1, 2 and so on.
        own_seeds: The seeds that this process trains and scores; () for all. The others are left to other processes,
            and what is finished of them is taken.
        at: Minutes of each training, above 0 and below `minutes`, whose weights are scored as well.
        frames: Largest number of frames of the validation split, evenly spaced; 0 for all.
        scales: Factors by which frames are enlarged for further scores, besides the default scale.
        predictions: Folders of result files of other tools, scored on the same frames.
    """

    recipes: tuple[str, ...] = ("mask_rcnn_light", "parts_light")
    overrides: tuple[str, ...] = ()
    minutes: float = 20.0
    seeds: int = 1
    own_seeds: tuple[int, ...] = ()
    at: tuple[float, ...] = ()
    frames: int = 0
    scales: tuple[float, ...] = ()
    predictions: tuple[Path, ...] = ()

    @property
    def shares(self) -> dict[float, float]:
        """The share of a training that is done at each minute of `at`, in rising order."""
        return {minute: minute / self.minutes for minute in sorted(set(self.at))}

    def check(self) -> None:
        """Check the numbers.

        Raises:
            PartwiseError: If a number is out of range, a recipe is there twice, or an override sets what the contest
                decides.
        """
        if self.seeds < 1 or not 0 < self.minutes < math.inf or len(self.recipes) < 1:
            given = f"--seeds {self.seeds} --minutes {self.minutes:g}"
            raise PartwiseError(f"{given}: give numbers above 0, and a recipe")
        if wrong := [seed for seed in self.own_seeds if not 0 <= seed < self.seeds]:
            raise PartwiseError(
                f"--seed {wrong[0]}: --seeds {self.seeds} has the seeds 0 to {self.seeds - 1}: give one"
            )
        if outside := [minute for minute in self.at if not 0 < minute < self.minutes]:
            raise PartwiseError(f"--at {outside[0]:g}: give a minute above 0 and below --minutes {self.minutes:g}")
        if self.frames < 0:
            raise PartwiseError(f"--frames {self.frames}: give 0 for all, or a number above it")
        if self.scales:
            seen_sizes((1, 1), self.scales)
        if twice := [name for name in self.recipes if self.recipes.count(name) > 1]:
            raise PartwiseError(f"--recipe {twice[0]}: is given {self.recipes.count(twice[0])} times: give it once")
        for override in self.overrides:
            if option := DECIDED_BY.get(migrated_field(assigned(override)[0])):
                raise PartwiseError(f"{override}: {option} decides this here: leave it out")


@dataclass(frozen=True)
class Entry:
    """One training of a contest.

    Attributes:
        recipe: Name of the recipe.
        seed: Its seed.
        stages: The stages of the training; those of a recipe that is no pipeline are one.
        own: Whether this process trains and scores it.
    """

    recipe: str
    seed: int
    stages: tuple[Stage, ...]
    own: bool = True

    @property
    def folder(self) -> RunFolder:
        """The folder of the last stage."""
        return RunFolder(self.stages[-1].out)

    @property
    def begun(self) -> bool:
        """Whether there is a training to go on with."""
        return RunFolder(self.stages[0].out).run.exists()

    @property
    def finished(self) -> bool:
        """Whether the training has reached its end."""
        return all(RunFolder(stage.out).finished for stage in self.stages)

    def reached(self, share: float | None = None) -> bool:
        """Whether the weights at a share of the training are there; None for its end."""
        return self.finished if share is None else self.begun and self.weights(share).is_file()

    def weights(self, share: float | None = None) -> Path:
        """Return the file of the weights at a share of the training; None for its end."""
        return self.folder.last if share is None else self.folder.kept(share)


def planned(contest: Contest, data: TrainingData, out: Path) -> list[Entry]:
    """Plan all trainings, seed by seed, and check all that can be checked before the first one. Nothing is written.

    Args:
        contest: What is compared.
        data: The data set and its splits.
        out: Folder of the runs.

    Raises:
        PartwiseError: If a number, a recipe, an override or the data are wrong for any training, weights are missing,
            or a folder holds a training with other settings.
    """
    contest.check()
    names = {RunFolder(out).kept(share).name for share in contest.shares.values()}
    if len(names) < len(contest.shares):
        raise PartwiseError(
            f"--at {' --at '.join(f'{minute:g}' for minute in contest.shares)}: two of them are the same thousandth of "
            f"--minutes {contest.minutes:g}: give minutes that are farther apart"
        )
    own = contest.own_seeds or tuple(range(contest.seeds))
    entries = [
        Entry(name, seed, _stages(contest, name, seed, out), seed in own)
        for seed in range(contest.seeds)
        for name in contest.recipes
    ]
    data.validation()
    starts = {entry.recipe: require_trainable(entry.stages, data) for entry in entries if entry.seed == 0}
    frames = frames_key(data.scenes())
    for entry in entries:
        for number, stage in enumerate(entry.stages):
            origin = {"data": data.name} | ({} if number else {"weights": starts[entry.recipe]})
            now = {"recipe": recipe_to_dict(stage.recipe), "origin": origin, "frames": frames}
            require_same_settings(RunFolder(stage.out), now, REMEDY, apart_from=("about",))
        _require_folders(entry, contest)
    return entries


def _stages(contest: Contest, name: str, seed: int, out: Path) -> tuple[Stage, ...]:
    """Plan one training."""
    shares = list(contest.shares.values())
    fields = [f"training.seed={seed}", "training.evaluate_frames=1", f"training.keep_at={shares}"]
    stages = plan(name, [*contest.overrides, *fields], out / f"{name}_{seed}", contest.minutes)
    if contest.at and len(stages) > 1:
        raise PartwiseError(f"--at: the stages of {name} share the minutes: leave --at out, or this recipe")
    return tuple(stages)


def _require_folders(entry: Entry, contest: Contest) -> None:
    """Check that the training of an entry can begin or go on in its folders, or that all its weights are there.

    Raises:
        PartwiseError: If it cannot, or weights of a finished training are missing.
    """
    if not entry.finished:
        for stage in entry.stages if entry.own else ():
            RunFolder(stage.out).check(resume=RunFolder(stage.out).run.exists())
        return
    for file in map(entry.weights, contest.shares.values()):
        if not file.is_file():
            raise PartwiseError(f"{file}: is missing, though the training is finished: put it back, or {REMEDY}")


def differing(first: Sequence[Stage], other: Sequence[Stage]) -> str:
    """Return in words in which of the fields `SHARED` two trainings differ; "" if in none."""
    a, b = (_shared(stages[0].recipe) for stages in (first, other))
    return differences(a, b)


def _shared(recipe: Recipe) -> dict[str, object]:
    fields = leaves(recipe_to_dict(recipe))
    return {name: fields[name] for name in SHARED if name in fields}
