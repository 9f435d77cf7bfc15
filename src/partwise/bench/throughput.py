"""Measure how many photos a core predicts in an hour, by stage, and what a given number of photos costs.

The stages are those of `predict --format parquet`: read the file and inflate the JPEG, find the instances, encode the
masks as run lengths, write the part. Photos are rendered, unless a folder is given. Times are by the clock: run nothing
else at the same time.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import BrokenBarrierError
from typing import Any

from PIL import Image

from partwise.bench.speed import with_threads
from partwise.data.given_image import as_image
from partwise.data.streets import Streets
from partwise.errors import PartwiseError
from partwise.machine import keep_freed_memory
from partwise.report.tables import Table
from partwise.report.text import table_text
from partwise.segmenter import Segmenter, load
from partwise.shards.listing import listed_photos
from partwise.shards.model import finder
from partwise.shards.parts import photo_row, write_part
from streeteval.machine import describe_machine

__all__ = ["bench_throughput", "throughput_text"]

STAGES = ("read", "find", "encode", "write")
RENDERED_SEED = 12
JPEG_QUALITY = 90
_WARM_UP = 1  # photos that do not count
Progress = Callable[[str, int, int], None]


@dataclass
class _Times:
    """Seconds by stage, and numbers of bytes, of the photos that were predicted."""

    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    photos: int = 0
    read_bytes: int = 0
    written_bytes: int = 0
    instances: int = 0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time of the block to a stage."""
        begin = time.perf_counter()
        yield
        self.seconds[name] += time.perf_counter() - begin


def bench_throughput(
    model: str | None = None,
    photos: Path | None = None,
    *,
    count: int = 24,
    size: tuple[int, int] = (512, 1024),
    processes: Sequence[int] = (1, 2),
    device: str = "auto",
    total: int = 10_000_000,
    hours: float = 24.0,
    progress: Progress = lambda part, done, total: None,
) -> dict:
    """Measure the stages of a photo, the photos per second of several processes, and what `total` photos cost.

    Args:
        model: What `partwise.load` takes; None for the default model.
        photos: A folder of photos; None for rendered streets as JPEG files.
        count: Number of photos for each process.
        size: (H, W) of rendered photos in pixels.
        processes: Numbers of processes to compare, each with one thread and `count` photos; empty for none.
        device: See `partwise.load`.
        total: Number of photos whose cost is computed.
        hours: The time in which they are to be done.
        progress: Called with what is being done, how much of it is done, and all of it.

    Returns:
        {"machine", "model", "photo", "stages": {stage: ms}, "ms", "bottleneck", "processes": [{"processes",
        "photos_per_second", "efficiency"}], "cost": see `_cost`} in JSON's own types. "efficiency": the rate of a
        process as a share of that in the first row.

    Raises:
        PartwiseError: If a number is below 1, a photo or the model cannot be read, or a process dies.
    """
    if count < 1 or total < 1 or not 0 < hours < math.inf or min(processes, default=1) < 1:
        raise PartwiseError(
            f"{count} photos, processes {list(processes)}, total {total}, {hours:g} hours: give numbers from 1 on"
        )
    with with_threads(1), TemporaryDirectory(prefix="partwise-") as folder:
        root = Path(folder)
        segment = load(model, device=device)  # an error after the photos are rendered would be late
        files = _files(photos, root, count, size, progress)
        progress("stages", 0, count)
        _warm_up(segment, files, root / "warm-up")
        times = _predict(segment, files, root / "stages", lambda done: progress("stages", done, count))
        stages = {name: round(1000 * seconds / times.photos, 2) for name, seconds in times.seconds.items()}
        rows = []
        for number in processes:
            progress(f"{number} processes", 0, 0)
            rows.append({"processes": number} | _together(number, model, device, files, root))
    rates = [row["photos_per_second"] / row["processes"] for row in rows]
    for row, rate in zip(rows, rates, strict=True):
        row["efficiency"] = round(rate / rates[0], 3)
    photo: dict[str, Any] = {
        "size": f"{size[1]}x{size[0]}" if photos is None else "of the files",
        "kb": round(times.read_bytes / times.photos / 1000, 1),
        "kb_written": round(times.written_bytes / times.photos / 1000, 2),
        "instances": round(times.instances / times.photos, 1),
    }
    ms = round(sum(stages.values()), 2)
    return {
        "machine": describe_machine(),
        "model": segment.info.origin,
        "device": str(segment.device),
        "photos": times.photos,
        "photo": photo,
        "stages": stages,
        "ms": ms,
        "bottleneck": max(stages, key=lambda name: stages[name]),
        "processes": rows,
        "cost": _cost(total, hours, ms, photo["kb"], photo["kb_written"]),
    }


def _cost(total: int, hours: float, ms: float, kb: float, kb_written: float) -> dict:
    """Compute what `total` photos need at the measured time of a photo on one core.

    Returns:
        {"photos", "core_hours": photos * ms / 3.6e6, "hours", "cores": core hours / hours, "read_mb_per_second" and
        "written_mb_per_second": of all cores together, "read_tb", "written_tb"}.
    """
    core_hours, seconds = total * ms / 3.6e6, hours * 3600
    return {
        "photos": total,
        "core_hours": round(core_hours, 1),
        "hours": hours,
        "cores": math.ceil(core_hours / hours),
        "read_mb_per_second": round(total * kb / 1e3 / seconds, 1),
        "written_mb_per_second": round(total * kb_written / 1e3 / seconds, 2),
        "read_tb": round(total * kb / 1e9, 2),
        "written_tb": round(total * kb_written / 1e9, 3),
    }


def _files(photos: Path | None, root: Path, count: int, size: tuple[int, int], progress: Progress) -> list[Path]:
    """List `count` photos of a folder, or render them as JPEG files. Fewer photos than asked for are repeated."""
    if photos is None:
        made = []
        for number, scene in enumerate(Streets(count, size, seed=RENDERED_SEED)):
            made.append(root / f"{number:04}.jpg")
            Image.fromarray(scene.image_HW3).save(made[-1], quality=JPEG_QUALITY)
            progress("rendering", number + 1, count)
        return made
    found = [photo.path for photo in itertools.islice(listed_photos([photos]), count)]
    if not found:
        raise PartwiseError(f"{photos}: no photo: give a folder of photos, or leave it out for rendered streets")
    return list(itertools.islice(itertools.cycle(found), count))


def _warm_up(segment: Segmenter, files: Sequence[Path], out: Path) -> None:
    """Predict photos that do not count: the first calls of a stage take longer than the others."""
    _predict(segment, files[:_WARM_UP], out, lambda done: None)


def _predict(segment: Segmenter, files: Sequence[Path], out: Path, done: Callable[[int], None]) -> _Times:
    """Predict photos as a shard does, and measure each stage."""
    find, times, rows = finder(segment), _Times(), []
    for number, path in enumerate(files):
        with times.stage("read"):
            image = as_image(path)
        begin = time.perf_counter()
        with times.stage("find"):
            found = find(image)
        seconds = time.perf_counter() - begin
        with times.stage("encode"):
            rows.append(photo_row(path.name, found, seconds))
        times.read_bytes += path.stat().st_size
        times.instances += len(found)
        times.photos += 1
        done(number + 1)
    part = out / "part-000000.parquet"
    with times.stage("write"):
        write_part(part, rows, {})
    times.written_bytes = part.stat().st_size
    return times


_SEGMENT: list[Segmenter] = []  # the model of a worker process
_START: list[Barrier] = []  # where the worker waits until all of them are ready


def _begin_worker(model: str | None, device: str, start: Barrier) -> None:
    """Load the model into a worker, with one thread, as the command line does."""
    import torch

    keep_freed_memory()
    torch.set_num_threads(1)
    _SEGMENT[:], _START[:] = [load(model, device=device)], [start]


def _work(files: Sequence[Path], out: Path) -> tuple[float, float]:
    """Predict photos in a worker; gives when it began and ended on the clock that all processes share."""
    try:
        _warm_up(_SEGMENT[0], files, out.with_name(f"{out.name}, warm-up"))
    except BaseException:
        _START[0].abort()
        raise
    _START[0].wait()  # no process may work alone, and none may take the work of another
    begin = time.monotonic()
    _predict(_SEGMENT[0], files, out, lambda done: None)
    return begin, time.monotonic()


def _together(number: int, model: str | None, device: str, files: Sequence[Path], root: Path) -> dict[str, Any]:
    """Let several processes predict `files` each, at the same time."""
    context = get_context("spawn")
    with ProcessPoolExecutor(number, context, _begin_worker, (model, device, context.Barrier(number))) as pool:
        outs = [root / f"of {number}, {place}" for place in range(number)]
        try:
            spans = list(pool.map(_work, [files] * number, outs))
        except (BrokenProcessPool, BrokenBarrierError):
            raise PartwiseError(f"one of {number} processes ended, perhaps for lack of memory: give fewer") from None
    seconds = max(end for _, end in spans) - min(begin for begin, _ in spans)
    return {"photos_per_second": round(number * len(files) / seconds, 4), "efficiency": 0.0}


def throughput_text(figures: dict) -> str:
    """Write the figures of `bench_throughput` as tables for the terminal."""
    stages = [[name, f"{ms:.2f}", f"{ms / figures['ms']:.1%}"] for name, ms in figures["stages"].items()]
    rows = [
        [row["processes"], f"{row['photos_per_second']:.2f}", f"{row['efficiency']:.2f}"]
        for row in figures["processes"]
    ]
    cost = [[name.replace("_", " "), f"{value:,}"] for name, value in figures["cost"].items()]
    return "\n\n".join(
        table_text(Table(title, heads, body))
        for title, heads, body in (
            ("a photo", ("stage", "ms", "share"), stages),
            ("processes at the same time", ("processes", "photos/s", "of the first, a process"), rows),
            ("cost", ("figure", "value"), cost),
        )
    )
