"""Check whether the truth at one place depends on objects that the network cannot see from there.

Axes: H and W in pixels, h and w cells of a map, N instances.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from partwise.doctor.finding import Finding, Severity, judged
from partwise.doctor.network import receptive_field
from partwise.methods import Method, Targets
from partwise.scene import Scene
from streeteval.labels import INSTANCE_FACTOR

REMOVALS = 6  # objects that are taken out of a scene, one at a time
FAR_SHARE = 0.01  # of the far object pixels; a local method has exactly 0, so this is room for rounding only
SAMPLES = 4  # in which objects are removed
SMALLEST_MAP = 4  # cells a side; smaller tensors are lists of a few numbers


@dataclass(frozen=True)
class Subject:
    """What a rule of the doctor looks at: a method and samples of its training data.

    Attributes:
        method: With the weights that it starts from, or has learnt.
        samples: Augmented scenes.
        targets: The targets of each sample.
    """

    method: Method
    samples: list[Scene]
    targets: list[Targets]


@dataclass
class FarEffect:
    """How many object pixels depend on an object out of sight.

    Attributes:
        changed: Object pixels whose target changed when an object farther away than the receptive field was removed.
        far: Object pixels that were compared.
    """

    changed: int = 0
    far: int = 0


def far_effect(method: Method, scene: Scene, targets: Targets, reach_px: float) -> FarEffect:
    """Take objects out of the truth one at a time, and count what changes farther away than `reach_px` along x."""
    effect, instances = FarEffect(), scene.instances
    if not _maps(targets, scene.size):
        return effect  # nothing is said of places, only of windows
    things = {label.id for label in scene.label_set.things}
    usable = [n for n, label in enumerate(instances.labels.tolist()) if label in things]
    order = sorted(usable, key=lambda n: int(instances.boxes[n][0]))
    chosen = {order[i * len(order) // min(REMOVALS, len(order))] for i in range(min(REMOVALS, len(order)))}
    is_object = scene.instance_ids_HW >= INSTANCE_FACTOR
    columns = np.arange(scene.size[1]) + 0.5
    for n in sorted(chosen):
        x0, _, x1, _ = instances.boxes[n].tolist()
        distance_W = np.maximum(np.maximum(x0 - columns, columns - x1), 0)
        far = is_object & (distance_W > reach_px)
        if not far.any():
            continue
        changed = _changed(targets, method.targets(_without(scene, n)), scene.size)
        effect.changed, effect.far = effect.changed + int((changed & far).sum()), effect.far + int(far.sum())
    return effect


def unseen_order(subject: Subject) -> list[Finding]:
    """Measure the share of object pixels whose target changes when an object beyond the receptive field is removed."""
    what = "share of object pixels whose target changes with the removal of an object out of sight"
    method, scenes, targets = subject.method, subject.samples[:SAMPLES], subject.targets[:SAMPLES]
    pairs = list(zip(scenes, targets, strict=True))
    if not any(far_effect(method, *pair, 0.0).changed for pair in pairs):
        return [Finding("unseen order", Severity.OK, what, 0.0, FAR_SHARE, "no target hangs on another object")]
    reach = receptive_field(method, scenes[0].size)
    effects = [far_effect(method, *pair, reach.effective) for pair in pairs]
    changed, far = sum(e.changed for e in effects), sum(e.far for e in effects)
    where = f"receptive field +-{reach.whole:.0f} px, 95 % of it within +-{reach.effective:.0f} px"
    remedy = (
        "predict what can be seen from the pixel itself: offsets to its own centre, parts of its own window, colours"
    )
    if far == 0:
        return [Finding("unseen order", Severity.OK, f"{what} (none is out of sight)", None, FAR_SHARE, where)]
    return [judged("unseen order", what, changed / far, where, remedy, fault_above=FAR_SHARE, details={"pixels": far})]


def _without(scene: Scene, n: int) -> Scene:
    """Return the scene whose truth has no instance n; its pixels are void."""
    semantic, ids = scene.semantic_HW.copy(), scene.instance_ids_HW.copy()
    x0, y0, x1, y1 = scene.instances.boxes[n]
    semantic[y0:y1, x0:x1][scene.instances.masks[n]] = scene.label_set.void_id
    ids[y0:y1, x0:x1][scene.instances.masks[n]] = scene.label_set.void_id
    return Scene(scene.name, scene.image_HW3, semantic, ids, scene.label_set, scene.distances)


def _maps(targets: Targets, size: tuple[int, int]) -> dict[str, int]:
    """Return name and stride in px of the targets that are maps of an image of `size` (H, W)."""
    maps = {}
    for name, one in targets.items():
        if one.ndim == 2 and min(one.shape) >= SMALLEST_MAP:
            stride = size[0] // one.shape[0]
            if tuple(side * stride for side in one.shape) == tuple(size):
                maps[name] = stride
    return maps


def _changed(before: Targets, after: Targets, size: tuple[int, int]) -> np.ndarray:
    """Return (H, W) bool: pixels at which a map of the targets changed, whatever its stride."""
    changed = np.zeros(size, bool)
    for name, stride in _maps(before, size).items():
        if name in after and after[name].shape == before[name].shape:
            differs = before[name] != after[name]
            changed |= differs.repeat_interleave(stride, 0).repeat_interleave(stride, 1).numpy()
    return changed
