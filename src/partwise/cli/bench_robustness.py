"""The command `bench robustness`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from partwise.cli.app import writes
from partwise.cli.benches import bench, show_and_write
from partwise.terminal import counting
from partwise.written import BENCH_ROBUSTNESS


@bench.command
def robustness(
    *models: str,
    data: Path,
    split: str = "train",
    change: list[str] | None = None,
    frames: int = 40,
    threads: int = 2,
    json: Annotated[Path | None, writes(BENCH_ROBUSTNESS)] = None,
) -> None:
    """Score models on changed frames: other colours, dark and bright, blur, noise, JPEG, tilted and stretched.

    It shows what a model is not robust to, without photos of other cameras or countries. Training fields such as
    data.augment.hue and data.augment.rotation_deg help.

    Args:
        models: Model files, run folders, or names of models; the default model without any.
        data: Root of the data set.
        split: Split of the data set; a choice made on the split that a model is judged on is optimistic.
        change: Name of a change, such as "half the size"; can be given several times. All of them without it. A wrong
            name lists them.
        frames: Largest number of frames, evenly spaced; 0 for all.
        threads: Number of threads of torch.
        json: File for all figures.
    """
    from partwise.bench.robustness import bench_robustness, robustness_text
    from partwise.model_files import DEFAULT_MODEL

    with counting("measuring") as progress:
        figures = bench_robustness(
            models or (DEFAULT_MODEL,),
            data,
            split,
            changes=change or (),
            frames=frames,
            threads=threads,
            progress=progress,
        )
    show_and_write(figures, json, robustness_text)
