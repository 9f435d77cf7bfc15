"""Write the results of a video: a video with masks and labels, JSON lines, and the text form of MOTS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import IO, Any

import numpy as np
from pycocotools import mask as coco_mask

from partwise.errors import PartwiseError, in_one_line
from partwise.report.overlay import draw_overlay
from partwise.report.palette import FEW_COLOURS, distinct_colours
from partwise.rle import column_runs
from partwise.video.follow import Followed

__all__ = ["MOTS_CLASSES", "VideoWriter", "drawn", "json_lines", "mots_lines"]

MOTS_CLASSES = {"car": 1, "person": 2}
_TICKS = 90000  # time units of the video in a second
_TRACKS_OF_CLASS = 1000


def drawn(result: Followed) -> np.ndarray:
    """Draw the instances on their frame, (H, W, 3) uint8 RGB. A track has one colour in the whole video."""
    assert result.image_HW3 is not None
    colours = None
    if result.tracks is not None and len(result) and (result.tracks >= 0).any():
        palette = distinct_colours(FEW_COLOURS)
        colours = palette[result.tracks % len(palette)]
        colours[result.tracks < 0] = 200
    return draw_overlay(result.image_HW3, result.prediction, result.label_set, colours_N3=colours)


def json_lines(result: Followed) -> str:
    """Return one JSON line for each instance: frame, time, track, label, score, box and mask (COCO RLE)."""
    tracks = [-1] * len(result) if result.tracks is None else result.tracks.tolist()
    return "".join(
        json.dumps(
            {
                "frame": result.frame,
                "time": round(result.time_s, 6),
                "track": tracks[i] if tracks[i] >= 0 else None,
                "label": result.label_set.name_of(int(result.labels[i])),
                "score": round(float(result.scores[i]), 4),
                "box": result.boxes[i].tolist(),
                "segmentation": _rle(result.masks[i], result.boxes[i], result.size),
            }
        )
        + "\n"
        for i in range(len(result))
    )


def mots_lines(result: Followed) -> str:
    """Return lines of MOTS: frame, id (class * 1000 + track), class, height, width, mask.

    A pixel belongs to the instance with the highest score, because MOTS allows no overlaps. Instances without a track
    and classes other than car and person are left out.

    Raises:
        PartwiseError: If a track has a number above 999.
    """
    taken, lines = np.zeros(result.size, bool), []
    tracks = np.full(len(result), -1) if result.tracks is None else result.tracks
    for i in np.argsort(-result.scores, kind="stable"):
        number = MOTS_CLASSES.get(result.label_set.name_of(int(result.labels[i])))
        if number is None or tracks[i] < 0:
            continue
        if tracks[i] >= _TRACKS_OF_CLASS:
            raise PartwiseError("more than 1000 tracks do not fit into the form of MOTS: give a shorter part")
        x0, y0, x1, y1 = result.boxes[i]
        mask = result.masks[i] & ~taken[y0:y1, x0:x1]
        taken[y0:y1, x0:x1] |= mask
        if mask.any():
            rle = _rle(mask, result.boxes[i], result.size)
            height, width = result.size
            identity = number * _TRACKS_OF_CLASS + tracks[i]
            lines.append(f"{result.frame} {identity} {number} {height} {width} {rle['counts']}\n")
    return "".join(lines)


def _rle(mask: np.ndarray, box: np.ndarray, size: tuple[int, int]) -> dict[str, Any]:
    runs = column_runs(mask, (int(box[0]), int(box[1])), size)
    rle = coco_mask.frPyObjects({"size": list(size), "counts": runs.tolist()}, *size)
    return {"size": list(size), "counts": rle["counts"].decode("ascii")}


class VideoWriter:
    """Writes an H.264 video with the times of the frames, and copies the sound of the source.

    Args:
        path: The new file.
        rate: Average frames a second.
        size: (H, W) in pixels; an odd side loses its last row or column, as H.264 has even sides.
        sound: A file whose sound is copied; None for none.
        start_s: Time of the source at which the new video starts.

    Attributes:
        remark: One line about sound that could not be copied; "" otherwise.
    """

    def __init__(
        self, path: Path, rate: Fraction, size: tuple[int, int], sound: Path | None = None, start_s: float = 0.0
    ) -> None:
        import av

        self._av, self.remark, self.start_s = av, "", start_s
        self._last_tick = -1
        self._container = av.open(str(path), "w", format="mp4")
        stream: Any = self._container.add_stream("libx264", rate=rate)
        stream.height, stream.width = size[0] // 2 * 2, size[1] // 2 * 2
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": "20", "preset": "veryfast"}
        stream.codec_context.time_base = Fraction(1, _TICKS)
        self._stream = stream
        self._packets: Iterator[Any] = iter(())
        self._waiting: Any = None
        self._source: Any = None
        if sound is not None:
            self._open_sound(sound)

    def write(self, image_HW3: np.ndarray, time_s: float) -> None:
        """Add a frame at a time of the source."""
        height, width = self._stream.height, self._stream.width
        frame = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(image_HW3[:height, :width]), format="rgb24")
        self._last_tick = max(self._last_tick + 1, round((time_s - self.start_s) * _TICKS))
        frame.pts, frame.time_base = self._last_tick, Fraction(1, _TICKS)
        for packet in self._stream.encode(frame):
            self._container.mux(packet)
        self._copy_sound(time_s)

    def close(self) -> None:
        """Write what is left, so that the file can be played."""
        try:
            for packet in self._stream.encode():
                self._container.mux(packet)
        finally:
            self._container.close()
            if self._source is not None:
                self._source.close()

    def _open_sound(self, path: Path) -> None:
        source = self._av.open(str(path))
        if not source.streams.audio:
            source.close()
            return
        audio: Any = source.streams.audio[0]
        try:
            self._sound = self._container.add_stream_from_template(audio)
        except (ValueError, self._av.error.FFmpegError) as error:
            self.remark = f"{path}: its sound does not fit into an MP4 file and was left out ({in_one_line(error)})"
            source.close()
            return
        if self.start_s:
            source.seek(int(self.start_s / audio.time_base), stream=audio)
        self._source, self._packets = source, source.demux(audio)

    def _copy_sound(self, until_s: float) -> None:
        """Copy the packets of the sound up to a time."""
        while True:
            packet = self._waiting or next(self._packets, None)
            self._waiting = None
            if packet is None or packet.dts is None:
                return
            time_s = float(packet.dts * packet.time_base)
            if time_s > until_s:
                self._waiting = packet
                return
            if time_s < self.start_s:
                continue
            moved = round(self.start_s / packet.time_base)
            packet.pts, packet.dts, packet.stream = packet.pts - moved, packet.dts - moved, self._sound
            self._container.mux(packet)


def append(file: IO[str], text: str) -> None:
    """Write whole lines at once, so that an interrupted file has complete lines."""
    file.write(text)
    file.flush()
