"""Render streets: one scene, a sequence of scenes, a data set on the disk."""

import operator
import os
from collections.abc import Callable, Iterator, Mapping

import numpy as np
from PIL import Image

from partwise.data.cityscapes import write_scene
from partwise.data.depth import write_depth
from partwise.data.streets.canvas import SUPERSAMPLING, Camera, Canvas
from partwise.data.streets.dice import Dice
from partwise.data.streets.furniture import paint_ego_vehicle
from partwise.data.streets.ground import paint_ground, paint_sky, paint_skyline
from partwise.data.streets.layout import draw_layout, paint_sides
from partwise.data.streets.light import develop, draw_weather
from partwise.data.streets.pavement import pavement_camera
from partwise.errors import PartwiseError
from partwise.scene import Scene
from streeteval.labels import CITYSCAPES
from streeteval.reading.faults import implied_ids

SMALLEST_PX = 16


def render_street(
    rng: np.random.Generator,
    size: tuple[int, int] = (256, 512),
    name: str = "street_000000_000000",
    pavement: bool = False,
) -> Scene:
    """Render one street with its truth, exact to a quarter of a pixel.

    Riders and what they ride are separate instances. What is too far to be told apart is a group (a bare id). The ego
    vehicle and odds and ends are void.

    Args:
        rng: Source of every random number; the scene is a function of its state.
        size: (H, W) in pixels, each at least 16.
        name: Name of the scene.
        pavement: Whether somebody on the pavement sees the street, with large things near the camera, instead of the
            driver of a car.

    Returns:
        The scene in Cityscapes ids.

    Raises:
        PartwiseError: If a side is below 16 pixels.
    """
    require_size(size)
    dice = Dice(int(rng.integers(2**62)))
    weather = draw_weather(dice)
    camera = pavement_camera(dice, size) if pavement else draw_camera(dice, size)
    layout = draw_layout(dice, weather, camera, pavement)
    canvas = Canvas(size, camera, weather)
    paint_sky(canvas, rng)
    paint_ground(canvas, layout.street, layout.shadows, dice)
    paint_skyline(canvas, dice)
    paint_sides(canvas, layout.street, dice)
    for thing in layout.objects:
        thing.paint(canvas, dice)
    if not pavement and dice.random() < 0.7:
        paint_ego_vehicle(canvas, dice)
    instance_ids_HW = np.array(canvas.ids.resize((size[1], size[0]), Image.Resampling.NEAREST))
    semantic_HW = implied_ids(instance_ids_HW).astype(np.uint8)
    image_HW3 = develop(canvas.colour.reduce(SUPERSAMPLING), semantic_HW, weather, rng)
    return Scene(name, image_HW3, semantic_HW, instance_ids_HW, distances=canvas.distances_m.copy)


def require_size(size: tuple[int, int]) -> None:
    """Check the size (H, W) of a picture in pixels.

    Raises:
        PartwiseError: If a side is below 16 pixels.
    """
    if min(size) < SMALLEST_PX:
        raise PartwiseError(f"a street of {size[1]}x{size[0]} pixels: each side must be at least {SMALLEST_PX}")


def draw_camera(dice: Dice, size: tuple[int, int]) -> Camera:
    """Draw a camera behind a windscreen: its focal length is about the width of the picture (Cityscapes: 1.1 of it)."""
    height, width = size[0] * SUPERSAMPLING, size[1] * SUPERSAMPLING
    return Camera(
        focal_px=dice.uniform(0.85, 1.2) * (width + 2 * height) / 2,
        centre_x_px=width * dice.uniform(0.36, 0.64),
        horizon_y_px=height * dice.uniform(0.38, 0.5),
        height_m=dice.uniform(1.15, 1.75),
    )


class Streets:
    """Rendered streets as a sequence of Scenes, each rendered when it is asked for.

    Scene i is a function of (seed, i, size) and of its view alone, in whatever order and process it is asked for.

    Args:
        count: Number of scenes.
        size: (H, W) in pixels.
        seed: Seed of the scenes.
        pavement: Share of the scenes, 0..1, that somebody on the pavement sees; they are spread evenly.
    """

    name, label_set = "rendered streets", CITYSCAPES

    def __init__(self, count: int, size: tuple[int, int] = (256, 512), seed: int = 0, pavement: float = 0.0):
        self.count, self.size, self.seed, self.pavement = count, size, seed, pavement

    @property
    def names(self) -> list[str]:
        """The scenes' names, "street_<seed>_<i>"."""
        return [self._name(i) for i in range(self.count)]

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Scene]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, i: int) -> Scene:
        """Return scene i."""
        i = range(self.count)[operator.index(i)]
        pavement = int((i + 1) * self.pavement) > int(i * self.pavement)
        return render_street(np.random.default_rng((self.seed, i)), self.size, self._name(i), pavement)

    def _name(self, i: int) -> str:
        """Return the name of scene i."""
        return f"street_{self.seed:06d}_{i:06d}"


def render_dataset(
    root: str | os.PathLike,
    count_by_split: Mapping[str, int],
    size: tuple[int, int] = (256, 512),
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
    depth: bool = False,
    pavement: float = 0.0,
) -> int:
    """Write a Cityscapes tree of rendered streets.

    Args:
        root: Folder of the tree.
        count_by_split: How many scenes each split has. Each split has its own seed, derived from `seed` and its place
            here.
        size: (H, W) in pixels.
        seed: Seed of the scenes.
        progress: Called after each scene with how many are done, and how many there are.
        depth: Whether to write disparity and camera files, too, see `write_depth`.
        pavement: Share of the scenes that are seen from the pavement, see `Streets`.

    Returns:
        The number of scenes.

    Raises:
        PartwiseError: If the disk is full.
    """
    done, total = 0, sum(count_by_split.values())
    for k, (split, count) in enumerate(count_by_split.items()):
        for scene in Streets(count, size, seed * 100 + k, pavement):
            if depth:
                write_depth(scene, root, split)
            write_scene(scene, root, split)
            done += 1
            if progress:
                progress(done, total)
    return done
