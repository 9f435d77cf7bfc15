"""A backbone of three convolutions."""

from __future__ import annotations

from torch import Tensor, nn

from partwise.backbones import Backbone


class TinyBackbone(Backbone):
    """Maps at strides 4, 8, 16 and 32."""

    name = "tiny"

    def __init__(self, *, holes: bool = False, frozen_blocks: int = 0, finest_px: int = 4):
        super().__init__()
        self.channels = {4: 12, 8: 12, 16: 12, 32: 12}
        self.stem = nn.Sequential(nn.Conv2d(3, 12, 7, stride=4, padding=3), nn.ReLU())
        self.stages = nn.ModuleList(
            nn.Sequential(nn.Conv2d(12, 12, 3, stride=2, padding=1), nn.ReLU()) for _ in range(3)
        )

    def forward(self, images_B3HW: Tensor) -> dict[int, Tensor]:
        """Compute the maps of images.

        Args:
            images_B3HW: (B, 3, H, W) float, normalised.

        Returns:
            Stride in pixels -> (B, 12, H / stride, W / stride).
        """
        maps = {4: self.stem(images_B3HW)}
        for stride, stage in zip((8, 16, 32), self.stages, strict=True):
            maps[stride] = stage(maps[stride // 2])
        return maps

    def load_pretrained(self, source: str) -> str:
        """Refuse: there are no pretrained weights.

        Raises:
            ValueError: Always.
        """
        raise ValueError("the backbone tiny has no pretrained weights")
