"""Recipes for photos of any framing: a network with cheap heads and larger windows, and data from far to near."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from partwise.data.degrade import DegradeConfig
from partwise.data.loader import DataConfig
from partwise.data.transforms import AugmentConfig
from partwise.methods import PartsConfig
from partwise.recipes.ours import parts_light
from partwise.training.config import Recipe

VIEW_PX = 1280 * 640  # Cityscapes frames of 1024x512 at scale 1.25, see `partwise bench views`


def parts_fast() -> Recipe:
    """Build the recipe of the next bundled model: parts_light with cheap heads, larger windows and any framing.

    It learns from the bundled model, whose terms of use therefore apply to it, and is made to start from its backbone
    (`--weights streets`), which therefore learns slowly.
    """
    light = parts_light()
    method = cast(PartsConfig, light.method)
    return replace(
        light,
        name="parts_fast",
        about="part maps with cheap heads and windows up to 1,024 px, for photos of any framing; learns from streets",
        method=replace(
            method,
            windows=(*method.windows, (64, 16)),
            channels=64,
            heads="separable",
            refiner_channels=16,
            decode=replace(method.decode, scale=1.25, view_px=VIEW_PX, quality_power=6.0, sharpen=0.15),
        ),
        data=_any_framing(),
        optim=replace(light.optim, backbone_lr_factor=0.15),
        training=replace(light.training, ema=0.999),
        teacher="streets",
        teacher_flip=True,
    )


def parts_free() -> Recipe:
    """Build the recipe of free weights: parts_fast without a teacher, for rendered streets alone."""
    return replace(
        parts_fast(),
        name="parts_free",
        about="parts_fast without a teacher, for a tree of `partwise render`: weights that no photo's terms bind",
        data=replace(_any_framing(), rendered_share=0.0),
        optim=parts_light().optim,
        teacher="",
        teacher_flip=False,
    )


def _any_framing() -> DataConfig:
    """Crops from far to 3.5 times enlarged, and what cameras and files do to an image."""
    augment = AugmentConfig(
        scale=(0.6, 3.5),
        centre_instance=0.6,
        aspect=0.25,
        rotation_deg=5.0,
        perspective=0.06,
        degrade=DegradeConfig(gamma=0.3, blur=0.2, noise=0.04, jpeg=0.3),
    )
    return DataConfig(augment=augment, rendered_share=0.15, rendered_pavement=0.5, repeat_threshold=0.6)
