"""What stands on a street, apart from how it is painted: vehicles, people, cycles, and the furniture of the street.

A thing knows its place, its footprint and how it gets about; `paint` paints it with the random numbers that it gets.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import ClassVar

from partwise.data.streets import abroad, people, vehicles
from partwise.data.streets.canvas import Brush, Canvas
from partwise.data.streets.dice import Dice
from partwise.data.streets.solid import Pose

__all__ = ["VEHICLES", "Crowd", "Cycle", "Fixture", "Person", "Rider", "Thing", "Vehicle", "Way"]

Outline = list[tuple[float, float]]  # (x, z) in metres

# kind of vehicle: how it is painted, length, width, height in metres
VEHICLES: dict[str, tuple[Callable[[Brush, Pose, Dice], None], float, float, float]] = {
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


class Way(Enum):
    """How a thing gets about in a sequence; in a single picture all stand."""

    STANDS = "stands"
    LANE = "drives in a lane along the street"
    WALK = "goes along the street on a walk"
    ACROSS = "goes across the street"


@dataclass(frozen=True)
class Thing:
    """Something on a street.

    Attributes:
        x_m: To the right of the origin.
        z_m: Ahead of the origin; of several things the farthest is painted first.
        number: Its number in the instance ids of all pictures; None for the next free number of its class.
        way: How it gets about.
        heading: Where a person or rider looks, in radians: 0 away from the camera, pi / 2 to the right; None for a
            direction that `paint` draws.
        swing: See `people.Stand`.
        pedal: See `people.Stand`.
    """

    size_m: ClassVar[tuple[float, float]] = (0.0, 0.0)  # along and aside, of the shadow on the ground
    body_m: ClassVar[tuple[float, float]] = (0.5, 0.5)  # length and width of what nothing else may enter
    height_m: ClassVar[float] = 0.0
    shadow_in_sun_only: ClassVar[bool] = False

    x_m: float
    z_m: float
    number: int | None = None
    way: Way = Way.STANDS
    heading: float | None = None
    swing: float = 1.0
    pedal: float = 0.0

    @property
    def is_instance(self) -> bool:
        """Whether it has an instance id."""
        return True

    def paint(self, canvas: Canvas, dice: Dice) -> None:
        """Paint it, the colours and the truth."""
        raise NotImplementedError

    def shaded(self) -> Outline | None:
        """The four (x, z) corners of the place below it, from which its shadow is thrown; None for no shadow."""
        return Pose(self.x_m, self.z_m, 0).footprint(*self.size_m)

    def _stand(self, brush: Brush, dice: Dice, turn: float | None) -> people.Stand:
        """Where the figure stands, turned as its heading says if it has one."""
        stand = people.draw_stand(brush, self.x_m, self.z_m, dice, turn)
        if self.heading is None:
            return stand
        across, ahead = math.sin(self.heading), math.cos(self.heading)
        return replace(
            stand,
            turn=math.asin(min(1.0, abs(across))),
            side=1 if across > 0 else -1,
            away=ahead > 0,
            swing=self.swing,
            pedal=self.pedal,
        )


@dataclass(frozen=True)
class Vehicle(Thing):
    """A vehicle.

    Attributes:
        kind: Of VEHICLES.
        yaw: Heading in radians; 0 drives away from the camera.
        group: Whether it is too far to be told from its neighbours, and is painted with its class's bare id.
    """

    kind: str = "car"
    yaw: float = 0.0
    group: bool = False

    @property
    def body_m(self) -> tuple[float, float]:  # type: ignore[override]
        """Its length and width."""
        return VEHICLES[self.kind][1], VEHICLES[self.kind][2]

    @property
    def height_m(self) -> float:  # type: ignore[override]
        """Its height."""
        return VEHICLES[self.kind][3]

    @property
    def is_instance(self) -> bool:
        """Whether it has an instance id."""
        return not self.group

    def paint(self, canvas: Canvas, dice: Dice) -> None:
        """See Thing."""
        class_name = CLASS_OF_KIND.get(self.kind, self.kind)
        brush = (
            canvas.brush(class_name, self.z_m)
            if self.group
            else canvas.instance_brush(class_name, self.z_m, self.number)
        )
        VEHICLES[self.kind][0](brush, Pose(self.x_m, self.z_m, self.yaw), dice)

    def shaded(self) -> Outline | None:
        """See Thing."""
        if self.group:
            return None
        _, length, width, _ = VEHICLES[self.kind]
        return Pose(self.x_m, self.z_m, self.yaw).footprint(length, width)


@dataclass(frozen=True)
class Person(Thing):
    """A person.

    Attributes:
        turn: Angle to the line of sight, see `people.Stand`; None for one that `paint` draws.
    """

    size_m, height_m = (0.35, 0.45), 1.7

    turn: float | None = None

    def paint(self, canvas: Canvas, dice: Dice) -> None:
        """See Thing."""
        brush = canvas.instance_brush("person", self.z_m, self.number)
        people.paint_person(brush, self._stand(brush, dice, self.turn), dice)


@dataclass(frozen=True)
class Crowd(Thing):
    """A far crowd: a group, not single instances."""

    @property
    def is_instance(self) -> bool:
        """Whether it has an instance id."""
        return False

    def paint(self, canvas: Canvas, dice: Dice) -> None:
        """See Thing."""
        brush = canvas.brush("person", self.z_m)
        for i in range(dice.randint(3, 7)):
            stand = people.draw_stand(brush, self.x_m + (i - 3) * 0.42, self.z_m, dice)
            people.paint_person(brush, stand, dice)

    def shaded(self) -> Outline | None:
        """See Thing."""
        return None


@dataclass(frozen=True)
class Cycle(Thing):
    """A parked bicycle or motorcycle.

    Attributes:
        kind: "bicycle" or "motorcycle".
    """

    kind: str = "bicycle"

    @property
    def size_m(self) -> tuple[float, float]:  # type: ignore[override]
        """Length and width of its shadow."""
        return (0.3, 1.2) if self.kind == "bicycle" else (0.5, 1.5)

    @property
    def height_m(self) -> float:  # type: ignore[override]
        """Its height."""
        return 0.8 if self.kind == "bicycle" else 0.9

    def paint(self, canvas: Canvas, dice: Dice) -> None:
        """See Thing."""
        brush = canvas.instance_brush(self.kind, self.z_m, self.number)
        _CYCLES[self.kind](brush, self._stand(brush, dice, None), dice)


@dataclass(frozen=True)
class Rider(Thing):
    """A rider on a bicycle or a motorcycle: two instances on one stand.

    Attributes:
        kind: "bicycle" or "motorcycle".
        turn: Angle to the line of sight, see `people.Stand`.
        away: Whether the back is turned to the camera; None for what `paint` draws.
    """

    size_m, body_m, height_m = (0.6, 1.2), (1.8, 0.7), 1.7

    kind: str = "bicycle"
    turn: float = 0.0
    away: bool | None = None

    def paint(self, canvas: Canvas, dice: Dice) -> None:
        """See Thing."""
        vehicle = canvas.instance_brush(self.kind, self.z_m, self.number)
        stand = self._stand(vehicle, dice, self.turn)
        if self.away is not None and self.heading is None:
            stand = replace(stand, away=self.away)
        _CYCLES[self.kind](vehicle, stand, dice)
        rider = canvas.instance_brush("rider", self.z_m, self.number)
        people.paint_rider(rider, stand, dice, self.kind == "motorcycle")


_CYCLES = {"bicycle": people.paint_bicycle, "motorcycle": people.paint_motorcycle}


@dataclass(frozen=True)
class Fixture(Thing):
    """Furniture of the street, or a plant: it has no instance id and never moves.

    Attributes:
        painted: How it is painted, from the canvas, x and z in metres, and random numbers.
        aside_m: How far right of `x_m` it is painted.
        crown_m: Side of the square below it that it shades in the sun; 0 for no shadow.
    """

    height_m, shadow_in_sun_only = 5.0, True

    painted: Callable[[Canvas, float, float, Dice], None] | None = None
    aside_m: float = 0.0
    crown_m: float = 0.0

    @property
    def is_instance(self) -> bool:
        """Whether it has an instance id."""
        return False

    def paint(self, canvas: Canvas, dice: Dice) -> None:
        """See Thing."""
        if self.painted is not None:
            self.painted(canvas, self.x_m + self.aside_m, self.z_m, dice)

    def shaded(self) -> Outline | None:
        """See Thing."""
        return Pose(self.x_m, self.z_m, 0).footprint(self.crown_m, self.crown_m) if self.crown_m else None
