"""What every method of telling instances apart is: a pair of inverse maps around a network.

Axes: B images, H and W in pixels, C evaluated classes, N instances.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from partwise.errors import PartwiseError
from partwise.geometry import padded_size
from partwise.labels import LabelSet
from partwise.scene import Prediction, Scene
from partwise.trunks import Trunk

# Frames of Cityscapes are that long. A larger photo shows larger objects, not more of them, and networks know theirs.
LONGEST_SIDE_PX = 2048
MAX_SCALE = 8.0

Outputs = dict[str, Tensor | list[Tensor]]
Targets = dict[str, Tensor]


class Method(nn.Module):
    """A network with its truth and its decoder. Subclasses give the five functions below.

    `decode(ideal([targets(scene)]))` gives the scene back up to the method's ceiling: that is the test that every
    method shares. Images are padded at the right and the bottom to a multiple of `size_multiple`.
    """

    label_set: LabelSet
    trunk: Trunk
    has_instances: bool = True  # False: a semantic method, whose AP is not 0 but undefined

    def forward(self, images_B3HW: Tensor) -> Outputs:
        """Raw images (B, 3, H, W) uint8, H and W multiples of `size_multiple` -> outputs, logits throughout."""
        raise NotImplementedError

    def targets(self, scene: Scene) -> Targets:
        """The truth of one scene as the network should say it; H and W multiples of `size_multiple`."""
        raise NotImplementedError

    def ideal(self, targets: list[Targets]) -> Outputs:
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
    def size_multiple(self) -> int:
        """Pixels that the sides of the input must be a multiple of."""
        return self.trunk.size_multiple

    def normalise(self, images_B3HW: Tensor) -> Tensor:
        """uint8 0..255 -> float with the mean and scale that the trunk's weights expect."""
        mean = torch.tensor(self.trunk.mean, device=images_B3HW.device).view(3, 1, 1)
        std = torch.tensor(self.trunk.std, device=images_B3HW.device).view(3, 1, 1)
        normalised = (images_B3HW / 255.0 - mean) / std
        return normalised.contiguous(memory_format=torch.channels_last)

    @torch.inference_mode()
    def respond(self, images_B3HW: Tensor) -> Outputs:
        """What the network says of uint8 images of any size, padded to a multiple of `size_multiple`."""
        height, width = padded_size(images_B3HW.shape[-2:], self.size_multiple)
        return self(F.pad(images_B3HW, (0, width - images_B3HW.shape[-1], 0, height - images_B3HW.shape[-2])))

    @torch.inference_mode()
    def predict(self, images_B3HW: Tensor, scale: float | None = None) -> list[Prediction]:
        """uint8 images of any size -> predictions of that size.

        scale   see `seen_size`
        """
        size = tuple(images_B3HW.shape[-2:])
        seen = seen_size(size, scale)
        if seen == size:
            return self.predict_as_is(images_B3HW)
        return [one.resized(size) for one in self.predict_as_is(resized_images(images_B3HW, seen))]

    @torch.inference_mode()
    def predict_as_is(self, images_B3HW: Tensor) -> list[Prediction]:
        """The same from the images at the size that they have."""
        return self.decode(self.respond(images_B3HW), tuple(images_B3HW.shape[-2:]))


def seen_size(size: tuple[int, int], scale: float | None = None) -> tuple[int, int]:
    """(H, W) at which a network sees an image of `size` (H, W).

    scale   how many times as large, above 0 to MAX_SCALE; None: as it is, but no side longer than LONGEST_SIDE_PX

    Raises PartwiseError for a scale out of its limits.

    >>> seen_size((3000, 4000)), seen_size((512, 1024)), seen_size((512, 1024), 0.5)
    ((1536, 2048), (512, 1024), (256, 512))
    """
    if scale is None:
        scale = min(1.0, LONGEST_SIDE_PX / max(size))
    if not 0 < scale <= MAX_SCALE:
        raise PartwiseError(f"scale {scale}: give a number above 0, at most {MAX_SCALE:g}")
    return tuple(max(1, round(side * scale)) for side in size)


def resized_images(images_B3HW: Tensor, size: tuple[int, int]) -> Tensor:
    """uint8 images at another `size` (H, W), smoothed where they become smaller."""
    scaled = F.interpolate(images_B3HW.float(), size=size, mode="bilinear", antialias=True)
    return scaled.round().clamp(0, 255).to(torch.uint8)
