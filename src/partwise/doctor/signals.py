"""Check what goes into a network and what it learns from, as a trial showed it; for any network."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from partwise.doctor.finding import Finding, Severity, judged, shortened
from partwise.doctor.trial import Trial

# Networks are started for inputs of mean 0 and variance 1 (LeCun et al., "Efficient BackProp", 4.3; He et al. 2015). An
# 8-bit image lies at about mean 80, std 60; a normalised one within these, however dark or bright its street.
LARGEST_MEAN, SMALLEST_STD, LARGEST_STD = 3.0, 0.05, 5.0
IGNORED_VALUES = (-100, -1, 255)  # PyTorch's ignore_index, the windows' and Cityscapes' marks for "does not count"
# GradNorm (Chen et al. 2018) balances the norms of the terms' gradients on shared weights; where one has 98 % of their
# sum, the others together turn the step by little more than a degree (the FCN's cross entropy begins at 95 %).
DOMINANT_WARNING, DOMINANT_FAULT = 0.98, 0.995
DOMINANT_CLASS = 0.9  # report 2.3: nine pixels of ten are background of the ordering, which learns to say only that
SURE_BELOW = 0.01  # a class absent from so many samples that 95 % sure fewer than this share show it


def first_input(trial: Trial) -> list[Finding]:
    """Report mean and standard deviation by channel of what enters the first layer."""
    if trial.first is None:
        return []
    mean, std = trial.first.mean, trial.first.std
    details = {"mean": mean, "std": std}
    worst = max(mean, key=abs)
    remedy = "subtract the mean and divide by the standard deviation that the backbone's weights were trained with"
    what = "mean of what enters the first layer, channel farthest from 0"
    found = [
        judged("first input", what, abs(worst), trial.first.layer, remedy, fault_above=LARGEST_MEAN, details=details)
    ]
    if len(std) > 64:  # features of a table rather than colours: constant columns are the data's business
        return found
    too_small = min(std) < SMALLEST_STD
    value, threshold = (min(std), SMALLEST_STD) if too_small else (max(std), LARGEST_STD)
    bad = too_small or value > LARGEST_STD
    what = f"{'smallest' if too_small else 'largest'} standard deviation by channel of what enters the first layer"
    severity = Severity.FAULT if bad else Severity.OK
    found.append(
        Finding("first input", severity, what, value, threshold, trial.first.layer, remedy if bad else "", details)
    )
    return found


def finite_loss(trial: Trial) -> list[Finding]:
    """Find terms of the loss that are NaN or infinite within the first steps."""
    bad = sorted({name for terms in trial.terms for name, value in terms.items() if not np.isfinite(value)})
    what = f"terms of the loss that were not finite in {len(trial.terms)} steps"
    remedy = "lower the learning rate, or look for a logarithm or a division of nothing in the loss"
    return [judged("finite loss", what, len(bad), shortened(bad), remedy, fault_above=0)]


def dominant_term(trial: Trial) -> list[Finding]:
    """Measure each term's share in the gradient of weights that several terms share, mean over the last steps."""
    if not trial.pull:
        return []
    shares: dict[str, float] = {}
    for pull in trial.pull:
        total = sum(pull.values()) or 1.0
        for name, norm in pull.items():
            shares[name] = shares.get(name, 0.0) + norm / total / len(trial.pull)
    if len(shares) < 2:
        return []
    name = max(shares, key=shares.__getitem__)
    what = f"share of the largest of {len(shares)} terms in the norms of their gradients on shared weights"
    remedy = "weigh the terms against each other: take means instead of sums, or lower this term's weight"
    thresholds = {"fault_above": DOMINANT_FAULT, "warn_above": DOMINANT_WARNING}
    return [judged("dominant term", what, shares[name], name, remedy, details=shares, **thresholds)]


def constant_targets(trial: Trial, skip: Sequence[str] = ()) -> list[Finding]:
    """Find targets that have a single value over all batches: a network learns to give that value everywhere.

    Names that end in a number (objectness_0, objectness_1) count as one target. Ignored values do not count.

    Args:
        trial: What was observed.
        skip: Targets that are not truth to be learnt, such as positions.
    """
    values: dict[str, set] = {}
    counts: dict[str, int] = {}
    for name, tensor in _leaves(trial.targets):
        if name in skip or tensor.numel() == 0:
            continue
        distinct = torch.unique(tensor.detach().cpu().float()).tolist()
        whole = not tensor.is_floating_point()
        values.setdefault(name, set()).update(v for v in distinct if not (whole and v in IGNORED_VALUES))
        counts[name] = counts.get(name, 0) + tensor.numel()
    constant = {name: seen for name, seen in values.items() if len(seen) < 2 and counts[name] > 1}
    remedy = (
        "a branch needs both kinds to learn from: make negatives (or positives) too, and check how they are labelled"
    )
    found = []
    for name, seen in constant.items():
        what = (
            f"distinct values in {counts[name]:,} numbers ({f'always {next(iter(seen)):g}' if seen else 'all ignored'})"
        )
        found.append(
            Finding("constant target", Severity.FAULT, what, len(seen), 2, name, remedy, {"values": sorted(seen)})
        )
    fewest = min(map(len, values.values()), default=0)
    what = "fewest distinct values of a target"
    return found or [Finding("constant target", Severity.OK, what, fewest, 2, shortened(values))]


def absent_classes(present: np.ndarray, names: Sequence[str], complete: bool, where: str) -> list[Finding]:
    """Find classes that no sample has.

    Args:
        present: (samples, classes) bool.
        names: Names of the classes.
        complete: Whether these samples are all that there are. Otherwise a class may be in others, and it is a finding
            only if it is 95 % sure that less than 1 % of the samples have it (rule of three: 3 / samples).
        where: The data in words.
    """
    absent = [name for name, shown in zip(names, np.any(present, axis=0), strict=True) if not shown]
    bound = 0.0 if complete else 3 / max(len(present), 1)
    what = f"classes of {len(names)} that none of {len(present)} samples shows"
    if absent and not complete:
        what += f" (at most {min(bound, 1.0):.0%} of all do, 95 % sure)"
    sure = bool(absent) and bound < SURE_BELOW
    remedy = "give data that shows them, or leave them out of the classes: they can only be learnt as 'never'"
    severity = Severity.WARNING if sure else Severity.OK
    place = f"{where}: {shortened(absent, 6)}" if absent else where
    details = {"absent": absent}
    return [Finding("absent class", severity, what, len(absent), 0, place, remedy if sure else "", details)]


def class_maps(outputs: Any, targets: Sequence[Any]) -> Iterator[tuple[str, int, list[Tensor]]]:
    """Yield outputs of classes with their truth: outputs (B, C, ...) whose targets are whole numbers.

    Args:
        outputs: A tensor, or {name: tensor}.
        targets: Of each batch: a tensor, {name: tensor}, or a list of such dictionaries, one a sample.

    Yields:
        Name, number of classes C, and the truth: (B, ...) each, or (...) sample by sample.
    """
    named = outputs if isinstance(outputs, Mapping) else {"targets": outputs}
    for name, logits in named.items():
        if not (isinstance(logits, Tensor) and logits.ndim > 1 and logits.shape[1] > 1):
            continue
        batches = [one for batch in targets for one in (batch if isinstance(batch, list | tuple) else [batch])]
        truths: list[Any] = [one.get(name) if isinstance(one, Mapping) else one for one in batches]
        apart = isinstance(targets[0], list | tuple)
        fits = lambda one, ndim=logits.ndim - 1 - apart: (
            isinstance(one, Tensor) and not one.is_floating_point() and one.dtype != torch.bool and one.ndim == ndim
        )
        if truths and all(map(fits, truths)):
            yield name, logits.shape[1], [sample for one in truths for sample in ([one] if apart else one)]


def presence(truths: Sequence[Tensor], classes: int) -> np.ndarray:
    """Return (samples, classes) bool: which classes each sample has."""
    return np.array([np.isin(np.arange(classes), torch.unique(one.cpu()).numpy()) for one in truths])


def dominant_class(name: str, classes: int, truths: Sequence[Tensor]) -> list[Finding]:
    """Measure the share of the most frequent class among all places that count: a mean loss mostly learns to say it."""
    counts = torch.zeros(classes, dtype=torch.int64)
    for one in truths:
        flat = one.cpu().long().flatten()
        counts += torch.bincount(flat[(flat >= 0) & (flat < classes)], minlength=classes)
    share = float(counts.max() / counts.sum().clamp(min=1))
    what = f"share of the most frequent of {classes} classes (number {int(counts.argmax())})"
    remedy = "weigh the classes against each other (class_balance), or add a Dice term"
    return [judged("dominant class", what, share, name, remedy, warn_above=DOMINANT_CLASS)]


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """Yield every tensor with the name that it is counted under."""
    if isinstance(value, Tensor):
        yield re.sub(r"[_.]?\d+$", "", name) or "targets", value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(item, f"{name}.{key}" if name else str(key))
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _leaves(item, name)
