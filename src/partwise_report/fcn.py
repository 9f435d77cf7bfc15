"""The FCN of the report's published code: void is a class that the network learns, and its pixels are handed in.

Axes: B images, C score maps, H and W in pixels.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch

from partwise.errors import PartwiseError
from partwise.fields import configuration
from partwise.methods import Fcn, FcnConfig, Outputs, Targets
from partwise.methods.semantic import likeliest
from partwise.scene import Prediction, Scene
from streeteval.instances import Instances
from streeteval.labels import CITYSCAPES, IGNORED_TRAIN_ID, LabelSet

ORACLE_LOGIT = 10.0


@configuration
class ReportFcnConfig(FcnConfig):
    """FCN with a score map for void.

    Attributes:
        void: "taught": the pixels of all other classes are a class of their own, the last one; "ignored": the network
            is that of `FcnConfig`, with 19 score maps.
        void_as_id: Label id that pixels of void are given in a prediction. The report's code wrote its train id 19 as
            the label id 19, which is "traffic light"; 0 ("unlabeled") would have said what was meant.
    """

    conv7: Literal["1x1", "3x3"] = "3x3"
    upsampling: Literal["fixed", "learnt"] = "learnt"
    void: Literal["taught", "ignored"] = "taught"
    void_as_id: int = 19


class ReportFcn(Fcn):
    """`Fcn` whose score layers have a map for void.

    outputs: {"semantic": (B, C + 1, H, W) logits}, C evaluated classes, then void
    targets: {"semantic": (H, W) uint8 train ids, C for void}; without void taught as in `Fcn`
    """

    Config = ReportFcnConfig
    config: ReportFcnConfig
    # Its maps are not those of the evaluated classes alone, as other networks' are.
    distillation = None  # type: ignore[assignment]

    def __init__(self, config: ReportFcnConfig, label_set: LabelSet = CITYSCAPES):
        self.void_map = len(label_set.evaluated)
        taught = config.void == "taught"
        super().__init__(config, label_set, score_maps=self.void_map + int(taught))
        if config.void_as_id not in {label.id for label in label_set.labels}:
            raise PartwiseError(
                f"method.void_as_id={config.void_as_id}: no label of {label_set.name} has this id: give one that has"
            )
        table = label_set.train_id_to_id.copy()
        if taught:
            table[self.void_map] = config.void_as_id
        self.map_to_id = table

    def targets(self, scene: Scene) -> Targets:
        """See the class."""
        targets = super().targets(scene)
        if self.config.void == "taught":
            train_ids = targets["semantic"]
            targets["semantic"] = torch.where(train_ids == IGNORED_TRAIN_ID, self.void_map, train_ids)
        return targets

    def oracle(self, targets: list[Targets]) -> Outputs:
        """See Method.oracle."""
        if self.config.void == "ignored":
            return super().oracle(targets)
        maps = torch.stack([t["semantic"] for t in targets]).long()
        one_hot = torch.nn.functional.one_hot(maps, self.void_map + 1)
        return {"semantic": one_hot.permute(0, 3, 1, 2).float() * ORACLE_LOGIT}

    def decode(self, outputs: Outputs, size: tuple[int, int]) -> list[Prediction]:
        """See Fcn.decode; pixels of void have the id `void_as_id`."""
        seen = outputs["semantic"][..., : size[0], : size[1]]
        best = likeliest(seen, dim=1).cpu().numpy()
        return [Prediction(Instances.empty(size), np.take(self.map_to_id, one)) for one in best]
