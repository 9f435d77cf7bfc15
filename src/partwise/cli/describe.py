"""The verb that says what a model file holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from partwise.cli.app import app, keep_and_show, writes
from partwise.terminal import console
from partwise.written import DESCRIPTION

if TYPE_CHECKING:
    from partwise.model_info import ModelInfo


@app.command
def describe(model: str | None = None, /, *, json: Annotated[Path | None, writes(DESCRIPTION)] = None) -> None:
    """Show what a model is: its method, what it was trained on, and its classes with their ids.

    Args:
        model: A model file, a run folder, or the name of a model; the default model without it.
        json: File for all of it, with the whole configuration of the method.
    """
    from partwise.model_files import find_model
    from partwise.report.description import description_text, label_set_table, measured_table, model_description
    from partwise.report.text import table_text

    file = find_model(model)
    info, measured = _info(file)
    description = model_description(str(file), info.method, info.label_set, info.origin, measured)
    tables = [label_set_table(info.label_set), *([measured_table(measured)] if measured else [])]
    shown = [f"{table.title}\n{table_text(table)}\n{table.note}".rstrip() for table in tables]
    text = "\n\n".join([description_text(description), *shown])
    keep_and_show(json, description, lambda: console.print(text, markup=False, highlight=False, soft_wrap=True))


def _info(file: Path) -> tuple[ModelInfo, Mapping[str, Any]]:
    """Read the description of a model of any form, and what was measured when it was quantised."""
    from partwise.model_info import is_exported
    from partwise.runtime.opened import open_exported

    if is_exported(file):
        opened = open_exported(file, "cpu")
        return opened.info, opened.measured
    from partwise.training.checkpoint import read_info
    from partwise.training.config import method_from_dict, method_to_dict

    info = read_info(file)
    # with today's names and all defaults
    return replace(info, method=method_to_dict(method_from_dict(info.method, str(file)))), {}
