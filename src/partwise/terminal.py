"""What the command line shows while something long is going on."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False, soft_wrap=True)


@contextlib.contextmanager
def counting(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar with rate and remaining time; gives the callback (done, total)."""
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

        def progress(done: int, total: int) -> None:
            speed = bar.tasks[0].speed
            bar.update(task, completed=done, total=total, rate=f"{speed:.1f}/s" if speed else "")

        yield progress


class TrainingDisplay:
    """A bar for a run: share done, steps a second, remaining time and the loss; notes stand above it."""

    def __init__(self):
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}% step {task.fields[step]} {task.fields[rate]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(elapsed_when_finished=True),
            TextColumn("{task.fields[loss]}"),
            console=errors,
        )
        self.task = self.bar.add_task("training", total=1.0, step=0, rate="", loss="")
        self.last: tuple[int, float] | None = None

    def __enter__(self) -> TrainingDisplay:
        self.bar.start()
        return self

    def __exit__(self, *_) -> None:
        self.bar.stop()

    def note(self, text: str) -> None:
        """See Monitor.note."""
        self.bar.console.print(text)

    def progress(self, done: float, record: dict) -> None:
        """See Monitor.progress."""
        rate = ""
        if self.last and record["seconds"] > self.last[1]:
            rate = f"{(record['step'] - self.last[0]) / (record['seconds'] - self.last[1]):.2f} steps/s"
        if self.last is None or record["step"] % 20 == 0:
            self.last = (record["step"], record["seconds"])
        terms = " ".join(f"{name} {value:.3f}" for name, value in record["loss_terms"].items())
        shown = {"rate": rate} if rate else {}
        self.bar.update(
            self.task, completed=done, step=record["step"], loss=f"loss {record['loss']:.3f} ({terms})", **shown
        )
