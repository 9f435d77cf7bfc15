"""One training after the other, or two at once: what is recorded is passed over, what was cut goes on."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Sequence
from typing import cast

import torch

from partwise.data.dataset import open_dataset
from partwise.methods import Method, build_method
from partwise.training.config import Recipe
from partwise_report.features import FeatureStore, StoredFrames
from partwise_report.ordering import Ordering
from partwise_report.ordering.measures import fit_place_ranks, receptive_field_px
from partwise_report.study.guesses.frames import shown_frames
from partwise_report.study.guesses.heads import STATE, Draws, Look, build_heads, frames_with_objects, train_heads
from partwise_report.study.guesses.marks import fit_prior
from partwise_report.study.guesses.measure import Figures, Yardsticks, measure, says_ranks
from partwise_report.study.guesses.tasks import Study, Task, model_of, recipe_of, settings_of
from partwise_report.study.guesses.trial import TrialRecord, file_name, kept_trial, read_trial, thinned
from partwise_report.study.guesses.variant import Variant, enlarged_by
from partwise_report.study.windows import cars_of
from streeteval.machine import describe_machine
from streeteval.workers import Workers

LOOKED_AT = 24  # frames of a look during a training
ADVICE = "give --processes 1"


def run_task(task: Task) -> tuple[str, int]:
    """Train one variant with one seed, measure it and write its record; returns its name and seed."""
    torch.set_num_threads(1)
    study, variant = task.study, task.variant
    train, val = (_frames(study, variant.store, part) for part in ("train", "val"))
    cars = cars_of(val.scene(0).label_set)
    recipe = recipe_of(variant, task.seed, study, cars)
    weights = [model_of(study.fcn8s)] if variant.start == "fcn8s" else []
    method = build_heads(recipe, val.scene(0).label_set, weights, conv5_learns=variant.conv5_learns)
    with_cars = frames_with_objects(train, cars)
    yardsticks = _yardsticks(method, train, recipe)
    few = (
        [place * len(val) // LOOKED_AT for place in range(LOOKED_AT)] if len(val) > LOOKED_AT else list(range(len(val)))
    )
    look = lambda network: summary(measure(network, val, yardsticks, numbers=few, drawn=False))
    draws = Draws(train, with_cars, variant.crop, cars, task.seed)
    steps = recipe.training.steps
    looks: dict[int, Look] = {0: look, steps // 2: look}
    folder = study.out / "work" / f"{variant.name}-{task.seed}"
    course = train_heads(method, recipe, draws, folder, settings=settings_of(task), looks=looks)
    record = TrialRecord(
        trial=variant.name,
        group=variant.group,
        seed=task.seed,
        about=variant.about,
        settings=settings_of(task),
        steps=course.step,
        seconds=round(course.seconds, 1),
        stopped=course.stopped,
        losses=thinned(course.losses),
        looks={str(step): one for step, one in (course.looks | {steps: look(method)}).items()},
        figures=measure(method, val, yardsticks),
        machine={**describe_machine(), "torch": torch.__version__},
    )
    record.write(study.trials)
    (folder / STATE).unlink(missing_ok=True)  # a finished training is not gone on with
    return variant.name, task.seed


def conduct(
    tasks: Iterable[Task],
    processes: int,
    *,
    note: Callable[[str], None] = lambda text: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    after_each: Callable[[TrialRecord], None] = lambda record: None,
    go_on: Callable[[], bool] = lambda: True,
) -> list[TrialRecord]:
    """The records of all trainings, in their order; those that are recorded already are not trained again.

    Args:
        tasks: In the order in which they are begun.
        processes: That train at once, each with one thread.
        note: Is told what is finished.
        progress: Is told (trainings done, trainings).
        after_each: Is given the record of each training when it ends.
        go_on: Whether a further training may begin; those that are begun are finished.

    Raises:
        PartwiseError: If a record is of other settings, or a training fails.
    """
    tasks = list(tasks)
    kept = {id(task): _kept(task) for task in tasks}
    open_tasks = [task for task in tasks if kept[id(task)] is None]
    done = len(tasks) - len(open_tasks)
    progress(done, len(tasks))
    requests = (task for task in open_tasks if go_on())
    if not open_tasks:
        return [record for record in kept.values() if record is not None]
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # of the processes that follow
    begun: list[Task] = []
    with Workers(run_task, min(processes, len(open_tasks)), context="spawn", advice=ADVICE) as workers:
        for name, seed in workers.map(_remembered(requests, begun), ahead=2 if processes > 1 else 1):
            task = next(task for task in begun if (task.variant.name, task.seed) == (name, seed))
            record = read_trial(task.study.trials / file_name(name, seed))
            kept[id(task)] = record
            done += 1
            ending = f": {record.stopped}" if record.stopped else ""
            note(f"{name}, seed {seed}: {record.steps} steps in {record.seconds / 60:.1f} minutes{ending}")
            progress(done, len(tasks))
            after_each(record)
    return [record for record in kept.values() if record is not None]


def _remembered(requests: Iterable[Task], begun: list[Task]) -> Iterable[Task]:
    for task in requests:
        begun.append(task)
        yield task


def recorded(study: Study, variants: Sequence[Variant]) -> list[TrialRecord]:
    """The records that there are of these variants, also of those whose stored features are gone by now.

    Raises:
        PartwiseError: If one of them is damaged.
    """
    found = []
    for variant in variants:
        for seed in study.seeds:
            paths = [folder / file_name(variant.name, seed) for folder in (study.trials, *study.records)]
            if there := [path for path in paths if path.exists()]:
                found.append(read_trial(there[0]))
    return found


def _kept(task: Task) -> TrialRecord | None:
    folders = (task.study.trials, *task.study.records)
    if not any((folder / file_name(task.variant.name, task.seed)).exists() for folder in folders):
        return None
    return kept_trial(folders, task.variant.name, task.seed, settings_of(task))


def summary(figures: Figures) -> dict[str, float]:
    """The figures of a look, with how far each lies above its marks."""
    mean = {name: float(one["mean"]) for name, one in figures.items() if " " not in name}
    if "auc_near" in mean:
        mean["near_above"] = mean["auc_near"] - mean["prior_near"]
        mean["far_above"] = mean["auc_far"] - mean["prior_far"]
    if "order_place" in mean:
        mean["order_above"] = mean["order"] - max(mean["order_place"], mean["order_constant"])
    return {name: round(value, 5) for name, value in mean.items()}


@functools.lru_cache(maxsize=4)
def _frames(study: Study, store: str, part: str) -> StoredFrames:
    """The frames of a store, with their truth at the size at which networks are scored."""
    opened = FeatureStore.open(study.store(store, part))
    data = open_dataset(study.data, study.split if part == "train" else study.val_split)
    height, width = opened.description.size  # what the backbone saw: the view of STORES, enlarged
    times = enlarged_by(store)
    return StoredFrames(shown_frames(data, len(opened.description.frames), (height // times, width // times)), opened)


def _yardsticks(method: Method, train: StoredFrames, recipe: Recipe) -> Yardsticks:
    scenes = [train.scene(number) for number in range(len(train))]
    prior = fit_prior(scenes)
    if not says_ranks(method):
        return Yardsticks(prior)
    ranks = [method.targets(scene)["ranks"].numpy() for scene in scenes]
    with torch.device("meta"):  # the whole network, without memory: `method` has given maps in place of its backbone
        whole = cast(Ordering, build_method(recipe.method))
    return Yardsticks(prior, (fit_place_ranks(ranks), fit_place_ranks(ranks, ((1, 1),))), receptive_field_px(whole))
