"""The command that serves a page in the browser, and the one that measures it."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

from partwise.cli.app import DEFAULT_INFERENCE, NO_DATA, ClassNames, Data, Inference, app, height_and_width, writes
from partwise.cli.benches import bench, show_and_write
from partwise.cli.photos import loaded
from partwise.terminal import Display, console, counting, errors, heartbeat
from partwise.written import BENCH_CLICKS

if TYPE_CHECKING:
    from partwise.segmenter import Segmenter
    from partwise.serve.truth import Truth


@app.command
def serve(
    *,
    port: int = 8765,
    source: Data = NO_DATA,
    split: str = "val",
    model: str | None = None,
    classes: ClassNames = None,
    inference: Inference = DEFAULT_INFERENCE,
) -> None:
    """Open a page for the browser: drop a photo, see what is found, and click a pixel to see why.

    Only this machine can reach the page (127.0.0.1), and the page loads nothing from elsewhere. Ctrl-C ends it.

    Args:
        port: The port; 0 for any free one.
        source: A data set; with it there is a page of truth against prediction, and a curve of AP.
        split: Split of the data set.
        model: A model file, a run folder, or the name of a model; the default model without it. Part maps, centres,
            the instance-sensitive FCN and orderings explain their decisions, others show their results alone.
    """
    from partwise.serve.server import HOST, open_port, run

    with open_port(port) as taken:  # before everything that takes long: a port in use is said at once
        from partwise.model_files import model_name
        from partwise.serve.app import Site, make_app

        address = f"http://{HOST}:{taken.getsockname()[1]}"
        with Display("loading"):
            scenes = source.open(source.find_split(split)) if source.is_given else None
            label_set = None if scenes is None else scenes.label_set
            segment = loaded(model, inference, classes, label_set)
            truth = None if scenes is None else _truth(segment, source, split)
            site = Site(segment, truth, name=model_name(model))

        def ready() -> None:
            if site.why_no_explanation:
                console.print(f"no explanations: {site.why_no_explanation}")
            pages = address + (f", truth against prediction at {address}/truth" if truth else "")
            console.print(f"the page is at {pages}; Ctrl-C ends it", highlight=False, soft_wrap=True)

        try:
            with heartbeat.silenced(True):  # waiting for requests is no work
                run(make_app(site), taken, ready)
        except KeyboardInterrupt:
            _end_at_once()


def _end_at_once() -> NoReturn:
    """End the program without the end of Python.

    A photo may be in computation, which nothing can interrupt: Python would take its thread away in the middle of the
    network, and the library of the network would abort. Even without one, Python takes seconds to free everything.
    """
    errors.print("partwise: stopped")
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(130)


def _truth(segment: Segmenter, source: Data, split: str) -> Truth:
    """Open the data with the classes of the model.

    Raises:
        PartwiseError: If the model has other classes, or the data have no truth.
    """
    from partwise.evaluation.model import require_same_classes
    from partwise.serve.truth import Truth
    from streeteval.reading.truth import require_truth

    split = source.find_split(split)
    scenes, where = source.open_as(split, segment.method.label_set), f"{source}, split {split}"
    require_truth(scenes, where)
    require_same_classes(segment.method, scenes.label_set, where)
    return Truth(scenes, f"{source.name}, split {split}", str(source.root))


@bench.command
def clicks(
    *,
    model: str | None = None,
    size: str = "1024x512",
    clicks: int = 100,
    threads: int = 2,
    json: Annotated[Path | None, writes(BENCH_CLICKS)] = None,
) -> None:
    """Measure the time from a click in the page of `partwise serve` to its explanation.

    Args:
        model: A model file, a run folder, or the name of a model; the default model without it.
        size: Width x height of the rendered photos.
        clicks: Number of clicks on each of 3 photos.
        threads: Number of threads of torch.
        json: File for all figures.
    """
    from partwise.bench.clicks import bench_clicks

    size_hw = height_and_width("--size", size)
    with counting("measuring") as progress:
        figures = bench_clicks(model, size=size_hw, clicks=clicks, threads=threads, progress=progress)
    show_and_write(figures, json)
