"""What a run reports: headline figures, changes of its configuration, the machine, and TensorBoard."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from partwise.errors import PartwiseError
from streeteval.errors import in_one_line
from streeteval.machine import processor

HEADLINES = {"instance": ("ap", "ap50"), "semantic": ("iou_class", "iou_category")}


def headline(figures: dict) -> float:
    """Return the figure by which checkpoints are compared: instance AP if there is one, else IoU class, else 0."""
    ap = (figures.get("instance") or {}).get("ap")
    iou = (figures.get("semantic") or {}).get("iou_class")
    return float(ap if ap is not None else iou if iou is not None else 0.0)


def describe(figures: dict) -> str:
    """Return the headline figures in words."""
    shown = []
    for part, names in HEADLINES.items():
        for name in names:
            value = (figures.get(part) or {}).get(name)
            if value is not None:
                shown.append(f"{name} {value:.3f}")
    return ", ".join(shown) or "no figures"


def differences(before: dict[str, Any], now: dict[str, Any]) -> str:
    """Return in words which leaves of a configuration changed.

    Args:
        before: The leaves of the earlier configuration by dotted name.
        now: The leaves of the present one.

    Returns:
        The changes; "" if there are none.

    >>> differences({"optim.lr": 0.1, "name": "a"}, {"optim.lr": 0.2, "name": "a"})
    'optim.lr 0.1 -> 0.2'
    """
    changed = [key for key in now if key in before and before[key] != now[key]]
    return ", ".join(f"{key} {before[key]} -> {now[key]}" for key in changed)


def machine(accelerator: Accelerator) -> dict:
    """Return what the speed and the rounding of a run depend on: device, threads, processes, and version of torch."""
    device = accelerator.device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else processor()
    return {
        "device": str(device.type),
        "name": name,
        "threads": torch.get_num_threads(),
        "processes": accelerator.num_processes,
        "torch": torch.__version__,
    }


def in_words(machine: dict) -> str:
    """Return the device and the number of processes of a run.

    >>> in_words({"device": "cpu", "processes": 2}), in_words({"device": "cuda", "processes": 1})
    ('cpu, 2 processes', 'cuda')
    """
    return f"{machine['device']}, {machine['processes']} processes" if machine["processes"] > 1 else machine["device"]


class Board:
    """The run as TensorBoard shows it.

    Args:
        folder: The folder of TensorBoard's files.
        step: The last step that is done; later steps in the folder are hidden.

    Raises:
        PartwiseError: If TensorBoard (the extra `tensorboard`) is not installed, or the folder cannot be written.
    """

    def __init__(self, folder: Path, step: int):
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise PartwiseError(
                "training.tensorboard=true: tensorboard is not installed: pip install 'partwise[tensorboard]'"
            ) from None
        self.folder = folder
        self.previous_hook, threading.excepthook = threading.excepthook, self._hear
        with self._explained():
            self.writer = SummaryWriter(str(folder), purge_step=step + 1)

    def log(self, record: dict) -> None:
        """Write the numbers of a line of metrics.jsonl.

        Raises:
            PartwiseError: If they cannot be written.
        """
        with self._explained():
            for name, value in scalars(record).items():
                self.writer.add_scalar(name, value, record["step"])

    def close(self) -> None:
        """Write what is still in memory. If this fails, TensorBoard lacks it, but metrics.jsonl has it."""
        with contextlib.suppress(OSError):
            self.writer.close()
        threading.excepthook = self.previous_hook

    def _hear(self, arguments: threading.ExceptHookArgs) -> None:
        """Hide write errors in TensorBoard's thread; `log` raises them as well."""
        if not isinstance(arguments.exc_value, OSError):
            self.previous_hook(arguments)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn an error of the file system into a PartwiseError."""
        try:
            yield
        except OSError as error:
            raise PartwiseError(
                f"cannot write {self.folder}: {in_one_line(error)}: make it writable, or set training.tensorboard=false"
            ) from error


def scalars(record: dict) -> dict[str, float]:
    """Return the numbers of a line of metrics.jsonl by TensorBoard's names.

    >>> scalars({"step": 3, "loss": 2.0, "loss_terms": {"mask": 0.5}, "seconds": 1.0})
    {'loss/sum': 2.0, 'loss/mask': 0.5}
    """
    found = {f"loss/{name}": value for name, value in record.get("loss_terms", {}).items()}
    if "loss" in record:
        found = {"loss/sum": record["loss"], **found}
    found |= {name: record[name] for name in ("lr", "gradient_norm") if name in record}
    for part, names in HEADLINES.items():
        values = (record.get("evaluation") or {}).get(part) or {}
        found |= {f"evaluation/{name}": values[name] for name in names if values.get(name) is not None}
    return found
