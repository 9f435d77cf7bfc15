"""Which values a recipe may hold, beyond their types."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from partwise.errors import PartwiseError, placed
from partwise.methods.options import MAX_SCALE


@dataclass(frozen=True)
class Limit:
    """`holds` says whether a value is allowed; `words` complete the sentence "give ...\""""

    holds: Callable[[Any], bool]
    words: str


POSITIVE = Limit(lambda value: 0 < value < math.inf, "a number above 0")
NOT_NEGATIVE = Limit(lambda value: 0 <= value < math.inf, "0 or a number above it")
SHARE = Limit(lambda value: 0 <= value <= 1, "a number in 0..1")
PROBABILITY_BELOW_1 = Limit(lambda value: 0 <= value < 1, "a number from 0 to below 1")
AT_LEAST_1 = Limit(lambda value: value >= 1, "a whole number from 1 on")


def one_of(*names: str) -> Limit:
    """Only these words."""
    return Limit(lambda value: value in names, " or ".join(", ".join(names).rsplit(", ", 1)))


# By the dotted name of the field; a field of another method is simply not there.
LIMITS: dict[str, Limit] = {
    "optim.name": one_of("adamw", "adam", "sgd"),
    "optim.lr": POSITIVE,
    "optim.backbone_lr_factor": NOT_NEGATIVE,
    "optim.weight_decay": NOT_NEGATIVE,
    "optim.warmup_steps": NOT_NEGATIVE,
    "optim.schedule": one_of("poly", "cosine", "constant", "step"),
    "optim.clip_norm": NOT_NEGATIVE,
    "training.steps": NOT_NEGATIVE,
    "training.minutes": NOT_NEGATIVE,
    "training.batch_size": AT_LEAST_1,
    "training.precision": one_of("auto", "no", "bf16"),
    "training.seed": Limit(lambda seed: 0 <= seed < 2**32, "a whole number from 0 to 4294967295"),
    "training.ema": Limit(lambda decay: 0 <= decay < 1, "a number from 0 to below 1"),
    "training.evaluate_every_steps": NOT_NEGATIVE,
    "training.evaluate_frames": NOT_NEGATIVE,
    "training.checkpoint_every_seconds": NOT_NEGATIVE,
    "training.log_every_steps": AT_LEAST_1,
    "training.keep_at": Limit(lambda shares: all(0 <= share < 1 for share in shares), "shares from 0 to below 1"),
    "teacher_weight": NOT_NEGATIVE,
    "teacher_features": NOT_NEGATIVE,
    "data.workers": NOT_NEGATIVE,
    "data.rendered_share": SHARE,
    "data.paste": SHARE,
    "data.repeat_threshold": SHARE,
    "data.augment.crop": Limit(lambda crop: min(crop) >= 1, "height and width in pixels, each 1 or more"),
    "data.augment.scale": Limit(
        lambda scale: 0 < scale[0] <= scale[1] < math.inf, "two numbers above 0, the smaller one first"
    ),
    "data.augment.flip": SHARE,
    "data.augment.photometric": PROBABILITY_BELOW_1,
    "data.augment.centre_instance": SHARE,
    "method.channels": AT_LEAST_1,
    "method.k": AT_LEAST_1,
    "method.context": Limit(lambda dilations: all(one >= 1 for one in dilations), "dilations, each 1 or more"),
    "method.assign.scale_margin": POSITIVE,
    "method.dropout": PROBABILITY_BELOW_1,
    "method.frozen_blocks": Limit(lambda value: 0 <= value <= 5, "a whole number in 0..5"),
    "method.mask_loss_weight": NOT_NEGATIVE,
    "method.semantic_loss_weight": NOT_NEGATIVE,
    "method.max_mask_windows": AT_LEAST_1,
    "method.max_refined_windows": AT_LEAST_1,
    "method.semantic_stride_px": Limit(lambda value: value in (2, 4), "2 or 4"),
    "method.decode.scale": Limit(lambda scale: 0 < scale <= MAX_SCALE, f"a number above 0, at most {MAX_SCALE:g}"),
    "method.decode.min_objectness": SHARE,
    "method.decode.peaks": SHARE,
    "method.decode.agree_score": NOT_NEGATIVE,
    "method.decode.refine_score": NOT_NEGATIVE,
    "method.decode.class_share": SHARE,
    "method.decode.quality_power": NOT_NEGATIVE,
    "method.decode.refined_power": NOT_NEGATIVE,
    "method.decode.soft_sigma": NOT_NEGATIVE,
    "method.decode.sharpen": NOT_NEGATIVE,
    "method.source": one_of("slice", "full"),
    "method.max_instances": Limit(lambda value: 2 <= value <= 254, "a whole number in 2..254"),
    "method.features": one_of("skips", "holes"),
    "method.objectness": one_of("mean_l1", "central4", "window", "centre"),
    "method.mask_loss": one_of("plain", "balanced"),
    "method.sizes_px": Limit(
        lambda sizes: bool(sizes) and min(map(min, sizes)) >= 1, "pairs of height and width in pixels, each 1 or more"
    ),
    "method.branch_channels": AT_LEAST_1,
    "method.decode.short_sides_px": Limit(
        lambda sides: all(side >= 1 for side in sides), "short sides of an image in pixels, each 1 or more"
    ),
    "method.assignment": one_of("rank", "location", "hungarian", "colouring"),
    "method.maps": Limit(lambda value: 2 <= value <= 254, "a whole number in 2..254"),
    "method.grid": Limit(lambda grid: min(grid) >= 1, "rows and columns, each 1 or more"),
    "method.halo_px": AT_LEAST_1,
    "method.halo_weight": NOT_NEGATIVE,
    "method.min_area_px": NOT_NEGATIVE,
    "method.heat_loss_weight": NOT_NEGATIVE,
    "method.offset_loss_weight": NOT_NEGATIVE,
    "method.decode.min_heat": SHARE,
    "method.decode.peak_cells": Limit(lambda value: value > 0 and value % 2 == 1, "an odd number from 1 on"),
    "method.decode.max_centres": AT_LEAST_1,
    "method.decode.nms_iou": SHARE,
    "method.decode.min_score": SHARE,
    "method.decode.max_windows": AT_LEAST_1,
    "method.decode.max_instances": Limit(lambda value: 1 <= value <= 1000, "a whole number in 1..1000"),
}


def check_limits(leaves: dict[str, Any], where: str = "") -> None:
    """Raises PartwiseError for the first value that is out of its limits.

    leaves   dotted name of a field -> value, as `training.config.leaves` gives them
    where    they come from, such as a file

    >>> check_limits({"optim.lr": -1.0})
    Traceback (most recent call last):
    partwise.errors.PartwiseError: optim.lr=-1.0: give a number above 0
    """
    for name, value in leaves.items():
        limit = LIMITS.get(name)
        if limit is not None and not limit.holds(value):
            raise PartwiseError(f"{placed(where)}{name}={value!r}: give {limit.words}")


def check_crop(crop: tuple[int, int], multiple: int) -> None:
    """Raises PartwiseError for a crop that the network's backbone cannot take whole."""
    if any(side % multiple for side in crop):
        near = [max(multiple, round(side / multiple) * multiple) for side in crop]
        raise PartwiseError(
            f"data.augment.crop={list(crop)}: the backbone needs multiples of {multiple} px: "
            f"give data.augment.crop={str(near).replace(' ', '')}"
        )
