"""YOLO data for segmentation: a text file for each image, with a line for each instance: class x y x y x y ...

Coordinates are shares of the image's width and height. Source: Ultralytics' documentation of segmentation data sets.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from PIL import Image

from partwise.class_list import BACKGROUND
from partwise.data.frame import FaultyDataError
from partwise.data.image_files import IMAGE_FORMATS
from partwise.data.orientation import orientation_in_header
from partwise.data.polygons.coco_file import AnnotatedImages, read_records
from partwise.data.polygons.dataset import AnnotatedFolder
from partwise.data.polygons.shapes import rectangle
from partwise.data.polygons.yolo_labels import label_file, stray_warnings
from partwise.data.polygons.yolo_layout import (
    YoloData,
    images_of,
    in_pixels,
    is_yolo,
    read_lines,
    read_yolo_data,
)
from partwise.data.splits import find_split, in_usual_order
from partwise.errors import PartwiseError
from streeteval.labels import LabelSet
from streeteval.reading.faults import Fault, counted

__all__ = ["YoloFolder"]

_OF_A_BOX = 4  # numbers: x y width height
_LEAST, _MOST = -0.5, 1.5  # shares of the image: beyond them a file holds pixels


class YoloFolder(AnnotatedFolder):
    """One split of YOLO data: a YAML file, or a folder with one or with images/, labels/ and classes.txt."""

    form: ClassVar[str] = "YOLO"
    options: ClassVar[frozenset[str]] = frozenset({"label_set", "outside"})

    def __init__(
        self,
        root: str | os.PathLike,
        split: str,
        *,
        label_set: LabelSet | None = None,
        outside: str = BACKGROUND,
    ):
        """Read and check all label files of a split.

        Args:
            root: The YAML file, or the folder.
            split: A key of the YAML file, or the name of a folder of images.
            label_set: See `CocoFolder`.
            outside: See `CocoFolder`.

        Raises:
            FaultyDataError: With every fault of the label files.
            PartwiseError: If there is no such split, the data describe no classes, or all labels are boxes.
        """
        data = read_yolo_data(Path(root))
        name = find_split(split, data.parts, str(root))
        super().__init__(_read(data, name), data.name, name, label_set, outside)

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """See DatasetFormat."""
        return is_yolo(root)

    @classmethod
    def splits(cls, root: Path) -> list[str]:
        """See DatasetFormat."""
        return in_usual_order(read_yolo_data(root).parts)


@dataclass
class _Labels:
    """What the label files of a split hold, as lists of a COCO file, and what is wrong with them."""

    images: list[dict[str, Any]] = field(default_factory=list)
    annotations: list[dict[str, Any]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    files: int = 0
    boxes: int = 0


def _read(data: YoloData, split: str) -> AnnotatedImages:
    found, where = images_of(data, split), str(data.where)
    images = found.images
    folder = Path(os.path.commonpath([image.parent for image in images]))
    labels = _Labels()
    for image in images:
        _add_image(labels, image, image.relative_to(folder).as_posix(), data.classes)
    if labels.faults:
        raise FaultyDataError(where, labels.faults)
    if not labels.files:
        raise PartwiseError(
            f"{where}: {split}: none of {counted(len(images), 'image')} has a label file: {images[0]} should have "
            f"{label_file(images[0])}"
        )
    if labels.boxes and labels.boxes == len(labels.annotations):
        raise PartwiseError(
            f"{where}: {split}: all labels are boxes ({labels.boxes} lines of class x y width height), which give no "
            "masks: export the data for segmentation"
        )
    warnings = list(stray_warnings(where, split, images, found.folders))
    if labels.boxes:
        what = f"{split}: {counted(labels.boxes, 'label')} of a box without a polygon"
        warnings.append(Fault(where, what, "nothing is learnt or scored in these boxes: draw polygons"))
    categories = [{"id": index, "name": name} for index, name in data.classes.items()]
    content = {"images": labels.images, "categories": categories, "annotations": labels.annotations}
    return read_records(content, where, (folder,), warnings, found.notes)


def _add_image(labels: _Labels, image: Path, name: str, classes: Mapping[int, str]) -> None:
    """Add an image with the lines of its label file; an image without one shows no object."""
    file, size = label_file(image), _upright_size(image)
    height, width = size or (None, None)
    labels.images.append({"id": name, "file_name": name, "width": width, "height": height, "upright": True})
    if not file.is_file():
        return
    labels.files += 1
    for one in read_lines(file, partial(_line, classes)):
        if isinstance(one, Fault):
            labels.faults.append(one)
        elif size is not None:  # an image that cannot be read has a fault of its own
            row = {"id": f"{name} line {one.number}", "image_id": name, "category_id": one.index}
            labels.annotations.append(row | {"segmentation": [in_pixels(one.points, size)], "ignore": int(one.is_box)})
            labels.boxes += one.is_box


def _upright_size(image: Path) -> tuple[int, int] | None:
    """(H, W) in pixels as the image is seen, from its header; None if it cannot be read."""
    try:
        with Image.open(image, formats=IMAGE_FORMATS) as opened:
            size = opened.height, opened.width
            return size[::-1] if orientation_in_header(opened) > 4 else size
    except Exception:  # of a damaged file Pillow raises nearly anything
        return None


@dataclass(frozen=True)
class _Line:
    """A line of a label file: x y x y ... as shares of the image, whether they are a box, and the class."""

    number: int
    index: int
    points: list[float]
    is_box: bool


def _in_words(indices: Iterable[int]) -> str:
    """Say which classes there are.

    >>> _in_words([0, 2, 3, 4]), _in_words([7])
    ('0, 2 to 4', '7')
    """
    spans: list[tuple[int, int]] = []
    for index in sorted(indices):
        if spans and spans[-1][1] == index - 1:
            spans[-1] = spans[-1][0], index
        else:
            spans.append((index, index))
    return ", ".join(f"{first}" if first == last else f"{first} to {last}" for first, last in spans)


def _line(classes: Mapping[int, str], number: int, words: list[str]) -> _Line:
    """Read a line. Raises ValueError (what is wrong, what to do)."""
    try:
        index, *shares = map(float, words)
    except ValueError:
        problem = f"line {number}: {' '.join(words)[:40]!r} is no list of numbers"
        raise ValueError(problem, "write class x y x y ...") from None
    if index not in classes:
        problem = f"line {number}: class {words[0]} has no name"
        raise ValueError(problem, f"give one of the classes {_in_words(classes)}, or name it in the data set")
    is_box = len(shares) == _OF_A_BOX
    if (len(shares) < 6 and not is_box) or len(shares) % 2:
        problem = f"line {number}: has {counted(len(shares), 'number')} after the class"
        raise ValueError(problem, "write x y of three points or more, in pairs")
    if outside := [share for share in shares if not _LEAST <= share <= _MOST]:
        problem = f"line {number}: coordinate {outside[0]:g} is no share of the image"
        raise ValueError(problem, "divide x by its width and y by its height")
    if is_box:
        x, y, width, height = shares
        shares = rectangle(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    return _Line(number, int(index), shares, is_box)
