"""What a run says of itself: its headline figures, how it differs from before, the machine it runs on."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from partwise.errors import PartwiseError, in_one_line
from partwise.machine import processor

HEADLINES = {"instance": ("ap", "ap50"), "semantic": ("iou_class", "iou_category")}


def headline(figures: dict) -> float:
    """The figure by which checkpoints are compared: instance AP where there is one, else IoU class."""
    ap = (figures.get("instance") or {}).get("ap")
    iou = (figures.get("semantic") or {}).get("iou_class")
    return float(ap if ap is not None else iou if iou is not None else 0.0)


def describe(figures: dict) -> str:
    """The headline figures in words."""
    shown = []
    for part, names in HEADLINES.items():
        for name in names:
            value = (figures.get(part) or {}).get(name)
            if value is not None:
                shown.append(f"{name} {value:.3f}")
    return ", ".join(shown) or "no figures"


def differences(before: dict[str, Any], now: dict[str, Any]) -> str:
    """Which leaves changed, in words; "" where none did.

    >>> differences({"optim.lr": 0.1, "name": "a"}, {"optim.lr": 0.2, "name": "a"})
    'optim.lr 0.1 -> 0.2'
    """
    changed = [key for key in now if key in before and before[key] != now[key]]
    return ", ".join(f"{key} {before[key]} -> {now[key]}" for key in changed)


def machine(accelerator: Accelerator) -> dict:
    """The circumstances that a figure depends on."""
    device = accelerator.device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else processor()
    return {
        "device": str(device.type),
        "name": name,
        "threads": torch.get_num_threads(),
        "processes": accelerator.num_processes,
        "torch": torch.__version__,
    }


class Board:
    """The run as TensorBoard shows it (the extra `tensorboard`). Raises PartwiseError where that is not installed."""

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
        """The numbers of a line of metrics.jsonl. Raises PartwiseError where they cannot be written."""
        with self._explained():
            for name, value in scalars(record).items():
                self.writer.add_scalar(name, value, record["step"])

    def close(self) -> None:
        """Write what is still in memory; where it cannot be written it is lost, and metrics.jsonl has it."""
        with contextlib.suppress(OSError):
            self.writer.close()
        threading.excepthook = self.previous_hook

    def _hear(self, arguments: threading.ExceptHookArgs) -> None:
        """TensorBoard's thread prints the error of a write, which it hands on to `log` besides."""
        if not isinstance(arguments.exc_value, OSError):
            self.previous_hook(arguments)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise PartwiseError(
                f"cannot write {self.folder}: {in_one_line(error)}: free the place, or say training.tensorboard=false"
            ) from error


def scalars(record: dict) -> dict[str, float]:
    """Name -> number of a line of metrics.jsonl.

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
