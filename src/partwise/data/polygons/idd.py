"""IDD (India Driving Dataset): leftImg8bit and gtFine as Cityscapes has them, with polygons in place of label maps.

leftImg8bit/<split>/<sequence>/<name>_leftImg8bit.png     (or .jpg)
gtFine/<split>/<sequence>/<name>_gtFine_polygons.json     imgWidth, imgHeight, objects: label, polygon, deleted

Each object lies over those before it; a name that ends in "group" is a group. Source: AutoNUE, public-code.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from partwise.data.frame import FaultyDataError
from partwise.data.image_files import OTHER_SUFFIXES, PHOTO_SUFFIXES
from partwise.data.label_sets import shipped_label_set
from partwise.data.polygons.coco_file import AnnotatedImages, read_records
from partwise.data.polygons.dataset import AnnotatedFolder
from partwise.data.polygons.shapes import Records, numbers_of
from partwise.data.splits import find_split, in_usual_order
from partwise.errors import PartwiseError
from streeteval.files import read_json
from streeteval.folders import is_clutter
from streeteval.labels import LabelSet
from streeteval.reading.faults import Fault, fault_of_error
from streeteval.reading.layout import has_polygons_alone

__all__ = ["IddFolder"]

_IMAGES, _TRUTH = "leftImg8bit", "gtFine"
_POLYGONS = "_gtFine_polygons.json"
_GROUP = "group"
_LEAST_NUMBERS = 6  # of a polygon with an area


class IddFolder(AnnotatedFolder):
    """One split of an IDD tree."""

    form: ClassVar[str] = "IDD polygons"
    options: ClassVar[frozenset[str]] = frozenset({"label_set"})
    in_order: ClassVar[bool] = True

    def __init__(self, root: str | os.PathLike, split: str, *, label_set: LabelSet | None = None):
        """Read and check all polygons of a split.

        Args:
            root: Holds leftImg8bit and gtFine.
            split: Such as "train".
            label_set: The classes; IDD's own without it.

        Raises:
            FaultyDataError: With every fault of the files.
            PartwiseError: If there is no such split.
        """
        name = find_split(split, self.splits(Path(root)), str(root))
        chosen = label_set or shipped_label_set("idd")
        super().__init__(_read(Path(root), name), Path(root).resolve().name, name, chosen)

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """See DatasetFormat: polygons, and no label maps, which would make it a Cityscapes tree."""
        return has_polygons_alone(root / _TRUTH)

    @classmethod
    def splits(cls, root: Path) -> list[str]:
        """See DatasetFormat."""
        folders = (path for path in (root / _TRUTH).iterdir() if path.is_dir() and not is_clutter(path.name))
        return in_usual_order(path.name for path in folders)


def _stem(file: Path) -> str:
    return file.name.removesuffix(_POLYGONS)


def _read(root: Path, split: str) -> AnnotatedImages:
    records, faults = Records(upright=False), []
    for file in sorted((root / _TRUTH / split).glob(f"*/*{_POLYGONS}")):
        try:
            content = read_json(file)
        except PartwiseError as error:
            faults.append(fault_of_error(str(file), error))
            continue
        if not isinstance(content, Mapping) or not isinstance(content.get("objects"), list):
            faults.append(Fault(str(file), "has no list 'objects'", "copy it again"))
            continue
        stem = f"{file.parent.name}/{_stem(file)}_{_IMAGES}"
        folder = root / _IMAGES / split
        ends = (end for end in (*PHOTO_SUFFIXES, *OTHER_SUFFIXES) if (folder / (stem + end)).is_file())
        image = stem + next(ends, ".png")
        records.add_image(image, content.get("imgWidth"), content.get("imgHeight"))
        faults += _add_objects(records, file, image, content["objects"])
    if faults:
        raise FaultyDataError(str(root), faults)
    where = str(root / _TRUTH / split)
    return read_records(_with_groups(records), where, (root / _IMAGES / split,), list(records.warnings(where)))


def _add_objects(records: Records, file: Path, image: str, objects: list[Any]) -> Iterator[Fault]:
    """Add the objects of an image that were not deleted; a fault for each that cannot be read."""
    for number, one in enumerate(objects, 1):
        if not isinstance(one, Mapping) or not isinstance(one.get("label"), str):
            yield Fault(str(file), f"object {number} has no label", "copy it again")
            continue
        if one.get("deleted"):
            continue
        try:
            polygon = numbers_of(one.get("polygon", []))
        except ValueError as error:
            yield Fault(str(file), f"object {number}: {error}", "copy it again")
            continue
        if len(polygon) < _LEAST_NUMBERS:  # of a published data set, that nobody can correct
            records.left_out["polygon of fewer than three points"] += 1
        else:
            records.add(f"{file.name} object {number}", image, one["label"], [polygon])


def _with_groups(records: Records) -> dict[str, Any]:
    """The content of the records, in which a class "cargroup" is a crowd of "car" where there is a class "car"."""
    known = {label.name for label in shipped_label_set("idd")}
    for row in records.annotations:
        name = row["class"]
        if name not in known and name.endswith(_GROUP) and name.removesuffix(_GROUP) in known:
            row |= {"class": name.removesuffix(_GROUP), "iscrowd": 1}
    return records.content()
