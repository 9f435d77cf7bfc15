"""Functions that all explanations of a pixel share: check the pixel, find its instance, and describe both."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral

import numpy as np
from scipy import ndimage

from partwise.errors import PartwiseError
from streeteval.given import shown
from streeteval.instances import Instances

__all__ = ["instance_at", "largest", "middle_of_highest_score", "pixel_to_json", "require_inside"]


def require_inside(point: tuple[int, int] | None, size: tuple[int, int]) -> None:
    """Check that a pixel lies in an image.

    Args:
        point: (x, y) of the pixel; None passes.
        size: (H, W) of the image in pixels.

    Raises:
        PartwiseError: If the pixel lies outside the image or is not a pair of whole numbers.
    """
    if point is None:
        return
    if not (isinstance(point, Iterable) and len(xy := list(point)) == 2 and all(isinstance(v, Integral) for v in xy)):
        raise PartwiseError(f"pixel {shown(point)}: give (x, y), two whole numbers")
    if not (0 <= point[0] < size[1] and 0 <= point[1] < size[0]):
        raise PartwiseError(f"pixel {point[0]},{point[1]}: the image is {size[1]}x{size[0]}: give X,Y inside it")


def middle_of_highest_score(instances: Instances) -> tuple[int, int]:
    """Find the pixel of the highest-scoring instance's mask that is farthest from the mask's border.

    Args:
        instances: The instances of one image, the highest score first.

    Returns:
        (x, y) of the pixel.

    Raises:
        PartwiseError: If there is no instance.
    """
    if len(instances) == 0:
        raise PartwiseError("nothing was found in this image: give the pixel to explain")
    depth = ndimage.distance_transform_edt(np.pad(instances.masks[0], 1))[1:-1, 1:-1]
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    return int(instances.boxes[0][0] + x), int(instances.boxes[0][1] + y)


def instance_at(found: Instances, point: tuple[int, int]) -> int:
    """Find the instance with the highest score whose mask contains a pixel.

    Args:
        found: The instances of one image, the highest score first.
        point: (x, y) of the pixel.

    Returns:
        The index of the instance; -1 if there is none.
    """
    x, y = point
    for i, (x0, y0, x1, y1) in enumerate(found.boxes.tolist()):
        if x0 <= x < x1 and y0 <= y < y1 and found.masks[i][y - y0, x - x0]:
            return i
    return -1


def largest(names: list[str], values: list[float], least: float = 0.01) -> dict[str, float]:
    """Select the largest values with their names.

    Args:
        names: A name for each value.
        values: The values.
        least: Values below it are left out, except the largest one, which is always returned.

    Returns:
        Name -> value, the largest first.
    """
    pairs = sorted(zip(names, values, strict=True), key=lambda pair: -pair[1])
    return {name: value for i, (name, value) in enumerate(pairs) if i == 0 or value >= least}


def pixel_to_json(point: tuple[int, int], found: Instances, i: int, semantic: dict[str, float]) -> dict:
    """Describe a pixel in plain values: its position, its instance, and its classes.

    Args:
        point: (x, y) of the pixel.
        found: The instances of the image, the highest score first.
        i: Index of the pixel's instance; -1 for none.
        semantic: Class name -> probability at the pixel.

    Returns:
        Values that JSON can hold.
    """
    instance = None
    if i >= 0:
        instance = {"index": i, "label": int(found.labels[i]), "score": float(found.scores[i])}
        instance["box"] = found.boxes[i].tolist()
    return {"x": point[0], "y": point[1], "instance": instance, "semantic": semantic}
