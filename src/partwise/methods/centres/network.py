"""The method of centres: a heat map of the centres of instances, and for every pixel the offset to its own centre.

The report numbers instances in the order of their spatial centres and finds that such an order cannot be learnt
(section 2.3). The offset to the centre can be learnt, because it does not change when another instance is added or
removed (Uhrig et al. 2016; Kendall et al. 2018; Panoptic-DeepLab, Cheng et al. 2020). Each class has a heat map of its
own, as in "Objects as Points" (Zhou et al. 2019), which gives a centre its class. A pixel has the class of the semantic
map, and it joins only centres of this class.

Axes: B images, C evaluated classes, T of them with instances, h and w cells of stride 4, H and W pixels.
"""

from __future__ import annotations

from dataclasses import field
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from partwise.backbones import build_backbone
from partwise.backbones.initialisation import start_as_rare
from partwise.backbones.pyramid import Pyramid, conv_norm_relu, merged_at_finest
from partwise.fields import Blocks, Count, CountOrZero, NotNegative, configuration
from partwise.methods.capabilities import ClassRows
from partwise.methods.centres.decode import CentresDecodeConfig, CentresDecoder
from partwise.methods.centres.explain import CentresExplainer, CentresExplanation, explain
from partwise.methods.centres.targets import centre_targets
from partwise.methods.distil import distilled_semantics
from partwise.methods.method import Method, MethodConfig, Outputs, Targets
from partwise.methods.semantic import (
    branch_logits,
    branch_losses,
    outline_refiner,
    semantic_branch,
    semantic_heads,
    semantic_oracle,
)
from partwise.scene import Prediction, Scene
from streeteval.labels import CITYSCAPES, LabelSet

HEAT_PRIOR = 0.01  # initial probability of a centre: centres are rare (RetinaNet, section 4.1)
OFFSET_UNIT_PX = 32.0  # the network predicts offsets in this unit, so that its outputs are of the order of 1
ORACLE_LOGIT = 10.0


@configuration
class CentresConfig(MethodConfig):
    """The configuration of the method of centres.

    Attributes:
        backbone: Name of the backbone, see `build_backbone`.
        frozen_blocks: Number of blocks of the backbone that keep their weights, see `VggBackbone` and `TimmBackbone`.
        channels: Channels of the pyramid and of the heads.
        min_area_px: Instances with fewer pixels are ignored in training.
        decode: The settings of the decoder.
        heat_loss_weight: Weight of the loss of the heat maps.
        offset_loss_weight: Weight of the loss of the offsets.
        semantic_stride_px: Stride of the semantic map in pixels: 4, or 2 to refine it with the backbone's map at stride
            2.
        semantic_loss_weight: Weight of the semantic cross entropy.
        dice_weight: Weight of the semantic Dice loss, which is added to the cross entropy.
        class_balance: Class balance of the semantic cross entropy, see `semantic_loss`.
    """

    backbone: str = "efficientnet_lite0"
    frozen_blocks: Blocks = 0
    channels: Count = 96
    min_area_px: CountOrZero = 20
    decode: CentresDecodeConfig = field(default_factory=CentresDecodeConfig)
    heat_loss_weight: NotNegative = 1.0
    offset_loss_weight: NotNegative = 2.0
    semantic_stride_px: Literal[2, 4] = 4
    semantic_loss_weight: NotNegative = 1.0
    dice_weight: NotNegative = 1.0
    class_balance: NotNegative = 0.5


class Centres(Method):
    """A backbone, a pyramid, and three branches: semantics, heat of the centres, and offsets.

    Outputs: "semantic" (B, C, H / s, W / s) logits with s = `semantic_stride_px`, "heat" (B, T, h, w) logits, and
    "offset" (B, 2, h, w) dy and dx in px.
    Targets: "semantic" (H, W) uint8 train ids, and the maps of `centre_targets`.

    Args:
        config: The configuration.
        label_set: The classes.
    """

    Config = CentresConfig
    config: CentresConfig

    def __init__(self, config: CentresConfig, label_set: LabelSet = CITYSCAPES):
        super().__init__()
        self.config, self.label_set = config, label_set
        self.backbone = build_backbone(
            config.backbone, frozen_blocks=config.frozen_blocks, finest_px=config.semantic_stride_px
        )
        self.pyramid = Pyramid(self.backbone.channels, config.channels)
        branch = lambda outputs, kernel: nn.Sequential(
            conv_norm_relu(config.channels, config.channels, kernel),
            conv_norm_relu(config.channels, config.channels, kernel),
            nn.Conv2d(config.channels, outputs, 1),
        )
        classes = len(label_set.evaluated)
        self.semantic_branch = semantic_branch(config.channels, classes)
        self.refiner = outline_refiner(config.semantic_stride_px, config.channels, self.backbone.channels, classes)
        self.heat_branch = branch(len(label_set.things), 3)
        self.offset_branch = branch(2, 5)  # as in Panoptic-DeepLab, section 3.1
        start_as_rare(self.heat_branch[-1], HEAT_PRIOR)
        self.decoder = CentresDecoder(config.decode, label_set)

    def class_heads(self) -> tuple[ClassRows, ...]:
        """See HasClassHeads."""
        return *semantic_heads(self.refiner), ClassRows(f"heat_branch.{len(self.heat_branch) - 1}", "things")

    def forward(self, images_B3HW: Tensor) -> Outputs:
        """Compute the outputs for a batch, see the class."""
        maps = self.backbone(self.normalise(images_B3HW))
        merged = merged_at_finest(self.pyramid(maps))
        return {
            "semantic": branch_logits(self.semantic_branch, self.refiner, merged, maps)[0],
            "heat": self.heat_branch(merged).float(),
            "offset": self.offset_branch(merged).float() * OFFSET_UNIT_PX,
        }

    def targets(self, scene: Scene) -> Targets:
        """Compute the targets of a scene, see the class."""
        semantic = torch.from_numpy(self.label_set.id_to_train_id[scene.semantic_HW])
        return {"semantic": semantic, **centre_targets(scene, self.config.min_area_px)}

    def oracle(self, targets: list[Targets]) -> Outputs:
        """Return the outputs of a perfect network.

        If two instances of a class have their centres in the same cell, decoding makes one instance of them.
        """
        heat = torch.stack([t["heat"] for t in targets])
        return {
            "semantic": semantic_oracle(torch.stack([t["semantic"] for t in targets]), self.label_set),
            "heat": torch.where(heat == 1, ORACLE_LOGIT, -ORACLE_LOGIT),
            "offset": torch.stack([t["offset"] for t in targets]),
        }

    def loss(self, outputs: Outputs, targets: list[Targets]) -> dict[str, Tensor]:
        """Compute the loss.

        Returns:
            "heat" (focal loss), "offset" (error as a share of the object's size), "semantic" (cross entropy), and
            "dice".
        """
        heat, *offset = (torch.stack([t[key] for t in targets]) for key in ("heat", "offset", "side", "weight"))
        return {
            "heat": self.config.heat_loss_weight * heat_loss(outputs["heat"], heat),
            "offset": self.config.offset_loss_weight * offset_loss(outputs["offset"], *offset),
            **branch_losses(outputs["semantic"], targets, self.config),
        }

    @property
    def default_scale(self) -> float:
        """The scale in the settings of the decoder."""
        return self.config.decode.scale

    def check_teacher(self, teacher: Method) -> None:
        """Accept any teacher: `distillation` uses its semantic map if it has one."""

    def distillation(self, outputs: Outputs, taught: Outputs) -> dict[str, Tensor]:
        """Measure how far the semantic map is from the teacher's, see `distilled_semantics`."""
        return distilled_semantics(outputs, taught, self.config.class_balance)

    def explain(
        self, outputs: Outputs, size: tuple[int, int], point: tuple[int, int] | None = None
    ) -> CentresExplanation:
        """Explain one pixel, see `centres.explain.explain`."""
        return explain(self, outputs, size, point)

    def explainer(self, outputs: Outputs, size: tuple[int, int]) -> CentresExplainer:
        """Explain many pixels of one image, see `ExplainsOften`."""
        return CentresExplainer(self, outputs, size)

    def mirrored(self, outputs: Outputs) -> Outputs:
        """Mirror the maps and change the sign of dx: an offset to the left becomes an offset to the right."""
        mirrored = {key: outputs[key].flip(-1) for key in ("semantic", "heat", "offset")}
        return mirrored | {"offset": mirrored["offset"] * mirrored["offset"].new_tensor([1, -1])[:, None, None]}

    def decode(self, outputs: Outputs, size: tuple[int, int]) -> list[Prediction]:
        """Decode the outputs for each image, see `CentresDecoder`."""
        return [
            self.decoder(*one, size)
            for one in zip(outputs["semantic"], outputs["heat"], outputs["offset"], strict=True)
        ]


def heat_loss(logits_BThw: Tensor, heat_BThw: Tensor) -> Tensor:
    """Compute the focal loss with smaller penalties near centres ("Objects as Points", equation 1).

    Args:
        logits_BThw: (B, T, h, w) logits.
        heat_BThw: (B, T, h, w): 1 at centres, 0..1 around them, -1 where a cell is ignored.

    Returns:
        A scalar: the sum over the cells, divided by the number of centres.
    """
    probability, log_p, log_q = logits_BThw.sigmoid(), F.logsigmoid(logits_BThw), F.logsigmoid(-logits_BThw)
    centre, ignored = heat_BThw == 1, heat_BThw < 0
    found = -((1 - probability) ** 2) * log_p * centre
    empty = -((1 - heat_BThw.clamp(min=0)) ** 4) * probability**2 * log_q * ~(centre | ignored)
    return (found + empty).sum() / centre.sum().clamp(min=1)


def offset_loss(offset_B2hw: Tensor, truth_B2hw: Tensor, side_Bhw: Tensor, weight_Bhw: Tensor) -> Tensor:
    """Compute the weighted mean of the absolute error of the offsets as a share of the object's longest side.

    Args:
        offset_B2hw: (B, 2, h, w) predicted dy and dx in px.
        truth_B2hw: (B, 2, h, w) true dy and dx in px.
        side_Bhw: (B, h, w) longest side of the object in px, as in `centre_targets`.
        weight_Bhw: (B, h, w) weight of each cell, as in `centre_targets`.

    Returns:
        A scalar; 0 if there is no object.
    """
    error_Bhw = (offset_B2hw - truth_B2hw).abs().sum(dim=1) / side_Bhw.clamp(min=1)
    return (error_Bhw * weight_Bhw).sum() / weight_Bhw.sum().clamp(min=1e-6)
