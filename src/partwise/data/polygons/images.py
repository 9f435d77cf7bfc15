"""The images that an annotation file names: where they lie, their sizes, and those that are listed twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from partwise.data.image_files import IMAGE_FORMATS
from partwise.data.orientation import orientation_in_header
from partwise.data.polygons.finder import FileFinder
from partwise.errors import PartwiseError
from streeteval.reading.faults import Fault, fault_of_error
from streeteval.reading.id_files import identified, opened

__all__ = ["ImageEntry", "ListedImage", "LocatedImages", "located"]


@dataclass(frozen=True)
class ListedImage:
    """An image as an annotation file lists it.

    Attributes:
        id: Its id there.
        file_name: Its path there, relative to a folder that the file does not name.
        size: (H, W) in pixels as the file says; None if it does not.
        upright: Whether its annotations were drawn on the image as its EXIF orientation turns it; None if the file does
            not say. A size that only the turned or only the stored image has says more.
    """

    id: int | str
    file_name: str
    size: tuple[int, int] | None
    upright: bool | None = None


@dataclass(frozen=True)
class ImageEntry:
    """An image of a data set.

    Attributes:
        name: Of the frame: the file's name without its suffix, with folders where that is not unique.
        path: Where it lies.
        size: (H, W) in pixels, of what the annotations were drawn on.
        ids: Its ids in the annotation file; several where the file lists it several times.
        upright: Whether they were drawn on the upright image, where the size is that of the stored image, too.
    """

    name: str
    path: str
    size: tuple[int, int]
    ids: tuple[int | str, ...]
    upright: bool = False


@dataclass(frozen=True)
class LocatedImages:
    """The images of an annotation file whose files were found.

    Attributes:
        entries: The images.
        places: The place of each id among them.
        faults: One for each image that is missing, damaged, or of another size.
        notes: How names were understood that no file has as they are written.
    """

    entries: list[ImageEntry]
    places: dict[int | str, int]
    faults: list[Fault]
    notes: list[Fault]


def located(listed: Sequence[ListedImage], folders: Sequence[Path], where: str) -> LocatedImages:
    """Find the files of the images, and compare their sizes with what the annotation file says.

    Only the headers of the images are read. An image whose size the file does not say is taken upright, as drawing
    tools and viewers show it.

    Args:
        listed: As the annotation file lists them, with different ids.
        folders: That the paths may be relative to, the most likely one first.
        where: The annotation file, for faults.
    """
    finder = FileFinder(folders, {one.file_name for one in listed})
    found = [finder.find(one.file_name) for one in listed]
    entries: list[ImageEntry] = []
    places: dict[int | str, int] = {}
    place_of_path: dict[str, int] = {}
    faults: list[Fault] = []
    for one, file, name in zip(listed, found, _names([file.name for file in found]), strict=True):
        what = f"image {one.id!r}: {one.file_name}"
        if file.path is None:
            faults.append(finder.fault(what, file, where))
            continue
        upright = bool(one.upright) if one.size else one.upright is not False
        size, problem, remedy = _checked_size(file.path, one.size, upright)
        if problem:
            faults.append(Fault(where, f"{what}{problem}", remedy))
            continue
        if file.path in place_of_path:
            place = places[one.id] = place_of_path[file.path]
            entry = entries[place]
            entries[place] = replace(entry, ids=(*entry.ids, one.id))
        else:
            places[one.id] = place_of_path[file.path] = len(entries)
            entries.append(ImageEntry(name, file.path, size, (one.id,), upright))
    return LocatedImages(entries, places, faults, list(finder.notes(where)))


def _names(paths: Sequence[str]) -> list[str]:
    """The shortest form of all paths that tells them apart: stems, or paths without suffixes, or paths."""
    whole = [PurePosixPath(path) for path in paths]
    distinct = len(set(paths))
    for names in ([path.stem for path in whole], [str(path.parent / path.stem) for path in whole]):
        if len(set(names)) == distinct:
            return names
    return [str(path) for path in whole]


def _checked_size(path: str, size: tuple[int, int] | None, upright: bool) -> tuple[tuple[int, int], str, str]:
    """((H, W), "", "") from the header of an image; or what is wrong and what to do.

    Args:
        path: Of the image.
        size: (H, W) as the annotation file says.
        upright: Whether the image is taken upright if `size` is None.
    """
    try:
        with opened(path) as file:
            image = identified(file, path, IMAGE_FORMATS)
            stored = image.height, image.width
            if size == stored:
                return size, "", ""
            seen = stored[::-1] if orientation_in_header(image) > 4 else stored
    except PartwiseError as error:
        fault = fault_of_error(path, error)
        return (0, 0), f": {fault.problem}", fault.remedy
    if size is None or size == seen:
        return size or (seen if upright else stored), "", ""
    problem = f" is {stored[1]}x{stored[0]}, the file says {size[1]}x{size[0]}"
    return stored, problem, "correct width and height, or take the image that was annotated"
