"""The verb that says what a model file holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from partwise.cli.app import app, keep_and_show, writes
from partwise.terminal import console
from partwise.written import DESCRIPTION


@app.command
def describe(model: str | None = None, /, *, json: Annotated[Path | None, writes(DESCRIPTION)] = None) -> None:
    """Show what a model is: its method, what it was trained on, and its classes with their ids.

    Args:
        model: A model file, a run folder, or the name of a bundled model; without it the bundled model.
        json: Where to write all of it, with the whole configuration of the method.
    """
    from partwise.model_files import find_model
    from partwise.report.description import description_text, label_set_table, model_description
    from partwise.report.text import table_text
    from partwise.training.checkpoint import read_model
    from partwise.training.config import method_from_dict, method_to_dict

    file = find_model(model)
    _, info = read_model(file)
    method = method_to_dict(method_from_dict(info.method, str(file)))  # with today's names and all defaults
    description = model_description(str(file), method, info.label_set, info.origin)
    table = label_set_table(info.label_set)
    text = f"{description_text(description)}\n\n{table.title}\n{table_text(table)}\n{table.note}".rstrip()
    keep_and_show(json, description, lambda: console.print(text, markup=False, highlight=False, soft_wrap=True))
