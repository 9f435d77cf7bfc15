"""List the photos of a large job one after the other, and divide them among shards.

The name of a photo is its path: relative to the given folder, or as a list or the command names it. So `a/1.jpg` and
`b/1.jpg` are two photos.
"""

from __future__ import annotations

import glob
import hashlib
import os
import sys
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from partwise.data.image_files import PHOTO_SUFFIXES
from partwise.errors import PartwiseError
from partwise.photo_files import PHOTO, VIDEO_APART, kind_in_folder, left_out_text
from partwise.video.sources import is_video
from streeteval.files import expanded, readable
from streeteval.folders import is_clutter

__all__ = ["WHOLE", "ListedPhoto", "NameSet", "Shard", "listed_photos"]

_DIGEST = 16  # bytes of a name's hash: two of 10 million names have the same one with a chance below 1e-24
_RECENT = 1 << 16  # names that are kept in a Python set before they join the sorted array


@dataclass(frozen=True)
class ListedPhoto:
    """A photo of a job.

    Attributes:
        path: The file.
        name: Its name in the results.
    """

    path: Path
    name: str


@dataclass(frozen=True)
class Shard:
    """One of several equal shares of a job. A photo belongs to a shard by its name, whatever else is listed.

    Attributes:
        number: 1..count.
        count: Number of shards.
    """

    number: int = 1
    count: int = 1

    @classmethod
    def parsed(cls, text: str) -> Self:
        """Read a text such as "2/8".

        Raises:
            PartwiseError: If it has another form, or the first number is not in 1..second number.

        Example:
            >>> Shard.parsed("2/8")
            Shard(number=2, count=8)
        """
        number, slash, count = text.partition("/")
        if not (slash and number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
            raise PartwiseError(f"shard {text!r}: give NUMBER/COUNT with NUMBER from 1 to COUNT, such as 2/8")
        return cls(int(number), int(count))

    @property
    def folder(self) -> str:
        """Name of the folder of the shard's parts."""
        return f"shard-{self.number:05d}-of-{self.count:05d}"

    def holds(self, name: str) -> bool:
        """Whether a photo of this name belongs to the shard."""
        return int.from_bytes(_digest(name)[:8]) % self.count == self.number - 1


WHOLE = Shard()  # the only shard of a job that is not divided


class NameSet:
    """A set of names that takes 16 bytes for each."""

    def __init__(self) -> None:
        self._sorted = np.empty(0, f"V{_DIGEST}")
        self._recent: set[bytes] = set()

    def __len__(self) -> int:
        return len(self._sorted) + len(self._recent)

    def add(self, name: str) -> bool:
        """Add a name; return whether it is new."""
        digest = _digest(name)
        if digest in self._recent or self._holds(digest):
            return False
        self._recent.add(digest)
        if len(self._recent) >= _RECENT:
            recent = np.frombuffer(b"".join(self._recent), self._sorted.dtype)
            self._sorted = np.sort(np.concatenate([self._sorted, recent]))
            self._recent = set()
        return True

    def _holds(self, digest: bytes) -> bool:
        wanted = np.frombuffer(digest, self._sorted.dtype)
        place = int(np.searchsorted(self._sorted, wanted)[0])
        return place < len(self._sorted) and self._sorted[place].tobytes() == digest


def listed_photos(
    inputs: Sequence[str | os.PathLike], shard: Shard = WHOLE, left_out: Counter[str] | None = None
) -> Iterator[ListedPhoto]:
    """Yield the photos of folders, patterns, lists and files. Memory does not grow with their number.

    In folders and by patterns, earlier results and label maps are not photos. A file of another shard is not opened and
    is taken for a photo by its suffix.

    Args:
        inputs: Folders (searched at any depth; with several, names begin below the folder that holds all of them),
            patterns such as `photos/**/*.jpg`, text files (.txt, .lst) with one
            path a line, "-" for such a list on standard input, and photos.
        shard: Whose photos will be predicted.
        left_out: Gets the kinds of files of the shard that are left out, with their numbers, see `left_out_text`.

    Raises:
        PartwiseError: If an input does not exist, a folder or a pattern has no photo, or a folder cannot be read.
    """
    _require_there(inputs)
    left_out = Counter() if left_out is None else left_out
    folders = {os.path.realpath(expanded(path)) for path in inputs if expanded(path).is_dir()}
    top = os.path.commonpath(folders) if len(folders) > 1 else ""
    for given in inputs:
        path = expanded(given)
        if os.fspath(given) == "-":
            yield from _of_list(sys.stdin)
        elif path.is_dir():
            begin = os.path.relpath(os.path.realpath(path), top) if top else ""
            names = (_listed(file, os.path.join(begin, file.relative_to(path))) for file in _below(path))  # noqa: PTH118
            yield from _searched(names, shard, left_out, f"{path}: a folder without photos", "give another one")
        elif path.suffix.lower() in (".txt", ".lst") and path.is_file():
            with path.open(encoding="utf-8", errors="surrogateescape") as lines:
                yield from _of_list(lines)
        elif path.is_file():
            yield _listed(path, os.fspath(given))
        elif glob.has_magic(os.fspath(path)):
            matches = glob.iglob(os.fspath(path), recursive=True)  # noqa: PTH207 - of any root
            names = (_listed(Path(match), match) for match in matches)
            yield from _searched(names, shard, left_out, f"{path}: no photo has such a path", "look at the pattern")
        else:
            raise PartwiseError(f"{path}: neither a folder nor a file: give a folder, a list or photos")


def _require_there(inputs: Sequence[str | os.PathLike]) -> None:
    """Raise PartwiseError with a line for each path that is missing or a video: none is found out after hours."""
    named = [expanded(given) for given in inputs if os.fspath(given) != "-" and not is_video(given)]
    missing = [path for path in named if not path.exists() and not glob.has_magic(os.fspath(path))]
    faults = [f"{path}: no such file or folder: look at the spelling" for path in missing]
    faults += [f"{os.fspath(given)}: {VIDEO_APART}" for given in inputs if is_video(given)]
    if faults:
        raise PartwiseError("\n".join(faults))


def _searched(
    files: Iterable[ListedPhoto], shard: Shard, left_out: Counter[str], error: str, remedy: str
) -> Iterator[ListedPhoto]:
    """Pass on the photos among files, and count the others; raise an error with this message if there is no photo."""
    empty, others = True, Counter[str]()
    for file in files:
        own = shard.holds(file.name)
        # With another suffix the name alone decides.
        kind = kind_in_folder(file.path) if own or file.path.suffix.lower() not in PHOTO_SUFFIXES else PHOTO
        if kind == PHOTO:
            empty = False
            yield file
        elif kind:
            others[kind] += 1
            left_out[kind] += own
    if empty:
        raise PartwiseError(f"{error}: {left_out_text(others) or remedy}")


def _of_list(lines: Iterable[str]) -> Iterator[ListedPhoto]:
    for number, line in enumerate(lines):
        text = line.rstrip("\r\n")
        text = text if number else text.removeprefix("\ufeff")  # the byte-order mark of editors of Windows
        if text.strip():
            yield _listed(expanded(text), text)


def _listed(path: Path, name: str | os.PathLike) -> ListedPhoto:
    return ListedPhoto(path, readable(os.path.normpath(os.fspath(name)).replace(os.sep, "/")))


def _below(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder at any depth, a folder at a time, in the order of their names; see `files_below`."""

    def fail(error: OSError) -> None:
        reason = (error.strerror or str(error)).lower()
        raise PartwiseError(f"{error.filename}: cannot be read: {reason}: check the path and its permissions")

    top, known = os.path.realpath(folder), set[str]()
    trees = deque([folder])
    while trees:  # links last: so a folder keeps its own name
        for root, folders, files in os.walk(trees.popleft(), onerror=fail):
            real = os.path.realpath(root)
            if real in known or (real != top and Path(top).is_relative_to(real)):
                folders.clear()
                continue
            known.add(real)
            folders[:] = sorted(name for name in folders if not is_clutter(name))
            trees += [Path(root) / name for name in folders if (Path(root) / name).is_symlink()]
            yield from (Path(root) / name for name in sorted(files) if not is_clutter(name))


def _digest(name: str) -> bytes:
    return hashlib.blake2b(name.encode(), digest_size=_DIGEST).digest()
