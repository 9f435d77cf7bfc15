"""Augment scenes with torchvision.transforms.v2; the truth moves with the image.

Every random number comes from the generator that is passed in: the same generator state gives the same scene.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import field, replace
from typing import Annotated

import numpy as np
import torch
from pydantic import AfterValidator, Field
from torchvision import tv_tensors
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as tvf

from partwise.data.degrade import DegradeConfig, degraded
from partwise.fields import BelowOne, Count, Positive, Share, configuration
from partwise.scene import Scene

__all__ = ["AugmentConfig", "as_tensors", "augment", "from_tensors"]


def _rising(pair: tuple[float, float]) -> tuple[float, float]:
    """Return a pair of numbers that does not fall.

    Raises:
        ValueError: If the first number is larger.
    """
    if pair[0] > pair[1]:
        raise ValueError("give the smaller number first")
    return pair


@configuration
class AugmentConfig:
    """Random changes of a training scene.

    Attributes:
        crop: (H, W) in pixels of what the network sees.
        scale: (low, high). The frame is enlarged by a factor that is drawn log-uniformly, then cropped.
        flip: Probability of a mirror image.
        photometric: Largest relative change of brightness, contrast and saturation, 0 to below 1.
        hue: Largest shift of the hue in turns of the colour circle, 0 to .5. Small shifts are more frequent: half of
            them are below an eighth of the largest.
        centre_instance: Probability that the crop is laid around an instance instead of anywhere.
        aspect: Largest relative change of width against height, 0 to below 1.
        rotation_deg: Largest rotation in degrees. The crop is a little smaller then, so that it stays in the frame.
        perspective: Largest shift of a corner of the crop, as a share of its sides, 0 to below .5.
        degrade: How an image is made worse, see `DegradeConfig`.
    """

    crop: tuple[Count, Count] = (384, 768)
    scale: Annotated[tuple[Positive, Positive], AfterValidator(_rising)] = (0.7, 1.8)
    flip: Share = 0.5
    photometric: BelowOne = 0.3
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    centre_instance: Share = 0.5
    aspect: BelowOne = 0.0
    rotation_deg: Annotated[float, Field(ge=0, le=45)] = 0.0
    perspective: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    degrade: DegradeConfig = field(default_factory=DegradeConfig)


def augment(
    scene: Scene,
    rng: np.random.Generator,
    config: AugmentConfig,
    class_weights: dict[int, float],
    classes: Collection[int] | None = None,
) -> Scene:
    """Cut a random crop of a scene; scale, mirror and recolour it.

    Args:
        scene: Any scene.
        rng: Source of every random number.
        config: The limits of the changes.
        class_weights: How much more likely a crop is laid around an instance of a class, by its id; 1 for other
            classes.
        classes: Ids of the classes whose instances crops are laid around; None for all that have instances.

    Returns:
        A scene of the size `config.crop`. What lies outside the frame is void.
    """
    low, high = config.scale
    scale = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    stretch = _stretch(rng, config.aspect)
    window = tuple(
        max(1, round(side * by / scale)) for side, by in zip(config.crop, (stretch, 1 / stretch), strict=True)
    )
    centre = None
    if rng.random() < config.centre_instance:
        centre = _instance_centre(scene, rng, class_weights, classes)
    top, left = (
        _offset(rng, scene.size[axis], window[axis], None if centre is None else centre[axis]) for axis in (0, 1)
    )
    image, truth = as_tensors(scene)
    box = {"top": top, "left": left, "height": window[0], "width": window[1]}
    image = tvf.resize(tvf.crop(image, **box), config.crop, antialias=True)
    truth = tvf.resize(tvf.crop(truth, **box), config.crop, interpolation=InterpolationMode.NEAREST_EXACT)
    if config.rotation_deg or config.perspective:
        image, truth = tilted(image, truth, _tilted_corners(rng, config))
    if rng.random() < config.flip:
        image, truth = tvf.horizontal_flip(image), tvf.horizontal_flip(truth)
    image = degraded(_recolour(image, rng, config), rng, config.degrade)
    return from_tensors(scene, image, truth)


def as_tensors(scene: Scene) -> tuple[tv_tensors.Image, tv_tensors.Mask]:
    """Return the image (3, H, W) of a scene, and its two maps of ids (2, H, W) less the id of void.

    So void is 0, which is what torchvision puts where nothing of the frame lies.
    """
    ids_2HW = np.stack([scene.semantic_HW.astype(np.int32), scene.instance_ids_HW])
    image = tv_tensors.Image(torch.tensor(scene.image_HW3).permute(2, 0, 1))
    return image, tv_tensors.Mask(torch.from_numpy(ids_2HW - scene.label_set.void_id))


def from_tensors(scene: Scene, image: torch.Tensor, truth: torch.Tensor) -> Scene:
    """Return a scene with what was made of its `as_tensors`."""
    semantic, instance_ids = truth.numpy() + scene.label_set.void_id
    return replace(
        scene,
        image_HW3=np.ascontiguousarray(image.permute(1, 2, 0).numpy()),
        semantic_HW=semantic.astype(np.uint8),
        instance_ids_HW=instance_ids,
    )


def _stretch(rng: np.random.Generator, aspect: float) -> float:
    """Draw by how much the window of a crop is higher; a recipe that keeps the aspect draws no number."""
    return float(np.sqrt(np.exp(rng.uniform(-1, 1) * np.log1p(aspect)))) if aspect else 1.0


def _offset(rng: np.random.Generator, length: int, window: int, centre: float | None) -> int:
    """Choose where the crop begins on one axis, in pixels.

    Args:
        rng: Source of the random number.
        length: Side of the scene.
        window: Side of the crop in the scene.
        centre: A place that must lie in the middle half of the crop, as far as the scene allows; None for any crop that
            covers as much of the scene as possible.
    """
    slack = length - window
    if slack <= 0:
        return int(rng.integers(slack, 1))
    if centre is None:
        return int(rng.integers(0, slack + 1))
    wanted = centre - window * rng.uniform(0.25, 0.75)
    return int(np.clip(round(wanted), 0, slack))


def _instance_centre(
    scene: Scene,
    rng: np.random.Generator,
    class_weights: dict[int, float],
    classes: Collection[int] | None,
) -> tuple | None:
    """Return the centre (y, x) of a random instance of the classes; None if there is none."""
    things = {label.id for label in scene.label_set.things} if classes is None else set(classes)
    instances = scene.instances
    weights = np.array([class_weights.get(int(i), 1.0) if int(i) in things else 0.0 for i in instances.labels])
    if weights.sum() == 0:
        return None
    x0, y0, x1, y1 = instances.boxes[rng.choice(len(weights), p=weights / weights.sum())]
    return (y0 + y1) / 2, (x0 + x1) / 2


def _recolour(image: tv_tensors.Image, rng: np.random.Generator, config: AugmentConfig) -> tv_tensors.Image:
    """Change brightness, contrast and saturation, each by a factor around 1, then the hue."""
    if strength := config.photometric:
        for change in (tvf.adjust_brightness, tvf.adjust_contrast, tvf.adjust_saturation):
            image = change(image, float(rng.uniform(1 - strength, 1 + strength)))
    if config.hue:
        image = tvf.adjust_hue(image, float(config.hue * rng.uniform(-1, 1) ** 3))
    return image


def _tilted_corners(rng: np.random.Generator, config: AugmentConfig) -> np.ndarray:
    """Draw the corners of a rotated and distorted piece of a crop.

    Returns:
        (4, 2) x and y in pixels of the crop, all inside it, clockwise from the top left.
    """
    height, width = config.crop
    half = np.array([width - 1, height - 1]) / 2
    signs = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    angle = np.deg2rad(rng.uniform(-1, 1) * config.rotation_deg)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    shifts = rng.uniform(0, 2 * config.perspective, (4, 2)) * half
    corners = (signs * (half - shifts)) @ turn
    return half + corners / max(1.0, float((np.abs(corners) / half).max()))


def tilted(
    image: tv_tensors.Image, truth: tv_tensors.Mask, corners_42: np.ndarray
) -> tuple[tv_tensors.Image, tv_tensors.Mask]:
    """Stretch a piece of an image and of its truth over the whole image, so that nothing lies outside.

    Args:
        image: (3, H, W).
        truth: (2, H, W).
        corners_42: (4, 2) x and y in pixels of the piece's corners, clockwise from the top left.
    """
    height, width = image.shape[-2:]
    whole = [[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]]
    start = corners_42.tolist()
    image = tvf.perspective(image, start, whole, interpolation=InterpolationMode.BILINEAR)
    return image, tvf.perspective(truth, start, whole, interpolation=InterpolationMode.NEAREST)
