"""The tables of `evaluation.ceiling`: what a representation allows, and what each stage loses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from partwise.report.tables import Bar, Table

STAGES_NOTE = (
    "AP % by longest side of the box in pixels. As it is: the network's own outputs. True X: output X alone is "
    "replaced by the output of a perfect network. At outlines: only within 2 px of where the true class changes. True "
    "outlines: every instance found at IoU .50 gets its true mask. All true: every output is perfect, which gives the "
    "ceiling. Gain: AP above the model as it is, which this stage loses; the gains do not add up, because one fault "
    "hides another."
)
CEILING_NOTE = "AP % by longest side of the box in pixels, with perfect outputs: the most that the method can reach."


def ceiling_tables(result: Mapping[str, Any]) -> list[Table]:
    """Make two tables: AP by size and AP by class, each with a row for each of `result["rows"]`.

    Args:
        result: What `evaluation.ceiling.ceiling` returns.
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
