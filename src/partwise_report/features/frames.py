"""Frames with their truth and the stored maps of a frozen backbone, whole or in crops.

Axes: C channels, h and w cells, H and W pixels.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from partwise.backbones import Backbone, VggBackbone
from partwise.errors import PartwiseError
from partwise.scene import Scene, Scenes
from partwise_report.features.extract import BASE, HOLES, LAYERS
from partwise_report.features.store import POOLED, FeatureStore, require_frames
from streeteval.scene import names_of

KEPT_SCENES = 256  # in memory: about 4 MB each at 1024x512


@dataclass(frozen=True)
class Area:
    """A part of a frame in pixels."""

    top: int
    left: int
    height: int
    width: int

    def cut(self, scene: Scene) -> Scene:
        """The scene in this part alone."""
        return scene.cut((slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)))

    def in_cells(self, size: tuple[int, int], shape: tuple[int, int]) -> tuple[slice, slice]:
        """The rows and columns of a map of `shape` (h, w) over a frame of `size` (H, W)."""
        rows, columns = (Ratio(cells, pixels) for cells, pixels in zip(shape, size, strict=True))
        return rows.span(self.top, self.height), columns.span(self.left, self.width)


@dataclass(frozen=True)
class Ratio:
    """`cells` along an axis over `pixels` of the frame."""

    cells: int
    pixels: int

    def span(self, first: int, length: int) -> slice:
        """Cells of a part that begins and ends between two cells."""
        ends = [end * self.cells for end in (first, first + length)]
        if any(end % self.pixels for end in ends):
            raise PartwiseError(
                f"a crop from {first} to {first + length} px does not fit cells of "
                f"{self.pixels / self.cells:g} px: give a crop whose sides are multiples of 32 px"
            )
        return slice(*(end // self.pixels for end in ends))


class StoredFrames:
    """Frames of a data set with the maps of a store.

    Attributes:
        scenes: With their truth, at the size at which networks are scored.
        store: Has the maps of all of them.
    """

    def __init__(self, scenes: Scenes, store: FeatureStore):
        require_frames(store, names_of(scenes))
        self.scenes, self.store = scenes, store
        self.scene = functools.lru_cache(KEPT_SCENES)(self._scene)

    def __len__(self) -> int:
        return len(self.scenes)

    def _scene(self, number: int) -> Scene:
        return self.scenes[number]

    def maps(self, number: int, layers: dict[int, str], area: Area | None = None) -> dict[int, Tensor]:
        """What a backbone says of a frame or a part of it; the part was seen with the whole frame around it.

        Args:
            number: Of the frame.
            layers: Stride in pixels of the network's input -> name of the layer, see `layers_of`.
            area: The part, with sides that are multiples of 32 px; None for the whole frame.

        Returns:
            Stride -> (1, C, h, w) float32.
        """
        scene = self.scene(number)
        place = self.store.place(scene.name)
        return {stride: self._map(place, layer, scene.size, area) for stride, layer in layers.items()}

    def _map(self, place: int, layer: str, size: tuple[int, int], area: Area | None) -> Tensor:
        pooled = layer in POOLED and layer not in self.store.description.layers
        stored = self.store.layer(POOLED[layer] if pooled else layer)
        rows, columns = (slice(None), slice(None)) if area is None else area.in_cells(size, stored.shape[-2:])
        values = torch.from_numpy(np.ascontiguousarray(stored[place][:, rows, columns], np.float32))[None]
        values = values.contiguous(memory_format=torch.channels_last)
        return F.max_pool2d(values, 2) if pooled else values


def layers_of(backbone: Backbone) -> dict[int, str]:
    """Stride -> name in LAYERS of each map that a VGG16 returns.

    Raises:
        PartwiseError: For another backbone, whose maps cannot be stored.
    """
    if not isinstance(backbone, VggBackbone):
        raise PartwiseError(f"backbone {backbone.name}: only maps of vgg16 are stored: give method.backbone=vgg16")
    names = {index: name for name, (index, _) in LAYERS.items() if name != HOLES}
    last = LAYERS[HOLES][0]
    return {
        stride: HOLES if backbone.holes and index == last else names[index] for stride, index in backbone.taps.items()
    }


class GivenMaps(Backbone):
    """Stands in for a frozen backbone: it says the maps that were given to it, whatever image it is shown.

    Attributes:
        layers: Stride -> name of the stored layer that it must be given.
        maps: Stride -> (B, C, h, w), what it says next.
    """

    def __init__(self, backbone: Backbone):
        super().__init__()
        self.name, self.channels, self.mean, self.std = (
            backbone.name,
            backbone.channels,
            backbone.mean,
            backbone.std,
        )
        self.layers = layers_of(backbone)
        self.maps: dict[int, Tensor] = {}

    def forward(self, images_B3HW: Tensor) -> dict[int, Tensor]:
        """See Backbone.forward; the images are not looked at."""
        return self.maps


class LearntFifthBlock(GivenMaps):
    """Is given conv4_3 and computes conv5 from it, with weights that learn; for networks that read conv5_3 alone."""

    def __init__(self, backbone: VggBackbone):
        super().__init__(backbone)
        if set(self.layers.values()) != {HOLES}:
            raise PartwiseError("conv5 is learnt on stored features with features=holes alone: give it")
        self.features = backbone.features[LAYERS[BASE][0] + 1 : LAYERS[HOLES][0] + 1]
        self.layers = dict.fromkeys(self.layers, BASE)

    def forward(self, images_B3HW: Tensor) -> dict[int, Tensor]:
        """See Backbone.forward."""
        return {stride: self.features(conv4_3) for stride, conv4_3 in self.maps.items()}
