"""The fields of the instance-sensitive FCN: what its variants in the report and in the paper differ by."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Literal

from pydantic import Field

from partwise.errors import PartwiseError
from partwise.fields import BelowOne, Blocks, Count, CountOrZero, NotNegative, Share, configuration
from partwise.methods import MethodConfig
from partwise_report.slips import Slips

__all__ = ["InstanceFcnConfig", "InstanceFcnDecodeConfig"]

STRIDE_PX = 8  # of the features that both branches read, in pixels of the network's input
PAPER_CELLS = 21  # side of the paper's window (InstanceFCN, section 4)
MARGIN_PX = 32  # report 2.4.4: between the object and each side of its window
TEXT_NEGATIVE_PX = (32, None)  # least and largest shift of a negative window: report 2.4.4 names no largest one
CODE_NEGATIVE_PX = (16, 448)  # the same in the report's code


@configuration
class InstanceFcnDecodeConfig:
    """How outputs become instances.

    Attributes:
        max_windows: At most so many of a size are assembled, the best by objectness.
        nms_iou: Of two whose masks' boxes overlap more, the higher-scoring one stays; .8 in InstanceFCN, section 3.3:
            made for proposals and AR, AP wants less.
        max_instances: At most so many are returned.
        min_score: Those below it are left out.
        short_sides_px: Image pyramid: the image is looked at with its short side at each of these; () is as it comes.
    """

    max_windows: Count = 1000
    nms_iou: Share = 0.8
    max_instances: Annotated[int, Field(ge=1, le=1000)] = 1000
    min_score: Share = 0.0
    short_sides_px: tuple[Count, ...] = ()


@configuration
class InstanceFcnConfig(MethodConfig):
    """Every variant of the report and the paper.

    Attributes:
        features: What both branches read, (B, channels, h, w) at stride 8: "skips": FCN-8s whose three score layers (on
            conv7, pool4, pool3) have branch_channels maps instead of classes, enlarged and summed as scores are (report
            2.4.2; so in its code); "holes": the backbone's last layer, dilated to stride 8: of VGG16 conv5_3, 512
            channels, with pool4 at stride 1 and conv5_1..3 dilated (InstanceFCN, section 4).
        windows: "report": box plus margin_px (2.4.4); "paper": 21 x 21 cells and DeepMask's rule (3.2).
        objectness: What the objectness of a window is and how it is taught: "mean_l1" (2.4.5), "central4" (2.4.6),
            "window" (2.4.7), "centre" (the paper); see losses.py.
        mask_loss: Of positive windows: "plain" logistic; "balanced" (2.4.6; Caelles et al. 2016), which favours objects
            that fill their window; "weighted" (the report's code), which favours those that do not; see losses.py.
        k: A window has k x k parts; 3 in the report, 3, 5 and 7 in the paper's table 1.
        classes: Ids whose instances are objects; (26,), cars, in the report; () is all classes with instances.
        sizes_px: (height, width) of windows at inference with windows="report", for a margin of 32 px and images that
            are not enlarged; otherwise the part of a window that is not margin is enlarged with the image, and the
            margin is that of training. Rounded to cells. The report trains on windows of the object's size and says
            nothing of inference; these are the median heights and widths of the cars of each fifth by size (568 cars of
            60 frames at 1024x512), the two smallest fifths as one, plus the margin of 64 px.
        semantic_loss_weight: Above 0 the network has a semantic map too, which several classes need: with "skips" the
            score of the FCN-8s itself, with "holes" a 1x1 convolution. It was not in the report or the paper.
        channels: Of conv6 and conv7 ("skips" only); 4096 in the report.
        slips: Which slips of the report's code are put back.
        backbone: "vgg16", or with features="holes" a timm model that can be dilated: "efficientnet_lite0" needs about a
            tenth of VGG16's multiplications.
        enlarge: How many times the image is enlarged, in training and at inference, before the network sees it; the
            windows' margin and shifts are pixels of the enlarged image. 2 gives frames of half the size the report's
            geometry.
        margin_px: Between the object and each side of its window (report 2.4.4: 32).
        shift_px: Positive windows are shifted by at most this along each axis (report 2.4.4: 16).
        negative_shift_px: Negative windows are shifted by at least this along one axis; None: 32 (report 2.4.4), with
            slips.wrong_negatives 16 (its code).
        negative_shift_max_px: Negative windows are shifted by at most this; None: as far as the window still touches
            the object, with slips.wrong_negatives 448 (the report's code).
        windows_per_image: Drawn for training, half of them positive (report 2.4.3: 256).
        reduction: "mean": both losses are means over windows; "sum": sums over windows, each the mean over its cells
            (the report's code).
        target_level: "cells": the truth of a cell is the share of it that the object covers; "pixels": the maps are
            enlarged (bilinear) to the pixels of the image, and the truth is that of each pixel (the report's code).
        branch_stride: Of the 3x3 convolution of each branch: 2 is what report 2.4.2 says; neither its code nor the
            paper.
    """

    features: Literal["skips", "holes"] = "holes"
    windows: Literal["report", "paper"] = "paper"
    objectness: Literal["mean_l1", "central4", "window", "centre"] = "centre"
    mask_loss: Literal["plain", "balanced", "weighted"] = "plain"
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
    backbone: str = "vgg16"
    enlarge: Literal[1, 2, 4] = 1
    margin_px: CountOrZero = MARGIN_PX
    shift_px: CountOrZero = 16
    negative_shift_px: Count | None = None
    negative_shift_max_px: Count | None = None
    windows_per_image: Annotated[int, Field(ge=2, multiple_of=2)] = 256
    reduction: Literal["mean", "sum"] = "mean"
    target_level: Literal["cells", "pixels"] = "cells"
    branch_stride: Literal[1, 2] = 1

    @property
    def stride_px(self) -> int:
        """Pixels of the network's input, which is the enlarged image, for each cell of its maps."""
        return STRIDE_PX * self.branch_stride

    @property
    def cell_px(self) -> int:
        """Pixels of the image, before it is enlarged, for each cell of the maps."""
        return self.stride_px // self.enlarge

    @property
    def window_sizes(self) -> tuple[tuple[int, int], ...]:
        """(rows, columns) in cells of the windows at inference."""
        if self.windows == "paper":
            return ((PAPER_CELLS, PAPER_CELLS),)
        change_px = 2 * (self.margin_px - MARGIN_PX * self.enlarge)
        cells = lambda side_px: max(1, round((side_px * self.enlarge + change_px) / self.stride_px))
        return tuple((cells(height), cells(width)) for height, width in self.sizes_px)

    @property
    def negative_px(self) -> tuple[int, int | None]:
        """The least and the largest shift of a negative window; None for as far as it still touches the object.

        Raises:
            PartwiseError: If the least is larger than the largest.
        """
        default = CODE_NEGATIVE_PX if self.slips.wrong_negatives else TEXT_NEGATIVE_PX
        least = default[0] if self.negative_shift_px is None else self.negative_shift_px
        most = default[1] if self.negative_shift_max_px is None else self.negative_shift_max_px
        if most is not None and most <= least:
            raise PartwiseError(
                f"method instance_fcn: negative_shift_max_px={most}: negative windows are shifted by at least {least} "
                "px: give more than that"
            )
        return least, most

    @property
    def near_px(self) -> int:
        """Pixels of the enlarged image: a window that is nearer to an object along both axes is no true negative.

        So whatever slips are put back.
        """
        return TEXT_NEGATIVE_PX[0] if self.negative_shift_px is None else self.negative_shift_px
