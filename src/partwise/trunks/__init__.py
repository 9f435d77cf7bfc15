"""Trunks: image -> feature maps at named strides. `build_trunk` makes one by name."""

from partwise.trunks.timm import TimmTrunk
from partwise.trunks.trunk import Trunk
from partwise.trunks.vgg import VggTrunk

__all__ = ["TimmTrunk", "Trunk", "VggTrunk", "build_trunk"]


def build_trunk(name: str, *, holes: bool = False, frozen_blocks: int = 0, finest_px: int = 4) -> Trunk:
    """A trunk with random weights: "vgg16" (plain or with holes) or any timm model that gives features.

    finest_px   2 also gives the map at stride 2 (conv2_2 of VGG16)

    Raises PartwiseError for an unknown name, with the nearest known one.
    """
    if name == "vgg16":
        return VggTrunk(holes=holes, frozen_blocks=frozen_blocks, finest_px=finest_px)
    return TimmTrunk(name, holes=holes, frozen_blocks=frozen_blocks, finest_px=finest_px)
