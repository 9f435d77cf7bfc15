"""FCN-32s, FCN-16s and FCN-8s (Long, Shelhamer, Darrell 2015) on VGG16, as the report built them (section 2.2.1), but
that conv7 is the paper's 1x1 and not 3x3.

Axes: B images, C evaluated classes, H and W in pixels, h and w at the output stride.
"""

from __future__ import annotations

import itertools
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from partwise.backbones import VggBackbone
from partwise.backbones.initialisation import he_normal, start_at_zero
from partwise.errors import PartwiseError
from partwise.fields import BelowOne, Blocks, Count, NotNegative, configuration
from partwise.instances import Instances
from partwise.labels import CITYSCAPES, LabelSet
from partwise.methods.capabilities import ClassRows
from partwise.methods.distil import distilled_semantics
from partwise.methods.method import Method, MethodConfig, Outputs, Targets
from partwise.methods.semantic import likeliest, semantic_dice_loss, semantic_loss, semantic_oracle, upsample
from partwise.scene import Prediction, Scene

__all__ = ["Fcn", "FcnConfig", "add_skips", "conv6_and_7"]


@configuration
class FcnConfig(MethodConfig):
    """One stage of the FCN.

    output_stride  32, 16 or 8: FCN-32s, FCN-16s, FCN-8s
    fc6            "3x3x3": the report's three 3x3 convolutions (512, 512, channels); "7x7": the paper's one
    channels       of fc6 and fc7; 4096 in the report and in the paper
    holes          the hole algorithm instead of skips: pool4 and pool5 keep stride 8, conv5 and fc6 are dilated
    dropout        after fc6 and fc7; .5 in the paper
    frozen_blocks  blocks of the backbone that keep their weights; 0 in the report and in the paper
    dice_weight    of a Dice loss beside the cross entropy; 0 in the report and in the paper
    class_balance  of the cross entropy, see `semantic_loss`; 0 in the report and in the paper
    """

    backbone: Literal["vgg16"] = "vgg16"
    output_stride: Literal[32, 16, 8] = 32
    fc6: Literal["3x3x3", "7x7"] = "3x3x3"
    channels: Count = 4096
    holes: bool = False
    dropout: BelowOne = 0.5
    frozen_blocks: Blocks = 0
    dice_weight: NotNegative = 0.0
    class_balance: NotNegative = 0.0


class Fcn(Method):
    """VGG16, conv6 and conv7, a score layer, and skips from pool4 (16s) and pool3 (8s); bilinear upsampling.

    A new score layer starts at zero, so that a stage begins where the last one ended (FCN, section 4.2).
    outputs: {"semantic": (B, C, H, W) logits}; targets: {"semantic": (H, W) uint8 train ids, 255 ignored}
    """

    Config = FcnConfig
    config: FcnConfig
    has_instances = False

    def __init__(self, config: FcnConfig, label_set: LabelSet = CITYSCAPES):
        super().__init__()
        if config.fc6 not in ("3x3x3", "7x7"):
            raise PartwiseError(f"method fcn: fc6={config.fc6!r}: give '3x3x3' or '7x7'")
        self.config, self.label_set = config, label_set
        classes = len(label_set.evaluated)
        self.backbone = VggBackbone(holes=config.holes, taps="pool", frozen_blocks=config.frozen_blocks)
        self.conv6, self.conv7 = conv6_and_7(config)
        self.score = nn.Conv2d(config.channels, classes, 1)
        strides = [] if config.holes else [s for s in (16, 8) if s >= config.output_stride]
        self.skips = nn.ModuleDict({str(s): nn.Conv2d(self.backbone.channels[s], classes, 1) for s in strides})
        for layer in (self.score, *self.skips.values()):
            start_at_zero(layer)

    def forward(self, images_B3HW: Tensor) -> Outputs:
        """See Method.forward."""
        return {"semantic": upsample(self.score_maps(images_B3HW).float(), images_B3HW.shape[-2:])}

    def class_heads(self) -> tuple[ClassRows, ...]:
        """See HasClassHeads."""
        return ClassRows("score"), *(ClassRows(f"skips.{stride}") for stride in self.skips)

    def score_maps(self, images_B3HW: Tensor) -> Tensor:
        """(B, C, h, w): the score layer's logits with the skips added, at the output stride."""
        maps = self.backbone(self.normalise(images_B3HW))
        return add_skips(self.score(self.conv7(self.conv6(maps[max(maps)]))), self.skips, maps)

    def targets(self, scene: Scene) -> Targets:
        """See the class."""
        return {"semantic": torch.from_numpy(self.label_set.id_to_train_id[scene.semantic_HW])}

    def oracle(self, targets: list[Targets]) -> Outputs:
        """See Method.oracle; ignored pixels get equal logits."""
        return {"semantic": semantic_oracle(torch.stack([t["semantic"] for t in targets]), self.label_set)}

    def loss(self, outputs: Outputs, targets: list[Targets]) -> dict[str, Tensor]:
        """Mean cross entropy over the evaluated pixels, and Dice where its weight is not 0."""
        train_ids = torch.stack([t["semantic"] for t in targets])
        terms = {"semantic": semantic_loss(outputs["semantic"], train_ids, self.config.class_balance)}
        if self.config.dice_weight:
            terms["dice"] = self.config.dice_weight * semantic_dice_loss(outputs["semantic"], train_ids)
        return terms

    def check_teacher(self, teacher: Method) -> None:
        """See Distillable; any teacher with a semantic map will do."""

    def distillation(self, outputs: Outputs, taught: Outputs) -> dict[str, Tensor]:
        """See Distillable."""
        return distilled_semantics(outputs, taught, self.config.class_balance)

    def mirrored(self, outputs: Outputs) -> Outputs:
        """See Mirrorable."""
        return {"semantic": outputs["semantic"].flip(-1)}

    def decode(self, outputs: Outputs, size: tuple[int, int]) -> list[Prediction]:
        """The class of the highest logit at every pixel; a semantic method has no instances."""
        ids = self.label_set.train_id_to_id
        seen = outputs["semantic"][..., : size[0], : size[1]]
        best = likeliest(seen, dim=1).to(torch.uint8).cpu().numpy()
        return [Prediction(Instances.empty(size), np.take(ids, one)) for one in best]


def add_skips(deepest_BChw: Tensor, skips: nn.ModuleDict, maps: dict[int, Tensor]) -> Tensor:
    """The sum that FCN-16s and FCN-8s make: enlarge, add a layer of the backbone's map at the next finer stride, again.

    skips  "16" and "8" -> 1x1 convolution from the backbone's map of that stride to C channels
    """
    summed = deepest_BChw
    for stride, layer in skips.items():
        skip = layer(maps[int(stride)])
        summed = upsample(summed, skip.shape[-2:]) + skip
    return summed


def conv6_and_7(config: FcnConfig) -> tuple[nn.Sequential, nn.Sequential]:
    """The convolutions in place of VGG16's fully connected layers: 512 -> `config.channels`, He initialisation."""
    dilation = 2 if config.holes else 1
    if config.fc6 == "7x7":
        convolutions = [nn.Conv2d(512, config.channels, 7, padding=3 * dilation, dilation=dilation)]
    else:
        widths = (512, 512, 512, config.channels)
        convolutions = [nn.Conv2d(a, b, 3, padding=dilation, dilation=dilation) for a, b in itertools.pairwise(widths)]
    layers = [layer for convolution in convolutions for layer in (convolution, nn.ReLU())]
    conv6 = nn.Sequential(*layers, nn.Dropout2d(config.dropout))
    conv7 = nn.Sequential(nn.Conv2d(config.channels, config.channels, 1), nn.ReLU(), nn.Dropout2d(config.dropout))
    he_normal([*conv6, *conv7])
    return conv6, conv7
