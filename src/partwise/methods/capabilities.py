"""What a method may be able to do beyond what every `Method` does: each a protocol, found by its functions.

A method takes part by having the functions. A subclass that loses an ability of its base sets the name to None.

Axes: N objects, M windows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from torch import Tensor

from partwise.backbones.pyramid import Pyramid
from partwise.instances import Instances
from partwise.methods.options import Outputs
from partwise.scene import Prediction, Scene

__all__ = [
    "ClassRows",
    "Distillable",
    "Explainable",
    "Explanation",
    "HasClassHeads",
    "HasPyramid",
    "HasWindows",
    "Mirrorable",
    "WindowTruth",
    "usable_objects",
]


@runtime_checkable
class Mirrorable(Protocol):
    """An image and its mirror image can be averaged: test-time augmentation by a flip."""

    def mirrored(self, outputs: Outputs) -> Outputs:
        """The outputs for mirror images -> what they are for the images; its own inverse."""
        ...


@runtime_checkable
class HasPyramid(Protocol):
    """The network has a feature pyramid, whose maps a student can copy."""

    pyramid: Pyramid


@dataclass(frozen=True)
class ClassRows:
    """A layer whose outputs are classes: where the rows of each class lie in its `weight` and its `bias`.

    Attributes:
        layer: Name of the module in the method, such as "semantic_branch.1".
        classes: "evaluated": a class for each evaluated one, by train id; "things": for each that has instances.
        rows_each: Rows of one class, one after the other.
        rows_before: Rows before those of the first class, such as the background's.
    """

    layer: str
    classes: Literal["evaluated", "things"] = "evaluated"
    rows_each: int = 1
    rows_before: int = 0


@runtime_checkable
class HasClassHeads(Protocol):
    """The method says which of its layers hold classes, so that it can start from a model of other classes."""

    def class_heads(self) -> tuple[ClassRows, ...]:
        """Every layer whose number of outputs depends on the label set."""
        ...


@runtime_checkable
class Distillable(Protocol):
    """The method can learn from a trained network, besides the truth."""

    def check_teacher(self, teacher: Any) -> None:
        """Raise PartwiseError if the outputs of this teacher say nothing that the method could learn."""
        ...

    def distillation(self, outputs: Outputs, taught: Outputs) -> dict[str, Tensor]:
        """How far the outputs are from the teacher's on the same images: named scalars, 0 where they agree."""
        ...


class Explanation(Protocol):
    """Why one pixel belongs to its instance, or to none."""

    point: tuple[int, int]
    """(x, y) of the pixel."""
    prediction: Prediction
    """Everything that was found in the image."""
    instance: int
    """Index of the instance that holds the pixel; -1 for none."""

    def to_json(self) -> dict[str, Any]:
        """Plain values that JSON can hold."""
        ...


@runtime_checkable
class Explainable(Protocol):
    """One decision of the method can be explained."""

    def explain(self, outputs: Outputs, size: tuple[int, int], point: tuple[int, int] | None = None) -> Explanation:
        """Explain one pixel.

        Args:
            outputs: Of one image.
            size: (H, W) of the image in pixels.
            point: (x, y) of the pixel; None for the middle of the instance with the highest score.

        Raises:
            PartwiseError: If the pixel lies outside the image, or none is given and nothing was found.
        """
        ...


@dataclass
class WindowTruth:
    """The windows of one sample as a method's targets have them, and the objects that they are for.

    objects       the instances of evaluated classes that the method means to learn from
    boxes_M4      int, x0 y0 x1 y1 in pixels of the sample; they may leave it
    object_M      int: the object that a positive window holds; -1 for a negative window
    centre_M      share of the object's pixels in the window that lie in the centre part; NaN where there is none
    near_px_N     a window that fits an object and is nearer to its centre than this along both axes is no negative
    fitting_px_N  side of the window that fits each object; `octaves`: how many times two another may be off
    window_px_N2  width and height of the window that the object has, or would have
    """

    objects: Instances
    boxes_M4: np.ndarray
    object_M: np.ndarray
    centre_M: np.ndarray
    near_px_N: np.ndarray
    fitting_px_N: np.ndarray
    octaves: float
    window_px_N2: np.ndarray

    @property
    def held(self) -> Instances:
        """The objects that a positive window holds."""
        return self.objects[self.has_window]

    @property
    def has_window(self) -> np.ndarray:
        """(N,) bool: whether a positive window holds the object."""
        return np.isin(np.arange(len(self.objects)), self.object_M)

    def fits(self, n: int, boxes_M4: np.ndarray) -> np.ndarray:
        """(M,) bool: whether windows are of a size that fits object n."""
        side = (boxes_M4[:, 2:] - boxes_M4[:, :2]).max(axis=1, initial=1)
        return np.abs(np.log2(side / self.fitting_px_N[n])) < self.octaves


@runtime_checkable
class HasWindows(Protocol):
    """The method finds objects in windows, which the doctor can hold against the objects."""

    def window_truth(self, scene: Scene, targets: dict[str, Tensor]) -> WindowTruth:
        """The windows that `targets`, of this scene, hold."""
        ...


def usable_objects(scene: Scene, min_area_px: int) -> Instances:
    """The instances of evaluated classes with at least so many pixels."""
    things = [label.id for label in scene.label_set.things]
    instances = scene.instances
    return instances[np.isin(instances.labels, things) & (instances.areas >= min_area_px)]
