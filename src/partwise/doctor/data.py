"""Check the data against the recipe: classes that no frame has, objects that the crop or the resize takes away."""

from __future__ import annotations

import math

import numpy as np

from partwise.data.check import TINY_PX
from partwise.data.loader import class_presence
from partwise.data.transforms import AugmentConfig
from partwise.doctor.finding import Finding, judged
from partwise.doctor.signals import absent_classes
from partwise.scene import Scene

ERASED_SHARE = 0.25  # a quarter of the objects gone before the network sees them; rendered streets lose 2 %
SMALLEST_PX = 10  # a mask of fewer pixels has no shape to learn: 3 x 3 and less


def missing_classes(frames: list[Scene], complete: bool, where: str, things_only: bool = False) -> list[Finding]:
    """Find evaluated classes that no frame has; classes with instances count only as instances.

    Args:
        frames: The frames that were looked at.
        complete: Whether these are all frames of the data.
        where: The data in words.
        things_only: Leave out classes without instances.
    """
    labels = frames[0].label_set.things if things_only else frames[0].label_set.evaluated
    present = class_presence(frames)[:, [label.id for label in labels]]
    return absent_classes(present, [label.name for label in labels], complete, where)


def erased_by_resize(frames: list[Scene], augment: AugmentConfig) -> list[Finding]:
    """Find objects that count in the score but keep too few pixels at the recipe's middle scale.

    This is computed, not drawn: an object of A pixels has A * scale ** 2 pixels after the resize. The middle of a
    log-uniform scale is the geometric mean of its ends.
    """
    scale = math.sqrt(augment.scale[0] * augment.scale[1])
    areas = np.concatenate([_evaluated(frame)[0] for frame in frames])
    share = float((areas * scale**2 < SMALLEST_PX).mean()) if len(areas) else 0.0
    what = f"share of {len(areas)} objects of {TINY_PX} px and more that keep fewer than {SMALLEST_PX} px"
    where = f"scale {scale:.2f} (data.augment.scale)"
    remedy = "enlarge the scale, or train on frames of a higher resolution"
    return [judged("erased objects", what, share, where, remedy, fault_above=ERASED_SHARE)]


def cut_by_crop(frames: list[Scene], augment: AugmentConfig) -> list[Finding]:
    """Find objects that no crop can hold whole: even at the smallest scale they are longer than the crop."""
    widths_heights = np.concatenate([_evaluated(frame)[1] for frame in frames])
    room = np.array([augment.crop[1], augment.crop[0]]) / augment.scale[0]
    share = float((widths_heights > room).any(axis=1).mean()) if len(widths_heights) else 0.0
    what = f"share of {len(widths_heights)} objects that are larger than any crop"
    where = f"crop {augment.crop[1]}x{augment.crop[0]} at scale {augment.scale[0]:g}"
    remedy = "enlarge data.augment.crop, or let data.augment.scale go lower"
    return [judged("cut objects", what, share, where, remedy, fault_above=ERASED_SHARE)]


def _evaluated(frame: Scene) -> tuple[np.ndarray, np.ndarray]:
    """Return the areas (N,) in pixels and the widths and heights (N, 2) of the N instances that count in the score."""
    instances = frame.instances
    things = [label.id for label in frame.label_set.things]
    kept = np.isin(instances.labels, things) & (instances.areas >= TINY_PX)
    return instances.areas[kept], instances.boxes[kept][:, 2:] - instances.boxes[kept][:, :2]
