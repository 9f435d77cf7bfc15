"""Write files as streeteval.files does, but replace only what partwise wrote.

A file that partwise did not write (written.py) is replaced only with `overwrite`.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
from collections.abc import Iterator
from typing import IO, Any

from partwise.errors import ForeignFileError, PartwiseError
from partwise.written import EMPTY, json_kind, kind_of
from streeteval import files
from streeteval.files import expanded, json_ready, mode_of

__all__ = ["atomic_write", "require_replaceable", "require_writable", "write_json"]


def require_replaceable(path: str | os.PathLike, kind: str | None = None) -> None:
    """Check that writing `path` would replace no file that partwise did not write. Nothing is written.

    Args:
        path: The file that is to be written. A device or a pipe is always allowed.
        kind: The kind of the new file, as `written.kind_of` names it; None if any kind that partwise writes may be
            replaced.

    Raises:
        ForeignFileError: If a file lies there that partwise did not write.
        PartwiseError: If the file there is of another kind, is write-protected, or is a folder.
    """
    path = expanded(path)
    mode = mode_of(path)
    if stat.S_ISDIR(mode):
        raise PartwiseError(f"cannot write {path}: it is a folder: give the path of a file")
    if not stat.S_ISREG(mode):
        return
    found = kind_of(path)
    if found is None:
        raise ForeignFileError(
            f"{path}: partwise did not write this file and does not replace it: "
            "choose another place, or move the file away"
        )
    if not os.access(path, os.W_OK):
        raise PartwiseError(f"{path}: this file is write-protected and not replaced: choose another place")
    if kind is not None and found not in (kind, EMPTY):
        raise PartwiseError(
            f"{path}: holds something else that partwise wrote ({found}), and it is not replaced: choose another place"
        )


def require_writable(folder: str | os.PathLike) -> None:
    """Check that files can be written into a folder, which need not exist yet. Nothing is written.

    Raises:
        PartwiseError: If it is a file, or a permission is missing.
    """
    folder = expanded(folder)
    mode = mode_of(folder)
    if mode and not stat.S_ISDIR(mode):
        raise PartwiseError(f"{folder}: this is a file: give a folder for the results")
    if not mode and folder.is_symlink():  # perhaps to a disk that is not mounted
        raise PartwiseError(f"cannot write {folder}: a link to {folder.readlink()}, where nothing is: correct the link")
    there = next((place for place in (folder, *folder.absolute().parents) if mode_of(place)), None)
    if there is not None and stat.S_ISDIR(mode_of(there)) and not os.access(there, os.W_OK | os.X_OK):
        raise PartwiseError(f"cannot write {folder}: permission denied: choose another folder")
    try:
        folder.lstat()
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise PartwiseError(f"cannot write {folder}: file name too long: shorten the name") from None


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike, mode: str = "wb", *, overwrite: bool = False) -> Iterator[IO[Any]]:
    """Open a file as `streeteval.files.atomic_write` does, unless a file lies there that partwise did not write.

    Args:
        path: The file to write.
        mode: "wb", or "w" for UTF-8 text.
        overwrite: Also replace a file that partwise did not write.

    Yields:
        The open file.

    Raises:
        ForeignFileError: If a file lies there that partwise did not write, without `overwrite`.
        PartwiseError: If the disk is full, a permission is missing, or a folder lies there.
    """
    if not overwrite:
        require_replaceable(os.path.realpath(expanded(path)))
    with files.atomic_write(path, mode) as file:
        yield file


def write_json(path: str | os.PathLike, value: Any, *, overwrite: bool = False) -> None:
    """Write `value` as indented UTF-8 JSON, atomically. `json_ready` converts NaN, arrays and names.

    Args:
        path: The file to write.
        value: What to write.
        overwrite: Also replace a file that partwise did not write, or JSON of another kind (`written.JSON_KINDS`).

    Raises:
        PartwiseError: If the file cannot be written, or may not be replaced.
    """
    text = json.dumps(json_ready(value), indent=2, ensure_ascii=False, allow_nan=False)
    if not overwrite:
        require_replaceable(path, json_kind(value) or "file of no kind")
    with atomic_write(path, "w", overwrite=overwrite) as file:
        file.write(text + "\n")
