"""The progress of a run, and the interface of those who watch it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Monitor(Protocol):
    """The interface of an observer of a run. The command line draws progress; tests count calls."""

    def note(self, text: str) -> None:
        """Tell the user something."""

    def progress(self, done: float, record: dict) -> None:
        """Report a step.

        Args:
            done: Share of the run that is done, 0..1.
            record: The values of the step, as in metrics.jsonl.
        """

    def count(self, what: str, done: int, total: int) -> None:
        """Report the progress of something other than steps, such as an evaluation.

        Args:
            what: What is in progress, in words.
            done: The number of items that are done.
            total: The number of all items; 0 if it is not known.
        """


@dataclass
class Progress:
    """The progress of a run, over all its resumptions.

    Attributes:
        step: Number of steps that are done.
        seconds: Time spent in training steps, without evaluations and checkpoints.
        best: Headline figure of best.safetensors; -1 before the first evaluation.
        waited: The part of `seconds` that was spent waiting for data.
        evaluated: Step of the last evaluation; -1 before the first one.
        stale: Evaluations in a row that were no better than the best one.
    """

    step: int = 0
    seconds: float = 0.0
    best: float = -1.0
    waited: float = 0.0
    evaluated: int = -1
    stale: int = 0

    def is_stale(self, patience: int) -> bool:
        """Check whether `patience` evaluations in a row were no better than the best one; 0 waits for ever."""
        return 0 < patience <= self.stale

    def pace(self) -> str:
        """Return in words how fast the steps were, of which there must be one."""
        share = 100 * self.waited / self.seconds
        return (
            f"{self.step} steps in {self.seconds / 60:.1f} minutes, {self.step / self.seconds:.2f} steps/s, "
            f"{share:.1f} % of it waiting for data"
        )
