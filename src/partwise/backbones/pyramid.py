"""A feature pyramid (Lin et al. 2017, FPN) over a backbone: the same number of channels at every stride."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from partwise.backbones.initialisation import start_at_zero


def group_norm(channels: int) -> nn.GroupNorm:
    """Group normalisation with groups of about 8 channels: independent of the batch, which is one or two crops."""
    groups = max(1, channels // 8)
    while channels % groups:
        groups -= 1
    return nn.GroupNorm(groups, channels)


def conv_norm_relu(inputs: int, outputs: int, kernel: int = 3, dilation: int = 1) -> nn.Sequential:
    """Convolution, group norm, ReLU."""
    conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2 * dilation, dilation=dilation, bias=False)
    return nn.Sequential(conv, group_norm(outputs), nn.ReLU(inplace=True))


FINEST_PX = 4  # stride of the finest map


def merged_at_finest(pyramid: dict[int, Tensor]) -> Tensor:
    """(B, channels, h, w): the sum of all maps of a pyramid, the coarser ones enlarged to the finest (bilinear)."""
    finest = pyramid[FINEST_PX]
    merged = finest
    for one in (pyramid[stride] for stride in pyramid if stride > FINEST_PX):
        merged = F.interpolate(one, size=finest.shape[-2:], mode="bilinear").add_(merged)
    return merged


class Context(nn.Module):
    """(B, C, h, w) -> the same: each cell also sees what lies further away than the backbone looks.

    Residual blocks of a dilated 3x3 and a 1x1, one a dilation, as in the dilated encoder of YOLOF (Chen et al. 2021).
    They see cells, not shares of an image, so that a crop and a whole frame look alike. What they add starts at 0: a
    network that gets them begins where it was.
    """

    def __init__(self, channels: int, dilations: Sequence[int]):
        super().__init__()
        blocks = [
            nn.Sequential(conv_norm_relu(channels, channels, dilation=dilation), nn.Conv2d(channels, channels, 1))
            for dilation in dilations
        ]
        self.blocks = nn.ModuleList(blocks)
        for block in blocks:
            start_at_zero(block[-1])

    def forward(self, features_BChw: Tensor) -> Tensor:
        """See the class."""
        for block in self.blocks:
            features_BChw = block(features_BChw).add_(features_BChw)
        return features_BChw


class Pyramid(nn.Module):
    """{stride: (B, C_s, h, w)} -> {stride: (B, channels, h, w)} for the same strides, but for those below 4.

    Each map is a 1x1 of the backbone's map plus the next coarser map, enlarged twice by nearest neighbour, then a 3x3.

    context   dilations of the blocks that the coarsest map goes through first, see Context; empty for none
    """

    def __init__(self, backbone_channels: dict[int, int], channels: int, context: Sequence[int] = ()):
        super().__init__()
        backbone_channels = {s: count for s, count in backbone_channels.items() if s >= FINEST_PX}
        self.channels = dict.fromkeys(sorted(backbone_channels), channels)
        self.lateral = nn.ModuleDict({str(s): nn.Conv2d(c, channels, 1) for s, c in backbone_channels.items()})
        self.smooth = nn.ModuleDict({str(s): conv_norm_relu(channels, channels) for s in backbone_channels})
        self.context = Context(channels, context)

    def forward(self, maps: dict[int, Tensor]) -> dict[int, Tensor]:
        """See the class."""
        merged, above = {}, None
        for stride in sorted(self.channels, reverse=True):
            here = self.lateral[str(stride)](maps[stride])
            if above is None:
                here = self.context(here)
            else:
                here = F.interpolate(above, size=here.shape[-2:], mode="nearest").add_(here)
            merged[stride] = above = here
        return {stride: self.smooth[str(stride)](merged[stride]) for stride in self.channels}
