"""`Result`: what a model finds in one image, with the image itself.

Axes: H image height, W image width.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np

from partwise.data.resized import image_at
from partwise.errors import PartwiseError
from partwise.report.prediction_files import write_prediction
from partwise.scene import Prediction
from streeteval.given import shown, size_of
from streeteval.instances import Instances
from streeteval.labels import CITYSCAPES, LabelSet

__all__ = ["Result"]


@dataclass(frozen=True, eq=False, repr=False)
class Result(Instances):
    """The instances of one image, with the semantic map, the image itself and the origin of the model.

    A part of it, such as `result[result.scores > 0.5]` or `result[:3]`, is a Result with all of these.

    Attributes:
        semantic_HW: (H, W) uint8, ids of the label set; None without a semantic map.
        image_HW3: (H, W, 3) uint8 RGB, the image that was given.
        name: Name of the image, for the files that `save` writes; None without a name.
        origin: What the model file says about the model: recipe, data, steps and so on.
        label_set: The classes of `labels` and `semantic_HW`.

    Raises:
        PartwiseError: If the semantic map or the image has another size than the instances.
    """

    semantic_HW: np.ndarray | None = None
    image_HW3: np.ndarray | None = None
    name: str | None = None
    origin: dict = field(default_factory=dict)
    label_set: LabelSet = CITYSCAPES  # type: ignore[misc]  # a class variable of the base class

    def __post_init__(self) -> None:
        super().__post_init__()
        for what, array in (("semantic_HW", self.semantic_HW), ("image_HW3", self.image_HW3)):
            if array is not None and np.shape(array)[:2] != self.size:
                raise PartwiseError(f"Result: {what} has the shape {np.shape(array)}, the instances are of {self.size}")

    @property
    def instances(self) -> Instances:
        """The instances without the other fields."""
        return Instances(self.labels, self.scores, self.boxes, self.masks, self.size)

    @property
    def prediction(self) -> Prediction:
        """Instances and semantic map, in the form that the evaluator and the overlays take."""
        return Prediction(self.instances, self.semantic_HW)

    def save(self, out_dir: str | os.PathLike, *, overwrite: bool = False) -> list[Path]:
        """Write NAME_overlay.png, NAME_instanceIds.png, NAME_labelIds.png and NAME.json.

        Earlier results of the same name are replaced. The results of an image without a name get the first free name of
        image, image_2, image_3, ...

        Args:
            out_dir: The folder. It is made if it is missing; `~` at its beginning is the home folder.
            overwrite: Also replace files of these names that partwise did not write.

        Returns:
            The four paths.

        Raises:
            PartwiseError: If a file that partwise did not write lies there, or the folder cannot be written.
        """
        if not isinstance(out_dir, str | os.PathLike) or "\0" in os.fsdecode(out_dir):
            raise PartwiseError(f"out_dir {shown(out_dir)}: give the path of a folder")
        if self.image_HW3 is None:
            raise PartwiseError("this Result has no image to draw on: give image_HW3 when it is made")
        return write_prediction(
            self.name,
            self.image_HW3,
            self.prediction,
            out_dir,
            self.label_set,
            origin=self.origin,
            overwrite=overwrite,
        )

    def resized(self, size: tuple[int, int]) -> Self:
        """Scale image, instances and semantic map to another size.

        Args:
            size: (H, W) in pixels.

        Raises:
            PartwiseError: If `size` is not two whole numbers from 1 on.
        """
        size = size_of("resized: size", size, least=1)
        semantic_HW = Prediction(Instances.empty(self.size), self.semantic_HW).resized(size).semantic_HW
        image_HW3 = self.image_HW3 if self.image_HW3 is None else image_at(self.image_HW3, size)
        return self._scaled(size, semantic_HW=semantic_HW, image_HW3=image_HW3)
