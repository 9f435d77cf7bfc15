"""Find the files that an annotation file names, where the name may be written in another way than that of the file."""

from __future__ import annotations

import filecmp
import os
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from unicodedata import normalize
from urllib.parse import unquote

from partwise.data.name_forms import existing_file, forms_of
from streeteval.reading.faults import Fault, counted

__all__ = ["FileFinder", "FoundFile", "plain_path"]

_LOCAL_FILE = "?d="  # of Label Studio's paths /data/local-files/?d=folder/name.jpg


@dataclass(frozen=True)
class FoundFile:
    """What was found for a name.

    Attributes:
        path: Of the file; None if there is none, or several that differ.
        name: The path that the annotation file gives, as it was understood.
        several: Files that the name may mean, where it means no single one.
    """

    path: str | None
    name: str
    several: tuple[str, ...] = ()


def plain_path(file_name: str) -> str:
    r"""A path with slashes and without a leading `./`, as tools of Windows write it, too.

    >>> plain_path(".\\images\\a.jpg")
    'images/a.jpg'
    """
    return str(PurePosixPath(file_name.replace("\\", "/")))


class FileFinder:
    """Looks for files in some folders; first in the one where most were found.

    A name is taken as it is written. Where no file has it, it may be percent-encoded, differ in upper and lower case,
    or have folders before it that are not there; the file is found if exactly one can be meant.

    Args:
        folders: That the paths may be relative to, the most likely one first.
        names: Of all files, as the annotation file has them.
    """

    def __init__(self, folders: Sequence[Path], names: Collection[str]):
        self.folders = [str(folder) for folder in folders]
        self.names = frozenset(names)
        self.found_in: Counter[str] = Counter()
        self._files: dict[str, dict[str, list[str]]] = {}
        self._odd: list[tuple[str, str]] = []

    def find(self, name: str) -> FoundFile:
        """Find the file of one of the names."""
        plain = plain_path(name)
        parts = _parts(plain)
        for folder in self._ordered():
            if path := _exact(folder, parts, self._like(folder, parts)):
                self.found_in[folder] += 1
                return FoundFile(path, plain)
        hits: dict[str, tuple[str, str]] = {}  # file -> the path that was meant, and the folder
        for form in _forms(name):
            for folder, path in self._meant(form):
                hits.setdefault(path, (form, folder))
        paths = _distinct(list(hits))
        if len(paths) == 1:
            form, folder = hits[paths[0]]
            self.found_in[folder] += 1
            self._odd.append((name, paths[0]))
            return FoundFile(paths[0], form)
        if not paths and PurePosixPath(plain).is_absolute() and (path := existing_file("", plain)) is not None:
            return FoundFile(path, plain)
        return FoundFile(None, plain, tuple(paths))

    def fault(self, what: str, found: FoundFile, where: str) -> Fault:
        """Say that there is no single file.

        Args:
            what: The image and its name.
            found: With the path None.
            where: The annotation file.
        """
        if found.several:
            files = " or ".join(found.several[:2]) + (" or others" if len(found.several) > 2 else "")
            return Fault(where, f"{what} may be {files}", "write the path of the right one, or remove the other")
        looked = [folder for folder, _ in self.found_in.most_common(1)] or self.folders[:2]
        return Fault(where, f"{what} is missing", f"put the images into {' or '.join(looked)}, or name their folder")

    def notes(self, where: str, what: str = "image") -> Iterator[Fault]:
        """One line on the files that do not lie where their names say; `what` they are."""
        if self._odd:
            name, path = self._odd[0]
            what = f"{len(self._odd)} of {counted(len(self.names), what)} found under another path than the file gives"
            yield Fault(where, f"{what}: {name} is read from {path}", "correct the paths in the file if that is wrong")

    def _ordered(self) -> list[str]:
        return sorted(self.folders, key=lambda folder: -self.found_in[folder])

    def _meant(self, form: str) -> Iterator[tuple[str, str]]:
        """(folder, file) of each file that a path can mean, whole or without its first folders.

        Of an end that another name has, too, the file may be that of the other.
        """
        parts, folders = _parts(form), self._ordered()
        for start in range(len(parts)):
            tail = parts[start:]
            if self._times[_key("/".join(tail))] > 1:
                return
            for folder in folders:
                files = self._like(folder, tail)
                exact = _exact(folder, tail, files)
                yield from ((folder, path) for path in ([exact] if exact else files))

    @cached_property
    def _times(self) -> Counter[str]:
        """How many of the names end in a path, whatever its case."""
        times: Counter[str] = Counter()
        for name in self.names:
            forms = [_parts(form) for form in _forms(name)]
            times.update({_key("/".join(parts[start:])) for parts in forms for start in range(len(parts))})
        return times

    def _like(self, folder: str, parts: Sequence[str]) -> list[str]:
        """The files in a folder whose paths differ from this one in upper and lower case or in accents' form alone."""
        places = [folder]
        for part in parts:
            inside = [(place, [part] if part == ".." else self._listed(place).get(_key(part), ())) for place in places]
            places = [os.path.join(place, name) for place, names in inside for name in names]  # noqa: PTH118
            if not places:
                break
        return [place for place in places if os.path.isfile(place)]  # noqa: PTH113 - many thousand times

    def _listed(self, folder: str) -> dict[str, list[str]]:
        """The names in a folder, by `_key`; each folder is listed once."""
        if folder not in self._files:
            names = self._files[folder] = {}
            try:
                for name in sorted(os.listdir(folder)):  # noqa: PTH208
                    names.setdefault(_key(name), []).append(name)
            except OSError:
                pass
        return self._files[folder]


def _parts(path: str) -> tuple[str, ...]:
    """The names in a path, which is taken as relative."""
    return tuple(part for part in path.split("/") if part not in ("", "."))


def _exact(folder: str, parts: Sequence[str], files: Sequence[str]) -> str | None:
    """The one of some files that has this path in a folder, its accents in either form; None without one."""
    if not files:
        return None
    wanted = {os.path.join(folder, *form.split("/")) for form in forms_of("/".join(parts))}  # noqa: PTH118
    return next((path for path in files if path in wanted), None)


def _distinct(paths: list[str]) -> list[str]:
    """The first of some files, and those that are neither the same file nor a copy of it."""
    first = paths[:1]
    return first + [other for other in paths[1:] if not _are_copies(first[0], other)]


def _are_copies(one: str, other: str) -> bool:
    try:
        return filecmp.cmp(one, other, shallow=False)
    except OSError:
        return False


def _key(name: str) -> str:
    """The same for names that differ in upper and lower case or in the form of an accent alone."""
    return normalize("NFC", name).casefold()


def _forms(name: str) -> tuple[str, ...]:
    r"""The paths that a name can stand for: with slashes, percent-decoded, of a URL.

    >>> _forms("a\\b%20c.jpg"), _forms("/data/local-files/?d=x/a.jpg")
    (('a/b%20c.jpg', 'a/b c.jpg', 'a\\b%20c.jpg'), ('/data/local-files/?d=x/a.jpg', 'x/a.jpg', '/data/local-files'))
    """
    plain = plain_path(name)
    forms = [plain, *([plain.split(_LOCAL_FILE, 1)[1]] if _LOCAL_FILE in plain else [])]
    if "?" in plain:
        forms.append(str(PurePosixPath(plain.split("?", 1)[0])))
    decoded = [unquote(form) for form in forms]
    return tuple(dict.fromkeys(form for form in (*forms, *decoded, name) if form))
