"""The masks of one image become its semantic map and its map of instances: who lies on top, and what is left out.

Axes: H W image, h w crop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from partwise.data.polygons.rasters import Crop
from streeteval.boxes import crop_iou
from streeteval.labels import INSTANCE_FACTOR, LabelSet

__all__ = ["DUPLICATE_IOU", "Composed", "Kind", "Piece", "compose"]

DUPLICATE_IOU = 0.8  # two things of one class that overlap by as much are one that was drawn twice


class Kind(IntEnum):
    """What an annotation stands for. A later kind lies over an earlier one."""

    STUFF = 0  # a region of a class without instances
    IGNORED = 1  # a region of which nothing is known
    GROUP = 2  # several things that are not told apart: a crowd in COCO's words
    THING = 3


@dataclass(frozen=True, eq=False)
class Piece:
    """One annotation of an image.

    Attributes:
        name: For remarks, such as "annotation 17".
        label_id: Of the label set.
        kind: What it stands for.
        crop: Box and mask; None where it covers no pixel.
    """

    name: str
    label_id: int
    kind: Kind
    crop: Crop | None

    @property
    def area(self) -> int:
        """Pixels."""
        return 0 if self.crop is None else int(np.count_nonzero(self.crop[1]))


@dataclass(frozen=True, eq=False)
class Composed:
    """The truth of one image.

    Attributes:
        semantic_HW: (H, W) uint8 ids of the label set.
        instance_ids_HW: (H, W) int32, id * 1000 + number for an instance, else the bare id.
        remarks: What was left out, one line each: "what: what to do".
    """

    semantic_HW: np.ndarray
    instance_ids_HW: np.ndarray
    remarks: list[str]


def compose(pieces: Sequence[Piece], size: tuple[int, int], label_set: LabelSet, *, in_order: bool = False) -> Composed:
    """Lay the pieces of an image over each other.

    COCO does not say which of two overlapping instances is in front. Here the smaller one is: a rider covers part of a
    motorcycle, a person part of a bus, and no instance is hidden by a larger one. Regions of classes without instances
    lie below ignored regions, these below groups, and all below things. Pixels in no piece get
    `label_set.outside_id`. A thing that was drawn twice counts once.

    Args:
        pieces: In the order of the file, which decides between pieces of equal area: the later one is on top.
        size: (H, W) of the image.
        label_set: Of the ids.
        in_order: The file says who is in front: each piece lies over those before it, whatever its kind and size.

    Returns:
        The maps, and what was left out.
    """
    semantic_HW = np.full(size, label_set.outside_id, np.uint8)
    ids_HW = semantic_HW.astype(np.int32)
    kept, remarks = _without_duplicates(pieces)
    order = kept if in_order else sorted(kept, key=lambda i: (pieces[i].kind, -pieces[i].area, i))
    numbers: dict[int, int] = {}
    values: dict[int, str] = {}
    for i in order:
        piece = pieces[i]
        if piece.crop is None:
            remarks.append(f"{piece.name} covers no pixel of the image and is left out: draw it larger or remove it")
            continue
        (x0, y0, x1, y1), mask_hw = piece.crop
        label_id = label_set.void_id if piece.kind is Kind.IGNORED else piece.label_id
        value = label_id
        if piece.kind is Kind.THING:
            number = numbers.get(label_id, 0)
            value, numbers[label_id] = label_id * INSTANCE_FACTOR + number, number + 1
            values[value] = piece.name
        semantic_HW[y0:y1, x0:x1][mask_hw] = label_id
        ids_HW[y0:y1, x0:x1][mask_hw] = value
    for value in sorted(values.keys() - set(np.unique(ids_HW).tolist())):
        remarks.append(f"{values[value]} is hidden by others and is left out: cut the others or remove it")
    return Composed(semantic_HW, ids_HW, remarks)


def _without_duplicates(pieces: Sequence[Piece]) -> tuple[list[int], list[str]]:
    """Places of the pieces without those that repeat an earlier one, and a remark for each that does."""
    kept: list[int] = []
    remarks: list[str] = []
    for i, piece in enumerate(pieces):
        twin = next((j for j in kept if _same_thing(pieces[j], piece)), None)
        if twin is None:
            kept.append(i)
        else:
            remarks.append(
                f"{piece.name} repeats {pieces[twin].name}, of the same class and place, and is left out: "
                "remove one of them"
            )
    return kept, remarks


def _same_thing(one: Piece, other: Piece) -> bool:
    if one.kind is not Kind.THING or other.kind is not Kind.THING or one.label_id != other.label_id:
        return False
    if one.crop is None or other.crop is None:
        return False
    (ax0, ay0, ax1, ay1), (bx0, by0, bx1, by1) = one.crop[0], other.crop[0]
    width, height = min(ax1, bx1) - max(ax0, bx0), min(ay1, by1) - max(ay0, by0)
    if width <= 0 or height <= 0:
        return False
    # The masks of boxes with a smaller overlap cannot overlap by as much, or nearly so: it saves counting pixels.
    larger = max((ax1 - ax0) * (ay1 - ay0), (bx1 - bx0) * (by1 - by0))
    if width * height < DUPLICATE_IOU / 2 * larger:
        return False
    return crop_iou(*one.crop, *other.crop) >= DUPLICATE_IOU
