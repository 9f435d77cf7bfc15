"""Frames for the measurement of evaluators, with predictions that have many false positives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from partwise.data.dataset import open_dataset
from partwise.data.streets import Streets
from partwise.scene import Scene
from streeteval.bench.material import predictions_of
from streeteval.instances import Instances

RENDERED_NAME = "street_{:06}_000019"


@dataclass(frozen=True, eq=False)
class Material:
    """Frames with a prediction for each.

    Attributes:
        scenes: The frames.
        instances: Predicted instances of each frame.
        semantics: Predicted ids of each frame, (H, W) uint8.
    """

    scenes: list[Scene]
    instances: list[Instances]
    semantics: list[np.ndarray]

    def __len__(self) -> int:
        return len(self.scenes)


def make_material(
    images: int,
    predictions: int,
    size: tuple[int, int],
    data: Path | None = None,
    split: str = "val",
    progress: Callable[..., None] = lambda part, done, total: None,
) -> Material:
    """Make frames with predictions, the same in every run.

    Args:
        images: Number of frames.
        predictions: Number of predicted instances in each frame.
        size: (H, W) of rendered frames in pixels.
        data: Root of a Cityscapes tree; its first frames are used instead of rendered frames.
        split: Split of that tree.
        progress: Called with what is being done, how much of it is done, and all of it.

    Raises:
        PartwiseError: If the tree cannot be read.
    """
    rng = np.random.default_rng(0)
    frames = Streets(images, size, seed=0) if data is None else open_dataset(data, split)
    material = Material([], [], [])
    for i in range(min(images, len(frames))):
        scene = frames[i]
        if data is None:
            scene = renamed(scene, RENDERED_NAME.format(i))
        material.scenes.append(scene)
        material.instances.append(predictions_of(scene, predictions, rng))
        material.semantics.append(np.roll(scene.semantic_HW, (2, 3), (0, 1)))
        progress("frames", i + 1, images)
    return material


def renamed(scene: Scene, name: str) -> Scene:
    """Return the same frame with another name."""
    return Scene(name, scene.image_HW3, scene.semantic_HW, scene.instance_ids_HW, scene.label_set)
