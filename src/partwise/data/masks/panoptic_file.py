"""One JSON of COCO's panoptic form: the segments of each image, and everything that is wrong with it in one pass.

{"images": [{"id", "file_name"}], "categories": [{"id", "name", "isthing"}],
 "annotations": [{"image_id", "file_name", "segments_info": [{"id", "category_id", "iscrowd"}]}]}

Axes: F frames, S segments of all frames.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from partwise.data.frame import raise_faults
from partwise.data.masks.frames import MaskFrame
from partwise.data.polygons.classes import Category
from partwise.data.polygons.coco_file import categories_of, images_of, lists_of
from partwise.data.polygons.coco_rows import complete_rows
from partwise.data.polygons.finder import FileFinder
from partwise.data.polygons.images import ImageEntry, ListedImage, located
from partwise.data.polygons.values import FLAG_REMEDY, flag, identifier, whole_number
from streeteval.files import read_json
from streeteval.reading.faults import Fault

__all__ = ["PanopticFile", "SegmentFrame", "Segments", "read_panoptic"]

_LARGEST_ID = (1 << 24) - 1  # of a colour
_CITY_IMAGE = re.compile(r"([^_/]+)(_.*)_gtFine_leftImg8bit\.png")  # as cityscapesScripts write it
_CITY_END = "_leftImg8bit"


@dataclass(frozen=True)
class SegmentFrame(MaskFrame):
    """A frame, and its place in `Segments`."""

    place: int


@dataclass(frozen=True, eq=False)
class Segments:
    """The segments of all frames.

    Attributes:
        starts_F: (F + 1,) int64: those of frame f are starts_F[f] to starts_F[f + 1], in the order of their ids.
        ids_S: (S,) int32 ids, which are colours of the PNG: R + 256 G + 65536 B.
        categories_S: (S,) int32 places of their categories in the list of categories.
        crowd_S: (S,) bool: several things that are not told apart.
    """

    starts_F: np.ndarray
    ids_S: np.ndarray
    categories_S: np.ndarray
    crowd_S: np.ndarray

    def of_frame(self, place: int) -> slice:
        """The segments of a frame."""
        return slice(int(self.starts_F[place]), int(self.starts_F[place + 1]))

    @property
    def frame_places(self) -> np.ndarray:
        """(S,) int64: the frame of each segment."""
        return np.repeat(np.arange(len(self.starts_F) - 1), np.diff(self.starts_F))


@dataclass(frozen=True, eq=False)
class PanopticFile:
    """What a file says.

    Attributes:
        categories: In the order of the file.
        frames: Those without a fault, in the order of their names.
        segments: Of these frames.
        faults: Of the other frames.
        notes: How paths were understood that no file has as they are written.
    """

    categories: tuple[Category, ...]
    frames: list[SegmentFrame]
    segments: Segments
    faults: list[Fault]
    notes: list[Fault]


def read_panoptic(file: Path, images: Sequence[Path], truth: Sequence[Path]) -> PanopticFile:
    """Read and check a JSON of COCO's panoptic form. Of images the headers are read, of PNGs nothing.

    Args:
        file: The JSON.
        images: Folders that the paths of images may be relative to, the most likely one first.
        truth: The same for the PNGs of segments.

    Returns:
        Its content.

    Raises:
        FaultyDataError: With every fault of the file, if the categories have one.
        PartwiseError: If it is no JSON, or no COCO file.
    """
    where, faults = str(file), list[Fault]()
    image_rows, category_rows, annotation_rows = lists_of(read_json(file), where)
    categories = categories_of(category_rows, where, faults)
    if categories and not any(one.is_thing for one in categories):
        problem = "no category has instances (isthing is 0 for all)"
        faults.append(Fault(where, problem, "set isthing of some to 1"))
    unfit = bool(faults)
    listed = [_as_stored(one, images) for one in images_of(image_rows, where, faults)]
    found = located(listed, images, where)
    places, entries = found.places, found.entries
    faults += found.faults
    lost = {one.id: Path(one.file_name).stem for one in listed if one.id not in places}  # which have a fault already
    pngs = {str(row["file_name"]) for row in annotation_rows if isinstance(row, Mapping) and "file_name" in row}
    finder = FileFinder(truth, pngs)
    builder = _Builder(where, categories, entries, finder, faults)
    for row in complete_rows(annotation_rows, "annotation", ("image_id", "file_name", "segments_info"), where, faults):
        image_id = identifier(row["image_id"])
        if image_id is None:
            problem = f"an annotation has the image_id {row['image_id']!r}, neither a whole number nor a text"
            faults.append(Fault(where, problem, "give the id of its image"))
        elif image_id in places:
            builder.add(places[image_id], str(row["file_name"]), row["segments_info"])
        elif image_id in lost:
            builder.check(lost[image_id], str(row["file_name"]), row["segments_info"])
        else:
            problem = f"an annotation has the image_id {image_id!r}, which is not among the images"
            faults.append(Fault(where, problem, "add the image, or remove the annotation"))
    faults += builder.without_annotation()
    if unfit:
        raise_faults(where, faults)
    notes = [*found.notes, *finder.notes(where, "PNG")]
    return PanopticFile(tuple(categories), builder.sorted_frames(), builder.segments(), faults, notes)


def _as_stored(one: ListedImage, folders: Sequence[Path]) -> ListedImage:
    """The same image with the path that Cityscapes' file has; csCreatePanopticImgs writes another one."""
    name = _CITY_IMAGE.fullmatch(one.file_name)
    if name is None or any((folder / one.file_name).is_file() for folder in folders):
        return one
    return replace(one, file_name=f"{name[1]}/{name[1]}{name[2]}{_CITY_END}.png")


class _Builder:
    """Takes the annotations of a file one by one, and keeps what is wrong with them.

    Args:
        where: The file, for faults.
        categories: That it lists.
        images: Of the data set.
        finder: Of the PNGs.
        faults: Is added to.
    """

    def __init__(
        self,
        where: str,
        categories: Sequence[Category],
        images: Sequence[ImageEntry],
        finder: FileFinder,
        faults: list[Fault],
    ):
        self.where, self.images, self.finder, self.faults = where, images, finder, faults
        self.place_of = {one.id: place for place, one in enumerate(categories)}
        self.frames: list[SegmentFrame] = []
        self._pngs: dict[int, str] = {}  # by place of the image
        self._starts, self._ids, self._categories, self._crowd = array("q", [0]), array("i"), array("i"), array("b")
        self._end = _CITY_END if all(one.name.endswith(_CITY_END) for one in images) else ""
        folder = Path(finder.folders[0])
        zipped = folder.with_name(f"{folder.name}.zip")
        self._remedy = f"unpack {zipped}" if zipped.is_file() else f"put the PNGs into {folder}"

    def add(self, image: int, png: str, rows: Any) -> None:
        """Add the annotation of an image; without a fault it is a frame.

        Args:
            image: Its place.
            png: Path of the PNG of its segments.
            rows: Its segments_info.
        """
        name, path = self.images[image].name, Path(self.images[image].path)
        if image in self._pngs:
            self._fault(name, f"has two annotations ({self._pngs[image]} and {png})", "remove one of them")
            return
        self._pngs[image] = png
        before = len(self.faults)
        segments, truth = self.check(name, png, rows)
        if truth == path:
            remedy = "put images and PNGs into folders of their own"
            self._fault(name, f"the same file, {png}, is its image and the PNG of its segments", remedy)
        elif truth is not None and len(self.faults) == before:
            self.frames.append(SegmentFrame(name.removesuffix(self._end), path, (truth,), len(self.frames)))
            for id_ in sorted(segments):
                self._ids.append(id_)
                self._categories.append(segments[id_][0])
                self._crowd.append(segments[id_][1])
            self._starts.append(len(self._ids))

    def check(self, name: str, png: str, rows: Any) -> tuple[dict[int, tuple[int, bool]], Path | None]:
        """Look for faults of an annotation.

        Args:
            name: Of its image.
            png: Path of the PNG of its segments.
            rows: Its segments_info.

        Returns:
            Id -> (place of the category, whether it is a crowd) of the segments without a fault, and where the PNG is.
        """
        found = self.finder.find(png)
        if found.several:
            self.faults.append(self.finder.fault(f"image {name}: its PNG {png}", found, self.where))
        elif found.path is None:
            self._fault(name, f"its PNG {png} is missing", self._remedy)
        return self._checked(name, rows), None if found.path is None else Path(found.path)

    def _checked(self, name: str, rows: Any) -> dict[int, tuple[int, bool]]:
        found: dict[int, tuple[int, bool]] = {}
        if not isinstance(rows, list):
            self._fault(name, f"segments_info is {str(rows)[:40]!r}", "write a list of segments")
            return found
        for row in complete_rows(rows, f"image {name}: segment", ("id", "category_id"), self.where, self.faults):
            id_, category = whole_number(row["id"]), whole_number(row["category_id"])
            if id_ is None or not 1 <= id_ <= _LARGEST_ID:
                remedy = f"ids are 1 to {_LARGEST_ID}, R + 256 G + 65536 B in the PNG; 0 is void"
                self._fault(name, f"segment id {row['id']!r} is not possible", remedy)
            elif id_ in found:
                self._fault(name, f"segment id {id_} is there twice", "give each segment an id of its own")
            elif category is None or category not in self.place_of:
                problem = f"segment {id_}: category_id {row['category_id']!r} is not among the categories"
                self._fault(name, problem, "add the category, or correct the id")
            else:
                try:
                    found[id_] = self.place_of[category], flag(row.get("iscrowd"))
                except ValueError as error:
                    self._fault(name, f"segment {id_}: iscrowd {error}", FLAG_REMEDY)
        return found

    def _fault(self, name: str, problem: str, remedy: str) -> None:
        self.faults.append(Fault(self.where, f"image {name}: {problem}", remedy))

    def without_annotation(self) -> Iterator[Fault]:
        """A fault for each image that no annotation has."""
        for place, one in enumerate(self.images):
            if place not in self._pngs:
                yield Fault(self.where, f"image {one.name}: has no annotation", "add its segments or remove the image")

    def sorted_frames(self) -> list[SegmentFrame]:
        """The frames in the order of their names."""
        return sorted(self.frames, key=lambda frame: frame.name)

    def segments(self) -> Segments:
        """The segments of all frames."""
        return Segments(
            np.array(self._starts, np.int64),
            np.array(self._ids, np.int32),
            np.array(self._categories, np.int32),
            np.array(self._crowd, bool),
        )
