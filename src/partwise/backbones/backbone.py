"""What every backbone is.

Axes: B images, C channels, H and W in pixels, s a stride.
"""

import torch
from torch import Tensor, nn


class Backbone(nn.Module):
    """Image -> feature maps at named strides.

    channels      {stride: C}, strides ascending; the maps that `forward` returns
    size_multiple  H and W of the input must be multiples of it (the coarsest stride)
    mean, std     of the input in 0..1, RGB, as the weights expect it
    """

    name: str
    channels: dict[int, int]
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)  # ImageNet, as torchvision and timm use it
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)

    @property
    def size_multiple(self) -> int:
        """Pixels that the sides of the input must be a multiple of."""
        return 32

    def forward(self, images_B3HW: Tensor) -> dict[int, Tensor]:
        """Normalised images -> {stride s: (B, C, H / s, W / s)} for every stride in `channels`."""
        raise NotImplementedError

    def load_pretrained(self, source: str) -> str:
        """Load ImageNet-like weights from `source` and return their origin in words."""
        raise NotImplementedError


def freeze_batch_norm(module: nn.Module) -> None:
    """Keep running statistics as they are: batches of one or two crops would spoil them."""
    for child in module.modules():
        if isinstance(child, nn.BatchNorm2d):
            child.eval()


class DepthwiseConv2d(nn.Conv2d):
    """A depthwise convolution that stays in fp32 under autocast on a CPU.

    It is bound by memory there and its bf16 backward pass is slow, while the dense convolutions around it gain:
    measured on EfficientNet-Lite0 on two cores, a training step of the backbone takes .8 times as long as all in fp32
    on an AMD EPYC and 1.2 times on an Intel Xeon without AMX, and on both .7 times as long as all in bf16 (`partwise
    bench speed`, results/speed.json and speed_fourth.json).
    """

    def forward(self, input: Tensor) -> Tensor:
        """As nn.Conv2d."""
        if input.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
            return super().forward(input)
        with torch.autocast("cpu", enabled=False):
            return super().forward(input.float())


def keep_depthwise_in_float32(module: nn.Module) -> None:
    """Turn every depthwise convolution of a network into a DepthwiseConv2d, weights and names unchanged."""
    for child in module.modules():
        if type(child) is nn.Conv2d and child.groups > 1 and child.groups == child.in_channels:
            child.__class__ = DepthwiseConv2d  # same fields and parameters, another forward
