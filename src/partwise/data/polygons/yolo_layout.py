"""Where the images, labels and class names of YOLO data lie.

A YAML file (train, val, test, names), or without one images/ and labels/ with the class names in classes.txt. Source:
Ultralytics' documentation of segmentation data sets, and what Roboflow, CVAT and Label Studio export.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import yaml

from partwise.data.polygons.layout import annotation_files, beginning_of, looks_like_coco
from partwise.data.polygons.yolo_paths import PathBases, SplitImages, images_of_paths
from partwise.data.splits import is_usual
from partwise.errors import PartwiseError
from streeteval.files import text_of
from streeteval.folders import is_clutter
from streeteval.reading.faults import Fault
from streeteval.reading.id_files import read_bytes

__all__ = [
    "YoloData",
    "begins_with_label",
    "holds_label_lines",
    "images_of",
    "in_pixels",
    "is_yolo",
    "read_lines",
    "read_yolo_data",
    "text_files",
]

Line = TypeVar("Line")  # what a line is read as

_YAML = (".yaml", ".yml")
_USUAL_YAML = ("data", "dataset")
_SPLITS = ("train", "val", "valid", "validation", "test")
_HAS_NAMES = re.compile(rb"^names\s*:", re.MULTILINE)
_HAS_PARTS = re.compile(rb"^(train|val|valid|validation|test|nc|path)\s*:", re.MULTILINE)
_LABEL_LINE = re.compile(rb"^\d+(\.\d*)?([ \t]+([-+]?[\d.]+(e[-+]?\d+)?|nan|inf)){4,}[ \t]*$", re.IGNORECASE)
_NAME_FILES = ("classes.txt", "obj.names")
_LOOKED_AT = 12  # text files of a folder


@dataclass(frozen=True)
class YoloData:
    """A data set as its YAML file, or its folders, describe it.

    Attributes:
        where: The file with the names of the classes.
        name: Of the data set.
        classes: Index -> name.
        parts: Split -> paths as they are written: folders of images, lists of images (.txt), or images.
        bases: What these paths are relative to.
    """

    where: Path
    name: str
    classes: Mapping[int, str]
    parts: Mapping[str, tuple[str, ...]]
    bases: PathBases


def is_yolo(root: Path) -> bool:
    """Check whether a path is a YAML file, or a folder with one of YOLO data or with labels of YOLO.

    A folder that holds a COCO file, too, is read as COCO, which says more: give the YAML file to have its labels.
    """
    if root.is_file():  # also one that describes no data: its faults are said then
        return root.suffix.lower() in _YAML
    found = root.is_dir() and bool(_yaml_files(root) or _holds_labels(root))
    return found and not annotation_files(root, looks_like_coco)


def read_yolo_data(root: Path) -> YoloData:
    """Read what a data set says of itself.

    Args:
        root: Its YAML file, or its folder.

    Raises:
        PartwiseError: If the YAML file is damaged or there are several, or the classes have no names.
    """
    files = [root] if root.is_file() else _yaml_files(root)
    usual = [file for file in files if file.stem.lower() in _USUAL_YAML]
    if len(files) > 1 and len(usual) != 1:
        several = ", ".join(file.name for file in files)
        raise PartwiseError(f"{root}: {len(files)} YAML files describe data ({several}): give one of them")
    if files:
        return _of_yaml(usual[0] if usual else files[0])
    found = [root / place / name for place in (".", "labels") for name in _NAME_FILES]
    where = next((file for file in found if file.is_file()), None)
    if where is None:
        raise PartwiseError(
            f"{root}: labels of YOLO without the names of their classes: give the data.yaml, or write the names into "
            f"{root / _NAME_FILES[0]}, one on each line"
        )
    names = [line.strip() for line in text_of(read_bytes(where), "replace").splitlines()]
    classes = {index: name for index, name in enumerate(names) if name}  # an empty line counts, too
    if not classes:
        raise PartwiseError(f"{where}: names no class: write the names of the classes into it, one on each line")
    return YoloData(where, root.resolve().name, classes, _parts_of_folders(root), PathBases((root,), frozenset()))


def _describes_data(file: Path) -> bool:
    start = beginning_of(file) if file.suffix.lower() in _YAML else b""
    return bool(_HAS_NAMES.search(start) and _HAS_PARTS.search(start))


def _yaml_files(root: Path) -> list[Path]:
    try:
        files = sorted(path for path in root.iterdir() if path.suffix.lower() in _YAML)
    except OSError:
        return []
    return [file for file in files if not is_clutter(file.name) and _describes_data(file)]


def _holds_labels(root: Path) -> bool:
    """Check whether a folder `labels`, here or one level below, begins with a label file of YOLO."""
    for folder in (root / "labels", *sorted(root.glob("*/labels"))):
        if any(_text_files_found(folder)):
            return holds_label_lines(folder)
    return False


def text_files(folder: Path) -> list[Path]:
    """List the text files in a folder, at any depth, that may hold labels, sorted."""
    return sorted(_text_files_found(folder))


def _text_files_found(folder: Path) -> Iterator[Path]:
    """The same in any order, as they are found: the first may be enough, and there may be very many."""
    files = folder.glob("**/*.txt")
    return (path for path in files if path.name not in _NAME_FILES and not is_clutter(path.name))


def holds_label_lines(folder: Path) -> bool:
    """Check whether one of the first text files with a line begins with one of labels: others may be notes."""
    told = (begins for file in _text_files_found(folder) if (begins := begins_with_label(file)) is not None)
    return any(islice(told, _LOOKED_AT))


def begins_with_label(file: Path) -> bool | None:
    """Check whether the first line of a file is one of labels: a class, at least four numbers; None without a line."""
    lines = (line.strip() for line in beginning_of(file).splitlines())
    first = next(filter(None, lines), None)
    return None if first is None else _LABEL_LINE.match(first) is not None


def _parts_of_folders(root: Path) -> dict[str, tuple[str, ...]]:
    """Split -> its folder of images: images/<split>, <split>/images, or images alone."""
    inside = sorted(path.name for path in (root / "images").glob("*/") if is_usual(path.name))
    if inside:
        return {name: (f"images/{name}",) for name in inside}
    if (root / "images").is_dir():
        return {"all": ("images",)}
    return {path.parent.name: (f"{path.parent.name}/images",) for path in sorted(root.glob("*/images"))}


def _of_yaml(file: Path) -> YoloData:
    try:
        content = yaml.safe_load(text_of(file.read_bytes()))
    except (OSError, yaml.YAMLError, UnicodeError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise PartwiseError(f"{file}: cannot be read as YAML ({reason}): write or copy it again") from None
    if not isinstance(content, Mapping):
        raise PartwiseError(f"{file}: holds no keys: give train, val and names")
    if content.get("kpt_shape") is not None:
        raise PartwiseError(f"{file}: kpt_shape says that its labels are key points: give data for segmentation")
    classes = _classes(content.get("names"), content.get("nc"), file)
    folder, given = file.parent, str(content.get("path") or "").replace("\\", "/")
    places = [folder / given, folder, folder.parent / given, folder.parent / "datasets" / given]
    bases = PathBases(tuple(dict.fromkeys(places)), frozenset({file.resolve().parent.name, Path(given).name} - {""}))
    written = {split: _texts(content.get(split), f"{file}: {split}") for split in _SPLITS}
    # Roboflow names a test part also where it exports none.
    parts = {
        split: paths for split, paths in written.items() if paths and (split != "test" or all(map(bases.exists, paths)))
    }
    name = file.resolve().parent.name if file.stem.lower() in _USUAL_YAML else file.stem
    return YoloData(file, name, classes, parts or _parts_of_folders(folder), bases)


def _classes(names: Any, count: Any, file: Path) -> dict[int, str]:
    """Index -> name, from a list or a mapping."""
    pairs = names.items() if isinstance(names, Mapping) else enumerate(names) if isinstance(names, list) else ()
    try:
        classes = {int(index): str(name) for index, name in pairs}
    except (TypeError, ValueError):
        classes = {}
    if not classes:
        raise PartwiseError(f"{file}: names is {str(names)[:40]!r}: give a list of class names, or index: name")
    if isinstance(count, int) and count != len(classes):
        raise PartwiseError(f"{file}: nc is {count}, but names has {len(classes)} classes: correct one of them")
    return classes


def _texts(value: Any, what: str) -> tuple[str, ...]:
    """The paths of a split: one, or a list.

    Raises:
        PartwiseError: If it is anything else. The message begins with `what`.
    """
    values = [one for one in (value if isinstance(value, list) else [value]) if one]
    if any(isinstance(one, bool) or not isinstance(one, str | int) for one in values):
        raise PartwiseError(f"{what} is {str(value)[:40]}: give a path or a list of paths")
    return tuple(map(str, values))


def images_of(data: YoloData, split: str) -> SplitImages:
    """Find the images of a split.

    Args:
        data: See `read_yolo_data`.
        split: A key of `data.parts`.

    Raises:
        PartwiseError: As `images_of_paths` does.
    """
    return images_of_paths(data.parts[split], data.bases, str(data.where), split)


def read_lines(file: Path, read: Callable[[int, list[str]], Line]) -> Iterator[Line | Fault]:
    """Read the lines of a text file that are not empty; a fault for a file or a line that cannot be used.

    Args:
        file: With a line for each instance.
        read: Is given the number of a line and its words. Raises ValueError(what is wrong, what to do).
    """
    try:
        text = text_of(file.read_bytes())
    except (OSError, UnicodeError) as error:
        yield Fault(str(file), f"cannot be read ({type(error).__name__})", "write or copy it again")
        return
    for number, words in enumerate(map(str.split, text.splitlines()), 1):
        if words:
            try:
                yield read(number, words)
            except ValueError as error:
                yield Fault(str(file), *error.args)


def in_pixels(shares: Sequence[float], size: tuple[int, int]) -> list[float]:
    """Turn x y x y ... from shares of an image of `size` (H, W) into pixels.

    >>> in_pixels([0.5, 0.5, 1, 0], (10, 20))
    [10.0, 5.0, 20, 0]
    """
    return [share * size[1 - n % 2] for n, share in enumerate(shares)]
