"""The configuration of the method of part maps."""

from __future__ import annotations

from dataclasses import field
from typing import Literal

from partwise.backbones.pyramid import Heads
from partwise.fields import Blocks, Count, NotNegative, configuration
from partwise.methods.method import MethodConfig
from partwise.methods.parts.decode_config import DecodeConfig
from partwise.methods.parts.targets import AssignConfig
from partwise.methods.semantic import REFINER_CHANNELS


@configuration
class PartsConfig(MethodConfig):
    """The configuration of the method of part maps.

    Attributes:
        backbone: Name of the backbone, see `build_backbone`.
        frozen_blocks: Number of blocks of the backbone that keep their weights, see `VggBackbone` and `TimmBackbone`.
        windows: (stride in px, cells a side) of each grid of windows. The pyramid has a map at every stride from 4 px
            to the largest of these, which may be beyond 32 px.
        k: A window is divided into k x k parts.
        assembling: How a window is assembled of its parts, "bilinear" or "nearest", see `part_weights`.
        channels: Channels of the pyramid and of the heads.
        heads: "dense" for 3x3 convolutions in the pyramid and the heads; "separable" for depthwise 5x5 and pointwise
            convolutions, which need an eighth of the multiplications.
        refiner_channels: Channels of the layers at stride 2 that refine the semantic map.
        context: Dilations in cells of the blocks that the coarsest map of the pyramid passes first, see `Context`.
        assign: The rules by which a window is positive, negative or ignored.
        decode: The settings of the decoder.
        mask_loss_weight: Weight of the loss of the assembled masks.
        semantic_stride_px: Stride of the semantic map in pixels: 4, or 2 to refine it with the backbone's map at stride
            2.
        semantic_loss_weight: Weight of the semantic cross entropy.
        dice_weight: Weight of the semantic Dice loss, which is added to the cross entropy.
        class_balance: Class balance of the semantic cross entropy, see `semantic_loss`.
        max_mask_windows: The maximum number of windows of an image that the loss of the masks uses (InstanceFCN,
            section 3.2).
        refine_masks: Whether assembled masks are corrected at a finer grid, see `MaskRefiner`; needs
            `semantic_stride_px` 2.
        max_refined_windows: The maximum number of windows of an image that are refined in training.
    """

    backbone: str = "efficientnet_lite0"
    frozen_blocks: Blocks = 0
    windows: tuple[tuple[int, int], ...] = ((4, 8), (4, 16), (8, 16), (16, 16), (32, 16))
    k: Count = 3
    assembling: Literal["bilinear", "nearest"] = "bilinear"
    channels: Count = 96
    heads: Heads = "dense"
    refiner_channels: Count = REFINER_CHANNELS
    context: tuple[Count, ...] = ()
    assign: AssignConfig = field(default_factory=AssignConfig)
    decode: DecodeConfig = field(default_factory=DecodeConfig)
    mask_loss_weight: NotNegative = 2.0
    semantic_stride_px: Literal[2, 4] = 4
    semantic_loss_weight: NotNegative = 1.0
    dice_weight: NotNegative = 1.0
    class_balance: NotNegative = 0.5
    max_mask_windows: Count = 256
    refine_masks: bool = False
    max_refined_windows: Count = 32
