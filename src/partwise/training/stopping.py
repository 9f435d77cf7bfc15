"""Stop a run between two steps after Ctrl-C or another signal, so that nothing is lost."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

__all__ = ["SIGNALS", "Handler", "StopSwitch", "Stopped"]

Handler = Callable | int | None  # what signal.signal takes and returns
# SIGHUP is sent when the terminal closes, for example when an ssh connection ends. Windows does not have it.
SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Stopped(KeyboardInterrupt):
    """A run was stopped by a signal; the message says how to continue it."""


class StopSwitch:
    """A context in which the first SIGINT, SIGTERM or SIGHUP sets `pressed`; the training loop reads it between steps.

    A second Ctrl-C ends the program at once. Further signals of the other kinds change nothing, because a closed
    terminal sends SIGHUP twice (from the kernel and from the shell), and schedulers may also send several signals. If
    SIGHUP was ignored before, as under nohup, it stays ignored. Outside the main thread signals are not handled.

    Args:
        alone: Whether the run has a single process. Several processes end together, so that a second Ctrl-C changes
            nothing either; their launcher passes signals on and kills a process that takes too long.

    Attributes:
        pressed: Whether a signal has come.
    """

    def __init__(self, alone: bool = True):
        self.alone, self.active = alone, threading.current_thread() is threading.main_thread()
        self.pressed = False
        self._interrupts = 0
        self._previous: dict[int, Handler] = {}

    def __enter__(self) -> StopSwitch:
        if self.active:
            self._previous = _handled_by(self._press)
        return self

    def __exit__(self, *_: object) -> None:
        _restore(self._previous)

    @contextlib.contextmanager
    def lifted(self) -> Iterator[None]:
        """Let the first signal raise KeyboardInterrupt at once, for long work of which nothing would be lost."""
        previous = _handled_by(self._end) if self.active else {}
        try:
            if self.pressed:  # the signal came just before this context
                raise KeyboardInterrupt
            yield
        finally:
            _restore(previous)

    def _press(self, number: int, _frame: object) -> None:
        """Handle a signal between steps."""
        self.pressed = True
        self._interrupts += number == signal.SIGINT
        if self._interrupts > 1 and self.alone:
            raise KeyboardInterrupt

    def _end(self, number: int, frame: object) -> None:
        """Handle a signal inside `lifted`."""
        first = not self.pressed
        self._press(number, frame)
        if first:
            raise KeyboardInterrupt


def _handled_by(handler: Callable[[int, object], None]) -> dict[int, Handler]:
    """Set the handler of the signals, and return the handlers that they had before."""
    ignored = {getattr(signal, "SIGHUP", None)} if _hangup_is_ignored() else set()
    return {number: signal.signal(number, handler) for number in SIGNALS if number not in ignored}


def _hangup_is_ignored() -> bool:
    """Check whether SIGHUP is ignored, as under nohup."""
    return hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


def _restore(handlers: dict[int, Handler]) -> None:
    """Set the handlers that signals had before."""
    for number, handler in handlers.items():
        signal.signal(number, handler)
