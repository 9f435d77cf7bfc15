"""How things and the camera go on a street: along a straight line, round one bend, and straight on."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["AT_REST", "Course", "Pace"]


@dataclass(frozen=True)
class Pace:
    """A speed that changes evenly. Nothing goes backwards: who brakes comes to a stop and stands.

    Attributes:
        speed: Metres a second at the start, from 0 on.
        gain: Metres a second that are gained each second; below 0 for braking.
    """

    speed: float
    gain: float = 0.0

    def metres(self, seconds: float) -> float:
        """Return how far it has gone after a time.

        >>> Pace(4.0, -2.0).metres(1.0), Pace(4.0, -2.0).metres(2.0), Pace(4.0, -2.0).metres(9.0)
        (3.0, 4.0, 4.0)
        """
        if self.gain < 0:
            seconds = min(seconds, -self.speed / self.gain)
        return self.speed * seconds + self.gain * seconds * seconds / 2


AT_REST = Pace(0.0)


@dataclass(frozen=True)
class Course:
    """Where something goes.

    Attributes:
        x_m: To the right of the origin, at the start.
        z_m: Ahead of the origin, at the start.
        yaw: Heading at the start, in radians: 0 away from the camera, pi / 2 to the right.
        pace: How fast.
        before_m: Length of the straight line before the bend.
        bend: Angle of the bend in radians; above 0 to the right.
        radius_m: Radius of the bend.
        sway_m: How far it sways to both sides, as cyclists do.
    """

    x_m: float
    z_m: float
    yaw: float
    pace: Pace
    before_m: float = 0.0
    bend: float = 0.0
    radius_m: float = 1.0
    sway_m: float = 0.0

    def at(self, seconds: float) -> tuple[float, float, float]:
        """Return x and z in metres and the yaw in radians after a time.

        >>> x, z, yaw = Course(0, 0, 0.0, Pace(1.0), before_m=2.0, bend=math.pi / 2).at(2.0 + math.pi / 2 + 3.0)
        >>> round(x, 6), round(z, 6), round(yaw, 6)
        (4.0, 3.0, 1.570796)
        """
        gone = self.pace.metres(seconds)
        straight = gone if not self.bend else min(gone, self.before_m)
        x, z, yaw = self.x_m + straight * math.sin(self.yaw), self.z_m + straight * math.cos(self.yaw), self.yaw
        if gone > straight:
            side = math.copysign(self.radius_m, self.bend)
            turned = min((gone - straight) / self.radius_m, abs(self.bend))
            yaw = self.yaw + math.copysign(turned, self.bend)
            rest = gone - straight - turned * self.radius_m
            x += side * (math.cos(self.yaw) - math.cos(yaw)) + rest * math.sin(yaw)
            z += side * (math.sin(yaw) - math.sin(self.yaw)) + rest * math.cos(yaw)
        if self.sway_m and self.pace.speed:
            aside = self.sway_m * math.sin(2 * math.pi * gone / _SWAY_LENGTH_M)
            x, z = x + aside * math.cos(yaw), z - aside * math.sin(yaw)
        return x, z, yaw


_SWAY_LENGTH_M = 9.0
