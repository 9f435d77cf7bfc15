"""Make an image worse in the ways that cameras and files do: gamma, blur, noise and JPEG. The truth stays as it is."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as tvf

from partwise.fields import NotNegative, Share, configuration

__all__ = ["DegradeConfig", "degraded"]

SIGMA_PX = (0.3, 2.0)  # standard deviation of the blur


@configuration
class DegradeConfig:
    """How an image is made worse. A step that is switched off by a 0 draws no random number.

    Attributes:
        gamma: Largest natural logarithm of the gamma, in either direction.
        blur: Probability of a Gaussian blur with a standard deviation of .3 to 2 px.
        noise: Largest standard deviation of Gaussian noise, as a share of the full brightness, 0..1.
        jpeg: Probability that the image is compressed as a JPEG file.
        jpeg_quality: Lowest quality of the JPEG file, 1..95; the highest is 95.
    """

    gamma: NotNegative = 0.0
    blur: Share = 0.0
    noise: Share = 0.0
    jpeg: Share = 0.0
    jpeg_quality: Annotated[int, Field(ge=1, le=95)] = 30


def degraded(image: tv_tensors.Image, rng: np.random.Generator, config: DegradeConfig) -> tv_tensors.Image:
    """Make an image worse.

    Args:
        image: (3, H, W) uint8 RGB.
        rng: Source of every random number.
        config: The limits of the changes.

    Returns:
        (3, H, W) uint8 RGB.
    """
    if config.gamma:
        image = tvf.adjust_gamma(image, float(np.exp(rng.uniform(-config.gamma, config.gamma))))
    if config.blur and rng.random() < config.blur:
        sigma = float(rng.uniform(*SIGMA_PX))
        image = tvf.gaussian_blur(image, 2 * int(np.ceil(2 * sigma)) + 1, sigma)
    if config.noise:
        noise = rng.normal(0, 255 * config.noise * rng.random(), image.shape)
        noisy = (image.numpy() + noise).round().clip(0, 255).astype(np.uint8)
        image = tv_tensors.Image(torch.from_numpy(noisy))
    if config.jpeg and rng.random() < config.jpeg:
        image = tvf.jpeg(image, int(rng.integers(config.jpeg_quality, 96)))
    return image
