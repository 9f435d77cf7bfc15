"""List folders without the files that systems and programs leave behind. Links are followed once."""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path

from streeteval.errors import InputError

# Names that begin with a dot are skipped, as ls and shells do: ._photo.png and .DS_Store of macOS, .thumbnails,
# .ipynb_checkpoints. These are folders and files of macOS, Windows, Synology and QNAP, in lower case.
_LEFT_BEHIND = frozenset(
    {
        "__macosx",
        "icon\r",
        "thumbs.db",
        "ehthumbs.db",
        "desktop.ini",
        "$recycle.bin",
        "system volume information",
        "@eadir",
        "#recycle",
        "@recycle",
        "@recently-snapshot",
        "lost+found",
        "__pycache__",
    }
)


def is_clutter(name: str) -> bool:
    """Whether a file or folder of this name is hidden, or was left behind by a system or a program.

    Example:
        >>> [is_clutter(name) for name in ("._street.png", "@eaDir", "Thumbs.db", "street.png")]
        [True, True, True, False]
    """
    return (name.startswith(".") and name not in (".", "..")) or name.casefold() in _LEFT_BEHIND


def files_below(root: str | os.PathLike) -> tuple[list[Path], list[InputError]]:
    """List what is in a folder at any depth, without clutter.

    Each folder is listed once: a link to a folder is followed, unless that folder is listed anyway or the link leads
    back to `root` or above it. A link to a file counts as a file.

    Args:
        root: The folder.

    Returns:
        Everything that is not a folder (also broken links, pipes and sockets), sorted; and an error for each folder
        that cannot be read.
    """
    top = os.path.realpath(root)
    files: list[Path] = []
    faults: list[InputError] = []
    known: set[str] = set()
    folders, links = deque([Path(root)]), deque[Path]()
    while folders or links:
        folder = folders.popleft() if folders else links.popleft()  # links last: so a folder keeps its own name
        real = os.path.realpath(folder)
        if real in known or (real != top and Path(top).is_relative_to(real)):
            continue
        known.add(real)
        try:
            entries = list(os.scandir(folder))
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            faults.append(InputError(f"{folder}: this folder cannot be read: {reason}: change its permissions"))
            continue
        for entry in entries:
            if is_clutter(entry.name):
                continue
            kind = links if entry.is_symlink() else folders
            (kind if _is_folder(entry) else files).append(folder / entry.name)
    return sorted(files), faults


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, or without permission
        return False
