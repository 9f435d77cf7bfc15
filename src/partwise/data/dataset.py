"""What a data set is: a sequence of scenes with one label set. `open_dataset` finds out what lies at a path.

Another format is a class of this form, in `DATASETS` or announced by another package (partwise/plugins.py).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

from partwise.data.cityscapes import CityscapesFolder
from partwise.errors import PartwiseError
from partwise.labels import LabelSet
from partwise.plugins import Plugins
from partwise.scene import Scene, Scenes

__all__ = ["DATASETS", "Dataset", "DatasetFormat", "labels_of", "open_dataset"]


@runtime_checkable
class Dataset(Protocol):
    """Scenes in a fixed order, each read when it is asked for; can be pickled, for worker processes."""

    @property
    def name(self) -> str:
        """The data set and its split in a few words, such as "city/val"."""
        ...

    @property
    def label_set(self) -> LabelSet:
        """Of every scene."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, i: int) -> Scene: ...


class DatasetFormat(Dataset, Protocol):
    """How data of one format lie on a disk: a class whose instances are each one split, a `Dataset`."""

    def __init__(self, root: str | os.PathLike, split: str):
        """Open a split. Raises PartwiseError for one that is missing or cannot be used."""

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Whether what lies at `root` looks like this format; it need not be complete."""
        ...


DATASETS: Mapping[str, type[DatasetFormat]] = Plugins(
    "partwise.datasets", {"cityscapes": CityscapesFolder}, "format of data sets"
)


def open_dataset(root: str | os.PathLike, split: str) -> Dataset:
    """The split of a data set, in whichever of the known formats it is.

    Args:
        root: Of the data set. What no format recognises is read as Cityscapes, whose reader says what is missing.
        split: Such as "train".

    Raises:
        PartwiseError: If two formats recognise the path, or the split cannot be opened.
    """
    found = [name for name in DATASETS if DATASETS[name].recognises(Path(root))]
    if len(found) > 1:
        raise PartwiseError(f"{root}: looks like {' and '.join(found)}: keep one format in a folder")
    return DATASETS[found[0] if found else "cityscapes"](root, split)


def labels_of(scenes: Scenes) -> LabelSet:
    """The label set of scenes, which may be no `Dataset` but a list.

    Raises:
        PartwiseError: If there is no scene.
    """
    if isinstance(scenes, Dataset):
        return scenes.label_set
    if len(scenes) == 0:
        raise PartwiseError("no scene is given, so that the classes are unknown: give at least one")
    return scenes[0].label_set
