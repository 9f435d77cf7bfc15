"""FCN-32s, FCN-16s and FCN-8s (Long, Shelhamer, Darrell 2015) on VGG16, built as in the report (section 2.2.1).

By default conv7 is the paper's 1x1 convolution and upsampling is fixed; the report's 3x3 convolution and its learnt
upsampling are options.

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
from partwise.fields import BelowOne, Blocks, Count, NotNegative, configuration
from partwise.methods.capabilities import ClassRows
from partwise.methods.distil import distilled_semantics
from partwise.methods.method import Method, MethodConfig, Outputs, Targets
from partwise.methods.semantic import likeliest, semantic_dice_loss, semantic_loss, semantic_oracle, upsample
from partwise.scene import Prediction, Scene
from streeteval.instances import Instances
from streeteval.labels import CITYSCAPES, LabelSet

__all__ = ["Fcn", "FcnConfig", "add_skips", "bilinear_deconvolution", "conv6_and_7", "image_size"]


@configuration
class FcnConfig(MethodConfig):
    """The configuration of one stage of the FCN.

    Attributes:
        backbone: "vgg16".
        output_stride: 32, 16 or 8 px, for FCN-32s, FCN-16s or FCN-8s.
        fc6: "3x3x3" for the report's three 3x3 convolutions (512, 512, channels); "7x7" for the paper's single one.
        conv7: "1x1" as in the paper, or "3x3" as in the report.
        upsampling: "fixed" for bilinear; "learnt" for transposed convolutions that start as bilinear ones, as in the
            report.
        channels: Channels of fc6 and fc7; 4096 in the report and in the paper.
        holes: Whether to use the hole algorithm in place of skips: pool4 and pool5 keep stride 8, and conv5, fc6 and
            a conv7 of 3x3 are dilated.
        dropout: Probability of dropout after fc6 and fc7, from 0 to below 1; .5 in the paper.
        frozen_blocks: Number of blocks of the backbone that keep their weights; 0 in the report and in the paper.
        dice_weight: Weight of a Dice loss that is added to the cross entropy; 0 in the report and in the paper.
        class_balance: Class balance of the cross entropy, see `semantic_loss`; 0 in the report and in the paper.
    """

    backbone: Literal["vgg16"] = "vgg16"
    output_stride: Literal[32, 16, 8] = 32
    fc6: Literal["3x3x3", "7x7"] = "3x3x3"
    conv7: Literal["1x1", "3x3"] = "1x1"
    upsampling: Literal["fixed", "learnt"] = "fixed"
    channels: Count = 4096
    holes: bool = False
    dropout: BelowOne = 0.5
    frozen_blocks: Blocks = 0
    dice_weight: NotNegative = 0.0
    class_balance: NotNegative = 0.0


class Fcn(Method):
    """VGG16, conv6 and conv7, a score layer, and skips from pool4 (16s) and pool3 (8s), with bilinear upsampling.

    A new score layer starts at zero, so that each stage begins with the function of the stage before it (FCN, section
    4.2).

    Outputs: "semantic", (B, C, H, W) logits.
    Targets: "semantic", (H, W) uint8 train ids, 255 where a pixel is ignored.

    Args:
        config: The configuration.
        label_set: The classes.
        score_maps: Number of maps of the score layers; None for one for each evaluated class.
    """

    Config = FcnConfig
    config: FcnConfig
    has_instances = False

    def __init__(self, config: FcnConfig, label_set: LabelSet = CITYSCAPES, *, score_maps: int | None = None):
        super().__init__()
        self.config, self.label_set = config, label_set
        maps = len(label_set.evaluated) if score_maps is None else score_maps
        self.backbone = VggBackbone(holes=config.holes, taps="pool", frozen_blocks=config.frozen_blocks)
        self.conv6, self.conv7 = conv6_and_7(config)
        self.score = nn.Conv2d(config.channels, maps, 1)
        strides = [] if config.holes else [s for s in (16, 8) if s >= config.output_stride]
        self.skips = nn.ModuleDict({str(s): nn.Conv2d(self.backbone.channels[s], maps, 1) for s in strides})
        for layer in (self.score, *self.skips.values()):
            start_at_zero(layer)
        self.enlarge = nn.ModuleDict()  # of learnt upsampling: to the stride of each skip, and to the image
        if config.upsampling == "learnt":
            self.enlarge.update({str(s): bilinear_deconvolution(maps, 2) for s in strides})
            self.enlarge["image"] = bilinear_deconvolution(maps, 8 if config.holes else config.output_stride)

    def forward(self, images_B3HW: Tensor) -> Outputs:
        """Compute the logits of a batch, see `Method.forward`."""
        return self.heads(self.features(images_B3HW))

    def class_heads(self) -> tuple[ClassRows, ...]:
        """See HasClassHeads."""
        return ClassRows("score"), *(ClassRows(f"skips.{stride}") for stride in self.skips)

    def features(self, images_B3HW: Tensor) -> dict[int, Tensor]:
        """Compute what the heads see of the images: all that a cache needs to train the heads without the backbone.

        Args:
            images_B3HW: uint8, 0..255; H and W multiples of `size_multiple`.

        Returns:
            Stride in pixels -> (B, channels, H / stride, W / stride) float: pool3 (8), pool4 (16) and pool5 (32); with
            holes conv5_3 (8) alone.
        """
        return self.backbone(self.normalise(images_B3HW))

    def heads(self, features: dict[int, Tensor]) -> Outputs:
        """Compute the outputs from what `features` returns: `forward(images)` is `heads(features(images))`."""
        return {"semantic": self.at_pixels(self.score_maps(features), features)}

    def score_maps(self, features: dict[int, Tensor]) -> Tensor:
        """(B, C, h, w): the score layer's logits with the skips added, at the output stride, from `features`."""
        deepest = self.conv7(self.conv6(features[max(features)]))
        return add_skips(self.score(deepest), self.skips, features, self.enlarge)

    def at_pixels(self, maps_BChw: Tensor, features: dict[int, Tensor]) -> Tensor:
        """(B, C, H, W) float32: maps at the output stride, enlarged to the size of the images behind `features`."""
        if "image" in self.enlarge:
            return self.enlarge["image"](maps_BChw).float()
        return upsample(maps_BChw.float(), image_size(features))

    def targets(self, scene: Scene) -> Targets:
        """Return the train id of every pixel of a scene."""
        return {"semantic": torch.from_numpy(self.label_set.id_to_train_id[scene.semantic_HW])}

    def oracle(self, targets: list[Targets]) -> Outputs:
        """Return the logits of a perfect network; all classes have equal logits at ignored pixels."""
        return {"semantic": semantic_oracle(torch.stack([t["semantic"] for t in targets]), self.label_set)}

    def loss(self, outputs: Outputs, targets: list[Targets]) -> dict[str, Tensor]:
        """Compute the mean cross entropy over the pixels that are not ignored, and the Dice loss if it has a weight."""
        train_ids = torch.stack([t["semantic"] for t in targets])
        terms = {"semantic": semantic_loss(outputs["semantic"], train_ids, self.config.class_balance)}
        if self.config.dice_weight:
            terms["dice"] = self.config.dice_weight * semantic_dice_loss(outputs["semantic"], train_ids)
        return terms

    def check_teacher(self, teacher: Method) -> None:
        """Accept any teacher: `distillation` uses its semantic map if it has one."""

    def distillation(self, outputs: Outputs, taught: Outputs) -> dict[str, Tensor]:
        """Measure how far the semantic map is from the teacher's, see `distilled_semantics`."""
        return distilled_semantics(outputs, taught, self.config.class_balance)

    def mirrored(self, outputs: Outputs) -> Outputs:
        """Mirror the semantic map, see `Mirrorable`."""
        return {"semantic": outputs["semantic"].flip(-1)}

    def decode(self, outputs: Outputs, size: tuple[int, int]) -> list[Prediction]:
        """Take the class with the highest logit at every pixel; a semantic method finds no instances."""
        ids = self.label_set.train_id_to_id
        seen = outputs["semantic"][..., : size[0], : size[1]]
        best = likeliest(seen, dim=1).to(torch.uint8).cpu().numpy()
        return [Prediction(Instances.empty(size), np.take(ids, one)) for one in best]


def image_size(features: dict[int, Tensor]) -> tuple[int, int]:
    """Return (H, W) in pixels of the images that maps, by their strides in pixels, were made from."""
    stride, coarsest = max(features.items())
    return coarsest.shape[-2] * stride, coarsest.shape[-1] * stride


def add_skips(
    deepest_BChw: Tensor, skips: nn.ModuleDict, maps: dict[int, Tensor], enlarge: nn.ModuleDict | None = None
) -> Tensor:
    """Add the skips of FCN-16s and FCN-8s to logits.

    At each stride of a skip, from coarse to fine, the logits are enlarged to this stride and the skip is added.

    Args:
        deepest_BChw: (B, C, h, w) logits at the coarsest stride.
        skips: The keys "16" and "8" -> a 1x1 convolution from the backbone's map of that stride to C channels.
        maps: The backbone's map of each stride in pixels.
        enlarge: The keys "16" and "8" -> the layer that enlarges the logits to that stride; None or empty for bilinear.

    Returns:
        (B, C, h, w) logits at the finest stride that has a skip.
    """
    summed = deepest_BChw
    for stride, layer in skips.items():
        skip = layer(maps[int(stride)])
        larger = enlarge[stride](summed) if enlarge else upsample(summed, skip.shape[-2:])
        summed = larger + skip
    return summed


def bilinear_deconvolution(channels: int, factor: int) -> nn.ConvTranspose2d:
    """Make a transposed convolution that starts as bilinear enlargement of each channel (FCN, section 3.3).

    Args:
        channels: Of its input and output; each output channel may learn to take from every input channel.
        factor: Of the enlargement of height and width; even.

    Returns:
        (B, channels, h, w) -> (B, channels, h * factor, w * factor). Beyond the border it sees zeros, where bilinear
        interpolation repeats the last cell.
    """
    side = 2 * factor
    layer = nn.ConvTranspose2d(channels, channels, side, stride=factor, padding=factor // 2, bias=False)
    ramp = 1 - (torch.arange(side) - (side - 1) / 2).abs() / factor
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight[range(channels), range(channels)] = ramp[:, None] * ramp
    return layer


def conv6_and_7(config: FcnConfig) -> tuple[nn.Sequential, nn.Sequential]:
    """Make the convolutions that replace VGG16's fully connected layers, with He initialisation.

    Args:
        config: The configuration of the FCN.

    Returns:
        conv6, from 512 to `config.channels` channels, and conv7, from `config.channels` to as many.
    """
    dilation = 2 if config.holes else 1
    if config.fc6 == "7x7":
        convolutions = [nn.Conv2d(512, config.channels, 7, padding=3 * dilation, dilation=dilation)]
    else:
        widths = (512, 512, 512, config.channels)
        convolutions = [nn.Conv2d(a, b, 3, padding=dilation, dilation=dilation) for a, b in itertools.pairwise(widths)]
    layers = [layer for convolution in convolutions for layer in (convolution, nn.ReLU())]
    conv6 = nn.Sequential(*layers, nn.Dropout2d(config.dropout))
    side, padding = (3, dilation) if config.conv7 == "3x3" else (1, 0)
    layer = nn.Conv2d(config.channels, config.channels, side, padding=padding, dilation=dilation)
    conv7 = nn.Sequential(layer, nn.ReLU(), nn.Dropout2d(config.dropout))
    he_normal([*conv6, *conv7])
    return conv6, conv7
