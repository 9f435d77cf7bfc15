"""Run a model on a video, frame after frame."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np

from partwise.result import Result
from partwise.video.frames import VideoSource

__all__ = ["Followed", "follow"]


@dataclass(frozen=True, eq=False, repr=False)
class Followed(Result):
    """The instances of one frame of a video.

    Attributes:
        tracks: (N,) int64, number of the track of each instance; -1 for an instance that is in no track.
        frame: Number of the frame in the video, from 0.
        time_s: Time of the frame from the start of the video, in seconds.
    """

    tracks: np.ndarray | None = None
    frame: int = 0
    time_s: float = 0.0

    def __getitem__(self, index: Any) -> Self:
        """Return the instances at `index`, with their tracks."""
        part = super().__getitem__(index)
        if self.tracks is not None:
            object.__setattr__(part, "tracks", self.tracks[self._order(index)])
        return part


def follow(
    segment: Callable[..., Result], video: VideoSource, *, track: bool = True, **arguments: Any
) -> Generator[Followed]:
    """Yield the result of each frame of a video.

    Args:
        segment: The model.
        video: The video.
        track: Whether instances get the numbers of their tracks.
        **arguments: Keyword arguments of a call of the model, such as `min_score`.

    Returns:
        A generator of `Followed`. It reads each frame when its result is taken.
    """
    tracker = None
    if track:
        from partwise.video.tracker import Tracker

        tracker = Tracker(float(video.rate) / video.span.every)
    with closing(video.__iter__()) as frames:
        for frame in frames:
            result = segment(frame.image_HW3, **arguments)
            tracks = tracker.update(result) if tracker else np.full(len(result), -1, np.int64)
            values = {field.name: getattr(result, field.name) for field in fields(result)}
            yield Followed(**values, tracks=tracks, frame=frame.index, time_s=frame.time_s)
