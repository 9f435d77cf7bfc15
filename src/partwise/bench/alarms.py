"""Count false alarms: what models show on parts of frames where the truth has no object.

A score by AP says little of them, because most frames of a data set of streets are full of objects. A part is shown to
a model as a photo of its own, and everything that `partwise predict` would show there is a false alarm.

Axes: H and W pixels.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import binomtest

from partwise.bench.models import loaded_by_name
from partwise.bench.scored_data import data_for
from partwise.bench.speed import with_threads
from partwise.data.source import DataSource
from partwise.errors import PartwiseError
from partwise.report.tables import Table
from partwise.report.text import table_text
from partwise.scene import Scene, Scenes
from partwise.segmenter import Segmenter
from partwise.selection import SHOWN_SCORE
from streeteval.machine import describe_machine
from streeteval.reading.truth import require_truth
from streeteval.scene import EvenlySpaced

__all__ = ["alarms_text", "bench_alarms", "empty_part"]

Progress = Callable[[int, int], None]
STEP_PX = 16  # between places where a part may lie
MOST_VOID = 0.05  # share of a part whose class is unknown: an object may be there


@dataclass(frozen=True, eq=False)
class Part:
    """A part of a frame without an object.

    Attributes:
        name: Of the frame.
        y: First row in pixels of the frame.
        x: First column.
        image_HW3: uint8 RGB.
    """

    name: str
    y: int
    x: int
    image_HW3: NDArray[np.uint8]


def empty_part(scene: Scene, size: tuple[int, int]) -> tuple[int, int] | None:
    """Find a part of a scene without an object: of all such parts the one that shows most classes.

    Args:
        scene: With its truth. Groups of objects and crowds count as objects.
        size: (H, W) of the part in pixels.

    Returns:
        (y, x) of its first pixel, multiples of 16 px; None if there is no such part.
    """
    height, width = size
    if height > scene.size[0] or width > scene.size[1]:
        return None
    things = {label.id for label in scene.label_set.things}
    evaluated = {label.id for label in scene.label_set.evaluated}
    objects = np.isin(scene.semantic_HW, list(things))
    unknown = ~np.isin(scene.semantic_HW, list(evaluated))
    fits = (_sums(objects, size) == 0) & (_sums(unknown, size) <= MOST_VOID * height * width)
    if not fits.any():
        return None
    classes = sum((_sums(scene.semantic_HW == id_, size) > 0).astype(np.int64) for id_ in sorted(evaluated - things))
    best = np.argmax(np.where(fits, classes, -1))
    y, x = np.unravel_index(best, fits.shape)
    return int(y) * STEP_PX, int(x) * STEP_PX


def _sums(mask_HW: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.int64]:
    """How many pixels of a mask each part holds, for parts at every `STEP_PX`-th pixel."""
    total = np.pad(mask_HW.cumsum(axis=0, dtype=np.int64).cumsum(axis=1), ((1, 0), (1, 0)))
    height, width = size
    inside = total[height:, width:] - total[:-height, width:] - total[height:, :-width] + total[:-height, :-width]
    return inside[::STEP_PX, ::STEP_PX]


def bench_alarms(
    models: Sequence[str],
    data: Path,
    split: str = "val",
    *,
    parts: int = 60,
    size: tuple[int, int] = (256, 384),
    min_score: float = SHOWN_SCORE,
    threads: int = 2,
    progress: Callable[[str, int, int], None] = lambda part, done, total: None,
) -> dict:
    """Show parts without an object to every model, and count what it shows there.

    Args:
        models: What `partwise.load` takes, also exported files.
        data: Root of the data set.
        split: Split of the data set.
        parts: Number of parts, at most one a frame, from evenly spaced frames.
        size: (H, W) of a part in pixels.
        min_score: Display threshold.
        threads: Number of threads of torch and of other runtimes.
        progress: Called with what is being done, how much of it is done, and all of it.

    Returns:
        {"machine", "data", "parts", "size", "min_score", "alarms": [{"model", "origin", "with_alarm", "share",
        "interval", "instances", "by_class", "where": [{"name", "y", "x", "found": [[class, score]]}]}]}. "interval" is
        the 95 % interval of the share of parts with an alarm (Wilson 1927).

    Raises:
        PartwiseError: If a number is out of range, no frame has such a part, two models have one name, or the models or
            the data cannot be read.
    """
    if parts < 1 or threads < 1 or not 0 <= min_score <= 1:
        raise PartwiseError(
            f"--parts {parts} --threads {threads} --min-score {min_score:g}: give parts and threads from 1 on, and a "
            "score from 0 to 1"
        )
    segmenters = loaded_by_name(models, threads)
    source = DataSource.of(data)
    for name, segment in segmenters.items():
        if not segment.method.has_instances:
            raise PartwiseError(f"{name}: a semantic model shows no instances: give a model that does")
        scenes = data_for(segment, source, split)  # what the data do not label would count as an alarm
    require_truth(scenes, f"{data}, split {split}")
    chosen = _parts_of(scenes, parts, size, functools.partial(progress, "looking for parts without an object"))
    if not chosen:
        raise PartwiseError(
            f"{data}, split {split}: no frame has a part of {size[1]}x{size[0]} px without an object: give a smaller "
            "--size"
        )
    rows = []
    with with_threads(threads):
        for name, segment in segmenters.items():
            row = _row(segment, chosen, min_score, functools.partial(progress, name))
            rows.append({"model": name, "origin": segment.info.origin} | row)
    return {
        "machine": describe_machine() | {"threads": threads, "torch": torch.__version__},
        "data": {"root": data.resolve().name, "split": split},
        "parts": len(chosen),
        "size": list(size),
        "min_score": min_score,
        "alarms": rows,
    }


def _parts_of(scenes: Scenes, count: int, size: tuple[int, int], progress: Progress) -> list[Part]:
    """One part of a frame each. Frames are read, evenly spaced ones first, until there are enough parts."""
    total = len(scenes)
    first = EvenlySpaced(scenes, count).chosen
    order = [*first, *sorted(set(range(total)).difference(first))]
    found: list[Part] = []
    for n, number in enumerate(order):
        progress(n, total)
        scene = scenes[number]
        if (place := empty_part(scene, size)) is not None:
            y, x = place
            found.append(Part(scene.name, y, x, scene.image_HW3[y : y + size[0], x : x + size[1]].copy()))
        if len(found) == count:
            break
    return found


def _row(segment: Segmenter, parts: Sequence[Part], min_score: float, progress: Progress) -> dict[str, Any]:
    """What one model shows on the parts."""
    where, by_class = [], Counter[str]()
    for n, part in enumerate(parts):
        result = segment(part.image_HW3, min_score=min_score, distinct=True)
        if len(result):
            named = [result.label_set.name_of(int(label)) for label in result.labels]
            found = [[name, round(float(score), 3)] for name, score in zip(named, result.scores, strict=True)]
            by_class.update(named)
            where.append({"name": part.name, "y": part.y, "x": part.x, "found": found})
        progress(n + 1, len(parts))
    interval = binomtest(len(where), len(parts)).proportion_ci(0.95, method="wilson")
    return {
        "with_alarm": len(where),
        "share": len(where) / len(parts),
        "interval": [round(end, 4) for end in (interval.low, interval.high)],
        "instances": by_class.total(),
        "by_class": dict(by_class),
        "where": where,
    }


def alarms_text(figures: dict) -> str:
    """Format the result: a row for each model.

    Args:
        figures: What `bench_alarms` returns.
    """
    columns = ("model", f"parts of {figures['parts']} with an alarm", "95 % interval", "instances", "classes")
    rows = [
        [
            row["model"],
            row["with_alarm"],
            f"{row['interval'][0]:.3f} to {row['interval'][1]:.3f}",
            row["instances"],
            ", ".join(f"{name} {count}" for name, count in row["by_class"].items()) or "–",
        ]
        for row in figures["alarms"]
    ]
    return table_text(Table("", columns, rows))
