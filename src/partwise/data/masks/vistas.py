"""Mapillary Vistas, versions 1 and 2.

config.json, config_v1.2.json or config_v2.0.json       its classes: name, readable, color, instances, evaluate
training/images/<name>.jpg                              also validation/
training/v2.0/instances/<name>.png                      16 bit, class * 256 + number; v1.2/ or no folder for version 1

The class is the place in the list `labels` of the configuration. Every pixel of a class with instances belongs to one,
and numbers begin at 0. Source: demo.py of the data set.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from partwise.class_list import ClassEntry, label_set_of_classes
from partwise.data.masks.folder import (
    MaskFolder,
    MaskFrame,
    RawTruth,
    frames_of,
    images_in,
    read_id_map,
    splits_with,
)
from partwise.errors import PartwiseError
from streeteval.files import read_json
from streeteval.labels import LabelSet
from streeteval.reading.faults import Fault

__all__ = ["VistasFolder"]

_FACTOR = 256
_VERSIONS = ("v2.0", "v1.2", "")  # folders of the truth, the one that is read first
_SPLITS = ("training", "validation", "testing")


class VistasFolder(MaskFolder):
    """One split of Mapillary Vistas; of several versions of the truth the newest that is there."""

    form: ClassVar[str] = "Mapillary Vistas"

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """See DatasetFormat."""
        return any((root / split / "images").is_dir() for split in _SPLITS) and bool(list(root.glob("config*.json")))

    @classmethod
    def splits(cls, root: Path) -> list[str]:
        """See DatasetFormat: every split that has truth."""
        return splits_with(root, _SPLITS, f"{_version(root)}/instances")

    @classmethod
    def own_label_set(cls, root: Path) -> LabelSet:
        """The classes of the configuration.

        Raises:
            PartwiseError: If it is missing or cannot be read.
        """
        version = _version(root)
        names = (f"config_{version}.json", "config.json") if version else ("config.json", "config_v1.1.json")
        file = next((root / name for name in names if (root / name).is_file()), root / names[0])
        try:
            rows = read_json(file)["labels"]
            entries = [_entry(number, row) for number, row in enumerate(rows)]
        except (ValueError, OverflowError, KeyError, TypeError) as error:
            raise PartwiseError(f"{file}: no list of classes can be read from it ({error!r}): copy it again") from None
        return label_set_of_classes(f"vistas_{version}" if version else "vistas", _distinct(entries), "ignored")

    @classmethod
    def find_frames(cls, root: Path, split: str) -> tuple[list[MaskFrame], list[Fault]]:
        """See MaskFolder."""
        place = root / split
        return frames_of(images_in(place / "images"), [(place / _version(root) / "instances", ".png")])

    def read_truth(self, frame: MaskFrame) -> RawTruth:
        """See MaskFolder."""
        values_HW = read_id_map(frame.truth[0])
        return RawTruth(values_HW // _FACTOR, values_HW + 1)


def _version(root: Path) -> str:
    present = (one for one in _VERSIONS if any((root / split / one / "instances").is_dir() for split in _SPLITS))
    return next(present, "")


def _entry(number: int, row: Mapping[str, Any]) -> ClassEntry:
    """A class; its category is the first part of a name such as object--vehicle--car, but for the last."""
    name = str(row["name"])
    red, green, blue = row["color"]
    ignored = not row.get("evaluate", True)
    return ClassEntry(
        str(row.get("readable") or name),
        number,
        "void" if ignored else name.rpartition("--")[0] or name,
        has_instances=bool(row["instances"]),
        colour=(int(red), int(green), int(blue)),
        ignored=ignored,
        sources=(name,),
    )


def _distinct(entries: list[ClassEntry]) -> list[ClassEntry]:
    """The same with long names where the readable ones are not unique."""
    names = [entry.name for entry in entries]
    return [
        replace(entry, name=str(entry.sources[0]), sources=()) if names.count(entry.name) > 1 else entry
        for entry in entries
    ]
