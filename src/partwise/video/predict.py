"""Write the results of a video: the video with its instances drawn, and a file of all results."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np

from partwise.errors import PartwiseError
from partwise.files import require_writable
from partwise.machine import OF_FRAMES, memory_for
from partwise.report.overlay import draw_overlay
from partwise.report.palette import distinct_colours
from partwise.result import Result
from partwise.video.following import TrackedResult, follow_frames
from partwise.video.frames import EVERY_FRAME, Span, Video, open_video
from partwise.video.records import json_line, mots_classes, mots_lines
from partwise.video.tracker import DEFAULT_TRACKING, NO_TRACK, TrackSettings
from partwise.video.writing import VideoFile, part_of
from streeteval.files import cannot_write, expanded
from streeteval.labels import LabelSet

__all__ = ["ResultsThereError", "VideoDone", "VideoForm", "predict_video"]

COLOURS = 48  # tracks with numbers that differ by a multiple of this have one colour


class ResultsThereError(PartwiseError):
    """Results of a video are there already. Nothing was changed."""


@dataclass(frozen=True)
class VideoForm:
    """How the results of a video are written.

    Attributes:
        results: "jsonl" for one line of JSON a frame, "mots" for the form of MOTS, which needs tracks.
        tracking: Thresholds of the tracker; None for no tracks.
        min_score: Least score of an instance without tracks, 0..1.
        overwrite: Replace results that are there.
    """

    results: Literal["jsonl", "mots"] = "jsonl"
    tracking: TrackSettings | None = DEFAULT_TRACKING
    min_score: float = 0.1
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.results == "mots" and self.tracking is None:
            raise PartwiseError("MOTS holds tracks: follow the instances, too")


@dataclass
class VideoDone:
    """The outcome of `predict_video`.

    Attributes:
        frames: Number of frames that were written.
        tracks: Numbers of the tracks that were written.
        files: The files.
        faults: An error for each part that could not be read.
    """

    frames: int = 0
    tracks: set[int] = field(default_factory=set)
    files: list[Path] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def predict_video(
    find: Callable[..., Result],
    source: str | os.PathLike,
    out: Path,
    form: VideoForm,
    label_set: LabelSet,
    *,
    span: Span = EVERY_FRAME,
    name: str | None = None,
    kept: Sequence[str | os.PathLike] = (),
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> VideoDone:
    """Write OUT/NAME.mp4 and OUT/NAME.jsonl, or OUT/NAME.txt in the form of MOTS.

    Memory does not grow with the length of the video. If the call is interrupted, the video that was written so far can
    be played, and the file of results has a whole line for each of its frames. If no frame can be read or predicted,
    results that are there stay.

    Args:
        find: A model, as `partwise.load` returns it.
        source: See `open_video`.
        out: Folder of the results.
        form: How they are written.
        label_set: The classes of the model.
        span: Which frames are taken.
        name: NAME; None for `name_of_video`.
        kept: Further videos that no result may replace.
        progress: Called with the numbers of frames that are done, and of all.

    Returns:
        What was written.

    Raises:
        PartwiseError: If the video cannot be read, results are there already, the memory does not suffice, or the disk
            is full.
    """
    require_writable(out)
    if form.results == "mots":
        mots_classes(label_set)
    with memory_for(source, OF_FRAMES), open_video(source, span) as video:
        name = video.clip.name if name is None else name
        paths = [out / f"{name}.mp4", out / f"{name}.{_SUFFIXES[form.results]}"]
        _require_free(paths, form, [source, *kept])
        done = VideoDone(files=paths)
        sound = video.source if Path(video.source).is_file() else None
        written = VideoFile(paths[0], video.clip.rate / span.every, span.begin)
        with _lines(paths[1], written) as lines, written:
            for result in _results(find, video, span, form):
                for line in _text(result, form, done.frames):
                    lines.write(line + "\n")
                lines.flush()
                if not written.has_frames:
                    written.pixel_aspect = video.reading.pixel_aspect
                    if sound is not None:
                        written.copy_sound(sound, video.reading.first_s)
                written.write(_drawn(result, label_set), result.seconds)
                done.frames += 1
                done.tracks |= set(result.tracks.tolist()) - {NO_TRACK}
                progress(done.frames, max(video.clip.frames or 0, done.frames))
    done.faults = [*video.faults, *written.faults]
    if not done.frames:
        raise PartwiseError("; ".join(video.faults) or span.says_empty(video.source))
    return done


_SUFFIXES = {"jsonl": "jsonl", "mots": "txt"}


def _require_free(paths: list[Path], form: VideoForm, sources: Sequence[str | os.PathLike]) -> None:
    places = {os.path.realpath(expanded(source)) for source in sources}
    for path in paths:
        if path.exists() and os.path.realpath(path) in places:
            raise PartwiseError(f"{path}: the result would replace the video: choose another folder")
    there = [str(path) for path in paths if path.exists()]
    if there and not form.overwrite:
        raise ResultsThereError(f"{' and '.join(there)}: there already, and kept: choose another folder")


@contextlib.contextmanager
def _lines(path: Path, video: VideoFile) -> Iterator[IO[str]]:
    """Open the file of results. What lies there is replaced when the video is; a new file can be read meanwhile."""
    part = part_of(path) if path.exists() else path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("w", encoding="utf-8", newline="\n") as file:
                yield file
        finally:
            if part != path and video.complete:
                part.replace(path)
            elif part != path or not video.has_frames:
                part.unlink(missing_ok=True)
    except OSError as error:
        raise PartwiseError(cannot_write(path, error)) from error


def _results(find: Callable[..., Result], video: Video, span: Span, form: VideoForm) -> Iterator[TrackedResult]:
    arguments: dict[str, Any] = {"distinct": True}
    if form.tracking is None:
        arguments["min_score"] = form.min_score
    return follow_frames(find, iter(video), float(video.clip.rate) / span.every, form.tracking, **arguments)


def _text(result: TrackedResult, form: VideoForm, place: int) -> list[str]:
    return mots_lines(result, place) if form.results == "mots" else [json_line(result)]


def _drawn(result: TrackedResult, label_set: LabelSet) -> np.ndarray:
    """The frame with its instances; the colour of a track stays the same in all frames."""
    assert result.image_HW3 is not None
    if not (result.tracks != NO_TRACK).any():
        return draw_overlay(result.image_HW3, result.prediction, label_set)
    names = {label.id: label.name for label in label_set}
    captions = [f"{names[int(label)]} {track}" for label, track in zip(result.labels, result.tracks, strict=True)]
    colours_N3 = distinct_colours(COLOURS)[result.tracks % COLOURS]
    return draw_overlay(result.image_HW3, result.prediction, label_set, colours_N3=colours_N3, captions=captions)
