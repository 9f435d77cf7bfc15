"""Colours, weather, and how a painted canvas becomes a photograph: texture, light, lens and sensor."""

import math
import random
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from streeteval.labels import CITYSCAPES

Colour = tuple[float, float, float]


def mix(a: Colour, b: Colour, share_of_b: float) -> tuple[int, int, int]:
    """Mix two colours; each channel is clipped to 0..255.

    >>> mix((0, 0, 0), (200, 100, 400), 0.5)
    (100, 50, 200)
    """
    t, s = share_of_b, 1 - share_of_b
    r, g, bl = a[0] * s + b[0] * t, a[1] * s + b[1] * t, a[2] * s + b[2] * t
    return min(255, max(0, int(r))), min(255, max(0, int(g))), min(255, max(0, int(bl)))


def vary(dice: random.Random, colour: Colour, amount: float = 0.12) -> Colour:
    """Return a colour near another one: its brightness and each channel are changed by up to about `amount`."""
    bright = 1 + dice.uniform(-amount, amount)
    r, g, b = (channel * bright * (1 + dice.uniform(-amount, amount) / 2) for channel in colour)
    return r, g, b


@dataclass(frozen=True)
class Weather:
    """Light and air of one scene.

    Attributes:
        sun: Unit vector to the sun (X right, Y up, Z ahead).
        sun_strength: Light of the sun; with `ambient` about 1.
        ambient: Light of the sky.
        sky_top: RGB at the top of the sky.
        haze_colour: RGB of the haze.
        visibility_m: Distance at which the haze covers most.
        clouds: Share of the sky, 0..1.
        tint: RGB that the picture is multiplied with.
        gamma: Exponent of the tone curve.
        noise: Strength of the noise of the sensor.
        blur_px: Blur of the lens.
    """

    sun: tuple[float, float, float]
    sun_strength: float
    ambient: float
    sky_top: Colour
    haze_colour: Colour
    visibility_m: float
    clouds: float
    tint: Colour
    gamma: float
    noise: float
    blur_px: float

    def haze_at(self, depth_m: float) -> float:
        """Return the share of the haze in what is seen at a depth."""
        return 1 - math.exp(-depth_m / self.visibility_m)

    def shade(self, nx: float, ny: float, nz: float) -> float:
        """Return how bright a face with this unit normal is; 1 is a face turned to the sun."""
        direct = nx * self.sun[0] + ny * self.sun[1] + nz * self.sun[2]
        return self.ambient * (0.8 + 0.2 * ny) + self.sun_strength * max(0.0, direct)


def draw_weather(dice: random.Random) -> Weather:
    """Draw the weather of a scene at random: overcast, sunny, or a low sun, and a camera."""
    kind = dice.choices(["overcast", "sunny", "low sun"], [0.5, 0.35, 0.15])[0]
    height = math.radians(dice.uniform(12, 25) if kind == "low sun" else dice.uniform(28, 62))
    azimuth = dice.uniform(0, 2 * math.pi)
    sun = (math.cos(height) * math.sin(azimuth), math.sin(height), math.cos(height) * math.cos(azimuth))
    grey = dice.uniform(185, 240)
    if kind == "overcast":
        sky_top, haze = (grey, grey * 1.01, grey * 1.02), (grey, grey, grey * 0.99)
        strength, visibility, clouds = dice.uniform(0.08, 0.2), dice.uniform(110, 300), dice.uniform(2, 10)
    elif kind == "sunny":
        sky_top = (dice.uniform(95, 150), dice.uniform(145, 185), dice.uniform(205, 240))
        haze = (205, 215, 224)
        strength, visibility, clouds = dice.uniform(0.45, 0.7), dice.uniform(250, 600), dice.uniform(5, 30)
    else:
        sky_top, haze = (170, 178, 200), (235, 215, 190)
        strength, visibility, clouds = dice.uniform(0.35, 0.5), dice.uniform(130, 260), dice.uniform(5, 25)
    green = dice.uniform(0.97, 1.05)  # the Cityscapes camera leans to green
    return Weather(
        sun=sun,
        sun_strength=strength,
        ambient=1.0 - 0.75 * strength,
        sky_top=sky_top,
        haze_colour=haze,
        visibility_m=visibility,
        clouds=clouds,
        tint=(dice.uniform(0.93, 1.04), green, dice.uniform(0.9, 1.03)),
        gamma=dice.uniform(0.68, 1.02),
        noise=dice.uniform(0.8, 3.0),
        blur_px=dice.choice([0.0, 0.0, 0.4]),
    )


def _texture_table() -> np.ndarray:
    """Return (256, 3) float32: strength of fine, middle and coarse texture by class id."""
    table = np.full((256, 3), (0.02, 0.02, 0.02), np.float32)
    for name, strengths in {
        "road": (0.03, 0.02, 0.025),
        "sidewalk": (0.035, 0.035, 0.03),
        "parking": (0.05, 0.04, 0.05),
        "ground": (0.05, 0.05, 0.05),
        "rail track": (0.06, 0.05, 0.04),
        "building": (0.02, 0.02, 0.04),
        "wall": (0.06, 0.07, 0.06),
        "fence": (0.05, 0.03, 0.03),
        "vegetation": (0.11, 0.17, 0.10),
        "terrain": (0.10, 0.12, 0.10),
        "sky": (0.0, 0.0, 0.0),
        "person": (0.03, 0.05, 0.02),
        "rider": (0.03, 0.05, 0.02),
        "ego vehicle": (0.0, 0.0, 0.04),
    }.items():
        table[CITYSCAPES[name].id] = strengths
    return table


_TEXTURE = _texture_table()


def develop(
    picture: Image.Image,
    semantic_HW: np.ndarray,
    weather: Weather,
    rng: np.random.Generator,
    sensor: np.random.Generator | None = None,
) -> np.ndarray:
    """Make the photograph of a painted scene.

    Args:
        picture: The painted picture.
        semantic_HW: (H, W) class of each of its pixels.
        weather: Light and air.
        rng: Source of the texture.
        sensor: Source of the noise of the sensor, where it is another one.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    height, width = semantic_HW.shape
    fine, middle, coarse = (table[semantic_HW] for table in _TEXTURE.T)
    texture = 1 + fine * rng.standard_normal((height, width), np.float32)
    texture += middle * _smooth_noise(rng, height, width, max(2.0, height / 110))
    texture += coarse * _smooth_noise(rng, height, width, height / 16)
    y, x = np.linspace(-1, 1, height, dtype=np.float32)[:, None], np.linspace(-1, 1, width, dtype=np.float32)
    texture *= 1 - 0.10 * (x * x + y * y)  # the lens darkens the corners
    if weather.blur_px:
        picture = picture.filter(ImageFilter.BoxBlur(weather.blur_px))
    image = np.asarray(picture) * texture[..., None]
    image += (weather.noise * (sensor or rng).standard_normal((height, width), np.float32))[..., None]
    np.clip(image, 0, 255, out=image)
    tone = 255 * (np.arange(256)[:, None] / 255) ** weather.gamma * np.asarray(weather.tint)
    tone = np.clip(tone + 0.5, 0, 255).astype(np.uint8)
    levels = image.astype(np.uint8)
    return np.stack([tone[:, channel][levels[..., channel]] for channel in range(3)], axis=2)


def _smooth_noise(rng: np.random.Generator, height: int, width: int, cell_px: float) -> np.ndarray:
    """Return (height, width) float32 noise of unit strength whose grains are `cell_px` large."""
    rows, columns = max(2, int(height / cell_px)), max(2, int(width / cell_px))
    small = Image.fromarray(rng.standard_normal((rows, columns), np.float32))
    return np.asarray(small.resize((width, height), Image.Resampling.BILINEAR)) * 1.4
