"""Several processes of one run: Accelerate starts them, and the functions here keep them in step."""

from __future__ import annotations

import os
from datetime import timedelta

import torch
from accelerate import Accelerator
from accelerate.utils import InitProcessGroupKwargs

from partwise.errors import PartwiseError
from partwise.training.stopping import StopSwitch

__all__ = [
    "PATIENCE",
    "Agreement",
    "another_ended",
    "end_processes",
    "lost_process",
    "mean_over_processes",
    "of_main_process",
    "start_accelerator",
]

# Other processes wait while the main process evaluates and saves. By default torch gives up after 10 to 30 minutes.
PATIENCE = timedelta(hours=6)


def start_accelerator(*, cpu: bool = False) -> Accelerator:
    """Return the device and the processes of this run, as `accelerate launch` or torchrun started them.

    The precision of the launcher is ignored: the recipe decides it, and the training loop casts by itself.

    Args:
        cpu: Train on the CPU, also if there is a GPU.
    """
    # Without `cpu=True`, Accelerate does not connect processes that have no GPU.
    several_without_gpu = int(os.environ.get("WORLD_SIZE", "1")) > 1 and not torch.cuda.is_available()
    patience = InitProcessGroupKwargs(timeout=PATIENCE)
    return Accelerator(cpu=cpu or several_without_gpu, mixed_precision="no", kwargs_handlers=[patience])


def mean_over_processes(values: dict[str, float], accelerator: Accelerator) -> dict[str, float]:
    """Average each number over all processes; a value that is NaN or infinite in one process is so in all.

    Args:
        values: Numbers by name, with the same names in every process.
        accelerator: The processes.

    Returns:
        The means, computed in float64; exactly `values` if there is one process.
    """
    if accelerator.num_processes == 1:
        return values
    mean = accelerator.reduce(_as_tensor(values, accelerator), reduction="mean").tolist()
    return dict(zip(values, mean, strict=True))


def of_main_process(
    values: dict[str, float], accelerator: Accelerator, *, of_any: bool
) -> tuple[dict[str, float], bool]:
    """Give the numbers of the main process to all processes. Each process waits until all have called this function.

    Args:
        values: Numbers by name, with the same names in every process.
        accelerator: The processes.
        of_any: A truth value of this process.

    Returns:
        The numbers of the main process, and whether `of_any` is true in any process.
    """
    if accelerator.num_processes == 1:
        return values, of_any
    mine = {name: value if accelerator.is_main_process else 0.0 for name, value in values.items()}
    *summed, some = accelerator.reduce(_as_tensor(mine | {"of_any": of_any}, accelerator), reduction="sum").tolist()
    return dict(zip(values, summed, strict=True)), some > 0


class Agreement:
    """Whether the processes of a run stop after a signal. They must agree: the others wait for one that stops alone.

    Args:
        accelerator: The processes.
        stop: Knows whether a signal has come to this process.
    """

    def __init__(self, accelerator: Accelerator, stop: StopSwitch):
        self.accelerator, self.stop = accelerator, stop
        self._agreed = False

    @property
    def stopping(self) -> bool:
        """Whether the run stops now. Of several processes all have agreed on it in `of_main`."""
        return self.stop.pressed if self.stop.alone else self._agreed

    def of_main(self, values: dict[str, float]) -> dict[str, float]:
        """Return the numbers of the main process, and agree on whether a signal has come to any process."""
        values, stop = of_main_process(values, self.accelerator, of_any=self.stop.pressed)
        if stop:
            self.stop.pressed = self._agreed = True
        return values

    def of_any(self, here: bool) -> bool:
        """Return whether something is true in any process."""
        return of_main_process({}, self.accelerator, of_any=here)[1]


def _as_tensor(values: dict[str, float], accelerator: Accelerator) -> torch.Tensor:
    """Put numbers into a float64 tensor on the device."""
    return torch.tensor(list(values.values()), dtype=torch.float64, device=accelerator.device)


def another_ended() -> PartwiseError:
    """Return the error of a process that ends because of an error in another one."""
    return PartwiseError("another process of this run has ended: see its own error message")


def lost_process(error: RuntimeError) -> PartwiseError | None:
    """Return the error to raise if this process can no longer reach the others; None for any other error.

    gloo, which connects processes without GPUs, has no error type of its own for this. NCCL names the cause in the last
    line of its message.
    """
    if "gloo/transport" in str(error):
        return another_ended()
    if isinstance(error, torch.distributed.DistError):
        reason = str(error).strip().splitlines()[-1][:200]
        return PartwiseError(
            f"the other processes of this run cannot be reached ({reason}): either one has ended (see its own error "
            "message), or /dev/shm is too small for NCCL (give the container more with --shm-size)"
        )
    return None


def end_processes() -> None:
    """Disconnect from the other processes, once, after the last run.

    Raises:
        PartwiseError: If another process has ended before.
    """
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        try:
            torch.distributed.barrier()
        except RuntimeError as error:
            raise lost_process(error) or error from None
        torch.distributed.destroy_process_group()
