"""The command `bench tracks`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from partwise.cli.app import height_and_width, writes
from partwise.cli.benches import bench, show_and_write
from partwise.terminal import counting
from partwise.written import BENCH_TRACKS


@bench.command
def tracks(
    model: str | None = None,
    *,
    sequences: int = 4,
    frames: int = 60,
    size: str = "1024x512",
    rate: float = 10.0,
    choose: int = 0,
    threads: int = 2,
    json: Annotated[Path | None, writes(BENCH_TRACKS)] = None,
) -> None:
    """Score the tracker on rendered streets that move, beside ByteTrack on boxes: HOTA, IDF1, frames a second.

    Every tracker gets what one model finds, and then the truth as detections.

    Args:
        model: A model file, a run folder, or the name of a model; the default model without it.
        sequences: Number of sequences.
        frames: Number of frames of each sequence.
        size: Width x height of the frames.
        rate: Frames a second of the sequences.
        choose: Choose the thresholds first, on this number of sequences that are not reported; 0 takes the defaults.
        threads: Number of threads of torch.
        json: File for all figures.
    """
    from partwise.bench.tracks import bench_tracks, tracks_text

    size_hw = height_and_width("--size", size)
    with counting("measuring") as progress:
        figures = bench_tracks(
            model,
            sequences=sequences,
            frames=frames,
            size=size_hw,
            rate=rate,
            choose=choose,
            threads=threads,
            progress=progress,
        )
    show_and_write(figures, json, tracks_text)
