"""The description that a model file contains, and which files are exported ones."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from partwise.errors import PartwiseError
from streeteval.labels import LabelSet

__all__ = ["ModelInfo", "is_exported", "joined_terms", "require_torch_model", "told_apart"]

EXPORTED = (".onnx", ".xml")  # endings of ONNX files and of OpenVINO models

_ALSO = "; also: "  # between the terms of several models


@dataclass(frozen=True)
class ModelInfo:
    """The description that a model file contains.

    Attributes:
        method: The configuration of the method, with the method's name under "kind".
        label_set: The classes.
        origin: The recipe, the data, the weights that training started from, the number of steps, and the terms of use.
    """

    method: dict
    label_set: LabelSet
    origin: dict

    @property
    def terms(self) -> str:
        """The terms of use; "" if the file has none."""
        return str(self.origin.get("terms") or "")


def joined_terms(terms: Iterable[str]) -> str:
    """Join the terms of use of several models, whose tensors or outputs another model is made from.

    Args:
        terms: Those of each model, which may be joined already; "" for none.

    Returns:
        All that differ, each once, in the order in which they are given; "" for none.

    >>> joined_terms(["research only", "", "research only; also: CC BY 4.0"])
    'research only; also: CC BY 4.0'
    """
    return _ALSO.join(dict.fromkeys(part for one in terms for part in one.split(_ALSO) if part))


def told_apart(one: LabelSet, other: LabelSet) -> tuple[str, str]:
    """Return the evaluated classes of two label sets in words that differ wherever the classes are not the same.

    These are the names; if both have the same names, the first class that differs is described, too.
    """
    words = tuple(", ".join(label.name for label in labels.evaluated) for labels in (one, other))
    if words[0] != words[1]:
        return words[0], words[1]
    for own, others in zip(one.evaluated, other.evaluated, strict=True):
        pairs = {
            "id": (own.id, others.id),
            "id in the data": (own.file_id, others.file_id),
            "category": (own.category, others.category),
            "instances": ("yes" if own.has_instances else "no", "yes" if others.has_instances else "no"),
        }
        differing = [(what, pair) for what, pair in pairs.items() if pair[0] != pair[1]]
        if differing:
            first, second = (", ".join(f"{what} {pair[i]}" for what, pair in differing) for i in (0, 1))
            return f"{words[0]} ({own.name}: {first})", f"{words[1]} ({own.name}: {second})"
    return words[0], words[1]


def is_exported(path: str | os.PathLike) -> bool:
    """Whether a file has the ending of an exported file, in small or capital letters."""
    return Path(path).suffix.lower() in EXPORTED


def require_torch_model(path: str | os.PathLike, lacks: str) -> None:
    """Raise PartwiseError if a file is an exported one, which has no network that PyTorch can use.

    Args:
        path: Of a model.
        lacks: What such a file is not good for, such as "has no stages to measure".
    """
    if is_exported(path):
        raise PartwiseError(f"{path}: an exported file {lacks}: give the .safetensors model from which it was exported")
