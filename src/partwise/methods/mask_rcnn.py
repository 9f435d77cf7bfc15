"""torchvision's Mask R-CNN (He et al. 2017) on our backbones and pyramid: a baseline under equal conditions.

It differs from our methods in one respect: its losses sample boxes inside the network. Therefore `loss` takes the
features of a training step, while `oracle` and `decode` take detections. The detections have 28x28 masks, so that this
method has a ceiling as well.

Axes: B images, N boxes, H and W in pixels.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import paste_masks_in_image
from torchvision.ops import MultiScaleRoIAlign, roi_align

from partwise.backbones import build_backbone
from partwise.backbones.pyramid import Pyramid
from partwise.fields import Blocks, Count, CountOrZero, Share, configuration
from partwise.methods.capabilities import ClassRows
from partwise.methods.method import Method, MethodConfig, Outputs, Targets
from partwise.scene import Prediction, Scene
from streeteval.boxes import box_of_mask
from streeteval.instances import Instances
from streeteval.labels import CITYSCAPES, LabelSet

ANCHORS_PX = (16, 32, 64, 128, 256)  # half of torchvision's, which suit frames that are twice as large as ours
MASK_SIDE = 28  # Mask R-CNN, figure 4
PASTED_AT_ONCE = 16  # number of masks; a mask at full resolution takes 2 MB


@configuration
class MaskRcnnConfig(MethodConfig):
    """The configuration of Mask R-CNN with torchvision's own heads.

    Attributes:
        backbone: Name of the backbone, see `build_backbone`.
        frozen_blocks: Number of blocks of the backbone that keep their weights, see `VggBackbone` and `TimmBackbone`.
        channels: Channels of the pyramid.
        min_area_px: Objects with fewer pixels are not learnt.
        min_score: Detections with a score below it are left out, 0..1.
        nms_iou: Of two boxes of one class whose IoU is above it, the one with the higher score is kept, 0..1.
        max_instances: The maximum number of instances in an image.
    """

    backbone: str = "efficientnet_lite0"
    frozen_blocks: Blocks = 0
    channels: Count = 96
    min_area_px: CountOrZero = 20
    min_score: Share = 0.01
    nms_iou: Share = 0.5
    max_instances: Annotated[int, Field(ge=1, le=1000)] = 100


class _Backbone(nn.Module):
    """A stand-in for the backbone that torchvision's constructor needs; only its number of channels is read."""

    def __init__(self, channels: int):
        super().__init__()
        self.out_channels = channels


class MaskRcnn(Method):
    """A backbone, a pyramid, and torchvision's region proposals and heads.

    Outputs: in training "features", a list of (B, channels, h, w) at strides 4 to 64. Otherwise lists with one entry an
    image: "boxes" (N, 4) x0 y0 x1 y1 in pixels, "labels" (N,) from 1, "scores" (N,), and "masks" (N, 28, 28)
    probabilities.
    Targets: "boxes" (N, 4) float in pixels, "labels" (N,) int64 from 1, and "masks" (N, H, W) uint8.

    Args:
        config: The configuration.
        label_set: The classes.
    """

    Config = MaskRcnnConfig
    config: MaskRcnnConfig
    has_semantics = False

    def __init__(self, config: MaskRcnnConfig, label_set: LabelSet = CITYSCAPES):
        super().__init__()
        self.config, self.label_set = config, label_set
        self.backbone = build_backbone(config.backbone, frozen_blocks=config.frozen_blocks)
        self.pyramid = Pyramid(self.backbone.channels, config.channels)
        names = [str(level) for level in range(len(self.backbone.channels))]
        network = MaskRCNN(
            _Backbone(config.channels),
            num_classes=1 + len(label_set.things),
            rpn_anchor_generator=AnchorGenerator(
                tuple((side,) for side in ANCHORS_PX), ((0.5, 1.0, 2.0),) * len(ANCHORS_PX)
            ),
            box_roi_pool=MultiScaleRoIAlign(names, output_size=7, sampling_ratio=2),
            mask_roi_pool=MultiScaleRoIAlign(names, output_size=MASK_SIDE // 2, sampling_ratio=2),
            box_score_thresh=config.min_score,
            box_nms_thresh=config.nms_iou,
            box_detections_per_img=config.max_instances,
        )
        self.rpn, self.roi_heads = network.rpn, network.roi_heads
        self.label_ids = np.array([label.id for label in label_set.things])

    def forward(self, images_B3HW: Tensor) -> Outputs:
        """Compute the outputs of a batch, see the class: features in training, else detections."""
        maps = self.pyramid(self.backbone(self.normalise(images_B3HW)))
        features = [maps[stride].float() for stride in sorted(maps)]
        features.append(F.max_pool2d(features[-1], 1, stride=2))
        if self.training:
            return {"features": features}
        images, named = self._inputs(features)
        with torch.autocast(images_B3HW.device.type, enabled=False):  # bf16 would round boxes to 4 px and more
            proposals, _ = self.rpn(images, named)
            found, _ = self.roi_heads(named, proposals, images.image_sizes)
        keys = ("boxes", "labels", "scores", "masks")
        return {key: [one[key].squeeze(1) if key == "masks" else one[key] for one in found] for key in keys}

    def class_heads(self) -> tuple[ClassRows, ...]:
        """See HasClassHeads; torchvision's class 0 is the background."""
        return (
            ClassRows("roi_heads.box_predictor.cls_score", "things", rows_before=1),
            ClassRows("roi_heads.box_predictor.bbox_pred", "things", rows_each=4, rows_before=4),
            ClassRows("roi_heads.mask_predictor.mask_fcn_logits", "things", rows_before=1),
        )

    def _inputs(self, features: list[Tensor]) -> tuple[ImageList, dict[str, Tensor]]:
        """Name the features as torchvision does, and make images; torchvision reads only their size and device."""
        height, width = (side * min(self.backbone.channels) for side in features[0].shape[-2:])
        batch = len(features[0])
        images = ImageList(features[0].new_zeros(()).expand(batch, 3, height, width), [(height, width)] * batch)
        return images, {str(level): one for level, one in enumerate(features)}

    def targets(self, scene: Scene) -> Targets:
        """Return boxes, labels and masks of the objects of a scene.

        Groups and classes that are not evaluated become background, because torchvision has no ignored regions.
        """
        instances, index = scene.instances, {int(i): n + 1 for n, i in enumerate(self.label_ids)}
        keep = [
            i
            for i in range(len(instances))
            if int(instances.labels[i]) in index and instances.areas[i] >= self.config.min_area_px
        ]
        masks = np.stack([instances.full_mask(i) for i in keep]) if keep else np.zeros((0, *scene.size), bool)
        return {
            "boxes": torch.from_numpy(instances.boxes[keep].astype(np.float32).reshape(-1, 4)),
            "labels": torch.tensor([index[int(instances.labels[i])] for i in keep], dtype=torch.int64),
            "masks": torch.from_numpy(masks.astype(np.uint8)),
        }

    def oracle(self, targets: list[Targets]) -> Outputs:
        """Return the detections of a perfect network: true boxes, and masks averaged over the cells of 28x28 grids."""
        outputs: Outputs = {
            "boxes": [t["boxes"] for t in targets],
            "labels": [t["labels"] for t in targets],
            "scores": [torch.ones(len(t["labels"])) for t in targets],
        }
        outputs["masks"] = [_cut_masks(t["masks"], t["boxes"]) for t in targets]
        return outputs

    def loss(self, outputs: Outputs, targets: list[Targets]) -> dict[str, Tensor]:
        """Compute torchvision's five terms: objectness and boxes of proposals; class, boxes and masks of the heads."""
        images, named = self._inputs(outputs["features"])
        proposals, first = self.rpn(images, named, targets)
        _, second = self.roi_heads(named, proposals, images.image_sizes, targets)
        return first | second

    def decode(self, outputs: Outputs, size: tuple[int, int]) -> list[Prediction]:
        """Turn detections into instances: each mask is enlarged to its box and thresholded at one half."""
        images = zip(outputs["boxes"], outputs["labels"], outputs["scores"], outputs["masks"], strict=True)
        return [Prediction(self._instances(*one, size)) for one in images]

    def _instances(
        self, boxes_N4: Tensor, labels_N: Tensor, scores_N: Tensor, masks_Nmm: Tensor, size: tuple[int, int]
    ) -> Instances:
        """Paint the masks of the detections of one image; detections without a pixel in the image are left out."""
        labels, scores, boxes, masks = [], [], [], []
        # Boxes may lie in the padding, but torchvision pastes only boxes that begin inside the image.
        far_x, far_y = boxes_N4.view(-1, 2).amax(dim=0).ceil().int().tolist() if len(boxes_N4) else (0, 0)
        whole = (max(size[0], far_y + 1), max(size[1], far_x + 1))
        for first in range(0, len(boxes_N4), PASTED_AT_ONCE):
            some = slice(first, first + PASTED_AT_ONCE)
            pasted = paste_masks_in_image(masks_Nmm[some, None].float().cpu(), boxes_N4[some].float().cpu(), whole)
            for n, mask_HW in enumerate((pasted[:, 0, : size[0], : size[1]] > 0.5).numpy(), start=first):
                box = box_of_mask(mask_HW)
                if box is None:
                    continue
                labels.append(int(self.label_ids[int(labels_N[n]) - 1]))
                scores.append(float(scores_N[n]))
                boxes.append(box)
                masks.append(mask_HW[box[1] : box[3], box[0] : box[2]].copy())
        return Instances(np.array(labels), np.array(scores), np.array(boxes), tuple(masks), size)


def _cut_masks(masks_NHW: Tensor, boxes_N4: Tensor) -> Tensor:
    """Compute (N, 28, 28) in 0..1: which share of each cell of its own box each mask covers."""
    index = torch.arange(len(masks_NHW), dtype=boxes_N4.dtype)[:, None]
    rois = torch.cat([index, boxes_N4], dim=1)
    return roi_align(masks_NHW[:, None].float(), rois, MASK_SIDE, sampling_ratio=4, aligned=True)[:, 0]
