"""The tables of `evaluation.ceiling` and `ceiling_sweep`: what representations allow, which stage loses how much."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from partwise.report.tables import Bar, Table

STAGES_NOTE = (
    "AP % by longest side of the box in pixels. As it is: the network's own outputs. True X: with output X alone "
    "replaced by what a perfect network would say. At outlines: only within 2 px of where the true class changes. True "
    "outlines: every instance found at IoU .50 gets its true mask. All true: every output perfect, which is the "
    "ceiling. Gain: AP above the model as it is, which is what that stage loses; the gains do not add up, because one "
    "fault hides another."
)
CEILING_NOTE = "AP % by longest side of the box in pixels, with perfect outputs: what the representation allows."


def ceiling_tables(result: Mapping[str, Any]) -> list[Table]:
    """By size, a row for each of `result["rows"]`; then by class for the last row that is the ceiling.

    result   what `evaluation.ceiling.ceiling` returns
    """
    rows = result["rows"]
    sizes = list(rows[0]["by_size"])
    trained = len(rows) > 1
    first = rows[0]["ap"]
    body = []
    for row in rows:
        cells = [row["name"], Bar(row["ap"]), Bar(row["ap50"]), *(Bar(row["by_size"][size]["ap"]) for size in sizes)]
        if trained:
            gain = None if row["ap"] is None or first is None else row["ap"] - first
            cells.append("" if row is rows[0] or gain is None else f"{100 * gain:+.1f}")
        body.append(cells)
    columns = ["outputs", "AP %", "AP50 %", *(f"{size} px" for size in sizes), *(["gain"] if trained else [])]
    tables = [Table("Ceiling by size", columns, body, STAGES_NOTE if trained else CEILING_NOTE)]
    classes = list(rows[0]["per_class"])
    by_class = [[row["name"], *(Bar(row["per_class"][name]["ap"]) for name in classes)] for row in rows]
    tables.append(Table("Ceiling by class", ["outputs", *classes], by_class, "AP %."))
    return tables


SWEEP_NOTE = (
    "AP % with perfect outputs. Plain: the assembled masks alone; cut: the log-odds of the true semantic map are "
    "added, and so in the columns by longest side in px (plain where there is no cut)."
)


def sweep_tables(result: Mapping[str, Any]) -> list[Table]:
    """One table over all classes, one for cars, which is all that the report tells apart.

    result   what `evaluation.ceiling_sweep.sweep` returns
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
