"""Frames as a study shows them to networks: evenly spaced ones, a part of each, enlarged.

Axes: H and W pixels.
"""

from __future__ import annotations

from functools import partial

from partwise.evaluation.ceiling import seen_scene
from partwise.scene import Scene, Scenes
from partwise_report.study.look import View
from streeteval.scene import EvenlySpaced, Mapped


class Enlarged(Mapped[Scene]):
    """Scenes with each side so many times as long: images bilinear, truth nearest."""

    def __init__(self, scenes: Scenes, times: int):
        super().__init__(scenes, partial(_enlarged, times=times))


def _enlarged(scene: Scene, times: int) -> Scene:
    return seen_scene(scene, (scene.size[0] * times, scene.size[1] * times))


class Padded(Mapped[Scene]):
    """Scenes of at least `size` (H, W) in pixels: smaller ones in the middle of black, which is void in the truth."""

    def __init__(self, scenes: Scenes, size: tuple[int, int]):
        super().__init__(scenes, partial(_padded, size=size))


def _padded(scene: Scene, size: tuple[int, int]) -> Scene:
    missing = [max(0, wanted - side) for wanted, side in zip(size, scene.size, strict=True)]
    if not any(missing):
        return scene
    rows, columns = ((one // 2, one - one // 2) for one in missing)
    return scene.padded(rows, columns)


def shown_frames(scenes: Scenes, frames: int, view: tuple[int, int] = (0, 0), times: int = 1) -> Enlarged:
    """Evenly spaced frames, cut to the part around their middle or padded to its size, then enlarged.

    Args:
        scenes: Of a split.
        frames: How many at most; 0 for all.
        view: (H, W) in pixels before enlarging; (0, 0) for whole frames.
        times: How many times as long each side becomes.
    """
    return Enlarged(Padded(View(EvenlySpaced(scenes, frames), view), view), times)
