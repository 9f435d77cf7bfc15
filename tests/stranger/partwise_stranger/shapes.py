"""A data set of discs and bars, with ids and classes of its own. Each frame is an .npz file."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from partwise import Label, LabelSet, PartwiseError, Scene

# No id is 0, and ids have gaps. The mean sizes of instances are unknown, so that there is no iIoU.
SHAPES = LabelSet(
    "shapes",
    (
        Label("nothing", 1, 255, "void", False, (0, 0, 0)),
        Label("ground", 7, 0, "ground", False, (90, 90, 90)),
        Label("disc", 12, 1, "shape", True, (220, 40, 40)),
        Label("bar", 200, 2, "shape", True, (40, 90, 220)),
    ),
)
MARKER = "shapes.txt"


class ShapesFolder:
    """A folder with shapes.txt, and SPLIT/NAME.npz with the arrays image, semantic and instances.

    Args:
        root: The folder.
        split: Name of the split.

    Raises:
        PartwiseError: If the split has no frame.
    """

    label_set = SHAPES

    def __init__(self, root: str | os.PathLike, split: str):
        self.files = sorted((Path(root) / split).glob("*.npz"))
        self.name = f"{Path(root).name}/{split}"
        if not self.files:
            raise PartwiseError(f"{root}: split {split!r} has no .npz file: give one that has")

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Whether a folder holds the marker of this format."""
        return (root / MARKER).is_file()

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, i: int) -> Scene:
        with np.load(self.files[i]) as arrays:
            return Scene(
                self.files[i].stem, arrays["image"], arrays["semantic"], arrays["instances"].astype(np.int32), SHAPES
            )


def write_shapes(root: Path, split: str, count: int, seed: int, size: tuple[int, int] = (64, 128)) -> None:
    """Write a split whose frames have a few discs and bars each."""
    (root / split).mkdir(parents=True)
    (root / MARKER).write_text("discs and bars\n")
    rng = np.random.default_rng(seed)
    for n in range(count):
        scene = draw_shapes(f"shape_{n:03d}", rng, size)
        np.savez(
            root / split / f"{scene.name}.npz",
            image=scene.image_HW3,
            semantic=scene.semantic_HW,
            instances=scene.instance_ids_HW,
        )


def draw_shapes(name: str, rng: np.random.Generator, size: tuple[int, int] = (64, 128)) -> Scene:
    """Draw a scene with a disc and a bar in each half of the image."""
    semantic = np.full(size, SHAPES["ground"].id, np.uint8)
    ids = semantic.astype(np.int32)
    rows, columns = np.mgrid[: size[0], : size[1]]
    for number, left in enumerate((0, size[1] // 2)):
        y, x, radius = rng.integers(14, size[0] - 14), left + rng.integers(12, 20), rng.integers(6, 11)
        top, start = rng.integers(4, size[0] - 16), left + rng.integers(34, 42)
        disc = (rows - y) ** 2 + (columns - x) ** 2 < radius**2
        bar = (rows >= top) & (rows < top + 10) & (columns >= start) & (columns < start + 18)
        for mask, label in ((disc, SHAPES["disc"].id), (bar, SHAPES["bar"].id)):
            semantic[mask], ids[mask] = label, label * 1000 + number
    image = SHAPES.colours[semantic].astype(int) + rng.integers(-20, 21, (*size, 3))
    return Scene(name, image.clip(0, 255).astype(np.uint8), semantic, ids, SHAPES)
