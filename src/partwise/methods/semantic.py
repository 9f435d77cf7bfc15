"""FCN-32s, FCN-16s and FCN-8s (Long, Shelhamer, Darrell 2015) on VGG16, as the report built them (section 2.2.1).

Axes: B images, C evaluated classes, H and W in pixels, h and w at the output stride.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from partwise.errors import PartwiseError
from partwise.labels import CITYSCAPES, IGNORED_TRAIN_ID, LabelSet
from partwise.methods.method import Method, Outputs, Targets
from partwise.scene import Instances, Prediction, Scene
from partwise.trunks import VggTrunk
from partwise.trunks.pyramid import FINEST_PX, conv_norm_relu

REFINED_PX = 2  # stride of a refined semantic map
REFINER_CHANNELS = 32


@dataclass
class FcnConfig:
    """One stage of the FCN.

    output_stride  32, 16 or 8: FCN-32s, FCN-16s, FCN-8s
    fc6            "3x3x3": the report's three 3x3 convolutions (512, 512, channels); "7x7": the paper's one
    channels       of fc6 and fc7; 4096 in the report and in the paper
    holes          the hole algorithm instead of skips: pool4 and pool5 keep stride 8, conv5 and fc6 are dilated
    dropout        after fc6 and fc7; .5 in the paper
    frozen_blocks  blocks of the trunk that keep their weights; 0 in the report and in the paper
    dice_weight    of a Dice loss beside the cross entropy; 0 in the report and in the paper
    class_balance  of the cross entropy, see `semantic_loss`; 0 in the report and in the paper
    """

    trunk: str = "vgg16"
    output_stride: int = 32
    fc6: str = "3x3x3"
    channels: int = 4096
    holes: bool = False
    dropout: float = 0.5
    frozen_blocks: int = 0
    dice_weight: float = 0.0
    class_balance: float = 0.0


class Fcn(Method):
    """VGG16, conv6 and conv7, a score layer, and skips from pool4 (16s) and pool3 (8s); bilinear upsampling.

    A new score layer starts at zero, so that a stage begins where the last one ended (FCN, section 4.2).
    outputs: {"semantic": (B, C, H, W) logits}; targets: {"semantic": (H, W) uint8 train ids, 255 ignored}
    """

    has_instances = False

    def __init__(self, config: FcnConfig, label_set: LabelSet = CITYSCAPES):
        super().__init__()
        if config.trunk != "vgg16":
            raise PartwiseError(f"method fcn: trunk={config.trunk!r}: the report's FCN stands on vgg16")
        if config.output_stride not in (8, 16, 32):
            raise PartwiseError(f"method fcn: output_stride={config.output_stride}: give 32, 16 or 8")
        if config.fc6 not in ("3x3x3", "7x7"):
            raise PartwiseError(f"method fcn: fc6={config.fc6!r}: give '3x3x3' or '7x7'")
        self.config, self.label_set = config, label_set
        classes = len(label_set.evaluated)
        self.trunk = VggTrunk(holes=config.holes, taps="pool", frozen_blocks=config.frozen_blocks)
        self.conv6, self.conv7 = conv6_and_7(config)
        self.score = nn.Conv2d(config.channels, classes, 1)
        self.skips = nn.ModuleDict(
            {} if config.holes
            else {str(s): nn.Conv2d(self.trunk.channels[s], classes, 1) for s in (16, 8) if s >= config.output_stride}
        )  # fmt: skip
        for layer in (self.score, *self.skips.values()):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, images_B3HW: Tensor) -> Outputs:
        """See Method.forward."""
        return {"semantic": upsample(self.score_maps(images_B3HW).float(), images_B3HW.shape[-2:])}

    def score_maps(self, images_B3HW: Tensor) -> Tensor:
        """(B, C, h, w): the score layer's logits with the skips added, at the output stride."""
        maps = self.trunk(self.normalise(images_B3HW))
        return add_skips(self.score(self.conv7(self.conv6(maps[max(maps)]))), self.skips, maps)

    def targets(self, scene: Scene) -> Targets:
        """See the class."""
        return {"semantic": torch.from_numpy(self.label_set.id_to_train_id[scene.semantic_HW])}

    def ideal(self, targets: list[Targets]) -> Outputs:
        """See Method.ideal; ignored pixels get equal logits."""
        return {"semantic": semantic_ideal(torch.stack([t["semantic"] for t in targets]), self.label_set)}

    def loss(self, outputs: Outputs, targets: list[Targets]) -> dict[str, Tensor]:
        """Mean cross entropy over the evaluated pixels, and Dice where its weight is not 0."""
        train_ids = torch.stack([t["semantic"] for t in targets])
        terms = {"semantic": semantic_loss(outputs["semantic"], train_ids, self.config.class_balance)}
        if self.config.dice_weight:
            terms["dice"] = self.config.dice_weight * semantic_dice_loss(outputs["semantic"], train_ids)
        return terms

    def decode(self, outputs: Outputs, size: tuple[int, int]) -> list[Prediction]:
        """The class of the highest logit at every pixel; a semantic method has no instances."""
        ids = self.label_set.train_id_to_id
        best = outputs["semantic"][..., : size[0], : size[1]].argmax(dim=1).to(torch.uint8).cpu().numpy()
        return [Prediction(Instances.empty(size), ids[one]) for one in best]


def semantic_ideal(train_ids_BHW: Tensor, label_set: LabelSet, logit: float = 10.0) -> Tensor:
    """(B, C, H, W) logits: `logit` at the true class, 0 elsewhere and at ignored pixels."""
    classes = len(label_set.evaluated)
    one_hot = F.one_hot(train_ids_BHW.long().clamp(max=classes), classes + 1)[..., :classes]
    return one_hot.permute(0, 3, 1, 2).float() * logit


def semantic_loss(logits_BCHW: Tensor, train_ids_BHW: Tensor, class_balance: float = 0.0) -> Tensor:
    """Weighted mean cross entropy over the pixels that are not ignored; 0 where there is none.

    A pixel weighs (pixels of its class in the batch) ** -class_balance: 0 is the plain mean, 1 counts every class of
    the batch alike.
    """
    truth = train_ids_BHW.long()
    count = torch.bincount(truth.flatten(), minlength=IGNORED_TRAIN_ID + 1)[: logits_BCHW.shape[1]]
    weight = count.clamp(min=1).to(logits_BCHW.dtype) ** -class_balance
    total = F.cross_entropy(logits_BCHW, truth, weight, ignore_index=IGNORED_TRAIN_ID, reduction="sum")
    return total / (weight * count).sum().clamp(min=1e-6)


def every_second_pixel(train_ids_HW: Tensor) -> Tensor:
    """(H / 2, W / 2): one pixel of each 2 x 2, in turn the first and the second along either axis; H and W even.

    The centre of a cell of 2 x 2 pixels lies half a pixel beside any one of them. Always the first would teach a map
    that is shifted by that half; so they take turns.

    >>> every_second_pixel(torch.arange(16).reshape(4, 4)).tolist()
    [[0, 3], [12, 15]]
    """
    rows, columns = (2 * torch.arange(side // 2) + torch.arange(side // 2) % 2 for side in train_ids_HW.shape)
    return train_ids_HW[rows[:, None].to(train_ids_HW.device), columns.to(train_ids_HW.device)]


def semantic_branch(channels: int, classes: int) -> nn.Sequential:
    """What makes logits of the maps of a pyramid: features, then a score for each class."""
    return nn.Sequential(conv_norm_relu(channels, channels), nn.Conv2d(channels, classes, 1))


class OutlineRefiner(nn.Module):
    """Semantic logits at stride 4 -> at stride 2, corrected by what the trunk's map at stride 2 shows of outlines.

    The correction starts at 0, so that a network that gets one begins where it was.
    """

    def __init__(self, coarse_channels: int, fine_channels: int, classes: int, channels: int = REFINER_CHANNELS):
        super().__init__()
        self.coarse = nn.Conv2d(coarse_channels, channels, 1)
        self.fine = nn.Conv2d(fine_channels, channels, 1)
        self.body = nn.Sequential(conv_norm_relu(channels, channels), conv_norm_relu(channels, channels))
        self.correction = nn.Conv2d(channels, classes, 1)
        nn.init.zeros_(self.correction.weight)
        nn.init.zeros_(self.correction.bias)

    def forward(self, logits_BChw: Tensor, coarse_BFhw: Tensor, fine_BGhw: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, h, w) logits, the features that they were made from, and (B, G, 2 h, 2 w) -> (B, C, 2 h, 2 w), and
        the features (B, REFINER_CHANNELS, 2 h, 2 w) of the correction.
        """
        size = fine_BGhw.shape[-2:]
        features = self.body(upsample(self.coarse(coarse_BFhw), size) + self.fine(fine_BGhw))
        return upsample(logits_BChw, size) + self.correction(features), features


def outline_refiner(
    stride_px: int, channels: int, trunk_channels: dict[int, int], classes: int
) -> OutlineRefiner | None:
    """The refiner that brings a `semantic_branch` from stride 4 to `stride_px`: none where that is 4."""
    return None if stride_px == FINEST_PX else OutlineRefiner(channels, trunk_channels[stride_px], classes)


def branch_logits(
    branch: nn.Sequential, refiner: OutlineRefiner | None, merged_BChw: Tensor, trunk_maps: dict[int, Tensor]
) -> tuple[Tensor, Tensor]:
    """Of the merged maps of a pyramid over a trunk: logits in float32 at stride 4, or at stride 2 with a refiner, and
    the features that they were made from.
    """
    features = branch[0](merged_BChw)
    logits = branch[1](features)
    if refiner is not None:
        logits, features = refiner(logits, features, trunk_maps[REFINED_PX])
    return logits.float(), features


def semantic_dice_loss(logits_BCHW: Tensor, train_ids_BHW: Tensor) -> Tensor:
    """1 - Dice, mean over the classes that the batch shows (V-Net, section 3): each counts alike, however small it is.

    Cross entropy alone leaves classes of a few pixels in a thousand (rider, bus, motorcycle) unlearnt for long.
    Ignored pixels do not count; 0 where all are ignored.
    """
    seen = train_ids_BHW != IGNORED_TRAIN_ID
    classes = logits_BCHW.shape[1]
    probability_CP = torch.softmax(logits_BCHW, dim=1).movedim(1, -1)[seen].T
    truth_P = train_ids_BHW[seen].long()
    own_P = probability_CP.gather(0, truth_P[None])[0]
    overlap = own_P.new_zeros(classes).index_add(0, truth_P, own_P)
    count = torch.bincount(truth_P, minlength=classes).to(own_P.dtype)
    dice = 2 * overlap / (probability_CP.sum(dim=1) + count).clamp(min=1e-6)
    shown = count > 0
    return (1 - dice)[shown].sum() / shown.sum().clamp(min=1)


def branch_losses(logits_BChw: Tensor, targets: list[Targets], config) -> dict[str, Tensor]:
    """The terms "semantic" and "dice" of a semantic branch, at a quarter of the pixels: a quarter of the memory.

    config   of the method: `semantic_loss_weight`, `dice_weight` and `class_balance`
    """
    train_ids = torch.stack([every_second_pixel(t["semantic"]) for t in targets])
    logits = upsample(logits_BChw, train_ids.shape[-2:])
    return {
        "semantic": config.semantic_loss_weight * semantic_loss(logits, train_ids, config.class_balance),
        "dice": config.dice_weight * semantic_dice_loss(logits, train_ids),
    }


def upsample(maps_BChw: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear, to `size` (H, W)."""
    if tuple(maps_BChw.shape[-2:]) == tuple(size):
        return maps_BChw
    return F.interpolate(maps_BChw, size=tuple(size), mode="bilinear", align_corners=False)


def add_skips(deepest_BChw: Tensor, skips: nn.ModuleDict, maps: dict[int, Tensor]) -> Tensor:
    """The sum that FCN-16s and FCN-8s make: enlarge, add a layer of the trunk's map at the next finer stride, again.

    skips  "16" and "8" -> 1x1 convolution from the trunk's map of that stride to C channels
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
    for module in [*conv6, *conv7]:
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            nn.init.zeros_(module.bias)
    return conv6, conv7
