"""One training at a time in a folder: a lock of the system's, which it takes back when its owner ends, however."""

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

NAME = "lock"  # of the file; it stays, because a file that is removed can be locked twice
_HELD_ELSEWHERE = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)
_BYTE = 1 << 30  # that Windows locks, beyond all that is written: others could not read a locked one
_held: list[IO] = []


class FolderLock:
    """The right to write into a folder, which one process has at a time."""

    def __init__(self, folder: Path):
        self.folder, self.path = folder, folder / NAME
        self._file: IO | None = None

    @contextlib.contextmanager
    def held(self, note: Callable[[str], None]) -> Iterator[None]:
        """Inside, no other process can enter this with the same folder, which is made where it is missing.

        A network drive may have no locks: a note then says so, and nobody is kept out.

        Raises PartwiseError, with the process and the machine that hold the lock, where another has it, and where the
        folder cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            file = self.path.open("a+b", buffering=0)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise PartwiseError(f"cannot write {self.path}: {reason}: free the place or choose another") from error
        with file:
            self._take(file, note)
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

    def _take(self, file: IO, note: Callable[[str], None]) -> None:
        try:
            _lock(file)
        except OSError as error:
            if error.errno in _HELD_ELSEWHERE:
                raise PartwiseError(
                    f"{self.folder}: another training is writing into this folder{_owner(self.path)}: wait for its "
                    "end, stop it, or give another folder"
                ) from None
            note(f"{self.folder}: cannot be locked ({error.strerror}): start no second training in this folder")

    def require(self) -> None:
        """Raises PartwiseError where the folder is not that of `held` any more."""
        if self._file is None:
            return
        try:
            same = os.path.samestat(os.fstat(self._file.fileno()), self.path.stat())
        except FileNotFoundError:
            same = False
        if not same:
            raise PartwiseError(
                f"{self.folder}: this folder was removed or replaced during the training, which ends here: give a "
                "folder that stays"
            )


def _lock(file: IO) -> None:
    """Raises OSError at once where another has it, or where the drive has no locks."""
    if sys.platform == "win32":
        file.seek(_BYTE)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _describe(file: IO, owner: str) -> None:
    """Say in the file who has the lock. A full disk is no reason to fail: who comes then learns less."""
    with contextlib.suppress(OSError):
        file.truncate(0)
        file.write(owner.encode())  # "a" writes at the end


def _owner(path: Path) -> str:
    """Who has the lock, in parentheses, where it can be known."""
    try:
        line = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()[0]
    except (OSError, IndexError):
        return ""
    return f" ({line[:200]})"


def _let_go() -> None:
    """In a forked process: only the one that took a lock has it, so that it ends with that one."""
    while _held:
        _held.pop().close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)
