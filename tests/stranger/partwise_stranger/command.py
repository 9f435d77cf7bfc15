"""A verb of the command line, and a rule of the doctor."""

from __future__ import annotations

from pathlib import Path

from partwise.doctor import Finding, Severity, Subject


def count(data: Path, *, split: str = "val") -> None:
    """Count the instances of a split.

    Parameters
    ----------
    data
        A data set of any format.
    split
        Of it.
    """
    from partwise.data import open_dataset
    from partwise.terminal import console

    scenes = open_dataset(data, split)
    total = sum(len(scenes[i].instances) for i in range(len(scenes)))
    console.print(f"{total} instances in {len(scenes)} frames of {scenes.name}")


def few_samples(subject: Subject) -> list[Finding]:
    """How many samples were looked at."""
    count = len(subject.samples)
    return [Finding("few samples", Severity.OK, "samples that were looked at", count, None)]
