"""Paste instances of one training scene over another (Ghiasi et al. 2021, "Simple Copy-Paste").

Both scenes are cut and scaled on their own first. What is pasted keeps its place, its pixels and its outline, and hides
what lies below. There is no blending: the paper found none necessary.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial

import numpy as np

from partwise.scene import Scene
from streeteval.labels import INSTANCE_FACTOR


def paste_instances(
    scene: Scene, donor: Scene, rng: np.random.Generator, classes: Collection[int] | None = None
) -> Scene:
    """Paste about half of the instances of one scene over another.

    Args:
        scene: The scene below.
        donor: The scene that gives instances, of the same size.
        rng: Source of the random choice.
        classes: Ids of the classes to paste; None for all that have instances.

    Returns:
        The new scene. A class whose instance numbers are used up (Cityscapes counts at most 1,000 an image) gets no
        more.
    """
    ids_HW, things = scene.instance_ids_HW.copy(), {label.id for label in scene.label_set.things}
    wanted = things if classes is None else things.intersection(classes)
    pasted_HW, free = np.zeros(scene.size, bool), _free_numbers(ids_HW)
    new_ids: dict[int, int] = {}
    for value in np.unique(donor.instance_ids_HW).tolist():
        label = value // INSTANCE_FACTOR
        if label not in wanted or rng.random() < 0.5:
            continue
        number = free.get(label, 0)
        if number < INSTANCE_FACTOR:
            mask_HW = donor.instance_ids_HW == value
            new_ids[value] = label * INSTANCE_FACTOR + number
            ids_HW[mask_HW], free[label] = new_ids[value], number + 1
            pasted_HW |= mask_HW
    return Scene(
        scene.name,
        np.where(pasted_HW[..., None], donor.image_HW3, scene.image_HW3),
        np.where(pasted_HW, donor.semantic_HW, scene.semantic_HW),
        ids_HW,
        scene.label_set,
        scene.distances and donor.distances and partial(_distances, scene.distances, donor.distances, new_ids),
    )


def _distances(
    of_scene: Callable[[], dict[int, float]], of_donor: Callable[[], dict[int, float]], new_ids: dict[int, int]
) -> dict[int, float]:
    """The distances of a scene's instances, and those of the donor's under their new ids."""
    pasted = of_donor()
    return of_scene() | {new: pasted[old] for old, new in new_ids.items()}


def _free_numbers(ids_HW: np.ndarray) -> dict[int, int]:
    """Return, for the id of each class, the number after the highest of its instances."""
    values = np.unique(ids_HW)
    values = values[values >= INSTANCE_FACTOR]
    return dict(zip((values // INSTANCE_FACTOR).tolist(), (values % INSTANCE_FACTOR + 1).tolist(), strict=True))
