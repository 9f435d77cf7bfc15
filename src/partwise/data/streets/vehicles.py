"""Cars, vans, buses, trucks, trams, caravans and trailers, each a solid with windows, lamps and wheels."""

from partwise.data.streets.canvas import Brush
from partwise.data.streets.dice import Dice
from partwise.data.streets.light import Colour, vary
from partwise.data.streets.solid import GLASS, Corner, Pose, Solid

# Paints as they are on the road: most cars are grey, black, white or silver.
CAR_PAINTS = [(150, 155, 160), (60, 62, 66), (28, 29, 32), (205, 207, 208), (110, 115, 120), (32, 50, 95)]
CAR_PAINTS += [(130, 25, 28), (40, 75, 60), (175, 160, 130), (190, 150, 40), (60, 100, 150), (95, 75, 60)]
_PAINT_WEIGHTS = [5, 4, 5, 4, 4, 3, 2, 1, 1, 1, 1, 1]
_TYRE, _PLATE, _TAIL, _HEAD = (22, 22, 24), (215, 215, 205), (150, 22, 22), (225, 228, 230)
DETAIL_PX = 13  # objects lower than this on the canvas keep their body, glass and wheels only

# name: length, height, half width, base of rear window, rear and front end of the roof, base of the windscreen
_CAR_SHAPES = {
    "hatchback": (4.0, 1.48, 0.86, -1.92, -1.45, 0.15, 0.95),
    "sedan": (4.6, 1.44, 0.89, -1.55, -0.85, 0.35, 1.15),
    "estate": (4.7, 1.47, 0.89, -2.28, -2.0, 0.35, 1.15),
    "suv": (4.5, 1.72, 0.93, -2.15, -1.85, 0.3, 1.05),
    "minivan": (4.4, 1.68, 0.9, -2.12, -1.9, 0.55, 1.45),
    "van": (5.0, 2.0, 0.97, -2.42, -2.35, 1.3, 1.95),
}


def paint_car(brush: Brush, pose: Pose, dice: Dice) -> None:
    """Paint a passenger car or van of one of several shapes and colours."""
    shape = dice.choices(list(_CAR_SHAPES), [4, 3, 3, 3, 1, 2])[0]
    length, height, half, rear_base, roof_rear, roof_front, wind_base = _CAR_SHAPES[shape]
    colour = vary(dice, dice.choices(CAR_PAINTS, _PAINT_WEIGHTS)[0], 0.15)
    end, belt, roof_half = length / 2, height * 0.62, half * (0.9 if shape == "van" else 0.76)
    bonnet = belt * (1.12 if shape == "van" else 0.88)
    outline = [
        (-end, 0.24, half * 0.95),
        (-end - 0.02, 0.58, half),
        (-end + 0.04, belt * 0.97, half),
        (rear_base, belt, half * 0.97),
        (roof_rear, height, roof_half),
        (roof_front, height + 0.02, roof_half),
        (wind_base, belt, half * 0.97),
        (end - 0.18, bonnet * 0.93, half * 0.93),
        (end, 0.55, half * 0.93),
        (end - 0.02, 0.24, half * 0.9),
    ]
    solid = Solid(brush, pose, outline)
    _tyres(solid, length * 0.3, half)
    solid.paint(colour)
    solid.on_strip(3, 0.06, 0.9, 0.07, 0.93, GLASS, _glass_shade(dice))
    solid.on_strip(5, 0.06, 0.94, 0.06, 0.94, GLASS, _glass_shade(dice))
    panel_van = shape == "van" and dice.random() < 0.6
    _side_windows(solid, outline, panel_van, dice)
    if solid.height_px > DETAIL_PX:
        _car_details(solid, outline, dice.part("details"))
    hub = dice.choice([(150, 150, 152), (105, 106, 108), (70, 70, 72)])
    radius = 0.31 if shape not in ("suv", "van") else 0.35
    for along in (-length * 0.29, length * 0.31):
        solid.wheel(along, radius, half * 0.99, hub)


def paint_bus(brush: Brush, pose: Pose, dice: Dice) -> None:
    """Paint a city bus of 9 to 12 m."""
    length, height, half = dice.uniform(9, 12), dice.uniform(2.9, 3.3), 1.26
    colour = vary(dice, dice.choice([(205, 205, 200), (190, 40, 40), (225, 175, 40), (50, 90, 150), (60, 130, 80)]))
    solid = _coach(brush, pose, length, height, half, 0.32, colour)
    band = vary(dice, dice.choice([(40, 46, 52), (160, 30, 35), (220, 220, 215), (40, 80, 140)]))
    solid.on_side(_side_patch(-length / 2 + 0.1, length / 2 - 0.1, 0.4, 0.75, half), band)
    _window_row(solid, -length / 2 + 0.35, length / 2 - 0.3, 1.25, height - 0.55, half, 1.45, dice)
    solid.on_strip(0, 0.42, 0.80, 0.1, 0.9, GLASS, 1.0)
    solid.on_strip(4, 0.14, 0.62, 0.05, 0.95, GLASS, 1.1)
    if solid.height_px > DETAIL_PX:
        solid.on_strip(4, 0.03, 0.12, 0.2, 0.8, (235, 170, 50), 1.0)  # where it goes, in lamps
        _lamps(solid, 0, 4, 0.14, 0.86)
        if pose.yaw and solid.near_side > 0:
            for door in (length / 2 - 1.2, 0.3):
                solid.on_side(_side_patch(door - 0.55, door + 0.55, 0.4, height - 0.5, half), (62, 68, 74))
    for along in (-length * 0.26, length * 0.3):
        solid.wheel(along, 0.48, half, (120, 120, 120))


def paint_truck(brush: Brush, pose: Pose, dice: Dice) -> None:
    """Paint a truck: a cab before a box, a tarpaulin, or an open body."""
    length, half = dice.uniform(6.0, 10.0), 1.22
    height = dice.uniform(2.9, 3.8)
    body_colour = vary(
        dice, dice.choice([(200, 200, 198), (60, 80, 120), (160, 50, 40), (90, 110, 90), (190, 170, 90)])
    )
    cab_colour = vary(dice, dice.choice([(205, 205, 205), (170, 40, 40), (40, 70, 130), (215, 130, 30), (90, 95, 100)]))
    split, low = length / 2 - 1.9, 0.85
    top = height if dice.random() < 0.8 else 1.8
    body = [(-length / 2, low, half), (-length / 2, top, half), (split - 0.15, top, half), (split - 0.15, low, half)]
    cab_top = dice.uniform(2.3, 2.8)
    cab = [(split, 0.5, half * 0.95), (split, cab_top, half * 0.93), (length / 2 - 0.35, cab_top, half * 0.93)]
    cab += [(length / 2 - 0.05, 1.4, half * 0.95), (length / 2, 0.45, half * 0.95)]

    def paint_body() -> None:
        chassis = Solid(
            brush, pose, [(-length / 2, 0.45, 0.9), (-length / 2, low, 0.9), (split, low, 0.9), (split, 0.45, 0.9)]
        )
        chassis.paint((40, 40, 42))
        solid = Solid(brush, pose, body)
        solid.paint(body_colour)
        if solid.height_px > DETAIL_PX:
            solid.on_strip(0, 0.02, 0.98, 0.49, 0.51, (60, 60, 62), 1.0)  # the slit between the doors
            _lamps(chassis, 0, 2, 0.1, 0.9)
            stripe = vary(dice, dice.choice([(210, 60, 50), (40, 90, 160), (70, 140, 80), (90, 90, 90)]))
            solid.on_side(_side_patch(-length / 2 + 0.6, split - 0.7, low + 0.5, top - 0.6, half), stripe)
        for along in (-length * 0.36, -length * 0.22):
            solid.wheel(along, 0.48, half * 0.98, (110, 110, 112))

    def paint_cab() -> None:
        solid = Solid(brush, pose, cab)
        _tyres(solid, length * 0.3, half)
        solid.paint(cab_colour)
        solid.on_strip(2, 0.1, 0.95, 0.06, 0.94, GLASS, 1.1)
        solid.on_side(_side_patch(split + 0.6, length / 2 - 0.4, 1.45, cab_top - 0.25, half * 0.95), GLASS)
        if solid.height_px > DETAIL_PX:
            solid.on_strip(3, 0.25, 0.6, 0.15, 0.85, (50, 50, 54), 1.0)
            _lamps(solid, 0, 3, 0.12, 0.88)
        solid.wheel(length / 2 - 0.95, 0.48, half * 0.98, (110, 110, 112))

    parts = [(0.0, paint_body), (length / 2 - 1, paint_cab)]
    for _, paint in sorted(parts, key=lambda part: -pose.place(part[0], 0)[1]):
        paint()


def paint_tram(brush: Brush, pose: Pose, dice: Dice) -> None:
    """Paint a tram of two or three cars."""
    cars, each, half, height = dice.choice([1, 2, 2, 3]), dice.uniform(8, 11), 1.22, 3.4
    colour = vary(dice, dice.choice([(215, 190, 60), (200, 45, 45), (220, 220, 215), (60, 120, 85), (60, 95, 155)]))
    band = vary(dice, dice.choice([(225, 225, 220), (50, 52, 56), (180, 40, 40)]))
    offsets = [(i - (cars - 1) / 2) * (each + 0.5) for i in range(cars)]
    for offset in sorted(offsets, key=lambda along: -pose.place(along, 0)[1]):
        x, z = pose.place(offset, 0)
        solid = _coach(brush, Pose(x, z, pose.yaw), each, height, half, 0.28, colour)
        solid.on_side(_side_patch(-each / 2, each / 2, 0.32, 0.85, half), band)
        _window_row(solid, -each / 2 + 0.3, each / 2 - 0.3, 1.2, height - 0.6, half, 1.7, dice)
        for strip in (0, 4):
            solid.on_strip(strip, 0.34, 0.8, 0.1, 0.9, GLASS, 1.1)
        if solid.height_px > DETAIL_PX:
            solid.on_strip(0, 0.82, 0.93, 0.25, 0.75, (230, 165, 50), 1.0)
            solid.on_strip(4, 0.05, 0.16, 0.25, 0.75, (230, 165, 50), 1.0)
            _lamps(solid, 0, 4, 0.1, 0.9)


def paint_caravan(brush: Brush, pose: Pose, dice: Dice) -> None:
    """Paint a parked caravan."""
    half, height, end = 1.1, 2.5, dice.uniform(2.2, 3.0)
    solid = _coach(brush, pose, 2 * end, height, half, 0.4, vary(dice, (215, 212, 200), 0.06))
    solid.on_side(_side_patch(-end + 0.6, end - 0.6, 1.3, 1.9, half), GLASS)
    solid.on_strip(0, 0.45, 0.8, 0.2, 0.8, GLASS, 1.0)
    solid.on_strip(4, 0.2, 0.55, 0.2, 0.8, GLASS, 1.0)
    solid.wheel(0.0, 0.33, half, (150, 150, 150))


def paint_trailer(brush: Brush, pose: Pose, dice: Dice) -> None:
    """Paint a low car trailer."""
    end, half = dice.uniform(1.2, 1.8), 0.8
    colour = vary(dice, dice.choice([(120, 122, 124), (40, 60, 110), (60, 90, 60)]))
    solid = Solid(brush, pose, [(-end, 0.4, half), (-end, 1.1, half), (end, 1.1, half), (end, 0.4, half)])
    solid.paint(colour)
    _lamps(solid, 0, 2, 0.08, 0.92)
    solid.wheel(0.0, 0.3, half, (130, 130, 130))


def _coach(brush: Brush, pose: Pose, length: float, height: float, half: float, foot: float, colour: Colour) -> Solid:
    """Paint a long box with rounded roof edges, and return it."""
    end = length / 2
    outline: list[Corner] = [
        (-end, foot, half),
        (-end, height - 0.2, half),
        (-end + 0.2, height, half * 0.92),
        (end - 0.25, height, half * 0.92),
        (end, height - 0.25, half),
        (end, foot, half),
    ]
    solid = Solid(brush, pose, outline)
    _tyres(solid, length * 0.3, half)
    solid.paint(colour)
    return solid


def _tyres(solid: Solid, along: float, half: float) -> None:
    """Paint what shows of the wheels from ahead or behind, and the dark under the floor."""
    for at in (along, -along):
        for aside in (-1, 1):
            corners = [(aside * half * 0.98, 0.0), (aside * half * 0.98, 0.3), (aside * half * 0.74, 0.3)]
            corners.append((aside * half * 0.74, 0.0))
            solid.brush.polygon([solid.at(at, up, across) for across, up in corners], _TYRE)
    end = min(solid.outline, key=lambda corner: solid.pose.place(corner[0], 0)[1])[0]
    corners = [(-half * 0.8, 0.3), (half * 0.8, 0.3), (half * 0.8, 0.16), (-half * 0.8, 0.16)]
    solid.brush.polygon([solid.at(end * 0.95, up, across) for across, up in corners], (20, 20, 21))


def _side_patch(back: float, front: float, low: float, high: float, half: float) -> list[Corner]:
    """Return the corners of a rectangle on the side."""
    return [(back, low, half), (back, high, half), (front, high, half), (front, low, half)]


def _window_row(
    solid: Solid,
    back: float,
    front: float,
    low: float,
    high: float,
    half: float,
    pitch: float,
    dice: Dice,
) -> None:
    """Paint a band of glass, with posts if it is near enough to see them."""
    solid.on_side(_side_patch(back, front, low, high, half), GLASS, _glass_shade(dice))
    if solid.height_px < 3 * DETAIL_PX:
        return
    for i in range(1, int((front - back) / pitch)):
        at = back + i * pitch
        solid.on_side(_side_patch(at - 0.05, at + 0.05, low, high, half), (24, 26, 28))


def _glass_shade(dice: Dice) -> float:
    """Draw the brightness of glass, which mirrors anything between a dark house and the sky."""
    return dice.uniform(0.7, 2.2)


def _side_windows(solid: Solid, outline: list[Corner], only_front: bool, dice: Dice) -> None:
    """Paint the glass of a cabin between rear window and windscreen, with the post between the doors."""
    (a3, u3, h3), (a4, u4, h4), (a5, _, _), (a6, _, _) = outline[3:7]
    low = lambda along: (along, u3 + 0.03, h3)
    high = lambda along: (along, u4 - 0.09, h4 + (h3 - h4) * 0.15)
    post = (a3 + a6) / 2 + 0.05
    shade = _glass_shade(dice)
    front = [low(post + 0.06), high(post + 0.06), high(a5 + 0.02), low(a6 - 0.18)]
    if only_front:
        front = [low(a5 - 0.8), high(a5 - 0.8), high(a5), low(a6 - 0.15)]
    solid.on_side(front, GLASS, shade)
    if not only_front:
        solid.on_side([low(a3 + 0.2), high(a4 + 0.12), high(post - 0.06), low(post - 0.06)], GLASS, shade)


def _car_details(solid: Solid, outline: list[Corner], dice: Dice) -> None:
    """Paint the windows and lamps of a car."""
    lit = dice.random() < 0.25
    tail: Colour = (235, 40, 35) if lit else _TAIL
    for u0, u1 in ((0.02, 0.2), (0.8, 0.98)):
        solid.on_strip(1, 0.35, 0.9, u0, u1, tail, 1.0)
        solid.on_strip(7, 0.35, 0.95, u0, u1 if u1 < 0.5 else 0.98, (255, 250, 225) if lit else _HEAD, 1.0)
    solid.on_strip(0, 0.75, 0.98, 0.36, 0.64, _PLATE, 0.9)
    solid.on_strip(0, 0.0, 0.4, 0.02, 0.98, (45, 45, 48), 1.0)
    solid.on_strip(7, 0.5, 0.95, 0.28, 0.72, (38, 38, 42), 1.0)
    solid.on_strip(8, 0.35, 0.65, 0.37, 0.63, _PLATE, 0.9)
    solid.on_strip(8, 0.7, 1.0, 0.05, 0.95, (45, 45, 48), 1.0)
    back, front, half = outline[2][0] + 0.05, outline[7][0], outline[2][2]
    solid.on_side(_side_patch(back, front, 0.26, 0.33, half), (40, 40, 42))
    if solid.height_px > 4 * DETAIL_PX:  # doors
        middle = (outline[3][0] + outline[6][0]) / 2 + 0.05
        for at in (middle, outline[6][0] - 0.25):
            solid.on_side(_side_patch(at - 0.015, at + 0.015, 0.34, outline[3][1], half), (30, 30, 32))


def _lamps(solid: Solid, rear_strip: int, front_strip: int, inner: float, outer: float) -> None:
    """Paint the lamps on the rear and the front that are turned to the camera."""
    for u0, u1 in ((0.02, inner), (outer, 0.98)):
        solid.on_strip(rear_strip, 0.06, 0.2, u0, u1, _TAIL, 1.1)
        solid.on_strip(front_strip, 0.78, 0.92, u0, u1, _HEAD, 1.0)
