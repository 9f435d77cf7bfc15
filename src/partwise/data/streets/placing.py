"""Put single things on a street: a vehicle, a person, a crowd, a rider; each with its shadow."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from partwise.data.streets import abroad, people, vehicles
from partwise.data.streets.canvas import Canvas
from partwise.data.streets.ground import Street
from partwise.data.streets.light import Weather
from partwise.data.streets.solid import Pose

VEHICLES = {
    "car": (vehicles.paint_car, 4.5, 1.8, 1.5),
    "bus": (vehicles.paint_bus, 11.0, 2.6, 3.1),
    "truck": (vehicles.paint_truck, 8.0, 2.5, 3.2),
    "train": (vehicles.paint_tram, 26.0, 2.5, 3.4),
    "caravan": (vehicles.paint_caravan, 5.5, 2.2, 2.5),
    "trailer": (vehicles.paint_trailer, 3.0, 1.7, 1.1),
    "three-wheeler": (abroad.paint_three_wheeler, 2.7, 1.3, 1.7),
    "pickup": (abroad.paint_pickup, 5.2, 1.9, 1.7),
    "minibus": (abroad.paint_minibus, 6.0, 2.0, 2.5),
}
# Classes of the vehicles whose kind is no class. Cityscapes counts pick-ups as trucks, and has no three-wheelers.
CLASS_OF_KIND = {"three-wheeler": "car", "pickup": "truck", "minibus": "bus"}


@dataclass
class Layout:
    """What stands on a street.

    Attributes:
        street: The ground plan.
        objects: (depth in metres, paint function) of each object.
        shadows: Outlines (x, z) in metres of shadows on the ground.
    """

    street: Street
    objects: list[tuple[float, Callable[[Canvas], None]]] = field(default_factory=list)
    shadows: list[list[tuple[float, float]]] = field(default_factory=list)

    def add(self, depth_m: float, paint: Callable[[Canvas], None]) -> None:
        """Put an object on the street."""
        self.objects.append((depth_m, paint))


def place_vehicle(layout: Layout, kind: str, pose: Pose, dice: random.Random, weather: Weather) -> None:
    """Put a vehicle and its shadow on the street."""
    paint, length, width, height = VEHICLES[kind]
    depth = pose.z_m

    def draw(canvas: Canvas) -> None:
        paint(canvas.instance_brush(CLASS_OF_KIND.get(kind, kind), depth), pose, dice)

    layout.add(depth, draw)
    add_shadow(layout, pose.footprint(length, width), height, weather)


def add_shadow(layout: Layout, footprint: list[tuple[float, float]], height: float, weather: Weather) -> None:
    """Add the shadow of a thing: its footprint, and where the sun throws its top."""
    layout.shadows.append(footprint)
    if weather.sun_strength > 0.25:
        reach = min(4.0, 1 / max(0.2, math.tan(math.asin(weather.sun[1])))) * height * 0.8
        dx, dz = -weather.sun[0] * reach, -weather.sun[2] * reach
        moved = [(x + dx, z + dz) for x, z in footprint]
        for i in range(4):
            layout.shadows.append([footprint[i], footprint[i - 1], moved[i - 1], moved[i]])
        layout.shadows.append(moved)


def place_person(
    layout: Layout, x: float, z: float, dice: random.Random, weather: Weather, turn: float | None = None
) -> None:
    """Put a person on the street."""

    def draw(canvas: Canvas) -> None:
        brush = canvas.instance_brush("person", z)
        people.paint_person(brush, people.draw_stand(brush, x, z, dice, turn), dice)

    layout.add(z, draw)
    add_shadow(layout, Pose(x, z, 0).footprint(0.35, 0.45), 1.7, weather)


def place_crowd(layout: Layout, x: float, z: float, dice: random.Random) -> None:
    """Put a far crowd on the street: a group, not single instances."""

    def draw(canvas: Canvas) -> None:
        brush = canvas.brush("person", z)
        for i in range(dice.randint(3, 7)):
            stand = people.draw_stand(brush, x + (i - 3) * 0.42, z, dice)
            people.paint_person(brush, stand, dice)

    layout.add(z, draw)


def place_bicycle(layout: Layout, x: float, z: float, dice: random.Random, weather: Weather) -> None:
    """Put a parked bicycle on the street."""

    def draw(canvas: Canvas) -> None:
        brush = canvas.instance_brush("bicycle", z)
        people.paint_bicycle(brush, people.draw_stand(brush, x, z, dice), dice)

    layout.add(z, draw)
    add_shadow(layout, Pose(x, z, 0).footprint(0.3, 1.2), 0.8, weather)


def place_motorcycle(layout: Layout, x: float, z: float, dice: random.Random, weather: Weather) -> None:
    """Put a parked motorcycle on the street."""

    def draw(canvas: Canvas) -> None:
        brush = canvas.instance_brush("motorcycle", z)
        people.paint_motorcycle(brush, people.draw_stand(brush, x, z, dice), dice)

    layout.add(z, draw)
    add_shadow(layout, Pose(x, z, 0).footprint(0.5, 1.5), 0.9, weather)


def place_rider(
    layout: Layout,
    x: float,
    z: float,
    dice: random.Random,
    weather: Weather,
    turn: float,
    away: bool | None = None,
    kind: str | None = None,
) -> None:
    """Put a rider on a bicycle or a motorcycle on the street: two instances on one stand."""
    kind = kind or ("bicycle" if dice.random() < 0.8 else "motorcycle")

    def draw(canvas: Canvas) -> None:
        vehicle = canvas.instance_brush(kind, z)
        stand = people.draw_stand(vehicle, x, z, dice, turn)
        if away is not None:
            stand = people.Stand(stand.foot, stand.px_per_m, turn, stand.side, away)
        (people.paint_bicycle if kind == "bicycle" else people.paint_motorcycle)(vehicle, stand, dice)
        people.paint_rider(canvas.instance_brush("rider", z), stand, dice, kind == "motorcycle")

    layout.add(z, draw)
    add_shadow(layout, Pose(x, z, 0).footprint(0.6, 1.2), 1.7, weather)
