"""Run the checks that any torch module with a loader can have: `examine`."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from partwise.doctor import signals, weights
from partwise.doctor.finding import Diagnosis, Finding
from partwise.doctor.graph import stacked_linear_layers
from partwise.doctor.trial import Loss, Trial, run_trial
from partwise.errors import PartwiseError

STEPS = 6  # from the second on a layer above one that starts at zero gets a gradient; the others are for certainty
DEFAULT_LR = 1e-3  # of AdamW, where no optimiser is given


def examine(
    module: nn.Module,
    loader: Iterable,
    loss: Loss,
    *,
    optimiser: torch.optim.Optimizer | None = None,
    steps: int = STEPS,
    clip_norm: float = 0.0,
    seed: int = 0,
) -> Diagnosis:
    """Train a few steps and report silent faults; module and optimiser are afterwards as they were before.

    Args:
        module: Any torch module. It is called with the inputs of a batch: a tensor, a tuple, or a dict of arguments.
        loader: Gives (inputs, targets): a DataLoader, or a list of batches. Their tensors are moved to the device of
            the module, also those in lists, tuples and dicts.
        loss: (outputs, targets) -> a scalar, or {name: scalar}.
        optimiser: Over the module's parameters. None: AdamW with a learning rate of 1e-3 makes the steps, and the
            learning rate is not checked.
        steps: How many steps.
        clip_norm: Largest norm of the gradient, as in training; 0 leaves gradients as they are.
        seed: Seed of the steps.

    >>> layer = nn.Linear(4, 2)
    >>> batches = [(torch.randn(8, 4), torch.arange(8) % 2) for _ in range(3)]
    >>> examine(layer, batches, nn.functional.cross_entropy).healthy
    True

    Raises:
        PartwiseError: If there is no batch, no step, or nothing to train.
    """
    if steps < 1:
        raise PartwiseError(f"doctor: steps={steps}: give 1 or more; from 3 on every check can see")
    given = optimiser is not None
    optimiser = optimiser or torch.optim.AdamW(module.parameters(), lr=DEFAULT_LR)
    trial = run_trial(module, loader, loss, optimiser, steps, clip_norm=clip_norm, seed=seed)
    found = trial_findings(trial, rate=given)
    found += signals.constant_targets(trial)
    for name, classes, truths in signals.class_maps(trial.outputs, trial.targets):
        names = [f"class {i}" for i in range(classes)]
        complete = _is_all(loader, steps)
        found += signals.absent_classes(signals.presence(truths, classes), names, complete, name)
        found += signals.dominant_class(name, classes, truths)
    return Diagnosis(type(module).__name__, tuple(found))


def trial_findings(trial: Trial, *, rate: bool = True) -> list[Finding]:
    """Return what the steps alone show.

    Args:
        trial: What was observed.
        rate: Whether its learning rate is the one that will be used.
    """
    found = signals.finite_loss(trial) + signals.first_input(trial)
    if not trial.finite:
        return found  # what follows would be measured on weights of no number
    found += stacked_linear_layers(trial.linear)
    found += weights.identical_units(trial) + weights.no_gradient(trial)
    if rate:
        found += weights.still_parameters(trial) + weights.learning_rate(trial)
    return found + signals.dominant_term(trial)


def _is_all(loader: Iterable, steps: int) -> bool:
    """Return whether the steps saw every batch that there is."""
    try:
        return len(loader) <= steps  # type: ignore[arg-type]
    except TypeError:
        return False
