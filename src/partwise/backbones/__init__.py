"""Backbones: networks that turn an image into feature maps at named strides. `build_backbone` makes one by name."""

from collections.abc import Callable, Mapping

from partwise.backbones.backbone import Backbone
from partwise.backbones.timm import TimmBackbone
from partwise.backbones.vgg import POOL, VggBackbone
from partwise.plugins import Plugins

# Backbones by name. Any other name is taken as the name of a timm model.
BACKBONES: Mapping[str, Callable[..., Backbone]] = Plugins("partwise.backbones", {"vgg16": VggBackbone}, "backbone")

__all__ = ["BACKBONES", "POOL", "Backbone", "TimmBackbone", "VggBackbone", "build_backbone"]


def build_backbone(name: str, *, holes: bool = False, frozen_blocks: int = 0, finest_px: int = 4) -> Backbone:
    """Build a backbone with random weights.

    Args:
        name: "vgg16", the name of a backbone that another package adds, or the name of any convolutional timm model.
        holes: Whether later layers are dilated and keep stride 8 (the hole algorithm).
        frozen_blocks: How many of the first blocks keep their weights in training.
        finest_px: Stride of the finest map, 4 or 2 (px).

    Raises:
        PartwiseError: If the name is unknown (the error names the nearest known ones), or if the network has no feature
            maps at the strides that are needed.
    """
    if name in BACKBONES:
        return BACKBONES[name](holes=holes, frozen_blocks=frozen_blocks, finest_px=finest_px)
    return TimmBackbone(name, holes=holes, frozen_blocks=frozen_blocks, finest_px=finest_px)
