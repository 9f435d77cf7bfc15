"""`partwise ceilings`: what part maps can reach with the windows of the report, of the paper and of this project."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from partwise.cli.app import NO_DATA, Data, writes
from partwise.cli.ceiling import scenes_of, show_ceiling
from partwise.terminal import console, counting
from partwise.written import CEILING


def ceilings(
    *,
    source: Data = NO_DATA,
    split: str = "val",
    frames: int = 60,
    json: Annotated[Path | None, writes(CEILING)] = None,
) -> None:
    """Compare ceilings of part maps: the report's windows, the paper's and ours, by stride, cells, k and margin.

    Parameters
    ----------
    split
        Split of the data set.
    frames
        Largest number of frames, evenly spaced; 0 for all.
    json
        File for all figures.
    """
    from partwise_report.ceiling_tables import sweep_tables
    from partwise_report.ceilings import sweep

    scenes = scenes_of(source, split, frames)
    with counting("decoding") as progress:
        result = sweep(scenes, progress=progress)
    show_ceiling(sweep_tables(result), result, json, {"data": source.name, "split": split}, source.open(split))
    console.print("next: partwise ceiling METHOD with fields of your own, such as method.windows=[[4,12],[8,12]]")
