"""Shapes as drawing tools store them, as the polygons of a COCO annotation."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from streeteval.reading.faults import Fault, counted

__all__ = ["Records", "ellipse", "numbers_of", "rectangle"]

_CORNERS_OF_CIRCLE = 64


def numbers_of(points: Any) -> list[float]:
    """The numbers x y x y ... of a list of points [x, y].

    Raises:
        ValueError: If it is anything else.

    >>> numbers_of([[1, 2], [5, 2]])
    [1, 2, 5, 2]
    """
    if not isinstance(points, list) or not all(isinstance(point, list) and len(point) == 2 for point in points):
        raise ValueError(f"its points are {str(points)[:40]!r}, a list of points [x, y] is expected")
    return [value for point in points for value in point]


def rectangle(x0: float, y0: float, x1: float, y1: float) -> list[float]:
    """Its four corners, x y x y ..., from two opposite ones.

    >>> rectangle(1, 2, 5, 4)
    [1, 2, 5, 2, 5, 4, 1, 4]
    """
    return [x0, y0, x1, y0, x1, y1, x0, y1]


def ellipse(x: float, y: float, radius_x: float, radius_y: float, angle: float = 0.0) -> list[float]:
    """Points around an ellipse, x y x y ...; `angle` in radians, from x to y."""
    points: list[float] = []
    for number in range(_CORNERS_OF_CIRCLE):
        turn = 2 * math.pi * number / _CORNERS_OF_CIRCLE
        dx, dy = radius_x * math.cos(turn), radius_y * math.sin(turn)
        points += [x + dx * math.cos(angle) - dy * math.sin(angle), y + dx * math.sin(angle) + dy * math.cos(angle)]
    return points


@dataclass
class Records:
    """The shapes of many images as the dictionary that a COCO file holds.

    Attributes:
        images: As COCO has them; their ids are their file names.
        annotations: As COCO has them, with texts as ids and the name of the class as "class".
        left_out: Kinds of shapes without an area, such as points, and how many there were.
        upright: Whether the tool shows images as their EXIF orientation turns them.
    """

    images: list[dict[str, Any]] = field(default_factory=list)
    annotations: list[dict[str, Any]] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    upright: bool = True

    def add_image(self, file_name: str, width: Any, height: Any) -> None:
        """Add an image; its size may be None."""
        row = {"id": file_name, "file_name": file_name, "width": width, "height": height, "upright": self.upright}
        self.images.append(row)

    def add(self, name: str, image: str, class_name: str, segmentation: Any) -> None:
        """Add an annotation of an image that was added."""
        row = {"id": name, "image_id": image, "class": class_name, "segmentation": segmentation}
        self.annotations.append(row)

    def content(self, names: Sequence[str] | None = None) -> dict[str, Any]:
        """The whole dictionary.

        Args:
            names: Of all classes, in the order of their ids from 1 on; those of the annotations, sorted, without it.
        """
        known = sorted({row["class"] for row in self.annotations}) if names is None else list(names)
        ids = {name: number for number, name in enumerate(known, 1)}
        categories = [{"id": number, "name": name} for name, number in ids.items()]
        annotations = [row | {"category_id": ids[row["class"]]} for row in self.annotations]
        return {"images": self.images, "categories": categories, "annotations": annotations}

    def warnings(self, where: str) -> Iterable[Fault]:
        """What was left out."""
        for kind, count in self.left_out.items():
            yield Fault(where, f"{counted(count, 'shape')} of the kind {kind!r} without an area", "left out")
