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
    """Train the report's systems themselves, backbone and all, and draw the report's figures of them.

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
