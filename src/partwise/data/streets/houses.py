"""What lines a street: houses with their windows, walls, fences, hedges."""

import math
from dataclasses import dataclass

from partwise.data.streets.canvas import Brush, Canvas, Point
from partwise.data.streets.dice import Dice
from partwise.data.streets.light import Colour, vary
from partwise.data.streets.plants import LEAVES

FACADES = [(190, 175, 150), (165, 150, 130), (205, 200, 190), (150, 85, 65), (175, 120, 90), (120, 115, 110)]
FACADES += [(200, 180, 120), (140, 145, 150), (215, 195, 175), (110, 75, 65), (170, 160, 165), (150, 165, 150)]
_ROOFS = [(120, 60, 45), (85, 55, 48), (70, 70, 75), (95, 85, 80)]
_SIGNBOARDS = [(160, 40, 40), (40, 80, 140), (50, 110, 70), (60, 60, 62), (210, 180, 60), (215, 210, 200)]


class Wall:
    """An upright plane from one ground point (x, z) to another; `pane` paints rectangles on it, in metres."""

    def __init__(self, brush: Brush, start: tuple[float, float], end: tuple[float, float], shade: float):
        self.brush, self.shade = brush, shade
        self.length_m = math.dist(start, end)
        self._start = start
        self._step = (end[0] - start[0]) / self.length_m, (end[1] - start[1]) / self.length_m

    def at(self, along: float, up: float) -> Point:
        """Return the canvas point `along` metres from the start and `up` metres above the ground."""
        return self.brush.camera.project(
            self._start[0] + self._step[0] * along, up, self._start[1] + self._step[1] * along
        )

    def face(self, height: float, colour: Colour) -> None:
        """Paint the wall itself."""
        self.brush.polygon(self._corners(0, self.length_m, 0, height), colour, self.shade)

    def pane(self, left: float, right: float, low: float, high: float, colour: Colour, shade: float = 0.0) -> None:
        """Paint a rectangle on the wall, in the wall's light unless `shade` is given."""
        self.brush.decorate(self._corners(left, right, low, high), colour, shade or self.shade)

    def _corners(self, left: float, right: float, low: float, high: float) -> list[Point]:
        """Return the canvas points of a rectangle on the wall."""
        return [self.at(left, low), self.at(left, high), self.at(right, high), self.at(right, low)]


@dataclass(frozen=True)
class Style:
    """What the walls of one house have in common."""

    colour: Colour
    frame: Colour
    glass: Colour
    storey_m: float
    floors: int
    pitch_m: float  # from window to window
    window: tuple[float, float]  # share of the pitch, share of the storey
    shops: bool


def draw_style(dice: Dice) -> Style:
    """Draw the looks of a house at random."""
    colour = vary(dice, dice.choice(FACADES), 0.15)
    return Style(
        colour=colour,
        frame=vary(dice, dice.choice([(215, 212, 205), (90, 80, 70), (60, 60, 62), colour]), 0.1),
        glass=vary(dice, dice.choice([(52, 60, 68), (75, 85, 95), (40, 42, 45)])),
        storey_m=dice.uniform(2.9, 3.8),
        floors=dice.choices([2, 3, 4, 5, 6], [2, 3, 4, 3, 1])[0],
        pitch_m=dice.uniform(2.0, 3.4),
        window=(dice.uniform(0.42, 0.62), dice.uniform(0.45, 0.62)),
        shops=dice.random() < 0.5,
    )


def paint_house(canvas: Canvas, side: int, front_m: float, z0: float, z1: float, dice: Dice) -> None:
    """Paint one house along the street from depth z0 to z1: roof, gable towards the camera, front with windows."""
    style, weather, at = draw_style(dice), canvas.weather, canvas.camera.project
    near, top = max(z0, canvas.camera.z_m + 1.0), style.storey_m * style.floors + 0.6
    ridge, ridge_x, back = top + dice.uniform(0, 3.5), front_m + side * 4, front_m + side * dice.uniform(8, 12)
    brush, gable_brush = canvas.brush("building", (near + z1) / 2), canvas.brush("building", near)

    slope = [at(front_m, top, near), at(front_m, top, z1), at(ridge_x, ridge, z1), at(ridge_x, ridge, near)]
    brush.polygon(slope, vary(dice, dice.choice(_ROOFS)), weather.shade(-side * 0.6, 0.8, 0))
    gable = Wall(gable_brush, (front_m, near), (back, near), weather.shade(0, 0, -1))
    triangle = [at(front_m, top, near), at(ridge_x, ridge, near), at(back, top, near)]
    gable_brush.polygon(triangle, style.colour, gable.shade)
    gable.face(top, style.colour)
    if dice.random() < 0.6:
        _paint_windows(gable, style, False, dice.part("gable"))
    front = Wall(brush, (front_m, near), (front_m, z1), weather.shade(-side, 0, 0))
    front.face(top, style.colour)
    hidden_m = near - z0 if dice.steady else 0.0  # a single picture lays the windows out on the part that is seen
    _paint_windows(front, style, style.shops, dice.part("front"), hidden_m)
    front.pane(0, front.length_m, top - 0.35, top, vary(dice, style.colour, 0.1), front.shade * 0.75)


def _paint_windows(wall: Wall, style: Style, shops: bool, dice: Dice, hidden_m: float = 0.0) -> None:
    """Paint rows of windows over a floor of shops or doors; columns that are finer than a pixel are left out.

    Args:
        wall: The part of the wall that is seen.
        style: The looks of the house.
        shops: Whether there are shops on the ground floor.
        dice: Source of every random number.
        hidden_m: Length of the wall before its start, behind the camera.
    """
    storey = style.storey_m
    if shops:
        wall.pane(0, wall.length_m, 0, storey * 0.98, vary(dice, (105, 100, 95)))
        wall.pane(0, wall.length_m, storey * 0.8, storey * 0.98, vary(dice, dice.choice(_SIGNBOARDS)))
    length_m = wall.length_m + hidden_m
    columns = max(1, round(length_m / style.pitch_m))
    step, half = length_m / columns, style.window[0] / 2
    for column in range(columns):
        left, right = (column + 0.5 - half) * step - hidden_m, (column + 0.5 + half) * step - hidden_m
        own = dice.part(column)
        if left < 0:
            continue
        x0, x1 = sorted((wall.at(left, 0)[0], wall.at(right, 0)[0]))
        if x1 - x0 < 2.2 or x1 < 0 or x0 > wall.brush.picture_width:
            continue
        if shops:
            wall.pane(left - step * 0.14, right + step * 0.14, 0.4, 2.3, style.glass, own.uniform(0.8, 1.5))
        for floor in range(1 if shops else 0, style.floors):
            low, high = (floor + 0.3) * storey, (floor + 0.3 + style.window[1]) * storey
            if floor == 0 and own.random() < 0.15:
                low, high = 0.0, 2.2  # a door
            _paint_window(wall, style, (left, right, low, high), x1 - x0 > 9, own.uniform(0.75, 1.35))


def _paint_window(wall: Wall, style: Style, box: tuple[float, float, float, float], fine: bool, mirrors: float) -> None:
    """Paint one window; details only if it is large enough."""
    left, right, low, high = box
    if fine:
        wall.pane(left - 0.12, right + 0.12, low - 0.12 if low else 0, high + 0.12, style.frame)
    wall.pane(left, right, low, high, style.glass, mirrors)
    if fine:
        middle = (left + right) / 2
        wall.pane(middle - 0.04, middle + 0.04, low, high, style.frame)


def paint_barrier(canvas: Canvas, kind: str, x: float, z0: float, z1: float, dice: Dice) -> None:
    """Paint a wall, fence, or hedge along the street."""
    near = max(z0, canvas.camera.z_m + 1.0)
    at, height = canvas.camera.project, dice.uniform(0.9, 2.4)
    outline = [at(x, 0, near), at(x, height, near), at(x, height, z1), at(x, 0, z1)]
    shade = canvas.weather.shade(-math.copysign(1, x), 0, 0)
    if kind == "hedge":
        brush, colour = canvas.brush("vegetation", (near + z1) / 2), vary(dice, dice.choice(LEAVES))
        brush.polygon(outline, colour, 0.9)
        z = z0 if dice.steady else near
        while z < z1:
            r, light = 0.5 * canvas.camera.px_per_m(z), dice.uniform(0.85, 1.15)
            if z >= near:
                brush.ellipse(*at(x, height - 0.15, z), r, r * 0.6, colour, light)
            z += 0.5 if dice.steady else 0.5 + z / 30
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
    z = z0 if dice.steady else near
    while z < min(z1, canvas.camera.z_m + 70):
        width = 0.05 * canvas.camera.px_per_m(z)
        if z >= near:
            brush.limb(at(x, 0, z), at(x, height, z), width, width, colour, shade)
        z += 0.6 if dice.steady else 0.25 + z / 25
