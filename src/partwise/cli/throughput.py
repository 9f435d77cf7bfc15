"""The command that measures a large job: `bench throughput`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from partwise.cli.app import Device, height_and_width, writes
from partwise.cli.benches import bench, show_and_write
from partwise.terminal import counting
from partwise.written import BENCH_THROUGHPUT


@bench.command
def throughput(
    model: str | None = None,
    *,
    photos: Path | None = None,
    count: int = 24,
    size: str = "1024x512",
    processes: list[int] | None = None,
    device: Device = "auto",
    total: int = 10_000_000,
    hours: float = 24.0,
    json: Annotated[Path | None, writes(BENCH_THROUGHPUT)] = None,
) -> None:
    """Measure the time of a photo by stage and the photos a second of several processes, and compute a large job.

    The stages are those of predict --format parquet: read, find, encode, write. Each process has one thread.

    Args:
        model: A model file, a run folder, or the name of a model; the default model without it.
        photos: A folder of photos; rendered streets as JPEG files without it.
        count: Number of photos for each process.
        size: Width x height of the rendered photos.
        processes: A number of processes at the same time; can be given several times; 1 and 2 without it.
        device: Where the network runs.
        total: Number of photos of the job whose cost is computed.
        hours: Time in which that job is to be done.
        json: File for all figures.
    """
    from partwise.bench.throughput import bench_throughput, throughput_text

    with counting("measuring") as progress:
        figures = bench_throughput(
            model,
            photos,
            count=count,
            size=height_and_width("--size", size),
            processes=processes or (1, 2),
            device=device,
            total=total,
            hours=hours,
            progress=progress,
        )
    show_and_write(figures, json, throughput_text)
