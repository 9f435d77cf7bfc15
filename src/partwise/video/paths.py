"""Paths of files as FFmpeg takes them."""

from __future__ import annotations

import os

from streeteval.files import expanded

__all__ = ["ffmpeg_path"]


def ffmpeg_path(path: str | os.PathLike) -> str:
    """Return the absolute path of a file: in "12:30.mp4" FFmpeg takes 12 for a protocol, such as http."""
    return str(expanded(path).absolute())
