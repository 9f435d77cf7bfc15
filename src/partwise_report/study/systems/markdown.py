"""The tables of a study in Markdown, for a document that quotes them."""

from __future__ import annotations

from collections.abc import Sequence

from partwise.report.text import table_markdown
from partwise_report.study.systems.record import Record
from partwise_report.study.systems.tables import switch_tables, variant_tables, verdict_table
from partwise_report.study.systems.verdicts import verdicts


def study_markdown(records: Sequence[Record]) -> str:
    """Verdicts, switches and variants, each table under its title, its note below it."""
    tables = [verdict_table(verdicts(records)), *switch_tables(records), *variant_tables(records)]
    return "\n".join(table_markdown(table) for table in tables)
