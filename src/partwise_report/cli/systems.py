"""`partwise study systems`: train the report's systems themselves."""

from __future__ import annotations

from pathlib import Path

from partwise.cli.app import NO_DATA, Data, height_and_width
from partwise.errors import PartwiseError
from partwise.terminal import TrainingDisplay, console
from partwise_report.cli.given import command_line, require_weights


def systems(
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
    """Train the whole systems of the report, with their backbones, and draw the report's figures of them.

    Variants that are finished in OUT are skipped, so the same command continues where it was stopped.

    Parameters
    ----------
    overrides
        Fields to change: in all variants that have them, such as data.augment.crop=[128,256], or in some variants,
        such as "fcn*:method.channels=512".
    out
        Folder of the study: report.html, study.json, study.md (its tables), figures/ and a run folder for each variant.
    minutes
        Minutes of training for all variants together, without evaluations; 120 if neither this nor --steps is given.
    steps
        Number of steps of a variant with the share 1, in place of --minutes. It makes the study repeatable (on a
        CPU), and comparisons fair if the speed of the machine varies.
    frames
        Number of validation frames, evenly spaced, that every network is measured on.
    view
        Size WIDTHxHEIGHT of the part around the middle of these frames that is used. Without it: whole frames.
    only
        Names of variants or groups to train (groups: written, committed, putback, corrected, guesses, orders); can be
        given several times. Variants that these start from are added. Without it: all.
    weights
        Weights of the VGG16 backbone: a safetensors file, torchvision or random. Without it: those of the recipes.
    figures_from
        What the figures show. data: validation frames; rendered: rendered streets, which have no terms of use.
    seed
        Seed of every training.
    fcn8s
        A trained FCN-8s (a model file or a run folder), for variants that start from one; phase 1 is then left out.
    split
        Split to train on.
    val_split
        Split to measure on.
    """
    from partwise.experiment import TrainingData
    from partwise_report.study.systems.page import write_study
    from partwise_report.study.systems.runner import GivenFcn8s, Study, run_study
    from partwise_report.study.systems.variants import choose

    if figures_from not in ("data", "rendered"):
        raise PartwiseError(f"--figures-from {figures_from}: give data or rendered")
    if minutes < 0 or steps < 0 or frames < 1 or seed < 0 or (minutes and steps):
        raise PartwiseError(
            f"--minutes {minutes:g} --steps {steps} --frames {frames} --seed {seed}: give minutes or steps above 0, "
            "frames from 1 and a seed from 0 on"
        )
    require_weights(weights)
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
        page = write_study(records, settings, display, rendered=figures_from == "rendered", command=command_line())
    console.print(f"wrote {page} and {page.with_name('study.json')}")
    console.print("next: the same command with more --minutes and another --out, or --only GROUP")
