"""Street furniture: lamp posts, signs, traffic lights, bollards, bins, and the car that carries the camera."""

import math

from partwise.data.streets.canvas import Brush, Canvas
from partwise.data.streets.dice import Dice
from partwise.data.streets.light import vary

_STEEL = (118, 120, 122)


def paint_lamp_post(canvas: Canvas, x: float, z: float, dice: Dice) -> None:
    """Paint a lamp post whose arm reaches over the road."""
    brush, at, px = canvas.brush("pole", z), canvas.camera.project, canvas.camera.px_per_m(z)
    height, arm = dice.uniform(5.5, 9), dice.uniform(0.6, 2.2) * -math.copysign(1, x)
    colour = vary(dice, dice.choice([_STEEL, (70, 75, 70), (60, 60, 62)]))
    brush.limb(at(x, 0, z), at(x, height, z), 0.18 * px, 0.1 * px, colour)
    brush.limb(at(x, height, z), at(x + arm, height + 0.25, z), 0.09 * px, 0.07 * px, colour)
    brush.limb(at(x + arm, height + 0.25, z), at(x + arm * 1.4, height + 0.2, z), 0.2 * px, 0.14 * px, (150, 150, 148))


def paint_sign(canvas: Canvas, x: float, z: float, dice: Dice) -> None:
    """Paint a traffic sign on its post: round, triangular, diamond, or a board; some show their back."""
    pole, brush = canvas.brush("pole", z), canvas.brush("traffic sign", z)
    at, px = canvas.camera.project, canvas.camera.px_per_m(z)
    height = dice.uniform(2.1, 2.8)
    pole.limb(at(x, 0, z), at(x, height + 0.35, z), 0.07 * px, 0.07 * px, _STEEL)
    for i in range(1 if dice.random() < 0.75 else 2):
        (cx, cy), r, own = at(x, height - 0.72 * i, z), 0.33 * px, dice.part("face", i)
        kind = own.choices(["ring", "blue", "triangle", "diamond", "board", "back"], [4, 3, 3, 2, 3, 1])[0]
        _face(brush, kind, cx, cy, r, own)


def _face(brush: Brush, kind: str, x: float, y: float, r: float, dice: Dice) -> None:
    """Paint the face of a sign."""
    turned = dice.uniform(0.75, 1.0)
    red, white, blue = (185, 35, 38), (228, 228, 224), (35, 75, 150)
    if kind in ("ring", "blue", "back"):
        brush.ellipse(x, y, r * turned, r, {"ring": red, "blue": blue, "back": (130, 132, 134)}[kind])
        if kind == "ring":
            brush.ellipse(x, y, r * 0.7 * turned, r * 0.7, white)
            if r > 7:
                brush.upright(x - r * 0.35, y - r * 0.3, x + r * 0.3, y + r * 0.3, (70, 70, 72))
        elif kind == "blue" and r > 5:
            brush.limb((x, y + r * 0.5), (x, y - r * 0.5), r * 0.25, r * 0.25, white)
    elif kind == "triangle":
        flip = dice.choice((-1, 1))
        corners = lambda s: [
            (x - s * turned, y + flip * s * 0.8),
            (x + s * turned, y + flip * s * 0.8),
            (x, y - flip * s),
        ]
        brush.polygon(corners(r), red)
        brush.polygon(corners(r * 0.55), white)
    elif kind == "diamond":
        corners = lambda s: [(x - s * turned, y), (x, y - s), (x + s * turned, y), (x, y + s)]
        brush.polygon(corners(r), white)
        brush.polygon(corners(r * 0.72), (225, 175, 40))
    else:
        wide, high = r * dice.uniform(0.8, 2.2), r * dice.uniform(0.6, 1.3)
        brush.upright(x - wide, y - high, x + wide, y + high, white)
        colour = dice.choice([blue, blue, (215, 175, 45), white])
        brush.upright(x - wide + 0.12 * r, y - high + 0.12 * r, x + wide - 0.12 * r, y + high - 0.12 * r, colour)
        for line in range(2 if r > 6 else 0):
            top = y - high * 0.5 + line * high * 0.6
            brush.upright(
                x - wide * 0.7,
                top,
                x + wide * dice.uniform(0, 0.7),
                top + high * 0.2,
                white if colour != white else blue,
            )


def paint_traffic_light(canvas: Canvas, x: float, z: float, dice: Dice) -> None:
    """Paint a traffic light on a post; some have a second one on an arm over the road."""
    pole, brush = canvas.brush("pole", z), canvas.brush("traffic light", z)
    at, px = canvas.camera.project, canvas.camera.px_per_m(z)
    pole.limb(at(x, 0, z), at(x, 3.2, z), 0.14 * px, 0.12 * px, vary(dice, _STEEL))
    places = [(x, 2.75)]
    if dice.random() < 0.4:
        over = x - math.copysign(dice.uniform(2.5, 4.5), x)
        pole.limb(at(x, 3.1, z), at(x, 5.4, z), 0.14 * px, 0.12 * px, _STEEL)
        pole.limb(at(x, 5.3, z), at(over, 5.5, z), 0.11 * px, 0.08 * px, _STEEL)
        places.append((over, 5.1))
    lit, back = dice.choice((0, 2, 2)), dice.random() < 0.25
    for lx, ly in places:
        cx, cy = at(lx, ly, z)
        wide, high = 0.17 * px, 0.47 * px
        brush.upright(cx - wide, cy - high, cx + wide, cy + high, (34, 38, 36))
        if back:
            continue
        for i, (dark, bright) in enumerate(
            (((70, 25, 25), (250, 60, 50)), ((75, 60, 25), (250, 190, 60)), ((25, 65, 45), (80, 240, 160)))
        ):
            brush.ellipse(cx, cy + (i - 1) * 0.3 * px, 0.11 * px, 0.11 * px, bright if i == lit else dark)


def paint_bollard(canvas: Canvas, x: float, z: float, dice: Dice) -> None:
    """Paint a bollard."""
    brush, px = canvas.brush("pole", z), canvas.camera.px_per_m(z)
    at = canvas.camera.project
    brush.limb(
        at(x, 0, z), at(x, 0.9, z), 0.12 * px, 0.12 * px, vary(dice, dice.choice([_STEEL, (60, 60, 62), (170, 60, 50)]))
    )


def paint_clutter(canvas: Canvas, x: float, z: float, dice: Dice) -> None:
    """Paint what no evaluated class names: bins and boxes (static), bags and carts (dynamic)."""
    brush = canvas.brush(dice.choice(("static", "static", "dynamic")), z)
    at, wide, high = canvas.camera.project, dice.uniform(0.4, 1.1), dice.uniform(0.6, 1.4)
    (x0, y0), (x1, y1) = at(x - wide / 2, high, z), at(x + wide / 2, 0, z)
    colour = vary(dice, dice.choice([(60, 75, 60), (110, 110, 112), (50, 60, 90), (150, 120, 50), (45, 45, 46)]))
    brush.upright(x0, y0, x1, y1, colour, 0.9)
    brush.upright(x0, y0, x1, y0 + (y1 - y0) * 0.15, colour, 1.15)


def paint_ego_vehicle(canvas: Canvas, dice: Dice) -> None:
    """Paint the bonnet of our own car at the lower edge, and the dark border that rectification leaves."""
    width, height, rise = canvas.width, canvas.height, dice.uniform(0.05, 0.13) * canvas.height
    brush, middle = canvas.brush("ego vehicle"), width * dice.uniform(0.42, 0.58)
    colour = vary(dice, (55, 58, 62), 0.3)
    arch = []
    for i in range(25):
        x = -0.05 * width + i / 24 * 1.1 * width
        arch.append((x, height - rise * (1 - 0.75 * abs((x - middle) / (0.6 * width)) ** 2.5)))
    brush.polygon([*arch, (width * 1.05, height + 5), (-0.05 * width, height + 5)], colour)
    brush.decorate([(x, y + rise * 0.12) for x, y in arch] + [(width, height + 9), (0, height + 9)], colour, 0.75)
    if dice.random() < 0.5:
        star = height - rise
        brush.limb((middle, star + 2), (middle, star - rise * 0.2), 0.06 * rise, 0.06 * rise, (150, 150, 152))
        brush.ellipse(middle, star - rise * 0.3, 0.16 * rise, 0.16 * rise, (165, 165, 168))
    if dice.random() < 0.5:
        border = canvas.brush("rectification border")
        edge = max(2, round(width * 0.004))
        border.upright(0, 0, edge - 1, height, (0, 0, 0))
        border.upright(width - edge, 0, width, height, (0, 0, 0))
