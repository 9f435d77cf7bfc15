"""The options of `predict` that are for videos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from partwise.errors import PartwiseError, on_one_line
from partwise.terminal import console, counting

if TYPE_CHECKING:
    from partwise.segmenter import Segmenter
    from partwise.video.frames import VideoSource
    from partwise.video.predict import VideoForm

__all__ = ["STILL", "Moving", "show_video"]


@Parameter(name="*")
@dataclass(frozen=True)
class Moving:
    """Options for a video.

    Attributes:
        track: Follow instances from frame to frame, and colour them by track.
        video: The folder holds the frames of one video in the order of their names; without it, a folder holds photos.
        every: Use each n-th frame.
        start: Start at this time of the video.
        end: Stop at this time of the video.
    """

    track: Annotated[bool, Parameter(help="follow instances through a video; a folder is then a video")] = False
    video: Annotated[bool, Parameter(help="a folder holds the frames of one video, by name; else it has photos")] = (
        False
    )
    every: Annotated[int, Parameter(help="use each n-th frame of a video")] = 1
    start: Annotated[str, Parameter(name="--from", help="time of a video to start at, as 75, 1:15 or 1:02:03.5")] = ""
    end: Annotated[str, Parameter(name="--to", help="time of a video to stop at, as --from")] = ""

    def is_wanted(self, inputs: Sequence[str]) -> bool:
        """Whether the inputs are a video.

        Raises:
            PartwiseError: If several inputs include a video, or options for videos are given with photos.
        """
        from partwise.video.frames import is_moving

        moving = [one for one in inputs if is_moving(one)]
        asked = self.track or self.video
        if moving or asked:
            if len(inputs) != 1:
                raise PartwiseError(f"{len(inputs)} inputs with a video: give one video at a time")
            if not moving and not Path(inputs[0]).is_dir():
                raise PartwiseError(f"{inputs[0]}: this is a photo or nothing: give a video or a folder of frames")
            return True
        if self != STILL:
            raise PartwiseError("--every, --from and --to are for videos: a folder of frames also needs --video")
        return False

    def opened(self, inputs: Sequence[str]) -> VideoSource:
        """Open the video."""
        from partwise.video.frames import Span, VideoSource

        end_s = seconds("--to", self.end) if self.end else None
        return VideoSource(inputs[0], Span(seconds("--from", self.start) if self.start else 0.0, end_s, self.every))


STILL = Moving()


def seconds(option: str, text: str) -> float:
    """Read a time such as "1:15" in seconds.

    Raises:
        PartwiseError: If the text has another form.

    Example:
        >>> seconds("--from", "1:15.5"), seconds("--from", "8")
        (75.5, 8.0)
    """
    try:
        parts = [float(part) for part in text.split(":")]
    except ValueError:
        parts = []
    if not 1 <= len(parts) <= 3 or not all(0 <= part < float("inf") for part in parts):
        raise PartwiseError(f"{option} {text}: give a time in seconds or as minutes:seconds, such as 1:15")
    return sum(part * 60**i for i, part in enumerate(reversed(parts)))


def show_video(segment: Segmenter, video: VideoSource, out: Path, form: VideoForm, **arguments: Any) -> None:
    """Predict a video and say what was written."""
    from partwise.video.predict import predict_video

    with counting("predicting") as progress:
        made = predict_video(segment, video, out, form, progress=progress, **arguments)
    left_out = f"; {made.left_out} without a track or of classes that MOTS does not have" if made.left_out else ""
    names = " and ".join(file.name for file in made.files)
    console.print(f"wrote {names} to {out}: {made.frames} frames, {made.instances} instances{left_out}")
    if made.remarks:
        raise PartwiseError("\n".join(on_one_line(remark) for remark in made.remarks))
