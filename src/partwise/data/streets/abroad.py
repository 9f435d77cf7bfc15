"""Vehicles that Cityscapes hardly shows: three-wheelers, pick-ups and minibuses."""

from partwise.data.streets.canvas import Brush
from partwise.data.streets.dice import Dice
from partwise.data.streets.light import vary
from partwise.data.streets.solid import GLASS, Corner, Pose, Solid

_BRIGHT = [(200, 30, 35), (30, 90, 190), (240, 190, 40), (30, 140, 80), (225, 225, 220), (25, 25, 28), (235, 120, 30)]
_TYRE = (26, 26, 28)


def paint_three_wheeler(brush: Brush, pose: Pose, dice: Dice) -> None:
    """Paint a three-wheeled taxi: a bench under a bright hood behind a driver's seat."""
    colour, hood = (vary(dice, dice.choice(_BRIGHT), 0.1) for _ in range(2))
    half, top = 0.65, dice.uniform(1.65, 1.8)
    body: list[Corner] = [
        (-1.3, 0.3, half),
        (-1.35, 0.95, half),
        (-1.25, 1.1, half),
        (0.5, 0.8, half * 0.9),
        (1.25, 0.95, half * 0.45),
        (1.35, 0.35, half * 0.35),
    ]
    roof: list[Corner] = [(-1.3, 0.9, half), (-1.2, top, half * 0.94), (0.7, top, half * 0.9), (0.95, 0.9, half * 0.8)]
    solid = Solid(brush, pose, roof)
    solid.paint(hood)
    solid.on_strip(0, 0.3, 0.75, 0.2, 0.8, GLASS, 1.0)
    solid.on_strip(2, 0.15, 0.95, 0.08, 0.92, GLASS, 1.1)
    solid.on_side([(-0.45, 1.0, half), (-0.45, top - 0.2, half), (0.6, top - 0.2, half), (0.75, 1.0, half)], GLASS)
    low = Solid(brush, pose, body)
    low.paint(colour)
    low.wheel(-0.85, 0.26, half, _TYRE)
    low.wheel(1.1, 0.26, half * 0.4, _TYRE)


def paint_pickup(brush: Brush, pose: Pose, dice: Dice) -> None:
    """Paint a pick-up: a cab with one or two rows of seats, and an open bed."""
    colour = vary(dice, dice.choice(_BRIGHT), 0.15)
    end, half, double = 2.6, 0.93, dice.random() < 0.6
    rear = -0.7 if double else 0.0
    outline: list[Corner] = [
        (-end, 0.4, half),
        (-end, 1.05, half),
        (rear - 0.15, 1.05, half),
        (rear, 1.7, half * 0.82),
        (0.85, 1.72, half * 0.82),
        (1.45, 1.1, half * 0.97),
        (end - 0.1, 1.0, half * 0.95),
        (end, 0.4, half * 0.93),
    ]
    solid = Solid(brush, pose, outline)
    solid.paint(colour)
    solid.on_strip(1, 0.06, 0.94, 0.08, 0.92, (48, 48, 52), 0.8)  # the bed
    solid.on_strip(2, 0.2, 0.9, 0.1, 0.9, GLASS, 1.0)
    solid.on_strip(4, 0.08, 0.92, 0.06, 0.94, GLASS, 1.1)
    solid.on_side(
        [
            (rear + 0.1, 1.12, half * 0.95),
            (rear + 0.2, 1.6, half * 0.85),
            (0.8, 1.6, half * 0.85),
            (1.2, 1.12, half * 0.95),
        ],
        GLASS,
    )
    for along in (-1.6, 1.65):
        solid.wheel(along, 0.38, half, (120, 120, 122))


def paint_minibus(brush: Brush, pose: Pose, dice: Dice) -> None:
    """Paint a minibus of 5 to 7 m: a high van with a row of windows, in one or two colours."""
    colour, band = (vary(dice, dice.choice(_BRIGHT), 0.12) for _ in range(2))
    end, half, height = dice.uniform(2.5, 3.5), 0.98, dice.uniform(2.2, 2.7)
    outline: list[Corner] = [
        (-end, 0.35, half),
        (-end, height - 0.1, half * 0.95),
        (-end + 0.15, height, half * 0.9),
        (end - 1.0, height, half * 0.9),
        (end - 0.25, 1.25, half * 0.97),
        (end, 0.95, half * 0.95),
        (end, 0.35, half * 0.95),
    ]
    solid = Solid(brush, pose, outline)
    solid.paint(colour)
    solid.on_side([(-end, 0.6, half), (-end, 1.0, half), (end - 0.1, 1.0, half), (end - 0.1, 0.6, half)], band)
    solid.on_strip(0, 0.5, 0.9, 0.1, 0.9, GLASS, 1.0)
    solid.on_strip(3, 0.06, 0.94, 0.06, 0.94, GLASS, 1.1)
    count = max(3, round(end))
    step = (2 * end - 1.2) / count
    for i in range(count):
        x = -end + 0.25 + i * step
        solid.on_side(
            [
                (x, 1.3, half),
                (x, height - 0.4, half),
                (x + step * 0.85, height - 0.4, half),
                (x + step * 0.85, 1.3, half),
            ],
            GLASS,
        )
    for along in (-end * 0.6, end * 0.6):
        solid.wheel(along, 0.36, half, (125, 125, 125))
