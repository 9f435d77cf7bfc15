"""People, riders, bicycles and motorcycles: flat figures with joints, turned by foreshortening."""

import math
from dataclasses import dataclass

from partwise.data.streets.canvas import Brush, Point
from partwise.data.streets.dice import Dice
from partwise.data.streets.light import Colour, vary

_SKINS = [(224, 180, 150), (205, 160, 130), (170, 120, 90), (110, 75, 55)]
_HAIR = [(40, 30, 25), (75, 55, 40), (140, 110, 70), (120, 120, 120), (25, 22, 20)]
_CLOTHES = [(40, 42, 48), (30, 40, 70), (90, 90, 95), (150, 40, 45), (170, 165, 155), (60, 80, 60), (110, 85, 65)]
_CLOTHES += [(200, 200, 200), (50, 90, 130), (190, 140, 50), (120, 60, 100), (25, 25, 28), (70, 100, 150)]
_TROUSERS = [(35, 40, 60), (28, 28, 32), (60, 70, 95), (110, 100, 85), (80, 80, 84), (45, 40, 38)]
_FRAMES = [(30, 30, 32), (150, 30, 30), (40, 60, 120), (60, 110, 70), (180, 180, 182), (200, 150, 40)]


@dataclass(frozen=True)
class Stand:
    """Where a figure stands, and how it is turned.

    Attributes:
        foot: The canvas point of its feet.
        px_per_m: Canvas pixels of one metre there.
        turn: Angle to the line of sight: 0 seen from ahead or behind, pi / 2 from the side.
        side: 1 if it looks to the right, -1 to the left.
        away: Whether its back is turned to the camera.
        swing: How far legs and arms are swung now, -1..1 of their reach.
        pedal: Angle by which the pedals have turned, in radians.
    """

    foot: Point
    px_per_m: float
    turn: float
    side: int
    away: bool
    swing: float = 1.0
    pedal: float = 0.0

    def at(self, ahead: float, up: float, aside: float = 0.0) -> Point:
        """Return the canvas point of a point of the figure, in metres: ahead of it, up, and to its side."""
        across = self.side * ahead * math.sin(self.turn) + aside * math.cos(self.turn)
        return self.foot[0] + across * self.px_per_m, self.foot[1] - up * self.px_per_m


def draw_stand(brush: Brush, x_m: float, z_m: float, dice: Dice, turn: float | None = None) -> Stand:
    """Draw a stand at a place of the street, turned at random unless `turn` is given."""
    if turn is None:
        turn = math.asin(min(1.0, dice.random() ** 0.7))
    foot = brush.camera.project(x_m, 0.0, z_m)
    return Stand(foot, brush.camera.px_per_m(z_m), turn, dice.choice((-1, 1)), dice.random() < 0.5)


def paint_person(brush: Brush, stand: Stand, dice: Dice) -> None:
    """Paint a person who walks or stands: adult or child, in trousers, a coat or a skirt, some with a bag."""
    height = dice.uniform(1.58, 1.92) if dice.random() < 0.87 else dice.uniform(0.95, 1.4)
    stout = dice.uniform(0.85, 1.25) * (height / 1.75) ** 0.7
    top, legs = vary(dice, dice.choice(_CLOTHES), 0.2), vary(dice, dice.choice(_TROUSERS), 0.2)
    skin, hair = vary(dice, dice.choice(_SKINS), 0.06), vary(dice, dice.choice(_HAIR))
    stride = dice.uniform(0.12, 0.36) * height / 1.75 if dice.random() < 0.7 else 0.04
    stride *= stand.swing
    hip, shoulder = 0.5 * height, 0.815 * height
    coat = dice.random() < 0.35
    swing = dice.uniform(0.4, 1.0) * stride

    _arm(brush, stand, (-0.19 * stout, shoulder), -swing, height, vary(dice, top, 0.05), skin, 0.8)
    for ahead, aside, shade in ((-stride, -0.09, 0.82), (stride, 0.09, 1.0)):
        _leg(brush, stand, hip, ahead, aside * stout, height, legs, stout, shade)
    if coat or dice.random() < 0.1:
        hem = dice.uniform(0.26, 0.42) * height
        _slab(brush, stand, hem, hip + 0.05, 0.34 * stout, 0.36 * stout, top if coat else legs)
    _slab(brush, stand, hip - 0.06 * height, shoulder + 0.02, 0.33 * stout, 0.40 * stout, top)
    _arm(brush, stand, (0.20 * stout, shoulder), swing, height, top, skin, 1.0)
    _load(brush, stand, hip, shoulder, dice)
    _head(brush, stand, (0.02, 0.93 * height), height, skin, hair)


def paint_bicycle(brush: Brush, stand: Stand, dice: Dice) -> None:
    """Paint a bicycle. What shows between spokes and tubes belongs to it, as annotators outline it."""
    frame, at, px = vary(dice, dice.choice(_FRAMES)), stand.at, stand.px_per_m
    radius, base = 0.34, 0.52
    rx = max(radius * math.sin(stand.turn), 0.05) * px
    tube = 0.045 * px
    brush.claim([at(-0.5, 0.5), at(-0.2, 0.95), at(0.45, 1.0), at(0.5, 0.4), at(0.0, 0.22)])
    for ahead in (-base, base):
        x, y = at(ahead, radius)
        brush.ring(x, y, rx, radius * px, 0.055 * px, (28, 28, 30))
        if px > 30:
            for angle in (0.3, 1.35, 2.4):
                c, s = math.cos(angle), math.sin(angle)
                brush.limb((x - c * rx, y - s * radius * px), (x + c * rx, y + s * radius * px), 1, 1, (120, 120, 120))
    crank, saddle, head = at(-0.02, 0.3), at(-0.2, 0.88), at(0.38, 0.85)
    for a, b in ((crank, saddle), (crank, head), (at(-base, radius), crank), (at(-base, radius), at(-0.17, 0.75))):
        brush.limb(a, b, tube, tube, frame)
    if dice.random() < 0.5:
        brush.limb(at(-0.15, 0.72), at(0.37, 0.78), tube, tube, frame)
    brush.limb(head, at(base, radius), tube, tube, frame)
    brush.limb(head, at(0.34, 1.02), tube, tube, (40, 40, 42))
    brush.limb(at(-0.34, 0.93), at(-0.08, 0.93), 0.08 * px, 0.05 * px, (25, 25, 25))
    brush.limb(at(0.36, 1.04, -0.28), at(0.36, 1.04, 0.28), tube, tube, (35, 35, 36))
    if dice.random() < 0.3:
        _slab(brush, stand, 0.78, 1.0, 0.3, 0.34, vary(dice, (95, 80, 60)), ahead=0.62 if dice.random() < 0.5 else -0.5)


def paint_motorcycle(brush: Brush, stand: Stand, dice: Dice) -> None:
    """Paint a motorcycle or a scooter."""
    colour, at, px = vary(dice, dice.choice([*_FRAMES, (205, 205, 200), (120, 160, 150)])), stand.at, stand.px_per_m
    scooter = dice.random() < 0.5
    radius, base = (0.24, 0.58) if scooter else (0.31, 0.68)
    rx = max(radius * math.sin(stand.turn), 0.08) * px
    for ahead in (-base, base):
        x, y = at(ahead, radius)
        brush.ellipse(x, y, rx, radius * px, (26, 26, 28))
        brush.ellipse(x, y, rx * 0.5, radius * px * 0.5, (110, 110, 112))
    width = 0.17
    across = lambda ahead, up: [at(ahead, up, -width), at(ahead, up, width)]
    outline = [(-0.85, 0.72), (-0.55, 0.86), (0.1, 0.82), (0.45, 0.95), (0.6, 0.8), (0.35, 0.32), (-0.4, 0.3)]
    for side in (-width, width):
        brush.polygon([at(ahead, up, side) for ahead, up in outline], colour, 0.9)
    brush.polygon([*across(-0.3, 0.3), *reversed(across(-0.3, 0.85))], colour, 0.75)
    if not scooter:
        brush.polygon([at(-0.3, 0.3), at(-0.25, 0.55), at(0.3, 0.55), at(0.3, 0.3)], (60, 60, 62))
    else:
        brush.polygon([*across(0.5, 0.35), *reversed(across(0.45, 1.05))], colour, 1.05)
    brush.limb(at(-0.75, 0.86), at(0.05, 0.84), 0.16 * px, 0.12 * px, (28, 26, 26))
    brush.limb(at(0.46, 0.95), at(base, radius), 0.07 * px, 0.07 * px, (90, 90, 92))
    brush.limb(at(0.42, 1.08, -0.33), at(0.42, 1.08, 0.33), 0.05 * px, 0.05 * px, (30, 30, 32))
    lamp = at(0.6, 0.85) if not stand.away else at(-0.86, 0.75)
    brush.ellipse(*lamp, 0.07 * px, 0.08 * px, (150, 25, 25) if stand.away else (235, 235, 225))


def paint_rider(brush: Brush, stand: Stand, dice: Dice, motor: bool = False) -> None:
    """Paint a person on a bicycle or a motorcycle, which is painted before, on the same stand."""
    at, px = stand.at, stand.px_per_m
    top, legs = vary(dice, dice.choice(_CLOTHES), 0.2), vary(dice, dice.choice(_TROUSERS), 0.2)
    skin, hair = vary(dice, dice.choice(_SKINS), 0.06), vary(dice, dice.choice(_HAIR))
    seat = (-0.25, 0.85) if motor else (-0.18, 0.97)
    lean = dice.uniform(0.1, 0.3)
    shoulder = (seat[0] + lean, seat[1] + 0.52)
    grip = (0.38, 1.08 if motor else 1.06)
    phase = dice.uniform(0, math.pi) + stand.pedal
    for sign, shade in ((-1, 0.8), (1, 1.0)):
        foot = (0.15, 0.35) if motor else (0.02 + 0.15 * sign * math.cos(phase), 0.3 + 0.15 * sign * math.sin(phase))
        aside = 0.11 * sign
        knee = ((seat[0] + foot[0]) / 2 + 0.27, (seat[1] + foot[1]) / 2 + 0.08)
        hip = at(seat[0], seat[1], aside * 0.7)
        brush.limb(hip, at(*knee, aside * 1.3), 0.19 * px, 0.13 * px, legs, shade)
        brush.limb(at(*knee, aside * 1.3), at(*foot, aside), 0.13 * px, 0.09 * px, legs, shade)
        brush.limb(
            at(foot[0] - 0.06, foot[1] - 0.05, aside),
            at(foot[0] + 0.16, foot[1] - 0.05, aside),
            0.09 * px,
            0.07 * px,
            (30, 28, 28),
        )
    width = 0.24 + 0.14 * math.cos(stand.turn)
    brush.limb(at(seat[0], seat[1] - 0.05), at(*shoulder), width * px, (width + 0.04) * px, top)
    for aside, shade in ((-0.2, 0.85), (0.2, 1.0)):
        elbow = ((shoulder[0] + grip[0]) / 2 + 0.02, (shoulder[1] + grip[1]) / 2 - 0.12)
        brush.limb(
            at(shoulder[0], shoulder[1] - 0.03, aside), at(*elbow, aside * 1.35), 0.12 * px, 0.1 * px, top, shade
        )
        brush.limb(at(*elbow, aside * 1.35), at(*grip, aside * 1.2), 0.1 * px, 0.07 * px, top, shade)
    if dice.random() < 0.3:
        brush.ellipse(*at(seat[0] - 0.06, seat[1] + 0.32), 0.16 * px, 0.22 * px, vary(dice, dice.choice(_CLOTHES)))
    helmet = motor or dice.random() < 0.4
    head = (shoulder[0] + 0.1, shoulder[1] + 0.21)
    _head(brush, stand, head, 1.75, skin, vary(dice, dice.choice(_FRAMES)) if helmet else hair, helmet)


def _leg(
    brush: Brush,
    stand: Stand,
    hip: float,
    ahead: float,
    aside: float,
    height: float,
    colour: Colour,
    stout: float,
    shade: float,
) -> None:
    """Paint a leg from the hip to the foot."""
    at, px = stand.at, stand.px_per_m
    knee = (ahead * 0.5 + 0.03, 0.27 * height)
    brush.limb(at(0, hip, aside), at(*knee, aside), 0.19 * stout * px, 0.13 * stout * px, colour, shade)
    brush.limb(at(*knee, aside), at(ahead, 0.04, aside), 0.13 * stout * px, 0.1 * stout * px, colour, shade)
    if px > 14:
        brush.limb(
            at(ahead - 0.07, 0.035, aside), at(ahead + 0.17, 0.03, aside), 0.09 * px, 0.07 * px, (35, 30, 28), shade
        )


def _arm(
    brush: Brush,
    stand: Stand,
    shoulder: tuple[float, float],
    swing: float,
    height: float,
    colour: Colour,
    skin: Colour,
    shade: float,
) -> None:
    """Paint an arm from the shoulder to the hand."""
    at, px = stand.at, stand.px_per_m
    aside, up = shoulder
    elbow, hand = (swing * 0.35 - 0.02, up - 0.17 * height), (swing * 0.8, up - 0.32 * height)
    brush.limb(at(0, up - 0.03, aside), at(*elbow, aside * 1.25), 0.12 * px, 0.1 * px, colour, shade)
    brush.limb(at(*elbow, aside * 1.25), at(*hand, aside * 1.2), 0.1 * px, 0.075 * px, colour, shade)
    if px > 14:
        brush.ellipse(*at(*hand, aside * 1.2), 0.05 * px, 0.055 * px, skin, shade)


def _slab(
    brush: Brush,
    stand: Stand,
    low: float,
    high: float,
    width_low: float,
    width_high: float,
    colour: Colour,
    ahead: float = 0.0,
) -> None:
    """Paint a part of the body: wide from ahead, two thirds as wide from the side, lighter towards the sun."""
    turn = 0.62 + 0.38 * math.cos(stand.turn)
    px = stand.px_per_m
    x, y_low = stand.at(ahead, low)
    y_high = stand.at(ahead, high)[1]
    a, b = width_low / 2 * turn * px, width_high / 2 * turn * px
    shoulder = (y_low - y_high) * 0.12
    brush.polygon(
        [
            (x - a, y_low),
            (x - b, y_high + shoulder),
            (x - b * 0.6, y_high),
            (x + b * 0.6, y_high),
            (x + b, y_high + shoulder),
            (x + a, y_low),
        ],
        colour,
    )
    if px > 14:
        dark = -1 if brush.weather.sun[0] > 0 else 1
        brush.decorate(
            [
                (x + dark * a, y_low),
                (x + dark * b, y_high + shoulder),
                (x + dark * b * 0.35, y_high),
                (x + dark * a * 0.4, y_low),
            ],
            colour,
            0.8,
        )


def _head(
    brush: Brush,
    stand: Stand,
    at_m: tuple[float, float],
    height: float,
    skin: Colour,
    hair: Colour,
    helmet: bool = False,
) -> None:
    """Paint a head with hair or a helmet."""
    px, radius = stand.px_per_m, 0.062 * height + (0.015 if helmet else 0)
    x, y = stand.at(*at_m)
    brush.limb(stand.at(0.0, at_m[1] - 0.17), (x, y), 0.1 * px, 0.1 * px, skin, 0.85)
    rx, ry = radius * px * 0.88, radius * px * 1.18
    back = stand.away and stand.turn < 1.1
    brush.ellipse(x, y, rx, ry, hair if back else skin)
    if not back:
        shift = -0.25 * stand.side * math.sin(stand.turn) * rx
        brush.ellipse(x + shift, y - 0.35 * ry, rx * 1.02, ry * 0.72, hair)


def _load(brush: Brush, stand: Stand, hip: float, shoulder: float, dice: Dice) -> None:
    """Paint what some people carry."""
    px, kind = stand.px_per_m, dice.random()
    colour = vary(dice, dice.choice(_CLOTHES), 0.2)
    if kind < 0.18:
        x, y = stand.at(-0.16, (hip + shoulder) / 2 + 0.06)
        if stand.away or stand.turn > 0.6:
            brush.ellipse(x, y, 0.15 * px, 0.22 * px, colour)
    elif kind < 0.36:
        x, y = stand.at(0.05, hip - 0.12, dice.choice((-0.27, 0.27)))
        brush.upright(x - 0.14 * px, y - 0.16 * px, x + 0.14 * px, y + 0.14 * px, colour)
