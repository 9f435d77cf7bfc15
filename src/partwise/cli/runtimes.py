"""The command that compares runtimes: `bench runtimes`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from partwise.cli.app import height_and_width, writes
from partwise.cli.benches import bench, show_and_write
from partwise.terminal import counting
from partwise.written import BENCH_RUNTIMES


@bench.command
def runtimes(
    model: str | None = None,
    *,
    size: str = "1024x512",
    threads: list[int] | None = None,
    repeats: int = 7,
    json: Annotated[Path | None, writes(BENCH_RUNTIMES)] = None,
) -> None:
    """Compare torch, ONNX Runtime and OpenVINO in one run: the time of each stage from the file of a photo to a result.

    The model is exported for each runtime. A runtime that is not installed is left out.

    Args:
        model: A .safetensors model of part maps, a run folder, or the name of a model; the default model without it.
        size: Width x height of the rendered photo.
        threads: A number of threads; can be given several times; 1 and 2 without it.
        repeats: Number of turns; the median counts.
        json: File for all figures.
    """
    from partwise.bench.runtimes import bench_runtimes, runtimes_text

    size_hw = height_and_width("--size", size)
    with counting("measuring") as progress:
        figures = bench_runtimes(model, size=size_hw, threads=threads or (1, 2), repeats=repeats, progress=progress)
    show_and_write(figures, json, runtimes_text)
