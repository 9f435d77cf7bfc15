"""Solids made of one outline pushed sideways: bodies of cars, buses, trucks, trams."""

import math
from dataclasses import dataclass
from functools import cached_property

from partwise.data.streets.canvas import Brush, Point
from partwise.data.streets.light import Colour

Corner = tuple[float, float, float]  # along (m, forward), up (m), half width (m)
GLASS = (42, 48, 54)


@dataclass(frozen=True)
class Pose:
    """Where a thing stands: its centre on the ground, and its heading.

    Attributes:
        x_m: To the right of the camera.
        z_m: Ahead of the camera.
        yaw: Heading in radians; 0 drives away from the camera.
    """

    x_m: float
    z_m: float
    yaw: float

    @cached_property
    def heading(self) -> tuple[float, float]:
        """The sine and cosine of the yaw."""
        return math.sin(self.yaw), math.cos(self.yaw)

    def place(self, along: float, aside: float) -> tuple[float, float]:
        """Return (x, z) of a point `along` metres ahead and `aside` metres to the right of the thing."""
        sin, cos = self.heading
        return self.x_m + along * sin + aside * cos, self.z_m + along * cos - aside * sin

    def footprint(self, length_m: float, width_m: float) -> list[tuple[float, float]]:
        """Return the four (x, z) corners of its place on the ground."""
        return [self.place(length_m / 2 * i, width_m / 2 * j) for i, j in ((1, 1), (1, -1), (-1, -1), (-1, 1))]


class Solid:
    """A solid: an outline (from the rear's foot over the top to the front's foot) pushed to both sides.

    Each corner has its own half width, so that a cabin can narrow to its roof. `paint` paints it and remembers where
    its faces are, for the windows and lamps on them.
    """

    def __init__(self, brush: Brush, pose: Pose, outline: list[Corner]):
        self.brush, self.pose, self.outline = brush, pose, outline
        self._left = [self.at(along, up, -half) for along, up, half in outline]
        self._right = [self.at(along, up, half) for along, up, half in outline]
        self.height_px = abs(self._left[0][1] - min(p[1] for p in self._left))
        # The side turned to the camera: 1 right, -1 left, 0 neither (seen from straight ahead or behind).
        self.near_side = 1 if _signed_area(self._right) > 0.5 else -1 if _signed_area(self._left) < -0.5 else 0

    def at(self, along: float, up: float, aside: float) -> Point:
        """Return the canvas point of a point of the thing's own space."""
        x, z = self.pose.place(along, aside)
        return self.brush.camera.project(x, up, z)

    def paint(self, colour: Colour, side_shade: float = 1.0) -> None:
        """Paint all faces that are turned to the camera, far ones first, then the side."""
        strips = sorted(range(len(self.outline) - 1), key=self._distance, reverse=True)
        for i in strips:
            if self.shows(i):
                self.brush.polygon(self._quad(i), colour, self._strip_shade(i))
        if self.near_side:
            side = self._right if self.near_side > 0 else self._left
            sin, cos = self.pose.heading
            shade = self.brush.weather.shade(cos * self.near_side, 0.0, -sin * self.near_side)
            self.brush.polygon(side, colour, shade * side_shade)

    def shows(self, strip: int) -> bool:
        """Return whether the strip between corners `strip` and `strip` + 1 is turned to the camera."""
        return _signed_area(self._quad(strip)) > 0.5

    def on_strip(
        self, strip: int, t0: float, t1: float, u0: float, u1: float, colour: Colour, shade: float | None = None
    ) -> None:
        """Paint a patch on a strip: t from its first corner to its second, u from left to right, all in 0..1."""
        if not self.shows(strip):
            return
        a, b, c, d = self._quad(strip)
        corners = [_between(a, b, c, d, t, u) for t, u in ((t0, u0), (t1, u0), (t1, u1), (t0, u1))]
        self.brush.decorate(corners, colour, self._strip_shade(strip) if shade is None else shade)

    def on_side(self, corners: list[Corner], colour: Colour, shade: float = 1.0) -> None:
        """Paint a polygon on the side that is turned to the camera; its corners are as those of the outline."""
        if not self.near_side:
            return
        points = [self.at(along, up, half * self.near_side) for along, up, half in corners]
        self.brush.decorate(points, colour, shade)

    def wheel(self, along: float, radius_m: float, half_width: float, colour: Colour) -> None:
        """Paint a wheel on the near side."""
        if not self.near_side:
            return
        self._disc(along, radius_m, half_width, (24, 24, 26), radius_m)
        if self.height_px > 26:
            self._disc(along, radius_m * 0.62, half_width, colour, radius_m)

    def _disc(self, along: float, radius_m: float, half_width: float, colour: Colour, up: float) -> None:
        """Paint a disc of the near side."""
        points = [self.at(along + radius_m * c, up + radius_m * s, half_width * self.near_side) for c, s in _CIRCLE]
        self.brush.polygon(points, colour, 0.9)

    def _quad(self, i: int) -> list[Point]:
        """Return the canvas points of strip i."""
        return [self._left[i], self._left[i + 1], self._right[i + 1], self._right[i]]

    def _distance(self, i: int) -> float:
        """Return how far strip i is from the camera."""
        along = (self.outline[i][0] + self.outline[i + 1][0]) / 2
        return self.pose.place(along, 0)[1]

    def _strip_shade(self, i: int) -> float:
        """Return how bright strip i is."""
        (a0, u0, _), (a1, u1, _) = self.outline[i], self.outline[i + 1]
        length = math.hypot(a1 - a0, u1 - u0) or 1.0
        along, up = -(u1 - u0) / length, (a1 - a0) / length
        return self.brush.weather.shade(along * self.pose.heading[0], up, along * self.pose.heading[1])


_CIRCLE = [(math.cos(i * math.pi / 7), math.sin(i * math.pi / 7)) for i in range(14)]


def _signed_area(points: list[Point]) -> float:
    """Return twice the area, positive if the points run clockwise on the screen."""
    x, y = points[-1]
    area = 0.0
    for px, py in points:
        area += x * py - px * y
        x, y = px, py
    return area


def _between(a: Point, b: Point, c: Point, d: Point, t: float, u: float) -> Point:
    """Return the point at t from a to b (d to c) and u from a to d."""
    left = a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t
    right = d[0] + (c[0] - d[0]) * t, d[1] + (c[1] - d[1]) * t
    return left[0] + (right[0] - left[0]) * u, left[1] + (right[1] - left[1]) * u
