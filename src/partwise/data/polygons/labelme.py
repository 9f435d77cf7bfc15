"""labelme: a JSON for each image, beside it.

Source: the JSON that labelme 4 and 5 write: `shapes` with label, points, group_id, shape_type and, for "mask", a PNG.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from partwise.class_list import BACKGROUND
from partwise.data.frame import FaultyDataError
from partwise.data.polygons.coco_file import AnnotatedImages, read_records
from partwise.data.polygons.dataset import AnnotatedFolder
from partwise.data.polygons.layout import beginning_of, encoding_notes
from partwise.data.polygons.shapes import Records, ellipse, numbers_of, rectangle
from partwise.data.splits import find_split, in_usual_order
from partwise.errors import PartwiseError
from streeteval.files import read_json
from streeteval.folders import is_clutter
from streeteval.labels import LabelSet
from streeteval.reading.faults import Fault, fault_of_error
from streeteval.reading.id_files import decode_ids
from streeteval.rle import column_runs

__all__ = ["LabelmeFolder"]

_SHAPES = re.compile(rb'"shapes"\s*:\s*\[')
_LOOKED_AT = 12  # files of a folder: the first may be empty
_WITHOUT_AREA = ("point", "points", "line", "linestrip")


class LabelmeFolder(AnnotatedFolder):
    """One split of a data set that was drawn with labelme: a folder of JSON files, or one for each split."""

    form: ClassVar[str] = "labelme"
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
        """Read and check all files of a split.

        Args:
            root: A folder of JSON files, or of such folders.
            split: The name of such a folder; if the files lie in `root` itself, any.
            images: See `CocoFolder`.
            label_set: See `CocoFolder`.
            outside: See `CocoFolder`.

        Raises:
            FaultyDataError: With every fault of the files.
            PartwiseError: If there is no such split.
        """
        folders = _folders(Path(root))
        name = find_split(split, folders, str(root))
        super().__init__(_read(folders[name], images), Path(root).resolve().name, name, label_set, outside)

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """See DatasetFormat."""
        return root.is_dir() and bool(_folders(root))

    @classmethod
    def splits(cls, root: Path, images: Path | None = None) -> list[str]:
        """See DatasetFormat."""
        return in_usual_order(_folders(root))


def _folders(root: Path) -> dict[str, Path]:
    """The folders with files of labelme, by split."""
    inside = {"all": root} | {path.name: path for path in sorted(root.iterdir()) if path.is_dir()}
    return {name: path for name, path in inside.items() if not is_clutter(path.name) and _is_labelme(path)}


def _is_labelme(folder: Path) -> bool:
    try:
        files = [path for path in sorted(folder.glob("*.json")) if not is_clutter(path.name)]
    except OSError:
        return False
    starts = (start for file in files[:_LOOKED_AT] if (start := beginning_of(file)))
    return _has_shapes(next(starts, b""))


def _has_shapes(start: bytes) -> bool:
    """Whether a file begins as labelme's; older versions write the image, which may be long, before the shapes."""
    return _SHAPES.search(start) is not None or (b'"imageData"' in start and b'"images"' not in start)


def _read(folder: Path, images: Path | None) -> AnnotatedImages:
    records, faults = Records(), []
    files: dict[str, Path] = {}  # of each image
    for file in sorted(folder.glob("*.json")):
        if is_clutter(file.name):
            continue
        try:
            content = read_json(file)
        except PartwiseError as error:
            faults.append(fault_of_error(str(file), error))
            continue
        content = content if isinstance(content, Mapping) else {}
        if not isinstance(content.get("shapes"), list) or not content.get("imagePath"):
            faults.append(Fault(str(file), "has no shapes or no imagePath", "it is no file of labelme: move it away"))
            continue
        image = str(content["imagePath"]).replace("\\", "/")
        if (other := files.setdefault(image, file)) is not file:
            problem = f"its imagePath {image} is also that of {other.name}"
            faults.append(Fault(str(file), problem, "correct one of them, or remove it"))
            continue
        records.add_image(image, content.get("imageWidth"), content.get("imageHeight"))
        faults += _add_shapes(records, file, image, content)
    if faults:
        raise FaultyDataError(str(folder), faults)
    places = (folder,) if images is None else (images,)
    notes = encoding_notes(list(files.values()), str(folder))
    return read_records(records.content(), str(folder), places, list(records.warnings(str(folder))), notes)


def _add_shapes(records: Records, file: Path, image: str, content: Mapping[str, Any]) -> Iterator[Fault]:
    """Add the shapes of an image; those of one label and group_id are one instance, as labelme's converters read them.

    Yields:
        A fault for each shape that cannot be read.
    """
    groups: dict[tuple[str, bool, Any], tuple[str, list[Any]]] = {}  # name and shapes of an instance
    for number, shape in enumerate(content["shapes"], 1):
        try:
            label, kind = str(shape["label"]), shape.get("shape_type") or "polygon"
            name = f"{file.name} shape {number}"
            if kind in _WITHOUT_AREA:
                records.left_out[kind] += 1
            else:
                alone = shape.get("group_id") is None
                key = label, alone, number if alone else shape["group_id"]
                drawn = _mask(shape, content) if kind == "mask" else [_polygon(shape, kind)]
                groups.setdefault(key, (name, []))[1].append(drawn)
        except (KeyError, TypeError, ValueError, OverflowError, PartwiseError) as error:
            yield Fault(str(file), f"shape {number} cannot be read ({error})", "draw it again or remove it")
    for (label, *_), (name, shapes) in groups.items():
        records.add(name, image, label, _joined(shapes))


def _joined(shapes: list[Any]) -> Any:
    """The polygons of an instance as one list; with masks among them a tuple, see `TableBuilder.add`."""
    if any(isinstance(shape, Mapping) for shape in shapes):
        return tuple(shapes)
    return [polygon for shape in shapes for polygon in shape]


def _polygon(shape: Mapping[str, Any], kind: str) -> list[float]:
    numbers = numbers_of(shape["points"])
    if kind == "rectangle" and len(numbers) == 4:  # two opposite corners; some tools write all four
        return rectangle(*numbers)
    if kind == "circle":
        x, y, edge_x, edge_y = numbers
        radius = float(np.hypot(edge_x - x, edge_y - y))
        return ellipse(x, y, radius, radius)
    return numbers


def _mask(shape: Mapping[str, Any], content: Mapping[str, Any]) -> dict[str, Any]:
    """An RLE of a shape of kind "mask": a PNG of its box."""
    x, y, *_ = numbers_of(shape["points"])
    size = int(content["imageHeight"]), int(content["imageWidth"])
    crop = decode_ids(base64.b64decode(shape["mask"]), "its mask") != 0
    height, width = size
    crop = crop[: height - int(y), : width - int(x)]
    return {"size": list(size), "counts": column_runs(crop, (int(x), int(y)), size).tolist()}
