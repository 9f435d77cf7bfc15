"""Check weights and how they move, as a trial showed it; these checks know nothing of the network."""

from __future__ import annotations

import math
import statistics

import torch
from torch import Tensor

from partwise.doctor.finding import Finding, Severity, judged, shortened
from partwise.doctor.trial import Trial

# A stacked layer that starts at zero keeps all of its units equal: rank 1 of 512 after 400 Adam steps (own measurement;
# partwise_report has that start). Rows of classes that no batch shows are equal too, but never so many.
IDENTICAL_SHARE = 0.9
# Rows that differ by less than this, relative to the layer's largest row, are one. Convolutions round the gradients of
# equal units differently, and Adam enlarges what is left of tiny ones: 2e-3 after three steps (own measurement).
SAME = 1e-2
PIVOTS = 256
# Own choice: a parameter that moves by less than this share of its size in a thousand steps does not learn.
STILL_PER_THOUSAND_STEPS = 1e-5
# CS231n, "Ratio of weights:updates": about 1e-3 a step. A tenth of that is slow; a thousandth moves a weight by at
# most a tenth of its size in the 100,000 steps of the report's longest runs.
USUAL_STEP, SLOW_STEP, DEAD_STEP = 1e-3, 1e-4, 1e-6


def identical_units(trial: Trial) -> list[Finding]:
    """Find units of one layer that are still equal after the steps: they compute one thing and will never differ.

    The measure is the largest share of a layer's units (rows of its weight, with their bias) that are equal.
    """
    shares = {}
    for name, weight in trial.after.items():
        if weight.ndim > 1 and len(weight) > 1:
            shares[name] = _largest_group(weight, trial.after.get(f"{name.removesuffix('weight')}bias")) / len(weight)
    layers = {}
    for name in (name for name, share in shares.items() if share > IDENTICAL_SHARE):
        rows = trial.after[name].flatten(1).float()
        layers[name] = {
            "share": shares[name],
            "units": len(rows),
            "rank": int(torch.linalg.matrix_rank(rows, rtol=SAME)),
        }
    most = max(shares.values(), default=0.0)
    what = f"largest share of a layer's units that are equal after {trial.steps} steps"
    if layers:
        what += f" (rank {min(layer['rank'] for layer in layers.values())}; {len(layers)} layers of {len(shares)})"
    remedy = "start the weights at random (kaiming_normal_): from equal weights all units get equal gradients for ever"
    where = shortened(layers) if layers else f"{len(shares)} layers"
    return [judged("identical units", what, most, where, remedy, fault_above=IDENTICAL_SHARE, details=layers)]


def _largest_group(weight: Tensor, bias: Tensor | None) -> int:
    """Count how many rows equal one of PIVOTS evenly spaced ones, at most, by four random projections of each row."""
    rows = weight.flatten(1).float()
    directions = torch.randn(rows.shape[1], 4, generator=torch.Generator().manual_seed(0)).to(rows)
    columns = [rows @ directions / (float(rows.norm(dim=1).max()) or 1.0)]
    if bias is not None and bias.shape == rows.shape[:1]:
        columns.append(bias[:, None].float() / (float(bias.abs().max()) or 1.0))
    points = torch.cat(columns, dim=1)
    pivots = points[torch.linspace(0, len(points) - 1, min(len(points), PIVOTS)).long()]
    return int((torch.cdist(pivots, points, p=math.inf) < SAME).sum(dim=1).max())


def no_gradient(trial: Trial) -> list[Finding]:
    """Find parameters that ask for a gradient and never got one but zeros; and those that no optimiser holds."""
    dry = [name for name, largest in trial.gradient.items() if largest == 0.0 and name not in trial.free]
    what = f"parameters without a gradient in {trial.steps} steps, of {len(trial.gradient)}"
    remedy = "let the loss reach it, or freeze it (requires_grad_(False)); look for a ReLU whose input is never above 0"
    found = [judged("no gradient", what, len(dry), shortened(dry), remedy, fault_above=0, details={"names": dry})]
    if trial.free:
        what = "parameters that ask for a gradient but are in no group of the optimiser"
        remedy = "give them to the optimiser, or freeze them"
        where, details = shortened(trial.free), {"names": trial.free}
        found.append(judged("no gradient", what, len(trial.free), where, remedy, fault_above=0, details=details))
    return found


def still_parameters(trial: Trial) -> list[Finding]:
    """Find parameters with a gradient that move by less than 1e-5 of their size per thousand steps (extrapolated)."""
    moved = {name: 1000 * ratio for name, ratio in _steps_by_size(trial).items()}
    still = {name: value for name, value in moved.items() if value < STILL_PER_THOUSAND_STEPS}
    least = min(moved, key=moved.__getitem__, default="")
    what = f"least movement of {len(moved)} parameters in a thousand steps, as a share of its size"
    if not still:
        return [Finding("still parameters", Severity.OK, what, moved.get(least), STILL_PER_THOUSAND_STEPS, least)]
    remedy = "raise its learning rate (optim.lr, optim.backbone_lr_factor)"
    details = {"names": sorted(still)}
    value, where = moved[least], shortened(sorted(still))
    return [Finding("still parameters", Severity.FAULT, what, value, STILL_PER_THOUSAND_STEPS, where, remedy, details)]


def learning_rate(trial: Trial) -> list[Finding]:
    """Check whether the rate moves the weights at all.

    The measure is the median over layers of (length of a step) / (size of the weight). Layers that start at
    zero have no size yet and do not count.
    """
    ratios = [
        ratio
        for name, ratio in _steps_by_size(trial).items()
        if trial.before[name].ndim > 1 and float(trial.before[name].abs().max()) > 0
    ]
    what = "median over layers of a step's length by the size of the weight"
    if not ratios:
        return [Finding("learning rate", Severity.OK, what, None, DEAD_STEP)]
    ratio = statistics.median(ratios)
    severity = Severity.FAULT if ratio < DEAD_STEP else Severity.WARNING if ratio < SLOW_STEP else Severity.OK
    threshold = DEAD_STEP if severity == Severity.FAULT else SLOW_STEP
    remedy = (
        "" if severity == Severity.OK else f"raise the learning rate about {USUAL_STEP / max(ratio, 1e-30):.1g} times"
    )
    return [Finding("learning rate", severity, what, ratio, threshold, f"{len(ratios)} layers", remedy)]


def _steps_by_size(trial: Trial) -> dict[str, float]:
    """Return the length of a step divided by the size of the parameter.

    Only parameters count that the optimiser holds and that a gradient reaches.
    """
    ratios = {}
    for name, length in trial.step_length.items():
        size = max(float(trial.before[name].norm()), float(trial.after[name].norm()))
        if size > 0 and trial.gradient[name] > 0 and name not in trial.free:
            ratios[name] = length / size
    return ratios
