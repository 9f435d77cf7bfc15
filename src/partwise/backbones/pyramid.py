"""A feature pyramid over a backbone (FPN, Lin et al. 2017), with the same number of channels at every stride.

Axes: B images, C channels, h and w cells of a map.
"""

from collections.abc import Callable, Sequence
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from partwise.backbones.depthwise import DepthwiseConv2d
from partwise.backbones.initialisation import start_at_zero

Heads = Literal["dense", "separable"]
Block = Callable[
    [int, int], nn.Sequential
]  # (channels of the input, channels of the output) -> convolution, norm, ReLU
SEPARABLE_KERNEL = 5  # cells; a depthwise kernel costs little, so that it can be wider than a dense one


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


def separable_conv(inputs: int, outputs: int, *, bias: bool) -> tuple[nn.Conv2d, nn.Conv2d]:
    """Make a depthwise 5x5 and a pointwise convolution; the size of the map stays the same.

    At 96 channels they need an eighth of the multiplications of a dense 3x3 convolution.

    Args:
        inputs: Channels of the input.
        outputs: Channels of the output.
        bias: Whether the pointwise convolution has a bias.
    """
    padding = SEPARABLE_KERNEL // 2
    depthwise = DepthwiseConv2d(inputs, inputs, SEPARABLE_KERNEL, padding=padding, groups=inputs, bias=False)
    return depthwise, nn.Conv2d(inputs, outputs, 1, bias=bias)


def separable_norm_relu(inputs: int, outputs: int) -> nn.Sequential:
    """Make a `separable_conv` without bias, followed by group norm and ReLU; the size of the map stays the same."""
    return nn.Sequential(*separable_conv(inputs, outputs, bias=False), group_norm(outputs), nn.ReLU(inplace=True))


def block_of(heads: Heads) -> Block:
    """Return the function that makes the blocks of a pyramid and of its heads.

    Args:
        heads: "dense" for 3x3 convolutions, "separable" for depthwise 5x5 and pointwise convolutions.
    """
    return conv_norm_relu if heads == "dense" else separable_norm_relu


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
    neighbour), followed by a 3x3 convolution. Maps of the backbone below stride `FINEST_PX` are not used. Maps at
    strides beyond the backbone's are made from the coarsest one by convolutions with stride 2 (RetinaNet, section 4).

    Args:
        backbone_channels: Channels of the backbone's map at each stride.
        channels: Channels of every map of the pyramid.
        context: Dilations of the blocks that the backbone's coarsest map passes first, see `Context`; empty for none.
        coarsest_px: Stride of the coarsest map in pixels; None for that of the backbone.
        block: Makes the block that follows each sum, see `block_of`.

    Attributes:
        channels: Channels of the pyramid's map at each stride, in ascending order of the strides.
    """

    def __init__(
        self,
        backbone_channels: dict[int, int],
        channels: int,
        context: Sequence[int] = (),
        *,
        coarsest_px: int | None = None,
        block: Block = conv_norm_relu,
    ):
        super().__init__()
        backbone_channels = {s: count for s, count in backbone_channels.items() if s >= FINEST_PX}
        self.channels = dict.fromkeys(sorted(backbone_channels), channels)
        self.lateral = nn.ModuleDict({str(s): nn.Conv2d(c, channels, 1) for s, c in backbone_channels.items()})
        self.smooth = nn.ModuleDict({str(s): block(channels, channels) for s in backbone_channels})
        self.context = Context(channels, context)
        self.down = nn.ModuleDict()
        stride = max(self.channels)
        while coarsest_px is not None and stride < coarsest_px:
            stride *= 2
            self.down[str(stride)] = nn.Conv2d(channels, channels, 3, stride=2, padding=1)
            self.smooth[str(stride)] = block(channels, channels)
            self.channels[stride] = channels

    def forward(self, maps: dict[int, Tensor]) -> dict[int, Tensor]:
        """Compute the maps of the pyramid.

        Args:
            maps: The backbone's map (B, C, h, w) of each stride; C differs from stride to stride.

        Returns:
            The map (B, channels, h, w) of each stride in `channels`.
        """
        merged: dict[int, Tensor] = {}
        above = None
        for stride in sorted(map(int, self.lateral), reverse=True):
            here = self.lateral[str(stride)](maps[stride])
            if above is None:
                here = self.context(here)
            else:
                here = F.interpolate(above, size=here.shape[-2:], mode="nearest").add_(here)
            merged[stride] = above = here
        for stride in map(int, self.down):
            merged[stride] = self.down[str(stride)](merged[stride // 2])
        return {stride: self.smooth[str(stride)](merged[stride]) for stride in self.channels}
