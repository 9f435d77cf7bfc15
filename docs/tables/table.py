"""A table of cells, how a figure is written in a cell, and how a table is written in Markdown."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "results"
MISSING = "–"


@dataclass(frozen=True)
class File:
    """A cell that links to a JSON file of results/."""

    name: str


@dataclass(frozen=True)
class Table:
    """Headings, and rows with one cell for each heading; a cell is text or a `File`."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str | File]]


Make = Callable[[], Table]


@cache
def load(name: str) -> Any:
    """The content of results/<name>.json."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def at(data: Any, path: str) -> Any:
    """The value at a path of keys and list indices, None where one of the dicts on the way is null.

    >>> at({"sizes": [{"ms": 7}]}, "sizes/0/ms")
    7
    """
    for key in path.split("/"):
        if data is None:
            return None
        data = data[int(key)] if isinstance(data, list) else data[key]
    return data


def fraction(value: float | None) -> str:
    """Three decimals, or the sign for a missing figure.

    >>> fraction(0.22262), fraction(None)
    ('0.223', '–')
    """
    return MISSING if value is None or not math.isfinite(value) else f"{value:.3f}"


def signed(value: float) -> str:
    """Three decimals with a sign.

    >>> signed(0.0094)
    '+0.009'
    """
    return f"{value:+.3f}"


def markdown(table: Table, page: Path) -> str:
    r"""Format a table in GitHub's Markdown.

    Args:
        table: The table.
        page: The page that will contain it; links are relative to this page.

    Raises:
        ValueError: If a row has another number of cells than the table has columns.

    Example:
        >>> print(markdown(Table(("of", "px"), [["a|b", "90"]]), ROOT / "README.md"))
        | of | px |
        |---|---|
        | a\|b | 90 |
    """
    lines = [_line(table.columns, page), "|" + "---|" * len(table.columns)]
    for row in table.rows:
        if len(row) != len(table.columns):
            raise ValueError(f"{len(row)} cells under {len(table.columns)} headings: {row}")
        lines.append(_line(row, page))
    return "\n".join(lines)


def _line(cells: Sequence[str | File], page: Path) -> str:
    return "| " + " | ".join(_cell(cell, page) for cell in cells) + " |"


def _cell(cell: str | File, page: Path) -> str:
    if isinstance(cell, File):
        target = Path(os.path.relpath(RESULTS / f"{cell.name}.json", page.parent)).as_posix()
        return f"[`{cell.name}`]({target})"
    return str(cell).replace("|", "\\|")
