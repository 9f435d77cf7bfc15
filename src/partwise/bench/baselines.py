"""Compare recipes that are trained with the same backbone, frames, crops, minutes and seeds, by one evaluator.

Training times are by the clock: run nothing else at the same time. The recipes take turns, seed by seed.
"""

from __future__ import annotations

import functools
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from partwise.bench.models import instance_figures, parameter_count, score_segmenter, segmenter_ms, size_name
from partwise.errors import PartwiseError
from partwise.experiment import TrainingData, plan, run
from partwise.methods.options import seen_sizes
from partwise.report.tables import MISSING, Table, fraction
from partwise.report.text import table_text
from partwise.segmenter import Segmenter, load
from partwise.training.folder import RunFolder
from partwise.training.loop import Monitor
from streeteval.compare import compare
from streeteval.evaluator import CityscapesEvaluator
from streeteval.machine import describe_machine
from streeteval.reading.result_files import ResultFiles
from streeteval.scene import EvenlySpaced, names_of
from streeteval.scoring import score_results

TIMED_SIZES = ((256, 512), (512, 1024), (1024, 2048))  # (H, W)


@dataclass(frozen=True)
class Contest:
    """What is compared, and the length of the trainings.

    Attributes:
        recipes: Names of recipes; each of the others is compared with the first.
        overrides: Fields of all recipes to change.
        minutes: Length of each training in minutes.
        seeds: Number of trainings of each recipe.
        frames: Largest number of frames of the validation split, evenly spaced; 0 for all.
        scales: Factors by which frames are enlarged for further scores, besides the default scale.
        predictions: Folders of result files of other tools, scored on the same frames.
    """

    recipes: tuple[str, ...] = ("mask_rcnn_light", "parts_light")
    overrides: tuple[str, ...] = ()
    minutes: float = 20.0
    seeds: int = 1
    frames: int = 0
    scales: tuple[float, ...] = ()
    predictions: tuple[Path, ...] = ()


def bench_baselines(
    contest: Contest,
    data: TrainingData,
    out: Path,
    monitor: Monitor,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> dict:
    """Train and score every recipe, and measure its speed. Runs that are finished in `out` are not trained again.

    Args:
        contest: What is compared.
        data: The data set and its splits.
        out: Folder for the runs.
        monitor: Receives notes and progress of the trainings.
        progress: Called with what is being done, how much of it is done, and all of it.

    Returns:
        {"machine", "contest", "results": [a row for each training or folder], "seeds": {recipe: mean and sample
        standard deviation over its trainings}, "differences": {recipe: [a row for each seed, with B = the recipe and
        A = the first recipe]}} in JSON's own types.

    Raises:
        PartwiseError: If a number is out of range, or training or scoring raises it.
    """
    _check(contest)
    scenes = data.validation()
    # Check the files before the training: an error after it would be too late.
    files = [ResultFiles.find(folder, names_of(scenes)) for folder in contest.predictions]
    frames = EvenlySpaced(scenes, contest.frames)
    evaluators: dict[tuple[str, int], CityscapesEvaluator] = {}
    results = []
    for seed in range(contest.seeds):
        for name in contest.recipes:
            segment, steps = _trained(name, seed, contest, data, out, monitor)
            said = functools.partial(progress, f"scoring {name}")
            scored = lambda scale, segment=segment, said=said: score_segmenter(
                segment, frames, scale, said, instances_alone=True
            )
            evaluators[name, seed] = scored(None)
            row = {"recipe": name, "seed": seed, "steps": steps, "parameters": parameter_count(segment)}
            if seed == 0:  # the network has the same speed after another training
                progress(f"timing {name}", 0, 0)
                row["ms"] = {size_name(size): segmenter_ms(segment, size) for size in TIMED_SIZES}
            row |= instance_figures(evaluators[name, seed].compute()["instance"])
            scaled = {scale: scored(scale).compute() for scale in contest.scales}
            row["at_scale"] = {f"{scale:g}": instance_figures(found["instance"]) for scale, found in scaled.items()}
            results.append(row)
    results += [_of_files(found, frames, progress) for found in files]
    progress("comparing", 0, 0)
    first, *others = contest.recipes
    differences = {
        name: [_difference(evaluators[first, seed], evaluators[name, seed], seed) for seed in range(contest.seeds)]
        for name in others
    }
    described = {
        "recipes": list(contest.recipes),
        "overrides": list(contest.overrides),
        "minutes": contest.minutes,
        "seeds": contest.seeds,
        "data": data.source.name,
        "frames": len(frames),
    }
    machine = describe_machine() | {"threads": torch.get_num_threads(), "torch": torch.__version__}
    seeds = {name: _over_seeds([row for row in results if row.get("recipe") == name]) for name in contest.recipes}
    told = {"machine": machine, "contest": described, "results": results}
    return told | {"seeds": seeds, "differences": differences}


def _check(contest: Contest) -> None:
    """Check the numbers.

    Raises:
        PartwiseError: If a number is out of range.
    """
    if contest.seeds < 1 or not contest.minutes > 0 or len(contest.recipes) < 1:
        raise PartwiseError(f"--seeds {contest.seeds} --minutes {contest.minutes}: give numbers above 0, and a recipe")
    if contest.frames < 0:
        raise PartwiseError(f"--frames {contest.frames}: give 0 for all, or a number above it")
    if contest.scales:
        seen_sizes((1, 1), contest.scales)


def _of_files(found: ResultFiles, frames: EvenlySpaced, progress: Callable[[str, int, int], None]) -> dict:
    """Score a folder of result files; return its row."""
    evaluator = CityscapesEvaluator(frames.label_set)
    told = functools.partial(progress, f"scoring {found.root.name}")
    left_out = len(score_results(found, frames, evaluator, progress=told))
    row = {"predictions": found.root.name, "left_out": left_out}
    return row | instance_figures(evaluator.compute()["instance"])


def contest_text(figures: dict) -> str:
    """Format the result: a row for each training or folder, then the differences in AP.

    Args:
        figures: What `bench_baselines` returns.
    """
    first: dict = next((row for row in figures["results"] if "recipe" in row), {})
    sizes, scales, rows = list(first.get("ms", {})), list(first.get("at_scale", {})), []
    for row in figures["results"]:
        scores = [fraction(value) for value in (row["ap"], row["ap50"], row["ar100"], row["class_ap"].get("car"))]
        scores += [fraction(row["at_scale"][scale]["ap"]) if "recipe" in row else MISSING for scale in scales]
        times = [row.get("ms", {}).get(size, MISSING) for size in sizes]
        name = row.get("recipe") or row["predictions"]
        rows.append([name, row.get("seed", MISSING), row.get("steps", MISSING), *scores, *times])
    columns: tuple[str, ...] = ("recipe", "seed", "steps", "AP", "AP50", "AR@100", "car AP")
    columns += (*(f"AP x{scale}" for scale in scales), *(f"ms {size}" for size in sizes))
    said = [
        f"{name}: AP {one['ap']['mean']:.3f} +- {one['ap']['sd']:.3f}, AP50 {one['ap50']['mean']:.3f} +- "
        f"{one['ap50']['sd']:.3f}, mean and standard deviation of {figures['contest']['seeds']} trainings"
        for name, one in figures["seeds"].items()
        if figures["contest"]["seeds"] > 1
    ]
    said += [
        f"{name} against {figures['contest']['recipes'][0]}, seed {one['seed']}: {one[key]['sentence']}"
        for name, found in figures["differences"].items()
        for one in found
        for key in ("instance.ap", "instance.ap50")
        if key in one
    ]
    return "\n".join([table_text(Table("", columns, rows)), *said])


def _trained(
    name: str, seed: int, contest: Contest, data: TrainingData, out: Path, monitor: Monitor
) -> tuple[Segmenter, int]:
    """Train a recipe, or find its finished run; return the model and its number of steps."""
    folder = out / f"{name}_{seed}"
    overrides = [*contest.overrides, f"training.seed={seed}", "training.evaluate_frames=1"]
    stages = plan(name, overrides, folder, contest.minutes)
    if RunFolder(folder).finished:
        monitor.note(f"{folder}: trained before")
    else:
        run(stages, data, monitor, resume=RunFolder(folder).run.exists())
    segment = load(folder / "last.safetensors")
    return segment, segment.info.origin["steps"]


def _over_seeds(rows: list[dict]) -> dict:
    """Compute {"mean", "sd"} of "ap" and "ap50" over the trainings; sd is None for one training."""
    columns = {key: [row[key] for row in rows] for key in ("ap", "ap50")}
    return {
        key: {"mean": statistics.mean(values), "sd": statistics.stdev(values) if len(values) > 1 else None}
        for key, values in columns.items()
    }


def _difference(a: CityscapesEvaluator, b: CityscapesEvaluator, seed: int) -> dict:
    return {"seed": seed} | compare(a, b)["differences"]
