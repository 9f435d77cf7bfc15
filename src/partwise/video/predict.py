"""Predict a video into a folder."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from partwise.errors import PartwiseError
from partwise.files import require_writable
from partwise.result import Result
from partwise.video.follow import Followed, follow
from partwise.video.frames import VideoSource
from partwise.video.writing import MOTS_CLASSES, VideoWriter, append, drawn, json_lines, mots_lines

__all__ = ["PredictedVideo", "VideoForm", "predict_video"]


@dataclass(frozen=True)
class VideoForm:
    """What is written.

    Attributes:
        track: Whether instances get the numbers of their tracks.
        form: "files" for JSON lines, "mots" for the text form of MOTS.
        overwrite: Whether earlier files of the same names are replaced.

    Raises:
        PartwiseError: If MOTS is wanted without tracks.
    """

    track: bool = False
    form: Literal["files", "mots"] = "files"
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.form == "mots" and not self.track:
            raise PartwiseError("the form of MOTS consists of tracks: let instances be tracked, too")


@dataclass
class PredictedVideo:
    """What was written.

    Attributes:
        frames: Number of frames.
        instances: Number of instances in all frames.
        left_out: Number of instances that the form of MOTS does not have: other classes, or without a track.
        files: The files.
        remarks: One line for each thing that was not read or written.
    """

    frames: int
    instances: int
    left_out: int
    files: list[Path]
    remarks: list[str]


def predict_video(
    segment: Callable[..., Result],
    video: VideoSource,
    out: Path,
    form: VideoForm,
    progress: Callable[[int, int], None] | None = None,
    **arguments: Any,
) -> PredictedVideo:
    """Write NAME.mp4 and NAME.jsonl (or NAME.txt in the form of MOTS).

    If it is interrupted, both files hold the frames so far and can be used.

    Args:
        segment: The model.
        video: The video.
        out: Folder of the results.
        form: What is written.
        progress: Called after each frame with the number of frames that are done, and 0 because the total is unknown.
        **arguments: Keyword arguments of a call of the model.

    Raises:
        PartwiseError: If a file would be replaced, or a folder cannot be written.
    """
    movie = out / f"{video.name}.mp4"
    table = out / f"{video.name}.{'txt' if form.form == 'mots' else 'jsonl'}"
    _require_free([movie, table], video, form.overwrite)
    require_writable(out)
    out.mkdir(parents=True, exist_ok=True)
    done = PredictedVideo(0, 0, 0, [movie, table], [])
    lines = mots_lines if form.form == "mots" else json_lines
    with ExitStack() as stack:
        file = stack.enter_context(table.open("w", encoding="utf-8"))
        writer: VideoWriter | None = None
        for result in stack.enter_context(closing(follow(segment, video, track=form.track, **arguments))):
            if writer is None:
                rate = video.rate / video.span.every
                writer = VideoWriter(movie, rate, result.size, video.path, result.time_s)
                stack.callback(writer.close)
            append(file, lines(result))
            writer.write(drawn(result), result.time_s)
            done.frames += 1
            done.instances += len(result)
            done.left_out += _left_out(result) if form.form == "mots" else 0
            if progress:
                progress(done.frames, 0)
    done.remarks = [remark for remark in (video.fault, writer and writer.remark) if remark]
    return done


def _left_out(result: Followed) -> int:
    assert result.tracks is not None
    names = [result.label_set.name_of(int(label)) for label in result.labels]
    return sum(name not in MOTS_CLASSES or track < 0 for name, track in zip(names, result.tracks, strict=True))


def _require_free(files: list[Path], video: VideoSource, overwrite: bool) -> None:
    for file in files:
        if file.exists() and video.path is not None and file.samefile(video.path):
            raise PartwiseError(f"{file}: the result would replace the video itself: give another folder")
    there = [file.name for file in files if file.exists()]
    if there and not overwrite:
        raise PartwiseError(f"{files[0].parent}: would replace {', '.join(there)}: allow it, or give another folder")
