"""What stands along a street and behind it: sky, ground, houses, walls, fences, hedges and trees."""

import math
import random
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from partwise.data.streets.canvas import Brush, Canvas
from partwise.data.streets.light import Colour, mix, vary

FAR_M = 260.0
_FACADES = [(190, 175, 150), (165, 150, 130), (205, 200, 190), (150, 85, 65), (175, 120, 90), (120, 115, 110)]
_FACADES += [(200, 180, 120), (140, 145, 150), (215, 195, 175), (110, 75, 65), (170, 160, 165), (150, 165, 150)]
_ROOFS = [(120, 60, 45), (85, 55, 48), (70, 70, 75), (95, 85, 80)]
_LEAVES = [(72, 92, 42), (58, 80, 40), (90, 104, 50), (110, 108, 50), (60, 86, 56)]
_GRASS = [(95, 110, 58), (112, 118, 70), (85, 100, 55)]
_SIGNBOARDS = [(160, 40, 40), (40, 80, 140), (50, 110, 70), (60, 60, 62), (210, 180, 60), (215, 210, 200)]


@dataclass(frozen=True)
class Street:
    """The ground plan: x of the kerbs, and of the house fronts, in metres, and what the road is made of."""

    kerb_left_m: float
    kerb_right_m: float
    front_left_m: float
    front_right_m: float
    lanes: tuple[float, ...]  # x of the lines between lanes
    tracks: float | None  # x of the middle of tram tracks
    verge: tuple[bool, bool]  # grass between walk and house, left and right


def paint_sky(canvas: Canvas, rng: np.random.Generator) -> None:
    """The sky above the horizon, with clouds."""
    weather, horizon = canvas.weather, max(1, math.ceil(canvas.camera.horizon_y_px) + 4)
    canvas.brush("sky").upright(0, 0, canvas.width, horizon, weather.sky_top)
    rows = 24
    fade = np.linspace(0, 1, rows, dtype=np.float32)[:, None, None] ** 1.5
    sky = np.asarray(weather.sky_top, np.float32) * (1 - fade) + np.asarray(weather.haze_colour, np.float32) * fade
    clouds = rng.standard_normal((rows, 40, 1), np.float32)
    clouds = clouds + np.roll(clouds, 1, 1) + np.roll(clouds, 2, 1) + np.roll(clouds, 1, 0) + np.roll(clouds, (1, 1), (0, 1))
    clouds = clouds * (1 - fade) * weather.clouds
    pixels = np.clip(sky + clouds, 0, 255).astype(np.uint8)
    canvas.colour.paste(Image.fromarray(pixels).resize((canvas.width, horizon), Image.Resampling.BICUBIC))


def paint_ground(canvas: Canvas, street: Street, shadows: list[list[tuple[float, float]]], dice: random.Random) -> None:
    """Road, walks and verges with their marks; then shadows; then the haze over the distance."""
    weather, camera = canvas.weather, canvas.camera
    lit = weather.shade(0, 1, 0)
    grey = dice.uniform(78, 125)
    asphalt, walk = vary(dice, (grey, grey, grey * 1.01), 0.04), vary(dice, (150, 145, 140), 0.12)
    strip = lambda name, x0, x1, colour, z0=1.0, z1=FAR_M: canvas.brush(name).polygon(
        [camera.project(x, 0, z) for x, z in ((x0, z0), (x0, z1), (x1, z1), (x1, z0))], colour, lit
    )
    strip("sidewalk", -200, 200, walk)
    for side, kerb, front in ((-1, street.kerb_left_m, street.front_left_m), (1, street.kerb_right_m, street.front_right_m)):
        if street.verge[side > 0]:
            strip("terrain", kerb + (front - kerb) * 0.55, side * 200, vary(dice, dice.choice(_GRASS)))
    strip("road", street.kerb_left_m, street.kerb_right_m, asphalt)
    road = canvas.brush("road")
    for _ in range(dice.randint(0, 5)):  # mended asphalt
        x, z = dice.uniform(street.kerb_left_m, street.kerb_right_m - 1), dice.uniform(4, 30)
        x1 = min(street.kerb_right_m, x + dice.uniform(0.8, 3))
        strip("road", x, x1, vary(dice, asphalt, 0.15), z, z + dice.uniform(1, 12))
    for kerb in (street.kerb_left_m, street.kerb_right_m):
        strip("sidewalk", kerb, kerb + math.copysign(0.16, kerb), vary(dice, (165, 162, 158), 0.06))
    if street.tracks is not None:
        strip("rail track", street.tracks - 1.2, street.tracks + 1.2, vary(dice, dice.choice([asphalt, (125, 120, 112)])))
        for rail in (-0.72, 0.72):
            strip("rail track", street.tracks + rail - 0.05, street.tracks + rail + 0.05, (70, 68, 66))
    _paint_marks(strip, street, dice)
    for _ in range(dice.randint(0, 3)):
        x, z = dice.uniform(street.kerb_left_m + 0.5, street.kerb_right_m - 0.5), dice.uniform(5, 20)
        px = camera.px_per_m(z)
        road.ellipse(*camera.project(x, 0, z), 0.35 * px, 0.35 * px * camera.height_m / z, (60, 58, 56))
    _cast_shadows(canvas, shadows)
    _paint_haze(canvas)


def _paint_marks(strip, street: Street, dice: random.Random) -> None:
    paint = vary(dice, (205, 205, 200), 0.1)
    for x in street.lanes:
        if dice.random() < 0.25:
            strip("road", x - 0.07, x + 0.07, paint, 1, 150)
            continue
        dash, gap, z = dice.choice([(3.0, 6.0), (3.0, 3.0), (6.0, 12.0)]) + (dice.uniform(1, 6),)
        while z < 110:
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
    """Darken the ground under everything that stands on it, further in the direction away from the sun."""
    weather, camera = canvas.weather, canvas.camera
    top = max(0, math.floor(camera.horizon_y_px))
    mask = Image.new("L", (canvas.width // 2, max(1, (canvas.height - top) // 2)))
    draw = ImageDraw.Draw(mask)
    depth = round(255 * min(0.75, 0.28 + 0.6 * weather.sun_strength))
    for outline in shadows:
        points = [camera.project(x, 0, z) for x, z in outline if z > 0.5]
        if len(points) > 2:
            draw.polygon([(x / 2, (y - top) / 2) for x, y in points], fill=depth)
    canvas.blend((28, 30, 38), mask.filter(ImageFilter.BoxBlur(1 if weather.sun_strength > 0.3 else 3)), top)


def _paint_haze(canvas: Canvas) -> None:
    camera, weather = canvas.camera, canvas.weather
    top = max(0, math.floor(camera.horizon_y_px))
    below = np.arange(top, canvas.height) + 0.5 - camera.horizon_y_px
    z = camera.focal_px * camera.height_m / np.maximum(below, 0.5)
    share = 1 - np.exp(-z / weather.visibility_m)
    canvas.blend(mix(weather.haze_colour, (0, 0, 0), 0), Image.fromarray((255 * share).astype(np.uint8)[:, None]), top)


def paint_skyline(canvas: Canvas, dice: random.Random) -> None:
    """What closes the view at the end of the street."""
    camera = canvas.camera
    x = -camera.centre_x_px / camera.px_per_m(FAR_M) - 20
    right = (canvas.width - camera.centre_x_px) / camera.px_per_m(FAR_M)
    while x < right:
        width, height = dice.uniform(15, 50), dice.uniform(5, 24)
        wood = dice.random() < 0.5
        brush = canvas.brush("vegetation" if wood else "building", dice.uniform(120, FAR_M))
        (x0, y0), (x1, y1) = camera.project(x, height, FAR_M), camera.project(x + width, -0.5, FAR_M)
        if wood:
            colour = vary(dice, dice.choice(_LEAVES))
            brush.upright(x0, (y0 + y1) / 2, x1, y1, colour)
            for _ in range(9):
                r = (y1 - y0) * dice.uniform(0.25, 0.5)
                brush.ellipse(dice.uniform(x0, x1), (y0 + y1) / 2, r * 1.3, r, colour, dice.uniform(0.85, 1.1))
        else:
            brush.upright(x0, y0, x1, y1, vary(dice, dice.choice(_FACADES)), 0.9)
        x += width * dice.uniform(0.6, 1.0)


def paint_house(canvas: Canvas, side: int, front_m: float, z0: float, z1: float, dice: random.Random) -> None:
    """One house along the street from depth z0 to z1: roof, gable towards us, front with windows."""
    brush = canvas.brush("building", (z0 + z1) / 2)
    weather, at = canvas.weather, canvas.camera.project
    storey, floors = dice.uniform(2.9, 3.8), dice.choices([2, 3, 4, 5, 6], [2, 3, 4, 3, 1])[0]
    top = storey * floors + 0.6
    colour = vary(dice, dice.choice(_FACADES), 0.15)
    roof, ridge, depth = vary(dice, dice.choice(_ROOFS)), top + dice.uniform(0, 3.5), dice.uniform(8, 12)
    back = front_m + side * depth
    front_shade, gable_shade = weather.shade(-side, 0, 0), weather.shade(0, 0, -1)
    near = max(z0, 1.0)
    brush.polygon([at(front_m, top, near), at(front_m, top, z1), at(front_m + side * 4, ridge, z1), at(front_m + side * 4, ridge, near)], roof, weather.shade(-side * 0.6, 0.8, 0))
    canvas.brush("building", near).polygon([at(front_m, 0, near), at(front_m, top, near), at(front_m + side * 4, ridge, near), at(back, top, near), at(back, 0, near)], colour, gable_shade)
    brush.polygon([at(front_m, 0, near), at(front_m, top, near), at(front_m, top, z1), at(front_m, 0, z1)], colour, front_shade)
    _paint_windows(brush, (front_m, near, z1), (storey, floors), colour, front_shade, dice)
    eave = [at(front_m, top, near), at(front_m, top, z1), at(front_m, top - 0.35, z1), at(front_m, top - 0.35, near)]
    brush.decorate(eave, vary(dice, colour, 0.1), front_shade * 0.75)


def _paint_windows(brush: Brush, place, storeys, colour: Colour, shade: float, dice: random.Random) -> None:
    """Rows of windows, a ground floor of shops or doors; left out where they would be finer than a pixel."""
    (x, z0, z1), (storey, floors) = place, storeys
    pitch = dice.uniform(2.0, 3.4)
    columns = max(1, round((z1 - z0) / pitch))
    wide, high = dice.uniform(0.42, 0.62), dice.uniform(0.45, 0.62)
    frame = vary(dice, dice.choice([(215, 212, 205), (90, 80, 70), (60, 60, 62), colour]), 0.1)
    glass = vary(dice, dice.choice([(52, 60, 68), (75, 85, 95), (40, 42, 45)]))
    at, shops = brush.camera.project, dice.random() < 0.5
    if shops:
        board = vary(dice, dice.choice(_SIGNBOARDS))
        lowest = storey * 0.98
        brush.decorate([at(x, lowest, z0), at(x, lowest, z1), at(x, 0, z1), at(x, 0, z0)], vary(dice, (105, 100, 95)), shade)
        brush.decorate([at(x, lowest, z0), at(x, lowest, z1), at(x, lowest * 0.82, z1), at(x, lowest * 0.82, z0)], board, shade)
    step = (z1 - z0) / columns
    for column in range(columns):
        a, b = z0 + (column + 0.5 - wide / 2) * step, z0 + (column + 0.5 + wide / 2) * step
        xa, xb = at(x, 0, a)[0], at(x, 0, b)[0]
        if abs(xa - xb) < 2.2 or max(xa, xb) < 0 or min(xa, xb) > brush.picture_width:
            continue
        fine = abs(xa - xb) > 9
        for floor in range(floors):
            low, tall = floor * storey + storey * 0.3, storey * high
            if floor == 0 and shops:
                a0, b0 = a - step * 0.14, b + step * 0.14
                brush.decorate([at(x, 0.4, a0), at(x, 2.3, a0), at(x, 2.3, b0), at(x, 0.4, b0)], glass, dice.uniform(0.8, 1.5))
                continue
            if floor == 0 and dice.random() < 0.15:
                low, tall = 0.0, 2.2
            reflection = dice.uniform(0.75, 1.35)
            if fine:
                edge = 0.12
                brush.decorate([at(x, low - edge, a - edge), at(x, low + tall + edge, a - edge), at(x, low + tall + edge, b + edge), at(x, low - edge, b + edge)], frame, shade)
            brush.decorate([at(x, low, a), at(x, low + tall, a), at(x, low + tall, b), at(x, low, b)], glass, reflection)
            if fine:
                middle, bar = (a + b) / 2, 0.04
                brush.decorate([at(x, low, middle - bar), at(x, low + tall, middle - bar), at(x, low + tall, middle + bar), at(x, low, middle + bar)], frame, shade)


def paint_barrier(canvas: Canvas, kind: str, x: float, z0: float, z1: float, dice: random.Random) -> None:
    """A wall, fence, or hedge along the street."""
    near = max(z0, 1.0)
    at, height = canvas.camera.project, dice.uniform(0.9, 2.4)
    outline = [at(x, 0, near), at(x, height, near), at(x, height, z1), at(x, 0, z1)]
    shade = canvas.weather.shade(-math.copysign(1, x), 0, 0)
    if kind == "hedge":
        brush, colour = canvas.brush("vegetation", (near + z1) / 2), vary(dice, dice.choice(_LEAVES))
        brush.polygon(outline, colour, 0.9)
        z = near
        while z < z1:
            r = 0.5 * canvas.camera.px_per_m(z)
            brush.ellipse(*at(x, height - 0.15, z), r, r * 0.6, colour, dice.uniform(0.85, 1.15))
            z += 0.5 + z / 30
        return
    brush = canvas.brush(kind, (near + z1) / 2)
    if kind == "wall":
        colour = vary(dice, dice.choice([(150, 140, 125), (120, 118, 115), (140, 85, 70), (175, 170, 160)]))
        brush.polygon(outline, colour, shade)
        cap = [at(x, height, near), at(x, height, z1), at(x, height - 0.12, z1), at(x, height - 0.12, near)]
        brush.decorate(cap, colour, shade * 1.2)
        return
    brush.claim(outline)
    colour = vary(dice, dice.choice([(60, 65, 60), (120, 120, 120), (130, 100, 70), (200, 200, 195)]))
    solid = dice.random() < 0.3
    if solid:
        brush.polygon(outline, colour, shade)
    for level in (0.15, 0.92):
        brush.limb(at(x, height * level, near), at(x, height * level, z1), 0.06 * canvas.camera.px_per_m(near), 1, colour, shade)
    z = near
    while z < min(z1, 70):
        width = 0.05 * canvas.camera.px_per_m(z)
        brush.limb(at(x, 0, z), at(x, height, z), width, width, colour, shade)
        z += 0.25 + z / 25


def paint_tree(canvas: Canvas, x: float, z: float, dice: random.Random) -> None:
    """A tree: trunk and a crown of blobs, brighter above and towards the sun. Bare in winter, now and then."""
    brush = canvas.brush("vegetation", z)
    at, px = canvas.camera.project, canvas.camera.px_per_m(z)
    height, crown = dice.uniform(5, 12), dice.uniform(1.5, 3.2)
    clear = dice.uniform(1.9, 2.8)
    bark = vary(dice, (78, 68, 58))
    brush.limb(at(x, 0, z), at(x, height * 0.7, z), dice.uniform(0.25, 0.5) * px, 0.14 * px, bark)
    colour = vary(dice, dice.choice(_LEAVES), 0.15)
    blobs = 5 + min(36, int(crown * px / 12))
    sun_x, sun_y = canvas.weather.sun[0], canvas.weather.sun[1]
    middle, reach = (height + clear) / 2, (height - clear) / 2
    spots = []
    for _ in range(blobs):
        angle, far = dice.uniform(0, 2 * math.pi), math.sqrt(dice.random())
        spots.append((far * math.cos(angle), far * math.sin(angle)))
    spots.sort(key=lambda spot: spot[1] * sun_y + spot[0] * sun_x)  # the lit ones last, on top
    for dx, dy in spots:
        light = 0.85 + 0.25 * (dx * sun_x + dy * sun_y) + dice.uniform(-0.1, 0.1)
        r = dice.uniform(0.22, 0.42) * crown * px
        brush.ellipse(*at(x + dx * crown * 0.85, middle + dy * reach * 0.85, z), r, r * dice.uniform(0.7, 1.0), colour, light)


def paint_bush(canvas: Canvas, x: float, z: float, dice: random.Random) -> None:
    """A bush of about a metre."""
    brush, colour = canvas.brush("vegetation", z), vary(dice, dice.choice(_LEAVES), 0.15)
    px = canvas.camera.px_per_m(z)
    for up in (0.3, 0.3, 0.5, 0.7, 0.9):
        brush.ellipse(*canvas.camera.project(x + dice.uniform(-0.7, 0.7), up, z), 0.5 * px, 0.4 * px, colour, 0.7 + up * 0.4)
