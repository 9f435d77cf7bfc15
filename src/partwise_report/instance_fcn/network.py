"""The instance-sensitive FCN (Dai et al. 2016) as the report built it (2.4) and as the paper has it.

A window at a cell is cut into k x k parts, each copied from its own map; objectness says whether it holds an object.
`PartMaps` is the method with what was learnt since; this one is here to be measured.

Axes: B images, C evaluated classes, K = k * k parts, M windows, P cells of all windows, N objects, h and w cells
of the maps, H and W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from partwise.backbones import Backbone, VggBackbone, build_backbone
from partwise.errors import PartwiseError
from partwise.geometry import padded_size
from partwise.methods import Method, Outputs, Targets, WindowTruth
from partwise.methods.fcn import FcnConfig, add_skips, conv6_and_7
from partwise.methods.options import DEFAULT_OPTIONS, InferenceOptions, resized_images
from partwise.methods.semantic import likeliest, semantic_loss, semantic_oracle, upsample
from partwise.scene import Prediction, Scene
from partwise_report import slips as slip
from partwise_report.instance_fcn.config import STRIDE_PX, InstanceFcnConfig
from partwise_report.instance_fcn.decode import InstanceFcnDecoder, Proposals
from partwise_report.instance_fcn.explain import InstanceFcnExplainer, InstanceFcnExplanation, explain
from partwise_report.instance_fcn.losses import at_pixels, mask_loss, objectness_loss
from partwise_report.instance_fcn.oracle import oracle_objectness, oracle_parts
from partwise_report.instance_fcn.targets import window_targets
from partwise_report.instance_fcn.window_truth import window_truth
from streeteval.labels import CITYSCAPES, LabelSet


class InstanceFcn(Method):
    """A backbone and two branches: 1x1, ReLU, 3x3 -> K part maps; 3x3, ReLU, 1x1 -> objectness.

    (Report 2.4.2; InstanceFCN, section 3.1.)
    A cell of the maps is `config.cell_px` pixels of the image high and wide.

    outputs  {"objectness": [(B, h, w)], "parts": [(B, K, h, w)], and with its weight "semantic": (B, C, h, w)}: logits,
             but for the objectness "mean_l1", whose map is compared with 0 and 1 as it is (2.4.5)
    targets  what `window_targets` gives, and with its weight "semantic": (H, W) uint8 train ids

    Backbone, conv6, conv7 (and score, skips, where it has a semantic map) have the names of `Fcn`.
    """

    Config = InstanceFcnConfig
    config: InstanceFcnConfig

    def __init__(self, config: InstanceFcnConfig, label_set: LabelSet = CITYSCAPES):
        super().__init__()
        _check(config, label_set)
        self.config, self.label_set = config, label_set
        self.backbone = _backbone_of(config)
        semantic = len(label_set.evaluated) if config.semantic_loss_weight else 0
        channels = self.backbone.channels[STRIDE_PX]
        if config.features == "skips":
            channels = config.branch_channels
            self.conv6, self.conv7 = conv6_and_7(FcnConfig(channels=config.channels, dropout=config.dropout))
            self.widened, self.widened_skips = self._score_layers(channels)
            if semantic:
                self.score, self.skips = self._score_layers(semantic)
        elif semantic:
            self.score = nn.Conv2d(channels, semantic, 1)
        between = nn.Identity if config.slips.linear_branches else nn.ReLU
        hidden = config.branch_channels
        self.parts_branch = nn.Sequential(
            nn.Conv2d(channels, hidden, 1),
            between(),
            nn.Conv2d(hidden, config.k**2, 3, stride=config.branch_stride, padding=1),
        )
        self.objectness_branch = nn.Sequential(
            nn.Conv2d(channels, hidden, 3, stride=config.branch_stride, padding=1), between(), nn.Conv2d(hidden, 1, 1)
        )
        slip.put_back(self, config.slips)
        self.decoder = InstanceFcnDecoder(config, self.instance_classes, label_set)

    @property
    def instance_classes(self) -> tuple[int, ...]:
        """See Method.instance_classes."""
        return self.config.classes or super().instance_classes

    def _score_layers(self, maps: int) -> tuple[nn.Conv2d, nn.ModuleDict]:
        """The three score layers of FCN-8s with so many maps."""
        skips = {str(stride): nn.Conv2d(self.backbone.channels[stride], maps, 1) for stride in (16, 8)}
        return nn.Conv2d(self.config.channels, maps, 1), nn.ModuleDict(skips)

    def normalise(self, images_B3HW: Tensor) -> Tensor:
        """See Method.normalise."""
        if self.config.slips.no_mean_subtraction:
            return slip.without_mean(images_B3HW, self.backbone)
        return super().normalise(images_B3HW)

    @property
    def has_semantics(self) -> bool:  # type: ignore[override]  # of a class elsewhere, here of its configuration
        """See Method."""
        return self.config.semantic_loss_weight > 0

    def forward(self, images_B3HW: Tensor) -> Outputs:
        """See Method.forward."""
        return self.heads(self.features(images_B3HW))

    def features(self, images_B3HW: Tensor) -> dict[int, Tensor]:
        """Compute what the heads see of the images: all that a cache needs to train the heads without the backbone.

        With holes on VGG16 these are `backbone.from_conv4_3(conv4_3)`, where
        `conv4_3, _ = backbone.to_conv4_3(normalise(enlarged(images)))`: one cache of conv4_3 serves every variant of
        conv5.

        Args:
            images_B3HW: uint8, 0..255; H and W multiples of `size_multiple`.

        Returns:
            Stride in pixels of the enlarged image -> (B, channels, H * enlarge / stride, W * enlarge / stride) float:
            with holes {8: conv5_3}, with skips pool3 (8), pool4 (16) and pool5 (32).
        """
        return self.backbone(self.normalise(self.enlarged(images_B3HW)))

    def enlarged(self, images_B3HW: Tensor) -> Tensor:
        """The images as the backbone sees them: uint8, `config.enlarge` times as large."""
        height, width = images_B3HW.shape[-2:]
        return resized_images(images_B3HW, (height * self.config.enlarge, width * self.config.enlarge))

    def heads(self, features: dict[int, Tensor]) -> Outputs:
        """Compute the outputs from what `features` returns: `forward(images)` is `heads(features(images))`."""
        outputs: Outputs = {}
        if self.config.features == "skips":
            deepest = self.conv7(self.conv6(features[max(features)]))
            read = add_skips(self.widened(deepest), self.widened_skips, features)
            if self.config.semantic_loss_weight:
                outputs["semantic"] = add_skips(self.score(deepest), self.skips, features).float()
        else:
            read = features[STRIDE_PX]
            if self.config.semantic_loss_weight:
                outputs["semantic"] = self.score(read).float()
        outputs["objectness"] = [self.objectness_branch(read)[:, 0].float()]
        outputs["parts"] = [self.parts_branch(read).float()]
        return outputs

    def targets(self, scene: Scene) -> Targets:
        """See the class."""
        config = self.config
        targets = window_targets(scene, config)
        if config.semantic_loss_weight:
            targets["semantic"] = torch.from_numpy(self.label_set.id_to_train_id[scene.semantic_HW])
        return targets

    def oracle(self, targets: list[Targets]) -> Outputs:
        """See Method.oracle: the least loss that maps can have, map by map.

        With "mean_l1" and "window" that is far from 0: a pixel lies in positive and in negative windows at once.
        """
        k, shapes = self.config.k, [tuple(t["coverage"].shape[-2:]) for t in targets]
        outputs: Outputs = {
            "objectness": [
                torch.stack(
                    [oracle_objectness(self.config.objectness, t, s) for t, s in zip(targets, shapes, strict=True)]
                )
            ],
            "parts": [
                torch.stack(
                    [oracle_parts(self.config.mask_loss, t, k, s) for t, s in zip(targets, shapes, strict=True)]
                )
            ],
        }
        if self.config.semantic_loss_weight:
            train_ids = torch.stack([t["semantic"] for t in targets])
            outputs["semantic"] = semantic_oracle(train_ids, self.label_set)
        return outputs

    def loss(self, outputs: Outputs, targets: list[Targets]) -> dict[str, Tensor]:
        """objectness, of all windows; mask, of positive windows; and with its weight semantic."""
        config, objectness, parts, windows = self.config, outputs["objectness"][0], outputs["parts"][0], targets
        if config.target_level == "pixels":
            both, windows = at_pixels(torch.cat([objectness[:, None], parts], dim=1), targets, config.cell_px)
            objectness, parts = both[:, 0], both[:, 1:]
        masks = mask_loss(config.mask_loss, parts, windows, config.k, config.reduction)
        terms = {
            "objectness": objectness_loss(config.objectness, objectness, windows, config.reduction),
            "mask": config.mask_loss_weight * masks,
        }
        if config.semantic_loss_weight:
            train_ids = torch.stack([t["semantic"] for t in targets])
            logits = upsample(outputs["semantic"], train_ids.shape[-2:])
            terms["semantic"] = config.semantic_loss_weight * semantic_loss(logits, train_ids)
        return terms

    def window_truth(self, scene: Scene, targets: Targets) -> WindowTruth:
        """See HasWindows."""
        return window_truth(self, scene, targets)

    def explain(
        self, outputs: Outputs, size: tuple[int, int], point: tuple[int, int] | None = None
    ) -> InstanceFcnExplanation:
        """See Explainable; of the image at the size that it has, without `decode.short_sides_px`."""
        return explain(self, outputs, size, point)

    def explainer(self, outputs: Outputs, size: tuple[int, int]) -> InstanceFcnExplainer:
        """See ExplainsOften."""
        return InstanceFcnExplainer(self, outputs, size)

    def decode(self, outputs: Outputs, size: tuple[int, int]) -> list[Prediction]:
        """See Method.decode; one image size. `predict` looks at a pyramid of sizes where the configuration has one."""
        found = self.proposals(outputs, (self.config.enlarge, self.config.enlarge))
        return [self._prediction(one, outputs, b, size) for b, one in enumerate(found)]

    def proposals(self, outputs: Outputs, enlarged: tuple[float, float]) -> list[list]:
        """For each image its proposals, see InstanceFcnDecoder.proposals."""
        (objectness,), (parts,) = outputs["objectness"], outputs["parts"]
        semantic = outputs.get("semantic", [None] * len(objectness))
        if "semantic" in outputs and outputs["semantic"].shape[-2:] != objectness.shape[-2:]:  # oracle ones
            semantic = F.adaptive_avg_pool2d(semantic, tuple(objectness.shape[-2:]))
        return [self.decoder.proposals(objectness[b], parts[b], semantic[b], enlarged) for b in range(len(objectness))]

    def _prediction(self, proposals: list, outputs: Outputs, b: int, size: tuple[int, int]) -> Prediction:
        instances = self.decoder.prediction(proposals, size).instances
        if "semantic" not in outputs:
            return Prediction(instances)
        logits = outputs["semantic"][b : b + 1]
        height, width = outputs["objectness"][0].shape[-2:]
        whole = upsample(logits, (height * self.config.cell_px, width * self.config.cell_px))
        best = likeliest(whole[0, :, : size[0], : size[1]], dim=0).to(torch.uint8).cpu().numpy()
        return Prediction(instances, self.label_set.train_id_to_id[best])

    def predict(self, images_B3HW: Tensor, options: InferenceOptions = DEFAULT_OPTIONS) -> list[Prediction]:
        """See Method.predict. Raises PartwiseError for several scales where the method has sizes of its own."""
        sizes = list(self.config.decode.short_sides_px)
        if sizes and isinstance(options.scale, Sequence) and len(options.scale) > 1:
            scales = list(options.scale)
            raise PartwiseError(f"scales {scales}: this model looks at several sizes itself ({sizes}): give one")
        return super().predict(images_B3HW, options)

    @torch.inference_mode()
    def predict_as_is(self, images_B3HW: Tensor, flip: bool = False) -> list[Prediction]:
        """See Method.predict_as_is; with `decode.short_sides_px` the windows of all sizes of the image compete."""
        short_sides = self.config.decode.short_sides_px
        if flip or not short_sides:  # which raises for flip
            return super().predict_as_is(images_B3HW, flip)
        height, width = size = images_B3HW.shape[-2], images_B3HW.shape[-1]
        found: list[list[Proposals]] = [[] for _ in images_B3HW]
        for short in short_sides:
            scaled = max(1, round(height * short / min(size))), max(1, round(width * short / min(size)))
            outputs = self(_resized(images_B3HW, scaled, self.size_multiple))
            enlarged = (scaled[0] / size[0] * self.config.enlarge, scaled[1] / size[1] * self.config.enlarge)
            for kept, new in zip(found, self.proposals(outputs, enlarged), strict=True):
                kept.extend(new)
        instances = [self.decoder.prediction(one, size).instances for one in found]
        if not self.config.semantic_loss_weight:
            return [Prediction(one) for one in instances]
        plain = super().predict_as_is(images_B3HW)  # the semantic map of the image as it comes
        return [Prediction(one, other.semantic_HW) for one, other in zip(instances, plain, strict=True)]


def _resized(images_B3HW: Tensor, size: tuple[int, int], multiple: int) -> Tensor:
    """uint8 images at another size, padded at the right and the bottom."""
    height, width = padded_size(size, multiple)
    return F.pad(resized_images(images_B3HW, size), (0, width - size[1], 0, height - size[0]))


def _backbone_of(config: InstanceFcnConfig) -> Backbone:
    """VGG16 with its skips or holes, or another backbone with holes; its weights are random.

    Raises:
        PartwiseError: For skips of another backbone, and for one that cannot be dilated.
    """
    holes = config.features == "holes"
    if config.backbone == VggBackbone.name:
        return VggBackbone(holes=holes, taps="pool", frozen_blocks=config.frozen_blocks)
    if not holes:
        raise PartwiseError(
            f"method instance_fcn: backbone={config.backbone}: only vgg16 has skips: give method.features=holes"
        )
    return build_backbone(config.backbone, holes=True, frozen_blocks=config.frozen_blocks)


def _check(config: InstanceFcnConfig, label_set: LabelSet) -> None:
    """Raises PartwiseError for classes that cannot be told apart, and for slips of layers that are not there."""
    things = {label.id for label in label_set.things}
    if unknown := [id_ for id_ in config.classes if id_ not in things]:
        known = ", ".join(f"{label.id} ({label.name})" for label in label_set.things)
        raise PartwiseError(f"method instance_fcn: classes has {unknown[0]}: give classes with instances: {known}")
    if len(config.classes) != 1 and not config.semantic_loss_weight:
        raise PartwiseError(
            "method instance_fcn: several classes need a semantic map to be told apart: give "
            "method.semantic_loss_weight=1, or one class"
        )
    if config.slips.one_dilated_layer and config.features != "holes":
        raise PartwiseError("method.slips.one_dilated_layer: only features=holes has dilated layers: give it")
    if config.slips.one_dilated_layer and config.backbone != VggBackbone.name:
        raise PartwiseError(
            f"method.slips.one_dilated_layer: backbone {config.backbone} has no conv5_1: give backbone=vgg16"
        )
    config.negative_px  # noqa: B018  # raises for shifts that do not go together
