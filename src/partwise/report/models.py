"""Show what `bench.models` measured: one table of all models, and a picture of AP against milliseconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator

from partwise.report.curves import INK, LINES
from partwise.report.tables import MISSING, Table, fraction

NOTE = (
    "AP, AP50 and PQ by the Cityscapes definitions (PQ over things and stuff), AR@100 over IoU .50 to .95, AP by "
    "longest side of the box in pixels of the truth. ms: from an image of that size to its instances, median of three "
    "calls, the mean of three rendered scenes. minutes: of the last training; the model file names the ones before it."
)


def models_table(figures: Mapping[str, Any], *, wide: bool = True) -> Table:
    """Make a table with a row for each model and each size at which it saw the images.

    A figure that a model does not have is shown as missing.

    Args:
        figures: What `bench.models.bench_models` returns.
        wide: Also show AP by size, and how each model was trained.
    """
    bins = _size_bins(figures) if wide else []
    made = ["backbone", "M parameters", "minutes", "seed"] if wide else []
    columns = ["model", *made, "size", "ms", "AP", "AP50", "AR@100", "car AP"]
    columns += [*(f"AP {name} px" for name in bins), "PQ", "IoU class"]
    rows = []
    for row in figures["models"]:
        how = [row["backbone"] or MISSING, f"{row['parameters'] / 1e6:.1f}"]
        how += [_told(row["origin"].get(key)) for key in ("minutes", "seed")]
        for size, at in row["sizes"].items():
            cells = [row["model"], *(how if wide else []), size, f"{at['ms']:.0f}"]
            cells += [fraction(at.get(key)) for key in ("ap", "ap50", "ar100")]
            cells.append(fraction((at.get("class_ap") or {}).get("car")))
            cells += [fraction((at.get("size_ap") or {}).get(name)) for name in bins]
            rows.append([*cells, fraction(at.get("pq")), fraction(at.get("iou_class"))])
    return Table("Models", columns, rows, NOTE if wide else "")


def draw_tradeoff(figures: Mapping[str, Any]) -> Figure:
    """Draw AP against milliseconds per image: a line for each model from its smallest scored size to its largest.

    Models without instances, and sizes that were not scored, are left out. The figure has no background.

    Args:
        figures: What `bench.models.bench_models` returns.
    """
    figure = Figure(figsize=(6.4, 4.0), dpi=150, layout="constrained", facecolor="none")
    axes = figure.subplots()
    axes.set_facecolor("none")
    lines: dict[str, Line2D] = {}
    for row in figures["models"]:
        points = [(at["ms"], at["ap"], size) for size, at in row["sizes"].items() if at.get("ap") is not None]
        if not points:
            continue
        colour = LINES[len(lines) % len(LINES)]
        ms, ap, sizes = zip(*points, strict=True)
        (lines[row["model"]],) = axes.plot(ms, ap, "o-", color=colour, markersize=5, linewidth=1.6)
        for x, y, size in zip(ms, ap, sizes, strict=True):
            axes.annotate(size, (x, y), (5, 5), textcoords="offset points", color=INK, fontsize=7)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))  # nine labels in a decade would overlap
    axes.xaxis.set_major_formatter("{x:g}")  # 200, not 2 x 10^2
    axes.xaxis.set_minor_formatter("")
    axes.set_ylim(bottom=0)
    axes.margins(x=0.12, y=0.12)
    machine = figures["machine"]
    axes.set_xlabel(f"ms an image ({machine['device']}, {machine['threads']} threads)", color=INK, fontsize=8)
    axes.set_title(f"AP on {figures['frames']} images", color=INK, fontsize=10, loc="left")
    axes.grid(color=INK, alpha=0.2, linewidth=0.6, which="both")
    axes.tick_params(colors=INK, labelsize=8, which="both")
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(INK)
    if lines:
        legend = axes.legend(lines.values(), lines.keys(), frameon=False, labelcolor=INK, fontsize=8)
        for text in legend.get_texts():
            text.set_parse_math(False)  # a file name may hold $
    return figure


def _size_bins(figures: Mapping[str, Any]) -> list[str]:
    """Return the names of the size bins, from the first model that has instances."""
    every = (at.get("size_ap") for row in figures["models"] for at in row["sizes"].values())
    return list(next((by_size for by_size in every if by_size), {}))


def _told(value: float | None) -> str:
    return MISSING if value is None else f"{value:g}"
