"""Ctrl-C between two steps instead of in the middle of one, so that nothing is lost."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

Handler = Callable | int | None  # what signal.signal gives and takes
# SIGHUP comes where the terminal goes: an ssh connection that ends. Windows has none.
SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Stopped(KeyboardInterrupt):
    """A run that was stopped by a signal; says how to go on."""


class StopSwitch:
    """A context: the first SIGINT, SIGTERM or SIGHUP sets `pressed`, which the loop looks at between steps.

    A second Ctrl-C ends at once. Other signals that follow change nothing: a closed terminal sends SIGHUP twice, once
    from the kernel and once from the shell, and schedulers send several, too. Where SIGHUP is ignored, as under nohup,
    it stays so. Outside the main thread signals are left alone.

    alone   False for one of several processes of a run, which end together: a second Ctrl-C changes nothing, either.
            Their launcher passes on each, and kills who takes too long
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

    def __exit__(self, *_) -> None:
        _restore(self._previous)

    @contextlib.contextmanager
    def lifted(self) -> Iterator[None]:
        """Inside, the first signal ends at once, as a KeyboardInterrupt: for what may take long and loses nothing."""
        previous = _handled_by(self._end) if self.active else {}
        try:
            if self.pressed:  # just before
                raise KeyboardInterrupt
            yield
        finally:
            _restore(previous)

    def _press(self, number: int, _frame: object) -> None:
        self.pressed = True
        self._interrupts += number == signal.SIGINT
        if self._interrupts > 1 and self.alone:
            raise KeyboardInterrupt

    def _end(self, number: int, frame: object) -> None:
        first = not self.pressed
        self._press(number, frame)
        if first:
            raise KeyboardInterrupt


def _handled_by(handler: Callable[[int, object], None]) -> dict[int, Handler]:
    """Set the handler of the signals; returns those before."""
    ignored = {getattr(signal, "SIGHUP", None)} if _hangup_is_ignored() else set()
    return {number: signal.signal(number, handler) for number in SIGNALS if number not in ignored}


def _hangup_is_ignored() -> bool:
    return hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


def _restore(handlers: dict[int, Handler]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)
