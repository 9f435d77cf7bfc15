"""The command `bench baselines`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from partwise.cli.app import writes
from partwise.cli.benches import bench, show
from partwise.files import write_json
from partwise.terminal import TrainingDisplay, console
from partwise.written import BENCH_PEERS


@bench.command(alias="peers")  # its name in version 0.1
def baselines(
    *overrides: str,
    data: Path,
    out: Path,
    recipe: list[str] | None = None,
    minutes: float = 20.0,
    seeds: int = 1,
    seed: list[int] | None = None,
    at: list[float] | None = None,
    frames: int = 0,
    scale: list[float] | None = None,
    predictions: list[Path] | None = None,
    split: str = "train",
    val_split: str = "val",
    score_only: bool = False,
    json: Annotated[Path | None, writes(BENCH_PEERS)] = None,
) -> None:
    """Train part maps and torchvision's Mask R-CNN for the same time, and compare their scores and their speed.

    The same command goes on after a stop: what is trained or scored in OUT is kept.

    Args:
        overrides: Fields of all recipes to change, such as data.augment.crop=[256,512].
        data: Root of the data set.
        out: Folder for the runs and their scores. A run there with other settings is refused.
        recipe: A recipe to compare; can be given several times, each is compared with the first; mask_rcnn_light and
            parts_light without it.
        minutes: Length of each training in minutes.
        seeds: Number of trainings of each recipe, with the seeds 0, 1, 2 and so on.
        seed: Train and score this seed only, and take what is finished of the others; can be given several times. So
            several processes share OUT and the file of --json, each with seeds of its own.
        at: Also score the weights of this minute of each training, for a curve; can be given several times.
        frames: Largest number of frames of the validation split, evenly spaced; 0 for all.
        scale: Also score on frames that are enlarged by this factor, such as 0.5; can be given several times.
        predictions: A folder of another tool's result files to score on the same frames; can be given several times.
        split: Split to train on.
        val_split: Split to score on.
        score_only: Train nothing, and score what the trainings in OUT have reached: after a stop, the minutes of --at
            so far.
        json: File for all figures; it is written after each training and each scoring.
    """
    from partwise.bench.baselines import bench_baselines
    from partwise.bench.contest import Contest
    from partwise.bench.contest_figures import contest_text
    from partwise.training_data import TrainingData

    chosen = {"recipes": tuple(recipe)} if recipe else {}
    contest = Contest(
        overrides=overrides,
        minutes=minutes,
        seeds=seeds,
        own_seeds=tuple(seed or ()),
        at=tuple(at or ()),
        frames=frames,
        scales=tuple(scale or ()),
        predictions=tuple(predictions or ()),
        **chosen,
    )

    def keep(figures: dict) -> None:
        if json is not None:
            write_json(json, figures)

    with TrainingDisplay() as display:
        source = TrainingData(data, split, val_split)
        figures = bench_baselines(contest, source, out, display, display.count, keep, train=not score_only)
    show(figures, contest_text)
    console.print("next: the same with --json FILE keeps all figures" if json is None else f"wrote {json}")
