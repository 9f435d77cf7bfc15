"""The command that looks for silent faults in a recipe or a run."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from partwise.cli.app import NO_DATA, ClassNames, Data, app, data_options, keep_and_show, writes
from partwise.data.source import DataSource
from partwise.errors import PartwiseError
from partwise.terminal import Display, console
from partwise.written import DIAGNOSIS
from streeteval.errors import unknown_name

if TYPE_CHECKING:
    from partwise.doctor import Diagnosis

STYLES = {"": "bold", "fault": "red", "warning": "yellow"}


@app.command
def doctor(
    recipe_or_run: str,
    /,
    *overrides: str,
    source: Data = NO_DATA,
    split: str = "train",
    weights: list[str] | None = None,
    classes: ClassNames = None,
    frames: int = 24,
    steps: int = 6,
    strict: bool = False,
    json: Annotated[Path | None, writes(DIAGNOSIS)] = None,
) -> None:
    """Find silent faults of a recipe before training, or of a run: measured value, threshold and remedy of each.

    Exit code 0: no fault, perhaps warnings; 1: a fault was found; 2: wrong input, nothing was examined.

    Args:
        recipe_or_run: A name that `partwise recipes` lists, or the folder of a run.
        overrides: Fields of the recipe to change, as for `partwise train`.
        source: The data set of the training; rendered streets without it.
        split: Split of the data set.
        weights: Weights that the training of a recipe starts from, as for `partwise train`. A recipe may take its
            network from a model among them.
        frames: Largest number of frames to examine, evenly spaced; 0 for all.
        steps: Number of optimiser steps on real batches; the weights in the folder of a run do not change.
        strict: Count warnings as faults for the exit code.
        json: File for every measurement.
    """
    if frames < 0 or steps < 1:
        raise PartwiseError(f"--frames {frames} --steps {steps}: give frames from 0 (all) and steps from 1 on")
    with Display("") as display:
        options = {"frames": frames, "steps": steps, "note": display.note, "progress": display.count}
        diagnosis = _examine(recipe_or_run, overrides, source, split, weights or [], classes or [], options)
    keep_and_show(json, diagnosis.to_json(), lambda: _show(diagnosis))
    faults, warnings = len(diagnosis.faults), len(diagnosis.warnings)
    console.print(f"{diagnosis.subject}: {_count(faults, 'fault')}, {_count(warnings, 'warning')}")
    if faults or (strict and warnings):
        console.print("next: correct the first one and run the doctor again; docs/doctor.md explains every check")
        sys.exit(1)
    if diagnosis.subject.startswith("recipe"):
        console.print(f"next: {_train_command(recipe_or_run, overrides, source, split, weights or [], classes or [])}")


def _examine(
    name: str,
    overrides: tuple[str, ...],
    source: DataSource,
    split: str,
    weights: list[str],
    classes: list[str],
    options: dict[str, Any],
) -> Diagnosis:
    """Examine a run folder or a recipe, with further options of `examine_recipe` and `examine_run`."""
    from partwise.class_map import parse_class_map
    from partwise.doctor import examine_recipe, examine_run
    from partwise.experiment import planned_recipe
    from partwise.model_files import start_files
    from partwise.recipes import PIPELINES, RECIPES

    if name in RECIPES and not (Path(name) / "run.json").exists():
        recipe, map_ = planned_recipe(name, overrides, weights), parse_class_map(classes)
        options |= _opened(source, split, None, options["note"])
        return examine_recipe(recipe, weights=start_files(weights), class_names=map_, **options)
    if name in PIPELINES:
        raise PartwiseError(f"{name}: a pipeline: ask about one of its recipes at a time: {', '.join(PIPELINES[name])}")
    if not Path(name).exists() and Path(name).name == name:
        raise unknown_name("recipe or run", name, RECIPES)
    if overrides or weights or classes:
        given = overrides[0] if overrides else "--weights" if weights else "--map"
        raise PartwiseError(f"{name}: a run has its recipe and its weights in its folder: leave {given} out")
    return examine_run(Path(name), **options, **_opened(source, split, Path(name), options["note"]))


def _opened(source: DataSource, split: str, run: Path | None, note: Callable[[str], None]) -> dict[str, Any]:
    """Open the data, with the classes of a run if they include those of the data; empty without data."""
    from partwise.data.dataset import described
    from partwise.training.checkpoint import read_info
    from partwise.training.folder import RunFolder

    if not source.is_given:
        return {}
    last = None if run is None else RunFolder(run).last
    scenes = source.open_as(split, read_info(last).label_set) if last and last.is_file() else source.open(split)
    note(described(scenes))
    return {"scenes": scenes, "where": f"{source}, split {split}"}


def _train_command(
    name: str,
    overrides: tuple[str, ...],
    source: DataSource,
    split: str,
    weights: list[str],
    classes: list[str],
) -> str:
    """Return the command that trains what was examined."""
    words = [*overrides, *(word for one in weights for word in ("--weights", one))]
    words += [word for one in classes for word in ("--map", one)]
    root = data_options(source) if source.is_given else "--data ROOT"
    part = [] if split == "train" else ["--split", split]
    return " ".join(["partwise train", name, *map(shlex.quote, words), root, *map(shlex.quote, part), "--out RUN"])


def _show(diagnosis: Diagnosis) -> None:
    """Print a row for each measurement, then every fault and warning in full."""
    rows = [("", "check", "measured", "threshold", "what was measured")]
    rows += [
        (one.severity.value, one.check, _number(one.measured), _number(one.threshold), one.what)
        for one in diagnosis.results
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    for severity, check, measured, threshold, what in rows:
        left = f"{severity:{widths[0]}}  {check:{widths[1]}}  {measured:>{widths[2]}}  {threshold:>{widths[3]}}"
        console.print(f"{left}  {what}", style=STYLES.get(severity, "none"))
    for one in [*diagnosis.faults, *diagnosis.warnings]:
        values = f"{_number(one.measured)} (threshold {_number(one.threshold)})"
        console.print(f"\n{one.severity}: {one.check}: {one.what}: {values}")
        console.print(f"  where: {one.where}")
        console.print(f"  remedy:  {one.remedy}")
    if diagnosis.faults or diagnosis.warnings:
        console.print()


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


def _count(count: int, what: str) -> str:
    return f"{count or 'no'} {what}{'' if count == 1 else 's'}"
