"""What a run writes about itself: metrics.jsonl, its headline figures, the machine it ran on."""

from __future__ import annotations

import json
import platform
from pathlib import Path

import torch
from accelerate import Accelerator


def headline(figures: dict) -> float:
    """The figure by which checkpoints are compared: instance AP where there is one, else IoU class."""
    ap = (figures.get("instance") or {}).get("ap")
    iou = (figures.get("semantic") or {}).get("iou_class")
    return float(ap if ap is not None else iou if iou is not None else 0.0)


def describe(figures: dict) -> str:
    """The headline figures in words."""
    shown = []
    for key, names in (("instance", ("ap", "ap50")), ("semantic", ("iou_class", "iou_category"))):
        for name in names:
            value = (figures.get(key) or {}).get(name)
            if value is not None:
                shown.append(f"{name} {value:.3f}")
    return ", ".join(shown) or "no figures"


def cut_metrics(path: Path, step: int) -> None:
    """Drop the lines after `step`: the run was cut between a line and a checkpoint and will write them again."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text().splitlines():
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line)
        except (json.JSONDecodeError, KeyError):
            continue  # the half-written last line of a killed process
    path.write_text("".join(line + "\n" for line in kept))


def machine(accelerator: Accelerator) -> dict:
    """The circumstances that a figure depends on."""
    device = accelerator.device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    return {
        "device": str(device.type),
        "name": name,
        "threads": torch.get_num_threads(),
        "processes": accelerator.num_processes,
        "torch": torch.__version__,
    }
