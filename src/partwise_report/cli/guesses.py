"""`partwise study report` and `cache`: decide the report's guesses by trainings on stored features."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from partwise.cli.app import height_and_width
from partwise.errors import PartwiseError
from partwise.terminal import Display, console
from partwise_report.cli.given import command_line, require_weights


def report(
    *,
    data: Path,
    out: Path,
    caches: Path | None = None,
    only: list[str] | None = None,
    minutes: float = 0.0,
    steps: int = 0,
    seeds: int = 3,
    first_seed: int = 0,
    processes: int = 2,
    weights: str = "torchvision",
    fcn8s: str = "",
    records: list[Path] | None = None,
    split: str = "train",
    val_split: str = "val",
    precision: Literal["no", "bf16"] = "no",
    round: Literal[1, 2, 3] = 1,
) -> None:
    """Decide the report's guesses: train networks on stored features that differ by what each guess blames.

    Trainings that are recorded in OUT are skipped, so the same command continues where it was stopped. The page is
    written after every training, with what is decided so far.

    Parameters
    ----------
    data
        Root of a data set that has a class car; its format is found out.
    out
        Folder of the study: report.html, study.json, and a record (trials/) and the heads (work/) of each training.
    caches
        Folder with the stored features, made by partwise study cache: CACHES/plain/train, CACHES/plain/val and so on.
        Without it: OUT/features.
    only
        Names of variants or groups to train (groups: heads, rates, slips, corrections, chain, patience, truth,
        start, sizes, orders, conv5); can be given several times. Without it: all.
    minutes
        Length of the short form in minutes: it stores features of a few frames and trains the variants of the group
        "short" on them. It is for rendered streets (partwise render). 0 for the whole study.
    steps
        Number of steps of every training; 0 keeps those of the variants.
    seeds
        Number of trainings of each variant, each with another seed.
    first_seed
        The first seed; the others follow it.
    processes
        Number of trainings that run at the same time, each on one core.
    weights
        Weights of VGG16, for features that the short form stores and for variants that learn conv5: a safetensors
        file, torchvision or random.
    fcn8s
        A trained FCN-8s (a model file or a run folder), for variants that start from one.
    records
        Folder with records of finished trainings, such as results/report_guesses; can be given several times.
    split
        Split to train on.
    val_split
        Split to measure on.
    precision
        Precision of the trainings. no: fp32; bf16: faster on a processor that has it.
    round
        Round of the study whose comparisons decide. 2 has comparisons for guesses that the first round left open
        because a figure was too small. 3 decides by the stricter rule of partwise study recheck.
    """
    from partwise_report.study.guesses.guide import run_short, run_whole
    from partwise_report.study.guesses.tasks import Study
    from partwise_report.study.systems.runner import GivenFcn8s

    least = min(minutes, steps, first_seed, seeds - 1, processes - 1)
    if least < 0 or (minutes and (steps or caches or only)):
        raise PartwiseError(
            f"--minutes {minutes:g} --steps {steps} --seeds {seeds} --first-seed {first_seed} --processes {processes}: "
            "give seeds and processes from 1 on, the first seed from 0 on, and either minutes (the short form, without "
            "steps, caches and only) or the other options"
        )
    require_weights(weights)
    settings = Study(
        data=data,
        out=out,
        caches=caches or out / "features",
        records=tuple(records or ()),
        weights=weights,
        fcn8s=str(GivenFcn8s.read(fcn8s).file) if fcn8s else "",
        steps=steps,
        seeds=tuple(range(first_seed, first_seed + seeds)),
        split=split,
        val_split=val_split,
        precision=precision,
        round=round,
    )
    with Display("study:") as display:
        if minutes:
            page = run_short(settings, minutes, processes, display, command=command_line())
        else:
            page = run_whole(settings, only or (), processes, display, command=command_line())
    console.print(f"wrote {page} and {page.with_name('study.json')}")
    console.print("next: the same command continues with what is not trained yet")


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
    """Store the features of a frozen VGG16 for frames, so that a study trains networks on them without the backbone.

    You can stop the command at any time. The same command continues after the last complete frame.

    Parameters
    ----------
    data
        Root of a data set that has a class car; its format is found out.
    out
        Folder for the features: features.json and one .npy file (fp16) for each layer.
    layer
        A layer to store: conv3_3, pool3, conv4_3, pool4, conv5_3, pool5, or conv5_3_holes (stride 8, dilated); can be
        given several times.
    frames
        Largest number of frames, evenly spaced; 0 for all.
    split
        Split of the data set.
    view
        Size WIDTHxHEIGHT of the part around the middle of each frame that is stored; a smaller frame gets a border
        that does not count. Without it: whole frames.
    enlarge
        Factor by which each side of a frame is enlarged before the backbone sees it.
    weights
        Weights of VGG16: a safetensors file, torchvision, random, or a model file or run folder with that backbone.
    keep_mean
        Do not subtract the mean from the images, as in the report's published code.
    slip
        Name of a slip of the report's code to put back into conv5: one_dilated_layer.
    base
        Folder with stored conv4_3 of the same frames: later layers are computed from it, without the images.
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
