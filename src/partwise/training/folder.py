"""The folder of a run and the files in it."""

from __future__ import annotations

import json
import traceback
from pathlib import Path
from typing import Any

import numpy as np

from partwise.errors import PartwiseError
from partwise.files import atomic_write, expanded, json_ready, require_replaceable, write_json
from partwise.training.lock import FolderLock

__all__ = ["RunFolder"]


class RunFolder:
    """Where the files of a run lie.

    run.json            recipe, origin, machine; "finished" when the run has come to its end
    metrics.jsonl       one line a logged step or evaluation
    last.safetensors    the newest weights      best.safetensors   those with the best evaluation
    state.pt            what resuming needs     classes.npy        which classes each frame shows
    at_0200.safetensors  the weights when 20 % of the run were done (TrainingConfig.keep_at)
    lock                which process trains in it now
    """

    def __init__(self, path: Path):
        self.path = expanded(path)
        self.run, self.metrics = self.path / "run.json", self.path / "metrics.jsonl"
        self.last, self.best = self.path / "last.safetensors", self.path / "best.safetensors"
        self.state, self.classes = self.path / "state.pt", self.path / "classes.npy"
        self.lock = FolderLock(self.path)

    def kept(self, share: float) -> Path:
        """Where the weights of this share of the run lie, 0..1."""
        return self.path / f"at_{round(1000 * share):04d}.safetensors"

    def check(self, resume: bool) -> bool:
        """Whether there is a state to go on from; writes nothing.

        Raises PartwiseError where there is a file instead of a folder, a run that is not to be resumed, nothing to
        resume, or a file of somebody else in the place of one of a run. A run that was killed before its first
        checkpoint is resumed from its beginning.
        """
        if self.path.exists() and not self.path.is_dir():
            raise PartwiseError(f"{self.path}: this is a file: give another folder for the run")
        if resume and not (self.state.exists() or self.run.exists()):
            raise PartwiseError(f"{self.path}: holds no run to resume: look at the path, or leave --resume out")
        if not resume:
            for file in (self.state, self.last, self.best):
                if file.exists():
                    raise PartwiseError(
                        f"{self.path}: holds a run already ({file.name}): say --resume to go on with it, "
                        "or give another folder"
                    )
        going_on = resume and self.state.exists()
        kept = self.path.glob("at_*.safetensors")
        for file in (self.last, self.best, *kept) if going_on else (self.run, self.metrics, self.classes, *kept):
            require_replaceable(file)
        return going_on

    def begin(self, values: dict, step: int, evaluated: int) -> None:
        """Make the folder, write run.json, and drop the lines of metrics.jsonl that will be written again.

        values      of run.json
        step        the last step that the state knows of
        evaluated   the step of the last evaluation that the state knows of

        Raises PartwiseError if the folder cannot be written.
        """
        write_json(self.run, values, overwrite=True)  # as below: `check` has seen whose the files are
        with atomic_write(self.metrics, "w", overwrite=True) as file:
            file.write("".join(_lines_until(self.metrics, step, evaluated)))

    def log(self, record: dict) -> None:
        """Append a line to metrics.jsonl. Raises PartwiseError if the disk is full."""
        line = json.dumps(json_ready(record)) + "\n"
        try:
            with self.metrics.open("a", encoding="utf-8") as file:
                file.write(line)
        except OSError as error:
            raise PartwiseError(
                f"cannot write {self.metrics}: {(error.strerror or str(error)).lower()}: free the place, then go on "
                f"with --resume; {self.usable()}"
            ) from None

    def finish(self, values: dict) -> None:
        """Note in run.json that the run has come to its end."""
        write_json(self.run, self.described() | {"finished": values}, overwrite=True)

    def described(self) -> dict[str, Any]:
        """What run.json says; nothing where it is missing or damaged."""
        try:
            values = json.loads(self.run.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return values if isinstance(values, dict) else {}

    @property
    def finished(self) -> bool:
        """Whether the run has come to its end."""
        return "finished" in self.described() and self.last.exists()

    def presence(self, frames: int) -> np.ndarray | None:
        """What `keep_presence` kept, where it is of so many frames."""
        try:
            presence = np.load(self.classes)
        except (OSError, ValueError):
            return None
        return presence if len(presence) == frames else None

    def keep_presence(self, presence: np.ndarray) -> None:
        """Keep (frames, 256) bool: which classes each frame shows."""
        with atomic_write(self.classes, overwrite=True) as file:
            np.save(file, presence)

    def forget_presence(self) -> None:
        """Drop what `keep_presence` kept: it is of other data."""
        self.classes.unlink(missing_ok=True)

    def keep_traceback(self, error: Exception, process: int) -> str:
        """Write the traceback of an error that is nobody's mistake; returns where it is, in words.

        process   number of this one among those of the run, each of which has a file of its own
        """
        path = self.path / ("error.txt" if process == 0 else f"error_{process}.txt")
        text = "".join(traceback.format_exception(error))
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError:
            return f"its traceback cannot be written to {path}"
        return f"its traceback is in {path}"

    def usable(self) -> str:
        """Where the last good weights are, in words."""
        return f"the last good weights are in {self.last}" if self.last.exists() else "no checkpoint was written yet"


def _lines_until(path: Path, step: int, evaluated: int) -> list[str]:
    """The lines that a state of this step and this last evaluation has seen."""
    kept = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []:
        try:
            record = json.loads(line)
            if record["step"] <= (evaluated if "evaluation" in record else step):
                kept.append(line + "\n")
        except (ValueError, KeyError, TypeError):
            continue  # the half-written last line of a killed process
    return kept
