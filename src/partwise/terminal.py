"""Progress of the command line: a bar on a terminal, and elsewhere a line at regular intervals."""

from __future__ import annotations

import contextlib
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from partwise.errors import PartwiseWarning

__all__ = [
    "JOIN_SECONDS",
    "QUIET_SECONDS",
    "RATE_SECONDS",
    "Display",
    "Heartbeat",
    "TrainingDisplay",
    "console",
    "counting",
    "in_words",
    "warnings_in_one_line",
]


class _ErrorConsole(Console):
    """Write to stderr. If nobody reads it any more, the work continues without output."""

    def on_broken_pipe(self) -> None:
        self.quiet = True


# Paths may hold [brackets] and :colons:, and must stay on one line.
console = Console(highlight=False, markup=False, soft_wrap=True, emoji=False)
errors = _ErrorConsole(stderr=True, highlight=False, markup=False, soft_wrap=True, emoji=False)
QUIET_SECONDS = 25.0  # time without output after which a line is written; a line comes at least every half minute
RATE_SECONDS = 2.0  # shortest time over which steps per second are measured
JOIN_SECONDS = 1.0  # longest time that the end of a command waits for a line that is being written


def _say(line: str) -> None:
    """Print a line to stderr. A closed terminal or a full disk must not end the work."""
    with contextlib.suppress(OSError):
        errors.print(line)


@contextlib.contextmanager
def warnings_in_one_line() -> Iterator[None]:
    """Inside, each PartwiseWarning is one line on stderr, shown once. Other warnings do not change."""
    with warnings.catch_warnings():
        warnings.filterwarnings("always", category=PartwiseWarning)
        show_others, said = warnings.showwarning, set[str]()

        def show(message: Warning | str, category: type[Warning], *where: Any, **how: Any) -> None:
            if not issubclass(category, PartwiseWarning):
                show_others(message, category, *where, **how)
            elif str(message) not in said:
                said.add(str(message))
                _say(f"warning: {message}")

        warnings.showwarning = show
        yield


class Heartbeat:
    """A line about the progress whenever nothing was written for QUIET_SECONDS, also in the middle of a long step.

    Only the command line starts it (`running`). Used as a library, partwise starts no thread and writes nothing.

    Args:
        clock: Returns the time in seconds; tests have one of their own.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.silent = False  # a bar or another process shows the progress
        self._begin()

    def _begin(self) -> None:
        self.spoken = self.clock()
        self.now = ("", "", self.spoken)  # what is being done, how fast, and when it last changed

    def on(self, doing: str, pace: str = "") -> None:
        """Record progress.

        Args:
            doing: What is being done and how far, such as "evaluating 3/10".
            pace: How fast, in words; "" if unknown.
        """
        self.now = (doing, pace, self.clock())

    def spoke(self) -> None:
        """Record that a line was written. The next line is due QUIET_SECONDS later."""
        self.spoken = self.clock()

    def beat(self) -> float:
        """Write a line if one is due; return the seconds until the next one can be due."""
        now = self.clock()
        if now - self.spoken >= QUIET_SECONDS:
            doing, pace, changed = self.now
            if pace and changed >= self.spoken:
                line = f"{doing}, {pace}"
            else:
                line = f"still working{' on ' if doing else ''}{doing}, {now - changed:.0f} s"
            if not self.silent:
                _say(line)
            self.spoken = now
        return self.spoken + QUIET_SECONDS - now

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Inside, a thread writes the lines that are due."""
        self._begin()
        stop = threading.Event()

        def watch() -> None:
            while not stop.wait(self.beat()):
                pass

        thread = threading.Thread(target=watch, name="heartbeat", daemon=True)
        with contextlib.suppress(RuntimeError):  # without a thread the command works, too
            thread.start()
        try:
            yield
        finally:
            stop.set()
            if thread.ident is not None:
                thread.join(JOIN_SECONDS)

    @contextlib.contextmanager
    def silenced(self, silent: bool) -> Iterator[None]:
        """Inside, nothing is written if `silent`."""
        before, self.silent = self.silent, self.silent or silent
        try:
            yield
        finally:
            self.silent = before


heartbeat = Heartbeat()


class Display:
    """The progress of a command: a bar on a terminal, and elsewhere the text of the heartbeat. Notes are above the bar.

    It is a context. Its methods are callbacks for work that takes long.

    Args:
        what: What is being done, such as "evaluating".
        quiet: Show nothing; for all processes except the main one.
    """

    def __init__(self, what: str, quiet: bool = False) -> None:
        self.what, self.quiet = what, quiet
        self.has_bar = not quiet and errors.is_terminal and not errors.is_dumb_terminal
        self.bar = Progress(
            TextColumn("{task.description} {task.fields[position]}", markup=False),
            BarColumn(bar_width=20),
            TimeElapsedColumn(),
            TextColumn("{task.fields[pace]}", markup=False),
            console=errors,
            disable=not self.has_bar,
            transient=True,
        )
        self.task = self.bar.add_task(what, total=None, position="", pace="")
        self.pace = _Pace(heartbeat.clock)

    def __enter__(self) -> Self:
        self._opened = contextlib.ExitStack()
        self._opened.enter_context(heartbeat.silenced(self.quiet or self.has_bar))
        self._opened.enter_context(self.bar)
        heartbeat.on(self.what)
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):  # a closed terminal must not end the command
            self._opened.close()

    def note(self, text: str) -> None:
        """Write a line of text."""
        if not self.quiet:
            _say(text)
        heartbeat.spoke()

    def count(self, *position: Any) -> None:
        """Show how much of a count is done.

        Args:
            *position: (done, total), or (part, done, total) if the work has several parts. A total of 0 is unknown.
        """
        *part, done, total = position
        what = " ".join(filter(None, [self.what, *part]))
        self.show(what, f"{done}/{total}" if total else "", done, total, *self.pace.at(done, total))

    def show(self, what: str, position: str, done: float, total: float, *pace: str) -> None:
        """Draw the bar.

        Args:
            what: What is being done.
            position: How far, in words, such as "3/10".
            done: How much is done.
            total: How much there is to do; 0 if unknown.
            *pace: How fast, in words.
        """
        how_fast = ", ".join(filter(None, pace))
        self.bar.update(
            self.task, completed=done, total=total or None, description=what, position=position, pace=how_fast
        )
        heartbeat.on(f"{what} {position}".rstrip(), how_fast)


@contextlib.contextmanager
def counting(what: str) -> Iterator[Callable[..., None]]:
    """Show the progress of a count; yield the callback, which takes (done, total) or (part, done, total)."""
    with Display(what) as display:
        yield display.count


class TrainingDisplay(Display):
    """The Monitor of a training: the share that is done, the step, steps per second, remaining time and loss."""

    def __init__(self, quiet: bool = False) -> None:
        super().__init__("", quiet)
        self.begun = (0.0, 0.0)  # share and seconds at the start of the run
        self.since: tuple[int, float] | None = None  # step and seconds when the rate was last measured
        self.rate = ""

    def progress(self, done: float, record: dict) -> None:
        """Show the progress of a training.

        Args:
            done: Share of the training that is done, 0..1.
            record: The last entry of metrics.jsonl, with "step", "seconds" and "loss".
        """
        step, seconds = record["step"], record["seconds"]
        if self.since is None or step < self.since[0] or seconds < self.since[1]:  # a run begins
            self.begun, self.since, self.rate = (done, seconds), (step, seconds), ""
        elif seconds - self.since[1] > RATE_SECONDS:
            self.rate = f"{(step - self.since[0]) / (seconds - self.since[1]):.2f} steps/s"
            self.since = (step, seconds)
        left = _left(done - self.begun[0], seconds - self.begun[1], 1.0 - done)
        position = f"{100 * done:.0f} %, step {step}"
        self.show("training", position, done, 1.0, self.rate, left, f"loss {record['loss']:.3f}")


class _Pace:
    """The rate of a count from its first call on. It starts again when the count falls or the total changes.

    What is done at the first call does not count: it may have been done by an earlier command, or before the count.

    Args:
        clock: Returns the time in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.first = (0, clock())  # done, and the time
        self.last = (0, 0)  # done, and the total

    def at(self, done: int, total: int) -> tuple[str, str]:
        """Return the rate and the remaining time in words, each "" if it is not known yet."""
        before, of = self.last
        now = self.clock()
        if done < before or total != of:
            self.first = (done, now)
        self.last = (done, total)
        advanced, elapsed = done - self.first[0], now - self.first[1]
        if not (advanced and elapsed):
            return "", ""
        rate = advanced / elapsed
        return f"{rate:.1f}/s" if rate >= 1 else f"{1 / rate:.1f} s each", _left(advanced, elapsed, total - done)


def _left(advanced: float, elapsed: float, rest: float) -> str:
    """Return the remaining time in words, or "" if nothing is done yet."""
    return f"{in_words(rest / advanced * elapsed)} left" if advanced > 0 and rest >= 0 else ""


def in_words(seconds: float) -> str:
    """Format a length of time.

    Example:
        >>> [in_words(seconds) for seconds in (3.4, 95, 7384, 200000)]
        ['3 s', '1 min 35 s', '2 h 3 min', '55 h 33 min']
    """
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
