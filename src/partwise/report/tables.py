"""Tables for a page, and the tables of an evaluation with the definitions of their figures."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = [
    "COCO_NOTE",
    "INSTANCE_NOTE",
    "MISSING",
    "MISSING_NOTE",
    "NO_IIOU_NOTE",
    "SEMANTIC_NOTE",
    "Bar",
    "Table",
    "evaluation_tables",
    "fraction",
    "interval_text",
    "number",
]

MISSING = "–"

IOU_NOTE = (
    "IoU = TP / (TP + FP + FN), in pixels summed over all images, the mean over the classes; pixels of void are left "
    "out."
)
NO_IIOU_NOTE = "iIoU is absent: it needs the mean size of an instance of each class, which the label set does not give."
SEMANTIC_NOTE = (
    f"{IOU_NOTE} iIoU: the same for classes with instances, each true pixel weighted by the mean size of an instance "
    "of its class divided by the size of its own instance, so that small ones count as much as large ones. By "
    "category: after classes are merged into categories. Source: Cityscapes, pixel-level semantic labelling task."
)
INSTANCE_NOTE = (
    "AP: area under the curve of precision over recall, the mean over the overlaps IoU .50, .55, ..., .95 at which a "
    "prediction counts as found, then over the classes; each true instance is found at most once. AP50: at IoU .50 "
    "alone. Instances below 100 pixels are left out. Source: Cityscapes, instance-level semantic labelling task."
)
COCO_NOTE = (
    "COCO AP: precision at 101 recalls, the mean over IoU .50, .55, ..., .95, then over the classes; at most 100 "
    "predictions an image count, crowds are ignored. Annotations are the truth as they are, also where they overlap. "
    "Source: pycocotools."
)
MISSING_NOTE = f"{MISSING}: not defined here, because the data has no such class or the model does not predict it."


@dataclass(frozen=True)
class Bar:
    """A fraction that is shown as a percentage with a bar.

    Attributes:
        value: A fraction 0..1; None or NaN is shown as missing.
    """

    value: float | None

    @property
    def percent(self) -> float | None:
        """The value as 0..100; None if it is missing."""
        if self.value is None or not math.isfinite(self.value):
            return None
        return 100 * float(self.value)

    def __str__(self) -> str:
        return MISSING if self.percent is None else f"{self.percent:.1f}"


@dataclass(frozen=True)
class Table:
    """A table of a page.

    Attributes:
        title: Title of the table.
        columns: Headings of the columns.
        rows: Each row has a cell (text, number or Bar) for each column.
        note: Text below the table.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    note: str = ""


def fraction(value: float | None) -> str:
    """Format a fraction with three decimals; None and NaN are shown as missing."""
    return MISSING if value is None or not math.isfinite(value) else f"{value:.3f}"


def evaluation_tables(evaluation: Mapping[str, Any]) -> list[Table]:
    """Make the tables of an evaluation: scores of instances and of pixels, also by class, then those of other metrics.

    Args:
        evaluation: What `compute` of the evaluator returns: {"semantic": {iou_class, iiou_class, iou_category,
            iiou_category, per_class: {name: {iou, iiou}}}, "instance": {ap, ap50, per_class: {name: {ap, ap50}}}}, with
            fractions or None; and for each metric that "settings" names a mapping of numbers, or of further mappings.
            Missing parts are skipped.
    """
    tables = []
    instance, semantic = evaluation.get("instance"), evaluation.get("semantic")
    if instance:
        rows = [["all classes", Bar(instance.get("ap")), Bar(instance.get("ap50"))]]
        rows += _per_class(instance, ("ap", "ap50"))
        tables.append(Table("Instances", ("class", "AP %", "AP50 %"), rows, _note(INSTANCE_NOTE, rows)))
    if coco := evaluation.get("coco"):
        rows = [["all classes", Bar(coco["ap"]), Bar(coco["ap50"])]]
        rows += [[name, Bar(value), MISSING] for name, value in coco["per_class"].items()]
        tables.append(Table("COCO", ("class", "COCO AP %", "COCO AP50 %"), rows, _note(COCO_NOTE, rows)))
    if semantic:
        tables.append(_pixel_table(semantic))
    names = (evaluation.get("settings") or {}).get("metrics", ())
    return tables + [_table_of_metric(name, evaluation) for name in names]


def _pixel_table(semantic: Mapping[str, Any]) -> Table:
    """IoU, and iIoU where the label set has what it needs."""
    rows = [
        ["mean over classes", Bar(semantic.get("iou_class")), Bar(semantic.get("iiou_class"))],
        ["mean over categories", Bar(semantic.get("iou_category")), Bar(semantic.get("iiou_category"))],
    ]
    rows += _per_class(semantic, ("iou", "iiou"))
    if all(str(row[2]) == MISSING for row in rows):
        return Table("Pixels", ("class", "IoU %"), [row[:2] for row in rows], f"{IOU_NOTE} {NO_IIOU_NOTE}")
    return Table("Pixels", ("class", "IoU %", "iIoU %"), rows, _note(SEMANTIC_NOTE, rows))


def _table_of_metric(name: str, evaluation: Mapping[str, Any]) -> Table:
    """Make the table of a metric of another package: its figures, each with its interval if there is one."""
    intervals, figures = evaluation.get("intervals") or {}, evaluation.get(name) or {"nothing to score": None}
    rows = [
        [figure, number(value), interval_text(intervals.get(f"{name}.{figure}"), number)]
        for figure, value in _leaves(figures)
    ]
    return Table(name, (name, "value", "95 % interval"), rows, _note("", rows).strip())


def _leaves(figures: Mapping[str, Any], place: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted name and the value of everything in nested mappings."""
    for key, value in figures.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{place}{key}.")
        else:
            yield f"{place}{key}", value


def number(value: Any) -> str:
    """Format a number with four digits; text does not change, and None is shown as missing."""
    if value is None:
        return MISSING
    return f"{value:.4g}" if isinstance(value, int | float) else str(value)


def interval_text(ends: Sequence[float | None] | None, form: Callable[[float], str]) -> str:
    """Format an interval, such as "0.1 to 0.2".

    Args:
        ends: Lower and upper bound; None for no interval, which gives "".
        form: Formats a bound.
    """
    return "" if ends is None else " to ".join(MISSING if end is None else form(end) for end in ends)


def _per_class(part: Mapping[str, Any], keys: Sequence[str]) -> list[list[Any]]:
    return [[name, *(Bar(scores.get(key)) for key in keys)] for name, scores in (part.get("per_class") or {}).items()]


def _note(note: str, rows: Sequence[Sequence[Any]]) -> str:
    return f"{note} {MISSING_NOTE}" if any(str(cell) == MISSING for row in rows for cell in row) else note
