"""Train a few steps on real batches and observe them closely; afterwards module and optimiser are as they were.

It knows nothing of partwise's methods: any torch module, any batches of (inputs, targets), any loss.
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor, nn

from partwise.doctor.graph import linear_pairs
from partwise.doctor.nested import detached, moved
from partwise.errors import PartwiseError
from streeteval.errors import in_one_line

Loss = Callable[[Any, Any], Tensor | Mapping[str, Tensor]]
FIRST_LAYERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
PULL_STEPS = 2  # steps in which the terms' gradients are taken one by one: a backward pass for each term


@dataclass
class ChannelStatistics:
    """Mean and standard deviation by channel of what entered a layer, over all batches.

    Attributes:
        layer: Name of the layer.
        count: Values of each channel.
        total: (channels,) sum of the values.
        squares: (channels,) sum of their squares.
    """

    layer: str
    count: int
    total: Tensor
    squares: Tensor

    @property
    def mean(self) -> list[float]:
        """Return the mean of each channel."""
        return (self.total / self.count).tolist()

    @property
    def std(self) -> list[float]:
        """Return the standard deviation of each channel."""
        return (self.squares / self.count - (self.total / self.count) ** 2).clamp(min=0).sqrt().tolist()


@dataclass
class Trial:
    """What a few steps showed. Dictionaries of parameters hold those that are to be trained, by name.

    Attributes:
        steps: How many were taken; fewer than asked for if the loss was not finite.
        before: The weights before the first step.
        after: The weights after the last step.
        gradient: Largest absolute gradient of all steps; 0 if none ever came.
        step_length: Mean length of a step as an L2 norm, with the momentum of a long run.
        free: Parameters that ask for a gradient but are in no group of the optimiser.
        terms: For each step {name: value} of the loss.
        pull: For some steps {term: norm of its gradient} over the parameters that several terms share.
        linear: Pairs of layers with nothing nonlinear between them, see graph.py.
        first: What enters the first layer; None if no layer of a known kind runs.
        outputs: Outputs of the last step, detached.
        targets: The targets of every step.
    """

    steps: int = 0
    before: dict[str, Tensor] = field(default_factory=dict)
    after: dict[str, Tensor] = field(default_factory=dict)
    gradient: dict[str, float] = field(default_factory=dict)
    step_length: dict[str, float] = field(default_factory=dict)
    free: list[str] = field(default_factory=list)
    terms: list[dict[str, float]] = field(default_factory=list)
    pull: list[dict[str, float]] = field(default_factory=list)
    linear: list[tuple[str, str]] = field(default_factory=list)
    first: ChannelStatistics | None = None
    outputs: Any = None
    targets: list[Any] = field(default_factory=list)

    @property
    def finite(self) -> bool:
        """Whether every term of every step was a finite number."""
        return all(math.isfinite(value) for terms in self.terms for value in terms.values())


def run_trial(
    module: nn.Module,
    batches: Iterable,
    loss: Loss,
    optimiser: torch.optim.Optimizer,
    steps: int,
    *,
    clip_norm: float = 0.0,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Trial:
    """Train a few steps and observe; weights, optimiser, mode and random state are then as they were before.

    Args:
        module: Any torch module.
        batches: (inputs, targets) each; begun again if there are fewer than `steps`.
        loss: (outputs, targets) -> a scalar, or named scalars.
        optimiser: Over the module's parameters.
        steps: How many steps.
        clip_norm: Gradients are scaled down to this norm before each step; 0 leaves them as they are.
        seed: Seed of torch's random numbers.
        progress: Called after each step with how many are done, and how many there are.

    Raises:
        PartwiseError: If there is no batch, or nothing to train.
    """
    trial = Trial()
    trained = {name: p for name, p in module.named_parameters() if p.requires_grad}
    if not trained:
        raise PartwiseError("doctor: no parameter of the module asks for a gradient: there is nothing to train")
    ours = {id(p) for group in optimiser.param_groups for p in group["params"]}
    trial.free = [name for name, p in trained.items() if id(p) not in ours]
    trial.before = {name: p.detach().clone() for name, p in trained.items()}
    trial.gradient = dict.fromkeys(trained, 0.0)
    lengths = dict.fromkeys(trained, 0.0)
    with _restored(module, optimiser, seed), _first_input(module, trial):
        module.train()
        for number, (inputs, targets) in enumerate(_cycled(batches, steps)):
            outputs = _forward(module, inputs)
            terms = _named(loss(outputs, moved(targets, _device(module))))
            trial.terms.append({name: float(term.detach()) for name, term in terms.items()})
            trial.outputs = detached(outputs)
            trial.targets.append(targets)
            if not trial.finite:
                break
            if number == 0:
                trial.linear = linear_pairs(module, _total(terms))
            _backward(terms, trained, trial, apart=_to_be_compared(trial, number, steps))
            if clip_norm:
                torch.nn.utils.clip_grad_norm_(trained.values(), clip_norm)
            previous = {name: p.detach().clone() for name, p in trained.items()}
            optimiser.step()
            trial.steps += 1
            for name, p in trained.items():
                lengths[name] += float((p.detach() - previous[name]).norm())
            progress(trial.steps, steps)
        trial.after = {name: p.detach().clone() for name, p in trained.items()}
    gain = _momentum_gain(optimiser, trial.steps)
    trial.step_length = {name: gain * total / max(trial.steps, 1) for name, total in lengths.items()}
    return trial


def _total(terms: dict[str, Tensor]) -> Tensor:
    """Return the sum of the terms, of which there is at least one."""
    return cast(Tensor, sum(terms.values()))


def _backward(terms: dict[str, Tensor], trained: dict[str, nn.Parameter], trial: Trial, apart: bool) -> None:
    """Compute the gradients of the parameters; if `apart`, term by term, so that their norms can be compared."""
    names, parameters = list(trained), list(trained.values())
    by_term = {}
    for term, value in terms.items() if apart else [("sum", _total(terms))]:
        if value.requires_grad:
            by_term[term] = torch.autograd.grad(value, parameters, retain_graph=apart, allow_unused=True)
    reach = [sum(grads[i] is not None for grads in by_term.values()) for i in range(len(parameters))]
    if apart:
        shared = [i for i, count in enumerate(reach) if count > 1] or [i for i, count in enumerate(reach) if count]
        norm = lambda grads: math.sqrt(sum(float(grads[i].square().sum()) for i in shared if grads[i] is not None))
        trial.pull.append({term: norm(grads) for term, grads in by_term.items()})
    for i, (name, parameter) in enumerate(zip(names, parameters, strict=True)):
        found = [grads[i] for grads in by_term.values() if grads[i] is not None]
        gradient = sum(found[1:], start=found[0].clone()) if found else None
        parameter.grad = gradient
        if gradient is not None and parameter.numel():
            trial.gradient[name] = max(trial.gradient[name], float(gradient.abs().max()))


def _to_be_compared(trial: Trial, number: int, steps: int) -> bool:
    """Return whether the terms are to be compared in this step: none is 0 because the batch has nothing to learn from.

    The first step is left out if there are others: above a layer that starts at zero no gradient comes through.
    """
    terms = trial.terms[-1]
    early = number == 0 and steps > 1
    return len(terms) > 1 and not early and len(trial.pull) < PULL_STEPS and all(terms.values())


def _momentum_gain(optimiser: torch.optim.Optimizer, steps: int) -> float:
    """Return the factor by which steps become longer once momentum has built up.

    The velocity of SGD grows to 1 / (1 - m) gradients. Adam corrects the start of its own momentum (bias correction),
    so its factor is 1.
    """
    momentum = max((float(group.get("momentum", 0.0)) for group in optimiser.param_groups), default=0.0)
    if not (0 < momentum < 1 and steps):
        return 1.0
    reached = sum(1 - momentum ** (i + 1) for i in range(steps)) / steps
    return 1.0 / reached


def _cycled(batches: Iterable, steps: int) -> Iterator[tuple]:
    """Yield `steps` batches, from the beginning again if there are fewer."""
    seen: list[tuple] = []
    with _explained():
        loaded = iter(batches)
    while len(seen) < steps:
        with _explained():
            batch = next(loaded, _END)
        if batch is _END:
            break
        seen.append(batch)
        yield batch
    if not seen:
        raise PartwiseError("doctor: the loader gave no batch: give data")
    yield from itertools.islice(itertools.cycle(seen), steps - len(seen))


_END: Any = object()  # no batch is it


@contextmanager
def _explained() -> Iterator[None]:
    """Turn what goes wrong in anyone's loader, such as the end of one of its workers, into one line."""
    try:
        yield
    except PartwiseError:
        raise
    except Exception as error:
        raise PartwiseError(f"doctor: the loader gives no batch ({in_one_line(error)}): correct it first") from error


def _device(module: nn.Module) -> torch.device:
    """Return the device that a module is on."""
    return next(module.parameters()).device


def _forward(module: nn.Module, inputs: Any) -> Any:
    """Call a module with the inputs of a batch: a tensor, a tuple, or a dict of arguments."""
    inputs = moved(inputs, _device(module))
    if isinstance(inputs, Mapping):
        return module(**inputs)
    return module(*inputs) if isinstance(inputs, tuple | list) else module(inputs)


def _named(loss: Tensor | Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the terms of a loss by name."""
    return dict(loss) if isinstance(loss, Mapping) else {"loss": loss}


@contextmanager
def _restored(module: nn.Module, optimiser: torch.optim.Optimizer, seed: int) -> Iterator[None]:
    """Restore module, optimiser and torch's random state at the end of the context."""
    weights = {name: value.clone() for name, value in module.state_dict().items()}
    moments, modes = copy.deepcopy(optimiser.state_dict()), {child: child.training for child in module.modules()}
    device = _device(module)
    on_gpu = device.type == "cuda"
    with torch.random.fork_rng(devices=[device] if on_gpu else []):
        torch.default_generator.manual_seed(seed)  # `torch.manual_seed` would also change GPUs that are not restored
        if on_gpu:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        try:
            yield
        finally:
            module.load_state_dict(weights)
            optimiser.load_state_dict(moments)
            optimiser.zero_grad(set_to_none=True)
            for child, training in modes.items():
                child.training = training


@contextmanager
def _first_input(module: nn.Module, trial: Trial) -> Iterator[None]:
    """Measure, inside this context, what enters the layer that runs first."""

    def watch(name: str) -> Callable[[nn.Module, tuple], None]:
        def hook(layer: nn.Module, arguments: tuple) -> None:
            if trial.first is not None and trial.first.layer != name:
                return
            values = arguments[0].detach().double()
            by_channel = values.movedim(values.ndim + 1 - layer.weight.ndim, 0).flatten(1)  # linear: the last axis
            if trial.first is None:
                trial.first = ChannelStatistics(name, 0, *by_channel.new_zeros(2, len(by_channel)))
            trial.first.count += by_channel.shape[1]
            trial.first.total += by_channel.sum(dim=1)
            trial.first.squares += by_channel.square().sum(dim=1)

        return hook

    layers = [(name, layer) for name, layer in module.named_modules() if isinstance(layer, FIRST_LAYERS)]
    hooks = [layer.register_forward_pre_hook(watch(name)) for name, layer in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
