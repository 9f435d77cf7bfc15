"""The base class of all backbones.

Axes: B images, C channels, H and W in pixels, s a stride in pixels.
"""

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
