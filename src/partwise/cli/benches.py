"""Commands that measure: the commands of `partwise bench`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App

from partwise.cli.app import Device, app, height_and_width, keep_and_show, writes
from partwise.errors import PartwiseError
from partwise.files import atomic_write, write_json
from partwise.terminal import console, counting
from partwise.written import (
    BENCH_EVALUATION,
    BENCH_MODELS,
    BENCH_NETWORKS,
    BENCH_SPEED,
    BENCH_VIEWS,
    MARK,
    MARKDOWN_MARK,
)
from streeteval.files import read_json

bench = App(name="bench", help="Measure time and memory on this machine, and compare with other tools and models.")
app.command(bench)


@bench.command
def evaluation(
    *,
    images: int = 6,
    predictions: int = 100,
    size: str = "2048x1024",
    data: Path | None = None,
    split: str = "val",
    workers: int = 1,
    scaling_images: int = 48,
    memory_images: int = 500,
    json: Annotated[Path | None, writes(BENCH_EVALUATION)] = None,
) -> None:
    """Compare the time of the evaluator with cityscapesScripts on the same predictions, in memory and from files.

    It also measures the time that no evaluator can save, such as inflating the masks. Run it on one core, so that only
    the tools differ: OMP_NUM_THREADS=1 taskset -c 1 partwise bench evaluation.

    Args:
        images: Number of frames.
        predictions: Number of predicted instances in each frame.
        size: Width x height of the rendered frames.
        data: Root of a Cityscapes tree; its first frames are used instead of rendered frames.
        split: Split of that tree.
        workers: Also compare the time of this number of processes with one process; then do not use taskset.
        scaling_images: Number of frames for the comparison of processes.
        memory_images: Number of frames on which peak memory is measured.
        json: File for all figures.
    """
    from partwise.bench.evaluation import bench_evaluation

    with counting("measuring") as progress:
        figures = bench_evaluation(
            images=images,
            predictions=predictions,
            size=height_and_width("--size", size),
            data=data,
            split=split,
            workers=workers,
            scaling_images=scaling_images,
            memory_images=memory_images,
            progress=progress,
        )
    show_and_write(figures, json)


@bench.command
def speed(
    *,
    model: str | None = None,
    size: str = "1024x512",
    threads: int = 2,
    repeats: int = 5,
    json: Annotated[Path | None, writes(BENCH_SPEED)] = None,
) -> None:
    """Measure the time of a model from image to instances, by stage, in fp32 and bf16, and of a training step.

    All is measured on the processor, also if there is a GPU. The network is also measured on one thread, with and
    without oneDNN for 1x1 convolutions. bf16 is left out if the processor only emulates it.

    Args:
        model: A model file, a run folder, or the name of a model; the default model without it.
        size: Width x height of the rendered scenes.
        threads: Number of threads of torch.
        repeats: Number of repeats of each measurement; the median counts.
        json: File for all figures.
    """
    from partwise.bench.speed import bench_speed

    size_hw = height_and_width("--size", size)
    with counting("measuring") as progress:
        figures = bench_speed(model, size=size_hw, threads=threads, repeats=repeats, progress=progress)
    show_and_write(figures, json)


@bench.command
def models(
    *models: str,
    data: Path,
    split: str = "val",
    frames: int = 0,
    scale: list[float] | None = None,
    threads: int = 2,
    device: Device = "cpu",
    markdown: Annotated[Path | None, writes()] = None,
    picture: Annotated[Path | None, writes()] = None,
    json: Annotated[Path | None, writes(BENCH_MODELS)] = None,
    resume: bool = False,
) -> None:
    """Compare trained models of any method: AP, AP by size, PQ, number of parameters and milliseconds per image.

    Args:
        models: Model files, also ONNX files and OpenVINO models, run folders, or names of models; the default model
            without any.
        data: Root of the data set to score on.
        split: Split of the data set.
        frames: Largest number of frames, evenly spaced; 0 for all.
        scale: Also score and time on frames that are enlarged by this factor, such as 0.5; can be given several times.
        threads: Number of threads of torch and of other runtimes.
        markdown: File for the whole table in Markdown.
        picture: File for a PNG of AP against milliseconds.
        json: File for all figures; each figure is written as soon as it is measured.
        resume: Keep the figures in the file of --json that are of the same models, frames and machine.
    """
    from partwise.bench.models import bench_models
    from partwise.model_files import DEFAULT_MODEL
    from partwise.report.models import draw_tradeoff, models_table
    from partwise.report.text import table_markdown, table_text

    if resume and json is None:
        raise PartwiseError("--resume continues the file of --json, and none is given: give --json FILE")
    before = read_json(json) if resume and json is not None and json.exists() else None
    with counting("measuring") as progress:
        figures = bench_models(
            models or (DEFAULT_MODEL,),
            data,
            split,
            frames=frames,
            scales=tuple(scale or ()),
            threads=threads,
            device=device,
            progress=progress,
            before=before,
            keep=(lambda figures: None) if json is None else (lambda figures: write_json(json, figures)),
        )
    show_and_write(figures, json, lambda figures: table_text(models_table(figures, wide=False)))
    if markdown is not None:
        with atomic_write(markdown, "w") as file:
            file.write(f"{MARKDOWN_MARK}\n{table_markdown(models_table(figures))}")
        console.print(f"wrote {markdown}")
    if picture is not None:
        with atomic_write(picture) as file:
            draw_tradeoff(figures).savefig(file, format="png", metadata={"Software": MARK})
        console.print(f"wrote {picture}")


@bench.command
def views(
    model: str | None = None,
    *,
    data: Path,
    split: str = "train",
    frames: int = 20,
    threads: int = 2,
    json: Annotated[Path | None, writes(BENCH_VIEWS)] = None,
) -> None:
    """Compare rules for the size at which a model sees a photo: far and near objects, upright photos, several sizes.

    The model runs on the processor, also if there is a GPU.

    Args:
        model: A model file, a run folder, or the name of a model; the default model without it.
        data: Root of the data set whose frames are cropped.
        split: Split of the data set; a choice made on the split that a model is judged on is optimistic.
        frames: Number of scenes of each framing.
        threads: Number of threads of torch.
        json: File for all figures.
    """
    from partwise.bench.views import bench_views, views_text

    with counting("measuring") as progress:
        figures = bench_views(model, data, split, frames=frames, threads=threads, progress=progress)
    show_and_write(figures, json, views_text)


@bench.command
def networks(
    *recipes: str,
    size: str = "1280x640",
    threads: int = 2,
    repeats: int = 7,
    json: Annotated[Path | None, writes(BENCH_NETWORKS)] = None,
) -> None:
    """Compare the networks of recipes before any training: parameters, multiplications, and time in one run.

    Args:
        recipes: Names of recipes, each is compared with the first; parts_light and parts_fast without any.
        size: Width x height of the image that the networks see.
        threads: Number of threads of torch.
        repeats: Number of calls of each network; the median counts.
        json: File for all figures.
    """
    from partwise.bench.networks import bench_networks, networks_text

    size_hw = height_and_width("--size", size)
    names = recipes or ("parts_light", "parts_fast")
    with counting("measuring") as progress:
        figures = bench_networks(names, size=size_hw, threads=threads, repeats=repeats, progress=progress)
    show_and_write(figures, json, networks_text)


def show_and_write(figures: dict, json: Path | None, text: Callable[[dict], str] | None = None) -> None:
    """Write the figures to the file, then show them as `text` makes them, or all of them without it."""
    keep_and_show(json, figures, lambda: show(figures, text))
    if json is None:
        console.print("next: the same with --json FILE keeps all figures")


def show(figures: dict, text: Callable[[dict], str] | None = None) -> None:
    """Show the figures as `text` makes them, or all of them without it."""
    console.print((text or _all_text)(figures), soft_wrap=True, highlight=False, markup=False)


def _all_text(figures: dict) -> str:
    from partwise.report.tables import MISSING, Table
    from partwise.report.text import table_text

    rows = [[name, MISSING if value is None else value] for name, value in _flat(figures)]
    return table_text(Table("", ("figure", "value"), rows))


def _flat(value: Any, name: str = "") -> Iterator[list[Any]]:
    """Yield [name, number or text] for each figure; nested names are joined."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _flat(item, f"{name}: {key}" if name else str(key))
    elif isinstance(value, list):
        for number, item in enumerate(value, 1):
            yield from _flat(item, f"{name} {number}")
    else:
        yield [name, value]
