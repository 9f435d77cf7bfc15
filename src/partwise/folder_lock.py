"""A lock that lets only one process write into a folder. The system releases it when its process ends in any way."""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from partwise.errors import PartwiseError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

__all__ = ["FolderLock"]

NAME = "lock"  # name of the file; it is never removed, because two processes could then lock two different files
_WAIT_SECONDS, _LOOK_SECONDS = 60.0, 0.05
_HELD_ELSEWHERE = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)
_BYTE = 1 << 30  # the byte that Windows locks: beyond the text, because other processes cannot read a locked byte
_held: list[IO] = []


class FolderLock:
    """The right to write into a folder, which only one process has at a time.

    Args:
        folder: The folder; it may not exist yet.
        name: Name of the file in it that is locked.
        what: What writes into the folder, in the words of the errors.
    """

    def __init__(self, folder: Path, name: str = NAME, what: str = "training"):
        self.folder, self.path, self.what = folder, folder / name, what
        self._file: IO | None = None

    @contextlib.contextmanager
    def held(self, note: Callable[[str], None], *, wait: bool = False) -> Iterator[None]:
        """Hold the lock inside this context; no other process can hold the lock of the same folder.

        The folder is made if it is missing. If its drive has no locks, as on some network drives, `note` is told so and
        the context is entered without a lock.

        Args:
            note: Is called with a sentence for the user.
            wait: Wait for a process that holds the lock, at most a minute: it holds it for a moment only.

        Raises:
            PartwiseError: If another process holds the lock (the error names the process and its machine), or if the
                folder cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            file = self.path.open("a+b", buffering=0)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise PartwiseError(
                f"cannot write {self.path}: {reason}: make the folder writable or choose another"
            ) from error
        with file:
            self._take(file, note, time.monotonic() + (_WAIT_SECONDS if wait else 0.0))
            self._file = file
            _held.append(file)
            since = time.strftime("%Y-%m-%d %H:%M:%S")
            _describe(file, f"process {os.getpid()} on {platform.node()}, since {since}")
            try:
                yield
            finally:
                self._file = None
                _held.remove(file)
                _describe(file, "")

    def _take(self, file: IO, note: Callable[[str], None], until: float) -> None:
        """Take the lock, or raise PartwiseError if another process holds it until a time of the monotonic clock."""
        try:
            while not _lock(file):
                if time.monotonic() >= until:
                    raise PartwiseError(
                        f"{self.folder}: another {self.what} is writing into this folder{_owner(self.path)}: wait "
                        "until it ends, stop it, or give another folder"
                    )
                time.sleep(_LOOK_SECONDS)
        except OSError as error:
            note(f"{self.folder}: cannot be locked ({error.strerror}): do not start another {self.what} in this folder")

    def require(self) -> None:
        """Check that the folder is still the one that was locked.

        Raises:
            PartwiseError: If it was removed or replaced.
        """
        if self._file is None:
            return
        try:
            same = os.path.samestat(os.fstat(self._file.fileno()), self.path.stat())
        except FileNotFoundError:
            same = False
        if not same:
            raise PartwiseError(
                f"{self.folder}: the {self.what} stops because this folder was removed or replaced: start again and "
                "leave the folder in place"
            )


def _lock(file: IO) -> bool:
    """Lock a file; returns False if another process has locked it, and raises OSError if the drive has no locks."""
    try:
        if sys.platform == "win32":
            file.seek(_BYTE)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _HELD_ELSEWHERE:
            return False
        raise
    return True


def _describe(file: IO, owner: str) -> None:
    """Write the owner of the lock into its file. If the disk is full, the text is left out without an error."""
    with contextlib.suppress(OSError):
        file.truncate(0)
        file.write(owner.encode())  # a file opened with "a" is written at its end


def _owner(path: Path) -> str:
    """Return the owner of the lock in parentheses; "" if it is not known."""
    try:
        line = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()[0]
    except (OSError, IndexError):
        return ""
    return f" ({line[:200]})"


def _let_go() -> None:
    """Close the locked files in a forked process, so that each lock ends with the process that took it."""
    while _held:
        _held.pop().close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)
