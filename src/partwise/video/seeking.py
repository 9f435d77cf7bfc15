"""Go to the key frame before a time instead of decoding all that lies before it.

Frames keep their numbers: the packets before the time are read, without being decoded, and the number of a frame is the
place of its time stamp among theirs.
"""

from __future__ import annotations

import bisect
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["Start", "seek"]

_INDEXED_FORMATS = ("mp4", "matroska")  # their seeking lands on key frames
_HIDDEN_FRAMES = ("vp8",)  # codecs with packets that show nothing


@dataclass(frozen=True)
class Start:
    """What is known of the frames that were passed.

    Attributes:
        first_s: Time stamp of the first frame of the video, in seconds.
        stamps: Time stamps of the frames up to the time, ascending, in ticks of the stream.
    """

    first_s: float
    stamps: list[int]

    def number_of(self, stamp: int | None, following: int) -> int:
        """Return the number of a frame.

        Args:
            stamp: Its time stamp.
            following: Its number if it lies behind all that are known.
        """
        if stamp is None or not self.stamps or stamp > self.stamps[-1]:
            return following
        return bisect.bisect_left(self.stamps, stamp)


def seek(path: str, container: Any, stream: Any, begin: float) -> Start | None:
    """Go to the last key frame at or before a time.

    Args:
        path: The file.
        container: The open file, from which nothing was read yet.
        stream: Its video stream.
        begin: Seconds since the first frame.

    Returns:
        What is known of the frames before; None if the file has no index or no time stamps, and is decoded whole.
    """
    import av

    known = any(name in container.format.name.split(",") for name in _INDEXED_FORMATS)
    if begin <= 0 or not known or stream.codec_context.name in _HIDDEN_FRAMES:
        return None
    with contextlib.suppress(av.error.FFmpegError, OSError), av.open(path) as other:
        found = _scanned(other, other.streams[stream.index], begin)
        if found is not None:
            start, key = found
            container.seek(key, stream=stream)
            return start
    return None


def _scanned(container: Any, stream: Any, begin: float) -> tuple[Start, int] | None:
    """Read packets up to a time; return what they say, and the time stamp of the last key frame before it."""
    stamps: list[int] = []
    keys: list[int] = []
    first: Any = None
    reached = None
    for packet in _packets(container, stream):
        if packet.pts is None:
            return None
        stamps.append(packet.pts)
        if packet.is_keyframe:
            keys.append(packet.pts)
        if first is None:
            first = next(iter(packet.decode()), None)
        reached = packet.dts
        if first is not None and reached is not None and (reached - first.pts) * stream.time_base > begin:
            break
    if first is None or reached is None or first.time is None:
        return None
    # Packets come in the order of decoding: what is shown before the last of them is complete.
    shown = sorted(stamp for stamp in stamps if first.pts <= stamp <= reached)
    before = [key for key in keys if first.pts <= key and (key - first.pts) * stream.time_base <= begin]
    if not before or len(set(shown)) < len(shown):
        return None
    return Start(first.time, shown), max(before)


def _packets(container: Any, stream: Any) -> Iterator[Any]:
    """The packets of frames that are shown."""
    for packet in container.demux(stream):
        if packet.size and not packet.is_discard:
            yield packet
