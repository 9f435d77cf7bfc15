"""Trees, bushes and hedges: blobs of leaves, brighter above and towards the sun."""

import math

from partwise.data.streets.canvas import Canvas
from partwise.data.streets.dice import Dice
from partwise.data.streets.light import vary

NEAREST_TREE_M = 2.5  # in front of a nearer tree, its crown would be the whole picture
LEAVES = [(72, 92, 42), (58, 80, 40), (90, 104, 50), (110, 108, 50), (60, 86, 56)]


def paint_tree(canvas: Canvas, x: float, z: float, dice: Dice) -> None:
    """Paint a tree: a stem and a crown of blobs, brighter above and towards the sun. Some are bare."""
    brush = canvas.brush("vegetation", z)
    at, px = canvas.camera.project, canvas.camera.px_per_m(z)
    height, crown = dice.uniform(5, 12), dice.uniform(1.5, 3.2)
    clear = dice.uniform(1.9, 2.8)
    bark = vary(dice, (78, 68, 58))
    brush.limb(at(x, 0, z), at(x, height * 0.7, z), dice.uniform(0.25, 0.5) * px, 0.14 * px, bark)
    colour = vary(dice, dice.choice(LEAVES), 0.15)
    blobs = 5 + min(36, int(crown * px / 12))
    sun_x, sun_y = canvas.weather.sun[0], canvas.weather.sun[1]
    middle, reach = (height + clear) / 2, (height - clear) / 2
    for share in (0.95, 0.7):  # the dense inside
        radii = crown * share * 0.8 * px, reach * share * 0.9 * px
        brush.ellipse(*at(x, middle - 0.1 * reach, z), *radii, colour, 0.62 + 0.15 * (1 - share))
    spots = []
    for number in range(blobs):
        own = dice.part("blob", number)
        angle, far = own.uniform(0, 2 * math.pi), math.sqrt(own.random())
        spots.append((far * math.cos(angle), far * math.sin(angle), own))
    spots.sort(key=lambda spot: spot[1] * sun_y + spot[0] * sun_x)  # the lit ones last, on top
    for dx, dy, own in spots:
        light = 0.85 + 0.25 * (dx * sun_x + dy * sun_y) + own.uniform(-0.1, 0.1)
        r = own.uniform(0.16, 0.36) * crown * px
        centre = at(x + dx * crown * 0.85, middle + dy * reach * 0.85, z)
        brush.ellipse(*centre, r, r * own.uniform(0.7, 1.0), colour, light)


def paint_bush(canvas: Canvas, x: float, z: float, dice: Dice) -> None:
    """Paint a bush of about a metre."""
    brush, colour = canvas.brush("vegetation", z), vary(dice, dice.choice(LEAVES), 0.15)
    px = canvas.camera.px_per_m(z)
    for up in (0.3, 0.3, 0.5, 0.7, 0.9):
        brush.ellipse(
            *canvas.camera.project(x + dice.uniform(-0.7, 0.7), up, z), 0.5 * px, 0.4 * px, colour, 0.7 + up * 0.4
        )
