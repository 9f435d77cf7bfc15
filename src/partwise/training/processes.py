"""Several processes of one run: Accelerate starts them, these few lines keep them in step."""

from __future__ import annotations

import os
from datetime import timedelta

import torch
from accelerate import Accelerator
from accelerate.utils import InitProcessGroupKwargs, broadcast

# The others wait while the main process evaluates and saves; torch gives up after 10 to 30 minutes.
PATIENCE = timedelta(hours=6)


def start_accelerator() -> Accelerator:
    """The device and the processes of this run, as `accelerate launch` or torchrun set them up.

    The precision is the recipe's, not the launcher's: the loop casts by itself.
    """
    # Without being told, Accelerate lets several processes without a GPU run side by side, each on its own.
    several_without_gpu = int(os.environ.get("WORLD_SIZE", "1")) > 1 and not torch.cuda.is_available()
    patience = InitProcessGroupKwargs(timeout=PATIENCE)
    return Accelerator(cpu=several_without_gpu, mixed_precision="no", kwargs_handlers=[patience])


def mean_over_processes(values: dict[str, float], accelerator: Accelerator) -> dict[str, float]:
    """The mean of each number over all processes; what is NaN or infinite in one is so in all, and nobody waits.

    Float64 throughout; exactly `values` where there is one process.
    """
    if accelerator.num_processes == 1:
        return values
    mean = accelerator.reduce(_as_tensor(values, accelerator), reduction="mean").tolist()
    return dict(zip(values, mean, strict=True))


def of_main_process(values: dict[str, float], accelerator: Accelerator) -> dict[str, float]:
    """The numbers that the main process has, in all; nobody goes on before it has come here."""
    if accelerator.num_processes == 1:
        return values
    return dict(zip(values, broadcast(_as_tensor(values, accelerator)).tolist(), strict=True))


def _as_tensor(values: dict[str, float], accelerator: Accelerator) -> torch.Tensor:
    return torch.tensor(list(values.values()), dtype=torch.float64, device=accelerator.device)


def end_processes() -> None:
    """Take leave of the other processes, once, after the last run."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()
