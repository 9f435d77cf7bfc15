"""The annotations of a file as a few flat arrays: small in memory, quick to send to a worker, drawn when asked for.

100,000 annotations take a second to index and some tens of MB; Python's own lists of their numbers would take twenty
times as much.

Axes: N annotations, P parts (polygons or lists of run lengths), M numbers.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from partwise.data.polygons.rasters import Crop, crop_of_polygons, crop_of_runs, runs_of_text, union_of_crops
from streeteval.reading.faults import Fault

__all__ = ["AnnotationTable", "TableBuilder"]

_DRAW_AGAIN = "draw it again or remove it"
_OUTSIDE_REMEDY = "correct its points, or the size of the image"
_LEAST_NUMBERS = 6  # of an outline
_STICKS_OUT_PX = 1.0  # beyond the image, that tools write for an object at its border


@dataclass(frozen=True, eq=False)
class AnnotationTable:
    """Every annotation of a file, in the order of the images.

    Attributes:
        images_N: (N,) int32, rising: the place of the image.
        categories_N: (N,) int64 category ids as in the file.
        crowd_N: (N,) bool: several things that are not told apart.
        ignored_N: (N,) bool: a region of which nothing is known.
        names_N: Id of each annotation as in the file.
        parts_N: (N + 1,) int64: parts of annotation n are parts_N[n] to parts_N[n + 1].
        is_runs_P: (P,) bool: whether a part is run lengths and not a polygon.
        numbers_P: (P + 1,) int64: numbers of part p are numbers_P[p] to numbers_P[p + 1].
        numbers_M: (M,) float64: x y x y ... of a polygon in pixels, or run lengths.
    """

    images_N: np.ndarray
    categories_N: np.ndarray
    crowd_N: np.ndarray
    ignored_N: np.ndarray
    names_N: tuple[int | str, ...]
    parts_N: np.ndarray
    is_runs_P: np.ndarray
    numbers_P: np.ndarray
    numbers_M: np.ndarray

    def __len__(self) -> int:
        return len(self.images_N)

    def of_image(self, place: int) -> range:
        """The annotations of an image."""
        first, last = np.searchsorted(self.images_N, (place, place + 1))
        return range(int(first), int(last))

    def crop(self, n: int, size: tuple[int, int]) -> Crop | None:
        """Draw annotation n.

        Args:
            n: Of the table.
            size: (H, W) of its image.

        Returns:
            Its box and mask; None if it covers no pixel.
        """
        parts = [
            self.numbers_M[self.numbers_P[p] : self.numbers_P[p + 1]]
            for p in range(self.parts_N[n], self.parts_N[n + 1])
        ]
        if not parts:
            return None
        is_runs = self.is_runs_P[self.parts_N[n] : self.parts_N[n + 1]].tolist()
        polygons = [part.reshape(-1, 2) for part, runs in zip(parts, is_runs, strict=True) if not runs]
        crops = [crop_of_runs(part.astype(np.int64), size) for part, runs in zip(parts, is_runs, strict=True) if runs]
        return union_of_crops([*crops, *([crop_of_polygons(polygons, size)] if polygons else [])])


@dataclass
class TableBuilder:
    """Takes the annotations of a file one by one, and keeps what is wrong with them.

    Attributes:
        where: The file, for faults.
        sizes: (H, W) of each image.
        image_names: Of each image, for faults.
        of_results: Whether they are results of a tool, which draws outlines of fewer than three points, and run lengths
            without a run, for small masks: these cover no pixel. In truth they are faults.
        faults: Of the annotations so far; with one, there is no table.
        warnings: What is odd.
        points_alone: Outlines of results that have fewer than three points.
    """

    where: str
    sizes: Sequence[tuple[int, int]]
    image_names: Sequence[str]
    of_results: bool = False
    faults: list[Fault] = field(default_factory=list)
    warnings: list[Fault] = field(default_factory=list)
    points_alone: int = 0

    def __post_init__(self) -> None:
        self._rows: list[tuple[int, int, bool, bool, int | str]] = []
        self._parts, self._is_runs = array("q", [0]), array("b")
        self._ends, self._numbers = array("q", [0]), array("d")

    def add(self, name: int | str, place: int, category: int, shape: Any, *, crowd: bool, ignored: bool) -> None:
        """Add an annotation.

        Args:
            name: Its id in the file.
            place: Of its image.
            category: Its category id.
            shape: A list of polygons, each a flat list x y x y ... of at least three points; or an RLE, compressed or
                not: {"size": [H, W], "counts": ...}; or a tuple of such shapes, which no JSON holds, that are one.
            crowd: Whether it stands for several things that are not told apart.
            ignored: Whether nothing is known of its region.
        """
        numbers, parts, faults = len(self._numbers), len(self._is_runs), len(self.faults)
        for one in shape if isinstance(shape, tuple) else (shape,):
            if isinstance(one, Mapping):
                self._add_runs(name, place, one)
            else:
                self._add_polygons(name, place, one)
        if len(self.faults) > faults:  # what was added of it is of no use
            del self._numbers[numbers:], self._is_runs[parts:], self._ends[parts + 1 :]
            return
        self._rows.append((place, category, crowd, ignored, name))
        self._parts.append(len(self._is_runs))

    def fault(self, name: int | str, place: int | None, problem: str, remedy: str = _DRAW_AGAIN) -> None:
        """Keep what is wrong with an annotation."""
        of = "" if place is None else f" of image {self.image_names[place]}"
        self.faults.append(Fault(self.where, f"annotation {name!r}{of}: {problem}", remedy))

    def _add_polygons(self, name: int | str, place: int, polygons: Any) -> None:
        if self.of_results and polygons == []:
            return None
        if not isinstance(polygons, Sequence) or isinstance(polygons, str) or not polygons:
            problem = (
                "it has no mask" if not polygons else f"segmentation {str(polygons)[:40]!r} is no list of polygons"
            )
            return self.fault(name, place, problem)
        for number, polygon in enumerate(polygons, 1):
            part = f"polygon {number} " if len(polygons) > 1 else "its polygon "
            start = len(self._numbers)
            try:
                self._numbers.extend(polygon)
            except (TypeError, OverflowError):
                self.fault(name, place, f"{part}holds {str(polygon)[:40]!r}: a list of numbers x y x y ... is expected")
                break
            count = len(self._numbers) - start
            is_short = count < _LEAST_NUMBERS and count % 2 == 0
            if self.of_results and is_short and all(map(math.isfinite, self._numbers[start:])):
                del self._numbers[start:]
                self.points_alone += 1
                continue
            self._end_part(False)
            if count < _LEAST_NUMBERS or count % 2:
                words = f"{count // 2} points" if count % 2 == 0 else f"{count} numbers"
                self.fault(name, place, f"{part}has {words}, at least three points x y are needed")
            else:
                self._see_inside(name, place, part, self._numbers[start:])
        return None

    def _see_inside(self, name: int | str, place: int, part: str, numbers: array) -> None:
        """See that a polygon touches its image."""
        xs, ys, (height, width) = numbers[::2], numbers[1::2], self.sizes[place]
        low_x, high_x, low_y, high_y = min(xs), max(xs), min(ys), max(ys)
        reach = f"x {low_x:g} to {high_x:g}, y {low_y:g} to {high_y:g}"
        if not all(map(math.isfinite, numbers)):
            self.fault(name, place, f"{part}holds a number that is not finite")
        elif high_x <= 0 or high_y <= 0 or low_x >= width or low_y >= height:
            self.fault(name, place, f"{part}({reach}) lies outside the {width}x{height} image", _OUTSIDE_REMEDY)
        elif max(-low_x, high_x - width) > width or max(-low_y, high_y - height) > height:
            # Drawing takes time in proportion to the length of an outline.
            problem = f"{part}({reach}) leaves the {width}x{height} image by more than its size"
            self.fault(name, place, problem, _OUTSIDE_REMEDY)
        elif max(-low_x, -low_y, high_x - width, high_y - height) > _STICKS_OUT_PX:
            what = f"annotation {name!r} of image {self.image_names[place]}: {part}({reach}) leaves the image"
            self.warnings.append(Fault(self.where, f"{what}, {width}x{height}", "what is outside is cut off"))

    def _add_runs(self, name: int | str, place: int, rle: Mapping[str, Any]) -> None:
        size, counts, (height, width) = rle.get("size"), rle.get("counts"), self.sizes[place]
        if not isinstance(size, Sequence) or len(size) != 2 or not isinstance(counts, str | Sequence):
            return self.fault(name, place, f"its RLE has the keys {', '.join(rle)}: size [H, W] and counts are needed")
        if list(size) != [height, width]:
            problem = f"its RLE is {size[1]}x{size[0]}, the image {width}x{height}"
            return self.fault(name, place, problem, "make it at the size of the image")
        try:
            runs = runs_of_text(counts) if isinstance(counts, str) else _whole_runs(counts)
        except (ValueError, TypeError, OverflowError) as error:
            return self.fault(name, place, f"its RLE cannot be read ({error})")
        if self.of_results and not runs.size:
            return None
        pixels = height * width
        if runs.min(initial=0) < 0 or runs.max(initial=0) > pixels:
            wrong = next(run for run in runs.tolist() if not 0 <= run <= pixels)
            return self.fault(name, place, f"its RLE has a run of {wrong}, the image has {pixels} pixels")
        if runs.sum() != pixels:
            problem = f"the run lengths of its RLE add up to {runs.sum()}, the image has {pixels} pixels"
            return self.fault(name, place, problem)
        self._numbers.frombytes(runs.astype(np.float64).tobytes())
        return self._end_part(True)

    def _end_part(self, is_runs: bool) -> None:
        self._is_runs.append(is_runs)
        self._ends.append(len(self._numbers))

    def table(self) -> AnnotationTable:
        """Everything that was added, in the order of the images."""
        images_N = np.array([row[0] for row in self._rows], np.int32)
        order_N = np.argsort(images_N, kind="stable")
        parts_N, ends_P = np.array(self._parts, np.int64), np.array(self._ends, np.int64)
        part_order_P = _joined(parts_N[:-1][order_N], parts_N[1:][order_N])
        starts_P, stops_P = ends_P[:-1][part_order_P], ends_P[1:][part_order_P]
        columns = list(zip(*(self._rows[n] for n in order_N.tolist()), strict=True)) or [()] * 5
        return AnnotationTable(
            images_N=images_N[order_N],
            categories_N=np.array(columns[1], np.int64),
            crowd_N=np.array(columns[2], bool),
            ignored_N=np.array(columns[3], bool),
            names_N=tuple(columns[4]),
            parts_N=np.concatenate([[0], np.cumsum(np.diff(parts_N)[order_N])]),
            is_runs_P=np.array(self._is_runs, bool)[part_order_P],
            numbers_P=np.concatenate([[0], np.cumsum(stops_P - starts_P)]),
            numbers_M=np.array(self._numbers, np.float64)[_joined(starts_P, stops_P)],
        )


def _whole_runs(counts: Sequence[Any]) -> np.ndarray:
    """(R,) int64 of a list of run lengths.

    Raises:
        ValueError: If one is no whole number.
        OverflowError: If one has more than 64 bits.
    """
    runs = np.array(counts).reshape(-1)
    if runs.dtype.kind == "f":
        broken = runs[~np.isfinite(runs) | (runs != np.trunc(runs))]
        if broken.size:
            raise ValueError(f"a run of {broken[0]:g} pixels")
    elif runs.dtype.kind not in "iu":
        raise ValueError("its counts are no list of whole numbers")
    return np.array([int(run) for run in counts], np.int64) if runs.dtype != np.int64 else runs


def _joined(starts: np.ndarray, stops: np.ndarray) -> np.ndarray:
    """The whole numbers of all half-open ranges, one range after the other.

    >>> _joined(np.array([5, 0]), np.array([7, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    lengths = stops - starts
    before = np.concatenate([[0], np.cumsum(lengths)[:-1]]) if len(lengths) else np.zeros(0, np.int64)
    return np.arange(int(lengths.sum())) + np.repeat(starts - before, lengths)
