"""The report's maps of instances, made learnable: coordinates, places instead of ranks, no order at all, or colours.

`Ordering` asks for a rank, which is a global count that no convolution sees. Here the network and its decoder stay;
what changes is which map an instance belongs to, or what the network is told of where it looks.

Axes: B images, R maps (map 0 is the background), H and W pixels, h and w cells.
"""

from __future__ import annotations

from dataclasses import fields
from functools import partial
from typing import Any, Literal, cast

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor, nn
from torch.nn import functional as F

from partwise.errors import PartwiseError
from partwise.fields import BelowOne, Blocks, Count, CountOrZero, MapCount, NotNegative, configuration
from partwise.methods import MethodConfig, Outputs, Targets
from partwise.scene import Prediction, Scene
from partwise_report.ordering.learnable_targets import best_fit, by_location, colouring_loss, colours
from partwise_report.ordering.losses import LossOver, order_loss
from partwise_report.ordering.network import ORACLE_LOGIT, Ordering, OrderingConfig
from partwise_report.ordering.targets import BACKGROUND, IGNORED, by_centre, map_of_pixels
from streeteval.instances import Instances
from streeteval.labels import CITYSCAPES, LabelSet

MOST_INSTANCES = 254  # that a map of numbers can hold


@configuration
class OrdersConfig(MethodConfig):
    """Four ways to give instances their maps; the networks are those of `OrderingConfig`.

    Attributes:
        assignment: "rank": the report's; "location": the cell of the centre in `grid` (SOLO); "hungarian": for each
            image the assignment that fits the network's maps best; "colouring": few colours, shared by instances that
            are far from each other, told apart as connected components (Deep Coloring).
        coordinates: The layers that make the maps also see y and x, -1 to 1 over the image (CoordConv, Liu et al.
            2018).
        maps: Ranks, or maps of "hungarian", or colours.
        grid: (rows, columns) of "location".
        halo_px, halo_weight: Of "colouring", see `colouring_loss`.
        min_area_px: "colouring": smaller components are left out.
        loss_over: As in OrderingConfig; "colouring" has a loss of its own.
        source, class_id, void_taught, fc6, conv7, upsampling, channels, dropout, frozen_blocks: As in OrderingConfig.
    """

    assignment: Literal["rank", "location", "hungarian", "colouring"] = "rank"
    coordinates: bool = False
    maps: MapCount = 30
    grid: tuple[Count, Count] = (6, 12)
    halo_px: Count = 8
    halo_weight: NotNegative = 7.0
    min_area_px: CountOrZero = 20
    source: Literal["slice", "full"] = "full"
    class_id: int = 26
    loss_over: LossOver = "all"
    void_taught: bool = False
    fc6: Literal["3x3x3", "7x7"] = "3x3x3"
    conv7: Literal["1x1", "3x3"] = "1x1"
    upsampling: Literal["fixed", "learnt"] = "fixed"
    channels: Count = 4096
    dropout: BelowOne = 0.5
    frozen_blocks: Blocks = 0

    @property
    def max_instances(self) -> int:
        """Maps beside the background."""
        return self.grid[0] * self.grid[1] if self.assignment == "location" else self.maps


class Orders(Ordering):
    """FCN-8s with a map for each rank, place or colour.

    outputs  {"ranks": (B, R, H, W) logits}; in training as in Ordering, but for "hungarian" and "colouring"
    targets  "rank", "location": {"ranks": (H, W) uint8 map of each pixel, 255 ignored};
             "hungarian", "colouring": {"instances": (H, W) uint8 any number of each instance, 0 none, 255 ignored}
    """

    Config = OrdersConfig
    order: Any  # the base class has an nn.Conv2d here; with coordinates it is a `WithCoordinates`
    score: Any  # the same

    def __init__(self, config: OrdersConfig, label_set: LabelSet = CITYSCAPES):
        if not 2 <= config.max_instances <= MOST_INSTANCES:
            field = f"grid={list(config.grid)}" if config.assignment == "location" else f"maps={config.maps}"
            raise PartwiseError(f"method.{field}: {config.max_instances} maps: give 2..{MOST_INSTANCES}")
        if config.assignment == "colouring" and config.loss_over != "all":
            raise PartwiseError(
                f"method.loss_over={config.loss_over}: assignment=colouring has a loss of its own: leave it out"
            )
        same = {one.name for one in fields(OrderingConfig)} & {one.name for one in fields(config)}
        values = {name: getattr(config, name) for name in same} | {"max_instances": config.max_instances}
        super().__init__(OrderingConfig(**values), label_set)
        self.config = config
        self.ordered = config.assignment in ("rank", "location")
        self.noun = {"rank": "rank", "location": "place", "hungarian": "map", "colouring": "colour"}[config.assignment]
        if config.assignment == "location":
            self.assign = partial(by_location, grid=config.grid)
        if config.coordinates:
            self._see_coordinates()
        if not self.ordered:  # equal maps would all fit equally well
            for layer in self.new_layers():
                nn.init.normal_(layer.weight, std=0.01)

    @property
    def _loss_enlarges(self) -> bool:
        return self.ordered and super()._loss_enlarges

    def _see_coordinates(self) -> None:
        if self.config.source == "slice":
            self.order = WithCoordinates(self.order)
        else:
            self.score = WithCoordinates(self.score)
            self.skips = nn.ModuleDict(
                {stride: WithCoordinates(cast(nn.Conv2d, layer)) for stride, layer in self.skips.items()}
            )

    def new_layers(self) -> list[nn.Conv2d]:
        """The convolutions that make the maps."""
        layers: list[Any] = [self.order] if self.config.source == "slice" else [self.score, *self.skips.values()]
        return [layer.layer if isinstance(layer, WithCoordinates) else layer for layer in layers]

    def targets(self, scene: Scene) -> Targets:
        """See the class."""
        if self.ordered:
            return super().targets(scene)
        return {"instances": torch.from_numpy(map_of_pixels(scene, self.config.class_id, MOST_INSTANCES, by_centre))}

    def oracle(self, targets: list[Targets]) -> Outputs:
        """See Method.oracle."""
        if self.ordered:
            return super().oracle(targets)
        maps = torch.stack([self._oracle_maps(t["instances"]) for t in targets]).long()
        maps = torch.where((maps == IGNORED) | (maps >= self.maps), BACKGROUND, maps)
        return {"ranks": F.one_hot(maps, self.maps).permute(0, 3, 1, 2).float() * ORACLE_LOGIT}

    def _oracle_maps(self, instances_HW: Tensor) -> Tensor:
        """A map of its own for each instance (any will do), or colours."""
        if self.config.assignment == "hungarian":
            return instances_HW
        return colours(instances_HW, self.config.maps, self.config.halo_px)

    def loss(self, outputs: Outputs, targets: list[Targets]) -> dict[str, Tensor]:
        """Cross entropy as in Ordering once each instance has its map; for colours `colouring_loss`, mean of images."""
        if self.ordered:
            return super().loss(outputs, targets)
        pairs = list(zip(outputs["ranks"], (t["instances"] for t in targets), strict=True))
        if self.config.assignment == "hungarian":
            truth = torch.stack([best_fit(*pair) for pair in pairs])
            return {"ranks": order_loss(outputs["ranks"], truth, self.config.loss_over)}
        halo_px, halo_weight = self.config.halo_px, self.config.halo_weight
        return {"ranks": torch.stack([colouring_loss(*pair, halo_px, halo_weight) for pair in pairs]).mean()}

    def _instances(self, logits_RHW: Tensor) -> Prediction:
        if self.config.assignment != "colouring":
            return super()._instances(logits_RHW)
        probability_HW, best_HW = (t.cpu().numpy() for t in torch.softmax(logits_RHW.float(), dim=0).max(dim=0))
        masks, scores = [], []
        for colour in range(1, self.maps):
            components_HW, _ = ndimage.label(best_HW == colour)
            for number, (rows, columns) in enumerate(ndimage.find_objects(components_HW), start=1):
                piece = components_HW[rows, columns] == number
                if piece.sum() >= self.config.min_area_px:
                    mask = np.zeros(best_HW.shape, bool)
                    mask[rows, columns] = piece
                    masks.append(mask)
                    scores.append(float(probability_HW[rows, columns][piece].mean()))
        labels = [self.config.class_id] * len(masks)
        return Prediction(Instances.from_masks(labels, scores, masks, best_HW.shape))


class WithCoordinates(nn.Module):
    """A convolution that also sees y and x of each cell, -1 at the first and 1 at the last (CoordConv).

    (B, C, h, w) -> what `layer` makes of (B, C + 2, h, w). The given layer's weights stay; those of y and x start as
    small random numbers, so that the maps differ from the first step on.
    """

    def __init__(self, layer: nn.Conv2d):
        super().__init__()
        inputs = layer.in_channels
        same: dict[str, Any] = {"kernel_size": layer.kernel_size, "padding": layer.padding}
        self.layer = nn.Conv2d(inputs + 2, layer.out_channels, **same)
        assert self.layer.bias is not None and layer.bias is not None
        nn.init.normal_(self.layer.weight, std=0.01)
        with torch.no_grad():
            self.layer.weight[:, :inputs] = layer.weight
            self.layer.bias.copy_(layer.bias)

    def forward(self, maps_BChw: Tensor) -> Tensor:
        """See the class."""
        batch, _, height, width = maps_BChw.shape
        y = torch.linspace(-1, 1, height, device=maps_BChw.device, dtype=maps_BChw.dtype)
        x = torch.linspace(-1, 1, width, device=maps_BChw.device, dtype=maps_BChw.dtype)
        place = torch.stack(torch.meshgrid(y, x, indexing="ij"))[None].expand(batch, -1, -1, -1)
        return self.layer(torch.cat([maps_BChw, place], dim=1))
