"""Instance-sensitive part maps (InstanceFCN, Dai et al. 2016) on a feature pyramid, with windows of several sizes.

It differs from the paper in three ways. The windows have several sizes instead of one (FPN paper, Lin et al. 2017,
section 6). Windows are assembled by bilinear instead of nearest interpolation (TensorMask, Chen et al. 2019, table 3).
The class is found by a vote of a semantic branch, which also sharpens the masks.

Axes: B images, C evaluated classes, T of them with instances, K = k * k parts, m window cells a side, M windows,
F channels of features, h and w cells of a map, H and W pixels. Lists have one entry for each grid of windows, in the
order of `windows`.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from partwise.backbones import build_backbone
from partwise.backbones.initialisation import start_as_rare
from partwise.backbones.pyramid import Pyramid, block_of, conv_norm_relu, merged_at_finest, separable_conv
from partwise.decoding.maps import softmax
from partwise.errors import PartwiseError
from partwise.methods.capabilities import ClassRows, WindowTruth
from partwise.methods.distil import distilled_parts, distilled_semantics
from partwise.methods.method import Method, Outputs, Targets
from partwise.methods.parts.config import PartsConfig
from partwise.methods.parts.decode import Decoded, ImageOutputs, PartsDecoder, as_array
from partwise.methods.parts.explain import Explanation
from partwise.methods.parts.explainer import PartsExplainer, explain
from partwise.methods.parts.losses import mask_loss, objectness_loss, untouched, window_loss
from partwise.methods.parts.mirror import mirrored_outputs
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
from partwise.methods.parts.targets import assign_windows
from partwise.methods.parts.window_truth import window_truth as windows_of_targets
from partwise.methods.parts.windows import assemble, parse_windows, part_weights
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

OBJECTNESS_PRIOR = 0.01  # initial objectness of a cell: positive cells are rare (RetinaNet, section 4.1)


class PartMaps(Method):
    """A backbone, a pyramid, and three branches: objectness, part maps, and semantics.

    Outputs: "semantic" (B, C, H / s, W / s) with s = `semantic_stride_px`, and for each grid "objectness" (B, h, w) and
    "parts" (B, K, h, w), all logits. If masks are refined also "detail" (B, F, H / 2, W / 2), the features that
    `MaskRefiner` needs; oracle outputs do not have them.
    Targets: "semantic" (H, W) uint8 train ids, and what `assign_windows` returns for each grid. If masks are refined
    also "owned" (H, W) int32 instance ids.

    Args:
        config: The configuration.
        label_set: The classes.

    Raises:
        PartwiseError: If a window has a stride that the pyramid lacks, or if masks are to be refined without a semantic
            map at stride 2.
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
        block, channels = block_of(config.heads), config.channels
        coarsest_px = max(window.stride_px for window in self.windows)
        self.pyramid = Pyramid(self.backbone.channels, channels, config.context, coarsest_px=coarsest_px, block=block)
        for window in self.windows:
            if window.stride_px not in self.pyramid.channels:
                raise PartwiseError(
                    f"method.windows: there is no map at stride {window.stride_px}: give 4 or a power of 2 above it"
                )
        slots = sorted({window.cells for window in self.windows})
        self.slot = [slots.index(window.cells) for window in self.windows]
        self.tower = block(channels, channels)
        self.objectness_branch = nn.Sequential(block(channels, channels), nn.Conv2d(channels, len(slots), 1))
        maps = len(slots) * config.k**2
        self.parts_branch = nn.Sequential(conv_norm_relu(channels, channels, kernel=1))
        dense = config.heads == "dense"
        self.parts_branch.extend(
            [nn.Conv2d(channels, maps, 3, padding=1)] if dense else separable_conv(channels, maps, bias=True)
        )
        classes = len(label_set.evaluated)
        self.semantic_branch = semantic_branch(channels, classes, block)
        self.refiner = outline_refiner(
            config.semantic_stride_px,
            channels,
            self.backbone.channels,
            classes,
            channels=config.refiner_channels,
            block=block,
        )
        if config.refine_masks and self.refiner is None:
            raise PartwiseError("method.refine_masks: it needs a semantic map at stride 2: give semantic_stride_px=2")
        self.mask_refiner = MaskRefiner(config.refiner_channels) if config.refine_masks else None
        start_as_rare(self.objectness_branch[-1], OBJECTNESS_PRIOR)
        for index, window in enumerate(self.windows):
            self.register_buffer(
                f"part_weights_{index}", part_weights(config.k, window.cells, config.assembling), persistent=False
            )
        self.decoder = PartsDecoder(config.decode, self.windows, label_set)

    @property
    def size_multiple(self) -> int:
        """See `Method.size_multiple`; a map that is coarser than those of the backbone needs a larger multiple."""
        return max(self.backbone.size_multiple, *self.pyramid.channels)

    def class_heads(self) -> tuple[ClassRows, ...]:
        """See HasClassHeads; objectness and part maps know no classes."""
        return semantic_heads(self.refiner)

    @property
    def part_weights(self) -> list[Tensor]:
        """(K, m, m) weights of each grid, by which its parts are assembled, see `windows.part_weights`."""
        return [getattr(self, f"part_weights_{index}") for index in range(len(self.windows))]

    def forward(self, images_B3HW: Tensor) -> Outputs:
        """Compute the outputs for a batch, see the class."""
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
        """Compute the targets of a scene, see the class."""
        semantic = torch.from_numpy(self.label_set.id_to_train_id[scene.semantic_HW])
        assigned = self.assigned_windows(scene)
        if self.mask_refiner is not None:
            assigned["owned"] = torch.from_numpy(np.ascontiguousarray(scene.instance_ids_HW))
        return {"semantic": semantic, **assigned}

    def assigned_windows(self, scene: Scene) -> Targets:
        """Compute the targets of each grid of windows, see `assign_windows`."""
        return assign_windows(scene, self.windows, self.config.assign)

    def oracle(self, targets: list[Targets]) -> Outputs:
        """Return the outputs of a perfect network, see `OracleParts`."""
        made = [OracleParts(self.windows, self.part_weights).maps(target) for target in targets]
        train_ids = torch.stack([t["semantic"] for t in targets])
        outputs: Outputs = {"semantic": semantic_oracle(train_ids, self.label_set)}
        for key in ("objectness", "parts"):
            outputs[key] = [torch.stack(grids) for grids in zip(*(one[key] for one in made), strict=True)]
        return outputs

    def loss(self, outputs: Outputs, targets: list[Targets]) -> dict[str, Tensor]:
        """Compute the loss.

        Returns:
            "objectness" (focal loss), "mask" (cross entropy and Dice of positive windows), "semantic" (cross entropy),
            "dice", and, if masks are refined, "outline" (cross entropy and Dice of refined masks).
        """
        refined = {"outline": self._refined_loss(outputs, targets)} if "detail" in outputs else {}
        return refined | {
            "objectness": objectness_loss(outputs["objectness"], targets),
            "mask": self.config.mask_loss_weight
            * mask_loss(outputs["parts"], targets, self.part_weights, self.config.max_mask_windows),
            **branch_losses(outputs["semantic"], targets, self.config),
        }

    def _refined_loss(self, outputs: Outputs, targets: list[Targets]) -> Tensor:
        """Compute `window_loss` of refined masks against the truth in pixels; the semantic map gets no gradient."""
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
        """Check that a teacher that has part maps has the same windows and parts, see `Distillable.check_teacher`.

        The teacher may lack the largest windows; nothing is learnt about these from it.

        Raises:
            PartwiseError: If they differ.
        """
        if not isinstance(teacher, PartMaps):
            return
        if self.config.k != teacher.config.k or self.windows[: len(teacher.windows)] != teacher.windows:
            raise PartwiseError(
                f"teacher: it has windows {list(teacher.config.windows)} and k {teacher.config.k}, the recipe has "
                f"windows {list(self.config.windows)} and k {self.config.k}: make them equal; only the largest windows "
                "of the recipe may be new"
            )

    def distillation(self, outputs: Outputs, taught: Outputs) -> dict[str, Tensor]:
        """Measure how far semantics, objectness and part maps are from the teacher's, see `methods.distil`."""
        grids = len(taught.get("parts", ()))
        known = {key: outputs[key][:grids] for key in ("objectness", "parts")}
        return distilled_semantics(outputs, taught, self.config.class_balance) | distilled_parts(known, taught)

    def window_truth(self, scene: Scene, targets: Targets) -> WindowTruth:
        """Compare the windows of the targets with the objects of the scene, see `HasWindows`."""
        return windows_of_targets(self, scene, targets)

    def explain(self, outputs: Outputs, size: tuple[int, int], point: tuple[int, int] | None = None) -> Explanation:
        """Explain one pixel, see `parts.explainer.explain`."""
        return explain(self, outputs, size, point)

    def explainer(self, outputs: Outputs, size: tuple[int, int]) -> PartsExplainer:
        """Explain many pixels of one image, see `ExplainsOften`."""
        return PartsExplainer(self, outputs, size)

    @property
    def default_scale(self) -> float:
        """The scale in the settings of the decoder."""
        return self.config.decode.scale

    @property
    def view_px(self) -> int:
        """The limit in the settings of the decoder."""
        return self.config.decode.view_px

    @property
    def largest_px(self) -> float:
        """The longest side of an object that the largest windows hold, see `AssignConfig.fill_max`."""
        return self.config.assign.fill_max * self.windows[-1].side_px

    def mirrored(self, outputs: Outputs) -> Outputs:
        """Mirror the maps, and exchange left parts and right parts, see `Mirrorable`.

        With "nearest" assembling and a number of cells that k does not divide, the parts differ in width. Then a
        mirrored mask can differ by a column from the mask of the mirror image.
        """
        return mirrored_outputs(outputs, self.windows, self.config.k)

    def decode(self, outputs: Outputs, size: tuple[int, int]) -> list[Prediction]:
        """Decode the outputs for each image, see `PartsDecoder.decode`."""
        return [self.decode_one(outputs, b, size).prediction for b in range(len(outputs["semantic"]))]

    def decode_one(self, outputs: Outputs, b: int, size: tuple[int, int]) -> Decoded:
        """Decode the outputs for image `b` of a batch, with the data of all stages, see `PartsDecoder.decode`."""
        correct = None if self.mask_refiner is None else self.mask_refiner.correct_arrays
        weights = [as_array(weights_Kmm) for weights_Kmm in self.part_weights]
        return self.decoder.decode(ImageOutputs.of(outputs, b), weights, size, correct)

    def reconciled(self, prediction: Prediction, outputs: Outputs, b: int, seen: tuple[int, int]) -> Prediction:
        """Make the semantic map consistent with the instances, see `Method.reconciled` and `decoding.reconcile`."""
        semantic_Chw = as_array(outputs["semantic"][b])
        stride_px = self.decoder.semantic_stride_px([grid[b] for grid in outputs["objectness"]], semantic_Chw)
        return self.decoder.reconciled(prediction, softmax(semantic_Chw).max(axis=0), stride_px, seen)
