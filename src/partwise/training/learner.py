"""One training step: the network learns from a batch, with the truth and with a teacher."""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Iterator, Sequence
from typing import cast

import torch
from accelerate import Accelerator
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from partwise.methods import Distillable, Method
from partwise.methods.distil import feature_loss, pyramid_maps
from partwise.methods.method import Outputs, Targets, require_mirrorable
from partwise.methods.options import mean_outputs
from partwise.training.checkpoint import load_matching
from partwise.training.config import Recipe
from partwise.training.optim import build_optimiser, restore_optimiser, schedule
from partwise.training.precision import WORTH, time_in_bf16
from partwise.training.processes import mean_over_processes

__all__ = ["Batch", "Learner", "NotFiniteError", "follow"]

Batch = tuple[Tensor, list[Targets]]


class NotFiniteError(ArithmeticError):
    """A loss or gradient is not finite; `args` has the name of the quantity and the values in words."""


class Learner:
    """A network, its optimiser, the running mean of its weights, and the teacher that it also learns from.

    Args:
        recipe: The configuration of the training.
        method: The network; it must already be on the device of `accelerator`.
        accelerator: The device and the processes of the run.
        teacher: The teacher on the same device, see `Recipe.teacher`; None for none.
    """

    def __init__(self, recipe: Recipe, method: Method, accelerator: Accelerator, teacher: Method | None = None):
        self.recipe, self.method, self.accelerator, self.teacher = recipe, method, accelerator, teacher
        self.optimiser = build_optimiser(method, recipe.optim)
        precision = recipe.training.precision
        self.bf16 = precision == "bf16"
        if precision == "auto":  # all processes must decide the same
            self.bf16 = mean_over_processes({"time": time_in_bf16(accelerator.device)}, accelerator)["time"] < WORTH
        # With several processes, DistributedDataParallel wraps the method and averages the gradients.
        self.forward = accelerator.prepare_model(method) if accelerator.num_processes > 1 else method
        self.ema: AveragedModel | None = None
        if recipe.training.ema:
            averaging = functools.partial(follow, recipe.training.ema)
            self.ema = AveragedModel(method, multi_avg_fn=averaging, use_buffers=True)

    @property
    def scored(self) -> Method:
        """The network that is scored and saved: the running mean of the weights, if the recipe asks for one."""
        return self.method if self.ema is None else cast(Method, self.ema.module)

    @property
    def precision(self) -> str:
        """The precision of the network in words."""
        return "bf16" if self.bf16 else "fp32"

    def set_lr(self, step: int, done: float) -> float:
        """Set the learning rates.

        Args:
            step: The step, for the warm-up.
            done: Share of the run that is done, 0..1, for the schedule.

        Returns:
            The learning rate of all weights but the backbone's.
        """
        config = self.recipe.optim
        warm = min(1.0, (step + 1) / config.warmup_steps) if config.warmup_steps else 1.0
        lr = config.lr * warm * schedule(config.schedule, done)
        for group in self.optimiser.param_groups:
            group["lr"] = lr * group["lr_factor"]
        return lr

    def learn(self, batches: Sequence[Batch], step: int) -> tuple[dict[str, float], float]:
        """Take one step of the optimiser.

        Args:
            batches: Each (B, 3, H, W) uint8 RGB and the targets of each image; their gradients are averaged.
            step: The step of the run, which seeds its random numbers.

        Returns:
            The terms of the loss, means over the batches, and the norm of the gradient before clipping.

        Raises:
            NotFiniteError: If the loss or the gradient is not finite; the weights then stay as they were.
        """
        with _quick_convolutions(self.accelerator.device):
            return self._learn(batches, step)

    def _learn(self, batches: Sequence[Batch], step: int) -> tuple[dict[str, float], float]:
        """See `learn`. The values of a batch are read once, behind its backward pass, because a GPU waits for it."""
        accelerator = self.accelerator
        seed = self.recipe.training.seed * 1_000_003
        torch.manual_seed(seed + step * accelerator.num_processes + accelerator.process_index)
        self.optimiser.zero_grad(set_to_none=True)
        values: dict[str, float] = {}
        for images, targets in batches:
            terms = self._terms(images, targets)
            accelerator.backward(sum(terms.values()) / len(batches))
            for name, value in mean_over_processes(_as_floats(terms), accelerator).items():
                values[name] = values.get(name, 0.0) + value / len(batches)
            _require_finite(values, "loss")
        clip = self.recipe.optim.clip_norm
        norm = float(torch.nn.utils.clip_grad_norm_(self.method.parameters(), clip or math.inf))
        _require_finite({"norm": norm}, "gradient")
        self.optimiser.step()
        if self.ema is not None:
            self.ema.update_parameters(self.method)
        return values, norm

    def _terms(self, images: Tensor, targets: list[Targets]) -> dict[str, Tensor]:
        """The terms of the loss of one batch."""
        device = self.accelerator.device
        images = images.to(device, non_blocking=True)
        targets = [{key: value.to(device, non_blocking=True) for key, value in one.items()} for one in targets]
        with torch.autocast(device.type, torch.bfloat16, enabled=self.bf16), pyramid_maps(self.method) as maps:
            outputs = self.forward(images)
        terms = self.method.loss(outputs, targets)
        if self.teacher is not None:
            terms |= self._taught_terms(self.teacher, images, outputs, maps)
        return terms

    def _taught_terms(
        self, teacher: Method, images: Tensor, outputs: Outputs, maps: dict[int, Tensor]
    ) -> dict[str, Tensor]:
        """Compute the loss terms of the teacher; `maps` are the maps of the student's pyramid."""
        recipe = self.recipe
        autocast = torch.autocast(images.device.type, torch.bfloat16, enabled=self.bf16)
        with torch.no_grad(), autocast, pyramid_maps(teacher) as taught_maps:
            taught = teacher(images)
        if recipe.teacher_flip:
            with torch.no_grad(), autocast:
                taught = mean_outputs(taught, require_mirrorable(teacher).mirrored(teacher(images.flip(-1))))
        assert isinstance(self.method, Distillable)  # see check_teacher
        terms = self.method.distillation(outputs, taught)
        terms = {name: recipe.teacher_weight * term for name, term in terms.items()}
        if recipe.teacher_features > 0:
            terms["taught_features"] = recipe.teacher_features * feature_loss(maps, taught_maps)
        return terms

    def state(self) -> dict:
        """Return the state that is needed to resume: weights, optimiser, running mean, and precision."""
        state = {"model": self.method.state_dict(), "optimiser": self.optimiser.state_dict(), "bf16": self.bf16}
        return state if self.ema is None else state | {"ema": self.ema.state_dict()}

    def restore(self, state: dict) -> None:
        """Restore what `state` returned. A running mean that the state does not hold starts from its weights.

        Raises:
            ValueError, KeyError, RuntimeError: If the state belongs to another network or optimiser.
        """
        report = load_matching(self.method, state["model"])
        if report.missing or report.unexpected:
            raise ValueError((report.missing + report.unexpected)[0])
        restore_optimiser(self.optimiser, state["optimiser"])
        if self.ema is not None:
            if "ema" in state:
                self.ema.load_state_dict(state["ema"])
            else:
                self.ema.module.load_state_dict(self.method.state_dict())
                self.ema.n_averaged.fill_(1)
        if self.recipe.training.precision == "auto" and self.accelerator.device.type == "cpu":
            self.bf16 = state.get("bf16", self.bf16)  # timing could decide otherwise and change the result


def follow(decay: float, averaged: list[Tensor], current: list[Tensor], count: Tensor) -> None:
    """Update a running mean of weights with the next weights, in place.

    The decay is min(decay, (1 + count) / (10 + count)), as in TensorFlow's ExponentialMovingAverage. It is smaller at
    the beginning, because otherwise a third of the mean would still come from the initial weights after 500 steps of
    .998.

    Args:
        decay: The decay per step, 0..1.
        averaged: The running mean.
        current: The next weights.
        count: The number of weights that were averaged so far.
    """
    steps = int(count)
    get_ema_multi_avg_fn(min(decay, (1 + steps) / (10 + steps)))(averaged, current, steps)


@contextlib.contextmanager
def _quick_convolutions(device: torch.device) -> Iterator[None]:
    """On a GPU, inside this context, cuDNN times its algorithms once for each layer: crops have one size.

    Evaluations are outside, because images may have many sizes. Whoever asks for deterministic algorithms gets them.
    """
    before = torch.backends.cudnn.benchmark
    chosen = device.type == "cuda" and not torch.are_deterministic_algorithms_enabled()
    torch.backends.cudnn.benchmark = before or chosen
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


def _as_floats(terms: dict[str, Tensor]) -> dict[str, float]:
    """Return the values of the terms of a loss, which are read from a GPU together."""
    device = next(iter(terms.values())).device
    values = torch.stack([term.detach().reshape(()).to(device) for term in terms.values()]).tolist()
    return dict(zip(terms, values, strict=True))


def _require_finite(values: dict[str, float], what: str) -> None:
    """Raise NotFiniteError if a value is NaN or infinite."""
    if not all(math.isfinite(value) for value in values.values()):
        raise NotFiniteError(what, ", ".join(f"{name} {value:.4g}" for name, value in values.items()))
