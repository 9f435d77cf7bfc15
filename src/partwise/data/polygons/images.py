"""The images that an annotation file names: where they lie, their sizes, and those that are listed twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from PIL import Image

from partwise.data.image_files import IMAGE_FORMATS
from partwise.data.name_forms import existing_file
from partwise.data.orientation import orientation_in_header
from streeteval.reading.faults import Fault

__all__ = ["ImageEntry", "ListedImage", "located"]


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


def located(
    listed: Sequence[ListedImage], folders: Sequence[Path], where: str
) -> tuple[list[ImageEntry], dict[int | str, int], list[Fault]]:
    """Find the files of the images, and compare their sizes with what the annotation file says.

    Only the headers of the images are read. An image whose size the file does not say is taken upright, as drawing
    tools and viewers show it.

    Args:
        listed: As the annotation file lists them, with different ids.
        folders: That the paths may be relative to, the most likely one first.
        where: The annotation file, for faults.

    Returns:
        The images; the place of each id among them; and a fault for each that is missing, damaged, or of another size.
    """
    finder = _Finder(folders, {_plain(one.file_name) for one in listed})
    entries: list[ImageEntry] = []
    places: dict[int | str, int] = {}
    place_of_path: dict[str, int] = {}
    faults: list[Fault] = []
    names = _names([_plain(one.file_name) for one in listed])
    for one, name in zip(listed, names, strict=True):
        what = f"image {one.id!r}: {one.file_name}"
        path = finder.find(_plain(one.file_name))
        if path is None:
            looked = " or ".join(str(folder) for folder in folders[:2])
            remedy = f"put the images into {looked}, or name their folder"
            faults.append(Fault(where, f"{what} is missing", remedy))
            continue
        upright = bool(one.upright) if one.size else one.upright is not False
        size, problem = _checked_size(path, one.size, upright)
        if problem:
            remedy = "correct width and height, or take the image that was annotated"
            faults.append(Fault(where, f"{what} {problem}", remedy))
            continue
        if path in place_of_path:
            place = places[one.id] = place_of_path[path]
            entry = entries[place]
            entries[place] = replace(entry, ids=(*entry.ids, one.id))
        else:
            places[one.id] = place_of_path[path] = len(entries)
            entries.append(ImageEntry(name, path, size, (one.id,), upright))
    return entries, places, faults


def _plain(file_name: str) -> str:
    r"""A path with slashes and without a leading `./`, as tools of Windows write it, too.

    >>> _plain(".\\images\\a.jpg")
    'images/a.jpg'
    """
    return str(PurePosixPath(file_name.replace("\\", "/")))


def _names(paths: Sequence[str]) -> list[str]:
    """The shortest form of all paths that tells them apart: stems, or paths without suffixes, or paths."""
    whole = [PurePosixPath(path) for path in paths]
    distinct = len(set(paths))
    for names in ([path.stem for path in whole], [str(path.parent / path.stem) for path in whole]):
        if len(set(names)) == distinct:
            return names
    return [str(path) for path in whole]


class _Finder:
    """Looks for files in some folders; first in the one where most were found.

    Args:
        folders: That the paths may be relative to.
        paths: Of all files, as the annotation file has them.
    """

    def __init__(self, folders: Sequence[Path], paths: Collection[str]):
        self.folders = [str(folder) for folder in folders]
        self.found_in: Counter[str] = Counter()
        # A file is looked for without its folders only if no other one has its name: it might be that one.
        self.times: Counter[str] = Counter(PurePosixPath(path).name for path in paths)

    def find(self, name: str) -> str | None:
        """The path of a file of this name, or of its last part, or where an absolute name says; None without one."""
        last = PurePosixPath(name).name
        for relative in dict.fromkeys((name.lstrip("/"), *([last] if self.times[last] == 1 else []))):
            for folder in sorted(self.folders, key=lambda folder: -self.found_in[folder]):
                if (path := existing_file(folder, relative)) is not None:
                    self.found_in[folder] += 1
                    return path
        return existing_file("", name) if PurePosixPath(name).is_absolute() else None


def _checked_size(path: str, size: tuple[int, int] | None, upright: bool) -> tuple[tuple[int, int], str]:
    """((H, W), "") from the header of an image, or what is wrong; `upright` counts where the file says no size."""
    try:
        with Image.open(path, formats=IMAGE_FORMATS) as image:
            stored = image.height, image.width
            if size == stored:
                return size, ""
            seen = stored[::-1] if orientation_in_header(image) > 4 else stored
            if size in (None, seen):
                return size or (seen if upright else stored), ""
            return stored, f"is {stored[1]}x{stored[0]}, the file says {size[1]}x{size[0]}"
    except Exception as error:  # of a damaged file Pillow raises nearly anything
        return (0, 0), f"cannot be opened ({type(error).__name__})"
