"""The base class of all methods. A method is a pair of inverse maps around a network.

Axes: B images, H and W in pixels, C evaluated classes, N instances.
"""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from partwise.backbones import Backbone
from partwise.errors import PartwiseError
from partwise.fields import configuration
from partwise.geometry import padded_size
from partwise.methods.capabilities import Mirrorable
from partwise.methods.options import (
    DEFAULT_OPTIONS,
    InferenceOptions,
    Outputs,
    mean_outputs,
    mean_semantics,
    resized_images,
    seen_sizes,
)
from partwise.methods.views import from_near_to_far, predict_views
from partwise.scene import Prediction, Scene
from streeteval.labels import LabelSet

__all__ = ["Method", "MethodConfig", "Outputs", "Targets", "image_batch", "require_mirrorable"]

Targets = dict[str, Tensor]


@configuration
class MethodConfig:
    """The base class of the configurations of methods: a pydantic dataclass with a default for each field."""


def image_batch(image_HW3: np.ndarray, device: torch.device | str = "cpu") -> Tensor:
    """Copy an image into a batch of one, in the form that networks take.

    Args:
        image_HW3: (H, W, 3) uint8 RGB.
        device: The device of the result.

    Returns:
        (1, 3, H, W) uint8.
    """
    return torch.tensor(image_HW3).permute(2, 0, 1)[None].to(device)


def require_mirrorable(method: Method) -> Mirrorable:
    """Return a method as one whose outputs can be mirrored.

    Raises:
        PartwiseError: If it is not `Mirrorable`, so that test-time augmentation by a flip is not possible.
    """
    if not isinstance(method, Mirrorable):
        raise PartwiseError(
            f"flip: {type(method).__name__} cannot average an image and its mirror image; part maps, centres and FCN "
            "can: leave it out"
        )
    return method


class Method(nn.Module):
    """A network with its truth and its decoder.

    Subclasses implement `forward`, `targets`, `oracle`, `loss` and `decode`. `decode(oracle([targets(scene)]))` gives
    the scene back, up to the ceiling of the method; the test that all methods share checks this. Images are padded at
    the right and at the bottom to a multiple of `size_multiple`.

    Attributes:
        Config: Type of the configuration; the class is called as `Method(config, label_set)`.
        config: The configuration.
        label_set: The classes.
        backbone: The backbone of the network.
        has_instances: False for a semantic method, whose AP is undefined (and not 0).
        has_semantics: False if the predictions have no semantic map.
    """

    Config: ClassVar[type[MethodConfig]]
    config: MethodConfig
    label_set: LabelSet
    backbone: Backbone
    has_instances: bool = True
    has_semantics: bool = True

    def forward(self, images_B3HW: Tensor) -> Outputs:
        """Compute the outputs of the network for a batch.

        Args:
            images_B3HW: (B, 3, H, W) uint8 RGB, H and W multiples of `size_multiple`.

        Returns:
            Name -> tensor or list of tensors; classifications are logits.
        """
        raise NotImplementedError

    def targets(self, scene: Scene) -> Targets:
        """Compute the outputs that the network should give for one scene.

        Args:
            scene: Its sides are multiples of `size_multiple`.

        Returns:
            Name -> tensor, without an axis for the batch.
        """
        raise NotImplementedError

    def oracle(self, targets: list[Targets]) -> Outputs:
        """Compute the outputs that a perfect network would give.

        Args:
            targets: The targets of B scenes of the same size.

        Returns:
            Outputs in the form of `forward`, for a batch of B.
        """
        raise NotImplementedError

    def loss(self, outputs: Outputs, targets: list[Targets]) -> dict[str, Tensor]:
        """Compute the loss as named scalar terms; training minimises their sum.

        Args:
            outputs: What `forward` returned for B images.
            targets: The targets of the same images.
        """
        raise NotImplementedError

    def decode(self, outputs: Outputs, size: tuple[int, int]) -> list[Prediction]:
        """Turn the outputs for B images into predictions.

        Args:
            outputs: What `forward` returned.
            size: (H, W) of the images in pixels, without the padding.

        Returns:
            A prediction of this size for each image.
        """
        raise NotImplementedError

    @property
    def instance_classes(self) -> tuple[int, ...]:
        """Ids of the classes whose instances are told apart. Training crops are laid around their instances."""
        return tuple(label.id for label in self.label_set.things)

    @property
    def default_scale(self) -> float:
        """How many times as large the network sees an image if the caller gives no scale."""
        return 1.0

    @property
    def view_px(self) -> int:
        """The maximum number of pixels of the usual view; 0 for no limit, see `seen_sizes`."""
        return 0

    def usual_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return (H, W) in pixels at which the network sees an image of this size if the caller gives no scale."""
        return seen_sizes(size, None, self.default_scale, self.view_px)[0]

    @property
    def largest_px(self) -> float:
        """Longest side in pixels of the largest object that the method finds whole; infinite if there is no limit."""
        return math.inf

    @property
    def size_multiple(self) -> int:
        """Number of pixels that the height and the width of the input must be a multiple of."""
        return self.backbone.size_multiple

    def normalise(self, images_B3HW: Tensor) -> Tensor:
        """Turn (B, 3, H, W) uint8 RGB into float with the mean and the scale that the backbone's weights expect."""
        mean = torch.tensor(self.backbone.mean, device=images_B3HW.device).view(3, 1, 1)
        std = torch.tensor(self.backbone.std, device=images_B3HW.device).view(3, 1, 1)
        normalised = (images_B3HW / 255.0 - mean) / std
        return normalised.contiguous(memory_format=torch.channels_last)

    @torch.inference_mode()
    def respond(self, images_B3HW: Tensor, flip: bool = False) -> Outputs:
        """Compute the outputs for images of any size, which are padded to a multiple of `size_multiple`.

        Args:
            images_B3HW: (B, 3, H, W) uint8 RGB.
            flip: Whether to average the outputs with those of the mirror images.

        Returns:
            The outputs for the padded images.

        Raises:
            PartwiseError: If `flip` is given and the method is not `Mirrorable`.
        """
        if not flip:
            return self(self._padded(images_B3HW))
        own, padded = require_mirrorable(self), self._padded(images_B3HW)
        return mean_outputs(self(padded), own.mirrored(self(padded.flip(-1))))

    def _padded(self, images_B3HW: Tensor) -> Tensor:
        """Pad images at the right and at the bottom, so that their sides are multiples of `size_multiple`."""
        height, width = padded_size(images_B3HW.shape[-2:], self.size_multiple)
        return F.pad(images_B3HW, (0, width - images_B3HW.shape[-1], 0, height - images_B3HW.shape[-2]))

    @torch.inference_mode()
    def predict(self, images_B3HW: Tensor, options: InferenceOptions = DEFAULT_OPTIONS) -> list[Prediction]:
        """Predict instances and semantic maps of images of any size.

        Args:
            images_B3HW: (B, 3, H, W) uint8 RGB, on the device of the network.
            options: `scale`, `flip` and `overview` are read. Objects that are too large for a view are taken from a
                smaller one: from an overview, see `predict_views`, or, if several scales are given, from a smaller
                scale. Then the semantic maps of all scales are averaged before the outputs are decoded.
                The caller decides device and precision: the network runs on the device of its weights, and in fp32
                unless it is called inside `InferenceOptions.autocast`.

        Returns:
            A prediction of size (H, W) for each image.

        Raises:
            PartwiseError: If `options.flip` is set and the method is not `Mirrorable`.
        """
        size = _size_of(images_B3HW)
        seen = [self.usual_size(size)] if options.scale is None else sorted(seen_sizes(size, options.scale))
        if len(seen) == 1:
            return self.predict_views(images_B3HW, seen[0], options.flip, overview=options.overview)
        outputs = [self.respond(resized_images(images_B3HW, one), options.flip) for one in seen]
        if all("semantic" in one for one in outputs):
            logits = mean_semantics([one["semantic"] for one in outputs], seen, self.size_multiple)
            outputs = [one | {"semantic": mean} for one, mean in zip(outputs, logits, strict=True)]
        views = [[one.resized(size) for one in self.decode(*view)] for view in zip(outputs, seen, strict=True)]
        largest_px = self.largest_px if options.overview else math.inf
        at = lambda view: views[0] if view == seen[0] else self._predict_at(images_B3HW, view, options.flip)
        smallest = predict_views(at, size, seen[0], largest_px, self.label_set)
        together = from_near_to_far([smallest, *views[1:]], seen, size, largest_px, self.label_set)
        return [self.reconciled(prediction, outputs[-1], b, seen[-1]) for b, prediction in enumerate(together)]

    @torch.inference_mode()
    def predict_views(
        self, images_B3HW: Tensor, seen: tuple[int, int], flip: bool = False, *, overview: bool = True
    ) -> list[Prediction]:
        """Predict from images at the size `seen`, and take objects that are too large for it from a smaller view.

        Args:
            images_B3HW: (B, 3, H, W) uint8 RGB.
            seen: (H, W) in pixels at which the network sees the images.
            flip: See `predict_as_is`.
            overview: Whether there is a smaller view, see `views.predict_views`.

        Returns:
            A prediction of size (H, W) for each image.
        """
        size, largest_px = _size_of(images_B3HW), self.largest_px if overview else math.inf
        at = lambda view: self._predict_at(images_B3HW, view, flip)
        return predict_views(at, size, seen, largest_px, self.label_set)

    def _predict_at(self, images_B3HW: Tensor, view: tuple[int, int], flip: bool) -> list[Prediction]:
        """Predict images that the network sees at the size `view`; the predictions have the size of the images."""
        found = self.predict_as_is(resized_images(images_B3HW, view), flip)
        return [one.resized(_size_of(images_B3HW)) for one in found]

    def reconciled(self, prediction: Prediction, outputs: Outputs, b: int, seen: tuple[int, int]) -> Prediction:
        """Make the semantic map of a prediction consistent with its instances, which were joined from several scales.

        The base class returns the prediction as it is.

        Args:
            prediction: The prediction; its semantic map is that of the last scale.
            outputs: The outputs at the last scale.
            b: Index of the image in the batch.
            seen: (H, W) in pixels of the images at the last scale.
        """
        return prediction

    @torch.inference_mode()
    def predict_as_is(self, images_B3HW: Tensor, flip: bool = False) -> list[Prediction]:
        """Predict from images at the size that they have.

        Args:
            images_B3HW: (B, 3, H, W) uint8 RGB.
            flip: Whether to average the outputs with those of the mirror images.

        Returns:
            A prediction of size (H, W) for each image.

        Raises:
            PartwiseError: If `flip` is given and the method is not `Mirrorable`.
        """
        return self.decode(self.respond(images_B3HW, flip), _size_of(images_B3HW))


def _size_of(images_B3HW: Tensor) -> tuple[int, int]:
    """Return (H, W) of a batch in pixels."""
    height, width = images_B3HW.shape[-2:]
    return height, width
