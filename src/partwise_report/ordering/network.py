"""Spatial centre ordering (report 2.3): FCN-8s says of each pixel the how-manieth instance of the image it belongs to.

It did not learn, and is here to show why: a rank is a global count, which no convolution of a limited view can make.
(That a network of l poolings by f tells at most f^(2l) equal-looking objects apart, arXiv 2101.05846, is no limit here:
1,024 of them with VGG16's five.)

Axes: B images, R maps (0 background, then the ranks), H and W in pixels, h and w at stride 8.
"""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from partwise.errors import PartwiseError
from partwise.fields import BelowOne, Blocks, Count, MapCount, configuration
from partwise.methods import MethodConfig, Outputs, Targets
from partwise.methods.fcn import Fcn, FcnConfig, bilinear_deconvolution
from partwise.scene import Prediction, Scene
from partwise_report.ordering.explain import OrderExplainer, OrderExplanation, explain
from partwise_report.ordering.losses import LossOver, order_loss
from partwise_report.ordering.targets import (
    IGNORED,
    Assign,
    Assignment,
    by_centre,
    by_depth,
    class_distances,
    map_of_pixels,
    of_class,
)
from streeteval.instances import Instances
from streeteval.labels import CITYSCAPES, LabelSet

ORACLE_LOGIT = 10.0


@configuration
class OrderingConfig(MethodConfig):
    """The two networks of report 2.3; the backbone is VGG16.

    Attributes:
        source: "slice": a 3x3 convolution from the class's slice of the score of FCN-8s, at stride 8 before it is
            enlarged, to the maps (2.3.1); "full": the score layers of FCN-8s get the maps in place of the classes
            (2.3.2).
        class_id: Whose instances are told apart; 26 is car.
        max_instances: Ranks; further instances are overflow: counted, and ignored by the loss.
        merge_last: As in the report's code: one map less, so that the last two ranks share the last map.
        order: "place": by the centre, x first, then y (2.3); "depth": the nearest first, by the data's disparity.
        vertical_first: As in the report's code: sorted by y, then x.
        loss_over: Pixels of the cross entropy: "all" as in the report, where background counts as it comes;
            "instances": those of ranked instances alone, so that background is never taught; "balanced": background and
            instances half each.
        void_taught: "slice": the score has a map for void, too, as that of `ReportFcn`, to start from one.
        fc6, conv7, upsampling, channels, dropout, frozen_blocks: As in FcnConfig.
    """

    source: Literal["slice", "full"] = "slice"
    class_id: int = 26
    max_instances: MapCount = 30
    merge_last: bool = False
    order: Literal["place", "depth"] = "place"
    vertical_first: bool = False
    loss_over: LossOver = "all"
    void_taught: bool = False
    fc6: Literal["3x3x3", "7x7"] = "3x3x3"
    conv7: Literal["1x1", "3x3"] = "1x1"
    upsampling: Literal["fixed", "learnt"] = "fixed"
    channels: Count = 4096
    dropout: BelowOne = 0.5
    frozen_blocks: Blocks = 0


class Ordering(Fcn):
    """FCN-8s with maps of ranks; its tensors have the names of `Fcn`, so that a trained FCN-8s can be its start.

    outputs: {"ranks": (B, R, H, W) logits}, R = ranks + 1, map 0 is the background. In training, with fixed upsampling,
        they stay at stride 8, (B, R, H / 8, W / 8), and the loss enlarges them
    targets: {"ranks": (H, W) uint8: map of each pixel, 255 ignored (overflow, groups of the class)}

    There is no semantic map: with "full" the network says nothing of other classes, with "slice" nothing teaches it to.
    """

    has_instances = True
    has_semantics = False
    noun = "rank"  # what a map stands for
    ordered = True  # whether the truth says which map an instance has

    Config: ClassVar[type[Any]] = OrderingConfig
    config: Any  # an OrderingConfig, which is no FcnConfig as that of the base class
    # From the right, instances stand in another order; and no other network says ranks.
    mirrored = None  # type: ignore[assignment]
    distillation = None  # type: ignore[assignment]

    def __init__(self, config: OrderingConfig, label_set: LabelSet = CITYSCAPES):
        things = {label.id: label for label in label_set.things}
        if config.class_id not in things:
            known = ", ".join(f"{id_} ({label.name})" for id_, label in things.items())
            raise PartwiseError(f"method ordering: class_id={config.class_id}: give a class with instances: {known}")
        if config.order == "depth" and config.vertical_first:
            raise PartwiseError(
                "method.vertical_first=true: order=depth sorts by distance alone: leave one of them out"
            )
        maps = config.max_instances + (0 if config.merge_last else 1)
        sliced = config.source == "slice"
        score_maps = len(label_set.evaluated) + int(config.void_taught) if sliced else maps
        same = ("fc6", "conv7", "upsampling", "channels", "dropout", "frozen_blocks")
        network = FcnConfig(output_stride=8, **{name: getattr(config, name) for name in same})
        super().__init__(network, label_set, score_maps=score_maps)
        self.config, self.maps = config, maps
        self.slice = things[config.class_id].train_id
        self.by_depth = config.order == "depth"
        self.assign: Assign = partial(by_centre, vertical_first=config.vertical_first)
        if sliced:
            self.order = nn.Conv2d(1, self.maps, 3, padding=1)  # a kernel and a bias for each rank are all that is new
            if config.upsampling == "learnt":
                self.enlarge["image"] = bilinear_deconvolution(self.maps, 8)

    @property
    def instance_classes(self) -> tuple[int, ...]:
        """See Method.instance_classes."""
        return (self.config.class_id,)

    def heads(self, features: dict[int, Tensor]) -> Outputs:
        """See Fcn.heads."""
        maps = self.score_maps(features)
        if self.config.source == "slice":
            maps = self.order(maps[:, self.slice : self.slice + 1])
        if self.training and self._loss_enlarges:
            return {"ranks": maps}
        return {"ranks": self.at_pixels(maps, features)}

    @property
    def _loss_enlarges(self) -> bool:
        """In training, whether the outputs stay at the stride of the maps."""
        return self.config.upsampling == "fixed"

    def assignment(self, scene: Scene) -> Assignment:
        """Which instance of the class has which rank in a scene, with its ties and overflow."""
        return self._assign_in(scene)(of_class(scene, self.config.class_id), self.config.max_instances)

    def _assign_in(self, scene: Scene) -> Assign:
        if not self.by_depth:
            return self.assign
        return partial(by_depth, distances_N=class_distances(scene, self.config.class_id))

    def targets(self, scene: Scene) -> Targets:
        """See the class."""
        ranks_HW = map_of_pixels(scene, self.config.class_id, self.config.max_instances, self._assign_in(scene))
        shown = ranks_HW != IGNORED
        ranks_HW[shown] = np.minimum(ranks_HW[shown], self.maps - 1)  # only `merge_last` has fewer maps than ranks
        return {"ranks": torch.from_numpy(ranks_HW)}

    def oracle(self, targets: list[Targets]) -> Outputs:
        """See Method.oracle; exact but for overflow, and for the last two ranks where they share a map."""
        ranks_BHW = torch.stack([t["ranks"] for t in targets]).long()
        maps = torch.where(ranks_BHW == IGNORED, 0, ranks_BHW)
        return {"ranks": F.one_hot(maps, self.maps).permute(0, 3, 1, 2).float() * ORACLE_LOGIT}

    def loss(self, outputs: Outputs, targets: list[Targets]) -> dict[str, Tensor]:
        """Softmax cross entropy, the mean over the pixels that `loss_over` names, of those that are not ignored."""
        truth = torch.stack([t["ranks"] for t in targets])
        return {"ranks": order_loss(outputs["ranks"], truth, self.config.loss_over)}

    def explain(
        self, outputs: Outputs, size: tuple[int, int], point: tuple[int, int] | None = None, scene: Scene | None = None
    ) -> OrderExplanation:
        """See Explainable.

        Args:
            outputs: Of one image.
            size: (H, W) of the image in pixels.
            point: (x, y) of the pixel; None for the middle of the instance with the highest score.
            scene: The image with its truth, of this size; with it the true order is told, too.
        """
        return explain(self, outputs, size, point, scene)

    def explainer(self, outputs: Outputs, size: tuple[int, int]) -> OrderExplainer:
        """See ExplainsOften."""
        return OrderExplainer(self, outputs, size)

    def decode(self, outputs: Outputs, size: tuple[int, int]) -> list[Prediction]:
        """The pixels where a rank's map is the highest are one instance; its score is their mean probability."""
        return [self._instances(one[:, : size[0], : size[1]]) for one in outputs["ranks"]]

    def _instances(self, logits_RHW: Tensor) -> Prediction:
        probability_HW, best_HW = (t.cpu().numpy() for t in torch.softmax(logits_RHW.float(), dim=0).max(dim=0))
        ranks = [rank for rank in np.unique(best_HW).tolist() if rank > 0]
        masks = [best_HW == rank for rank in ranks]
        scores = [float(probability_HW[mask].mean()) for mask in masks]
        labels = [self.config.class_id] * len(ranks)
        return Prediction(Instances.from_masks(labels, scores, masks, best_HW.shape))
