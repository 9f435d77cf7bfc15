"""The rows of a COCO file: those that are complete, their flags and ids, and annotations as a table takes them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from partwise.data.polygons.classes import Category
from partwise.data.polygons.shapes import rectangle
from partwise.data.polygons.table import AnnotationTable, TableBuilder
from partwise.data.polygons.values import FLAG_REMEDY, flag, identifier, whole_number
from streeteval.reading.faults import Fault

__all__ = ["NOT_CROWDS", "ONE_ID", "add_annotations", "complete_rows", "ids_beside", "row_flag", "whole_faults"]

ONE_ID = "give each an id of its own"
NOT_CROWDS = "set iscrowd to 0 where each is one object (CVAT and supervision write 1 for masks)"


def complete_rows(rows: list, kind: str, keys: Sequence[str], where: str, faults: list[Fault]) -> Iterator[Mapping]:
    """The rows that are dictionaries with all of `keys`; a fault for each other one."""
    for number, row in enumerate(rows):
        absent = [key for key in keys if not isinstance(row, Mapping) or key not in row]
        if absent:
            named = f"{kind} {row['id']!r}" if isinstance(row, Mapping) and "id" in row else f"{kind} number {number}"
            faults.append(Fault(where, f"{named} has no {' and no '.join(absent)}", "add it or remove the entry"))
        else:
            yield row


def row_flag(row: Mapping, key: str, what: str, where: str, faults: list[Fault], *, missing: bool = False) -> bool:
    """The flag `key` of a row; one that is none is added to `faults`."""
    try:
        return flag(row.get(key), missing)
    except ValueError as error:
        faults.append(Fault(where, f"{what}: {key} {error}", FLAG_REMEDY))
        return missing


def ids_beside(rows: list, known: Collection[Any]) -> set[str]:
    """The ids of some rows that are none of the known ones, as text."""
    ids = {_as_text(row["id"]) for row in rows if isinstance(row, Mapping) and "id" in row}
    return ids - set(map(_as_text, known))


def _as_text(id_: Any) -> str:
    value = identifier(id_)
    return str(id_ if value is None else value)


def add_annotations(
    builder: TableBuilder,
    rows: list,
    categories: set[int],
    places: Mapping[int | str, int],
    unusable: tuple[set[str], set[str]],
) -> int:
    """Give every annotation to the builder; a fault for each that cannot be used.

    A box without a mask becomes an ignored region: where its object ends in it is not known.

    Args:
        builder: Of the table.
        rows: The annotations.
        categories: Ids of the categories.
        places: Of the images, by their ids.
        unusable: Ids of images and of categories that have a fault, so that their annotations need none.

    Returns:
        The number of boxes without a mask.
    """
    names: set[int | str] = set()
    boxes = 0
    for number, row in enumerate(
        complete_rows(rows, "annotation", ("image_id", "category_id"), builder.where, builder.faults)
    ):
        if _as_text(row["image_id"]) in unusable[0] or _as_text(row["category_id"]) in unusable[1]:
            continue
        given = f"number {number}" if row.get("id") is None else row["id"]
        name, image, category = identifier(given), identifier(row["image_id"]), whole_number(row["category_id"])
        if name is None or image is None or category is None:
            problem = f"image_id {row['image_id']!r}, category_id {row['category_id']!r}: an id of the wrong type"
            remedy = "ids are whole numbers; those of images and annotations may be texts"
            builder.fault(str(given), None, problem, remedy)
            continue
        place = places.get(image)
        if name in names:
            builder.fault(name, place, "this annotation id is there twice", ONE_ID)
        names.add(name)
        if place is None:
            builder.fault(name, None, f"image_id {image!r} is not among the images", "add the image, or remove it")
            continue
        if category not in categories:
            remedy = "add the category, or correct the id"
            builder.fault(name, place, f"category_id {category} is not among the categories", remedy)
            continue
        what = f"annotation {name!r} of image {builder.image_names[place]}"
        crowd, ignored = (row_flag(row, key, what, builder.where, builder.faults) for key in ("iscrowd", "ignore"))
        if row.get("segmentation") or not row.get("bbox"):
            builder.add(name, place, category, row.get("segmentation"), crowd=crowd, ignored=ignored)
        elif (outline := _outline(row["bbox"])) is None:
            problem = f"it has no mask, and its box {str(row['bbox'])[:40]} is no list [x, y, width, height]"
            builder.fault(name, place, problem, "draw its outline, correct the box or remove it")
        else:
            boxes += 1
            builder.add(name, place, category, [outline], crowd=False, ignored=True)
    return boxes


def _outline(box: Any) -> list[float] | None:
    """The corners of a box [x, y, width, height] in pixels, as a polygon; None if it is none."""
    if not isinstance(box, list) or len(box) != 4 or not all(type(one) in (int, float) for one in box):
        return None
    x, y, width, height = box
    return rectangle(x, y, x + width, y + height) if width >= 0 and height >= 0 else None


def whole_faults(where: str, table: AnnotationTable, categories: Sequence[Category], boxes: int) -> list[Fault]:
    """What is wrong with the annotations as a whole, of which `boxes` are boxes without a mask."""
    things = [one.id for one in categories if one.is_thing]
    told_apart_N = np.isin(table.categories_N, things) & ~table.crowd_N & ~table.ignored_N
    if not things:
        return [Fault(where, "no category has instances (isthing is 0 for all)", "set isthing of some to 1")]
    if len(table) and not told_apart_N.any():
        if boxes == len(table):
            problem = f"all annotations are boxes without a mask ({boxes})"
            return [Fault(where, problem, "boxes give no masks: export the data for segmentation")]
        crowds, ignored = int(table.crowd_N.sum()), int(table.ignored_N.sum())
        problem = f"no annotation is an instance ({crowds} are crowds, {ignored} are ignored)"
        return [Fault(where, problem, f"draw single objects, or {NOT_CROWDS}" if crowds else "draw single objects")]
    return []
