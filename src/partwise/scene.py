"""`Scene`, an image with its truth, and `Prediction`, what a method finds in an image.

Axes: H image height, W image width. Everything here is NumPy; tensors begin in data/transforms.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from partwise.errors import PartwiseError
from streeteval import scene
from streeteval.boxes import nearest_index
from streeteval.given import shown, size_of
from streeteval.instances import Instances
from streeteval.labels import CITYSCAPES, LabelSet

__all__ = ["Prediction", "Scene", "Scenes"]


@dataclass(frozen=True, eq=False)
class Scene:
    """One image with its truth.

    Attributes:
        name: Id of the frame, such as "aachen_000000_000019".
        image_HW3: (H, W, 3) uint8 RGB.
        semantic_HW: (H, W) uint8, ids of the label set (Cityscapes labelIds, not train ids).
        instance_ids_HW: (H, W) int32: id * 1000 + number for an instance, or else the id.
        label_set: The classes.
        distances: () -> {instance id: metres}, see `partwise.data.depth.distances_of`; None if not known.

    Raises:
        PartwiseError: If an array has another type or shape, or the sizes differ.
    """

    name: str
    image_HW3: np.ndarray
    semantic_HW: np.ndarray
    instance_ids_HW: np.ndarray
    label_set: LabelSet = field(default=CITYSCAPES)
    distances: Callable[[], dict[int, float]] | None = None

    def __post_init__(self) -> None:
        image = self.image_HW3
        if not isinstance(image, np.ndarray) or image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise PartwiseError(f"{self.name}: image_HW3 is {_described(image)}: give an array (H, W, 3) of uint8")
        size = image.shape[:2]
        for what, array in (("labelIds", self.semantic_HW), ("instanceIds", self.instance_ids_HW)):
            if not isinstance(array, np.ndarray) or array.ndim != 2 or array.dtype.kind not in "ui":
                raise PartwiseError(
                    f"{self.name}: {what} are {_described(array)}: give an array (H, W) of whole numbers"
                )
            if array.shape != size:
                raise PartwiseError(
                    f"{self.name}: the image is {size[1]}x{size[0]}, its {what} {array.shape[1]}x{array.shape[0]}: "
                    "image and truth must have one size"
                )

    def __repr__(self) -> str:
        return f"Scene({self.name!r}; {self.size[1]}x{self.size[0]})"

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the image in pixels."""
        return self.image_HW3.shape[:2]

    def cut(self, part: tuple[slice, slice]) -> Scene:
        """The scene in these rows and columns alone."""
        image, semantic, ids = self.image_HW3[part], self.semantic_HW[part], self.instance_ids_HW[part]
        return replace(self, image_HW3=image, semantic_HW=semantic, instance_ids_HW=ids)

    def resized_as(self, image_HW3: np.ndarray) -> Scene:
        """The scene with its image in another size, (H, W, 3) uint8; its truth is taken from the nearest pixels."""
        nearest = np.ix_(*map(nearest_index, self.size, image_HW3.shape[:2]))
        semantic, ids = self.semantic_HW[nearest], self.instance_ids_HW[nearest]
        return replace(self, image_HW3=image_HW3, semantic_HW=semantic, instance_ids_HW=ids)

    def padded(self, rows: tuple[int, int], columns: tuple[int, int]) -> Scene:
        """The scene with so many rows above and below, and columns left and right: black, and void in the truth."""
        around, void = (rows, columns), self.label_set.void_id
        return replace(
            self,
            image_HW3=np.pad(self.image_HW3, (*around, (0, 0))),
            semantic_HW=np.pad(self.semantic_HW, around, constant_values=void),
            instance_ids_HW=np.pad(self.instance_ids_HW, around, constant_values=void),
        )

    @cached_property
    def instances(self) -> Instances:
        """All instances of the truth, also of classes that are not evaluated."""
        return Instances.from_id_map(self.instance_ids_HW)


Scenes = scene.Scenes[Scene]


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a method finds in one image.

    Attributes:
        instances: The instances.
        semantic_HW: (H, W) uint8, ids of the label set; None without a semantic map.

    Raises:
        PartwiseError: If the two have different sizes.
    """

    instances: Instances
    semantic_HW: np.ndarray | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.instances, Instances):
            raise PartwiseError(f"Prediction: instances are {_described(self.instances)}: give Instances")
        if self.semantic_HW is not None and np.shape(self.semantic_HW) != self.instances.size:
            raise PartwiseError(
                f"Prediction: semantic_HW is {_described(self.semantic_HW)}, the instances are of "
                f"{self.instances.size}: give both for one image"
            )

    def __repr__(self) -> str:
        return f"Prediction({self.instances!r}{'' if self.semantic_HW is None else ' and a semantic map'})"

    def resized(self, size: tuple[int, int]) -> Prediction:
        """Scale instances and semantic map to an image of another size: each new pixel has the value at its centre.

        Args:
            size: (H, W) in pixels.

        Raises:
            PartwiseError: If `size` is not two whole numbers from 1 on.
        """
        size = size_of("resized: size", size, least=1)
        if self.instances.size == size:
            return self
        if self.semantic_HW is None:
            return Prediction(self.instances.resized(size))
        rows, columns = (nearest_index(old, new) for old, new in zip(self.semantic_HW.shape, size, strict=True))
        return Prediction(self.instances.resized(size), self.semantic_HW[np.ix_(rows, columns)])

    def to_id_map(self) -> np.ndarray:
        """Paint the instances over the semantic map as Cityscapes instanceIds, (H, W) int32."""
        return self.instances.to_id_map(self.semantic_HW)


def _described(value: Any) -> str:
    return f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else shown(value)
