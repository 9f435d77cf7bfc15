"""The command `bench alarms`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from partwise.cli.app import height_and_width, writes
from partwise.cli.benches import bench, show_and_write
from partwise.selection import SHOWN_SCORE
from partwise.terminal import counting
from partwise.written import BENCH_ALARMS


@bench.command
def alarms(
    *models: str,
    data: Path,
    split: str = "val",
    parts: int = 60,
    size: str = "384x256",
    min_score: float = SHOWN_SCORE,
    threads: int = 2,
    json: Annotated[Path | None, writes(BENCH_ALARMS)] = None,
) -> None:
    """Count false alarms: what models show on parts of frames where the truth has no object.

    Args:
        models: Model files, run folders, or names of models; the default model without any.
        data: Root of the data set.
        split: Split of the data set.
        parts: Number of parts, at most one a frame.
        size: Width x height of a part in pixels.
        min_score: Display threshold; that of `partwise predict` without it.
        threads: Number of threads of torch.
        json: File for all figures, with the place of every alarm.
    """
    from partwise.bench.alarms import alarms_text, bench_alarms
    from partwise.model_files import DEFAULT_MODEL

    size_hw = height_and_width("--size", size)
    with counting("measuring") as progress:
        figures = bench_alarms(
            models or (DEFAULT_MODEL,),
            data,
            split,
            parts=parts,
            size=size_hw,
            min_score=min_score,
            threads=threads,
            progress=progress,
        )
    show_and_write(figures, json, alarms_text)
