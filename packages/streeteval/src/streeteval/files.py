r"""Write files completely or not at all: a temporary file beside the target is renamed when it is complete.

File names are bytes. Python reads bytes that are not UTF-8 (such as Latin-1 from an old zip) as lone surrogates, which
no text file can hold. Where such a name is written or printed, each of these bytes becomes \xNN: the name caf<e9>
becomes caf\xe9.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import json
import math
import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from streeteval.errors import InputError

__all__ = [
    "ESCAPED",
    "atomic_write",
    "cannot_write",
    "ends_all_writing",
    "expanded",
    "json_ready",
    "mode_of",
    "read_json",
    "readable",
    "text_of",
]

_FREE_SPACE, _MAY_WRITE = "free space on the disk or choose another one", "choose a folder that you may write to"
_ADVICE = {  # error of the system -> what to do
    errno.ENAMETOOLONG: "shorten the name",
    errno.ENOSPC: _FREE_SPACE,
    errno.EDQUOT: _FREE_SPACE,
    errno.EACCES: _MAY_WRITE,
    errno.EPERM: _MAY_WRITE,
    errno.EROFS: _MAY_WRITE,
}
_USUAL_ADVICE = "choose another path"


def expanded(path: str | os.PathLike) -> Path:
    """Replace `~` or `~user` at the beginning of a path by that home folder."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 - Path.expanduser fails for an unknown user


def mode_of(path: str | os.PathLike) -> int:
    """The mode of a path for stat.S_ISDIR and the like; links are followed. 0 if nothing is there or can be read."""
    try:
        return os.stat(path).st_mode  # noqa: PTH116 - takes a str, too
    except (OSError, ValueError):  # ValueError: a null character
        return 0


ESCAPED = "streeteval.escaped"  # name of a handler of encoding errors, for open(..., errors=ESCAPED)
_BYTES = {0xDC00 + byte: byte for byte in range(0x80, 0x100)}  # lone surrogate -> the byte that it represents


def _escape(error: UnicodeError) -> tuple[str, int]:
    """Escape letters that an encoding does not have, like "backslashreplace"; a lone surrogate becomes its byte."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letters = error.object[error.start : error.end].translate(_BYTES)
    return letters.encode("ascii", "backslashreplace").decode("ascii"), error.end


codecs.register_error(ESCAPED, _escape)


def readable(text: str) -> str:
    r"""Escape the bytes of a file name that are not UTF-8, so that any text file can hold it.

    Example:
        >>> print(readable(os.fsdecode(b"caf\xe9")), readable("caf\xe9"))
        caf\xe9 café
    """
    return text.encode("utf-8", ESCAPED).decode("utf-8")


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike, mode: str = "wb") -> Iterator[IO[Any]]:
    """Open a file that becomes `path` when the block ends without an exception, and is removed otherwise.

    Until then `path` keeps its old content, also after a kill -9: the rename comes after an fsync. Missing parent
    folders are made. Several files in one `contextlib.ExitStack`, each flushed inside it, appear together or not at
    all, except if a rename itself fails. A device or a pipe (/dev/stdout) is written directly.

    Args:
        path: The file to write. If it is a symbolic link, its target is replaced and the link stays.
        mode: "wb", or "w" for UTF-8 text with file names as `readable` gives them.

    Yields:
        The open file.

    Raises:
        InputError: If the disk is full, a permission is missing, or a folder lies there.
    """
    if mode not in ("w", "wb"):
        raise ValueError(f"atomic_write: mode {mode!r} is neither 'w' nor 'wb'")
    path = expanded(path)
    target = Path(os.path.realpath(path))
    text: dict[str, Any] = {} if "b" in mode else {"encoding": "utf-8", "errors": ESCAPED, "newline": "\n"}
    mode_there = mode_of(path)
    if mode_there and not stat.S_ISREG(mode_there) and not stat.S_ISDIR(mode_there):
        with _explained(path, path), path.open(mode, **text) as file:
            yield file
        return
    if stat.S_ISDIR(mode_there):
        raise InputError(f"cannot write {path}: it is a folder: give the path of a file")
    temporary = target.with_name(f".streeteval-{secrets.token_hex(4)}.tmp")  # short: names have at most 255 bytes
    with _explained(target, temporary):
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open(mode.replace("w", "x"), **text) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise


def read_json(path: str | os.PathLike) -> Any:
    """Read a JSON file.

    Args:
        path: Of the file.

    Returns:
        Its content.

    Raises:
        InputError: If it cannot be read, is empty, is no text in UTF-8, UTF-16 or UTF-32, is not JSON, or is nested too
            deeply.
    """
    path = expanded(path)
    if path.is_fifo() and path.parts[1:2] != ("dev",):
        raise InputError(f"{path}: a pipe, which may never end: give a JSON file")
    try:
        text = text_of(path.read_bytes())
        if not text.strip("\0 \t\r\n"):
            raise InputError(f"{path}: is empty: write or copy it again")
        return json.loads(text)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(f"{path}: cannot be read: {reason}: give a JSON file") from None
    except UnicodeDecodeError as error:
        encoding, wrong = error.encoding.upper()[:6], f"byte {error.object[error.start]:#04x} at {error.start}"
        raise InputError(f"{path}: not {encoding} ({wrong}): save it as UTF-8") from None
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON ({error}): write or copy it again") from None


def text_of(data: bytes, errors: str = "strict") -> str:
    """Decode a text file in UTF-8, UTF-16 or UTF-32, with a byte order mark or without one.

    Without a mark the zeros among its first four bytes tell UTF-16 and UTF-32, as for JSON (RFC 4627, section 3).

    Args:
        data: The content of the file.
        errors: As of `bytes.decode`.

    Returns:
        Its text, without the mark.

    Raises:
        UnicodeDecodeError: If it is no text in this encoding, unless `errors` says otherwise.

    >>> text_of("é".encode("utf-16")), text_of("{}".encode("utf-16-le")), text_of("{}".encode("utf-8-sig"))
    ('é', '{}', '{}')
    """
    return data.decode(json.detect_encoding(data), errors)


def json_ready(value: Any) -> Any:
    """Convert a value to JSON's own types: NaN and infinities to null, arrays and tuples to lists, paths to strings.

    Text becomes `readable`, so that it can be written as UTF-8.

    Example:
        >>> json_ready({"ap": float("nan"), "size": (512, 1024), 26: np.float32(0.5), "box": np.array([1, 2])})
        {'ap': None, 'size': [512, 1024], '26': 0.5, 'box': [1, 2]}
    """
    if isinstance(value, Mapping):
        return {readable(str(key)): json_ready(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [json_ready(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return json_ready(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, os.PathLike):
        return readable(os.fsdecode(value))
    return readable(value) if isinstance(value, str) else value


def cannot_write(path: str | os.PathLike, error: Exception, state: str = "") -> str:
    """Say that a file could not be written, why, and what to do. The error may name another file, such as a temporary.

    Args:
        path: The file that was asked for.
        error: An OSError, or one of a library with the same attributes `errno` and `strerror`.
        state: Of the file now, as the beginning of the advice.

    Example:
        >>> cannot_write("out.mp4", OSError(errno.ENOSPC, "No space left on device", "/tmp/.part"))
        'cannot write out.mp4: no space left on device: free space on the disk or choose another one'
    """
    reason = (getattr(error, "strerror", None) or str(error)).lower()
    if isinstance(error, FileExistsError):
        reason = f"{error.filename} is a file and no folder"
    advice = _ADVICE.get(getattr(error, "errno", None) or 0, _USUAL_ADVICE)
    return f"cannot write {os.fspath(path)}: {reason}: {state}{advice}"


# Errors of the system that would also stop the next file.
_ENDS_ALL = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO))


def ends_all_writing(error: InputError) -> bool:
    """Whether a file could not be written for a reason that would also stop the next one, such as a full disk."""
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in _ENDS_ALL


@contextlib.contextmanager
def _explained(target: Path, temporary: Path) -> Iterator[None]:
    """Turn an OSError of this write into a InputError. An OSError about another file passes unchanged."""
    try:
        yield
    except OSError as error:
        ours = {None, str(target), str(temporary), *map(str, target.parents)}
        if error.filename not in ours:
            raise
        raise InputError(cannot_write(target, error, "nothing was changed there; ")) from error
