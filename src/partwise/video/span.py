"""Which frames of a video are taken: every n-th one between two times."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction

from partwise.errors import PartwiseError

__all__ = ["EVERY_FRAME", "Span", "seconds_of"]

_CLOCK = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d+)?)")
_SAME_TIME_S = 1e-6  # times are rounded to microseconds


@dataclass(frozen=True)
class Span:
    """Which frames of a video are taken.

    Attributes:
        every: Take each n-th frame, counted from the first one between the times.
        begin: Seconds of the first frame.
        end: Seconds of the first frame that is not taken any more; None for the end of the video.

    Raises:
        PartwiseError: If a number is out of range.
    """

    every: int = 1
    begin: float = 0.0
    end: float | None = None

    def __post_init__(self) -> None:
        if self.every < 1:
            raise PartwiseError(f"every {self.every}: give a whole number from 1 on")
        if self.end is not None and self.end <= self.begin:
            raise PartwiseError(f"the end ({self.end:g} s) is not after the start ({self.begin:g} s): give a later end")

    def is_before(self, seconds: Fraction | float) -> bool:
        """Whether a time lies before the span."""
        return float(seconds) < self.begin - _SAME_TIME_S

    def is_after(self, seconds: Fraction | float) -> bool:
        """Whether a time lies after the span."""
        return self.end is not None and float(seconds) >= self.end - _SAME_TIME_S

    def says_empty(self, source: str, seconds: float = math.inf) -> str:
        """Return the error of a video of this length in seconds that has no frame in the span."""
        if self.begin >= seconds:
            return f"{source}: the start ({self.begin:g} s) lies after its end ({seconds:g} s): start earlier"
        if self == EVERY_FRAME:
            return f"{source}: no frame could be read: look at the video"
        to = "on" if self.end is None else f"to {self.end:g} s"
        return f"{source}: no frame from {self.begin:g} s {to}: give a longer span"


EVERY_FRAME = Span()


def seconds_of(text: str) -> float:
    """Read a time such as 12.5, 0:10 or 1:02:03.

    >>> seconds_of("12.5"), seconds_of("0:10"), seconds_of("1:02:03")
    (12.5, 10.0, 3723.0)

    Raises:
        PartwiseError: If it is no time.
    """
    found = _CLOCK.fullmatch(text.strip())
    if not found:
        raise PartwiseError(f"time {text!r}: give seconds, minutes:seconds or hours:minutes:seconds, such as 0:10")
    hours, minutes, seconds = found.groups()
    return 3600 * int(hours or 0) + 60 * int(minutes or 0) + float(seconds)
