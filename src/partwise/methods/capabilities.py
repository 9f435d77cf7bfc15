"""Optional abilities of methods, beyond what every `Method` can do. Each ability is a protocol.

A method has an ability if it has the functions of the protocol. If a subclass loses an ability of its base class, it
sets the function's name to None.

Axes: N objects, M windows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from torch import Tensor

from partwise.backbones.pyramid import Pyramid
from partwise.methods.options import InferenceOptions, Outputs
from partwise.scene import Prediction, Scene
from streeteval.instances import Instances
from streeteval.labels import LabelSet

__all__ = [
    "ClassRows",
    "Distillable",
    "Explainable",
    "Explainer",
    "ExplainsOften",
    "Explanation",
    "HasClassHeads",
    "HasPyramid",
    "HasWindows",
    "Mirrorable",
    "Predicts",
    "WindowTruth",
    "explainer_of",
    "usable_objects",
]


class Predicts(Protocol):
    """What is ready to predict images: a method on its device, or an exported file.

    Attributes:
        label_set: The classes of the predictions.
        has_instances: Whether predictions have instances.
    """

    label_set: LabelSet
    has_instances: bool

    def predict(self, images_B3HW: Any, options: InferenceOptions = ..., /) -> list[Prediction]:
        """Predict instances and semantic maps, see `Method.predict`."""
        ...


@runtime_checkable
class Mirrorable(Protocol):
    """A method whose outputs for an image and its mirror image can be averaged (test-time augmentation by a flip)."""

    def mirrored(self, outputs: Outputs) -> Outputs:
        """Turn the outputs for mirror images into outputs for the images; the function is its own inverse."""
        ...


@runtime_checkable
class HasPyramid(Protocol):
    """A method whose network has a feature pyramid, so that a student can learn to copy its maps.

    Attributes:
        pyramid: The feature pyramid.
    """

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
    """A method that can learn from a trained network in addition to the truth."""

    def check_teacher(self, teacher: Any) -> None:
        """Check that this method can learn from the outputs of a teacher.

        Args:
            teacher: A trained method.

        Raises:
            PartwiseError: If the outputs of the teacher contain nothing that the method could learn.
        """
        ...

    def distillation(self, outputs: Outputs, taught: Outputs) -> dict[str, Tensor]:
        """Measure how far the outputs are from those of the teacher.

        Args:
            outputs: Outputs of this method.
            taught: Outputs of the teacher for the same images.

        Returns:
            Name -> scalar loss, which is 0 where both agree.
        """
        ...


class Explanation(Protocol):
    """The explanation why one pixel belongs to its instance, or to none."""

    point: tuple[int, int]
    """(x, y) of the pixel."""
    prediction: Prediction
    """Everything that was found in the image."""
    instance: int
    """Index of the instance that contains the pixel; -1 for none."""

    def to_json(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        ...


@runtime_checkable
class Explainable(Protocol):
    """A method that can explain a single decision."""

    def explain(self, outputs: Outputs, size: tuple[int, int], point: tuple[int, int] | None = None) -> Explanation:
        """Explain one pixel.

        Args:
            outputs: The outputs for one image.
            size: (H, W) of the image in pixels.
            point: (x, y) of the pixel; None for the middle of the instance with the highest score.

        Returns:
            The explanation.

        Raises:
            PartwiseError: If the pixel lies outside the image, or if none is given and nothing was found.
        """
        ...


class Explainer(Protocol):
    """Explains pixels of one image, whose outputs it keeps."""

    @property
    def prediction(self) -> Prediction:
        """Everything that was found in the image."""
        ...

    def at(self, point: tuple[int, int] | None = None) -> Explanation:
        """Explain one pixel; arguments, result and errors are those of `Explainable.explain`."""
        ...


@runtime_checkable
class ExplainsOften(Explainable, Protocol):
    """A method that explains many pixels of one image faster than one after the other, as it decodes the image once."""

    def explainer(self, outputs: Outputs, size: tuple[int, int]) -> Explainer:
        """Decode the outputs for one image, and keep what an explanation needs.

        Args:
            outputs: The outputs for one image.
            size: (H, W) of the image in pixels.
        """
        ...


@dataclass(frozen=True)
class _DecodesAgain:
    """The explainer of a method that decodes the image for each explanation."""

    method: Explainable
    outputs: Outputs
    size: tuple[int, int]
    prediction: Prediction

    def at(self, point: tuple[int, int] | None = None) -> Explanation:
        return self.method.explain(self.outputs, self.size, point)


def explainer_of(method: Any, outputs: Outputs, size: tuple[int, int]) -> Explainer:
    """Make the explainer of one image for any method that can explain its decisions.

    Args:
        method: A method that is `Explainable`.
        outputs: Its outputs for one image.
        size: (H, W) of the image in pixels.
    """
    if isinstance(method, ExplainsOften):
        return method.explainer(outputs, size)
    return _DecodesAgain(method, outputs, size, method.decode(outputs, size)[0])


@dataclass
class WindowTruth:
    """The windows in the targets of one sample, and the objects that they are for.

    Attributes:
        objects: The N instances of evaluated classes that the method should learn from.
        boxes_M4: (M, 4) int, x0 y0 x1 y1 of each window in pixels of the sample; a window may extend beyond it.
        object_M: (M,) int, index of the object that a positive window contains; -1 for a negative window.
        centre_M: (M,) share of the object's pixels in the window that lie in the centre part; NaN for a negative
            window.
        near_px_N: (N,) distance in pixels. A window that fits an object and is nearer to its centre than this, along
            both axes, must not be negative.
        fitting_px_N: (N,) side in pixels of the window that fits each object.
        octaves: A window fits an object if log2 of its side differs from that of the fitting side by less than this.
        window_px_N2: (N, 2) width and height in pixels of the window that each object has, or would have.
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
        """The objects that a positive window contains."""
        return self.objects[self.has_window]

    @property
    def has_window(self) -> np.ndarray:
        """Whether a positive window contains each object, (N,) bool."""
        return np.isin(np.arange(len(self.objects)), self.object_M)

    def fits(self, n: int, boxes_M4: np.ndarray) -> np.ndarray:
        """Compare the sizes of windows with the size that fits an object.

        Args:
            n: Index of the object.
            boxes_M4: (M, 4) x0 y0 x1 y1 of windows in pixels.

        Returns:
            (M,) bool: whether each window has a size that fits the object.
        """
        side = (boxes_M4[:, 2:] - boxes_M4[:, :2]).max(axis=1, initial=1)
        return np.abs(np.log2(side / self.fitting_px_N[n])) < self.octaves


@runtime_checkable
class HasWindows(Protocol):
    """A method that finds objects in windows, which the doctor can compare with the objects."""

    def window_truth(self, scene: Scene, targets: dict[str, Tensor]) -> WindowTruth:
        """Read the windows from the targets of a scene.

        Args:
            scene: The scene.
            targets: What `Method.targets` returned for this scene.
        """
        ...


def usable_objects(scene: Scene, min_area_px: int) -> Instances:
    """Return the instances of evaluated classes that have at least `min_area_px` pixels.

    Args:
        scene: The scene.
        min_area_px: The minimum number of pixels.
    """
    things = [label.id for label in scene.label_set.things]
    instances = scene.instances
    return instances[np.isin(instances.labels, things) & (instances.areas >= min_area_px)]
