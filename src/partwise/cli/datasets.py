"""Commands for data: find the faults of a data set, render streets, split a data set."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from partwise.cli.app import NO_DATA, Data, app, data_options, height_and_width, keep_and_show, writes
from partwise.errors import PartwiseError
from partwise.terminal import console, counting
from partwise.written import CHECK

if TYPE_CHECKING:
    from partwise.data.source import DataSource

_SEQUENCES = 10_000  # the most of one seed


@app.command
def check(
    root: Path | None = None,
    /,
    *,
    source: Data = NO_DATA,
    split: list[str] | None = None,
    json: Annotated[Path | None, writes(CHECK)] = None,
) -> None:
    """Find every fault of a data set, with file, value, pixel count and remedy, and count the sizes of its instances.

    Args:
        root: Root of the data set, as --data.
        source: The data set.
        split: Check only this split; can be given several times.
        json: File for everything that was found.
    """
    from partwise.data.check import check as check_data
    from partwise.report.text import check_text
    from streeteval.reading.faults import counted

    if root is not None:
        if source.data is not None:
            raise PartwiseError(f"{root} and --data {source.data}: give the data set once")
        source = replace(source, data=root)
    with counting("checking") as progress:
        report = check_data(source, split, progress=progress)
    about = "".join(f"{one.about}\n" for one in report.splits.values() if one.about)
    keep_and_show(json, report.to_json(), lambda: console.print(about + check_text(report)))
    if not report.ok:
        raise PartwiseError(
            f"{source}: {counted(len(report.faults), 'fault')}, listed above: correct the data before training"
        )
    console.print(f"next: {_after_check(source)}", soft_wrap=True)


def _after_check(source: DataSource) -> str:
    """Return the command to suggest for a data set without a fault."""
    from partwise.data.cityscapes import CityscapesFolder
    from partwise.data.polygons.dataset import AnnotatedFolder

    if source.form == CityscapesFolder.form:
        return f"partwise train demo {data_options(source)} --out out/run --minutes 2"
    splits = source.splits()
    only = source.open(splits[0]) if len(splits) == 1 else None
    if isinstance(only, AnnotatedFolder) and not only.in_order:  # what `split` takes
        which = "" if splits[0] in ("train", "all") else f" --split {splits[0]}"
        return f"partwise split {source.root} --out DIR --val 0.2{which}"
    return f"partwise train finetune {data_options(source)} --weights streets --out run --minutes 20"


@app.command
def render(
    out: Path,
    *,
    train: int | None = None,
    val: int | None = None,
    size: str = "512x256",
    seed: int = 0,
    depth: bool = False,
    pavement: float = 0.0,
    sequences: int | None = None,
    frames: int | None = None,
    rate: float | None = None,
    video: bool = False,
) -> None:
    """Write rendered street scenes as a Cityscapes tree, or with --sequences streets that move, with the true tracks.

    Args:
        out: Root of the new tree.
        train: Number of scenes in the split train; 400 without it.
        val: Number of scenes in the split val; 40 without it.
        size: Width x height in pixels.
        seed: Another seed gives other scenes; the same seed gives the same scenes.
        depth: Also write disparity/ and camera/, with the distance of every instance.
        pavement: Share of the scenes, 0 to 1, that are seen from the pavement, with large people, cycles and vehicles.
        sequences: Write this number of sequences instead of single scenes: their frames, the ids of all instances,
            JSON lines, and cars and people in the form of MOTS.
        frames: Number of frames of each sequence; 60 without it.
        rate: Frames a second of a sequence; 10 without it.
        video: Write the frames of a sequence as a video instead of pictures; it needs the extra video.
    """
    from partwise.data.cityscapes import TREES
    from partwise.data.streets import render_dataset

    size_hw = height_and_width("--size", size)
    if not 0 <= pavement <= 1:
        raise PartwiseError(f"--pavement {pavement:g}: give a share of the scenes from 0 to 1")
    if sequences is not None:
        if train is not None or val is not None or depth:
            raise PartwiseError("--train, --val, --depth: for single scenes: leave them out, or leave out --sequences")
        how = {name: value for name, value in (("frames", frames), ("rate", rate)) if value is not None}
        _render_sequences(out, sequences, size_hw, seed, pavement, video, how)
        return
    if frames is not None or rate is not None or video:
        raise PartwiseError("--frames, --rate and --video are for sequences: give --sequences, too")
    train, val = 400 if train is None else train, 40 if val is None else val
    if train < 0 or val < 0 or train + val == 0 or seed < 0:
        raise PartwiseError(
            f"--train {train} --val {val} --seed {seed}: give numbers from 0 on, and at least one scene"
        )
    if out.exists() and (not out.is_dir() or any((out / tree).exists() for tree in TREES)):
        kind = "holds a data set already" if out.is_dir() else "is a file"
        raise PartwiseError(f"{out}: {kind}: give a new folder")
    splits = {split: count for split, count in (("train", train), ("val", val)) if count}
    with counting("rendering") as progress:
        render_dataset(out, splits, size_hw, seed, progress=progress, depth=depth, pavement=pavement)
    console.print(f"wrote {train + val} scenes to {out}")
    console.print(f"next: partwise check {out}")


def _render_sequences(
    out: Path, count: int, size: tuple[int, int], seed: int, pavement: float, video: bool, how: dict[str, Any]
) -> None:
    """Write rendered sequences; `how` has the number of frames and the rate if they are given."""
    from partwise.data.streets.sequence import render_sequence
    from partwise.video.rendered import write_sequences
    from streeteval.reading.faults import counted

    if not 1 <= count <= _SEQUENCES:
        raise PartwiseError(f"--sequences {count}: give a number from 1 to {_SEQUENCES}")
    by_hand = lambda i: int((i + 1) * pavement) > int(i * pavement)
    first = seed * _SEQUENCES  # so that another seed gives other sequences
    streets = [render_sequence(first + i, size=size, pavement=by_hand(i), **how) for i in range(count)]
    with counting("rendering") as progress:
        written = write_sequences(out, streets, video=video, progress=progress)
    console.print(f"wrote {counted(count, 'sequence')} of {counted(len(streets[0]), 'frame')} to {out}")
    console.print(f"next: partwise predict {written[0]} --track --out out")


@app.command
def split(
    root: Path,
    /,
    *,
    out: Path,
    split: str = "train",
    val: float = 0.2,
    group_by: str = "",
    seed: int = 0,
    copy: bool = False,
) -> None:
    """Split COCO, YOLO, VIA or labelme data in two so that copies of one photo are on one side.

    Two COCO files are written, whose scenes are those of the data.

    Copies are images with one name before Roboflow's .rf.HASH (or whose names match alike, with --group-by), and images
    that look alike but for size, quality, brightness, a mirror image or a quarter turn.

    Args:
        root: Root of the data set, or its file.
        out: Folder for the two parts, train and val. Their annotation files name the images where they are.
        split: Which of its splits is split in two; the others stay as they are.
        val: Share of the images in val.
        group_by: A regular expression that matches the path of every image below ROOT; images with the same match (of
            the first group in parentheses, if there is one) are on one side, such as '([a-z]+)_[0-9]+' for a city or a
            video.
        seed: Seed of the random choice.
        copy: Also copy the images to OUT.
    """
    from partwise.data.source import DataSource
    from partwise.data.splitting import split_annotated

    with counting("looking for copies") as progress:
        made, files = split_annotated(
            DataSource(data=root), out, split=split, val=val, group_by=group_by, seed=seed, copy=copy, progress=progress
        )
    sizes = ", ".join(f"{len(places)} images in {part}" for part, places in made.parts.items())
    near = f"; {made.near} pairs of other names look alike" if made.near else ""
    console.print(f"{made.groups} groups of copies{near}: {sizes}")
    console.print(f"wrote {' and '.join(map(str, files))}")
    console.print(f"next: partwise train finetune --data {out} --weights streets --out out/run --minutes 20")
