"""What is found in one image: `Result`, the instances with the image and the model's origin."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from partwise.errors import PartwiseError
from partwise.given import shown
from partwise.instances import Instances
from partwise.labels import CITYSCAPES, LabelSet
from partwise.methods.method import image_at
from partwise.report.prediction_files import write_prediction
from partwise.scene import Prediction

__all__ = ["Result"]


@dataclass(frozen=True, eq=False, repr=False)
class Result(Instances):
    """The instances of one image, with the semantic map, the image itself and the model's origin.

    A part of it, such as `result[result.scores > 0.5]` or `result[:3]`, is a Result with all of these.

    semantic_HW   (H, W) uint8 ids of the label set
    image_HW3     (H, W, 3) uint8 RGB, as it was given
    name          of the image, for the files that `save` writes; None where it has none
    origin        what the model file says of itself
    label_set     the classes that `labels` and `semantic_HW` name

    Raises PartwiseError where the semantic map or the image has another size than the instances.
    """

    semantic_HW: np.ndarray | None = None
    image_HW3: np.ndarray | None = None
    name: str | None = None
    origin: dict = field(default_factory=dict)
    label_set: LabelSet = CITYSCAPES  # type: ignore[misc]  # the base class, without this field, has it for all

    def __post_init__(self):
        super().__post_init__()
        for what, array in (("semantic_HW", self.semantic_HW), ("image_HW3", self.image_HW3)):
            if array is not None and np.shape(array)[:2] != self.size:
                raise PartwiseError(f"Result: {what} has the shape {np.shape(array)}, the instances are of {self.size}")

    @property
    def instances(self) -> Instances:
        """The instances alone."""
        return Instances(self.labels, self.scores, self.boxes, self.masks, self.size)

    @property
    def prediction(self) -> Prediction:
        """Instances and semantic map, as the evaluator and the overlays take them."""
        return Prediction(self.instances, self.semantic_HW)

    def save(self, out_dir: str | os.PathLike, *, overwrite: bool = False) -> list[Path]:
        """Write overlay, instanceIds, labelIds and JSON (see report/prediction_files.py); returns the paths.

        Results of the same name are replaced. Those of images without a name are called image, image_2, image_3, ...:
        the first of which there is no file yet.

        Args:
            out_dir: made if missing; `~` at its beginning is the home folder.
            overwrite: replace files of these names that partwise did not write, too.

        Raises:
            PartwiseError: such a file is there, or the folder cannot be written.
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

    def resized(self, size: tuple[int, int]) -> Result:
        """The same for an image of another `size` (H, W): instances and semantic map see `Instances.resized`."""
        moved = self.prediction.resized(size)
        of_instances = {name: getattr(moved.instances, name) for name in ("labels", "scores", "boxes", "masks", "size")}
        image_HW3 = self.image_HW3 if self.image_HW3 is None else image_at(self.image_HW3, moved.instances.size)
        return replace(self, **of_instances, semantic_HW=moved.semantic_HW, image_HW3=image_HW3)
