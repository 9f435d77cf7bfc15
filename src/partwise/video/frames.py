"""Read the frames of a video, a stream, a camera, or a folder of pictures.

Axes: H image height, W image width.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from partwise.data.image_files import PHOTO_SUFFIXES, read_image
from partwise.errors import PartwiseError
from partwise.machine import memory_for
from partwise.video.ahead import ahead
from partwise.video.lengths import length_of, missing_end
from partwise.video.paths import ffmpeg_path
from partwise.video.seeking import seek
from partwise.video.sources import is_address, is_camera, name_of_video
from partwise.video.span import EVERY_FRAME, Span, seconds_of
from streeteval.errors import in_one_line
from streeteval.files import expanded

if TYPE_CHECKING:
    import av

__all__ = ["Clip", "Frame", "Span", "Video", "open_video", "seconds_of"]

FOLDER_RATE = Fraction(25)  # frames a second of a folder of pictures


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame of a video.

    Attributes:
        number: Place of the frame in the video, from 0 on; frames that are left out count.
        seconds: Time of the frame since the start of the video.
        image_HW3: (H, W, 3) uint8 RGB, upright.
    """

    number: int
    seconds: float
    image_HW3: np.ndarray


@dataclass(frozen=True)
class Clip:
    """What is known of a video before its frames are read.

    Attributes:
        name: Name for the results, without a folder.
        rate: Frames a second, the mean if the rate varies.
        frames: Number of frames, an estimate; None for a stream.
    """

    name: str
    rate: Fraction
    frames: int | None


@dataclass
class Reading:
    """What is known of a video while its frames are read.

    Attributes:
        first_s: Time stamp of the first frame of the video, in seconds of the source's own clock; 0 before it is read.
        pixel_aspect: Width of a pixel of the upright frames, divided by its height.
        faults: Texts of errors that were met. What was read before and after them is given.
    """

    first_s: float = 0.0
    pixel_aspect: Fraction = Fraction(1)
    faults: list[str] = field(default_factory=list)


class Video:
    """A video that is read once. `open_video` makes it; use it as a context, or call `close`.

    Attributes:
        source: What was given.
        clip: What is known before reading.
        reading: What is known since.
    """

    def __init__(self, source: str, clip: Clip, frames: Generator[Frame], reading: Reading) -> None:
        self.source, self.clip, self.reading = source, clip, reading
        self._frames = frames

    @property
    def faults(self) -> list[str]:
        """Texts of errors that were met while reading."""
        return self.reading.faults

    def __enter__(self) -> Video:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop reading."""
        with contextlib.suppress(ValueError):  # it is at work in its thread, which closes it
            self._frames.close()

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames. The next frame is decoded in a thread of its own while one is in use."""
        return ahead(self._frames)


def open_video(source: str | os.PathLike, span: Span = EVERY_FRAME) -> Video:
    """Open a video without reading its frames.

    Args:
        source: A video file, the address of a stream, the number of a camera, or a folder of pictures, which are taken
            in the order of their names at 25 frames a second.
        span: Which frames are taken.

    Returns:
        The video.

    Raises:
        PartwiseError: If there is no such file, it holds no video, it cannot be read, or the span begins after its end.
    """
    text = os.fspath(source)
    path = expanded(text)
    if path.is_dir():
        return _open_folder(text, path, span)
    container, stream = _open_stream(text)
    rate = Fraction(stream.average_rate or stream.guessed_rate or FOLDER_RATE)
    seconds = length_of(container, stream)
    if seconds is not None and span.begin >= seconds:
        container.close()
        raise PartwiseError(span.says_empty(text, seconds))
    reading, frames = Reading(), None
    if seconds is not None:
        frames = max(1, int((min(seconds, span.end or seconds) - span.begin) * rate / span.every))
    clip = Clip(name_of_video(text), rate, frames)
    return Video(text, clip, _frames_of(text, container, stream, span, reading), reading)


def _open_folder(text: str, path: Path, span: Span) -> Video:
    pictures = sorted(one for one in path.iterdir() if one.suffix.lower() in PHOTO_SUFFIXES and one.name[0] != ".")
    if not pictures:
        raise PartwiseError(f"{text}: no picture in this folder: give a folder of frames, or a video")
    chosen = [
        (number, one)
        for number, one in enumerate(pictures)
        if not span.is_before(number / FOLDER_RATE) and not span.is_after(number / FOLDER_RATE)
    ][:: span.every]
    if not chosen:
        raise PartwiseError(span.says_empty(text, len(pictures) / float(FOLDER_RATE)))
    reading = Reading()

    def frames() -> Generator[Frame]:
        for number, picture in chosen:
            try:
                with memory_for(picture):
                    image_HW3 = read_image(picture)
            except PartwiseError as error:
                reading.faults.append(str(error))
            else:
                yield Frame(number, float(number / FOLDER_RATE), image_HW3)

    return Video(text, Clip(name_of_video(text), FOLDER_RATE, len(chosen)), frames(), reading)


def _open_stream(text: str) -> tuple[av.container.InputContainer, Any]:
    """Open a file, a stream or a camera with PyAV, and find its video stream."""
    import av

    options: dict[str, Any] = {}
    place: str = text
    if is_camera(text):
        place, options = f"/dev/video{int(text)}", {"format": "v4l2"}
        if not Path(place).exists():
            raise PartwiseError(f"camera {text}: there is no {place}: give the number of a camera that is connected")
    elif not is_address(text):
        place = ffmpeg_path(text)
        if not Path(place).exists():
            raise PartwiseError(f"{text}: no such file: look at the spelling")
    try:
        container = av.open(place, timeout=(20.0, 20.0), **options)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        remedy = "check the address" if is_address(text) else "copy or convert it again"
        raise PartwiseError(f"{text}: cannot be read as a video: {_reason(error)}: {remedy}") from None
    streams = [stream for stream in container.streams.video if not _is_cover(stream)]
    if not streams:
        container.close()
        raise PartwiseError(f"{text}: it holds no video stream: give a video")
    streams[0].thread_type = "AUTO"
    return container, streams[0]


def _is_cover(stream: Any) -> bool:
    """Whether a stream is the cover picture of a piece of music."""
    return bool(stream.disposition & type(stream.disposition).attached_pic)


def _frames_of(text: str, container: Any, stream: Any, span: Span, reading: Reading) -> Generator[Frame]:
    """Decode the frames of a span. An error ends what is damaged and not the rest."""
    before, end, number, inside = -1.0, 0.0, -1, 0
    with container:
        path = ffmpeg_path(text)
        start = seek(path, container, stream, span.begin) if Path(path).is_file() else None
        first = None if start is None else start.first_s
        for frame in _decoded(text, container, stream, reading.faults):
            number = number + 1 if start is None else start.number_of(frame.pts, number + 1)
            time = frame.time if frame.time is not None else number / float(stream.average_rate or FOLDER_RATE)
            reading.first_s = first = time if first is None else first
            seconds = max(time - first, before + 1e-6)  # never back in time, as in damaged files
            before, end = seconds, seconds + float((frame.duration or 0) * frame.time_base)
            if span.is_after(seconds):
                return
            if span.is_before(seconds):
                continue
            inside += 1
            if (inside - 1) % span.every == 0:
                reading.pixel_aspect = _upright_aspect(stream, frame)
                yield Frame(number, seconds, _upright(frame))
        if not reading.faults and (missing := missing_end(container, stream, end)):
            reading.faults.append(f"{text}: {missing}: the file is incomplete: copy it again")


def _decoded(text: str, container: Any, stream: Any, faults: list[str]) -> Iterator[Any]:
    import av

    packets, broken = container.demux(stream), 0
    while True:
        try:
            packet = next(packets, None)
        except (av.error.FFmpegError, OSError) as error:
            faults.append(f"{text}: reading ended early: {_reason(error)}")
            break
        if packet is None:
            break
        try:
            yield from packet.decode()
        except av.error.EOFError:
            break
        except av.error.FFmpegError:
            broken += 1
    if broken:
        faults.append(f"{text}: {broken} packets could not be decoded: the file is damaged or incomplete")


def _quarters(frame: Any) -> int:
    """Quarters of a turn, counterclockwise, by which a player turns a frame."""
    return round(frame.rotation / 90) % 4


def _upright_aspect(stream: Any, frame: Any) -> Fraction:
    """Width of a pixel of an upright frame, divided by its height; 1 if it is not known."""
    aspect = Fraction(stream.sample_aspect_ratio or 1)
    return 1 / aspect if _quarters(frame) % 2 else aspect


def _upright(frame: Any) -> np.ndarray:
    """A frame as (H, W, 3) uint8 RGB, turned as a player turns it."""
    image_HW3 = frame.to_ndarray(format="rgb24")
    quarters = _quarters(frame)
    return np.ascontiguousarray(np.rot90(image_HW3, quarters)) if quarters else image_HW3


def _reason(error: BaseException) -> str:
    return (getattr(error, "strerror", None) or in_one_line(error)).lower()
