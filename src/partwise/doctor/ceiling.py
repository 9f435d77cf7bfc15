"""Check a method's maps against each other: does `decode` find what `targets` promised, and can `loss` become low?"""

from __future__ import annotations

from collections.abc import Callable

import torch

from partwise.doctor.finding import Finding, judged
from partwise.methods import Method
from partwise.methods.method import Outputs, Targets
from partwise.scene import Scene
from streeteval.boxes import crop_iou
from streeteval.instances import Instances

FOUND_IOU = 0.5
# The paper's fixed windows, the coarsest healthy ones, give back .72 of real objects at IoU .5 to .95 on average (own
# measurement); an inference that looks at every 29th position gives back one in 29.
LOST_WARNING, LOST_FAULT = 0.5, 0.8
FLOOR = 0.3  # of what outputs of 0 cost: .05 and less with one truth a cell, .5 to .7 with the report's window means
SOFT_TERMS = ("mask",)  # their truth lies between 0 and 1 and has an entropy that no output undercuts


@torch.inference_mode()
def lost_in_decoding(
    method: Method,
    scenes: list[Scene],
    targets: list[Targets],
    promised: list[Instances],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Finding]:
    """Measure the share of objects that have a target but do not come back from a perfect network's outputs.

    Args:
        method: Any method of instances.
        scenes: Samples as the network sees them.
        targets: The targets of each scene.
        promised: For each scene, the objects that its targets mean to teach.
        progress: Called after each scene with how many are done, and how many there are.

    Returns:
        One finding; none if nothing is promised.
    """
    total = lost = 0
    for number, (scene, target, objects) in enumerate(zip(scenes, targets, promised, strict=True)):
        progress(number, len(scenes))
        if len(objects) == 0:
            continue
        found = method.decode(method.oracle([target]), scene.size)[0].instances
        total += len(objects)
        lost += sum(not _is_found(objects, n, found) for n in range(len(objects)))
    if total == 0:
        return []
    what = f"share of {total} objects with a target that perfect outputs do not give back (IoU {FOUND_IOU:g})"
    remedy = "look at every position at inference, and check that decode is the inverse of targets"
    thresholds = {"fault_above": LOST_FAULT, "warn_above": LOST_WARNING}
    details = {"objects": total, "lost": lost}
    return [
        judged("lost in decoding", what, lost / total, "decode(oracle(targets))", remedy, details=details, **thresholds)
    ]


@torch.inference_mode()
def contradicting_targets(method: Method, targets: list[Targets], like: Outputs) -> list[Finding]:
    """Find terms of the loss that stay high even for the best outputs: one cell is told one thing and its contrary.

    The measure is the loss of `oracle(targets)` divided by the loss of outputs that are 0 everywhere, each a mean over
    the samples.

    Args:
        method: Any method.
        targets: The targets of each sample.
        like: Outputs of training. A method whose loss takes something else than its decoder is left out.
    """
    floor: dict[str, float] = {}
    blank: dict[str, float] = {}
    for target in targets:
        oracle = method.oracle([target])
        if set(oracle) != set(like):
            return []
        for name, term in method.loss(oracle, [target]).items():
            floor[name] = floor.get(name, 0.0) + float(term)
        for name, term in method.loss(_zeros(oracle), [target]).items():
            blank[name] = blank.get(name, 0.0) + float(term)
    shares = {name: floor[name] / blank[name] for name in floor if blank[name] > 0 and name not in SOFT_TERMS}
    if not shares:
        return []
    name = max(shares, key=shares.__getitem__)
    what = "loss of the best outputs by that of outputs of 0, the highest of the terms"
    remedy = "teach each cell one thing: the objectness of one window at its centre, not of every window that covers it"
    return [judged("contradicting targets", what, shares[name], name, remedy, warn_above=FLOOR, details=shares)]


def _zeros(outputs: Outputs) -> Outputs:
    """Return outputs of the same shapes that are 0 everywhere."""
    blank = lambda value: (
        [torch.zeros_like(one) for one in value] if isinstance(value, list) else torch.zeros_like(value)
    )
    return {name: blank(value) for name, value in outputs.items()}


def _is_found(objects: Instances, n: int, found: Instances) -> bool:
    """Return whether object n comes back: an instance of its class that overlaps it enough."""
    return any(
        crop_iou(objects.boxes[n], objects.masks[n], box, mask) > FOUND_IOU
        for box, mask in zip(found.boxes, found.masks, strict=True)
    )
