"""Compare runtimes side by side in one run: torch, ONNX Runtime and OpenVINO, from the file of a photo to its `Result`.

One model is exported for each runtime into a temporary folder. The runtimes take turns, so that a change of the
machine's speed affects all of them. Times are by the clock: run nothing else at the same time.
"""

from __future__ import annotations

import importlib
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image

from partwise.bench.models import loaded, size_name
from partwise.bench.speed import with_threads
from partwise.bench.throughput import JPEG_QUALITY
from partwise.data.given_image import as_image
from partwise.data.streets import Streets
from partwise.errors import PartwiseError, missing_extra
from partwise.methods import Method
from partwise.model_files import find_model
from partwise.model_info import ModelInfo, require_torch_model
from partwise.report.tables import Table
from partwise.report.text import table_text
from partwise.runtime.export import export_onnx, export_openvino
from partwise.segmenter import Segmenter
from partwise.training.checkpoint import load_model
from streeteval.machine import describe_machine

__all__ = ["STAGES", "bench_runtimes", "runtimes_text"]

STAGES = ("read", "resize", "network", "decode")
EXPORTS: dict[str, tuple[str, Callable[[Path, Method, ModelInfo], None]]] = {  # runtime -> ending, how it is written
    "onnxruntime": (".onnx", export_onnx),
    "openvino": (".xml", export_openvino),
}
RENDERED_SEED = 7
Progress = Callable[[str, int, int], None]


@dataclass
class _Runner:
    """A model in one runtime with a number of threads, and the seconds of each turn by stage."""

    runtime: str
    threads: int
    segment: Segmenter
    turns: list[dict[str, float]] = field(default_factory=list)
    instances: int = 0

    def run(self, photo: Path) -> dict[str, float]:
        """Predict the photo, and return the seconds of each stage."""
        with with_threads(self.threads), _watched(self.segment.method) as network:
            begin = time.perf_counter()
            image = as_image(photo)
            ready = time.perf_counter()
            found = self.segment(image)
            end = time.perf_counter()
        self.instances = len(found)
        inside = sum(after - before for before, after in network)
        seconds = (ready - begin, network[0][0] - ready, inside, end - network[0][0] - inside)
        return dict(zip(STAGES, seconds, strict=True))


@contextmanager
def _watched(method: Any) -> Iterator[list[tuple[float, float]]]:
    """Inside, the list gets the begin and the end of each call of the network, on the clock of `perf_counter`."""
    calls: list[tuple[float, float]] = []
    respond = method.respond

    def watched(*given: Any, **named: Any) -> Any:
        begin = time.perf_counter()
        outputs = respond(*given, **named)
        calls.append((begin, time.perf_counter()))
        return outputs

    method.respond = watched
    try:
        yield calls
    finally:
        del method.respond


def _runner(name: str, file: Path, threads: int) -> _Runner:
    """Load a model for a number of threads, which decides in which form it is fastest."""
    with with_threads(threads):
        return _Runner(name, threads, loaded(file, "cpu", threads))


def bench_runtimes(
    model: str | None = None,
    *,
    size: tuple[int, int] = (512, 1024),
    threads: Sequence[int] = (1, 2),
    repeats: int = 7,
    progress: Progress = lambda part, done, total: None,
) -> dict:
    """Measure a model of part maps on the processor in each runtime that is installed.

    Args:
        model: What `partwise.load` takes, but no exported file; None for the default model.
        size: (H, W) of the rendered photo in pixels.
        threads: Numbers of threads.
        repeats: Number of turns that count; the median counts. One turn before them does not count.
        progress: Called with what is being done, how much of it is done, and all of it.

    Returns:
        {"machine", "model", "size", "photo_kb", "repeats", "runtimes": [{"runtime", "version", "threads", "instances",
        "stages": {stage: ms}, "ms", "of_torch"}], "skipped": {runtime: why}} in JSON's own types. The stages are
        reading and decoding the file; resizing the photo; the network at all views; everything after it to the
        `Result`. "of_torch" is the median over the turns of the time divided by that of torch with as many threads.

    Raises:
        PartwiseError: If a number is below 1, or the model is missing, exported, or not one of part maps.
    """
    if repeats < 1 or min(threads, default=0) < 1 or min(size) < 1:
        raise PartwiseError(f"threads {list(threads)}, {repeats} repeats: give numbers from 1 on")
    path = find_model(model)
    require_torch_model(path, "cannot be exported for each runtime")
    with TemporaryDirectory(prefix="partwise-") as folder:
        progress("exporting", 0, 0)
        files, skipped = _exported(path, Path(folder))
        photo = Path(folder) / "photo.jpg"
        Image.fromarray(Streets(1, size, seed=RENDERED_SEED)[0].image_HW3).save(photo, quality=JPEG_QUALITY)
        models = {"torch": path} | files
        runners = [_runner(name, file, count) for name, file in models.items() for count in threads]
        for turn in range(repeats + 1):
            for runner in runners:
                progress("measuring", turn, repeats + 1)
                seconds = runner.run(photo)
                runner.turns += [seconds] if turn else []
        kb = photo.stat().st_size / 1000
    return {
        "machine": describe_machine(),
        "model": runners[0].segment.info.origin,
        "size": size_name(size),
        "photo_kb": round(kb, 1),
        "repeats": repeats,
        "runtimes": [_row(runner, runners) for runner in runners],
        "skipped": skipped,
    }


def _exported(path: Path, folder: Path) -> tuple[dict[str, Path], dict[str, str]]:
    """Export a model for each runtime.

    Returns:
        The file for each runtime that is installed, and for each other one what to install.
    """
    method, info = load_model(path)
    files: dict[str, Path] = {}
    skipped: dict[str, str] = {}
    for name, (ending, export) in EXPORTS.items():
        file = folder / f"model{ending}"
        try:
            export(file, method, info)
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            if (missing := missing_extra(error)) is None:
                raise
            skipped[name] = str(missing)
        else:
            files[name] = file
    return files, skipped


def _row(runner: _Runner, runners: Sequence[_Runner]) -> dict[str, Any]:
    """Summarise the turns of a runner, see `bench_runtimes`."""
    torch = next(one for one in runners if one.runtime == "torch" and one.threads == runner.threads)
    totals = [sum(seconds.values()) for seconds in runner.turns]
    ratios = [own / sum(seconds.values()) for own, seconds in zip(totals, torch.turns, strict=True)]
    ms = lambda seconds: round(1000 * statistics.median(seconds), 2)
    return {
        "runtime": runner.runtime,
        "version": importlib.import_module(runner.runtime).__version__,
        "threads": runner.threads,
        "instances": runner.instances,
        "stages": {stage: ms([seconds[stage] for seconds in runner.turns]) for stage in STAGES},
        "ms": ms(totals),
        "of_torch": round(statistics.median(ratios), 3),
    }


def runtimes_text(figures: dict) -> str:
    """Write the figures of `bench_runtimes` as a table for the terminal, with a line for each runtime left out."""
    columns = ("runtime", "threads", *(f"{stage} ms" for stage in STAGES), "total ms", "of torch")
    rows = [
        [
            row["runtime"],
            row["threads"],
            *(f"{row['stages'][stage]:.1f}" for stage in STAGES),
            f"{row['ms']:.1f}",
            f"{row['of_torch']:.2f}",
        ]
        for row in figures["runtimes"]
    ]
    left_out = [f"left out: {name}: {why}" for name, why in figures["skipped"].items()]
    return "\n".join([table_text(Table(f"a photo of {figures['size']}", columns, rows)), *left_out])
