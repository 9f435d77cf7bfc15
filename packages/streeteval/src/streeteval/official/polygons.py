"""Draw the polygons of an annotation as maps of ids, as preparation/json2labelImg.py and json2instanceImg.py do.

Each object lies on those before it in the file. A polygon is filled by Pillow, border included, as in the official
scripts, so that every pixel is the same.

Axes: H W image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image, ImageDraw

from streeteval.errors import InputError
from streeteval.files import atomic_write, read_json
from streeteval.official.labels import Label, labels, name2label
from streeteval.reading.id_files import encode_png

__all__ = [
    "Annotation",
    "Drawn",
    "Encoding",
    "createInstanceImage",
    "createLabelImage",
    "instance_ids_of",
    "json2instanceImg",
    "json2labelImg",
    "label_ids_of",
    "read_annotation",
]

Encoding = Literal["ids", "trainIds"]
_GROUP = "group"


@dataclass(frozen=True)
class Drawn:
    """One object of an annotation.

    Attributes:
        label: Its class, or that with "group" behind it.
        polygon: Its corners (x, y) in pixels.
        deleted: Whether it is not drawn.
    """

    label: str
    polygon: list[tuple[float, float]]
    deleted: bool = False


@dataclass(frozen=True)
class Annotation:
    """The annotation of one image, from a *_polygons.json.

    Attributes:
        imgWidth: Width of the image in pixels.
        imgHeight: Its height.
        objects: Its objects, from the back to the front.
        path: The file, for errors.
    """

    imgWidth: int
    imgHeight: int
    objects: list[Drawn]
    path: str = "the annotation"


def read_annotation(path: str | Path) -> Annotation:
    """Read a *_polygons.json.

    Raises:
        InputError: If the file is missing, or is no annotation.
    """
    held = read_json(path)
    try:
        objects = [
            Drawn(str(one["label"]), [(x, y) for x, y, *_ in one["polygon"]], bool(one.get("deleted", 0)))
            for one in held["objects"]
        ]
        return Annotation(int(held["imgWidth"]), int(held["imgHeight"]), objects, str(path))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path}: no annotation of Cityscapes ({error!r}): give a *_polygons.json") from None


def _known(annotation: Annotation) -> Iterator[tuple[Drawn, Label, bool]]:
    """Yield the objects that are not deleted, each with its class and whether it is a group.

    Raises:
        InputError: If there is no such class.
    """
    for one in annotation.objects:
        if one.deleted:
            continue
        group = one.label not in name2label and one.label.endswith(_GROUP)
        name = one.label.removesuffix(_GROUP) if group else one.label
        if name not in name2label:
            raise InputError(f"{annotation.path}: Label '{name}' not known: give a class of Cityscapes")
        yield one, name2label[name], group


def _drawn(
    annotation: Annotation, background: Any, mode: str, values: Iterator[tuple[Drawn, Any]], **how: Any
) -> Image.Image:
    """Draw objects with their values one after the other."""
    image = Image.new(mode, (annotation.imgWidth, annotation.imgHeight), background)
    drawer = ImageDraw.Draw(image)
    for one, value in values:
        try:
            drawer.polygon(one.polygon, fill=value, **how)
        except (TypeError, ValueError) as error:
            raise InputError(
                f"{annotation.path}: a polygon of {one.label} with {len(one.polygon)} corners cannot be drawn "
                f"({error}): give two corners (x, y) or more"
            ) from None
    return image


def createLabelImage(annotation: Annotation, encoding: str, outline: Any = None) -> Image.Image:
    """Draw the classes of an annotation.

    Args:
        annotation: The annotation.
        encoding: "ids", "trainIds", or "color" for RGBA.
        outline: Colour of the outlines; None for that of the class.

    Raises:
        InputError: If the encoding or a class is unknown, or a polygon has too few corners.
    """
    take = {"ids": lambda x: x.id, "trainIds": lambda x: x.trainId, "color": lambda x: x.color}.get(encoding)
    if take is None:
        raise InputError(f"Unknown encoding {encoding!r}: give ids, trainIds or color")
    values = ((one, take(label)) for one, label, _ in _known(annotation) if label.id >= 0)
    mode = "RGBA" if encoding == "color" else "L"
    return _drawn(annotation, take(labels[0]), mode, values, **({"outline": outline} if outline else {}))


def createInstanceImage(annotation: Annotation, encoding: str) -> Image.Image:
    """Draw the instances of an annotation in an image of mode "I": id * 1000 + number, or the bare id.

    Args:
        annotation: The annotation.
        encoding: "ids" or "trainIds".

    Raises:
        InputError: If the encoding or a class is unknown, or a polygon has too few corners.
    """
    takes: dict[str, Callable[[Label], int]] = {"ids": lambda x: x.id, "trainIds": lambda x: x.trainId}
    if encoding not in takes:
        raise InputError(f"Unknown encoding {encoding!r}: give ids or trainIds")
    return _drawn(annotation, takes[encoding](labels[0]), "I", _instance_values(annotation, takes[encoding]))


def _instance_values(annotation: Annotation, take: Callable[[Label], int]) -> Iterator[tuple[Drawn, int]]:
    """Yield the objects that are drawn with their values."""
    seen: dict[str, int] = {}
    for one, label, group in _known(annotation):
        value = take(label)
        if label.hasInstances and not group and value != 255:
            value = value * 1000 + seen.get(label.name, 0)
            seen[label.name] = seen.get(label.name, 0) + 1
        if value >= 0:
            yield one, value


def label_ids_of(annotation: Annotation, encoding: Encoding = "ids") -> np.ndarray:
    """Return the map of classes, (H, W) uint8."""
    return np.asarray(createLabelImage(annotation, encoding))


def instance_ids_of(annotation: Annotation, encoding: Encoding = "ids") -> np.ndarray:
    """Return the map of instances, (H, W) int32."""
    return np.asarray(createInstanceImage(annotation, encoding)).astype(np.int32)


def json2labelImg(inJson: str, outImg: str, encoding: str = "ids") -> None:
    """Draw the classes of a *_polygons.json into a PNG; the arguments are those of `createLabelImage`."""
    image = createLabelImage(read_annotation(inJson), encoding)
    with atomic_write(outImg) as file:
        image.save(file, format="PNG")


def json2instanceImg(inJson: str, outImg: str, encoding: Encoding = "ids") -> None:
    """Draw the instances of a *_polygons.json into a PNG of 16 bits."""
    ids_HW = instance_ids_of(read_annotation(inJson), encoding)
    with atomic_write(outImg) as file:
        file.write(encode_png(ids_HW))
