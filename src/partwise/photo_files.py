"""Find the photos in files and folders, and choose the names of their results."""

from __future__ import annotations

import glob
import os
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from partwise.data.image_files import OTHER_SUFFIXES, PHOTO_SUFFIXES, VIDEO_SUFFIXES, advice_on
from partwise.errors import PartwiseError
from partwise.video.sources import is_video
from partwise.written import PICTURE, kind_of
from streeteval.errors import on_one_line
from streeteval.files import expanded
from streeteval.folders import files_below

FRAME_END = "_leftImg8bit"  # end of the name of a Cityscapes frame; the submission form leaves it out
PHOTO, RESULT, LABEL_MAP = "photo", "partwise result", "label map"
VIDEO_APART = "not an image: a video: predict videos by themselves, in a call without photos"
# Ends of the names of the maps that belong to the frames of a Cityscapes tree.
_MAP_KINDS = ("instanceIds", "labelIds", "labelTrainIds", "instanceTrainIds", "gtFine_color", "gtCoarse_color")
_LABEL_MAP_ENDS = tuple(f"_{kind}.png" for kind in (*_MAP_KINDS, "disparity"))


@dataclass(frozen=True)
class Photo:
    """A photo, and the names of its results.

    Attributes:
        path: The file of the photo.
        name: Name of its results, without a folder.
        folder: Folder of its results, relative to the folder of all results; "" for that folder itself.
    """

    path: Path
    name: str
    folder: str = ""


@dataclass(frozen=True)
class PhotoFiles:
    """The photos that were found.

    Attributes:
        photos: Each file once.
        left_out: Kind of a file in the folders that is not a photo or cannot be read as one -> number of files.
        renamed: Photos whose results got a number, because another photo has the same name.
        faults: An error for each given path that holds no photo.
    """

    photos: list[Photo]
    left_out: dict[str, int] = field(default_factory=dict)
    renamed: list[Photo] = field(default_factory=list)
    faults: list[PartwiseError] = field(default_factory=list)


def find_photos(inputs: Sequence[str | os.PathLike], *, submission: bool = False) -> PhotoFiles:
    """Find the photos among files, and in folders at any depth.

    Results of given files lie directly in the folder of all results. Results of a folder lie as the photos lie in it;
    results of several folders lie as the photos lie below the folder that holds all of them. If two photos would have
    the same results, those of the second photo get a number, such as street_2.

    Args:
        inputs: Files, folders, and patterns such as photos/*.png that the shell did not replace. Each video among them
            is a fault.
        submission: Use the names of the benchmark's submission form. All results lie in one folder and no name may
            change, so that a second photo of the same name is a fault.

    Raises:
        PartwiseError: If there is no photo.
    """
    if not inputs:
        raise PartwiseError("no image given: name image files or folders of images")
    files: list[Path] = []
    folders: dict[str, Path] = {}
    videos = [one for one in inputs if is_video(one)]
    faults = [PartwiseError(f"{os.fspath(one)}: {VIDEO_APART}") for one in videos]
    for path in _without_patterns([one for one in inputs if one not in videos]):
        fault = _fault_of(path)
        if fault is not None:
            faults.append(fault)
        elif path.is_dir():
            folders.setdefault(os.path.realpath(path), path)
        else:
            files.append(path)
    found: dict[tuple[str, str], tuple[Path, str]] = {}  # place of a file -> (its path, the folder of its results)
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
    for path in files:  # if a file also lies in a given folder, its results lie with those of the folder
        found.setdefault(_place(path), (path, ""))
    if not found:
        raise PartwiseError("\n".join(on_one_line(str(fault)) for fault in faults))
    if submission:
        frames, doubles = _named_as_frames([path for path, _ in found.values()])
        return PhotoFiles(frames, dict(left_out), faults=faults + doubles)
    named, renamed = _named_apart(list(found.values()))
    return PhotoFiles(named, dict(left_out), renamed, faults)


def left_out_text(left_out: dict[str, int]) -> str:
    """Say what was left out and what to do about it; "" if nothing was left out.

    Example:
        >>> left_out_text({".dng": 3, ".mp4": 1, "partwise result": 4})
        'left out: 3 .dng, 1 .mp4, 4 partwise results: convert photos to JPEG or PNG; predict videos by themselves'
    """
    if not left_out:
        return ""
    counts = [f"{count} {what}{'s' if count > 1 and what[0] != '.' else ''}" for what, count in left_out.items()]
    advice = []
    if unread := [what for what in left_out if what in OTHER_SUFFIXES]:
        advice.append(advice_on(unread, "photos"))
    if any(what in VIDEO_SUFFIXES for what in left_out):
        advice.append("predict videos by themselves")
    return f"left out: {', '.join(counts)}" + (f": {'; '.join(advice)}" if advice else "")


def _without_patterns(inputs: Sequence[str | os.PathLike]) -> list[Path]:
    """Replace each pattern by the paths that match it."""
    paths: list[Path] = []
    for given in map(expanded, inputs):
        matches = [] if os.path.lexists(given) else sorted(glob.glob(os.fspath(given)))  # noqa: PTH207 - of any root
        paths += [Path(match) for match in matches] or [given]
    return paths


def _fault_of(path: Path) -> PartwiseError | None:
    """Say why there is nothing at a given path; None if there is something."""
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
    """Identify a path: equal for two spellings of one path, different for two names of one file."""
    return os.path.realpath(path.parent), path.name


def _photos_in(folder: Path) -> tuple[list[Path], Counter[str], list[PartwiseError]]:
    """Return the photos, the number of files of each other kind, and an error for each folder that cannot be read."""
    files, unreadable = files_below(folder)
    photos: list[Path] = []
    others: Counter[str] = Counter()
    for path in files:
        kind = kind_in_folder(path)
        if kind == PHOTO:
            photos.append(path)
        elif kind:
            others[kind] += 1
    return photos, others, unreadable


def kind_in_folder(path: Path) -> str:
    """Name the kind of a file that was found in a folder and not given itself.

    Args:
        path: The file. Of a PNG the beginning is read.

    Returns:
        PHOTO; for what is left out and counted RESULT, LABEL_MAP, or the suffix of a picture or a video that is not
        read; "" for any other file.
    """
    suffix = path.suffix.lower()
    if suffix not in PHOTO_SUFFIXES:
        return suffix if suffix in OTHER_SUFFIXES or suffix in VIDEO_SUFFIXES else ""
    if suffix != ".png":
        return PHOTO
    if kind_of(path) == PICTURE or _is_mask_of_submission(path):
        return RESULT
    return LABEL_MAP if path.name.endswith(_LABEL_MAP_ENDS) else PHOTO


def _is_mask_of_submission(path: Path) -> bool:
    """Whether a file is a mask of a submission of version 0.1, without a mark: masks/NAME_0.png by NAME_pred.txt."""
    if path.parent.name != "masks":
        return False
    return (path.parent.parent / f"{path.stem.rpartition('_')[0]}_pred.txt").is_file()


def _without_photos(folder: Path, others: Counter[str]) -> str:
    known = "PNG, JPEG, WebP, TIFF, BMP, GIF, PPM and the like"
    if not others:
        return f"{folder}: a folder without images ({known}): give another one"
    return f"{folder}: a folder without images ({known}): {left_out_text(others)}"


def _same(name: str) -> str:
    """Return the same text for names that some file systems take for the same: macOS and Windows ignore case."""
    return unicodedata.normalize("NFC", name).casefold()


def _named_apart(found: Sequence[tuple[Path, str]]) -> tuple[list[Photo], list[Photo]]:
    """Turn pairs (path, folder of the results) into photos; also return the photos that got a number."""
    names = names_apart([(folder, path.stem) for path, folder in found])
    photos = [Photo(path, name, folder) for (path, folder), name in zip(found, names, strict=True)]
    return photos, [photo for photo in photos if photo.name != photo.path.stem]


def names_apart(wanted: Sequence[tuple[str, str]]) -> list[str]:
    """Give each further result of one name a number, such as street_2.

    Args:
        wanted: Folder and name of each result.

    Returns:
        The names, different in each folder, also where the file system ignores case.

    Example:
        >>> names_apart([("", "a"), ("", "A"), ("", "a_2"), ("b", "a")])
        ['a', 'A_3', 'a_2', 'a']
    """
    owners: dict[tuple[str, str], int] = {}
    for i, (folder, name) in enumerate(wanted):
        owners.setdefault((_same(folder), _same(name)), i)
    names = []
    for i, (folder, first) in enumerate(wanted):
        name, number = first, 1
        while owners.setdefault((_same(folder), _same(name)), i) != i:
            number += 1
            name = f"{first}_{number}"
        names.append(name)
    return names


def _named_as_frames(paths: Sequence[Path]) -> tuple[list[Photo], list[PartwiseError]]:
    """Turn paths into photos; also return an error for each further photo of the same name."""
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
