"""What a model must be to be measured, and the data that it is measured on, with its classes."""

from __future__ import annotations

import os

from partwise.data.dataset import Dataset
from partwise.data.source import DataSource
from partwise.evaluation.model import require_same_classes
from partwise.model_files import find_model
from partwise.model_info import require_torch_model
from partwise.segmenter import Segmenter

__all__ = ["data_for", "require_network"]


def data_for(segment: Segmenter, data: str | os.PathLike | DataSource, split: str) -> Dataset:
    """Open a split for a model, so that classes are those of the same names, whatever ids the data give them.

    Args:
        segment: The model.
        data: Root of the data set, or the data set: then several models with the same classes share one reading.
        split: Split of the data set.

    Raises:
        PartwiseError: If the split cannot be read, or its classes are not those of the model.
    """
    scenes = DataSource.of(data).open_as(split, segment.method.label_set)
    require_same_classes(segment.method, scenes.label_set, f"{data}, split {split}")
    return scenes


def require_network(model: str | None) -> None:
    """Raise PartwiseError if a model is an exported file, whose network cannot be taken apart."""
    require_torch_model(find_model(model), "has a network that cannot be taken apart")
