"""Which photos are meant by files and folders, and what their results are called."""

from __future__ import annotations

import glob
import os
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from partwise.data.image_files import OTHER_SUFFIXES, PHOTO_SUFFIXES, VIDEO_SUFFIXES
from partwise.errors import PartwiseError, on_one_line
from partwise.files import expanded
from partwise.folders import files_below
from partwise.written import PICTURE, kind_of

FRAME_END = "_leftImg8bit"  # of a Cityscapes frame's name; no part of it in the submission form
RESULT, LABEL_MAP = "partwise result", "label map"
# Names of what lies beside the frames of a Cityscapes tree.
_MAP_KINDS = ("instanceIds", "labelIds", "labelTrainIds", "instanceTrainIds", "gtFine_color", "gtCoarse_color")
_LABEL_MAP_ENDS = tuple(f"_{kind}.png" for kind in (*_MAP_KINDS, "disparity"))


@dataclass(frozen=True)
class Photo:
    """A photo, and what its results are called.

    path     where it lies
    name     of its results, no folder in it
    folder   where its results go, relative to the folder of all results; "" for that folder itself
    """

    path: Path
    name: str
    folder: str = ""


@dataclass(frozen=True)
class PhotoFiles:
    """What was found.

    photos     each file once
    left_out   what is in the folders and cannot be read as a photo, or is none: how many of each kind
    renamed    photos whose results are not called after them, because others have the same name
    faults     one for each thing that was given and gives no photo
    """

    photos: list[Photo]
    left_out: dict[str, int] = field(default_factory=dict)
    renamed: list[Photo] = field(default_factory=list)
    faults: list[PartwiseError] = field(default_factory=list)


def find_photos(inputs: Sequence[Path], *, submission: bool = False) -> PhotoFiles:
    """The photos that are named or lie in a named folder, at any depth.

    Results of named files lie directly in the folder of all results, those of a folder as the photos lie in it; of
    several folders, as they lie below the folder that holds them all. Two photos never have the same results: those of
    the second get a number, such as street_2.

    Args:
        inputs: files, folders and patterns such as photos/*.png that the shell did not replace.
        submission: names are those of the benchmark's form, in which all results lie in one folder and no name may
            change; a second photo of the same name is a fault.

    Raises:
        PartwiseError: there is no photo at all.
    """
    if not inputs:
        raise PartwiseError("no image given: name image files or folders of images")
    files: list[Path] = []
    folders: dict[str, Path] = {}
    faults = []
    for path in _without_patterns(inputs):
        fault = _fault_of(path)
        if fault is not None:
            faults.append(fault)
        elif path.is_dir():
            folders.setdefault(os.path.realpath(path), path)
        else:
            files.append(path)
    found: dict[tuple[str, str], tuple[Path, str]] = {}  # place of a file -> its path, the folder of its results
    left_out: Counter[str] = Counter()
    top = os.path.commonpath(folders) if folders else ""
    for real, folder in folders.items():
        photos, others, unreadable = _photos_in(folder)
        faults += unreadable
        left_out.update(others)
        if not photos and not unreadable:
            faults.append(PartwiseError(_without_photos(folder, others)))
        begin = os.path.relpath(real, top)
        for path in photos:
            below = os.fspath(Path(begin) / path.relative_to(folder).parent)
            found.setdefault(_place(path), (path, "" if below == "." else below))
    for path in files:  # one that lies in a folder, too, has its results where those of the folder are
        found.setdefault(_place(path), (path, ""))
    if not found:
        raise PartwiseError("\n".join(on_one_line(str(fault)) for fault in faults))
    if submission:
        frames, doubles = _named_as_frames([path for path, _ in found.values()])
        return PhotoFiles(frames, dict(left_out), faults=faults + doubles)
    named, renamed = _named_apart(list(found.values()))
    return PhotoFiles(named, dict(left_out), renamed, faults)


def left_out_text(left_out: dict[str, int]) -> str:
    """What was left out and what to do about it; nothing where nothing was.

    >>> left_out_text({".heic": 3, ".mp4": 1, "partwise result": 4})
    'left out: 3 .heic, 1 .mp4, 4 partwise results: convert photos to JPEG or PNG; take frames out of videos'
    """
    if not left_out:
        return ""
    counts = [f"{count} {what}{'s' if count > 1 and what[0] != '.' else ''}" for what, count in left_out.items()]
    advice = []
    if any(what in OTHER_SUFFIXES for what in left_out):
        advice.append("convert photos to JPEG or PNG")
    if any(what in VIDEO_SUFFIXES for what in left_out):
        advice.append("take frames out of videos")
    return f"left out: {', '.join(counts)}" + (f": {'; '.join(advice)}" if advice else "")


def _without_patterns(inputs: Sequence[Path]) -> list[Path]:
    """The paths, with those that match in the place of a pattern."""
    paths: list[Path] = []
    for given in map(expanded, inputs):
        matches = [] if os.path.lexists(given) else sorted(glob.glob(os.fspath(given)))  # noqa: PTH207 - of any root
        paths += [Path(match) for match in matches] or [given]
    return paths


def _fault_of(path: Path) -> PartwiseError | None:
    """Why there is nothing at a path that was given."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        if path.is_symlink():
            return PartwiseError(f"{path}: a link to {path.readlink()}, where nothing is: correct the link")
        return PartwiseError(f"{path}: no such file or folder: look at the spelling")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        return PartwiseError(f"{path}: cannot be read: {reason}: check the path and its permissions")
    return None


def _place(path: Path) -> tuple[str, str]:
    """The same for two ways of writing one path, different for two names of one file."""
    return os.path.realpath(path.parent), path.name


def _photos_in(folder: Path) -> tuple[list[Path], Counter[str], list[PartwiseError]]:
    """(photos, what else looks like one, folders that cannot be read)."""
    files, unreadable = files_below(folder)
    photos: list[Path] = []
    others: Counter[str] = Counter()
    for path in files:
        suffix = path.suffix.lower()
        if suffix in PHOTO_SUFFIXES:
            no_photo = _no_photo(path)
            if no_photo:
                others[no_photo] += 1
            else:
                photos.append(path)
        elif suffix in OTHER_SUFFIXES or suffix in VIDEO_SUFFIXES:
            others[suffix] += 1
    return photos, others, unreadable


def _no_photo(path: Path) -> str:
    """What a file is that looks like a photo and is none; "" for a photo."""
    if path.suffix.lower() != ".png":
        return ""
    if kind_of(path) == PICTURE or _is_mask_of_submission(path):
        return RESULT
    return LABEL_MAP if path.name.endswith(_LABEL_MAP_ENDS) else ""


def _is_mask_of_submission(path: Path) -> bool:
    """Whether a file is masks/<name>_<i>.png below <name>_pred.txt, as version 0.1 wrote it without a mark."""
    if path.parent.name != "masks":
        return False
    return (path.parent.parent / f"{path.stem.rpartition('_')[0]}_pred.txt").is_file()


def _without_photos(folder: Path, others: Counter[str]) -> str:
    known = "PNG, JPEG, WebP, TIFF, BMP, GIF, PPM and the like"
    if not others:
        return f"{folder}: a folder without images ({known}): give another one"
    return f"{folder}: a folder without images ({known}): {left_out_text(others)}"


def _same(name: str) -> str:
    """Equal for names that some file systems take for the same: macOS and Windows do not tell A from a."""
    return unicodedata.normalize("NFC", name).casefold()


def _named_apart(found: Sequence[tuple[Path, str]]) -> tuple[list[Photo], list[Photo]]:
    """(photos, those of them that got a number), from (path, folder of the results)."""
    owners: dict[tuple[str, str], int] = {}
    for i, (path, folder) in enumerate(found):
        owners.setdefault((_same(folder), _same(path.stem)), i)
    photos, renamed = [], []
    for i, (path, folder) in enumerate(found):
        name, number = path.stem, 1
        while owners.setdefault((_same(folder), _same(name)), i) != i:
            number += 1
            name = f"{path.stem}_{number}"
        photos.append(Photo(path, name, folder))
        if number > 1:
            renamed.append(photos[-1])
    return photos, renamed


def _named_as_frames(paths: Sequence[Path]) -> tuple[list[Photo], list[PartwiseError]]:
    """(photos, an error for each further one of a name), from paths."""
    owners: dict[str, Path] = {}
    photos, faults = [], []
    for path in paths:
        name = path.stem.removesuffix(FRAME_END)
        owner = owners.setdefault(name, path)
        if owner is path:
            photos.append(Photo(path, name))
        else:
            faults.append(
                PartwiseError(
                    f"{path}: its results would be called {name}, as those of {owner}: rename the file, or predict it "
                    "into another folder"
                )
            )
    return photos, faults
