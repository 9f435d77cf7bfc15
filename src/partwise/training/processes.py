"""Several processes of one run: Accelerate starts them, these few lines keep them in step."""

from __future__ import annotations

import os
from datetime import timedelta

import torch
from accelerate import Accelerator
from accelerate.utils import InitProcessGroupKwargs

from partwise.errors import PartwiseError

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


def of_main_process(
    values: dict[str, float], accelerator: Accelerator, *, of_any: bool
) -> tuple[dict[str, float], bool]:
    """The numbers that the main process has, in all, and whether `of_any` is true in any; nobody goes on before it has
    come here.
    """
    if accelerator.num_processes == 1:
        return values, of_any
    mine = {name: value if accelerator.is_main_process else 0.0 for name, value in values.items()}
    *summed, some = accelerator.reduce(_as_tensor(mine | {"of_any": of_any}, accelerator), reduction="sum").tolist()
    return dict(zip(values, summed, strict=True)), some > 0


def _as_tensor(values: dict[str, float], accelerator: Accelerator) -> torch.Tensor:
    return torch.tensor(list(values.values()), dtype=torch.float64, device=accelerator.device)


def lost_process(error: RuntimeError) -> PartwiseError | None:
    """The error to raise where this process can no longer reach the others; None for any other error.

    gloo, which joins processes without GPUs, has no type of its own for it. NCCL says last what was wrong.
    """
    if "gloo/transport" in str(error):
        return PartwiseError("another process of this run has ended: its own message says why")
    if isinstance(error, torch.distributed.DistError):
        reason = str(error).strip().splitlines()[-1][:200]
        return PartwiseError(
            f"the other processes of this run cannot be reached ({reason}): another one has ended and says why, or "
            "/dev/shm is too small for NCCL: give the container more with --shm-size"
        )
    return None


def end_processes() -> None:
    """Take leave of the other processes, once, after the last run. Raises PartwiseError where one has ended before."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        try:
            torch.distributed.barrier()
        except RuntimeError as error:
            raise lost_process(error) or error from None
        torch.distributed.destroy_process_group()
