"""The files of the page: HTML, style and scripts, which come with the package and are read once."""

from __future__ import annotations

import functools
from importlib import resources

__all__ = ["SCRIPTS", "STATIC_TYPES", "static_file", "static_text"]

SCRIPTS = ("masks.js", "stage.js", "panel.js", "controls.js")  # in their order; the page of one file has them, too
STATIC_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


@functools.cache
def _files() -> dict[str, bytes]:
    """Every file of the page by its name. A name is looked up here and nowhere else: no path leads out of it."""
    folder = resources.files(__package__) / "static"
    ends = tuple(f".{end}" for end in STATIC_TYPES)
    return {one.name: one.read_bytes() for one in folder.iterdir() if one.name.endswith(ends)}


def static_file(name: str) -> bytes | None:
    """Return a file of the page; None if there is none of this name."""
    return _files().get(name)


def static_text(name: str) -> str:
    """Return a file of the page that is there, as text."""
    return _files()[name].decode("utf-8")
