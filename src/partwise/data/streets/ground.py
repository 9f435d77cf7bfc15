"""The sky, the ground plan of a street, its paving and marks, the shadows on it, and what closes the view."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from partwise.data.streets.canvas import Canvas
from partwise.data.streets.dice import Dice
from partwise.data.streets.houses import FACADES
from partwise.data.streets.light import mix, vary
from partwise.data.streets.plants import LEAVES

FAR_M = 260.0
_GRASS = [(95, 110, 58), (112, 118, 70), (85, 100, 55)]


@dataclass(frozen=True)
class Street:
    """The ground plan of a street: x in metres, and what the road is made of.

    Attributes:
        kerb_left_m: x of the left kerb.
        kerb_right_m: x of the right kerb.
        front_left_m: x of the left house fronts.
        front_right_m: x of the right house fronts.
        lanes: x of the lines between lanes.
        tracks: x of the middle of tram tracks; None without tracks.
        verge: Whether there is grass between walk and house, left and right.
    """

    kerb_left_m: float
    kerb_right_m: float
    front_left_m: float
    front_right_m: float
    lanes: tuple[float, ...]  # x of the lines between lanes
    tracks: float | None  # x of the middle of tram tracks
    verge: tuple[bool, bool]  # grass between walk and house, left and right


def paint_sky(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint the sky above the horizon, with clouds."""
    weather, horizon = canvas.weather, max(1, math.ceil(canvas.camera.horizon_y_px) + 4)
    canvas.brush("sky").upright(0, 0, canvas.width, horizon, weather.sky_top)
    rows = 24
    fade = np.linspace(0, 1, rows, dtype=np.float32)[:, None, None] ** 1.5
    sky = np.asarray(weather.sky_top, np.float32) * (1 - fade) + np.asarray(weather.haze_colour, np.float32) * fade
    clouds: np.ndarray = rng.standard_normal((rows, 40, 1), np.float32)
    clouds = (
        clouds + np.roll(clouds, 1, 1) + np.roll(clouds, 2, 1) + np.roll(clouds, 1, 0) + np.roll(clouds, (1, 1), (0, 1))
    )
    clouds = clouds * (1 - fade) * weather.clouds
    pixels = np.clip(sky + clouds, 0, 255).astype(np.uint8)
    canvas.colour.paste(Image.fromarray(pixels).resize((canvas.width, horizon), Image.Resampling.BICUBIC))


def paint_ground(canvas: Canvas, street: Street, shadows: list[list[tuple[float, float]]], dice: Dice) -> None:
    """Paint road, walks and verges with their marks; then shadows; then the haze over the distance."""
    weather, camera = canvas.weather, canvas.camera
    lit = weather.shade(0, 1, 0)
    grey = dice.uniform(78, 125)
    asphalt, walk = vary(dice, (grey, grey, grey * 1.01), 0.04), vary(dice, (150, 145, 140), 0.12)
    near_m, far_m = camera.z_m + 1.0, camera.z_m + FAR_M
    strip = lambda name, x0, x1, colour, z0=near_m, z1=far_m: canvas.brush(name).polygon(
        [camera.project(x, 0, z) for x, z in ((x0, z0), (x0, z1), (x1, z1), (x1, z0))], colour, lit
    )
    strip("sidewalk", -200, 200, walk)
    for side, kerb, front in (
        (-1, street.kerb_left_m, street.front_left_m),
        (1, street.kerb_right_m, street.front_right_m),
    ):
        edge = kerb + (front - kerb) * 0.55 if street.verge[side > 0] else front
        strip("terrain", edge, side * 200, vary(dice, dice.choice(_GRASS)))
    strip("road", street.kerb_left_m, street.kerb_right_m, asphalt)
    road = canvas.brush("road")
    for _ in range(dice.randint(0, 5)):  # patched asphalt
        x, z = dice.uniform(street.kerb_left_m, street.kerb_right_m - 1), dice.uniform(4, 30)
        x1 = min(street.kerb_right_m, x + dice.uniform(0.8, 3))
        shade = dice.uniform(0.82, 1.12)
        strip("road", x, x1, tuple(channel * shade for channel in asphalt), z, z + dice.uniform(1, 12))
    for kerb in (street.kerb_left_m, street.kerb_right_m):
        strip("sidewalk", kerb, kerb + math.copysign(0.16, kerb), vary(dice, (165, 162, 158), 0.06))
    if street.tracks is not None:
        strip(
            "rail track", street.tracks - 1.2, street.tracks + 1.2, vary(dice, dice.choice([asphalt, (125, 120, 112)]))
        )
        for rail in (-0.72, 0.72):
            strip("rail track", street.tracks + rail - 0.05, street.tracks + rail + 0.05, (70, 68, 66))
    _paint_marks(strip, street, dice, camera.z_m)
    for _ in range(dice.randint(0, 3)):
        x, z = dice.uniform(street.kerb_left_m + 0.5, street.kerb_right_m - 0.5), dice.uniform(5, 20)
        px, depth = camera.px_per_m(z), camera.depth_m(z)
        if depth > 1:
            road.ellipse(*camera.project(x, 0, z), 0.35 * px, 0.35 * px * camera.height_m / depth, (72, 70, 68))
    _cast_shadows(canvas, shadows)
    _paint_haze(canvas)


def _paint_marks(strip: Callable[..., None], street: Street, dice: Dice, from_m: float) -> None:
    """Paint the marks of the road from z = `from_m` on."""
    paint = vary(dice, (205, 205, 200), 0.1)
    for x in street.lanes:
        if dice.random() < 0.25:
            strip("road", x - 0.07, x + 0.07, paint, from_m + 1, from_m + 150)
            continue
        dash, gap = dice.choice([(3.0, 6.0), (3.0, 3.0), (6.0, 12.0)])
        z = dice.uniform(1, 6)
        while z < from_m + 110:
            strip("road", x - 0.07, x + 0.07, paint, z, z + dash)
            z += dash + gap
    if dice.random() < 0.3:  # a crossing
        z, x = dice.uniform(8, 30), street.kerb_left_m + 0.3
        while x < street.kerb_right_m - 0.6:
            strip("road", x, x + 0.5, paint, z, z + 3)
            x += 1.0
    elif dice.random() < 0.3:
        z = dice.uniform(8, 30)
        strip("road", 0 if street.kerb_left_m < 0 else street.kerb_left_m, street.kerb_right_m - 0.2, paint, z, z + 0.5)


def _cast_shadows(canvas: Canvas, shadows: list[list[tuple[float, float]]]) -> None:
    """Darken the ground under everything that stands on it, and in the direction away from the sun."""
    weather, camera = canvas.weather, canvas.camera
    top = max(0, math.floor(camera.horizon_y_px))
    mask = Image.new("L", (canvas.width // 2, max(1, (canvas.height - top) // 2)))
    draw = ImageDraw.Draw(mask)
    depth = round(255 * min(0.75, 0.28 + 0.6 * weather.sun_strength))
    for outline in shadows:
        points = [camera.project(x, 0, z) for x, z in outline if camera.depth_m(z) > 0.5]
        if len(points) > 2:
            draw.polygon([(x / 2, (y - top) / 2) for x, y in points], fill=depth)
    canvas.blend((28, 30, 38), mask.filter(ImageFilter.BoxBlur(1 if weather.sun_strength > 0.3 else 3)), top)


def _paint_haze(canvas: Canvas) -> None:
    """Fade the ground into the haze towards the horizon."""
    camera, weather = canvas.camera, canvas.weather
    top = max(0, math.floor(camera.horizon_y_px))
    below = np.arange(top, canvas.height) + 0.5 - camera.horizon_y_px
    z = camera.focal_px * camera.height_m / np.maximum(below, 0.5)
    share = 1 - np.exp(-z / weather.visibility_m)
    canvas.blend(mix(weather.haze_colour, (0, 0, 0), 0), Image.fromarray((255 * share).astype(np.uint8)[:, None]), top)


def paint_skyline(canvas: Canvas, dice: Dice) -> None:
    """Paint what closes the view at the end of the street."""
    camera, far = canvas.camera, canvas.camera.z_m + FAR_M
    x = -camera.centre_x_px / camera.px_per_m(far) - 20
    right = (canvas.width - camera.centre_x_px) / camera.px_per_m(far)
    while x < right:
        width, height = dice.uniform(15, 50), dice.uniform(5, 24)
        wood = dice.random() < 0.5
        brush = canvas.brush("vegetation" if wood else "building", camera.z_m + dice.uniform(120, FAR_M))
        (x0, y0), (x1, y1) = camera.project(x, height, far), camera.project(x + width, -0.5, far)
        if wood:
            colour = vary(dice, dice.choice(LEAVES))
            brush.upright(x0, (y0 + y1) / 2, x1, y1, colour)
            for _ in range(9):
                r = (y1 - y0) * dice.uniform(0.25, 0.5)
                brush.ellipse(dice.uniform(x0, x1), (y0 + y1) / 2, r * 1.3, r, colour, dice.uniform(0.85, 1.1))
        else:
            brush.upright(x0, y0, x1, y1, vary(dice, dice.choice(FACADES)), 0.9)
        x += width * dice.uniform(0.6, 1.0)
