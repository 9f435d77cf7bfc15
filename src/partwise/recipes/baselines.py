"""Baselines: methods of other libraries, trained with our backbone, pyramid, frames, crops and optimiser."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from partwise.methods import MaskRcnnConfig, PartsConfig
from partwise.recipes.ours import parts_light
from partwise.training.config import Recipe


def mask_rcnn_light() -> Recipe:
    """Build the recipe of torchvision's Mask R-CNN on EfficientNet-Lite0; all else is as in parts_light."""
    ours = parts_light()
    method = cast(PartsConfig, ours.method)
    return replace(
        ours,
        name="mask_rcnn_light",
        about="torchvision's Mask R-CNN on the backbone, pyramid and data of parts_light: the baseline to compare with",
        method=MaskRcnnConfig(backbone=method.backbone, channels=method.channels),
    )
