"""VIA (VGG Image Annotator) 1 and 2: a project file, or annotations exported as JSON.

Source: the JSON that via.js 2.0 writes; `regions` is a list there and a dictionary in version 1.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from partwise.class_list import BACKGROUND
from partwise.data.frame import FaultyDataError
from partwise.data.polygons.coco_file import AnnotatedImages, read_records
from partwise.data.polygons.dataset import AnnotatedFolder
from partwise.data.polygons.layout import annotation_files, beginning_of, encoding_notes
from partwise.data.polygons.shapes import Records, ellipse, rectangle
from partwise.data.splits import find_split, in_usual_order
from streeteval.files import read_json
from streeteval.labels import LabelSet
from streeteval.reading.faults import Fault

__all__ = ["ViaFolder"]

# Names that people give to the attribute that holds the class; the first that is used counts.
_CLASS_ATTRIBUTES = ("class", "label", "name", "category", "type", "object")
_SIGNS = re.compile(rb'"(_via_settings|_via_img_metadata|region_attributes|shape_attributes)"|"regions"\s*:\s*[\[{]')


def looks_like_via(file: Path) -> bool:
    """Whether a file begins as VIA writes it."""
    return _SIGNS.search(beginning_of(file)) is not None


class ViaFolder(AnnotatedFolder):
    """One split of a data set that was drawn with VIA: a JSON beside the images, or one in the folder of each split."""

    form: ClassVar[str] = "VIA"
    options: ClassVar[frozenset[str]] = frozenset({"images", "label_set", "outside"})

    def __init__(
        self,
        root: str | os.PathLike,
        split: str,
        *,
        images: Path | None = None,
        label_set: LabelSet | None = None,
        outside: str = BACKGROUND,
    ):
        """Read and check the file of a split; arguments and errors are those of `CocoFolder`."""
        files = {one.split: one for one in annotation_files(Path(root), looks_like_via, images=images)}
        found = files[find_split(split, files, str(root))]
        annotated = _read(found.file, found.folders)
        super().__init__(annotated, Path(root).resolve().stem, found.split, label_set, outside)

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """See DatasetFormat."""
        if root.is_file():
            return root.suffix.lower() == ".json" and looks_like_via(root)
        return root.is_dir() and bool(annotation_files(root, looks_like_via))

    @classmethod
    def splits(cls, root: Path, images: Path | None = None) -> list[str]:
        """See DatasetFormat."""
        return in_usual_order(one.split for one in annotation_files(root, looks_like_via, images=images))


def _read(file: Path, folders: tuple[Path, ...]) -> AnnotatedImages:
    content = read_json(file)
    entries = content.get("_via_img_metadata", content) if isinstance(content, Mapping) else {}
    entries = entries.values() if isinstance(entries, Mapping) else ()
    pictures = [entry for entry in entries if isinstance(entry, Mapping) and "filename" in entry]
    attribute = _class_attribute(pictures)
    records, faults = Records(), []
    for entry in pictures:
        name = str(entry["filename"])
        records.add_image(name, None, None)
        for number, (shape, attributes) in enumerate(_regions(entry), 1):
            what = f"{name} region {number}"
            polygon = _polygon(shape)
            value = _class_name(attributes, attribute)
            if not shape:
                faults.append(Fault(str(file), f"{what} has no shape", "draw it again or remove it"))
            elif polygon is None:
                records.left_out[str(shape.get("name"))] += 1
            elif value is None:
                problem = f"{what}: its attribute {attribute!r} names no single class"
                faults.append(Fault(str(file), problem, "choose one class for the region"))
            else:
                records.add(what, name, value, [polygon])
    if faults:
        raise FaultyDataError(str(file), faults)
    notes = encoding_notes([file], str(file))
    return read_records(records.content(), str(file), folders, list(records.warnings(str(file))), notes)


def _regions(entry: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """(shape, attributes) of each region of an image; either is empty where the file is damaged."""
    regions = entry.get("regions") or []
    if isinstance(regions, Mapping):
        regions = list(regions.values())
    for region in regions if isinstance(regions, list) else [regions]:
        whole = region if isinstance(region, Mapping) else {}
        shape, attributes = whole.get("shape_attributes"), whole.get("region_attributes")
        yield shape if isinstance(shape, Mapping) else {}, attributes if isinstance(attributes, Mapping) else {}


def _class_attribute(pictures: list[Mapping[str, Any]]) -> str:
    """The attribute of the regions that holds the class; the most frequent one where none has a usual name."""
    used: Counter[str] = Counter()
    for entry in pictures:
        for _, attributes in _regions(entry):
            used.update(attributes.keys())
    usual = (name for wanted in _CLASS_ATTRIBUTES for name in used if name.lower() == wanted)
    return next(usual, used.most_common(1)[0][0] if used else _CLASS_ATTRIBUTES[0])


def _class_name(attributes: Mapping[str, Any], attribute: str) -> str | None:
    """The class of a region; a list of ticked boxes is one class if one is ticked."""
    value = attributes.get(attribute)
    if isinstance(value, Mapping):
        ticked = [name for name, is_ticked in value.items() if is_ticked]
        value = ticked[0] if len(ticked) == 1 else None
    return str(value).strip() or None if value is not None else None


def _polygon(shape: Mapping[str, Any]) -> list[float] | None:
    """Points x y x y ... of a region; None for one without an area."""
    kind = shape.get("name")
    try:
        if kind == "polygon":
            return [value for pair in zip(shape["all_points_x"], shape["all_points_y"], strict=True) for value in pair]
        if kind == "rect":
            x, y = shape["x"], shape["y"]
            return rectangle(x, y, x + shape["width"], y + shape["height"])
        if kind in ("circle", "ellipse"):
            radius_x, radius_y = shape.get("rx", shape.get("r")), shape.get("ry", shape.get("r"))
            return ellipse(shape["cx"], shape["cy"], radius_x, radius_y, float(shape.get("theta", 0.0)))
    except (KeyError, TypeError, ValueError, OverflowError):
        return []  # which is said to have too few points
    return None
