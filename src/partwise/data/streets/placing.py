"""Put single things on a street: a vehicle, a person, a crowd, a rider; each with its shadow."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from partwise.data.streets.dice import Dice
from partwise.data.streets.ground import Street
from partwise.data.streets.light import Weather
from partwise.data.streets.solid import Pose
from partwise.data.streets.things import Crowd, Cycle, Person, Rider, Thing, Vehicle, Way

__all__ = [
    "Layout",
    "place",
    "place_crowd",
    "place_cycle",
    "place_person",
    "place_rider",
    "place_vehicle",
    "shadows_of",
]

_SHADOW_SUN = 0.25  # a weaker sun throws no shadow that is seen


@dataclass
class Layout:
    """What stands on a street.

    Attributes:
        street: The ground plan.
        objects: What stands there; it is painted from the farthest to the nearest.
        shadows: Outlines (x, z) in metres of shadows on the ground.
    """

    street: Street
    objects: list[Thing] = field(default_factory=list)
    shadows: list[list[tuple[float, float]]] = field(default_factory=list)


def place(layout: Layout, thing: Thing, weather: Weather) -> None:
    """Put a thing and its shadow on the street."""
    layout.objects.append(thing)
    layout.shadows += shadows_of(thing, weather)


def shadows_of(thing: Thing, weather: Weather) -> list[list[tuple[float, float]]]:
    """Return the outlines (x, z) of the shadow of a thing: its footprint, and where the sun throws its top."""
    sunny = weather.sun_strength > _SHADOW_SUN
    footprint = thing.shaded()
    if footprint is None or (thing.shadow_in_sun_only and not sunny):
        return []
    outlines = [footprint]
    if sunny:
        reach = min(4.0, 1 / max(0.2, math.tan(math.asin(weather.sun[1])))) * thing.height_m * 0.8
        dx, dz = -weather.sun[0] * reach, -weather.sun[2] * reach
        moved = [(x + dx, z + dz) for x, z in footprint]
        for i in range(4):
            outlines.append([footprint[i], footprint[i - 1], moved[i - 1], moved[i]])
        outlines.append(moved)
    return outlines


def place_vehicle(layout: Layout, kind: str, pose: Pose, weather: Weather, way: Way = Way.STANDS) -> None:
    """Put a vehicle on the street."""
    place(layout, Vehicle(pose.x_m, pose.z_m, way=way, kind=kind, yaw=pose.yaw), weather)


def place_person(
    layout: Layout, x: float, z: float, weather: Weather, way: Way = Way.STANDS, turn: float | None = None
) -> None:
    """Put a person on the street."""
    place(layout, Person(x, z, way=way, turn=turn), weather)


def place_crowd(layout: Layout, x: float, z: float) -> None:
    """Put a far crowd on the street: a group, not single instances."""
    layout.objects.append(Crowd(x, z))


def place_cycle(layout: Layout, x: float, z: float, weather: Weather, kind: str = "bicycle") -> None:
    """Put a parked bicycle or motorcycle on the street."""
    place(layout, Cycle(x, z, kind=kind), weather)


def place_rider(
    layout: Layout,
    x: float,
    z: float,
    dice: Dice,
    weather: Weather,
    way: Way,
    turn: float,
    away: bool | None = None,
    kind: str | None = None,
) -> None:
    """Put a rider on a bicycle or a motorcycle on the street."""
    kind = kind or ("bicycle" if dice.random() < 0.8 else "motorcycle")
    place(layout, Rider(x, z, way=way, kind=kind, turn=turn, away=away), weather)
