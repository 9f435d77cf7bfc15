"""A data set as a user names it: a path, and what cannot be found out from it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from partwise.data.dataset import Dataset, find_format, form_name, known_options, open_dataset, splits_of, survey_of
from partwise.data.frame import Survey
from partwise.data.splits import find_split
from partwise.errors import PartwiseError
from partwise.label_file import read_label_file
from streeteval.files import expanded
from streeteval.labels import LabelSet

__all__ = ["DataSource"]


@dataclass(frozen=True)
class DataSource:
    """A data set as a user names it; `open` reads one of its splits.

    Args:
        data: Root of the data set; its format is found out. See docs/data.md.
        annotations: A COCO file, if it is not in one of the usual places.
        images: The folder of its images, if they are not found.
        labels: A TOML or JSON file with the classes: their names, colours, which have instances, and which names in the
            data they stand for. Without it they are those of the data.
        outside: If the data have instances only: pixels in no instance are a class of their own (background), or
            their class is unknown (ignored).
    """

    data: Path | None = None
    annotations: Path | None = None
    images: Path | None = None
    labels: Path | None = None
    outside: Literal["background", "ignored"] | None = None

    def __post_init__(self) -> None:
        opened: dict[tuple[str, LabelSet | None], Dataset] = {}
        object.__setattr__(self, "_opened", opened)  # no field: it is no option of the command line

    @classmethod
    def of(cls, data: str | os.PathLike | DataSource) -> DataSource:
        """A path as a DataSource; what is one already, as it is."""
        return data if isinstance(data, DataSource) else cls(expanded(data))

    @property
    def root(self) -> Path:
        """The path that names the data set.

        Raises:
            PartwiseError: If none is given.
        """
        root = self.data if self.data is not None else self.annotations
        if root is None:
            raise PartwiseError("no data set is given: give --data ROOT, or --annotations FILE --images FOLDER")
        return root

    @property
    def is_given(self) -> bool:
        """Whether a data set is named at all."""
        return self.data is not None or self.annotations is not None

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.root.resolve().name

    @property
    def form(self) -> str:
        """What people call the format of the data."""
        return form_name(find_format(self.root, self._options()))

    def __str__(self) -> str:
        return str(self.root)

    def open(self, split: str, label_set: LabelSet | None = None) -> Dataset:
        """A split; opened again, the same one is given back.

        Args:
            split: Such as "train".
            label_set: The classes to read it with, such as those of a model or of another split.

        Raises:
            PartwiseError: If it cannot be opened.
        """
        given = self._labels()
        key = split, label_set
        opened: dict = self.__dict__["_opened"]
        if key not in opened:
            opened[key] = open_dataset(self.root, split, label_set=label_set or given, **self._options())
        return opened[key]

    def open_as(self, split: str, label_set: LabelSet) -> Dataset:
        """A split with the classes of a model, or of another split, where these include its own.

        Args:
            split: Such as "val".
            label_set: The classes to read it with.

        Returns:
            The split with `label_set` if each of its classes is one of these; else with its own classes.

        Raises:
            PartwiseError: If it cannot be opened.
        """
        own = self.open(split)
        if own.label_set == label_set or not getattr(own, "classes_by_name", False):
            return own
        if own.label_set.same_classes(label_set) or not label_set.lacking(own.label_set):
            return self.open(split, label_set)
        return own

    def find_split(self, split: str) -> str:
        """The split that is meant by a name, such as "valid" by "val".

        Raises:
            PartwiseError: If none can be meant.
        """
        known = self.splits()
        return find_split(split, known, str(self)) if known else split

    def survey(self, split: str) -> Survey:
        """A split with everything that is wrong with it.

        Raises:
            PartwiseError: If it cannot be opened at all.
        """
        form = find_format(self.root, self._options())
        own = getattr(form, "survey", None)
        if own is not None:
            options = {"label_set": self._labels(), **self._options()}
            return own(self.root, split, **known_options(form, options, self.root))
        return survey_of(self.open(split), f"{self.root}, split {split}")

    def splits(self) -> list[str]:
        """The names of all splits; empty where the format does not say."""
        return splits_of(self.root, annotations=self.annotations, images=self.images)

    def _labels(self) -> LabelSet | None:
        """The classes of the label file, if one is given."""
        if self.labels is None:
            return None
        if self.outside is not None:
            raise PartwiseError(
                f"{self.labels} and outside={self.outside}: the label file says what is outside: give one"
            )
        return read_label_file(self.labels)

    def _options(self) -> dict[str, object]:
        return {"annotations": self.annotations, "images": self.images, "outside": self.outside}
