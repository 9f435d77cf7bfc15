"""How long a video is by its header, and whether its frames end before that."""

from __future__ import annotations

from typing import Any

__all__ = ["length_of", "missing_end"]

_EXACT_FORMATS = ("mp4", "matroska")  # the others have no length, or FFmpeg estimates it from the rate of bits
_LEAST_MISSING_S = 0.5  # headers are rounded, and the last frame may be shown for a while


def length_of(container: Any, stream: Any) -> float | None:
    """Seconds of a video; None for a stream without end."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / 1e6 if container.duration else None


def missing_end(container: Any, stream: Any, end: float) -> str:
    """Say that the frames end before the length of the header, as in a file that was not copied whole.

    A Matroska header has one length for picture and sound, so that a file with sound says nothing of its picture.

    Args:
        container: The open file.
        stream: Its video stream.
        end: Seconds at which the last frame ends.

    Returns:
        A text such as "ends at 1.7 s of 6 s", or "" if nothing is missing or it cannot be known.
    """
    exact = any(name in container.format.name.split(",") for name in _EXACT_FORMATS)
    length = length_of(container, stream)
    if not exact or length is None or (not stream.duration and container.streams.audio):
        return ""
    return f"ends at {end:.4g} s of {length:.4g} s" if end + _LEAST_MISSING_S < length else ""
