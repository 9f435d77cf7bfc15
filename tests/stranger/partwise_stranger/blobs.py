"""A method: instances are the connected pieces of the semantic map.

Axes: B images, C classes, H and W pixels.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor, nn
from torch.nn import functional as F

from partwise import CITYSCAPES, Instances, LabelSet, Prediction, Scene
from partwise.backbones import build_backbone
from partwise.data import AugmentConfig, DataConfig
from partwise.fields import Count, configuration
from partwise.methods import Method, MethodConfig, Outputs, Targets
from partwise.training import OptimConfig, Recipe, TrainingConfig

ORACLE_LOGIT = 10.0


@configuration
class BlobsConfig(MethodConfig):
    """Configuration of `Blobs`.

    Attributes:
        backbone: Name of the backbone.
        min_area_px: Smallest area of an instance in pixels.
    """

    backbone: str = "tiny"
    min_area_px: Count = 8


class Blobs(Method):
    """Connected pieces of a semantic map.

    Outputs are {"semantic": (B, C, H, W) logits}; targets are {"semantic": (H, W) uint8 train ids}.

    Args:
        config: The configuration.
        label_set: The classes.
    """

    Config = BlobsConfig
    config: BlobsConfig

    def __init__(self, config: BlobsConfig, label_set: LabelSet = CITYSCAPES):
        super().__init__()
        self.config, self.label_set = config, label_set
        self.backbone = build_backbone(config.backbone)
        channels = sum(self.backbone.channels.values())
        self.score = nn.Conv2d(channels, len(label_set.evaluated), 1)

    def forward(self, images_B3HW: Tensor) -> Outputs:
        """Compute the outputs for images (B, 3, H, W) uint8 RGB."""
        maps = self.backbone(self.normalise(images_B3HW))
        size = images_B3HW.shape[-2:]
        wide = [F.interpolate(one, size=size, mode="bilinear") for one in maps.values()]
        return {"semantic": self.score(torch.cat(wide, dim=1)).float()}

    def targets(self, scene: Scene) -> Targets:
        """Return the train ids of a scene; 255 for pixels of classes that are not evaluated."""
        return {"semantic": torch.from_numpy(self.label_set.id_to_train_id[scene.semantic_HW])}

    def oracle(self, targets: list[Targets]) -> Outputs:
        """Return the outputs of a perfect network for targets."""
        train_ids = torch.stack([target["semantic"] for target in targets]).long()
        known = train_ids.clamp(max=len(self.label_set.evaluated) - 1)
        logits = F.one_hot(known, len(self.label_set.evaluated)).permute(0, 3, 1, 2).float() * ORACLE_LOGIT
        return {"semantic": logits * (train_ids < 255)[:, None]}

    def loss(self, outputs: Outputs, targets: list[Targets]) -> dict[str, Tensor]:
        """Return the mean cross entropy over the pixels of evaluated classes."""
        truth = torch.stack([target["semantic"] for target in targets]).long()
        return {"semantic": F.cross_entropy(outputs["semantic"], truth, ignore_index=255)}

    def mirrored(self, outputs: Outputs) -> Outputs:
        """Turn the outputs for mirror images into the outputs for the images."""
        return {"semantic": outputs["semantic"].flip(-1)}

    def decode(self, outputs: Outputs, size: tuple[int, int]) -> list[Prediction]:
        """Return the connected pieces of each image, cut to `size` (H, W) in pixels."""
        return [self._pieces(one[:, : size[0], : size[1]]) for one in outputs["semantic"]]

    def _pieces(self, logits_CHW: Tensor) -> Prediction:
        share_HW, train_ids_HW = (t.numpy() for t in torch.softmax(logits_CHW, dim=0).max(dim=0))
        labels, scores, masks = [], [], []
        for label in self.label_set.things:
            pieces_HW, count = ndimage.label(train_ids_HW == label.train_id)
            for number in range(1, count + 1):
                mask = pieces_HW == number
                if mask.sum() >= self.config.min_area_px:
                    labels.append(label.id)
                    scores.append(float(share_HW[mask].mean()))
                    masks.append(mask)
        order = np.argsort(-np.array(scores), kind="stable")
        found = Instances.from_masks(labels, scores, masks, train_ids_HW.shape)[order]
        return Prediction(found, self.label_set.train_id_to_id[train_ids_HW.astype(np.uint8)])


def blobs_tiny() -> Recipe:
    """Return a recipe that trains on shapes for less than a minute."""
    return Recipe(
        name="blobs_tiny",
        about="connected pieces of a semantic map, on three convolutions",
        method=BlobsConfig(),
        data=DataConfig(augment=AugmentConfig(crop=(64, 128), scale=(1, 1), photometric=0), workers=0),
        optim=OptimConfig(lr=1e-2, warmup_steps=5),
        training=TrainingConfig(steps=60),
    )
