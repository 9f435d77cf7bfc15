"""Where annotation files lie in a folder, which split each is, and where their images are."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from partwise.data.frame import FaultyDataError, raise_faults
from partwise.data.splits import folders_of_split
from streeteval.folders import is_clutter
from streeteval.reading.faults import Fault, counted

__all__ = [
    "AnnotationFile",
    "annotation_files",
    "beginning_of",
    "encoding_notes",
    "holds_panoptic_files",
    "looks_like_coco",
    "looks_like_panoptic",
]

_ROBOFLOW, _INSTANCES = "_annotations.coco.json", "instances_"
_SNIFFED_BYTES = 1 << 16
_SNIFFED_FILES = 12  # in a folder: one with a JSON for each image is another format
_USUAL_NAMES = frozenset(
    {
        "annotations",
        "_annotations.coco",
        "instances",
        "panoptic",
        "labels",
        "result",
        "coco",
        "instances_default",
        "via_region_data",
        "via_export_json",
    }
)
_KEYS = re.compile(rb'"(images|annotations|categories)"\s*:\s*\[')
_TRUTH_KEYS = re.compile(r'"(segmentation|segments_info)"\s*:')  # of COCO's annotations, of panoptic ones
_READ_LETTERS, _LONGEST_KEY = 1 << 20, 64
_BESIDE_THE_SPLIT = re.compile(r"^instances_|^(.*[_-])?panoptic[_-]|[_-]panoptic$")  # cityscapes_panoptic_val


@dataclass(frozen=True)
class AnnotationFile:
    """An annotation file of a data set.

    Attributes:
        split: Such as "train".
        file: The JSON.
        folders: That its images may lie in, the most likely one first.
    """

    split: str
    file: Path
    folders: tuple[Path, ...]


def beginning_of(file: Path) -> bytes:
    """What a file begins with as UTF-8, enough to know its format; nothing where it cannot be read."""
    try:
        if not file.is_file():  # a pipe would never end
            return b""
        with file.open("rb") as opened:
            first = opened.read(_SNIFFED_BYTES)
            if (encoding := json.detect_encoding(first)) != "utf-8":
                first = (first + opened.read(_SNIFFED_BYTES)).decode(encoding, "ignore").encode()
            return first.lstrip()
    except OSError:
        return b""


def _encoding_of(file: Path) -> str:
    with file.open("rb") as opened:
        return json.detect_encoding(opened.read(4))


def encoding_notes(files: Sequence[Path], where: str) -> list[Fault]:
    """Say that some of the files that were read are no plain UTF-8, which other tools may not read.

    Args:
        files: JSON files.
        where: They lie.
    """
    odd = [(file, encoding) for file in files if (encoding := _encoding_of(file)) != "utf-8"]
    if not odd:
        return []
    file, encoding = odd[0]
    kind = "UTF-8 with a byte order mark" if encoding == "utf-8-sig" else encoding[:6].upper()
    what = f"{len(odd)} of {counted(len(files), 'JSON file')} not in plain UTF-8, such as {file.name}, which is {kind}"
    return [Fault(where, what, "they were read: save them as UTF-8 for tools that do not")]


def looks_like_coco(file: Path) -> bool:
    """Whether a file begins as a COCO file with masks does; it is read as far as its first annotation.

    An empty file with the name of one counts, so that its fault is named.
    """
    start = beginning_of(file)
    if not start.strip(b"\0") and (file.name == _ROBOFLOW or file.name.startswith(_INSTANCES)):
        return True
    keys = set(_KEYS.findall(start))
    is_whole = len(start) < _SNIFFED_BYTES // 2  # a note of the classes alone, as Label Studio writes, is no COCO file
    return start[:1] == b"{" and bool(keys - {b"categories"} if is_whole else keys) and not _has_segments(file)


def looks_like_panoptic(file: Path) -> bool:
    """Whether a file begins as a file of COCO's panoptic form does; it is read as far as its first annotation."""
    start = beginning_of(file)
    return start[:1] == b"{" and _KEYS.search(start) is not None and _has_segments(file)


def holds_panoptic_files(root: Path) -> bool:
    """Check whether a folder holds files of COCO's panoptic form in one of the usual layouts."""
    try:
        return root.is_dir() and bool(annotation_files(root, looks_like_panoptic))
    except FaultyDataError:  # two files for one split
        return True


def _has_segments(file: Path) -> bool:
    """Whether the first annotation is one of segments in a PNG. All images may be listed before it, in many MB."""
    last = ""
    try:
        with file.open(encoding=_encoding_of(file), errors="replace") as opened:
            while block := opened.read(_READ_LETTERS):
                if (found := _TRUTH_KEYS.search(last + block)) is not None:
                    return found[1] == "segments_info"
                last = block[-_LONGEST_KEY:]
    except OSError:
        pass
    return False


def annotation_files(
    root: Path, is_one: Callable[[Path], bool], annotations: Path | None = None, images: Path | None = None
) -> list[AnnotationFile]:
    """The annotation files of a data set, one for each split.

    Args:
        root: A folder with such files in one of the usual layouts, or such a file.
        is_one: Whether a JSON file is of the format that is looked for.
        annotations: Only this file.
        images: The folder of the images; without it they are looked for in the usual places.

    Returns:
        Sorted by split; none if there is no such file.

    Raises:
        FaultyDataError: If two files are the same split.
    """
    if annotations is not None or root.is_file():
        files = [annotations if annotations is not None else root]
    else:
        files = list(_below(root, is_one))
    found: dict[str, AnnotationFile] = {}
    faults = []
    for file in files:
        split = _split_of(file, root, len(files) == 1)
        if split in found:
            what = f"is the split {split!r}, as {found[split].file} is"
            faults.append(Fault(str(file), what, "rename or remove one, or give the file itself"))
        folders = (images,) if images is not None else tuple(dict.fromkeys(_image_folders(file, split, root)))
        found[split] = AnnotationFile(split, file, folders)
    raise_faults(str(root), faults)
    return [found[split] for split in sorted(found)]


def _below(root: Path, is_one: Callable[[Path], bool]) -> Iterator[Path]:
    """Annotation files in a folder or in a folder of it; with instances_*.json no other file of its folder."""
    for folder in [root, *sorted(path for path in root.iterdir() if path.is_dir() and not is_clutter(path.name))]:
        try:
            names = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".json")
        except OSError:
            continue
        names = [path for path in names if not is_clutter(path.name)]
        chosen = [path for path in names if path.name.startswith(_INSTANCES)] or names[:_SNIFFED_FILES]
        yield from (path for path in chosen if is_one(path))


def _split_of(file: Path, root: Path, alone: bool) -> str:
    """The split of a file: its own name, or that of its folder where it has a usual one."""
    stem = _BESIDE_THE_SPLIT.sub("", file.stem)
    if file.stem in _USUAL_NAMES or file.name == _ROBOFLOW:
        inside = file.parent != root and file.parent.name not in ("annotations", "")
        return file.parent.name if inside else "all"
    return "all" if alone and stem == "default" else stem


def _image_folders(file: Path, split: str, root: Path) -> Iterator[Path]:
    above = file.parent.parent
    yield from (file.parent, file.parent / "images", file.parent / "data")
    yield from (above / split, above / "images" / split, above / "images", above / "images" / "default", above)
    if root.is_dir():
        yield from (root / split, root / "images" / split, root / "images", root)
    for base in (above, root) if root.is_dir() else (above,):  # such as valid for val
        for folder in (base, base / "images"):
            yield from folders_of_split(folder, split)
