"""What a model file says of itself, in words and as a table of its classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from partwise.report.tables import MISSING, Table, fraction
from streeteval.labels import Label, LabelSet

__all__ = ["description_text", "label_set_table", "measured_table", "model_description"]


def model_description(
    file: str,
    method: Mapping[str, Any],
    label_set: LabelSet,
    origin: Mapping[str, Any],
    measured: Mapping[str, Any] | None = None,
) -> dict:
    """Everything as plain values that JSON can hold.

    Args:
        file: The model file.
        method: Its configuration, with the method's name under "kind".
        label_set: Its classes.
        origin: Recipe, data, weights it started from, steps, terms.
        measured: What was measured when it was quantised, see `measured_table`.
    """
    described = {"model": file, "method": dict(method), "label_set": label_set.to_dict(), "origin": dict(origin)}
    return described | ({"measured": dict(measured)} if measured else {})


def description_text(description: Mapping[str, Any]) -> str:
    """The same in a few lines, without the classes."""
    origin = {key: value for key, value in description["origin"].items() if not isinstance(value, dict | list)}
    of_mean = description["origin"].get("mean_of", [])
    method = description["method"]
    lines = [f"model: {description['model']}", f"method: {method.get('kind')}, backbone {method.get('backbone')}"]
    models = [", ".join(f"{name} {value}" for name, value in one.items()) for one in of_mean]
    means = [f"mean of: {'; '.join(models)}"] if models else []
    return "\n".join([*lines, *(f"{key}: {value}" for key, value in origin.items()), *means])


def label_set_table(label_set: LabelSet) -> Table:
    """A row for each class of a label set."""
    columns = ["class", "id", "id in the data", "network", "category", "kind", "colour", "mean px", "also"]
    rows = [
        [
            label.name,
            label.id,
            label.file_id,
            label.train_id if label.evaluated else MISSING,
            label.category,
            _kind(label),
            "#" + bytes(label.colour).hex(),
            MISSING if label.mean_instance_px is None else f"{label.mean_instance_px:.0f}",
            ", ".join(map(str, label.sources)),
        ]
        for label in label_set
    ]
    note = f"pixels in no instance: {label_set.outside}" if label_set.outside else ""
    if any(label.mean_instance_px is None for label in label_set.things):
        absent = "no iIoU: the mean size of an instance is not known for every class"
        note = f"{note}\n{absent}".strip()
    return Table(f"Label set {label_set.name}", columns, rows, note)


def measured_table(measured: Mapping[str, Any]) -> Table:
    """A row for fp32 and one for int8.

    Args:
        measured: What `runtime.quantise.export_int8` returns.
    """
    scores, times = ("ap", "ap50", "iou_class"), ("ms", "network_ms", "mb")
    rows = [
        [name, *(fraction(measured[name][key]) for key in scores), *(f"{measured[name][key]:.1f}" for key in times)]
        for name in ("fp32", "int8")
    ]
    title = f"{measured['frames']} frames of {measured['data']}, on {measured['processor']}"
    share = measured["int8"]["ms"] / measured["fp32"]["ms"]
    note = f"weights of {measured['weight_bits']} bits; int8 takes {share:.2f} of the time of fp32" + (
        ": it is slower on this machine" if share > 1 else ""
    )
    return Table(title, ("network", "AP", "AP50", "IoU class", "ms", "network ms", "MB"), rows, note)


def _kind(label: Label) -> str:
    if not label.evaluated:
        return "ignored"
    return "instances" if label.has_instances else "region"
