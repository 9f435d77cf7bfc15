"""The tables of the ceilings side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from partwise.report.tables import Bar, Table

SWEEP_NOTE = (
    "AP % with perfect outputs. Plain: the assembled masks alone; cut: the log-odds of the true semantic map are "
    "added, and so in the columns by longest side in px (plain where there is no cut)."
)


def sweep_tables(result: Mapping[str, Any]) -> list[Table]:
    """One table over all classes, one for cars, which is all that the report tells apart.

    result   what `partwise_report.ceilings.sweep` returns
    """
    return [
        _sweep_table(result, "Ceilings, all classes", "ap", "by_size", skip_cars_alone=True),
        _sweep_table(result, "Ceilings, cars", "car", "car_by_size", skip_cars_alone=False),
    ]


def _sweep_table(result: Mapping[str, Any], title: str, key: str, by_size: str, skip_cars_alone: bool) -> Table:
    body, sizes = [], []
    for row in result["rows"]:
        if skip_cars_alone and row["cut"] is None:
            continue
        best = row["cut"] or row["plain"]
        sizes = list(best[by_size])
        cut = Bar(row["cut"][key] if row["cut"] else None)
        scores = [Bar(row["plain"][key]), cut, *(Bar(best[by_size][size]) for size in sizes)]
        body.append([f"{row['group']}: {row['name']}", *scores])
    columns = ["setting", "plain", "cut", *(f"{size} px" for size in sizes)]
    return Table(title, columns, body, SWEEP_NOTE)
