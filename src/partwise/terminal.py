"""What the command line shows while something long is going on."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

# Paths may hold [brackets] and must not be broken over two lines.
console = Console(highlight=False, markup=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
QUIET_SECONDS = 30.0  # between two lines of progress where there is no terminal for a bar


@contextlib.contextmanager
def counting(what: str) -> Iterator[Callable[..., None]]:
    """A bar with rate and remaining time; gives the callback (done, total), or (part, done, total)."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=errors,
        transient=True,
    ) as bar:
        task = bar.add_task(what, total=None, rate="")

        def progress(*position) -> None:
            *part, done, total = position
            speed = bar.tasks[0].speed
            shown = {"completed": done, "total": total, "rate": f"{speed:.1f}/s" if speed else ""}
            bar.update(task, description=" ".join([what, *part]), **shown)

        yield progress


class TrainingDisplay:
    """A bar for a run: share done, step, steps a second, remaining time and the loss; notes stand above it.

    Where the output goes to a file there is a line now and then instead.

    quiet   show nothing: for the processes beside the main one
    """

    def __init__(self, quiet: bool = False):
        self.quiet, self.plain = quiet, not errors.is_terminal
        self.bar = Progress(
            BarColumn(bar_width=20),
            TextColumn("{task.percentage:>3.0f} %  step {task.fields[step]}  {task.fields[rate]}"),
            TimeRemainingColumn(compact=True),
            TextColumn("loss {task.fields[loss]}"),
            console=errors,
            disable=quiet or self.plain,
            transient=True,
        )
        self.task = self.bar.add_task("training", total=1.0, step=0, rate="", loss="-")
        self.since: tuple[int, float] | None = None  # step and seconds at which the rate was last taken
        self.spoken = time.monotonic()

    def __enter__(self) -> TrainingDisplay:
        self.bar.start()
        return self

    def __exit__(self, *_) -> None:
        with contextlib.suppress(OSError):  # a terminal that is gone takes nothing with it
            self.bar.stop()

    def note(self, text: str) -> None:
        """See Monitor.note."""
        if not self.quiet:
            errors.print(text)

    def progress(self, done: float, record: dict) -> None:
        """See Monitor.progress."""
        step, seconds, shown = record["step"], record["seconds"], {}
        if self.since is None or step < self.since[0] or seconds < self.since[1]:  # a run begins
            self.since, shown["rate"] = (step, seconds), ""
            self.bar.reset(self.task, completed=0, total=1.0)
        elif seconds - self.since[1] > 2.0:
            shown["rate"] = f"{(step - self.since[0]) / (seconds - self.since[1]):.2f} steps/s"
            self.since = (step, seconds)
        self.bar.update(self.task, completed=done, step=step, loss=f"{record['loss']:.3f}", **shown)
        if self.plain and time.monotonic() - self.spoken > QUIET_SECONDS:
            rate = self.bar.tasks[0].fields["rate"]
            self.note(f"{100 * done:.0f} %  step {step}  {rate}  loss {record['loss']:.3f}")
            self.spoken = time.monotonic()
