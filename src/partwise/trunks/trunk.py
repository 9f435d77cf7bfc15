"""What every trunk is.

Axes: B images, C channels, H and W in pixels, s a stride.
"""

import torch
from torch import Tensor, nn


class Trunk(nn.Module):
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
        """Load ImageNet-like weights from `source` and return their origin in words (see trunks/pretrained.py)."""
        raise NotImplementedError


def freeze_batch_norm(module: nn.Module) -> None:
    """Keep running statistics as they are: batches of one or two crops would spoil them."""
    for child in module.modules():
        if isinstance(child, nn.BatchNorm2d):
            child.eval()


def float32_on_cpu(images: Tensor) -> torch.autocast:
    """A context without autocast on a CPU.

    Depthwise convolutions are bound by memory there: measured backward passes of EfficientNet-Lite0 take 1.6 times as
    long in bf16 as in fp32 (benchmarks/speed.py), while dense convolutions gain.
    """
    return torch.autocast(images.device.type, enabled=images.device.type != "cpu" and torch.is_autocast_enabled())
