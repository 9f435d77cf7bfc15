"""Read the frames of a video file, a stream, a webcam, or a folder of images.

The next frame is decoded in a thread while the current one is processed. At most two frames wait, so the memory does
not depend on the length of the video.
"""

from __future__ import annotations

import os
import queue
import re
import sys
import threading
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from partwise.data.given_image import as_image
from partwise.data.image_files import PHOTO_SUFFIXES, VIDEO_SUFFIXES
from partwise.errors import PartwiseError, in_one_line

__all__ = ["FOLDER_RATE", "Frame", "Span", "VideoSource", "is_moving"]

FOLDER_RATE = Fraction(25)  # frames a second of a folder of images
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
_WAIT_S = 0.2


@dataclass(frozen=True)
class Frame:
    """One frame.

    Attributes:
        index: Its number in the video, from 0. After a seek it is its time multiplied by the average frame rate.
        time_s: Its time from the start of the video, in seconds.
        image_HW3: (H, W, 3) uint8 RGB, upright.
    """

    index: int
    time_s: float
    image_HW3: np.ndarray


@dataclass(frozen=True)
class Span:
    """Which frames are read.

    Attributes:
        start_s: First time, in seconds from the start of the video.
        end_s: The frames before this time are read; None for all.
        every: Read each n-th frame, from 1.

    Raises:
        PartwiseError: If a number is out of range.
    """

    start_s: float = 0.0
    end_s: float | None = None
    every: int = 1

    def __post_init__(self) -> None:
        if self.start_s < 0 or self.every < 1:
            raise PartwiseError(f"start {self.start_s:g} s, every {self.every}: give a start from 0, and every from 1")
        if self.end_s is not None and self.end_s <= self.start_s:
            raise PartwiseError(f"the end {self.end_s:g} s is not after the start {self.start_s:g} s: give a later end")


def is_moving(source: str | os.PathLike) -> bool:
    """Whether a source is a video file, a stream URL or the number of a webcam; folders are photos."""
    text = os.fspath(source)
    if _URL.match(text) and not Path(text).exists():
        return True
    if Path(text).exists():
        return Path(text).suffix.lower() in VIDEO_SUFFIXES and not Path(text).is_dir()
    return text.isdecimal() or Path(text).suffix.lower() in VIDEO_SUFFIXES


class VideoSource:
    """A video that can be read once.

    Args:
        source: A file, a URL, the number of a webcam, or a folder of images, read in the order of their names.
        span: Which frames are read.

    Attributes:
        name: Name of the results.
        rate: Average frames a second.
        path: The file, if it is one; only a file can have sound.
        fault: One line about a part that could not be read; None if the whole source was read.

    Raises:
        PartwiseError: If there is no video, or the start lies behind its end.
    """

    def __init__(self, source: str | os.PathLike | int, span: Span = Span()) -> None:
        text = os.fspath(source) if not isinstance(source, int) else str(source)
        self.text, self.span = text, span
        self.path = Path(text) if Path(text).is_file() else None
        self.fault: str | None = None
        self._images: list[Path] | None = None
        self._container: Any = None
        if Path(text).is_dir():
            self._images = sorted(path for path in Path(text).iterdir() if path.suffix.lower() in PHOTO_SUFFIXES)
            self.name, self.rate = Path(text).resolve().name, FOLDER_RATE
            duration: float | None = float(len(self._images) / FOLDER_RATE)
            if not self._images:
                raise PartwiseError(f"{text}: a folder without images: give a folder of frames")
        else:
            self._container = _opened(text)
            self._stream = self._container.streams.video[0]
            self._stream.thread_type = "AUTO"
            self.rate = self._stream.average_rate or self._stream.guessed_rate or FOLDER_RATE
            self.name = Path(text.split("?")[0]).stem or "video"
            self.name = f"webcam_{text}" if text.isdecimal() else self.name
            duration = self._container.duration / 1e6 if self._container.duration else None
        self._length_s = duration or 0.0
        if duration is not None and span.start_s >= duration:
            self._close()
            raise PartwiseError(f"{text}: the start {span.start_s:g} s lies behind the end, {duration:.2f} s")

    def __iter__(self) -> Generator[Frame]:
        """Yield the frames. The thread ends when the iterator is closed."""
        waiting: queue.Queue[Any] = queue.Queue(maxsize=1)
        stopped = threading.Event()
        thread = threading.Thread(target=self._fill, args=(waiting, stopped), daemon=True)
        thread.start()
        try:
            while (item := waiting.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            stopped.set()
            thread.join(5)

    def _fill(self, waiting: queue.Queue[Any], stopped: threading.Event) -> None:
        """Decode into the queue until the end or until the reader stops; an exception is passed on."""
        last: BaseException | None = None
        try:
            with closing(self._from_folder() if self._images is not None else self._decoded()) as frames:
                for frame in frames:
                    if not _put(waiting, frame, stopped):
                        return
        except BaseException as error:  # it is raised where the frames are taken
            last = error
        finally:
            self._close()
            _put(waiting, last, stopped)

    def _from_folder(self) -> Generator[Frame]:
        for i, path in enumerate(self._images or ()):
            time_s = float(i / self.rate)
            if self._wanted(i, time_s):
                yield Frame(i, time_s, as_image(path))
            if self.span.end_s is not None and time_s >= self.span.end_s:
                return

    def _decoded(self) -> Generator[Frame]:
        """Decode the video. If the data is damaged, the frames before the fault are kept and `fault` says so."""
        import av

        origin_s = float((self._stream.start_time or 0) * self._stream.time_base)
        if self.span.start_s:
            self._container.seek(int((self.span.start_s + origin_s) / self._stream.time_base), stream=self._stream)
        index = None
        try:
            for frame in self._container.decode(self._stream):
                time_s = frame.time - origin_s if frame.time is not None else float((index or 0) / self.rate)
                index = index + 1 if index is not None else round(time_s * self.rate) if self.span.start_s else 0
                if self.span.end_s is not None and time_s >= self.span.end_s:
                    return
                if self._wanted(index, time_s):
                    upright = np.rot90(frame.to_ndarray(format="rgb24"), getattr(frame, "rotation", 0) // 90)
                    yield Frame(index, time_s, np.ascontiguousarray(upright))
        except av.error.FFmpegError as error:
            if index is None:
                raise PartwiseError(f"{self.text}: no frame can be decoded ({in_one_line(error)})") from error
            self.fault = f"{self.text}: damaged after frame {index}: the frames before it were used"
            return
        if index is None:
            raise PartwiseError(
                f"{self.text}: the video has no frame from {self.span.start_s:g} s on: give another file"
            )
        expected_s = float(self._stream.duration * self._stream.time_base) if self._stream.duration else self._length_s
        if time_s + 2 / float(self.rate) < expected_s:
            self.fault = f"{self.text}: ends at {time_s:.2f} s, not at {expected_s:.2f} s: the file may be incomplete"

    def _wanted(self, index: int, time_s: float) -> bool:
        inside = time_s >= self.span.start_s - 1e-6 and (self.span.end_s is None or time_s < self.span.end_s)
        return inside and index % self.span.every == 0

    def _close(self) -> None:
        if self._container is not None:
            self._container.close()


def _put(waiting: queue.Queue[Any], item: Any, stopped: threading.Event) -> bool:
    """Put an item unless the reader has stopped; return whether it was put."""
    while not stopped.is_set():
        try:
            waiting.put(item, timeout=_WAIT_S)
            return True
        except queue.Full:
            continue
    return False


def _opened(text: str) -> Any:
    """Open a source that has a video stream with a known codec."""
    import av

    place, form = text, None
    if text.isdecimal() and not Path(text).exists():
        place, form = _webcam(int(text))
    elif not _URL.match(text) and not Path(text).exists():
        raise PartwiseError(f"{text}: no such file: look at the spelling")
    try:
        container = av.open(place, format=form, timeout=20)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise PartwiseError(f"{text}: cannot be opened as a video ({in_one_line(error)}): give another one") from error
    if not container.streams.video:
        container.close()
        raise PartwiseError(f"{text}: no video in it, only sound or other data: give a file with a video")
    if container.streams.video[0].codec_context is None:
        container.close()
        raise PartwiseError(f"{text}: its codec is unknown here: convert it to H.264, for example with ffmpeg")
    return container


def _webcam(number: int) -> tuple[str, str]:
    if sys.platform == "darwin":
        return str(number), "avfoundation"
    if sys.platform == "win32":
        raise PartwiseError(f"webcam {number}: Windows names webcams: give a stream URL or a file")
    return f"/dev/video{number}", "v4l2"
