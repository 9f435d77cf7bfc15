"""The report's verbs: `partwise study report` and `partwise ceilings`."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App

from partwise.cli.app import NO_DATA, Data, height_and_width, writes
from partwise.cli.ceiling import scenes_of, show_ceiling
from partwise.errors import PartwiseError
from partwise.terminal import TrainingDisplay, console, counting
from partwise.written import CEILING

study = App(name="study", help="Train many variants on one budget and explain what makes the difference.")


@study.command
def report(
    *overrides: str,
    source: Data = NO_DATA,
    out: Path,
    minutes: float = 0.0,
    steps: int = 0,
    frames: int = 24,
    view: str = "",
    only: list[str] | None = None,
    weights: str = "",
    figures_from: str = "data",
    seed: int = 0,
    fcn8s: str = "",
    split: str = "train",
    val_split: str = "val",
) -> None:
    """Reproduce the report: train its systems, its slips and their corrections; write a page that says why it failed.

    Variants that are finished in OUT are passed over, so the same command goes on where it was stopped.

    Parameters
    ----------
    overrides
        Fields to change in all variants that have them, such as data.augment.crop=[128,256], or in some:
        "fcn*:method.channels=512".
    out
        Folder of the study: report.html, study.json, study.md (its tables), figures/ and a run for
        each variant.
    minutes
        Of training for all variants together, evaluations not counted; 120 where STEPS is not given.
    steps
        Of a variant of share 1 instead: exactly repeatable, and fair where the machine's speed varies.
    frames
        Evenly spaced validation frames that every network is looked at on.
    view
        Only the part around the middle of these frames, as WIDTHxHEIGHT; whole frames without it.
    only
        Variants or groups (written, committed, putback, corrected, guesses, orders); can be given several times. What
        they start from is added.
    weights
        Of the VGG16 backbone: a safetensors file, torchvision or random; without it as the recipes say (torchvision).
    figures_from
        data: figures show validation frames; rendered: rendered streets, free of any terms.
    seed
        Of every training.
    fcn8s
        A trained FCN-8s (model file or run) for what starts from one; phase 1 is then left out.
    split
        What to train on.
    val_split
        What to look at.
    """
    from partwise.experiment import TrainingData
    from partwise_report.study.page import write_study
    from partwise_report.study.runner import GivenFcn8s, Study, run_study
    from partwise_report.study.variants import choose

    if figures_from not in ("data", "rendered"):
        raise PartwiseError(f"--figures-from {figures_from}: give data or rendered")
    if minutes < 0 or steps < 0 or frames < 1 or seed < 0 or (minutes and steps):
        raise PartwiseError(
            f"--minutes {minutes:g} --steps {steps} --frames {frames} --seed {seed}: give minutes or steps above 0, "
            "frames from 1 and a seed from 0 on"
        )
    if weights not in ("", "torchvision", "random") and not Path(weights).is_file():
        raise PartwiseError(f"--weights {weights}: no such file: give VGG16's safetensors file, torchvision or random")
    settings = Study(
        data=TrainingData(source, split, val_split),
        out=out,
        minutes=minutes or (0.0 if steps else 120.0),
        steps=steps,
        frames=frames,
        view=height_and_width("--view", view) if view else (0, 0),
        weights=weights,
        overrides=overrides,
        seed=seed,
        fcn8s=GivenFcn8s.read(fcn8s) if fcn8s else None,
    )
    chosen = choose(only or (), given=("fcn8s",) if fcn8s else ())
    with TrainingDisplay() as display:
        records = run_study(chosen, settings, display)
        page = write_study(records, settings, display, rendered=figures_from == "rendered", command=_command())
    console.print(f"wrote {page} and {page.with_name('study.json')}")
    console.print("next: the same command with more --minutes and another --out, or --only GROUP")


def _command() -> str:
    """The command line without the folders of this machine."""
    return " ".join(["partwise", *(re.sub(r"(^|=)[^=]*/([^/]+)/?$", r"\1\2", word) for word in sys.argv[1:])])


def ceilings(
    *,
    source: Data = NO_DATA,
    split: str = "val",
    frames: int = 60,
    json: Annotated[Path | None, writes(CEILING)] = None,
) -> None:
    """Ceilings of part maps side by side: the report's windows, the paper's and ours, by stride, cells, k and margin.

    Parameters
    ----------
    split
        Of the data.
    frames
        At most so many frames, evenly spaced; 0 for all.
    json
        Where to write all figures.
    """
    from partwise_report.ceiling_tables import sweep_tables
    from partwise_report.ceilings import sweep

    scenes = scenes_of(source, split, frames)
    with counting("decoding") as progress:
        result = sweep(scenes, progress=progress)
    show_ceiling(sweep_tables(result), result, json, {"data": source.name, "split": split}, source.open(split))
    console.print("next: partwise ceiling METHOD with fields of your own, such as method.windows=[[4,12],[8,12]]")
