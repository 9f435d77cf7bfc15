"""Videos: read frames, find and follow instances, write a video and result files."""

from partwise.video.follow import Followed, follow
from partwise.video.frames import Frame, Span, VideoSource, is_moving

__all__ = ["Followed", "Frame", "Span", "VideoSource", "follow", "is_moving"]
