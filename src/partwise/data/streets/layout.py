"""What stands where: the ground plan of a street, and every object on it with its place and depth."""

import math

from partwise.data.streets import furniture, houses, plants
from partwise.data.streets.canvas import Camera, Canvas
from partwise.data.streets.dice import Dice
from partwise.data.streets.ground import Street
from partwise.data.streets.light import Weather
from partwise.data.streets.pavement import draw_near, seen_from_pavement
from partwise.data.streets.placing import (
    Layout,
    place,
    place_crowd,
    place_cycle,
    place_person,
    place_rider,
    place_vehicle,
)
from partwise.data.streets.solid import Pose
from partwise.data.streets.things import VEHICLES, Fixture, Thing, Vehicle, Way

_HIDDEN_PX = 5  # on the canvas, twice the image: lower things would be less than three pixels high


def draw_street(dice: Dice) -> Street:
    """Draw a ground plan: the camera's lane, oncoming lanes or none, parking, walks, verges, perhaps tram tracks."""
    lane = dice.uniform(2.9, 3.6)
    right = lane / 2 + dice.choice([0.2, 2.2, 2.2, lane])
    oncoming = dice.choice([0, 1, 1, 1, 2])
    left = -lane / 2 - oncoming * lane - dice.choice([0.2, 2.2, 2.2])
    lanes = tuple(-lane / 2 - i * lane for i in range(max(1, oncoming)))
    if right > lane * 1.4:
        lanes += (lane / 2,)
    tracks = dice.choice([-lane, 0.0]) if dice.random() < 0.15 and oncoming else None
    walks = dice.uniform(1.8, 5.5), dice.uniform(1.8, 5.5)
    return Street(
        left, right, left - walks[0], right + walks[1], lanes, tracks, (dice.random() < 0.25, dice.random() < 0.25)
    )


def draw_layout(dice: Dice, weather: Weather, camera: Camera, pavement: bool = False) -> Layout:
    """Draw everything on one street, from traffic to bins.

    Args:
        dice: Source of every random number.
        weather: The weather.
        camera: The camera.
        pavement: Whether the camera stands on the pavement, with things near it, instead of in a lane.
    """
    street, lane_m = draw_street(dice), 0.0
    if pavement:
        street, lane_m = seen_from_pavement(street, dice)
    layout = draw_things(street, lane_m, dice, weather)
    if pavement:
        draw_near(layout, dice, weather)
    layout.objects = in_view(layout.objects, camera)
    return layout


def draw_things(street: Street, lane_m: float, dice: Dice, weather: Weather) -> Layout:
    """Draw everything on a stretch of a street of about 130 m, with the lane of the camera around x = `lane_m`."""
    layout = Layout(street)
    busy = dice.random()
    _draw_traffic(layout, dice, weather, busy, lane_m)
    for side in (-1, 1):
        _draw_kerb(layout, dice, weather, side)
        _draw_walk(layout, dice, weather, side, busy)
    _draw_crossing(layout, dice, weather, busy)
    return layout


def in_view(things: list[Thing], camera: Camera) -> list[Thing]:
    """Return the things that are near enough to be seen, from the farthest to the nearest."""
    visible = lambda thing: camera.px_per_m(thing.z_m) * 1.5 > _HIDDEN_PX
    return sorted((thing for thing in things if visible(thing)), key=lambda thing: -thing.z_m)


def paint_sides(canvas: Canvas, street: Street, dice: Dice) -> None:
    """Paint houses, gaps with trees, walls, fences and hedges along both sides, far to near."""
    for side in (-1, 1):
        own = dice.part("side", side)
        front = street.front_right_m if side > 0 else street.front_left_m
        green = own.random() < 0.25
        pieces, z = [], own.uniform(-6, 2)
        while z < canvas.camera.z_m + 150:
            length = own.uniform(8, 22)
            pieces.append((z, z + length, "green" if green or own.random() < 0.22 else "house"))
            z += length
        for number, (z0, z1, kind) in reversed(list(enumerate(pieces))):
            if canvas.camera.depth_m(z1) < 2:
                continue
            if kind == "house":
                houses.paint_house(canvas, side, front, z0, z1, own.part(number))
            else:
                _paint_gap(canvas, side, front, z0, z1, own.part(number))


def _paint_gap(canvas: Canvas, side: int, front: float, z0: float, z1: float, dice: Dice) -> None:
    """Paint a gap between houses: trees, and perhaps a wall, a fence or a hedge."""
    for _ in range(dice.randint(2, 5)):
        x, z = front + side * dice.uniform(2.5, 14), dice.uniform(max(z0, 4), max(z1, 5))
        if canvas.camera.depth_m(z) > plants.NEAREST_TREE_M:
            plants.paint_tree(canvas, x, z, dice.part(x))
    kind = dice.choice(["wall", "fence", "fence", "hedge", "none"])
    if kind != "none":
        houses.paint_barrier(canvas, kind, front, z0, z1, dice)


def _far(dice: Dice, near: float, far: float) -> float:
    """Draw a depth, evenly in its logarithm: as many small things as large ones."""
    return near * (far / near) ** dice.random()


def _draw_traffic(layout: Layout, dice: Dice, weather: Weather, busy: float, lane_m: float) -> None:
    """Draw the moving vehicles: ahead in the lane around x = `lane_m`, and towards us in the lanes left of it."""
    street = layout.street
    ours = [lane_m]
    theirs = [line - 1.6 for line in street.lanes if line < lane_m] if street.kerb_left_m < lane_m - 4 else []
    for x, yaw, near in [(x, 0.0, 9.0) for x in ours] + [(x, math.pi, 5.0) for x in theirs]:
        z = dice.uniform(near, 45)
        while z < 130:
            kinds = ["car", "bus", "truck", "bicycle", "motorcycle"]
            kind = dice.choices(kinds, [10, 1.2, 1.3, 1.2, 0.7])[0]
            if kind in VEHICLES:
                length = VEHICLES[kind][1]
                pose = Pose(x + dice.uniform(-0.35, 0.35), z + length / 2, yaw + dice.gauss(0, 0.03))
                place_vehicle(layout, kind, pose, weather, Way.LANE)
            else:
                length = 2.0
                aside = math.copysign(0.9, 0.5 - dice.random())
                place_rider(layout, x + aside, z, dice, weather, Way.LANE, dice.uniform(0, 0.35), yaw == 0, kind)
            z += length + dice.expovariate(1.0) * (4 + 45 * (1 - busy)) + 1.5
    if street.tracks is not None and dice.random() < 0.85:
        yaw = 0.0 if street.tracks > lane_m - 1 else math.pi
        z = _far(dice, 22, 70) + 13
        layout.objects = [thing for thing in layout.objects if thing.z_m < z - 16]
        place_vehicle(layout, "train", Pose(street.tracks, z, yaw), weather, Way.LANE)


def _draw_kerb(layout: Layout, dice: Dice, weather: Weather, side: int) -> None:
    """Draw parked cars in a row if there is room at the kerb."""
    street = layout.street
    kerb = street.kerb_right_m if side > 0 else street.kerb_left_m
    if dice.random() < 0.3:
        return
    x, z = kerb - side * 1.05, dice.uniform(4.5, 20)
    if abs(x) < 2.4:
        x = kerb + side * 1.0  # half on the walk
    full = dice.uniform(0.4, 0.95)
    group_from = dice.uniform(60, 140)
    while z < 110:
        kind = dice.choices(["car", "truck", "caravan", "trailer"], [30, 0.7, 0.5, 0.5])[0]
        length = VEHICLES[kind][1]
        if dice.random() < full:
            yaw = (0.0 if side > 0 or dice.random() < 0.3 else math.pi) + dice.gauss(0, 0.04)
            pose = Pose(x + dice.uniform(-0.15, 0.15), z + length / 2, yaw)
            if z > group_from and kind == "car":
                layout.objects.append(Vehicle(pose.x_m, pose.z_m, kind="car", yaw=pose.yaw, group=True))
            else:
                place_vehicle(layout, kind, pose, weather)
        z += length + dice.uniform(0.6, 1.6)


def _draw_walk(layout: Layout, dice: Dice, weather: Weather, side: int, busy: float) -> None:
    """Draw people, bicycles, trees, lamps, signs and bins on a walk."""
    street = layout.street
    kerb, front = (street.kerb_right_m, street.front_right_m) if side > 0 else (street.kerb_left_m, street.front_left_m)
    edge, inner = kerb + side * 0.5, front - side * 0.4
    anywhere = lambda: dice.uniform(edge, inner)
    for _ in range(int(dice.expovariate(1 / (1.5 + 6 * busy)))):
        place_person(layout, anywhere(), _far(dice, 5.5, 75), weather, Way.WALK)
    if dice.random() < 0.15:
        place_crowd(layout, anywhere(), dice.uniform(35, 80))
    if dice.random() < 0.5:
        z = _far(dice, 5, 40)
        for i in range(dice.randint(1, 5)):
            place_cycle(layout, inner if dice.random() < 0.5 else edge, z + i * dice.uniform(0.4, 0.9), weather)
    if dice.random() < 0.3:
        z, turn, away = _far(dice, 6, 50), dice.uniform(0.1, 0.6), dice.random() < 0.6
        place_rider(layout, edge + side * 0.4, z, dice, weather, Way.WALK, turn, away)
    if dice.random() < 0.12:
        place_cycle(layout, edge, _far(dice, 5, 35), weather, "motorcycle")
    scatter = [(furniture.paint_sign, 0.9, 9, 60), (furniture.paint_lamp_post, 0.8, 8, 80)]
    scatter += [(furniture.paint_clutter, 0.5, 5, 40), (plants.paint_bush, 0.3, 6, 40)]
    for paint, often, near, far in scatter:
        for _ in range(int(dice.expovariate(1 / (often * 1.6)) + 0.5)):
            layout.objects.append(Fixture(edge, _far(dice, near, far), painted=paint))
    if dice.random() < 0.25:
        for i in range(dice.randint(3, 9)):
            layout.objects.append(Fixture(edge, 5 + i * 2.2, painted=furniture.paint_bollard))
    if dice.random() < 0.5:
        z = dice.uniform(8, 20)
        while z < 90:
            place(layout, Fixture(edge, z, painted=plants.paint_tree, aside_m=side * 0.3, crown_m=3.0), weather)
            z += dice.uniform(7, 16)


def _draw_crossing(layout: Layout, dice: Dice, weather: Weather, busy: float) -> None:
    """Draw what is across the road: people, riders, a vehicle that turns or crosses, traffic lights."""
    street, width = layout.street, layout.street.kerb_right_m - layout.street.kerb_left_m
    across = lambda: street.kerb_left_m + dice.random() * width
    if dice.random() < 0.5:
        z = _far(dice, 9, 40)
        for _ in range(dice.randint(1, 2 + int(5 * busy))):
            x, ahead, turn = across(), z + dice.uniform(-1.5, 1.5), dice.uniform(1.1, 1.57)
            place_person(layout, x, ahead, weather, Way.ACROSS, turn)
        if dice.random() < 0.4:
            x, ahead, turn = across(), z + dice.uniform(-2, 2), dice.uniform(1.0, 1.57)
            place_rider(layout, x, ahead, dice, weather, Way.ACROSS, turn)
    if dice.random() < 0.3:
        kind = dice.choices(["car", "bus", "truck", "train"], [8, 1.2, 1.2, 1.2])[0]
        z = _far(dice, 16 if kind == "car" else 24, 60)
        pose = Pose(across(), z, dice.choice((-1, 1)) * dice.uniform(0.9, 1.9))
        reach = VEHICLES[kind][1] * 0.55
        layout.objects = [thing for thing in layout.objects if abs(thing.z_m - z) > reach or thing.z_m < 6]
        place_vehicle(layout, kind, pose, weather, Way.ACROSS)
    if dice.random() < 0.35:
        z = _far(dice, 10, 45)
        for x in (street.kerb_left_m - 0.4, street.kerb_right_m + 0.4):
            layout.objects.append(Fixture(x, z, painted=furniture.paint_traffic_light))
