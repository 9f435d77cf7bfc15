"""The description that a model file contains."""

from __future__ import annotations

from dataclasses import dataclass

from streeteval.labels import LabelSet

__all__ = ["ModelInfo"]


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
