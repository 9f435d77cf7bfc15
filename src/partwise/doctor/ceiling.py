"""The check of a method's two maps against each other: does `decode` find what `targets` promised?"""

from __future__ import annotations

import torch

from partwise.doctor.finding import Finding, judged
from partwise.geometry import crop_intersection
from partwise.methods import Method
from partwise.methods.method import Targets
from partwise.scene import Instances, Scene

FOUND_IOU = 0.5
# The paper's fixed windows, the coarsest healthy ones, give back .72 of real objects at IoU .5 to .95 on average (own
# measurement); an inference that looks at every 29th position gives back one in 29.
LOST_WARNING, LOST_FAULT = 0.5, 0.8


@torch.inference_mode()
def lost_in_decoding(
    method: Method, scenes: list[Scene], targets: list[Targets], promised: list[Instances]
) -> list[Finding]:
    """The share of the objects that have a target but do not come back from a perfect network's outputs.

    promised   for each scene the objects that its targets mean to teach
    returns    a list of one Finding; empty where nothing is promised
    """
    total = lost = 0
    for scene, target, objects in zip(scenes, targets, promised, strict=True):
        if len(objects) == 0:
            continue
        found = method.decode(method.ideal([target]), scene.size)[0].instances
        total += len(objects)
        lost += sum(not _is_found(objects, n, found) for n in range(len(objects)))
    if total == 0:
        return []
    what = f"share of {total} objects with a target that perfect outputs do not give back (IoU {FOUND_IOU:g})"
    mend = "look at every position at inference, and check that decode is the inverse of targets"
    thresholds = {"fault_above": LOST_FAULT, "warn_above": LOST_WARNING}
    details = {"objects": total, "lost": lost}
    return [
        judged("lost in decoding", what, lost / total, "decode(ideal(targets))", mend, details=details, **thresholds)
    ]


def _is_found(objects: Instances, n: int, found: Instances) -> bool:
    for box, mask in zip(found.boxes, found.masks, strict=True):
        shared = crop_intersection(objects.boxes[n], objects.masks[n], box, mask)
        if shared > FOUND_IOU * (int(objects.areas[n]) + int(mask.sum()) - shared):
            return True
    return False
