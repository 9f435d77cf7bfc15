"""What lines a street: houses with their windows, walls, fences, hedges."""

import math
import random

from partwise.data.streets.canvas import Brush, Canvas
from partwise.data.streets.light import Colour, vary
from partwise.data.streets.plants import LEAVES

FACADES = [(190, 175, 150), (165, 150, 130), (205, 200, 190), (150, 85, 65), (175, 120, 90), (120, 115, 110)]
FACADES += [(200, 180, 120), (140, 145, 150), (215, 195, 175), (110, 75, 65), (170, 160, 165), (150, 165, 150)]
_ROOFS = [(120, 60, 45), (85, 55, 48), (70, 70, 75), (95, 85, 80)]
_SIGNBOARDS = [(160, 40, 40), (40, 80, 140), (50, 110, 70), (60, 60, 62), (210, 180, 60), (215, 210, 200)]


def paint_house(canvas: Canvas, side: int, front_m: float, z0: float, z1: float, dice: random.Random) -> None:
    """One house along the street from depth z0 to z1: roof, gable towards us, front with windows."""
    brush = canvas.brush("building", (z0 + z1) / 2)
    weather, at = canvas.weather, canvas.camera.project
    storey, floors = dice.uniform(2.9, 3.8), dice.choices([2, 3, 4, 5, 6], [2, 3, 4, 3, 1])[0]
    top = storey * floors + 0.6
    colour = vary(dice, dice.choice(FACADES), 0.15)
    roof, ridge, depth = vary(dice, dice.choice(_ROOFS)), top + dice.uniform(0, 3.5), dice.uniform(8, 12)
    back = front_m + side * depth
    front_shade, gable_shade = weather.shade(-side, 0, 0), weather.shade(0, 0, -1)
    near = max(z0, 1.0)
    brush.polygon(
        [
            at(front_m, top, near),
            at(front_m, top, z1),
            at(front_m + side * 4, ridge, z1),
            at(front_m + side * 4, ridge, near),
        ],
        roof,
        weather.shade(-side * 0.6, 0.8, 0),
    )
    canvas.brush("building", near).polygon(
        [
            at(front_m, 0, near),
            at(front_m, top, near),
            at(front_m + side * 4, ridge, near),
            at(back, top, near),
            at(back, 0, near),
        ],
        colour,
        gable_shade,
    )
    brush.polygon(
        [at(front_m, 0, near), at(front_m, top, near), at(front_m, top, z1), at(front_m, 0, z1)], colour, front_shade
    )
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
        brush.decorate(
            [at(x, lowest, z0), at(x, lowest, z1), at(x, 0, z1), at(x, 0, z0)], vary(dice, (105, 100, 95)), shade
        )
        brush.decorate(
            [at(x, lowest, z0), at(x, lowest, z1), at(x, lowest * 0.82, z1), at(x, lowest * 0.82, z0)], board, shade
        )
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
                brush.decorate(
                    [at(x, 0.4, a0), at(x, 2.3, a0), at(x, 2.3, b0), at(x, 0.4, b0)], glass, dice.uniform(0.8, 1.5)
                )
                continue
            if floor == 0 and dice.random() < 0.15:
                low, tall = 0.0, 2.2
            reflection = dice.uniform(0.75, 1.35)
            if fine:
                edge = 0.12
                brush.decorate(
                    [
                        at(x, low - edge, a - edge),
                        at(x, low + tall + edge, a - edge),
                        at(x, low + tall + edge, b + edge),
                        at(x, low - edge, b + edge),
                    ],
                    frame,
                    shade,
                )
            brush.decorate(
                [at(x, low, a), at(x, low + tall, a), at(x, low + tall, b), at(x, low, b)], glass, reflection
            )
            if fine:
                middle, bar = (a + b) / 2, 0.04
                brush.decorate(
                    [
                        at(x, low, middle - bar),
                        at(x, low + tall, middle - bar),
                        at(x, low + tall, middle + bar),
                        at(x, low, middle + bar),
                    ],
                    frame,
                    shade,
                )


def paint_barrier(canvas: Canvas, kind: str, x: float, z0: float, z1: float, dice: random.Random) -> None:
    """A wall, fence, or hedge along the street."""
    near = max(z0, 1.0)
    at, height = canvas.camera.project, dice.uniform(0.9, 2.4)
    outline = [at(x, 0, near), at(x, height, near), at(x, height, z1), at(x, 0, z1)]
    shade = canvas.weather.shade(-math.copysign(1, x), 0, 0)
    if kind == "hedge":
        brush, colour = canvas.brush("vegetation", (near + z1) / 2), vary(dice, dice.choice(LEAVES))
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
        brush.limb(
            at(x, height * level, near),
            at(x, height * level, z1),
            0.06 * canvas.camera.px_per_m(near),
            1,
            colour,
            shade,
        )
    z = near
    while z < min(z1, 70):
        width = 0.05 * canvas.camera.px_per_m(z)
        brush.limb(at(x, 0, z), at(x, height, z), width, width, colour, shade)
        z += 0.25 + z / 25
