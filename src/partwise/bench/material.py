"""Frames for the measurement of evaluators, with predictions that have many false positives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from partwise.data.dataset import open_dataset
from partwise.data.streets import Streets
from partwise.errors import PartwiseError
from partwise.evaluation.model import require_instances
from partwise.scene import Scene
from streeteval.bench.material import predictions_of
from streeteval.instances import Instances
from streeteval.labels import CITYSCAPES

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
        PartwiseError: If the tree cannot be read, or its frames have other classes, several sizes or no instance.
    """
    rng = np.random.default_rng(0)
    scenes = _frames(images, size, data, split)
    material = Material([], [], [])
    for number, scene in enumerate(scenes, 1):
        material.scenes.append(scene)
        material.instances.append(predictions_of(scene, predictions, rng))
        material.semantics.append(np.roll(scene.semantic_HW, (2, 3), (0, 1)))
        progress("frames", number, len(scenes))
    return material


def _frames(images: int, size: tuple[int, int], data: Path | None, split: str) -> list[Scene]:
    """Return the frames, which the official tool can score: of the classes of Cityscapes and one size.

    Raises:
        PartwiseError: If they are not.
    """
    if data is None:
        scenes = [renamed(scene, RENDERED_NAME.format(i)) for i, scene in enumerate(Streets(images, size, seed=0))]
        require_instances(scenes, f"rendered streets of {size[1]}x{size[0]}")
        return scenes
    frames, what = open_dataset(data, split), f"{data}, split {split}"
    if not frames.label_set.same_classes(CITYSCAPES):
        raise PartwiseError(
            f"{what}: its classes are those of {frames.label_set.name}, and cityscapesScripts scores those of "
            "Cityscapes alone: give a Cityscapes tree, or leave --data out for rendered frames"
        )
    scenes = [frames[i] for i in range(min(images, len(frames)))]
    if len(sizes := sorted({scene.size for scene in scenes})) > 1:
        told = " and ".join(f"{width}x{height}" for height, width in sizes[:2])
        raise PartwiseError(f"{what}: its frames have several sizes ({told}): give a tree with frames of one size")
    require_instances(scenes, what)
    return scenes


def renamed(scene: Scene, name: str) -> Scene:
    """Return the same frame with another name."""
    return Scene(name, scene.image_HW3, scene.semantic_HW, scene.instance_ids_HW, scene.label_set)
