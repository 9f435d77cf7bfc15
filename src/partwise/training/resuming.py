"""What the parts of an interrupted run must have in common, and what the model files say of all parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from partwise.errors import PartwiseError
from partwise.model_info import joined_terms, told_apart
from partwise.training.checkpoint import read_info
from partwise.training.folder import RunFolder
from streeteval.labels import LabelSet

__all__ = ["continued_origin", "require_classes_of_run"]


def continued_origin(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """Return the origin of a resumed run, which names all data and teachers, and has the terms of use of all parts.

    Args:
        before: The origin that the state holds, see `ModelInfo`.
        now: The origin of the part that begins.

    >>> continued_origin({"data": "a", "seed": 1, "weights": "random"}, {"data": "b", "seed": 2, "teacher": "t"})
    {'data': 'a, then b', 'seed': 1, 'weights': 'random', 'teacher': 't'}
    """
    origin = dict(before)
    for what in ("data", "teacher"):
        earlier, name = str(before.get(what) or ""), str(now.get(what) or "")
        if name and name != earlier and not earlier.endswith(f", then {name}"):
            origin[what] = f"{earlier}, then {name}" if earlier else name
    terms = joined_terms(str(one.get("terms") or "") for one in (before, now))
    return origin | ({"terms": terms} if terms else {})


def require_classes_of_run(folder: RunFolder, state: Mapping[str, Any], label_set: LabelSet) -> None:
    """Check that a run goes on with the classes that it was trained on: its outputs have their order.

    Args:
        folder: The folder of the run.
        state: Its state. One of an earlier version holds no classes; those of the newest model file are compared then.
        label_set: The classes of the data.

    Raises:
        PartwiseError: If they are others, or have another order.
    """
    if "label_set" in state:
        trained = LabelSet.from_dict(state["label_set"], str(folder.state))
    elif folder.last.is_file():
        trained = read_info(folder.last).label_set
    else:
        return
    if not trained.same_classes(label_set):
        own, others = told_apart(trained, label_set)
        raise PartwiseError(
            f"{folder.path}: it was trained on the classes {own}, the data have {others}: start another run with "
            f"--weights {folder.path} (and --map where names differ)"
        )
