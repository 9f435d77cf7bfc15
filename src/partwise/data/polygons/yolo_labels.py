"""The label files of YOLO data: that of an image, and those that no image has."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from unicodedata import normalize

from partwise.data.image_files import OTHER_SUFFIXES, PHOTO_SUFFIXES, advice_on
from partwise.data.name_forms import existing_file
from partwise.data.polygons.yolo_layout import begins_with_label, text_files
from streeteval.folders import is_clutter
from streeteval.reading.faults import Fault, counted

__all__ = ["label_file", "stray_warnings"]

_IMAGES, _LABELS = "images", "labels"


def label_file(image: Path) -> Path:
    """Return the label file of an image, which need not exist: in `labels` in place of `images`, or beside it.

    >>> str(label_file(Path("data/images/train/a.jpg")))
    'data/labels/train/a.txt'
    """
    name = f"{image.stem}.txt"
    usual = _in_place(image.parent, _IMAGES, _LABELS)
    found = existing_file(usual, name) or existing_file(image.parent, name)
    return usual / name if found is None else Path(found)


def _in_place(folder: Path, old: str, new: str) -> Path:
    """A folder with the last part `old` of its path replaced; the same folder if it has none."""
    parts = list(folder.parts)
    if old in parts:
        parts[len(parts) - 1 - parts[::-1].index(old)] = new
    return Path(*parts)


def stray_warnings(where: str, split: str, images: Sequence[Path], folders: Collection[Path]) -> Iterator[Fault]:
    """Say which images have no label file, and which label files no image: each kind in one line.

    Args:
        where: The file of the data set, for the warnings.
        split: Its name.
        images: Of the split.
        folders: That hold its images, at any depth.
    """
    labels = {image: label_file(image) for image in images}
    lacking = [image for image, file in labels.items() if not file.is_file()]
    if lacking:
        problem = (
            f"{split}: {len(lacking)} of {counted(len(images), 'image')} without a label file, such as {lacking[0]}"
        )
        remedy = "they count as images without an object: where one is to be seen, add its label file"
        yield Fault(where, problem, remedy)
    owners = _Owners()
    strays = {file: owners.of(file) for file in _label_files(folders) - set(labels.values())}
    strays = {file: owner for file, owner in sorted(strays.items()) if not _is_read(owner) and begins_with_label(file)}
    unread = [owner for owner in strays.values() if owner is not None]
    if unread:
        number = counted(len(unread), "image")
        problem = f"{split}: {number} with labels, but of a format that is not read, such as {unread[0]}"
        yield Fault(where, problem, f"left out: {advice_on(owner.suffix for owner in unread)}")
    alone = [file for file, owner in strays.items() if owner is None]
    if alone:
        problem = f"{split}: {counted(len(alone), 'label file')} without an image, such as {alone[0]}"
        yield Fault(where, problem, "left out: add the images, correct the names, or remove the files")


def _label_files(folders: Collection[Path]) -> set[Path]:
    """What may be label files of the images in some folders."""
    places = {place for folder in folders for place in (folder, _in_place(folder, _IMAGES, _LABELS))}
    return {file for place in places for file in text_files(place)}


def _is_read(image: Path | None) -> bool:
    return image is not None and image.suffix.lower() in PHOTO_SUFFIXES


class _Owners:
    """Finds the image of a label file; each folder is listed once."""

    def __init__(self) -> None:
        self._found: dict[Path, dict[str, Path]] = {}

    def of(self, file: Path) -> Path | None:
        """The image, one that can be read if there are several; None without one."""
        stem = normalize("NFC", file.stem)
        for folder in (_in_place(file.parent, _LABELS, _IMAGES), file.parent):
            if folder not in self._found:
                self._found[folder] = _images_by_stem(folder)
            if stem in self._found[folder]:
                return self._found[folder][stem]
        return None


def _images_by_stem(folder: Path) -> dict[str, Path]:
    try:
        paths = [path for path in folder.iterdir() if not is_clutter(path.name)]
    except OSError:
        return {}
    images = [path for path in paths if path.suffix.lower() in (*PHOTO_SUFFIXES, *OTHER_SUFFIXES)]
    return {normalize("NFC", path.stem): path for path in sorted(images, key=_is_read)}
