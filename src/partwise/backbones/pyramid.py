"""A feature pyramid over a backbone (FPN, Lin et al. 2017), with the same number of channels at every stride.

Axes: B images, C channels, h and w cells of a map.
"""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from partwise.backbones.initialisation import start_at_zero


def group_norm(channels: int) -> nn.GroupNorm:
    """Make a group normalisation with groups of about 8 channels.

    Unlike batch norm it does not depend on the batch, which has only one or two crops.
    """
    groups = max(1, channels // 8)
    while channels % groups:
        groups -= 1
    return nn.GroupNorm(groups, channels)


def conv_norm_relu(inputs: int, outputs: int, kernel: int = 3, dilation: int = 1) -> nn.Sequential:
    """Make a convolution without bias, followed by group norm and ReLU; the size of the map stays the same.

    Args:
        inputs: Channels of the input.
        outputs: Channels of the output.
        kernel: Side of the kernel in cells, odd.
        dilation: Distance between the taps of the kernel in cells.
    """
    conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2 * dilation, dilation=dilation, bias=False)
    return nn.Sequential(conv, group_norm(outputs), nn.ReLU(inplace=True))


FINEST_PX = 4  # stride of the finest map of a pyramid, in pixels


def merged_at_finest(pyramid: dict[int, Tensor]) -> Tensor:
    """Sum all maps of a pyramid at the finest stride; coarser maps are enlarged (bilinear).

    Args:
        pyramid: The map (B, C, h, w) of each stride, with a map at stride `FINEST_PX`.

    Returns:
        (B, C, h, w) at stride `FINEST_PX`.
    """
    finest = pyramid[FINEST_PX]
    merged = finest
    for one in (pyramid[stride] for stride in pyramid if stride > FINEST_PX):
        merged = F.interpolate(one, size=finest.shape[-2:], mode="bilinear").add_(merged)
    return merged


class Context(nn.Module):
    """Dilated residual blocks, by which each cell sees further than the backbone does.

    Each block is a dilated 3x3 and a 1x1 convolution, as in the dilated encoder of YOLOF (Chen et al. 2021). The
    distances are in cells, not in shares of the image, so that a crop and a whole frame are treated alike. What the
    blocks add starts at 0, so that a network that gets them computes at first what it computed before.

    Args:
        channels: Channels of the input and of the output.
        dilations: Dilation of each block in cells; empty for no blocks.
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
        """Apply the blocks one after the other: (B, C, h, w) -> (B, C, h, w)."""
        for block in self.blocks:
            features_BChw = block(features_BChw).add_(features_BChw)
        return features_BChw


class Pyramid(nn.Module):
    """A feature pyramid: feature maps of a backbone -> maps of the same strides, all with the same number of channels.

    Each map is a 1x1 convolution of the backbone's map plus the next coarser map, which is enlarged by 2 (nearest
    neighbour), followed by a 3x3 convolution. Maps of the backbone below stride `FINEST_PX` are not used.

    Args:
        backbone_channels: Channels of the backbone's map at each stride.
        channels: Channels of every map of the pyramid.
        context: Dilations of the blocks that the coarsest map passes first, see `Context`; empty for none.

    Attributes:
        channels: Channels of the pyramid's map at each stride, in ascending order of the strides.
    """

    def __init__(self, backbone_channels: dict[int, int], channels: int, context: Sequence[int] = ()):
        super().__init__()
        backbone_channels = {s: count for s, count in backbone_channels.items() if s >= FINEST_PX}
        self.channels = dict.fromkeys(sorted(backbone_channels), channels)
        self.lateral = nn.ModuleDict({str(s): nn.Conv2d(c, channels, 1) for s, c in backbone_channels.items()})
        self.smooth = nn.ModuleDict({str(s): conv_norm_relu(channels, channels) for s in backbone_channels})
        self.context = Context(channels, context)

    def forward(self, maps: dict[int, Tensor]) -> dict[int, Tensor]:
        """Compute the maps of the pyramid.

        Args:
            maps: The backbone's map (B, C, h, w) of each stride; C differs from stride to stride.

        Returns:
            The map (B, channels, h, w) of each stride in `channels`.
        """
        merged, above = {}, None
        for stride in sorted(self.channels, reverse=True):
            here = self.lateral[str(stride)](maps[stride])
            if above is None:
                here = self.context(here)
            else:
                here = F.interpolate(above, size=here.shape[-2:], mode="nearest").add_(here)
            merged[stride] = above = here
        return {stride: self.smooth[str(stride)](merged[stride]) for stride in self.channels}
