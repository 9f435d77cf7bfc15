"""One COCO file: its images, categories and annotations, and everything that is wrong with them in one pass."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from partwise.data.frame import raise_faults
from partwise.data.polygons.classes import Category
from partwise.data.polygons.coco_rows import (
    NOT_CROWDS,
    ONE_ID,
    add_annotations,
    complete_rows,
    ids_beside,
    row_flag,
    whole_faults,
)
from partwise.data.polygons.images import ImageEntry, ListedImage, located
from partwise.data.polygons.layout import encoding_notes
from partwise.data.polygons.table import AnnotationTable, TableBuilder
from partwise.data.polygons.values import identifier, whole_number
from partwise.errors import PartwiseError
from streeteval.files import read_json
from streeteval.reading.faults import Fault, counted

__all__ = ["AnnotatedImages", "categories_of", "images_of", "lists_of", "read_coco", "read_records"]

_LARGEST_ID = (1 << 63) - 1
_SHOWN_CLASSES = 5


@dataclass(frozen=True, eq=False)
class AnnotatedImages:
    """What an annotation file says, checked.

    Attributes:
        where: The file.
        images: In the order of their names.
        categories: In the order of the file.
        table: The annotations.
        warnings: What is odd, for a person to judge.
        notes: How the file was understood where it says something else than the disk. Only `partwise check` lists them.
    """

    where: str
    images: tuple[ImageEntry, ...]
    categories: tuple[Category, ...]
    table: AnnotationTable
    warnings: tuple[Fault, ...]
    notes: tuple[Fault, ...] = ()

    @property
    def used(self) -> set[int]:
        """Ids of the categories that some annotation has."""
        return set(np.unique(self.table.categories_N).tolist())


def read_coco(file: Path, folders: Sequence[Path]) -> AnnotatedImages:
    """Read and check a COCO file.

    Args:
        file: The JSON.
        folders: That the images' paths may be relative to, the most likely one first.

    Returns:
        Its content.

    Raises:
        FaultyDataError: With every fault of the file.
        PartwiseError: If it is no JSON, or no COCO file.
    """
    annotated = read_records(read_json(file), str(file), folders, notes=encoding_notes([file], str(file)))
    return replace(annotated, warnings=(*_crowd_warnings(annotated), *annotated.warnings))


def read_records(
    content: Any, where: str, folders: Sequence[Path], warnings: Sequence[Fault] = (), notes: Sequence[Fault] = ()
) -> AnnotatedImages:
    """The same from the dictionary that a COCO file holds; see `read_coco`.

    Args:
        content: With images, categories and annotations. Annotation ids may be texts.
        where: Names it in faults.
        folders: See `read_coco`.
        warnings: What was odd so far.
        notes: See `AnnotatedImages`; those so far.

    Returns:
        The content, checked.

    Raises:
        FaultyDataError: With every fault.
        PartwiseError: If one of the three lists is missing.
    """
    image_rows, category_rows, annotation_rows = lists_of(content, where)
    faults: list[Fault] = []
    categories = categories_of(category_rows, where, faults)
    listed = images_of(image_rows, where, faults)
    found = located(listed, folders, where)
    faults += found.faults
    order = sorted(range(len(found.entries)), key=lambda i: found.entries[i].name)
    images = tuple(found.entries[i] for i in order)
    rank = {old: new for new, old in enumerate(order)}
    places = {id_: rank[place] for id_, place in found.places.items()}
    known = {one.id for one in categories}
    unusable = ids_beside(image_rows, places), ids_beside(category_rows, known)  # which have a fault already
    builder = TableBuilder(where, [one.size for one in images], [one.name for one in images])
    boxes = add_annotations(builder, annotation_rows, known, places, unusable)
    raise_faults(where, faults + builder.faults)
    table = builder.table()
    raise_faults(where, whole_faults(where, table, categories, boxes))
    odd = (*warnings, *_box_warnings(where, boxes), *_double_warnings(images, where), *builder.warnings)
    return AnnotatedImages(where, images, tuple(categories), table, odd, (*notes, *found.notes))


def lists_of(content: Any, where: str) -> tuple[list, list, list]:
    """The lists images, categories and annotations of what a COCO file holds.

    Raises:
        PartwiseError: If one of them is missing.
    """
    lists = []
    for key in ("images", "categories", "annotations"):
        rows = content.get(key) if isinstance(content, Mapping) else None
        if not isinstance(rows, list):
            raise PartwiseError(
                f"{where}: no list {key!r} in it: give a COCO file with images, categories, annotations"
            )
        lists.append(rows)
    return lists[0], lists[1], lists[2]


def categories_of(rows: list, where: str, faults: list[Fault]) -> list[Category]:
    """The categories that a file lists; what is wrong with them is added to `faults`."""
    found: list[Category] = []
    names: dict[str, int] = {}
    ids: set[int] = set()
    for row in complete_rows(rows, "category", ("id", "name"), where, faults):
        id_, name = whole_number(row["id"]), str(row["name"])
        if id_ is None or abs(id_) > _LARGEST_ID:
            problem = f"category {name!r}: its id {row['id']!r} is no whole number of 64 bits"
            faults.append(Fault(where, problem, "give it one"))
            continue
        if id_ in ids:
            faults.append(Fault(where, f"category id {id_} is there twice", ONE_ID, id_))
        if name in names:
            what = f"category name {name!r} is there twice (ids {names[name]} and {id_})"
            faults.append(Fault(where, what, "join the two, or rename one", id_))
        ids.add(id_)
        names[name] = id_
        is_thing = row_flag(row, "isthing", f"category {name!r}", where, faults, missing=True)
        found.append(Category(id_, name, str(row.get("supercategory") or ""), is_thing, _colour(row.get("color"))))
    if not rows:
        faults.append(Fault(where, "it has no category", "add the classes to categories"))
    return found


def images_of(rows: list, where: str, faults: list[Fault]) -> list[ListedImage]:
    """The images that a file lists; what is wrong with them is added to `faults`."""
    found: dict[int | str, ListedImage] = {}
    for row in complete_rows(rows, "image", ("id", "file_name"), where, faults):
        id_, width, height = identifier(row["id"]), row.get("width"), row.get("height")
        if id_ is None:
            faults.append(Fault(where, f"image id {row['id']!r} is neither a whole number nor a text", ONE_ID))
        elif id_ in found:
            what = f"image id {id_!r} is there twice ({found[id_].file_name} and {row['file_name']})"
            faults.append(Fault(where, what, ONE_ID))
        else:
            size = (int(height), int(width)) if _is_length(height) and _is_length(width) else None
            upright = None
            if row.get("upright") is not None:
                upright = row_flag(row, "upright", f"image {id_!r}", where, faults)
            found[id_] = ListedImage(id_, str(row["file_name"]), size, upright)
    if not rows:
        faults.append(Fault(where, "it has no image", "export it again with its images"))
    return list(found.values())


def _colour(value: Any) -> tuple[int, int, int] | None:
    """A colour as panoptic files have it, [0, 0, 142]; None for anything else."""
    if isinstance(value, list) and len(value) == 3 and all(type(one) is int and 0 <= one <= 255 for one in value):
        return value[0], value[1], value[2]
    return None


def _is_length(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and 1 <= value < math.inf


def _crowd_warnings(annotated: AnnotatedImages) -> Iterator[Fault]:
    """One line for all crowds of a file: some tools write single objects as crowds."""
    table = annotated.table
    if not table.crowd_N.any():
        return
    names = {one.id: one.name for one in annotated.categories}
    counts = Counter(names[id_] for id_ in table.categories_N[table.crowd_N].tolist()).most_common()
    shown = [f"{name} {count}" for name, count in counts[:_SHOWN_CLASSES]]
    if len(counts) > _SHOWN_CLASSES:
        shown.append(f"other classes {sum(count for _, count in counts[_SHOWN_CLASSES:])}")
    what = f"iscrowd is 1 for {int(table.crowd_N.sum())} of {counted(len(table), 'annotation')} ({', '.join(shown)})"
    yield Fault(annotated.where, what, f"they are groups, neither learnt nor scored: {NOT_CROWDS}")


def _box_warnings(where: str, boxes: int) -> Iterator[Fault]:
    if boxes:
        what = f"{counted(boxes, 'annotation')} of a box without a mask"
        yield Fault(where, what, "nothing is learnt or scored in these boxes: draw their outlines")


def _double_warnings(images: Sequence[ImageEntry], where: str) -> Iterator[Fault]:
    for one in images:
        if len(one.ids) > 1:
            what = f"{one.path} is listed {len(one.ids)} times (image ids {', '.join(map(repr, one.ids))})"
            yield Fault(where, what, "its annotations are joined: remove all but one")
