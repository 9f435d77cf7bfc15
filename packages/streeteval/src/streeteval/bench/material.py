"""Predictions that have many false positives, for the measurement of evaluators, and their files.

The files are ROOT/gtFine/val/CITY/ (the truth, in the published form) and ROOT/results/ (the predictions, in the
benchmark's submission form).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from streeteval.instances import Instances
from streeteval.scene import Scene

__all__ = ["SPLIT", "FrameFiles", "link_again", "predictions_of", "results_of", "write_files"]

SPLIT = "val"
_COPY_NAME = "street_{:06}_000019"


def predictions_of(scene: Scene, count: int, rng: np.random.Generator) -> Instances:
    """Make `count` instances: shifted true masks, and rectangles of random class and position."""
    height, width = scene.size
    truth = scene.instances
    things = [label.id for label in scene.label_set.things]
    labels: list[int] = []
    masks: list[np.ndarray] = []
    while len(masks) < count:
        if len(truth) and len(masks) % 4:
            i = int(rng.integers(len(truth)))
            mask = np.roll(truth.full_mask(i), rng.integers(-9, 10, 2), (0, 1))
            label = truth.labels[i] if truth.labels[i] in things else rng.choice(things)
        else:
            x, y, w, h = (rng.random(4) * (0.97 * width, 0.97 * height, 0.15 * width, 0.2 * height)).astype(int)
            mask = np.zeros(scene.size, bool)
            mask[y : y + h + 10, x : x + w + 10] = True
            label = rng.choice(things)
        labels.append(label)
        masks.append(mask)
    return Instances.from_masks(labels, rng.random(count).tolist(), masks, scene.size)


@dataclass(frozen=True)
class FrameFiles:
    """The files of one frame, with the names that the official tool expects.

    Attributes:
        labels: True labelIds.
        instances: True instanceIds.
        lines: The predicted instances, a line for each.
        pixels: Predicted labelIds.
    """

    labels: str
    instances: str
    lines: str
    pixels: str


def write_files(
    root: Path, scenes: Sequence[Scene], found: Sequence[Instances], semantics: Sequence[np.ndarray], bits: int
) -> list[FrameFiles]:
    """Write truth and predictions.

    Args:
        root: Folder to write into.
        scenes: The frames.
        found: The predicted instances of each frame.
        semantics: The predicted label ids of each frame, (H, W) uint8.
        bits: Bits per pixel of the masks: 8, as most tools write them, or 1.

    Returns:
        The files of each frame.
    """
    written = []
    for scene, instances, semantic_HW in zip(scenes, found, semantics, strict=True):
        files = _names(root, scene.name)
        Image.fromarray(scene.semantic_HW.astype(np.uint8)).save(files.labels)
        Image.fromarray(scene.instance_ids_HW.astype(np.uint16)).save(files.instances)
        Image.fromarray(semantic_HW).save(files.pixels)
        lines = []
        for i in range(len(instances)):
            mask = Path(files.lines).with_name(f"{scene.name}_mask_{i}.png")
            full = instances.full_mask(i)
            Image.fromarray(full if bits == 1 else full.astype(np.uint8) * 255).save(mask)
            lines.append(f"{mask.name} {instances.labels[i]} {float(instances.scores[i])!r}\n")
        Path(files.lines).write_text("".join(lines))
        written.append(files)
    return written


def _names(root: Path, name: str) -> FrameFiles:
    truth, results = root / "gtFine" / SPLIT / name.split("_")[0], results_of(root)
    for folder in (truth, results):
        folder.mkdir(parents=True, exist_ok=True)
    return FrameFiles(
        labels=str(truth / f"{name}_gtFine_labelIds.png"),
        instances=str(truth / f"{name}_gtFine_instanceIds.png"),
        lines=str(results / f"{name}_pred.txt"),
        pixels=str(results / f"{name}_pred_labelIds.png"),
    )


def results_of(root: Path) -> Path:
    """Return the folder of the predictions."""
    return root / "results"


def link_again(files: list[FrameFiles], root: Path, images: int) -> None:
    """Add further frames as links to the existing files, until there are `images` frames.

    Args:
        files: The files of the existing frames.
        root: Folder of the files.
        images: Number of frames afterwards.
    """
    for i in range(len(files), images):
        of, also = files[i % len(files)], _names(root, _COPY_NAME.format(900_000 + i))
        for field in ("labels", "instances", "lines", "pixels"):
            os.link(getattr(of, field), getattr(also, field))
