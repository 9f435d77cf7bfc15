"""Write the frames of a result as a video: H.264 in MP4, each frame at its own time, with the sound of the source."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from partwise.errors import PartwiseError
from partwise.video.paths import ffmpeg_path
from streeteval.files import cannot_write

__all__ = ["VideoFile", "part_of"]

TIME_BASE = Fraction(1, 90000)  # seconds of a tick of the written video; MPEG's usual clock
QUALITY = "20"  # constant rate factor of x264: 0 is lossless, 51 the worst
_COPIED = ("aac", "mp3", "ac3", "eac3", "alac", "opus")  # codecs of sound that MP4 holds


def part_of(path: Path) -> Path:
    """The name of a file while it is being written."""
    return path.with_name(f".partwise-{os.getpid()}-{path.name}")


class VideoFile:
    """A video that is being written. It is a context; when it ends, also by an exception, the file can be played.

    Args:
        path: The file, which is made beside under another name and gets its name at the end.
        rate: Frames a second, for players; the time of each frame is what `write` says.
        begin: Seconds of the source at which the written video begins.

    Attributes:
        pixel_aspect: Width of a pixel divided by its height; it is set before the first frame is written.
        complete: Whether the file has its name.
    """

    def __init__(self, path: Path, rate: Fraction, begin: float = 0.0) -> None:
        self.path, self.rate, self.begin = path, rate, begin
        self.pixel_aspect = Fraction(1)
        self._sound: tuple[str, float] | None = None
        self.faults: list[str] = []
        self.complete = False
        self._part = part_of(path)
        self._open = contextlib.ExitStack()
        self._stream: Any = None
        self._last = -1
        self._audio: Iterator[Any] = iter(())
        self._waiting: Any = None

    def __enter__(self) -> VideoFile:
        import av

        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._file = av.open(ffmpeg_path(self._part), "w", format="mp4", options={"movflags": "+faststart"})
        except (av.error.FFmpegError, OSError) as error:
            raise PartwiseError(cannot_write(self.path, error)) from None
        return self

    @property
    def has_frames(self) -> bool:
        """Whether a frame was written."""
        return self._stream is not None

    def copy_sound(self, source: str, first_s: float) -> None:
        """Copy the sound of a source, from `begin` on. It is called before the first frame is written.

        Args:
            source: The file.
            first_s: Time stamp of the first frame of the source, in seconds: sound and picture have one clock, which
                need not begin at 0.
        """
        self._sound = source, first_s + self.begin

    def write(self, image_HW3: np.ndarray, seconds: float) -> None:
        """Add a frame.

        Args:
            image_HW3: (H, W, 3) uint8 RGB. All frames have the size of the first one; a row or column that makes a
                side odd is left out, because H.264 halves the resolution of colours.
            seconds: Time of the frame since the start of the source.

        Raises:
            PartwiseError: If the disk is full or the frame cannot be encoded.
        """
        import av

        height, width = (side - side % 2 for side in image_HW3.shape[:2])
        try:
            if self._stream is None:
                self._begin(max(height, 2), max(width, 2))
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image_HW3[:height, :width]), format="rgb24")
            if (width, height) != (self._stream.width, self._stream.height):
                frame = frame.reformat(self._stream.width, self._stream.height)
            frame.pts = self._last = max(self._last + 1, round((seconds - self.begin) / TIME_BASE))
            frame.time_base = TIME_BASE
            self._mux_sound(seconds - self.begin)
            for packet in self._stream.encode(frame):
                self._file.mux(packet)
        except (av.error.FFmpegError, OSError) as error:
            raise PartwiseError(cannot_write(self.path, error)) from error

    def _begin(self, height: int, width: int) -> None:
        self._stream = self._file.add_stream("libx264", rate=self.rate)
        self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, "yuv420p"
        self._stream.codec_context.time_base = TIME_BASE
        self._stream.codec_context.sample_aspect_ratio = self.pixel_aspect
        self._stream.options = {"crf": QUALITY, "preset": "veryfast"}
        if self._sound is not None:
            self._audio = self._packets_of_sound(*self._sound)
            self._waiting = next(self._audio, None)

    def _packets_of_sound(self, source: str, begin: float) -> Iterator[Any]:
        """Copy the packets of the first sound stream, from a time on. Without one, or with another codec: none."""
        import av

        with contextlib.suppress(av.error.FFmpegError, OSError):
            container = self._open.enter_context(av.open(ffmpeg_path(source)))
            if not container.streams.audio:
                return
            audio = container.streams.audio[0]
            if audio.codec_context.name not in _COPIED:
                self.faults.append(f"{source}: the sound ({audio.codec_context.name}) does not fit into MP4: left out")
                return
            copied = self._file.add_stream_from_template(audio)
            yield None  # the stream must be there before the first packet is written
            for packet in container.demux(audio):
                if packet.pts is None or float(packet.pts * packet.time_base) < begin:
                    continue
                shift = round(begin / packet.time_base)
                time = float(packet.pts * packet.time_base) - begin
                packet.pts, packet.dts = packet.pts - shift, (packet.dts or packet.pts) - shift
                packet.stream = copied
                yield time, packet

    def _mux_sound(self, until: float) -> None:
        """Write the sound up to a time."""
        if self._waiting is None:
            self._waiting = next(self._audio, None)
        while self._waiting is not None and self._waiting[0] <= until:
            self._file.mux(self._waiting[1])
            self._waiting = next(self._audio, None)

    def __exit__(self, *_: object) -> None:
        import av

        try:
            if self._stream is not None:
                for packet in self._stream.encode(None):
                    self._file.mux(packet)
            self._file.close()
            self._open.close()
            if self._stream is None:
                self._part.unlink(missing_ok=True)
            else:
                self._part.replace(self.path)
                self.complete = True
        except (av.error.FFmpegError, OSError) as error:
            self._part.unlink(missing_ok=True)
            raise PartwiseError(cannot_write(self.path, error)) from error
