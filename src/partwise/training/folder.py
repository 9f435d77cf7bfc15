"""The folder of a run, and the files in it."""

from __future__ import annotations

import json
import traceback
from pathlib import Path
from typing import Any

import numpy as np

from partwise.errors import PartwiseError
from partwise.files import atomic_write, require_replaceable, write_json
from partwise.folder_lock import FolderLock
from streeteval.files import expanded, json_ready

__all__ = ["RunFolder"]


class RunFolder:
    """The folder of a run.

    Its files:
        run.json: Recipe, origin, machine, and "finished" when the run has reached its end.
        metrics.jsonl: One line for each logged step or evaluation.
        last.safetensors: The newest weights.
        best.safetensors: The weights with the best evaluation.
        at_0200.safetensors: The weights when 20 % of the run were done (`TrainingConfig.keep_at`).
        state.pt: The state that is needed to resume the run.
        classes.npy: Which classes each frame shows.
        lock: Which process trains in the folder now.

    Args:
        path: The folder; it may not exist yet.
    """

    def __init__(self, path: Path):
        self.path = expanded(path)
        self.run, self.metrics = self.path / "run.json", self.path / "metrics.jsonl"
        self.last, self.best = self.path / "last.safetensors", self.path / "best.safetensors"
        self.state, self.classes = self.path / "state.pt", self.path / "classes.npy"
        self.lock = FolderLock(self.path)

    def kept(self, share: float) -> Path:
        """Return the file of the weights at this share of the run, 0..1."""
        return self.path / f"at_{round(1000 * share):04d}.safetensors"

    def check(self, resume: bool) -> bool:
        """Check that a run can be started or resumed in the folder. Nothing is written.

        Args:
            resume: Whether the caller wants to resume a run. A run that was killed before its first checkpoint is
                resumed from the beginning.

        Returns:
            Whether there is a state to resume from.

        Raises:
            PartwiseError: If the path is a file, the folder holds a run that should not be resumed, there is nothing to
                resume, or a file that was not written by a run is in the place of one that would be written.
        """
        if self.path.exists() and not self.path.is_dir():
            raise PartwiseError(f"{self.path}: this is a file: give another folder for the run")
        if resume and not (self.state.exists() or self.run.exists()):
            raise PartwiseError(f"{self.path}: holds no run to resume: check the path, or leave --resume out")
        if not resume:
            for file in (self.state, self.last, self.best):
                if file.exists():
                    raise PartwiseError(
                        f"{self.path}: holds a run already ({file.name}): give --resume to continue it, "
                        "or give another folder"
                    )
        going_on = resume and self.state.exists()
        kept = self.path.glob("at_*.safetensors")
        for file in (self.last, self.best, *kept) if going_on else (self.run, self.metrics, self.classes, *kept):
            require_replaceable(file)
        return going_on

    def begin(self, values: dict, step: int, evaluated: int) -> None:
        """Make the folder, write run.json, and remove the lines of metrics.jsonl that will be written again.

        Args:
            values: The values of run.json.
            step: The last step before the state was saved.
            evaluated: The step of the last evaluation before the state was saved.

        Raises:
            PartwiseError: If the folder cannot be written.
        """
        write_json(self.run, values, overwrite=True)  # `check` has checked that this and the next are files of a run
        with atomic_write(self.metrics, "w", overwrite=True) as file:
            file.write("".join(_lines_until(self.metrics, step, evaluated)))

    def log(self, record: dict) -> None:
        """Append a line to metrics.jsonl.

        Raises:
            PartwiseError: If the disk is full or the file cannot be written.
        """
        line = json.dumps(json_ready(record)) + "\n"
        try:
            with self.metrics.open("a", encoding="utf-8") as file:
                file.write(line)
        except OSError as error:
            raise PartwiseError(
                f"cannot write {self.metrics}: {(error.strerror or str(error)).lower()}: free space or make it "
                f"writable, then continue with --resume; {self.usable()}"
            ) from None

    def finish(self, values: dict) -> None:
        """Write to run.json that the run has reached its end, with these values."""
        write_json(self.run, self.described() | {"finished": values}, overwrite=True)

    def described(self) -> dict[str, Any]:
        """Return the values of run.json; empty if it is missing or damaged."""
        try:
            values = json.loads(self.run.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return values if isinstance(values, dict) else {}

    @property
    def finished(self) -> bool:
        """Whether the run has reached its end."""
        return "finished" in self.described() and self.last.exists()

    def presence(self, frames: int) -> np.ndarray | None:
        """Return the (frames, 256) bool array of `keep_presence`; None if it is missing or has another length."""
        try:
            presence = np.load(self.classes)
        except (OSError, ValueError):
            return None
        return presence if len(presence) == frames else None

    def keep_presence(self, presence: np.ndarray) -> None:
        """Write a (frames, 256) bool array: which classes each frame shows."""
        with atomic_write(self.classes, overwrite=True) as file:
            np.save(file, presence)

    def forget_presence(self) -> None:
        """Remove the file of `keep_presence`, because it was made from other data."""
        self.classes.unlink(missing_ok=True)

    def keep_traceback(self, error: Exception, process: int) -> str:
        """Write the traceback of an unexpected error to a file.

        Args:
            error: The error.
            process: Number of this process in the run; each process has a file of its own.

        Returns:
            A clause that says where the traceback is.
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
        """Return a clause that says where the last good weights are."""
        return f"the last good weights are in {self.last}" if self.last.exists() else "no checkpoint was written yet"


def _lines_until(path: Path, step: int, evaluated: int) -> list[str]:
    """Return the lines of metrics.jsonl up to a step, and those of evaluations up to another step."""
    kept = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []:
        try:
            record = json.loads(line)
            if record["step"] <= (evaluated if "evaluation" in record else step):
                kept.append(line + "\n")
        except (ValueError, KeyError, TypeError):
            continue  # the incomplete last line of a process that was killed
    return kept
