"""The report's verbs: `partwise study report`, `cache` and `systems`, and `partwise ceilings`."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App

from partwise.cli.app import NO_DATA, Data, height_and_width, writes
from partwise.cli.ceiling import scenes_of, show_ceiling
from partwise.errors import PartwiseError
from partwise.terminal import Display, TrainingDisplay, console, counting
from partwise.written import CEILING

study = App(name="study", help="Train many variants on one budget and explain what makes the difference.")


@study.command
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
    _require_weights(weights)
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


@study.command
def report(
    *,
    data: Path,
    out: Path,
    caches: Path | None = None,
    only: list[str] | None = None,
    minutes: float = 0.0,
    steps: int = 0,
    seeds: int = 3,
    processes: int = 2,
    weights: str = "torchvision",
    fcn8s: str = "",
    records: list[Path] | None = None,
    split: str = "train",
    val_split: str = "val",
    precision: Literal["no", "bf16"] = "no",
) -> None:
    """Decide the report's guesses: train networks on stored features that differ by what each guess blames.

    Trainings that are recorded in OUT are passed over, so the same command goes on where it was stopped. The page is
    written after every training, with what is decided so far.

    Parameters
    ----------
    data
        Root of the Cityscapes tree, or the folder with its zips.
    out
        Folder of the study: report.html, study.json, and a record (trials/) and the heads (work/) of each training.
    caches
        Folder with the stored features, made by partwise study cache: CACHES/plain/train, CACHES/plain/val and so on;
        OUT/features without it.
    only
        Variants or groups (heads, rates, slips, corrections, chain, truth, start, sizes, orders, conv5); can be given
        several times.
    minutes
        The short form: store features of a few frames, train the variants of the group "short" on them, all in about so
        many minutes. For rendered streets (partwise render).
    steps
        Of every training, in place of the variants' own.
    seeds
        Of every variant, from 0 on.
    processes
        Trainings at once, each on one core.
    weights
        Of VGG16, for features that the short form stores and for variants that learn conv5: a safetensors file,
        torchvision or random.
    fcn8s
        A trained FCN-8s (model file or run), for variants that start from one.
    records
        Folder with records of trainings that are finished, such as results/report_guesses; can be given several times.
    split
        What to train on.
    val_split
        What to measure on.
    precision
        Of the trainings: no is fp32; bf16 is faster on a processor that has it.
    """
    from partwise_report.study.guesses.guide import run_short, run_whole
    from partwise_report.study.guesses.tasks import Study
    from partwise_report.study.systems.runner import GivenFcn8s

    if minutes < 0 or steps < 0 or seeds < 1 or processes < 1 or (minutes and (steps or caches or only)):
        raise PartwiseError(
            f"--minutes {minutes:g} --steps {steps} --seeds {seeds} --processes {processes}: give seeds and processes "
            "from 1 on, and either minutes (the short form, without steps, caches and only) or the other options"
        )
    _require_weights(weights)
    settings = Study(
        data=data,
        out=out,
        caches=caches or out / "features",
        records=tuple(records or ()),
        weights=weights,
        fcn8s=str(GivenFcn8s.read(fcn8s).file) if fcn8s else "",
        steps=steps,
        seeds=tuple(range(seeds)),
        split=split,
        val_split=val_split,
        precision=precision,
    )
    with Display("study:") as display:
        if minutes:
            page = run_short(settings, minutes, processes, display, command=_command())
        else:
            page = run_whole(settings, only or (), processes, display, command=_command())
    console.print(f"wrote {page} and {page.with_name('study.json')}")
    console.print("next: the same command goes on with what is not trained yet")


@study.command
def cache(
    *,
    data: Path,
    out: Path,
    layer: list[str],
    frames: int = 400,
    split: str = "train",
    view: str = "",
    enlarge: int = 1,
    weights: str = "torchvision",
    keep_mean: bool = False,
    slip: list[str] | None = None,
    base: Path | None = None,
) -> None:
    """Store what a frozen VGG16 says of frames, so that a study trains networks on it without the backbone.

    The same command goes on where it was stopped. Each frame is one step: stop it at any time.

    Parameters
    ----------
    data
        Root of a data set that has a class "car"; its format is found out.
    out
        Folder for the features: features.json and one .npy file (fp16) a layer.
    layer
        conv3_3, pool3, conv4_3, pool4, conv5_3, pool5, or conv5_3_holes (stride 8, dilated); can be given
        several times.
    frames
        Evenly spaced ones of the split; 0 for all.
    split
        Of that tree.
    view
        Only the part around the middle of each frame, as WIDTHxHEIGHT; a smaller frame gets a border that does
        not count. Whole frames without it.
    enlarge
        How many times as long each side of a frame becomes before the backbone sees it.
    weights
        Of VGG16: a safetensors file, torchvision, random, or a trained model or run on VGG16.
    keep_mean
        Show the backbone images without their mean subtracted, as the report's published code does.
    slip
        Of the report's code, put back into conv5: one_dilated_layer.
    base
        Folder with conv4_3 of the same frames: layers after it are made from there, without the images.
    """
    from partwise.data.dataset import open_dataset
    from partwise_report.features import FeatureStore, FrozenVgg, require_layers, store_features
    from partwise_report.study.guesses.frames import shown_frames

    if frames < 0 or enlarge < 1:
        raise PartwiseError(f"--frames {frames} --enlarge {enlarge}: give frames from 0 and enlarge from 1 on")
    require_layers(layer)
    scenes = shown_frames(
        open_dataset(data, split), frames, height_and_width("--view", view) if view else (0, 0), enlarge
    )
    given = FeatureStore.open(base) if base is not None else None
    backbone = FrozenVgg(weights, mean_subtracted=not keep_mean, changes=slip or ())
    name = f"{data.resolve().name}/{split}"
    with Display("storing features") as display:
        store = store_features(
            scenes, backbone, layer, out, data_name=name, progress=display.count, note=display.note, base=given
        )
    console.print(f"stored {store.done} frames in {out}")
    console.print("next: partwise study report, which trains on them")


def _require_weights(weights: str) -> None:
    if weights not in ("", "torchvision", "random") and not Path(weights).is_file():
        raise PartwiseError(f"--weights {weights}: no such file: give VGG16's safetensors file, torchvision or random")


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
