"""The fields of the instance-sensitive FCN: what its variants in the report and in the paper differ by."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Literal

from pydantic import Field

from partwise.fields import BelowOne, Blocks, Count, NotNegative, configuration
from partwise.methods import MethodConfig
from partwise_report.instance_fcn.decode import InstanceFcnDecodeConfig
from partwise_report.slips import Slips

__all__ = ["InstanceFcnConfig"]


@configuration
class InstanceFcnConfig(MethodConfig):
    """Every variant of the report and the paper; the backbone is VGG16, the maps have stride 8.

    features     what both branches read, (B, branch_channels, h, w):
                 "skips": FCN-8s whose three score layers (on conv7, pool4, pool3) have branch_channels maps instead of
                 classes, enlarged and summed as scores are (report 2.4.2; so in its code);
                 "holes": conv5_3 with pool4 at stride 1 and conv5_1..3 dilated (InstanceFCN, section 4), 512 channels
    windows      "report": box plus 32 px (2.4.4);  "paper": 21 x 21 cells and DeepMask's rule (3.2)
    objectness   what the objectness of a window is and how it is taught: "mean_l1" (2.4.5), "central4" (2.4.6),
                 "window" (2.4.7), "centre" (the paper); see losses.py
    mask_loss    of positive windows: "plain" logistic, or "balanced" (2.4.6; Caelles et al. 2016)
    k            k x k parts; 3 in the report, 3, 5 and 7 in the paper's table 1
    classes      ids whose instances are objects; (26,), cars, in the report; () is all classes with instances
    sizes_px     (height, width) of windows at inference with windows="report", rounded to cells. The report trains on
                 windows of the object's size and says nothing of inference; these are the median heights and widths of
                 the cars of each fifth by size (568 cars of 60 frames at 1024x512), the two smallest fifths as one,
                 plus the margin of 64 px
    semantic_loss_weight  above 0 the network has a semantic map too, which several classes need: with "skips" the score
                 of the FCN-8s itself, with "holes" a 1x1 convolution. It was not in the report or the paper
    channels     of conv6 and conv7 ("skips" only); 4096 in the report
    slips        which slips of the report's code are put back
    """

    features: Literal["skips", "holes"] = "holes"
    windows: Literal["report", "paper"] = "paper"
    objectness: Literal["mean_l1", "central4", "window", "centre"] = "centre"
    mask_loss: Literal["plain", "balanced"] = "plain"
    k: Count = 3
    classes: tuple[int, ...] = (26,)
    sizes_px: Annotated[tuple[tuple[Count, Count], ...], Field(min_length=1)] = (
        (80, 80),
        (96, 104),
        (112, 128),
        (176, 200),
    )
    semantic_loss_weight: NotNegative = 0.0
    mask_loss_weight: NotNegative = 1.0
    channels: Count = 4096
    branch_channels: Count = 512
    dropout: BelowOne = 0.5
    frozen_blocks: Blocks = 0
    decode: InstanceFcnDecodeConfig = field(default_factory=InstanceFcnDecodeConfig)
    slips: Slips = field(default_factory=Slips)
