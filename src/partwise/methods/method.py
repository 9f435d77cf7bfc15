"""What every method of telling instances apart is: a pair of inverse maps around a network.

Axes: B images, H and W in pixels, C evaluated classes, N instances.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from partwise.backbones import Backbone
from partwise.errors import PartwiseError
from partwise.fields import configuration
from partwise.geometry import padded_size
from partwise.labels import LabelSet
from partwise.methods.capabilities import Mirrorable
from partwise.methods.options import (
    DEFAULT_OPTIONS,
    InferenceOptions,
    Outputs,
    joined,
    mean_outputs,
    mean_semantics,
    resized_images,
    seen_sizes,
)
from partwise.scene import Prediction, Scene

__all__ = ["Method", "MethodConfig", "Outputs", "Targets", "image_at", "image_batch", "require_mirrorable"]

Targets = dict[str, Tensor]


@configuration
class MethodConfig:
    """What every configuration of a method is: a pydantic dataclass with a default for each field."""


def image_batch(image_HW3: np.ndarray, device: torch.device | str = "cpu") -> Tensor:
    """(H, W, 3) uint8 RGB -> (1, 3, H, W) uint8, as networks take it; a copy."""
    return torch.tensor(image_HW3).permute(2, 0, 1)[None].to(device)


def image_at(image_HW3: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(H, W, 3) uint8 RGB at another `size` (H, W), as networks see it."""
    if image_HW3.shape[:2] == tuple(size):
        return image_HW3
    return resized_images(image_batch(image_HW3), size)[0].permute(1, 2, 0).numpy()


def require_mirrorable(method: Method) -> Mirrorable:
    """The method as one whose outputs can be mirrored.

    Raises:
        PartwiseError: If it is not `Mirrorable`, so that test-time augmentation by a flip is not possible.
    """
    if not isinstance(method, Mirrorable):
        raise PartwiseError(
            f"flip: {type(method).__name__} cannot average an image and its mirror image: part maps, centres and FCN "
            "can; leave it out"
        )
    return method


class Method(nn.Module):
    """A network with its truth and its decoder. Subclasses give the five functions below.

    `decode(oracle([targets(scene)]))` gives the scene back up to the method's ceiling: that is the test that every
    method shares. Images are padded at the right and the bottom to a multiple of `size_multiple`.
    """

    Config: ClassVar[type[MethodConfig]]  # what `Method(config, label_set)` takes
    config: MethodConfig
    label_set: LabelSet
    backbone: Backbone
    has_instances: bool = True  # False: a semantic method, whose AP is not 0 but undefined
    has_semantics: bool = True  # False: its predictions have no semantic map

    def forward(self, images_B3HW: Tensor) -> Outputs:
        """Raw images (B, 3, H, W) uint8, H and W multiples of `size_multiple` -> outputs, logits throughout."""
        raise NotImplementedError

    def targets(self, scene: Scene) -> Targets:
        """The truth of one scene as the network should say it; H and W multiples of `size_multiple`."""
        raise NotImplementedError

    def oracle(self, targets: list[Targets]) -> Outputs:
        """The outputs that a perfect network would give for these targets."""
        raise NotImplementedError

    def loss(self, outputs: Outputs, targets: list[Targets]) -> dict[str, Tensor]:
        """Named terms, each a scalar; their sum is minimised."""
        raise NotImplementedError

    def decode(self, outputs: Outputs, size: tuple[int, int]) -> list[Prediction]:
        """Outputs of B images -> their predictions, cut to `size` (H, W) in pixels."""
        raise NotImplementedError

    @property
    def instance_classes(self) -> tuple[int, ...]:
        """Ids of the classes whose instances are told apart; crops of the training are laid around those."""
        return tuple(label.id for label in self.label_set.things)

    @property
    def default_scale(self) -> float:
        """How many times as large it sees an image where nothing else is said."""
        return 1.0

    @property
    def size_multiple(self) -> int:
        """Pixels that the sides of the input must be a multiple of."""
        return self.backbone.size_multiple

    def normalise(self, images_B3HW: Tensor) -> Tensor:
        """uint8 0..255 -> float with the mean and scale that the backbone's weights expect."""
        mean = torch.tensor(self.backbone.mean, device=images_B3HW.device).view(3, 1, 1)
        std = torch.tensor(self.backbone.std, device=images_B3HW.device).view(3, 1, 1)
        normalised = (images_B3HW / 255.0 - mean) / std
        return normalised.contiguous(memory_format=torch.channels_last)

    @torch.inference_mode()
    def respond(self, images_B3HW: Tensor, flip: bool = False) -> Outputs:
        """What the network says of uint8 images of any size, padded to a multiple of `size_multiple`.

        flip   see InferenceOptions. Raises PartwiseError where the method is not `Mirrorable`.
        """
        if not flip:
            return self(self._padded(images_B3HW))
        own, padded = require_mirrorable(self), self._padded(images_B3HW)
        return mean_outputs(self(padded), own.mirrored(self(padded.flip(-1))))

    def _padded(self, images_B3HW: Tensor) -> Tensor:
        """Images with sides that are multiples of `size_multiple`."""
        height, width = padded_size(images_B3HW.shape[-2:], self.size_multiple)
        return F.pad(images_B3HW, (0, width - images_B3HW.shape[-1], 0, height - images_B3HW.shape[-2]))

    @torch.inference_mode()
    def predict(self, images_B3HW: Tensor, options: InferenceOptions = DEFAULT_OPTIONS) -> list[Prediction]:
        """uint8 images of any size -> predictions of that size.

        Args:
            images_B3HW: (B, 3, H, W) uint8 RGB, on the device of the network.
            options: Of these, `scale` and `flip`. Of several sizes the semantic maps are averaged before each is
                decoded, and the instances of all are joined. Device and precision are the caller's: the network runs
                where its weights are, and in fp32 outside of `InferenceOptions.autocast`.

        Raises:
            PartwiseError: If `options.flip` is set and the method is not `Mirrorable`.
        """
        size = _size_of(images_B3HW)
        seen = sorted(seen_sizes(size, options.scale, self.default_scale))
        if len(seen) == 1:
            found = self.predict_as_is(resized_images(images_B3HW, seen[0]), options.flip)
            return [one.resized(size) for one in found]
        outputs = [self.respond(resized_images(images_B3HW, one), options.flip) for one in seen]
        if all("semantic" in one for one in outputs):
            logits = mean_semantics([one["semantic"] for one in outputs], seen, self.size_multiple)
            outputs = [one | {"semantic": mean} for one, mean in zip(outputs, logits, strict=True)]
        by_size = [self.decode(*one) for one in zip(outputs, seen, strict=True)]
        together = [joined([one.resized(size) for one in image]) for image in zip(*by_size, strict=True)]
        return [self.reconciled(prediction, outputs[-1], b, seen[-1]) for b, prediction in enumerate(together)]

    def reconciled(self, prediction: Prediction, outputs: Outputs, b: int, seen: tuple[int, int]) -> Prediction:
        """The prediction of image `b` with its semantic map in line with its instances, joined from several sizes.

        Args:
            prediction: Its semantic map is that of the last size.
            outputs: Of the last size.
            b: Index of the image in the batch.
            seen: (H, W) in pixels of the last size.
        """
        return prediction

    @torch.inference_mode()
    def predict_as_is(self, images_B3HW: Tensor, flip: bool = False) -> list[Prediction]:
        """The same from the images at the size that they have."""
        return self.decode(self.respond(images_B3HW, flip), _size_of(images_B3HW))


def _size_of(images_B3HW: Tensor) -> tuple[int, int]:
    height, width = images_B3HW.shape[-2:]
    return height, width
