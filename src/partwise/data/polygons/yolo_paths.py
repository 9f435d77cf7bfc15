"""The images of YOLO data: what the paths in a YAML file, or in a list of images, can mean.

Ultralytics takes them relative to `path`; Roboflow begins them with a "../" too many, CVAT with "data/", and files that
were made elsewhere have the folders of another machine before them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from partwise.data.image_files import PHOTO_SUFFIXES
from partwise.data.name_forms import forms_of
from partwise.data.splits import is_usual
from partwise.errors import PartwiseError
from streeteval.files import text_of
from streeteval.folders import files_below
from streeteval.reading.faults import Fault, counted
from streeteval.reading.id_files import read_bytes

__all__ = ["PathBases", "SplitImages", "images_of_paths"]

_UP, _OUTER, _IMAGES = ("..", "."), ("data", "datasets"), "images"
_SHOWN = 4  # of the places that were looked at


@dataclass(frozen=True)
class PathBases:
    """What paths are relative to.

    Attributes:
        folders: The most likely one first: the one that Ultralytics would take.
        names: Of the folder of the data set, with which paths may begin.
    """

    folders: tuple[Path, ...]
    names: frozenset[str]

    def find(self, written: str, beside: Path | None = None) -> tuple[Path, bool]:
        """Find what a path means.

        Args:
            written: The path.
            beside: A folder that it is relative to before all others.

        Returns:
            The one place that it can mean; and whether it lies there as it is written.

        Raises:
            PartwiseError: If it can mean none, or several. The message begins with the path.
        """
        places, tried, as_written = self._meant(written, beside)
        if len(places) == 1:
            return places[0], as_written
        if places:
            shown = " or ".join(os.path.normpath(place) for place in places[:2])
            raise PartwiseError(f"{written} may be {shown}: write the whole path of the right one")
        shown = ", ".join(tried[:_SHOWN]) + (f" and {len(tried) - _SHOWN} more" if len(tried) > _SHOWN else "")
        raise PartwiseError(f"{written} does not exist, looked for at {shown}: correct it or put the images there")

    def exists(self, written: str) -> bool:
        """Whether a path can mean anything that is there."""
        return bool(self._meant(written, None)[0])

    def _meant(self, written: str, beside: Path | None) -> tuple[list[Path], list[str], bool]:
        """The different places that a path can mean, those that were looked at, and whether the first is as written."""
        folders = self.folders if beside is None else tuple(dict.fromkeys((beside, *self.folders)))
        parts = tuple(part for part in written.replace("\\", "/").split("/") if part != ".") or ("",)
        whole = _existing(folders[0], parts)
        if whole and parts[0] != "..":
            return [whole], [], True
        tails = [tail for tail in self._tails(parts) if tail[0] not in _UP]
        looked = [(folders[0], parts), *((folder, tail) for tail in tails for folder in folders)]
        there = [place for folder, tail in looked if (place := _existing(folder, tail))]
        distinct: dict[str, Path] = {}
        for place in there:
            distinct.setdefault(os.path.realpath(place), place)
        tried = dict.fromkeys(os.path.normpath(folder.joinpath(*tail)) for folder, tail in looked)
        return list(distinct.values()), list(tried), whole is not None

    def _tails(self, parts: Sequence[str]) -> Iterator[Sequence[str]]:
        """The path, and what is left of it without its first folders; no name of a split is left out."""
        yield parts
        for start in range(1, len(parts)):
            before, first = parts[start - 1], parts[start]
            if is_usual(Path(before).stem) and before not in self.names:
                return
            if before in (*_UP, *_OUTER, *self.names) or first == _IMAGES or is_usual(Path(first).stem):
                yield parts[start:]
            if first == _IMAGES:
                return


def _existing(folder: Path, parts: Sequence[str]) -> Path | None:
    """The file or folder of this path in a folder, with its accents in either form."""
    places = (folder / form for form in forms_of("/".join(parts)))
    return next((place for place in places if os.path.exists(place)), None)  # noqa: PTH110 - of any name


@dataclass
class SplitImages:
    """The images of a split.

    Attributes:
        images: Sorted, each once; all relative or all absolute.
        folders: That hold them, at any depth: those that the paths name, or those of the images.
        notes: How paths were understood that no file has as they are written.
    """

    images: list[Path] = field(default_factory=list)
    folders: set[Path] = field(default_factory=set)
    notes: list[Fault] = field(default_factory=list)


def images_of_paths(paths: Sequence[str], bases: PathBases, where: str, split: str) -> SplitImages:
    """Find the images of a split.

    Args:
        paths: Folders of images, lists of images (.txt), or images.
        bases: That they are relative to.
        where: The file that names them, for messages.
        split: Its name.

    Raises:
        PartwiseError: If a path does not exist, can mean several places or cannot be read, or there is no image.
    """
    found = SplitImages()
    for written in paths:
        try:
            place, as_written = bases.find(written)
        except PartwiseError as error:
            raise PartwiseError(f"{where}: {split}: {error}") from None
        if not as_written:
            problem = f"{split}: {written} is read from {os.path.normpath(place)}"
            found.notes.append(Fault(where, problem, "correct the path if that is wrong"))
        if place.is_dir():
            files, errors = files_below(place)
            if errors:
                raise PartwiseError(str(errors[0]))
            found.images += [file for file in files if file.suffix.lower() in PHOTO_SUFFIXES]
            found.folders.add(place)
        elif place.suffix.lower() == ".txt":
            _add_list(found, place, bases)
        else:
            found.images.append(place)
    if not found.images:
        raise PartwiseError(f"{where}: {split}: no image in {', '.join(paths)}: put the images there")
    if len({image.is_absolute() for image in found.images}) > 1:
        found.images = [image.absolute() for image in found.images]
    found.images = sorted(dict.fromkeys(found.images))
    found.folders = found.folders or {image.parent for image in found.images}
    return found


def _add_list(found: SplitImages, file: Path, bases: PathBases) -> None:
    """Add the images that a list names, one on each line."""
    odd: list[tuple[str, Path]] = []
    lines = [line.strip() for line in text_of(read_bytes(file), "replace").splitlines()]
    for number, written in enumerate(lines, 1):
        if not written:
            continue
        try:
            image, as_written = bases.find(written, file.parent)
        except PartwiseError as error:
            raise PartwiseError(f"{file}: line {number}: {error}") from None
        found.images.append(image)
        if not as_written:
            odd.append((written, image))
    if odd:
        count = f"{len(odd)} of {counted(sum(map(bool, lines)), 'image')}"
        example = f"{odd[0][0]} is read from {os.path.normpath(odd[0][1])}"
        problem = f"{count} found under another path than the list gives: {example}"
        found.notes.append(Fault(str(file), problem, "correct the paths if that is wrong"))
