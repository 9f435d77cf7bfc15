"""Writing files so that nobody ever sees half of one: a temporary file beside the target, renamed when complete.

A file that partwise did not write (written.py) is never replaced unless `overwrite` says so.

Names of files are bytes. Those that are not UTF-8 (Latin-1 out of an old zip) come into Python as lone surrogates,
which no text file can hold. Wherever partwise writes or prints such a name, each of these bytes stands as \\xNN: the
name caf<e9> reads caf\\xe9.
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

from partwise.errors import ForeignFileError, PartwiseError
from partwise.written import EMPTY, json_kind, kind_of

__all__ = [
    "ESCAPED",
    "atomic_write",
    "expanded",
    "json_ready",
    "mode_of",
    "read_json",
    "readable",
    "require_replaceable",
    "require_writable",
    "write_json",
]

_ADVICE = {errno.ENAMETOOLONG: "shorten the name"}  # what to do about an error of the system
_USUAL_ADVICE = "free the place or choose another"


def expanded(path: str | os.PathLike) -> Path:
    """A path with `~` and `~user` at its beginning replaced by that home folder."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 - which leaves an unknown user's as it is


def require_replaceable(path: str | os.PathLike, kind: str | None = None) -> None:
    """See that nothing of anybody else would be lost if partwise wrote `path`.

    Args:
        path: of a file that is about to be written. A device or a pipe holds nothing.
        kind: of what is about to be written, see `written.kind_of`; None: any kind of ours may be replaced.

    Raises:
        ForeignFileError: a file stands there that partwise did not write.
        PartwiseError: it is of another kind, write-protected, or a folder.
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
    """See that files can be written into a folder, which may have to be made first; writes nothing.

    Raises PartwiseError where it is a file, or where nobody may write.
    """
    folder = expanded(folder)
    mode = mode_of(folder)
    if mode and not stat.S_ISDIR(mode):
        raise PartwiseError(f"{folder}: this is a file: give a folder for the results")
    if not mode and folder.is_symlink():  # perhaps to a disk that is not there now
        raise PartwiseError(f"cannot write {folder}: a link to {folder.readlink()}, where nothing is: correct the link")
    there = next((place for place in (folder, *folder.absolute().parents) if mode_of(place)), None)
    if there is not None and stat.S_ISDIR(mode_of(there)) and not os.access(there, os.W_OK | os.X_OK):
        raise PartwiseError(f"cannot write {folder}: permission denied: choose another folder")
    try:
        folder.lstat()
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise PartwiseError(f"cannot write {folder}: file name too long: shorten the name") from None


def mode_of(path: str | os.PathLike) -> int:
    """What stands at a path, links followed, for stat.S_ISDIR and its like; 0 for nothing and where we may not look."""
    try:
        return os.stat(path).st_mode  # noqa: PTH116 - of a text, too
    except (OSError, ValueError):  # a null character
        return 0


ESCAPED = "partwise.escaped"  # a handler of encoding errors, as for open(..., errors=ESCAPED)
_BYTES = {0xDC00 + byte: byte for byte in range(0x80, 0x100)}  # lone surrogate -> the byte that it stands for


def _escape(error: UnicodeError) -> tuple[str, int]:
    """What stands for letters that an encoding does not know; as "backslashreplace", but a byte of a name is a byte."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letters = error.object[error.start : error.end].translate(_BYTES)
    return letters.encode("ascii", "backslashreplace").decode("ascii"), error.end


codecs.register_error(ESCAPED, _escape)


def readable(text: str) -> str:
    r"""`text` such that any text file can hold it; see the head of this file.

    >>> print(readable(os.fsdecode(b"caf\xe9")), readable("caf\xe9"))
    caf\xe9 café
    """
    return text.encode("utf-8", ESCAPED).decode("utf-8")


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike, mode: str = "wb", *, overwrite: bool = False) -> Iterator[IO[Any]]:
    """An open file that becomes `path` when the block ends well, and leaves no trace when it does not.

    Until then `path` keeps what it held before, also after a kill -9; the rename comes after an fsync. Missing
    parent folders are made. Several of these in one `contextlib.ExitStack`, each flushed inside it, appear together or
    not at all, but for a failure between the renames. A device or a pipe (/dev/stdout) is written directly.

    path    of a file; a symbolic link is followed, so that its target is replaced and the link stays
    mode    "wb" or "w" (UTF-8, names of files as `readable` gives them)
    overwrite   also replace a file that partwise did not write

    Raises ForeignFileError for such a file without `overwrite`, and PartwiseError if the disk is full, a permission is
    missing, or a folder is where the file should be.
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
    if not overwrite or stat.S_ISDIR(mode_there):
        require_replaceable(target)
    temporary = target.with_name(f".partwise-{secrets.token_hex(4)}.tmp")  # short: names have at most 255 bytes
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


def write_json(path: str | os.PathLike, value: Any, *, overwrite: bool = False) -> None:
    """Write `value` as indented UTF-8 JSON, atomically; see `json_ready` for what becomes of NaN, arrays and names.

    A file that holds JSON of another kind (`written.JSON_KINDS`) is not replaced, as little as a foreign one.
    """
    text = json.dumps(json_ready(value), indent=2, ensure_ascii=False, allow_nan=False)
    if not overwrite:
        require_replaceable(path, json_kind(value) or "file of no kind")
    with atomic_write(path, "w", overwrite=overwrite) as file:
        file.write(text + "\n")


def read_json(path: str | os.PathLike) -> Any:
    """What a JSON file holds. Raises PartwiseError for one that cannot be read, or is no JSON."""
    try:
        return json.loads(expanded(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise PartwiseError(f"{path}: cannot be read ({error.strerror}): give a JSON file") from None
    except ValueError as error:  # no UTF-8 and no JSON alike
        raise PartwiseError(f"{path}: no JSON file ({error})") from None


def json_ready(value: Any) -> Any:
    """`value` in JSON's own types: NaN and infinities become null, arrays lists, tuples lists, paths strings.

    Text is `readable`: it can be written as UTF-8.

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


@contextlib.contextmanager
def _explained(target: Path, temporary: Path) -> Iterator[None]:
    """Turn an OSError of this write into a PartwiseError; one about another file is somebody else's and passes."""
    try:
        yield
    except OSError as error:
        ours = {None, str(target), str(temporary), *map(str, target.parents)}
        if error.filename not in ours:
            raise
        reason = (error.strerror or str(error)).lower()
        if isinstance(error, FileExistsError):
            reason = f"{error.filename} is a file and no folder"
        advice = _ADVICE.get(error.errno or 0, _USUAL_ADVICE)
        raise PartwiseError(f"cannot write {target}: {reason}: nothing was changed there; {advice}") from error
