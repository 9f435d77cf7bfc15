"""`InstanceList`: the instances of one image as an immutable list that checks its fields when it is made.

Axes: H image height, W image width, N instances. Everything here is NumPy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cached_property
from operator import index as as_index
from typing import Any, ClassVar, Self

import numpy as np

from streeteval.boxes import crop_intersection
from streeteval.errors import InputError
from streeteval.given import finite_numbers, number_in, plain, shown, size_of, whole_numbers
from streeteval.labels import CITYSCAPES, LabelSet


@dataclass(frozen=True, eq=False)
class InstanceList:
    """The instances of one image as a list, with their areas and overlaps; `Instances` adds conversions.

    A part of it is of the same class and keeps the fields of a subclass. Two lists are equal if all of their fields are
    equal. Iteration gives the instances one by one, each as a list of length 1.

    Attributes:
        labels: (N,) int32, ids of the label set.
        scores: (N,) float32, finite; a higher score is more confident.
        boxes: (N, 4) int32, x0 y0 x1 y1 in pixels, half-open, inside the image, never empty.
        masks: N bool arrays; each is the crop of its box.
        size: (H, W) of the image in pixels.
        label_set: The classes that give the names of the labels.
        of_each: Names of the further fields of a subclass that hold a value for each instance, as arrays.

    Raises:
        InputError: If a field is not as described.
    """

    labels: np.ndarray
    scores: np.ndarray
    boxes: np.ndarray
    masks: tuple[np.ndarray, ...]
    size: tuple[int, int]

    label_set: ClassVar[LabelSet] = CITYSCAPES
    of_each: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        set_ = lambda name, value: object.__setattr__(self, name, value)
        set_("labels", whole_numbers("Instances: labels", self.labels).reshape(-1))
        set_("scores", finite_numbers("Instances: scores", self.scores).reshape(-1))
        boxes = whole_numbers("Instances: boxes", self.boxes)
        if boxes.size and boxes.shape[-1] != 4:
            raise InputError(f"Instances: boxes of shape {boxes.shape}: give (N, 4), x0 y0 x1 y1")
        set_("boxes", boxes.reshape(-1, 4))
        set_("masks", _masks(self.masks))
        set_("size", size_of("Instances: size", self.size))
        counts = {len(self.labels), len(self.scores), len(self.boxes), len(self.masks)}
        if len(counts) != 1:
            raise InputError(
                f"Instances: {len(self.labels)} labels, {len(self.scores)} scores, {len(self.boxes)} boxes and "
                f"{len(self.masks)} masks: give the same number of each"
            )
        height, width = self.size
        for i, ((x0, y0, x1, y1), mask) in enumerate(zip(self.boxes.tolist(), self.masks, strict=True)):
            if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
                raise InputError(
                    f"Instances: box {i} = {[x0, y0, x1, y1]} is empty or leaves the {width}x{height} image"
                )
            if mask.shape != (y1 - y0, x1 - x0):
                raise InputError(
                    f"Instances: mask {i} has the shape {mask.shape}, its box {(y1 - y0, x1 - x0)}: "
                    "a mask is the crop of its box"
                )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: Any) -> Self:
        """Return the instances at `index`.

        Args:
            index: A whole number, a slice, or a list or array of whole numbers or of bool.

        Raises:
            IndexError: If there is no such instance.
            InputError: If `index` is anything else.
        """
        order = self._order(index)
        arrays = {name: getattr(self, name)[order] for name in ("labels", "scores", "boxes", *self.of_each)}
        return replace(self, **arrays, masks=tuple(self.masks[i] for i in order))

    def _order(self, index: Any) -> np.ndarray:
        every = np.arange(len(self))
        if isinstance(index, slice):
            return every[index]
        try:
            chosen = np.asarray(index)
        except (TypeError, ValueError, RuntimeError):  # such as lists of different lengths, or a tensor on a GPU
            chosen = np.array(None)
        if chosen.ndim == 0 and chosen.dtype.kind in "iu":
            return every[[as_index(index)]]
        if chosen.ndim != 1 or (chosen.size and chosen.dtype.kind not in "iub"):
            raise InputError(f"index {shown(index)}: give a whole number, a slice, or a list of int or of bool")
        if chosen.dtype == bool and len(chosen) != len(self):
            raise InputError(f"{len(chosen)} bool for {len(self)} instances: give one for each")
        return every[chosen if chosen.size else []]

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(_equal(getattr(self, field.name), getattr(other, field.name)) for field in fields(self))

    __hash__ = None  # type: ignore[assignment]  # how Python marks a class without a hash

    def __repr__(self) -> str:
        """Count the instances of each class: Result(3 instances: 2 car, 1 person; 1024x512)."""
        counts = Counter(self.label_set.name_of(label) for label in self.labels.tolist())
        of_each = ", ".join(f"{count} {name}" for name, count in counts.most_common())
        total = f"{len(self)} instance{'' if len(self) == 1 else 's'}"
        return f"{type(self).__name__}({total}{': ' if of_each else ''}{of_each}; {self.size[1]}x{self.size[0]})"

    @cached_property
    def areas(self) -> np.ndarray:
        """Number of pixels of each mask, (N,) int64."""
        return np.array([int(mask.sum()) for mask in self.masks], np.int64)

    @property
    def longest_sides(self) -> np.ndarray:
        """Longest side of each box in pixels, (N,) int32."""
        return np.maximum(self.boxes[:, 2] - self.boxes[:, 0], self.boxes[:, 3] - self.boxes[:, 1])

    def full_mask(self, i: int) -> np.ndarray:
        """Return mask `i` at the size of the image, (H, W) bool."""
        full = np.zeros(self.size, bool)
        x0, y0, x1, y1 = self.boxes[i]
        full[y0:y1, x0:x1] = self.masks[i]
        return full

    def distinct(self, iou: float = 0.5) -> Self:
        """Leave out each instance that a higher-scoring instance of another class overlaps. The order stays.

        A decoder may return one mask both as a bus and as a train, because AP rewards it. People want the more likely
        class alone.

        Args:
            iou: Instances that overlap by more than this IoU exclude each other, 0..1.

        Raises:
            InputError: If `iou` is out of range.
        """
        return self[self.which_distinct(iou)]

    def which_distinct(self, iou: float = 0.5) -> np.ndarray:
        """Return the indices of the instances that `distinct` keeps, in rising order.

        Args:
            iou: See `distinct`.

        Raises:
            InputError: If `iou` is out of range.
        """
        return self._survivors(iou, lambda i, j: self.labels[i] != self.labels[j])

    def without_repeats(self, iou: float = 0.5) -> Self:
        """Leave out each instance that a higher-scoring instance of the same class overlaps. The order stays.

        Args:
            iou: Instances that overlap by more than this IoU exclude each other, 0..1.

        Raises:
            InputError: If `iou` is out of range.
        """
        return self[self._survivors(iou, lambda i, j: self.labels[i] == self.labels[j])]

    def crowding(self) -> np.ndarray:
        """Return the highest IoU of each instance with a higher-scoring instance of its class, (N,) float64 in 0..1."""
        highest = np.zeros(len(self))
        rank = np.argsort(np.argsort(-self.scores, kind="stable"), kind="stable")
        corners, ends = self.boxes[:, None, :2], self.boxes[:, None, 2:]
        touch = (np.maximum(corners, self.boxes[:, :2]) < np.minimum(ends, self.boxes[:, 2:])).all(axis=-1)
        rivals = touch & (self.labels[:, None] == self.labels) & (rank[:, None] > rank)
        for i, j in zip(*(axis.tolist() for axis in rivals.nonzero()), strict=True):
            highest[i] = max(highest[i], self._iou(i, j))
        return highest

    def _survivors(self, iou: float, rivals: Callable[[int, int], bool]) -> np.ndarray:
        iou = number_in("iou", iou, 0, 1)
        kept: list[int] = []
        for i in np.argsort(-self.scores, kind="stable").tolist():
            if not any(rivals(i, j) and self._iou(i, j) > iou for j in kept):
                kept.append(i)
        return np.array(sorted(kept), int)

    def _iou(self, i: int, j: int) -> float:
        shared = crop_intersection(self.boxes[i], self.masks[i], self.boxes[j], self.masks[j])
        return shared / (self.areas[i] + self.areas[j] - shared) if shared else 0.0


def _masks(masks: Any) -> tuple[np.ndarray, ...]:
    try:
        return tuple(np.asarray(mask, bool) for mask in map(plain, plain(masks)))
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"Instances: masks: {error}: give a list of arrays") from None


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, tuple | list) and isinstance(other, tuple | list):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return np.array_equal(one, other)
    return one == other
