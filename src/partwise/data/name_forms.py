"""Find files whose names have accents: é is one sign (NFC) or, as macOS writes it, an e and an accent (NFD)."""

from __future__ import annotations

import os
from unicodedata import normalize

__all__ = ["existing_file", "forms_of"]


def forms_of(name: str) -> tuple[str, ...]:
    """Return the ways in which a name can be written: as it is, composed and decomposed; each once.

    >>> [len(form) for form in forms_of("é.jpg")], forms_of("a.jpg")
    ([5, 6], ('a.jpg',))
    """
    return (name,) if name.isascii() else tuple(dict.fromkeys((name, normalize("NFC", name), normalize("NFD", name))))


def existing_file(folder: str | os.PathLike, relative: str) -> str | None:
    """Find a file in a folder, whichever way its name is written.

    Args:
        folder: As it is written on the disk.
        relative: Path of the file in it.

    Returns:
        Its path; None if there is no such file.
    """
    for form in forms_of(relative):
        path = os.path.join(folder, form)  # noqa: PTH118 - many thousand times
        if os.path.isfile(path):  # noqa: PTH113
            return path
    return None
