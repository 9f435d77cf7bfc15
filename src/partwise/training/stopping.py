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

    Outside the main thread, where Python allows no handlers, it does nothing.
    """

    def __init__(self):
        self.pressed = False
        self._previous: dict[int, object] = {}

    def __enter__(self) -> StopSwitch:
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._press) for number in SIGNALS}
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    @contextlib.contextmanager
    def lifted(self) -> Iterator[None]:
        """Inside, a signal ends at once: for what may take long and loses nothing."""
        installed = bool(self._previous)
        if installed:
            self.__exit__()
            signal.signal(signal.SIGTERM, _interrupt)
        try:
            yield
        finally:
            if installed:
                self.__enter__()

    def _press(self, *_) -> None:
        if self.pressed:
            raise KeyboardInterrupt
        self.pressed = True


def _interrupt(*_) -> None:
    raise KeyboardInterrupt
