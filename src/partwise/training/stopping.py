"""Ctrl-C between two steps instead of in the middle of one, so that nothing is lost."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

# SIGHUP comes where the terminal goes: an ssh connection that ends. Windows has none.
SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Stopped(KeyboardInterrupt):
    """A run that was stopped by a signal; says how to go on."""


class StopSwitch:
    """A context: the first SIGINT, SIGTERM or SIGHUP sets `pressed`, which the loop looks at between steps; a second
    one ends. Where SIGHUP is ignored, as under nohup, it stays so. Outside the main thread signals are left alone.

    alone   False for one of several processes of a run, which end together: a second signal changes nothing. Their
            launcher sends several, and kills who takes too long
    """

    def __init__(self, alone: bool = True):
        self.alone, self.active = alone, threading.current_thread() is threading.main_thread()
        self.pressed = False
        self._previous: dict[int, Callable | int | None] = {}

    def __enter__(self) -> StopSwitch:
        if self.active:
            self._previous = _handled_by(self._press)
        return self

    def __exit__(self, *_) -> None:
        _restore(self._previous)

    @contextlib.contextmanager
    def lifted(self) -> Iterator[None]:
        """Inside, a signal ends at once, as a KeyboardInterrupt: for what may take long and loses nothing."""
        previous = _handled_by(_interrupt) if self.active else {}
        try:
            if self.pressed:  # just before
                raise KeyboardInterrupt
            yield
        finally:
            _restore(previous)

    def _press(self, *_) -> None:
        if self.pressed and self.alone:
            raise KeyboardInterrupt
        self.pressed = True


def _handled_by(handler: Callable) -> dict[int, Callable | int | None]:
    """Set the handler of the signals; returns those before."""
    ignored = {getattr(signal, "SIGHUP", None)} if _hangup_is_ignored() else set()
    return {number: signal.signal(number, handler) for number in SIGNALS if number not in ignored}


def _hangup_is_ignored() -> bool:
    return hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


def _restore(handlers: dict[int, Callable | int | None]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)


def _interrupt(*_) -> None:
    raise KeyboardInterrupt
