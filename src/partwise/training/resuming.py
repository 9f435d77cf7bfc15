"""Which settings of an earlier run differ, what the parts of a run must have in common, and the origin of all parts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from partwise.errors import PartwiseError
from partwise.model_info import joined_terms, told_apart
from partwise.training.checkpoint import read_info
from partwise.training.config import leaves
from partwise.training.folder import RunFolder
from partwise.training.record import differences
from streeteval.labels import LabelSet

__all__ = ["changed_settings", "continued_origin", "require_classes_of_run", "require_same_settings"]

_TRUTH = "the names of the frames, their classes or the files of their truth"


def changed_settings(before: Mapping[str, Any], now: Mapping[str, Any], apart_from: Collection[str] = ()) -> str:
    """Return in words which settings of a run changed.

    Args:
        before: What run.json holds: "recipe", "origin" and "frames"; what is missing is not compared.
        now: The same of the present run.
        apart_from: Dotted names of the fields of the recipe that may change.

    Returns:
        The changes; "" if there are none.

    >>> before = {"recipe": {"optim": {"lr": 0.1}}, "origin": {"data": "a"}, "frames": "12"}
    >>> changed_settings(before, before | {"recipe": {"optim": {"lr": 0.2}}, "origin": {"data": "b"}})
    'optim.lr 0.1 -> 0.2, data a -> b'
    """
    earlier, present = (_settings(values) for values in (before, now))
    changed = differences(earlier, {name: value for name, value in present.items() if name not in apart_from})
    same_data = earlier.get("data") == present.get("data")
    if same_data and "frames" in before and "frames" in now and before["frames"] != now["frames"]:
        changed += f"{', ' if changed else ''}{_TRUTH}"
    return changed


def _settings(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of the recipe by dotted name, and where the data and the weights come from."""
    origin = values.get("origin", {})
    return leaves(values.get("recipe", {})) | {name: origin[name] for name in ("data", "weights") if name in origin}


def require_same_settings(
    folder: RunFolder, now: Mapping[str, Any], remedy: str, apart_from: Collection[str] = ()
) -> None:
    """Check that the run in a folder was begun with the settings that would be given now.

    Args:
        folder: The folder of the run; it may not exist yet.
        now: The settings, see `changed_settings`.
        remedy: What to do if they differ.
        apart_from: Dotted names of the fields of the recipe that may differ.

    Raises:
        PartwiseError: If they differ.
    """
    if changed := changed_settings(folder.described(), now, apart_from):
        raise PartwiseError(f"{folder.path}: was trained with other settings ({changed}): {remedy}")


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
