"""The study from beginning to end: the whole one on features that are there, and the short form that makes its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import torch

from partwise.data.dataset import open_dataset
from partwise.errors import PartwiseError
from partwise.files import write_json
from partwise.training.stopping import Stopped
from partwise_report.features import FeatureStore, FrozenVgg, StoredFrames, store_features
from partwise_report.study.guesses.answer import by_reason, by_variant, require_answer_replaceable, write_answer
from partwise_report.study.guesses.conduct import conduct, recorded
from partwise_report.study.guesses.frames import shown_frames
from partwise_report.study.guesses.heads import Draws, build_heads, frames_with_objects, train_heads
from partwise_report.study.guesses.needs import missing_of
from partwise_report.study.guesses.plan import VARIANTS, choose
from partwise_report.study.guesses.tasks import Study, Task, recipe_of
from partwise_report.study.guesses.trial import TrialRecord
from partwise_report.study.guesses.variant import Variant
from partwise_report.study.guesses.verdicts import Verdict, verdicts_of_round
from partwise_report.study.windows import cars_of
from streeteval.files import read_json

SHORT_FRAMES = {"train": 32, "val": 16}  # of the short form
SHORT_LAYERS = ("conv5_3_holes",)
LEAST_STEPS, TIMED_STEPS = 20, 5
MEASURING_SECONDS = 25.0  # of a training of the short form: looks, measuring, starting
TRAINING_SHARE = 0.8  # of the time that is left when the features are stored; the rest is for what runs beside


class Watcher(Protocol):
    """Who watches: `terminal.Display` does."""

    def note(self, text: str) -> None:
        """Something that a person should know."""

    def count(self, *position: Any) -> None:
        """(done, total)."""


def run_whole(
    study: Study,
    only: Iterable[str],
    processes: int,
    watcher: Watcher,
    *,
    command: str = "",
    variants: Sequence[Variant] = VARIANTS,
) -> Path:
    """Train what is not recorded yet, in the order of the plan; returns the path of the page.

    Args:
        study: See there.
        only: Variants or groups; empty for all.
        processes: Trainings at once.
        watcher: Is told what goes on.
        command: For the page.
        variants: To choose from.

    Raises:
        PartwiseError: For an unknown name, and if nothing can be trained.
    """
    chosen = choose(only, variants)
    return _run(study, chosen, processes, watcher, command, lambda: True, variants)


def run_short(study: Study, minutes: float, processes: int, watcher: Watcher, *, command: str = "") -> Path:
    """The short form, in about so many minutes, with the same figures and marks.

    The number of steps follows from the speed of the machine. It is written to OUT/short.json, so that the same command
    goes on with the same trainings.

    Raises:
        PartwiseError: If the time is too short for `LEAST_STEPS` steps of each training.
    """
    begin = time.monotonic()
    require_answer_replaceable(study.out)
    backbone = None
    for part, frames in SHORT_FRAMES.items():
        folder = study.store("plain", part)
        split = study.split if part == "train" else study.val_split
        backbone = backbone or FrozenVgg(study.weights)
        scenes = shown_frames(open_dataset(study.data, split), frames)
        name = f"{study.data.resolve().name}/{split}"
        store_features(
            scenes,
            backbone,
            SHORT_LAYERS,
            folder,
            data_name=name,
            progress=partial(watcher.count, f"features of {part}"),
            note=watcher.note,
        )
    chosen = choose(["short"])
    left = 60 * minutes - (time.monotonic() - begin)
    study = replace(study, steps=_short_steps(study, len(chosen) * len(study.seeds), left, processes, watcher))
    end = begin + 60 * minutes
    return _run(study, chosen, processes, watcher, command, lambda: time.monotonic() < end)


def _short_steps(study: Study, trainings: int, seconds: float, processes: int, watcher: Watcher) -> int:
    """How many steps of each training fit into the time that is left, or what an earlier call found."""
    path = study.out / "short.json"
    if path.exists():
        return int(read_json(path)["steps"])
    per_step = _seconds_a_step(study)
    each = TRAINING_SHARE * seconds * processes / trainings - MEASURING_SECONDS
    steps = int(each / per_step)
    watcher.note(f"{per_step:.2f} s a step: {trainings} trainings of {max(steps, 0)} steps")
    if steps < LEAST_STEPS:
        needed = (LEAST_STEPS * per_step + MEASURING_SECONDS) * trainings / processes / TRAINING_SHARE
        raise PartwiseError(
            f"the time is too short for {LEAST_STEPS} steps of each of {trainings} trainings: give {needed / 60:.0f} "
            "minutes or more; the features that are stored stay"
        )
    write_json(path, {"steps": steps}, overwrite=True)
    return steps


def _seconds_a_step(study: Study) -> float:
    """Of the base variant, timed, with the thread that each training has."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        variant = choose(["corrected"])[0]
        store = FeatureStore.open(study.store("plain", "train"))
        shown = shown_frames(open_dataset(study.data, study.split), SHORT_FRAMES["train"], store.description.size)
        frames = StoredFrames(shown, store)
        cars = cars_of(frames.scene(0).label_set)
        recipe = recipe_of(variant, 0, replace(study, steps=TIMED_STEPS), cars)
        method = build_heads(recipe, frames.scene(0).label_set)
        draws = Draws(frames, frames_with_objects(frames, cars), variant.crop, cars, 0)
        course = train_heads(method, recipe, draws, None)
        return course.seconds / TIMED_STEPS
    finally:
        torch.set_num_threads(threads)


def _run(
    study: Study,
    chosen: Sequence[Variant],
    processes: int,
    watcher: Watcher,
    command: str,
    go_on: Callable[[], bool],
    variants: Sequence[Variant] = VARIANTS,
) -> Path:
    require_answer_replaceable(study.out)
    known = {(record.trial, record.seed): record for record in recorded(study, variants)}
    open_variants = [one for one in chosen if any((one.name, seed) not in known for seed in study.seeds)]
    if open_variants and not known:
        open_dataset(study.data, study.split)  # a wrong path is said before what follows from it
    lacking = {variant.name: reason for variant in open_variants if (reason := missing_of(variant, study))}
    for reason, names in by_reason(lacking).items():
        watcher.note(f"{', '.join(names)}: not trained, for lack of {reason}")
    ready = [variant for variant in chosen if not missing_of(variant, study)]
    if not ready and not known:
        raise PartwiseError(f"nothing can be trained: {next(iter(lacking.values()))} is missing")
    for variant in ready:
        recipe_of(variant, 0, study)  # a wrong field is found before the first training
    tasks = [Task(study, variant, seed) for variant in ready for seed in study.seeds]

    def judged() -> list[Verdict]:
        return verdicts_of_round(by_variant(list(known.values())), study.round)

    def keep(record: TrialRecord) -> None:
        before = {verdict.guess.number for verdict in judged() if verdict.decided}
        known[record.trial, record.seed] = record
        now = judged()
        for verdict in now:
            if verdict.decided and verdict.guess.number not in before:
                watcher.note(f"decided so far: guess {verdict.guess.number}, {verdict.guess.words}: {verdict.outcome}")
        write_answer(list(known.values()), study, lacking, command)

    try:
        conduct(
            tasks,
            processes,
            note=watcher.note,
            progress=partial(watcher.count, "trainings"),
            after_each=keep,
            go_on=go_on,
        )
    except KeyboardInterrupt:
        raise Stopped(f"stopped: {study.out} holds {len(known)} trainings, and the same command goes on") from None
    if open_tasks := [task for task in tasks if (task.variant.name, task.seed) not in known]:
        watcher.note(f"{len(open_tasks)} trainings were not begun in the time: the same command goes on with them")
        trained = {name for name, _ in known}
        lacking |= {task.variant.name: "time" for task in open_tasks if task.variant.name not in trained}
    return write_answer(list(known.values()), study, lacking, command)
