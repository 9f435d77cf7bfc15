"""Several processes of one run: Accelerate starts them, these few lines keep them in step."""

from __future__ import annotations

import os
from datetime import timedelta

import torch
from accelerate import Accelerator
from accelerate.utils import InitProcessGroupKwargs

# The others wait while the main process evaluates and saves; torch gives up after 10 to 30 minutes.
PATIENCE = timedelta(hours=6)


def start_accelerator(precision: str) -> Accelerator:
    """The device and the processes of this run, as `accelerate launch` or torchrun set them up."""
    return Accelerator(mixed_precision=precision, kwargs_handlers=[InitProcessGroupKwargs(timeout=PATIENCE)])


def is_main_process() -> bool:
    """Whether this process speaks to the person; true where there is only one."""
    return int(os.environ.get("RANK", "0")) == 0


def mean_over_processes(values: dict[str, float], accelerator: Accelerator) -> dict[str, float]:
    """The mean of each number over all processes; NaN or infinite in one is so in all, and so nobody waits for another.

    Float64 throughout; exactly `values` where there is one process.
    """
    if accelerator.num_processes == 1:
        return values
    tensor = torch.tensor(list(values.values()), dtype=torch.float64, device=accelerator.device)
    mean = accelerator.reduce(tensor, reduction="mean").tolist()
    return dict(zip(values, mean, strict=True))
