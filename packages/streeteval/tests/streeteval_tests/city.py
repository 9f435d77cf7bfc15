"""A small data set in Cityscapes' form, with truth of every kind, and results that are partly right."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from PIL import Image

SIZE = (48, 96)
FRAMES = ("ulm_000000_000019", "ulm_000001_000019", "bonn_000000_000019")
# Void, classes that are not evaluated, stuff, groups, instances, caravans as region and as instance.
IDS = [0, 4, 7, 8, 11, 21, 23, 24, 26, 29, 33, 24000, 24001, 25000, 26000, 26001, 27000, 29000, 30000, 33000]
THINGS = (24, 25, 26, 27, 28, 31, 32, 33)


def truth_of(rng: np.random.Generator, size=SIZE) -> np.ndarray:
    """A map of instance ids of rectangles."""
    ids_HW = np.full(size, 7, np.int32)
    for value in rng.permutation(IDS):
        y, x = rng.integers(0, size[0] - 8), rng.integers(0, size[1] - 12)
        ids_HW[y : y + rng.integers(8, 24), x : x + rng.integers(8, 30)] = value
    return ids_HW


def labels_of(ids_HW: np.ndarray) -> np.ndarray:
    return np.where(ids_HW >= 1000, ids_HW // 1000, ids_HW).astype(np.uint8)


def make_city(root: Path, seed: int = 0, names: Sequence[str] = FRAMES) -> SimpleNamespace:
    """Write gtFine/val, results/instances and results/pixels below a folder."""
    rng = np.random.default_rng(seed)
    instances, pixels = root / "results" / "instances", root / "results" / "pixels"
    for folder in (instances, pixels):
        folder.mkdir(parents=True)
    truth = {}
    for name in names:
        folder = root / "gtFine" / "val" / name.split("_")[0]
        folder.mkdir(parents=True, exist_ok=True)
        ids_HW = truth[name] = truth_of(rng)
        Image.fromarray(ids_HW.astype(np.uint16)).save(folder / f"{name}_gtFine_instanceIds.png")
        Image.fromarray(labels_of(ids_HW)).save(folder / f"{name}_gtFine_labelIds.png")
        write_results(rng, name, ids_HW, instances, pixels)
    return SimpleNamespace(root=root, instances=instances, pixels=pixels, truth=truth)


def write_results(rng: np.random.Generator, name: str, ids_HW: np.ndarray, instances: Path, pixels: Path) -> None:
    lines = []
    for number, value in enumerate(np.unique(ids_HW).tolist()):
        label = value // 1000 if value >= 1000 else value
        mask_HW = np.roll(ids_HW == value, rng.integers(-1, 2, 2), (0, 1))
        if label in THINGS and mask_HW.any():
            Image.fromarray(mask_HW.astype(np.uint8) * 255).save(instances / f"{name}_{number}.png")
            lines.append(f"{name}_{number}.png {label} {rng.random():.2f}\n")
    (instances / f"{name}_pred.txt").write_text("".join(lines))
    semantic_HW = np.roll(labels_of(ids_HW), (1, 2), (0, 1))
    Image.fromarray(semantic_HW).save(pixels / f"{name}_pred_labelIds.png")
