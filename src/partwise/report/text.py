"""Tables for the terminal and in Markdown: the scores of an evaluation, and the result of a check of a data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from partwise.data.check import SIZE_BINS, CheckReport
from partwise.report.tables import NO_IIOU_NOTE, Table, evaluation_tables
from streeteval.reading.faults import SHOWN_OF_A_KIND, Fault, counted, listed
from streeteval.tables import aligned

__all__ = ["check_text", "evaluation_text", "faults_text", "table_markdown", "table_text"]


def evaluation_text(evaluation: Mapping[str, Any]) -> str:
    """Format the tables of `evaluation_tables` as text, with the number of images and the time.

    Args:
        evaluation: What `compute` of the evaluator returns.
    """
    blocks = []
    for table in evaluation_tables(evaluation):
        blocks.append(table_text(table) + (f"\n{NO_IIOU_NOTE}" if NO_IIOU_NOTE in table.note else ""))
    seconds = evaluation.get("seconds")
    blocks.append(f"{evaluation.get('images', 0)} images" + (f" in {seconds:.1f} s" if seconds is not None else ""))
    return "\n\n".join(blocks)


def table_text(table: Table) -> str:
    """Format a table with aligned columns: the first is aligned left, the others right.

    Example:
        >>> print(table_text(Table("Sides", ("of", "px"), [["door", 90], ["car", 420]])))
        of     px
        door   90
        car   420
    """
    return aligned([list(table.columns), *table.rows])


def table_markdown(table: Table) -> str:
    r"""Format a table in GitHub's Markdown.

    Example:
        >>> print(table_markdown(Table("Sides", ("of", "px"), [["a|b", 90]], "In pixels.")))
        **Sides**
        <BLANKLINE>
        | of | px |
        |---|---|
        | a\|b | 90 |
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
    """Format the result of a check: number of frames, sizes of the instances, faults and warnings.

    Args:
        report: What `data.check.check` returns.
    """
    blocks = []
    for split, counts in report.splits.items():
        sizes = ", ".join(f"{count} of {size}" for size, count in counts.image_sizes.items())
        blocks.append(f"{split}: {counted(counts.frames, 'frame')} without fault" + (f" ({sizes})" if sizes else ""))
        rows = [
            [name, count.instances, *(count.sizes[bin_] for bin_ in SIZE_BINS), count.tiny_instances]
            for name, count in counts.classes.items()
            if count.instances
        ]
        if rows:
            blocks.append(aligned([["longest side in px", "all", *SIZE_BINS, "below 100 px of area"], *rows]))
    blocks += [faults_text("fault", report.faults), faults_text("warning", report.warnings)]
    return "\n\n".join(block for block in blocks if block)


def faults_text(what: str, faults: Sequence[Fault], shown: int = SHOWN_OF_A_KIND) -> str:
    """Format the number of faults, and some of each kind.

    Args:
        what: "fault" or "warning".
        faults: The faults; none gives such as "no faults".
        shown: Largest number of faults of one kind to show.

    Example:
        >>> print(faults_text("fault", [Fault("a.png", "is cut", "copy it again")]))
        1 fault:
          a.png: is cut: copy it again
    """
    if not faults:
        return f"no {what}s"
    lines = listed(faults, shown)
    all_of_them = [] if len(lines) == len(faults) else ["--json FILE lists all of them"]
    return "\n".join([f"{counted(len(faults), what)}:", *(f"  {line}" for line in [*lines, *all_of_them])])
