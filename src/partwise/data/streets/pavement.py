"""Streets as somebody on the pavement sees them: people, cycles and vehicles of other countries, near and large."""

from __future__ import annotations

import math
from dataclasses import replace

from partwise.data.streets.canvas import SUPERSAMPLING, Camera
from partwise.data.streets.dice import Dice
from partwise.data.streets.ground import Street
from partwise.data.streets.light import Weather
from partwise.data.streets.placing import (
    Layout,
    place_cycle,
    place_person,
    place_rider,
    place_vehicle,
)
from partwise.data.streets.solid import Pose
from partwise.data.streets.things import VEHICLES, Way

NEAREST_M = 1.6  # nearer things would show little more than a leg


def pavement_camera(dice: Dice, size: tuple[int, int]) -> Camera:
    """Draw a camera in a hand: a telephone or a camera with a lens from wide to short, tilted a little up or down."""
    height, width = size[0] * SUPERSAMPLING, size[1] * SUPERSAMPLING
    return Camera(
        focal_px=dice.uniform(0.7, 1.5) * max(height, width),
        centre_x_px=width * dice.uniform(0.3, 0.7),
        horizon_y_px=height * dice.uniform(0.3, 0.6),
        height_m=dice.uniform(1.2, 1.8),
    )


def seen_from_pavement(street: Street, dice: Dice) -> tuple[Street, float]:
    """Move a street sideways, so that the camera stands on its right walk.

    Returns:
        The street, and the x in metres of the lane in which the camera would have driven.
    """
    shift = -street.kerb_right_m - dice.uniform(0.1, 0.6) * (street.front_right_m - street.kerb_right_m)
    moved = {
        name: getattr(street, name) + shift for name in ("kerb_left_m", "kerb_right_m", "front_left_m", "front_right_m")
    }
    lanes = tuple(line + shift for line in street.lanes)
    tracks = None if street.tracks is None else street.tracks + shift
    return replace(street, lanes=lanes, tracks=tracks, **moved), shift


def draw_near(layout: Layout, dice: Dice, weather: Weather) -> None:
    """Put one to five things near the camera, each at another depth, so that none hides another wholly."""
    z = NEAREST_M + dice.expovariate(1.5)
    for _ in range(dice.randint(1, 5)):
        kind = dice.choices(["person", "rider", "bicycle", "motorcycle", "vehicle"], [4, 3, 1.5, 1.5, 4])[0]
        z += dice.uniform(0.2, 1.5)
        x = dice.uniform(-0.45, 0.45) * z
        turn = dice.uniform(0, 1.57)
        if kind == "person":
            place_person(layout, x, z, weather, Way.ACROSS, turn)
        elif kind == "rider":
            away, kind_of_cycle = dice.random() < 0.5, dice.choice(["bicycle", "motorcycle"])
            place_rider(layout, x, z + 0.6, dice, weather, Way.ACROSS, turn, away, kind_of_cycle)
        elif kind == "bicycle":
            place_cycle(layout, x, z + 0.5, weather)
        elif kind == "motorcycle":
            place_cycle(layout, x, z + 0.5, weather, "motorcycle")
        else:
            z = _near_vehicle(layout, z, dice, weather)


def _near_vehicle(layout: Layout, z: float, dice: Dice, weather: Weather) -> float:
    """Put a vehicle on the road near the camera, at any angle; return the depth of its far end in metres."""
    kinds = ["car", "three-wheeler", "pickup", "minibus", "bus", "truck"]
    kind = dice.choices(kinds, [4, 2.5, 2, 2, 1, 1])[0]
    _, length, width, _ = VEHICLES[kind]
    yaw = dice.choice((-1, 1)) * dice.uniform(0.2, 2.9)
    reach = abs(math.sin(yaw)) * width / 2 + abs(math.cos(yaw)) * length / 2
    centre = z + 1.5 + reach
    place_vehicle(layout, kind, Pose(dice.uniform(-0.5, 0.3) * centre, centre, yaw), weather)
    return centre + reach
