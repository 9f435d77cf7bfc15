"""What can be given as a video: a file, the address of a stream, the number of a camera, or a folder of pictures."""

from __future__ import annotations

import os
import re
from pathlib import Path

from partwise.data.image_files import VIDEO_SUFFIXES
from streeteval.files import expanded

__all__ = ["is_address", "is_camera", "is_video", "name_of_video"]

_CAMERA = re.compile(r"\d{1,2}")
_URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)


def is_address(text: str) -> bool:
    """Whether a text is the address of a stream."""
    return bool(_URL.match(text))


def is_video(source: str | os.PathLike) -> bool:
    """Whether something is a video file by its suffix, the address of a stream, or the number of a camera.

    >>> [is_video(one) for one in ("street.MP4", "rtsp://camera/1", "0", "street.jpg", "photos")]
    [True, True, True, False, False]
    """
    text = os.fspath(source)
    if is_address(text):
        return True
    return is_camera(text) or (Path(text).suffix.lower() in VIDEO_SUFFIXES and not Path(text).is_dir())


def is_camera(text: str) -> bool:
    """Whether a text is the number of a camera; a file of that name goes before it."""
    return bool(_CAMERA.fullmatch(text)) and not Path(text).exists()


def name_of_video(source: str | os.PathLike) -> str:
    """Return the name of the results of a video, without a folder.

    >>> [name_of_video(one) for one in ("a/street.mp4", "rtsp://camera/north?id=1", "7")]
    ['street', 'north', 'camera7']
    """
    text = os.fspath(source)
    if is_camera(text):
        return f"camera{text}"
    path = expanded(text)
    if path.is_dir():
        return path.resolve().name
    return Path(text.split("?")[0].rstrip("/") if is_address(text) else text).stem or "stream"
