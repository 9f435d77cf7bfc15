"""A feature pyramid (Lin et al. 2017, FPN) over a trunk: the same number of channels at every stride."""

from torch import Tensor, nn
from torch.nn import functional as F


def group_norm(channels: int) -> nn.GroupNorm:
    """Group normalisation with groups of about 8 channels: independent of the batch, which is one or two crops."""
    groups = max(1, channels // 8)
    while channels % groups:
        groups -= 1
    return nn.GroupNorm(groups, channels)


def conv_norm_relu(inputs: int, outputs: int, kernel: int = 3) -> nn.Sequential:
    """Convolution, group norm, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False), group_norm(outputs), nn.ReLU()
    )


FINEST_PX = 4  # stride of the finest map


def merged_at_finest(pyramid: dict[int, Tensor]) -> Tensor:
    """(B, channels, h, w): the sum of all maps of a pyramid, the coarser ones enlarged to the finest (bilinear)."""
    finest = pyramid[FINEST_PX]
    coarser = [pyramid[stride] for stride in pyramid if stride > FINEST_PX]
    return finest + sum(F.interpolate(one, size=finest.shape[-2:], mode="bilinear") for one in coarser)


class Pyramid(nn.Module):
    """{stride: (B, C_s, h, w)} -> {stride: (B, channels, h, w)} for the same strides, but for those below 4.

    Each map is a 1x1 of the trunk's map plus the next coarser map, enlarged twice by nearest neighbour, then a 3x3.
    """

    def __init__(self, trunk_channels: dict[int, int], channels: int):
        super().__init__()
        trunk_channels = {s: count for s, count in trunk_channels.items() if s >= FINEST_PX}
        self.channels = dict.fromkeys(sorted(trunk_channels), channels)
        self.lateral = nn.ModuleDict({str(s): nn.Conv2d(c, channels, 1) for s, c in trunk_channels.items()})
        self.smooth = nn.ModuleDict({str(s): conv_norm_relu(channels, channels) for s in trunk_channels})

    def forward(self, maps: dict[int, Tensor]) -> dict[int, Tensor]:
        """See the class."""
        merged, above = {}, None
        for stride in sorted(self.channels, reverse=True):
            here = self.lateral[str(stride)](maps[stride])
            if above is not None:
                here = here + F.interpolate(above, size=here.shape[-2:], mode="nearest")
            merged[stride] = above = here
        return {stride: self.smooth[str(stride)](merged[stride]) for stride in self.channels}
