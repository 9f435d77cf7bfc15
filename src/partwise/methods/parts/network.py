"""Instance-sensitive part maps (InstanceFCN, Dai et al. 2016) at the strides of a pyramid, with windows that scale.

What differs from the paper, each for the reason that the evidence gives: windows of several sizes instead of one
(FPN paper, section 6), bilinear instead of nearest assembling (TensorMask, table 3), the class by vote of a semantic
branch that also sharpens the masks.

Axes: B images, C evaluated classes, T of them with instances, K = k * k parts, m window cells a side, M windows,
h and w cells of a map, H and W pixels. Lists have one entry a window grid, in the order of `windows`.
"""

from __future__ import annotations

from dataclasses import field
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from partwise.backbones import build_backbone
from partwise.backbones.initialisation import start_as_rare
from partwise.backbones.pyramid import Pyramid, conv_norm_relu, merged_at_finest
from partwise.errors import PartwiseError
from partwise.fields import Blocks, Count, NotNegative, configuration
from partwise.labels import CITYSCAPES, LabelSet
from partwise.methods.capabilities import ClassRows, WindowTruth
from partwise.methods.distil import distilled_parts, distilled_semantics
from partwise.methods.method import Method, MethodConfig, Outputs, Targets
from partwise.methods.parts.decode import Decoded, ImageOutputs, PartsDecoder
from partwise.methods.parts.decode_config import DecodeConfig
from partwise.methods.parts.explain import Explanation, explain
from partwise.methods.parts.losses import mask_loss, objectness_loss, untouched, window_loss
from partwise.methods.parts.oracle import OracleParts
from partwise.methods.parts.pooled import PooledMaps
from partwise.methods.parts.refine import (
    FineGrid,
    MaskRefiner,
    chosen_windows,
    kind_of_owner,
    kinds_of,
    window_truth,
)
from partwise.methods.parts.targets import AssignConfig, assign_windows
from partwise.methods.parts.window_truth import window_truth as windows_of_targets
from partwise.methods.parts.windows import assemble, mirrored_windows, parse_windows, part_weights
from partwise.methods.semantic import (
    REFINER_CHANNELS,
    branch_logits,
    branch_losses,
    outline_refiner,
    semantic_branch,
    semantic_heads,
    semantic_oracle,
)
from partwise.scene import Prediction, Scene

OBJECTNESS_PRIOR = 0.01  # RetinaNet, section 4.1: rare positives start as rare


@configuration
class PartsConfig(MethodConfig):
    """The method of part maps.

    frozen_blocks  blocks of the backbone that keep their weights, see VggBackbone and TimmBackbone
    windows      (stride in px, cells a side) of each grid of windows
    k            k x k parts a window
    assembling   "bilinear" or "nearest"
    channels     of the pyramid and of the heads
    context      dilations of the blocks in which the coarsest map of the pyramid sees further, see Context
    assign       which windows are positive, negative or ignored
    decode       from outputs to instances
    semantic_stride_px   4, or 2: the semantic map is refined by the backbone's map at stride 2
    refine_masks   assembled masks are corrected at a finer grid, see refine.py; with a semantic map at stride 2
    max_refined_windows  an image, in training
    dice_weight    of the semantic Dice loss beside the cross entropy
    class_balance  of the semantic cross entropy, see `semantic_loss`
    """

    backbone: str = "efficientnet_lite0"
    frozen_blocks: Blocks = 0
    windows: tuple[tuple[int, int], ...] = ((4, 8), (4, 16), (8, 16), (16, 16), (32, 16))
    k: Count = 3
    assembling: Literal["bilinear", "nearest"] = "bilinear"
    channels: Count = 96
    context: tuple[Count, ...] = ()
    assign: AssignConfig = field(default_factory=AssignConfig)
    decode: DecodeConfig = field(default_factory=DecodeConfig)
    mask_loss_weight: NotNegative = 2.0
    semantic_stride_px: Literal[2, 4] = 4
    semantic_loss_weight: NotNegative = 1.0
    dice_weight: NotNegative = 1.0
    class_balance: NotNegative = 0.5
    max_mask_windows: Count = 256  # an image, as in InstanceFCN, section 3.2
    refine_masks: bool = False
    max_refined_windows: Count = 32


class PartMaps(Method):
    """Backbone, pyramid, and three branches: objectness, part maps, semantics.

    outputs  {"semantic": (B, C, H / s, W / s), "objectness": [(B, h, w)], "parts": [(B, K, h, w)]}, logits; s is
             `semantic_stride_px`. Where masks are refined also "detail": (B, F, H / 2, W / 2), what MaskRefiner sees;
             oracle outputs have none
    targets  {"semantic": (H, W) uint8 train ids, and what `assign_windows` gives for each grid}. Where masks are
             refined also "owned": (H, W) int32 instance ids
    """

    Config = PartsConfig
    config: PartsConfig

    def __init__(self, config: PartsConfig, label_set: LabelSet = CITYSCAPES):
        super().__init__()
        self.config, self.label_set = config, label_set
        self.windows = parse_windows(config.windows)
        self.backbone = build_backbone(
            config.backbone, frozen_blocks=config.frozen_blocks, finest_px=config.semantic_stride_px
        )
        self.pyramid = Pyramid(self.backbone.channels, config.channels, config.context)
        for window in self.windows:
            if window.stride_px not in self.pyramid.channels:
                raise PartwiseError(
                    f"method.windows: a grid of stride {window.stride_px}: the pyramid has maps at strides "
                    f"{', '.join(map(str, self.pyramid.channels))}"
                )
        slots = sorted({window.cells for window in self.windows})
        self.slot = [slots.index(window.cells) for window in self.windows]
        self.tower = conv_norm_relu(config.channels, config.channels)
        self.objectness_branch = nn.Sequential(
            conv_norm_relu(config.channels, config.channels), nn.Conv2d(config.channels, len(slots), 1)
        )
        self.parts_branch = nn.Sequential(
            conv_norm_relu(config.channels, config.channels, kernel=1),
            nn.Conv2d(config.channels, len(slots) * config.k**2, 3, padding=1),
        )
        classes = len(label_set.evaluated)
        self.semantic_branch = semantic_branch(config.channels, classes)
        self.refiner = outline_refiner(config.semantic_stride_px, config.channels, self.backbone.channels, classes)
        if config.refine_masks and self.refiner is None:
            raise PartwiseError("method.refine_masks: it sees what refines a semantic map: give semantic_stride_px=2")
        self.mask_refiner = MaskRefiner(REFINER_CHANNELS) if config.refine_masks else None
        start_as_rare(self.objectness_branch[-1], OBJECTNESS_PRIOR)
        for index, window in enumerate(self.windows):
            self.register_buffer(
                f"part_weights_{index}", part_weights(config.k, window.cells, config.assembling), persistent=False
            )
        self.decoder = PartsDecoder(config.decode, self.windows, label_set)

    def class_heads(self) -> tuple[ClassRows, ...]:
        """See HasClassHeads; objectness and part maps know no classes."""
        return semantic_heads(self.refiner)

    @property
    def part_weights(self) -> list[Tensor]:
        """(K, m, m) of each grid: how its parts assemble."""
        return [getattr(self, f"part_weights_{index}") for index in range(len(self.windows))]

    def forward(self, images_B3HW: Tensor) -> Outputs:
        """See Method.forward."""
        maps = self.backbone(self.normalise(images_B3HW))
        pyramid = self.pyramid(maps)
        heads = {}
        for stride in {window.stride_px for window in self.windows}:
            features = self.tower(pyramid[stride])
            parts = self.parts_branch(features).float()
            heads[stride] = (
                self.objectness_branch(features).float(),
                parts.unflatten(1, (-1, self.config.k**2)),
            )
        semantic, detail = branch_logits(self.semantic_branch, self.refiner, merged_at_finest(pyramid), maps)
        refined = {} if self.mask_refiner is None else {"detail": self.mask_refiner.reduce(detail).float()}
        return refined | {
            "semantic": semantic,
            "objectness": [heads[w.stride_px][0][:, s] for w, s in zip(self.windows, self.slot, strict=True)],
            "parts": [heads[w.stride_px][1][:, s] for w, s in zip(self.windows, self.slot, strict=True)],
        }

    def targets(self, scene: Scene) -> Targets:
        """See the class."""
        semantic = torch.from_numpy(self.label_set.id_to_train_id[scene.semantic_HW])
        assigned = self.assigned_windows(scene)
        if self.mask_refiner is not None:
            assigned["owned"] = torch.from_numpy(np.ascontiguousarray(scene.instance_ids_HW))
        return {"semantic": semantic, **assigned}

    def assigned_windows(self, scene: Scene) -> Targets:
        """The targets of each grid of windows, see `assign_windows`."""
        return assign_windows(scene, self.windows, self.config.assign)

    def oracle(self, targets: list[Targets]) -> Outputs:
        """See Method.oracle and OracleParts."""
        made = [OracleParts(self.windows, self.part_weights).maps(target) for target in targets]
        train_ids = torch.stack([t["semantic"] for t in targets])
        outputs: Outputs = {"semantic": semantic_oracle(train_ids, self.label_set)}
        for key in ("objectness", "parts"):
            outputs[key] = [torch.stack(grids) for grids in zip(*(one[key] for one in made), strict=True)]
        return outputs

    def loss(self, outputs: Outputs, targets: list[Targets]) -> dict[str, Tensor]:
        """objectness: focal loss; mask: cross entropy and Dice on positive windows; outline: the same of refined masks;
        semantic: cross entropy; dice.
        """
        refined = {"outline": self._refined_loss(outputs, targets)} if "detail" in outputs else {}
        return refined | {
            "objectness": objectness_loss(outputs["objectness"], targets),
            "mask": self.config.mask_loss_weight
            * mask_loss(outputs["parts"], targets, self.part_weights, self.config.max_mask_windows),
            **branch_losses(outputs["semantic"], targets, self.config),
        }

    def _refined_loss(self, outputs: Outputs, targets: list[Targets]) -> Tensor:
        """As the loss of masks, of refined ones against the truth's pixels; the semantic map learns nothing by it."""
        refiner = self.mask_refiner
        assert refiner is not None
        losses = []
        for b, target in enumerate(targets):
            probability = torch.softmax(outputs["semantic"][b].detach(), dim=0)
            kinds = PooledMaps(kinds_of(probability[self.decoder.thing_train_ids], self.label_set))
            detail = PooledMaps(outputs["detail"][b])
            chosen = chosen_windows(target, len(self.windows), self.config.max_refined_windows)
            for index, (window, which) in enumerate(zip(self.windows, chosen, strict=True)):
                if len(which) == 0:
                    continue
                which = which.to(probability.device)
                centres = target[f"centres_{index}"][which]
                assembled, _ = assemble(outputs["parts"][index][b], centres, self.part_weights[index])
                owner, fine = target[f"owner_{index}"][which], FineGrid.of(window)
                kind = kind_of_owner(owner, self.label_set)
                shape = fine.shape_of(outputs["detail"][b])
                refined, inside = refiner(assembled, centres, window, detail.at(shape), kinds.at(shape), kind)
                truth = window_truth(centres, window, target["owned"], owner)
                losses.append(window_loss(refined, truth, inside))
        return torch.cat(losses).mean() if losses else outputs["detail"].sum() * 0.0 + untouched(refiner)

    def check_teacher(self, teacher: Method) -> None:
        """See Distillable."""
        if isinstance(teacher, PartMaps) and (self.windows, self.config.k) != (teacher.windows, teacher.config.k):
            raise PartwiseError(
                f"teacher: its windows and k are {list(teacher.config.windows)}, {teacher.config.k}, the recipe's "
                f"{list(self.config.windows)}, {self.config.k}: make them equal"
            )

    def distillation(self, outputs: Outputs, taught: Outputs) -> dict[str, Tensor]:
        """See Distillable; objectness and parts where the teacher has part maps, too."""
        return distilled_semantics(outputs, taught, self.config.class_balance) | distilled_parts(outputs, taught)

    def window_truth(self, scene: Scene, targets: Targets) -> WindowTruth:
        """See HasWindows."""
        return windows_of_targets(self, scene, targets)

    def explain(self, outputs: Outputs, size: tuple[int, int], point: tuple[int, int] | None = None) -> Explanation:
        """See Explainable."""
        return explain(self, outputs, size, point)

    @property
    def default_scale(self) -> float:
        """See Method."""
        return self.config.decode.scale

    def mirrored(self, outputs: Outputs) -> Outputs:
        """See Mirrorable; the left part of an object is its right one.

        With "nearest" assembling and cells that k does not divide, parts are not of one width, and masks are as they
        are mirrored but for a column.
        """
        k = self.config.k
        maps = {key: outputs[key].flip(-1) for key in ("semantic", "detail") if key in outputs}
        return maps | {
            "objectness": [mirrored_windows(*one) for one in zip(outputs["objectness"], self.windows, strict=True)],
            "parts": [maps_BKhw.flip(-1).unflatten(1, (k, k)).flip(2).flatten(1, 2) for maps_BKhw in outputs["parts"]],
        }

    def decode(self, outputs: Outputs, size: tuple[int, int]) -> list[Prediction]:
        """See Method.decode and PartsDecoder."""
        return [self.decode_one(outputs, b, size).prediction for b in range(len(outputs["semantic"]))]

    def decode_one(self, outputs: Outputs, b: int, size: tuple[int, int]) -> Decoded:
        """Decode image `b` of the outputs; the result has the data of every stage, see PartsDecoder."""
        return self.decoder.decode(ImageOutputs.of(outputs, b), self.part_weights, size, self.mask_refiner)

    def reconciled(self, prediction: Prediction, outputs: Outputs, b: int, seen: tuple[int, int]) -> Prediction:
        """See Method.reconciled and `decoding.reconcile`."""
        semantic_Chw = outputs["semantic"][b]
        stride_px = self.decoder.semantic_stride_px([grid[b] for grid in outputs["objectness"]], semantic_Chw)
        highest_hw = torch.softmax(semantic_Chw, dim=0).max(dim=0).values
        return self.decoder.reconciled(prediction, highest_hw, stride_px, seen)
