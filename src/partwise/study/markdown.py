"""The tables of a study in Markdown, for a document that quotes them."""

from __future__ import annotations

from collections.abc import Sequence

from partwise.report.tables import Table
from partwise.study.record import Record
from partwise.study.tables import switch_tables, variant_tables, verdict_table
from partwise.study.verdicts import verdicts


def study_markdown(records: Sequence[Record]) -> str:
    """Verdicts, switches and variants, each table under its title, its note below it."""
    tables = [verdict_table(verdicts(records)), *switch_tables(records), *variant_tables(records)]
    return "\n".join(table_markdown(table) for table in tables)


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
