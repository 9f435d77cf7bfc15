"""Write a page about a run: one HTML file that contains everything."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from PIL import Image

from partwise.errors import PartwiseError
from partwise.files import atomic_write
from partwise.report.curves import Metrics, draw_curves, read_metrics
from partwise.report.tables import Bar, Table, evaluation_tables

__all__ = ["JPEG_QUALITY", "Picture", "Section", "write_report"]

JPEG_QUALITY = 88
Picture = tuple[str, "np.ndarray | Figure"]


@dataclass(frozen=True)
class Section:
    """A part of a page with a heading.

    Attributes:
        title: The heading.
        text: Paragraphs.
        tables: Tables after the paragraphs.
        pictures: Pairs (caption, picture) after the tables.
    """

    title: str
    text: Sequence[str] = ()
    tables: Sequence[Table] = ()
    pictures: Sequence[Picture] = ()


@dataclass(frozen=True)
class _Embedded:
    """A picture as the page contains it.

    Attributes:
        caption: The caption.
        uri: Data URI of the picture.
        width_px: Width on the page in pixels.
        plain: Whether it has no background, so that it is readable on light and dark pages.
    """

    caption: str
    uri: str
    width_px: int
    plain: bool


def write_report(
    path: str | os.PathLike,
    *,
    title: str,
    summary: Mapping[str, Any],
    lead: str = "",
    caveats: Sequence[str] = (),
    metrics: str | os.PathLike | Metrics | None = None,
    evaluation: Mapping[str, Any] | None = None,
    comparisons: Sequence[Picture] = (),
    predictions: Sequence[Picture] = (),
    figures: Sequence[Picture] = (),
    tables: Sequence[Table] = (),
    sections: Sequence[Section] = (),
) -> Path:
    """Write one HTML file that needs no other file, no script and no network.

    The file is written completely or not at all. Arguments that are not given have no section. A picture is
    (H, W, 3) uint8 RGB (embedded as JPEG) or a matplotlib Figure (embedded as PNG, drawn with Agg).

    Args:
        path: The file to write.
        title: Title of the page.
        summary: What was trained and how, in order: {"recipe": ..., "seed": ..., "minutes": ..., ...}.
        lead: A sentence below the title.
        caveats: What a reader must know before quoting a figure; shown before the figures.
        metrics: A metrics.jsonl, or what `read_metrics` returned; drawn as curves.
        evaluation: What `compute` of the evaluator returned; shown as tables with definitions below them.
        comparisons: Pairs (caption, picture) of photo, truth and prediction.
        predictions: Pairs (caption, picture) of scenes that the training did not use.
        figures: Further pairs (caption, picture).
        tables: Further tables.
        sections: Parts with headings of their own; shown after the summary.

    Returns:
        The path.

    Raises:
        PartwiseError: If the file cannot be written, or a picture has another form.
    """
    curves = []
    if metrics is not None:
        metrics = metrics if isinstance(metrics, Metrics) else read_metrics(metrics)
        if len(metrics.steps) or metrics.evaluations:
            curves = [_embedded("Thin: each logged value; thick: running mean.", draw_curves(metrics))]
    page = _template().render(
        title=title,
        lead=lead,
        summary={name: _shown(value) for name, value in summary.items() if value is not None},
        caveats=list(caveats),
        headline=_headline(evaluation or {}),
        curves=curves,
        evaluation_tables=evaluation_tables(evaluation or {}),
        comparisons=[_embedded(*picture) for picture in comparisons],
        predictions=[_embedded(*picture) for picture in predictions],
        figures=[_embedded(*picture) for picture in figures],
        tables=list(tables),
        sections=[(section, [_embedded(*picture) for picture in section.pictures]) for section in sections],
    )
    with atomic_write(path, "w") as file:
        file.write(page)
    return Path(path)


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("partwise.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["shown"] = _shown
    environment.tests["bar"] = lambda cell: isinstance(cell, Bar)
    environment.tests["figure"] = lambda cell: isinstance(cell, Bar | int | float)
    return environment.get_template("report.html")


def _headline(evaluation: Mapping[str, Any]) -> list[tuple[str, Bar]]:
    """Return the scores that are shown in large type, without those that have no value."""
    instance, semantic = evaluation.get("instance") or {}, evaluation.get("semantic") or {}
    car = (instance.get("per_class") or {}).get("car") or {}
    chosen = [
        ("AP", instance.get("ap")),
        ("AP50", instance.get("ap50")),
        ("car AP", car.get("ap")),
        ("IoU class", semantic.get("iou_class")),
        ("IoU category", semantic.get("iou_category")),
    ]
    return [(name, Bar(value)) for name, value in chosen if Bar(value).percent is not None]


def _embedded(caption: str, picture: np.ndarray | Figure) -> _Embedded:
    """Encode a picture as a data URI."""
    buffer = io.BytesIO()
    if isinstance(picture, Figure):
        picture.savefig(buffer, format="png", facecolor=picture.get_facecolor())
        width_px = round(picture.get_figwidth() * picture.dpi / 1.5)
        plain = to_rgba(picture.get_facecolor())[3] == 0
        return _Embedded(caption, _data_uri("png", buffer.getvalue()), width_px, plain)
    picture = np.asarray(picture)
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise PartwiseError(
            f"report: the picture {caption!r} is {picture.dtype} {picture.shape}: give uint8 (H, W, 3) or a Figure"
        )
    Image.fromarray(picture).save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0, optimize=True)
    return _Embedded(caption, _data_uri("jpeg", buffer.getvalue()), picture.shape[1], False)


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _shown(value: Any) -> str:
    """Format a value of the summary or a table: 4 significant digits, thousands separated by commas."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float | np.floating):
        return f"{value:,.0f}" if abs(float(value)) >= 1000 else f"{value:.4g}"
    if isinstance(value, int | np.integer):
        return f"{value:,}" if abs(int(value)) >= 10_000 else str(value)
    if isinstance(value, list | tuple):
        return ", ".join(map(_shown, value))
    return str(value)
