"""The data of a training: a data set, and its splits to train and to validate on."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property

from partwise.data.dataset import Dataset
from partwise.data.source import DataSource
from partwise.errors import PartwiseError
from partwise.evaluation.model import require_known_classes

__all__ = ["TrainingData"]


@dataclass(frozen=True)
class TrainingData:
    """A data set and the splits to train and to validate on.

    Attributes:
        root: Root of the data set.
        split: The split to train on.
        val_split: The split that the evaluations during training use.
    """

    root: str | os.PathLike | DataSource
    split: str = "train"
    val_split: str = "val"

    @cached_property
    def source(self) -> DataSource:
        """The data set, whose opened splits are kept."""
        return DataSource.of(self.root)

    @property
    def name(self) -> str:
        """Name of the data set, the split to train on, and its number of frames, which model files store."""
        return f"{self.source.name}/{self.split} ({len(self.scenes())} frames)"

    def scenes(self) -> Dataset:
        """Open the split to train on."""
        return self.source.open(self.split)

    def validation(self) -> Dataset:
        """Open the split that the evaluations during training use, with the classes of the split to train on.

        Raises:
            PartwiseError: If it has further classes, or it is the split to train on, though another name was given.
        """
        scenes, validation = self.scenes(), self.source.open_as(self.val_split, self.scenes().label_set)
        if validation.name == scenes.name and self.split != self.val_split:
            raise PartwiseError(
                f"{self.source}: the split {self.val_split!r} is the same as {self.split!r} ({scenes.name}): "
                "split it (partwise split), or give the same name for both"
            )
        what, remedy = f"{self.source}, split {self.val_split}", "add them to what is trained on"
        require_known_classes(scenes.label_set, validation.label_set, what, remedy)
        return validation
