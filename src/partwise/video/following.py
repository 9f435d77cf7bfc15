"""A model and a tracker over the frames of a video: `follow` yields a `TrackedResult` a frame."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np

from partwise.errors import PartwiseError
from partwise.result import Result
from partwise.video.frames import EVERY_FRAME, Frame, Span, Video, open_video
from partwise.video.tracker import DEFAULT_TRACKING, NO_TRACK, Tracker, TrackSettings
from streeteval.given import shown
from streeteval.reading.faults import counted

__all__ = ["TrackedResult", "follow", "follow_frames"]


@dataclass(frozen=True, eq=False, repr=False)
class TrackedResult(Result):
    """The instances of one frame of a video, each with the number of its track.

    Attributes:
        tracks: (N,) int64, number of the track of each instance, from 0 on; NO_TRACK (-1) without tracking, and for all
            instances if it is left out.
        frame: Place of the frame in the video, from 0 on.
        seconds: Time of the frame since the start of the video.

    Raises:
        PartwiseError: If `tracks` is not a whole number for each instance, or see `Result`.
    """

    of_each: ClassVar[tuple[str, ...]] = ("tracks",)

    tracks: np.ndarray = None  # type: ignore[assignment]  # an array since __post_init__
    frame: int = 0
    seconds: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        given = np.full(len(self), NO_TRACK) if self.tracks is None else np.asarray(self.tracks)
        if given.shape != (len(self),) or (given.size and given.dtype.kind not in "iu"):
            raise PartwiseError(
                f"TrackedResult: tracks {given.dtype} {given.shape} for {counted(len(self), 'instance')}: give a whole "
                "number for each"
            )
        object.__setattr__(self, "tracks", given.astype(np.int64))


def follow(
    find: Callable[..., Result],
    source: str | os.PathLike,
    *,
    span: Span = EVERY_FRAME,
    settings: TrackSettings = DEFAULT_TRACKING,
    **arguments: Any,
) -> Iterator[TrackedResult]:
    """Find the instances in each frame of a video and follow them.

    Args:
        find: A model, as `partwise.load` returns it.
        source: See `open_video`.
        span: Which frames are taken.
        settings: Thresholds of the tracker.
        **arguments: Keyword arguments of each call of the model, such as `scale`, but not `min_score` and `name`.

    Returns:
        An iterator over the frames. It has the instances that are in a track.

    Raises:
        PartwiseError: If the video cannot be read, or `min_score` or `name` is given.
    """
    if "min_score" in arguments:
        raise PartwiseError(
            f"min_score {shown(arguments['min_score'])}: the tracker has thresholds of its own: leave it out, or give "
            "settings=TrackSettings(low=..., high=..., start=...)"
        )
    if "name" in arguments:
        raise PartwiseError(f"name {shown(arguments['name'])}: a frame is named by its number: leave it out")
    return _closing(open_video(source, span), find, span, settings, arguments)


def _closing(
    video: Video, find: Callable[..., Result], span: Span, settings: TrackSettings, arguments: dict[str, Any]
) -> Iterator[TrackedResult]:
    with video:
        rate = float(video.clip.rate) / span.every
        yield from follow_frames(find, iter(video), rate, settings, **arguments)


def follow_frames(
    find: Callable[..., Result],
    frames: Iterator[Frame],
    rate: float,
    settings: TrackSettings | None = DEFAULT_TRACKING,
    **arguments: Any,
) -> Iterator[TrackedResult]:
    """Find the instances in frames, and follow them.

    Args:
        find: A model, as `partwise.load` returns it.
        frames: The frames, in order.
        rate: Frames a second.
        settings: Thresholds of the tracker; None for no tracks.
        **arguments: Keyword arguments of each call of the model. With tracks `min_score` is `settings.low`.

    Returns:
        An iterator over the frames. With tracks it has only the instances that are in one.
    """
    tracker: Tracker | None = None
    if settings is not None:
        arguments = {"distinct": True, **arguments, "min_score": settings.low}
    for frame in frames:
        result = find(frame.image_HW3, name=f"{frame.number:06d}", **arguments)
        tracks_N = np.full(len(result), NO_TRACK, np.int64)
        if settings is not None:
            tracker = tracker or Tracker(rate, result.label_set, settings)
            tracks_N = tracker.update(result.instances)
        found = {one.name: getattr(result, one.name) for one in fields(Result)}
        made = TrackedResult(**found, tracks=tracks_N, frame=frame.number, seconds=frame.seconds)
        yield made if settings is None else made[tracks_N != NO_TRACK]
