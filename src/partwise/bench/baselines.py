"""Compare recipes that are trained with the same backbone, frames, crops, minutes and seeds, by one evaluator.

Training times are by the clock: give each process a core of its own. The recipes take turns, seed by seed.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from partwise.bench.contest import Contest, Entry, differing, planned
from partwise.bench.contest_figures import Board
from partwise.bench.contest_scores import Scores
from partwise.bench.models import instance_figures
from partwise.errors import PartwiseError
from partwise.experiment import run
from partwise.folder_lock import FolderLock
from partwise.segmenter import load
from partwise.training.loop import Monitor
from partwise.training.stopping import Stopped
from partwise.training_data import TrainingData
from streeteval.evaluator import CityscapesEvaluator
from streeteval.reading.result_files import ResultFiles
from streeteval.scene import EvenlySpaced, names_of
from streeteval.scoring import score_results

__all__ = ["bench_baselines"]

TIMED_SIZES = ((256, 512), (512, 1024), (1024, 2048))  # (H, W)
Progress = Callable[[str, int, int], None]


def bench_baselines(
    contest: Contest,
    data: TrainingData,
    out: Path,
    monitor: Monitor,
    progress: Progress = lambda what, done, total: None,
    keep: Callable[[dict], None] = lambda figures: None,
    train: bool = True,
) -> dict:
    """Train and score every recipe, and measure its speed.

    What is finished in `out` is neither trained nor scored again, and what was interrupted goes on. Several processes
    can share `out` if each has seeds of its own.

    Args:
        contest: What is compared.
        data: The data set and its splits.
        out: Folder for the runs.
        monitor: Receives notes and progress of the trainings.
        progress: Called with what is being done, how much of it is done, and all of it.
        keep: Called with all figures that are known, after each training, each scoring and each measurement of times.
        train: Whether to train. If not, what the trainings in `out` have reached is scored: the minutes of the curve
            whose weights are there, and the end of those that are finished.

    Returns:
        See `Board.figures`.

    Raises:
        PartwiseError: If a number is out of range, a training cannot be made with the settings, `out` holds a training
            with other settings, another process trains one of the seeds, there is nothing to score with `train` false,
            or training or scoring raises it.
    """
    entries = planned(contest, data, out)
    # Check the files before the training: an error after it would be too late.
    files = [ResultFiles.find(folder, names_of(data.validation())) for folder in contest.predictions]
    scores = Scores(contest, data)
    for entry in entries:
        scores.require_replaceable(entry)
    _note_differences(entries, monitor)
    if not train and not any(scores.reached(entry) for entry in entries):
        raise PartwiseError(f"{out}: no training there has weights to score yet: train first, without --score-only")
    board = Board(contest, entries, scores)
    with contextlib.ExitStack() as stack:
        for seed in sorted({entry.seed for entry in entries if entry.own}):
            lock = FolderLock(out, f"seed_{seed}.lock", f"bench baselines with seed {seed}")
            stack.enter_context(lock.held(monitor.note))
        board.refresh()
        for entry in (entry for entry in entries if entry.own):
            if train:
                _train(entry, data, monitor)
                keep(board.figures())
            for _ in _measured(entry, contest, scores, progress):
                keep(board.figures())
        for found in files:
            board.others.append(_of_files(found, scores.frames, progress))
        progress("comparing", 0, 0)
        # Another process may have finished in the meantime. Of several processes the last one to write knows all.
        keep(figures := board.figures())
        while board.refresh():
            keep(figures := board.figures())
    return figures


def _note_differences(entries: Sequence[Entry], monitor: Monitor) -> None:
    """Tell the user where recipes differ in what a fair comparison shares."""
    first, *others = (entry for entry in entries if entry.seed == 0)
    for other in others:
        if differs := differing(first.stages, other.stages):
            monitor.note(f"note: {first.recipe} -> {other.recipe}: {differs}")


def _train(entry: Entry, data: TrainingData, monitor: Monitor) -> None:
    """Train a recipe, unless its run is finished."""
    if entry.finished:
        monitor.note(f"{entry.folder.path}: trained before")
        return
    try:
        run(entry.stages, data, monitor, resume=entry.begun)
    except Stopped:
        raise Stopped(f"{entry.folder.path}: stopped: the same command goes on with what is trained") from None


def _measured(entry: Entry, contest: Contest, scores: Scores, progress: Progress) -> Iterator[None]:
    """Measure what is missing of a training, as far as it has come, one thing at a time: its scores and its times."""
    minutes: dict[float | None, str] = {share: f" at {minute:g} min" for minute, share in contest.shares.items()}
    for place in scores.reached(entry):
        if place not in scores.evaluators:
            said = functools.partial(progress, f"scoring {entry.recipe}{minutes.get(place.share, '')}")
            scores.score(entry, place, load(entry.weights(place.share)), said)
            yield
    # The network has the same speed after a training with another seed.
    if entry.seed == 0 and entry.finished and (entry.recipe, entry.seed) not in scores.times:
        progress(f"timing {entry.recipe}", 0, 0)
        scores.time(entry, load(entry.weights()), TIMED_SIZES)
        yield


def _of_files(found: ResultFiles, frames: EvenlySpaced, progress: Progress) -> dict:
    """Score a folder of result files; return its row."""
    evaluator = CityscapesEvaluator(frames.label_set)
    told = functools.partial(progress, f"scoring {found.root.name}")
    left_out = len(score_results(found, frames, evaluator, progress=told))
    row = {"predictions": found.root.name, "left_out": left_out}
    return row | instance_figures(evaluator.compute()["instance"])
