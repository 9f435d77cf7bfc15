"""A command of the command line, and a check of the doctor."""

from __future__ import annotations

from pathlib import Path

from partwise.doctor import Finding, Severity, Subject


def count(data: Path, *, split: str = "val") -> None:
    """Count the instances of a split.

    Args:
        data: A data set of any format.
        split: Split of the data set.
    """
    from partwise.data import open_dataset
    from partwise.terminal import console

    scenes = open_dataset(data, split)
    total = sum(len(scenes[i].instances) for i in range(len(scenes)))
    console.print(f"{total} instances in {len(scenes)} frames of {scenes.name}")


def few_samples(subject: Subject) -> list[Finding]:
    """Report how many samples the doctor examined."""
    count = len(subject.samples)
    return [Finding("few samples", Severity.OK, "samples that were examined", count, None)]
