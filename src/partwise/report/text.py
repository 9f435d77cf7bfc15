"""Tables for the terminal and in Markdown: the figures of an evaluation, and what a check of a data set found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from partwise.data.check import SIZE_BINS, CheckReport
from partwise.data.faults import Fault
from partwise.report.tables import Table, evaluation_tables

SHOWN_FAULTS = 20  # of one kind; all of them are in the JSON file


def evaluation_text(evaluation: Mapping[str, Any]) -> str:
    """The tables of `evaluation_tables` as lines of text, then how many images in what time."""
    blocks = [table_text(table) for table in evaluation_tables(evaluation)]
    seconds = evaluation.get("seconds")
    blocks.append(f"{evaluation.get('images', 0)} images" + (f" in {seconds:.1f} s" if seconds is not None else ""))
    return "\n\n".join(blocks)


def table_text(table: Table) -> str:
    """A table with aligned columns: the first to the left, the others to the right.

    >>> print(table_text(Table("Sides", ("of", "px"), [["door", 90], ["car", 420]])))
    of     px
    door   90
    car   420
    """
    return _aligned([list(table.columns), *table.rows])


def table_markdown(table: Table) -> str:
    """A table in GitHub's Markdown.

    >>> print(table_markdown(Table("Sides", ("of", "px"), [["a|b", 90]], "In pixels.")))
    **Sides**
    <BLANKLINE>
    | of | px |
    |---|---|
    | a\\|b | 90 |
    <BLANKLINE>
    In pixels.
    <BLANKLINE>
    """
    rows = [table.columns, ["---"] * len(table.columns), *table.rows]
    lines = ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in rows]
    lines[1] = "|" + "---|" * len(table.columns)
    title = [f"**{table.title}**", ""] if table.title else []
    note = ["", table.note] if table.note else []
    return "\n".join([*title, *lines, *note, ""])


def check_text(report: CheckReport) -> str:
    """What a person wants to know of a check: the frames, the sizes of the instances, faults and warnings."""
    blocks = []
    for split, counts in report.splits.items():
        sizes = ", ".join(f"{count} of {size}" for size, count in counts.image_sizes.items())
        blocks.append(f"{split}: {counts.frames} frames without fault" + (f" ({sizes})" if sizes else ""))
        rows = [
            [name, count.instances, *(count.sizes[bin_] for bin_ in SIZE_BINS), count.tiny_instances]
            for name, count in counts.classes.items()
            if count.instances
        ]
        if rows:
            blocks.append(_aligned([["longest side in px", "all", *SIZE_BINS, "below 100 px of area"], *rows]))
    blocks += [_listed("faults", report.faults), _listed("warnings", report.warnings)]
    return "\n\n".join(block for block in blocks if block)


def _listed(what: str, faults: Sequence[Fault]) -> str:
    if not faults:
        return f"no {what}"
    lines = [f"{len(faults)} {what}:", *(f"  {fault}" for fault in faults[:SHOWN_FAULTS])]
    if len(faults) > SHOWN_FAULTS:
        lines.append(f"  and {len(faults) - SHOWN_FAULTS} more: --json FILE writes all of them")
    return "\n".join(lines)


def _aligned(rows: Sequence[Sequence[Any]]) -> str:
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in texts) for i in range(len(texts[0]))]
    lines = []
    for row in texts:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
