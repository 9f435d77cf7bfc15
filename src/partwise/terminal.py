"""What the command line shows while something long is going on: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import contextlib
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Self

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
    """Writes to stderr; where nobody reads that any more, the work goes on without it."""

    def on_broken_pipe(self) -> None:
        self.quiet = True


# Paths may hold [brackets] and :colons:, and must not be broken over two lines.
console = Console(highlight=False, markup=False, soft_wrap=True, emoji=False)
errors = _ErrorConsole(stderr=True, highlight=False, markup=False, soft_wrap=True, emoji=False)
QUIET_SECONDS = 25.0  # without a line where there is no bar: a line at least every half minute, with time to spare
RATE_SECONDS = 2.0  # of training, at least, over which steps a second are measured
JOIN_SECONDS = 1.0  # at most, that the end of a command waits for a line that is being written


def _say(line: str) -> None:
    """To stderr. A closed terminal or a full disk must not end the work: what is shown of it is no result."""
    with contextlib.suppress(OSError):
        errors.print(line)


@contextlib.contextmanager
def warnings_in_one_line() -> Iterator[None]:
    """Inside, a PartwiseWarning is one line on stderr, given once; other warnings are shown as before."""
    with warnings.catch_warnings():
        warnings.filterwarnings("always", category=PartwiseWarning)
        show_others, said = warnings.showwarning, set()

        def show(message, category, *where, **how) -> None:
            if not issubclass(category, PartwiseWarning):
                show_others(message, category, *where, **how)
            elif str(message) not in said:
                said.add(str(message))
                _say(f"warning: {message}")

        warnings.showwarning = show
        yield


class Heartbeat:
    """Says what is going on whenever nothing was said for QUIET_SECONDS, also in the middle of a long step.

    Only the command line starts it (`running`). Used as a library, partwise starts no thread and writes nothing.

    clock   seconds; tests have one of their own
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self.clock = clock
        self.silent = False  # a bar shows what is going on, or another process does
        self._begin()

    def _begin(self) -> None:
        self.spoken = self.clock()
        self.now = ("", "", self.spoken)  # what is going on, how fast, and when that last changed

    def on(self, doing: str, pace: str = "") -> None:
        """Something has advanced: `doing` says what and how far ("evaluating 3/10"), `pace` how fast."""
        self.now = (doing, pace, self.clock())

    def spoke(self) -> None:
        """A line was just written: the next one is due QUIET_SECONDS later."""
        self.spoken = self.clock()

    def beat(self) -> float:
        """Say a line if one is due; returns the seconds until the next one can be."""
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
        """Inside, a thread says the lines that are due."""
        self._begin()
        stop = threading.Event()

        def watch() -> None:
            while not stop.wait(self.beat()):
                pass

        thread = threading.Thread(target=watch, name="heartbeat", daemon=True)
        with contextlib.suppress(RuntimeError):  # the system gives no thread: the command works without it
            thread.start()
        try:
            yield
        finally:
            stop.set()
            if thread.ident is not None:
                thread.join(JOIN_SECONDS)

    @contextlib.contextmanager
    def silenced(self, silent: bool) -> Iterator[None]:
        """Inside, nothing is said if `silent`."""
        before, self.silent = self.silent, self.silent or silent
        try:
            yield
        finally:
            self.silent = before


heartbeat = Heartbeat()


class Display:
    """What a command does: a bar on a terminal, and elsewhere the words for the heartbeat. Notes stand above the bar.

    A context; its methods are the callbacks for what takes long.

    what    is being done, in words: "evaluating"
    quiet   show nothing: for the processes beside the main one
    """

    def __init__(self, what: str, quiet: bool = False):
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

    def __exit__(self, *_) -> None:
        with contextlib.suppress(OSError):  # a terminal that is gone takes nothing with it
            self._opened.close()

    def note(self, text: str) -> None:
        """See Monitor.note."""
        if not self.quiet:
            _say(text)
        heartbeat.spoke()

    def count(self, *position) -> None:
        """(done, total), or (part, done, total) where there are several parts: see Monitor.count."""
        *part, done, total = position
        what = " ".join(filter(None, [self.what, *part]))
        self.show(what, f"{done}/{total}" if total else "", done, total, *self.pace.at(done, total))

    def show(self, what: str, position: str, done: float, total: float, *pace: str) -> None:
        """Draw the bar at `done` of `total` (0: not known); `position` says how far that is, `pace` how fast."""
        how_fast = ", ".join(filter(None, pace))
        self.bar.update(
            self.task, completed=done, total=total or None, description=what, position=position, pace=how_fast
        )
        heartbeat.on(f"{what} {position}".rstrip(), how_fast)


@contextlib.contextmanager
def counting(what: str) -> Iterator[Callable[..., None]]:
    """A Display of something countable; gives its callback (done, total), or (part, done, total)."""
    with Display(what) as display:
        yield display.count


class TrainingDisplay(Display):
    """A Monitor: of a training the share that is done, the step, steps a second, the remaining time and the loss."""

    def __init__(self, quiet: bool = False):
        super().__init__("", quiet)
        self.begun = (0.0, 0.0)  # share and seconds at which the run began
        self.since: tuple[int, float] | None = None  # step and seconds at which the rate was last taken
        self.rate = ""

    def progress(self, done: float, record: dict) -> None:
        """See Monitor.progress."""
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
    """How fast a count goes on. It begins again where what is done falls, or the total changes.

    clock   seconds
    """

    def __init__(self, clock: Callable[[], float]):
        self.clock = clock
        self.begun = clock()
        self.last = (0, 0, self.begun)  # done, total, and when

    def at(self, done: int, total: int) -> tuple[str, str]:
        """(rate, remaining time) in words, each "" where it is not known yet.

        The first item of a count was begun when the count before it ended.
        """
        before, of, then = self.last
        if done < before or total != of:
            self.begun = then
        self.last = (done, total, self.clock())
        elapsed = self.last[2] - self.begun
        if not (done and elapsed):
            return "", ""
        rate = done / elapsed
        return f"{rate:.1f}/s" if rate >= 1 else f"{1 / rate:.1f} s each", _left(done, elapsed, total - done)


def _left(advanced: float, elapsed: float, rest: float) -> str:
    """The remaining time in words, "" where nothing has advanced yet."""
    return f"{in_words(rest / advanced * elapsed)} left" if advanced > 0 and rest >= 0 else ""


def in_words(seconds: float) -> str:
    """A length of time.

    >>> [in_words(seconds) for seconds in (3.4, 95, 7384, 200000)]
    ['3 s', '1 min 35 s', '2 h 3 min', '55 h 33 min']
    """
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
