"""Backbones: image -> feature maps at named strides. `build_backbone` makes one by name."""

from collections.abc import Callable, Mapping

from partwise.backbones.backbone import Backbone
from partwise.backbones.timm import TimmBackbone
from partwise.backbones.vgg import POOL, VggBackbone
from partwise.plugins import Plugins

# By name; any other name is one of timm's.
BACKBONES: Mapping[str, Callable[..., Backbone]] = Plugins("partwise.backbones", {"vgg16": VggBackbone}, "backbone")

__all__ = ["BACKBONES", "POOL", "Backbone", "TimmBackbone", "VggBackbone", "build_backbone"]


def build_backbone(name: str, *, holes: bool = False, frozen_blocks: int = 0, finest_px: int = 4) -> Backbone:
    """A backbone with random weights: "vgg16" or any timm model that gives features.

    holes       the hole algorithm: later layers are dilated and keep stride 8
    finest_px   2 also gives the map at stride 2 (conv2_2 of VGG16)

    Raises PartwiseError for an unknown name, with the nearest known one.
    """
    if name in BACKBONES:
        return BACKBONES[name](holes=holes, frozen_blocks=frozen_blocks, finest_px=finest_px)
    return TimmBackbone(name, holes=holes, frozen_blocks=frozen_blocks, finest_px=finest_px)
