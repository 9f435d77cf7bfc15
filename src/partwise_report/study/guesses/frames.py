"""Frames as a study shows them to networks: evenly spaced ones, a part of each, enlarged.

Axes: H and W pixels.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from partwise.data.resized import image_at
from partwise.scene import Scene, Scenes
from partwise_report.study.look import View
from streeteval.boxes import nearest_index
from streeteval.scene import EvenlySpaced, Mapped


class Enlarged(Mapped[Scene]):
    """Scenes with each side so many times as long: images bilinear, truth nearest."""

    def __init__(self, scenes: Scenes, times: int):
        super().__init__(scenes, partial(_enlarged, times=times))


def _enlarged(scene: Scene, times: int) -> Scene:
    if times == 1:
        return scene
    size = (scene.size[0] * times, scene.size[1] * times)
    rows, columns = (nearest_index(old, new) for old, new in zip(scene.size, size, strict=True))
    truth = (scene.semantic_HW[rows][:, columns], scene.instance_ids_HW[rows][:, columns])
    return Scene(scene.name, image_at(scene.image_HW3, size), *truth, scene.label_set, scene.distances)


class Padded(Mapped[Scene]):
    """Scenes of at least `size` (H, W) in pixels: smaller ones in the middle of black, which is void in the truth."""

    def __init__(self, scenes: Scenes, size: tuple[int, int]):
        super().__init__(scenes, partial(_padded, size=size))


def _padded(scene: Scene, size: tuple[int, int]) -> Scene:
    missing = [max(0, wanted - side) for wanted, side in zip(size, scene.size, strict=True)]
    if not any(missing):
        return scene
    around = [(one // 2, one - one // 2) for one in missing]
    void = scene.label_set.void_id
    semantic, ids = (
        np.pad(truth, around, constant_values=void) for truth in (scene.semantic_HW, scene.instance_ids_HW)
    )
    image = np.pad(scene.image_HW3, [*around, (0, 0)])
    return Scene(scene.name, image, semantic, ids, scene.label_set, scene.distances)


def shown_frames(scenes: Scenes, frames: int, view: tuple[int, int] = (0, 0), times: int = 1) -> Enlarged:
    """Evenly spaced frames, cut to the part around their middle or padded to its size, then enlarged.

    Args:
        scenes: Of a split.
        frames: How many at most; 0 for all.
        view: (H, W) in pixels before enlarging; (0, 0) for whole frames.
        times: How many times as long each side becomes.
    """
    return Enlarged(Padded(View(EvenlySpaced(scenes, frames), view), view), times)
