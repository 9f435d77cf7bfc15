"""The base class of all backbones.

Axes: B images, C channels, H and W in pixels, s a stride in pixels.
"""

import torch
from torch import Tensor, nn


class Backbone(nn.Module):
    """A network that turns images into feature maps at named strides.

    Attributes:
        name: Name of the network.
        channels: Channels of the map that `forward` returns at each stride; the strides are in pixels and ascend.
        mean: Mean of the input for each of R, G and B, which the weights expect; the input is in 0..1.
        std: Standard deviation of the input for each of R, G and B, which the weights expect.
    """

    name: str
    channels: dict[int, int]
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)  # ImageNet, as torchvision and timm use it
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)

    @property
    def size_multiple(self) -> int:
        """Number of pixels that the height and the width of the input must be a multiple of (the coarsest stride)."""
        return 32

    def forward(self, images_B3HW: Tensor) -> dict[int, Tensor]:
        """Compute the feature maps of a batch.

        Args:
            images_B3HW: (B, 3, H, W) float, normalised with `mean` and `std`. H and W are multiples of `size_multiple`.

        Returns:
            The map (B, C, H / s, W / s) of every stride s in `channels`.
        """
        raise NotImplementedError

    def load_pretrained(self, source: str) -> str:
        """Load pretrained weights, for example those of ImageNet.

        Args:
            source: The name of a source that the backbone knows, or the path of a weight file.

        Returns:
            The origin of the weights in words.

        Raises:
            PartwiseError: If the weights are missing, damaged, or belong to another network.
        """
        raise NotImplementedError


def freeze_batch_norm(module: nn.Module) -> None:
    """Put every batch norm of a network into evaluation mode, so that its running statistics do not change.

    The batches of the training have one or two crops; their statistics would be too noisy.
    """
    for child in module.modules():
        if isinstance(child, nn.BatchNorm2d):
            child.eval()


class DepthwiseConv2d(nn.Conv2d):
    """A depthwise convolution that stays in fp32 under autocast on a CPU.

    On a CPU its speed is limited by memory and its backward pass in bf16 is slow, while the dense convolutions around
    it are faster in bf16. Measured with EfficientNet-Lite0 on two cores, for one training step of the backbone:
    compared with fp32 for all layers it takes .8 times as long on an AMD EPYC and 1.2 times on an Intel Xeon without
    AMX; compared with bf16 for all layers it takes .7 times as long on both (`partwise bench speed`, results/speed.json
    and speed_fourth.json).
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply the convolution to (B, C, H, W) features, in fp32 on a CPU."""
        if input.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
            return super().forward(input)
        with torch.autocast("cpu", enabled=False):
            return super().forward(input.float())


def keep_depthwise_in_float32(module: nn.Module) -> None:
    """Turn every depthwise convolution of a network into a `DepthwiseConv2d`, in place; weights and names stay."""
    for child in module.modules():
        if type(child) is nn.Conv2d and child.groups > 1 and child.groups == child.in_channels:
            child.__class__ = DepthwiseConv2d  # the fields and parameters stay, only `forward` changes
