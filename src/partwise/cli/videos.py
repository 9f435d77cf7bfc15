"""What `partwise predict` does with a video."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from partwise.errors import PartwiseError
from partwise.terminal import console, counting
from streeteval.errors import on_one_line
from streeteval.files import expanded
from streeteval.reading.faults import counted

if TYPE_CHECKING:
    from partwise.segmenter import Segmenter
    from partwise.video.frames import Span
    from partwise.video.predict import VideoDone, VideoForm

__all__ = ["VIDEO_FORMATS", "VideoOptions", "predict_videos"]

VIDEO_FORMATS = ("jsonl", "mots")


@dataclass(frozen=True)
class VideoOptions:
    """The options of the command that are about videos.

    Attributes:
        format: Form of the file of results; None for the default.
        track: Whether instances are followed.
        every: Take each n-th frame.
        begin: Time of the first frame.
        end: Time at which to stop.
    """

    format: str | None
    track: bool
    every: int | None
    begin: str | None
    end: str | None

    def require_none(self) -> None:
        """Check that no option of a video was given.

        Raises:
            PartwiseError: If one was.
        """
        given = {"--every": self.every, "--from": self.begin, "--to": self.end}
        named = [name for name, value in given.items() if value is not None]
        if named:
            raise PartwiseError(f"{', '.join(named)}: for a video: name a video file, or give --track with a folder")

    def require_no_other(self, given: Mapping[str, object]) -> None:
        """Check that no option was given that is not one of videos.

        Args:
            given: Name of each such option -> its value, which is empty if it was not given.

        Raises:
            PartwiseError: If one was.
        """
        named = [name for name, value in given.items() if value]
        if self.format is not None and self.format not in VIDEO_FORMATS:
            named.insert(0, f"--format {self.format}")
        if named:
            they = "it" if len(named) == 1 else "them"
            raise PartwiseError(f"{', '.join(named)}: for photos, and not for a video: leave {they} out")

    def resolved(self, least: Mapping[str, float], overwrite: bool) -> tuple[Span, VideoForm]:
        """Return which frames are taken, and how their results are written.

        Args:
            least: Least scores by class, as --min-score gives them.
            overwrite: Replace results that are there.

        Raises:
            PartwiseError: If options do not fit each other, or a time cannot be read.
        """
        from partwise.segmenter import SHOWN_SCORE
        from partwise.selection import OTHERS
        from partwise.video.frames import Span, seconds_of
        from partwise.video.predict import VideoForm
        from partwise.video.tracker import DEFAULT_TRACKING

        if set(least) - {OTHERS}:
            raise PartwiseError("--min-score of one class is for photos: give one number for a video")
        if least and self.track:
            raise PartwiseError(
                "--min-score: the tracker has thresholds of its own: leave it out, or leave out --track"
            )
        begin = 0.0 if self.begin is None else seconds_of(self.begin)
        end = None if self.end is None else seconds_of(self.end)
        form = VideoForm(
            "mots" if self.format == "mots" else "jsonl",
            DEFAULT_TRACKING if self.track else None,
            least.get(OTHERS, SHOWN_SCORE),
            overwrite,
        )
        return Span(1 if self.every is None else self.every, begin, end), form


def predict_videos(segment: Segmenter, inputs: Sequence[str], out: Path, span: Span, form: VideoForm) -> None:
    """Write the results of each video and print what was written.

    Raises:
        PartwiseError: If a video cannot be read whole or its results cannot be written; the others are done first.
    """
    from partwise.photo_files import names_apart
    from partwise.video.predict import ResultsThereError, predict_video
    from partwise.video.sources import name_of_video

    inputs = _once(inputs)
    names = names_apart([("", name_of_video(source)) for source in inputs])
    faults: list[str] = []
    for source, name in zip(inputs, names, strict=True):
        if name != name_of_video(source):
            said = f"{source}: another video has this name, its results are called {name}"
            console.print(on_one_line(said), highlight=False, markup=False, soft_wrap=True)
        try:
            with counting("predicting") as progress:
                how: dict[str, Any] = {"span": span, "name": name, "kept": inputs, "progress": progress}
                done = predict_video(segment, source, out, form, segment.method.label_set, **how)
        except PartwiseError as error:
            faults.append(str(error))
            if isinstance(error, ResultsThereError):
                console.print("next: the same with --overwrite replaces the results")
            continue
        console.print(_said(done, source), highlight=False, markup=False, soft_wrap=True)
        faults += done.faults
    if faults:
        raise PartwiseError("\n".join(on_one_line(fault) for fault in faults))


def _once(inputs: Sequence[str]) -> list[str]:
    """The inputs without those that are another spelling of an earlier one."""
    places: dict[str, str] = {}
    for source in inputs:
        path = expanded(source)
        place = os.path.realpath(path) if path.is_dir() else os.path.join(os.path.realpath(path.parent), path.name)  # noqa: PTH118
        places.setdefault(place if path.exists() else source, source)
    return list(places.values())


def _said(done: VideoDone, source: str) -> str:
    tracks = f", {counted(len(done.tracks), 'track')}" if done.tracks else ""
    return f"{source}: {counted(done.frames, 'frame')}{tracks}: wrote {' and '.join(map(str, done.files))}"
