"""Ctrl-C between two steps instead of in the middle of one, so that nothing is lost."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(KeyboardInterrupt):
    """A run that was stopped by a signal; says how to go on."""


class StopSwitch:
    """A context: the first SIGINT or SIGTERM sets `pressed`, which the loop looks at between steps; a second one ends.

    active   False for a switch that leaves the signals alone, as it also does outside the main thread
    """

    def __init__(self, active: bool = True):
        self.active = active and threading.current_thread() is threading.main_thread()
        self.pressed = False

    def __enter__(self) -> StopSwitch:
        if self.active:
            self._previous = [signal.signal(number, self._press) for number in SIGNALS]
        return self

    def __exit__(self, *_) -> None:
        if self.active:
            for number, handler in zip(SIGNALS, self._previous, strict=True):
                signal.signal(number, handler)

    @contextlib.contextmanager
    def lifted(self) -> Iterator[None]:
        """Inside, a signal ends at once: for what may take long and loses nothing."""
        if not self.active:
            yield
            return
        previous = [signal.signal(number, _interrupt) for number in SIGNALS]
        try:
            yield
        finally:
            for number, handler in zip(SIGNALS, previous, strict=True):
                signal.signal(number, handler)

    def _press(self, *_) -> None:
        if self.pressed:
            raise KeyboardInterrupt
        self.pressed = True


def _interrupt(*_) -> None:
    raise KeyboardInterrupt
