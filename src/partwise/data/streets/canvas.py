"""The camera and the canvas of a rendered street. Every stroke paints the colour and the truth at once.

World: X to the right, Y up from the ground, Z ahead, in metres. The camera stands above the origin, unless it moves.
The canvas is painted from far to near at twice the size, so that what lies in front covers what lies behind in the
picture and in the truth alike.
"""

import math
from dataclasses import dataclass

from PIL import Image, ImageDraw

from partwise.data.streets.light import Colour, Weather
from streeteval.labels import CITYSCAPES, INSTANCE_FACTOR

SUPERSAMPLING = 2
Point = tuple[float, float]
_MIN_DEPTH_M = 0.6  # nearer points are pushed out to here, behind the lower edge of the picture


@dataclass(frozen=True)
class Camera:
    """A pinhole camera above the ground.

    Attributes:
        focal_px: Focal length in pixels of the canvas.
        centre_x_px: x of the vanishing point on the canvas.
        horizon_y_px: y of the vanishing point on the canvas.
        height_m: Height above the ground.
        x_m: To the right of the origin.
        z_m: Ahead of the origin.
    """

    focal_px: float
    centre_x_px: float
    horizon_y_px: float
    height_m: float
    x_m: float = 0.0
    z_m: float = 0.0

    def project(self, x_m: float, y_m: float, z_m: float) -> Point:
        """Return the canvas point of a world point."""
        scale = self.px_per_m(z_m)
        return self.centre_x_px + (x_m - self.x_m) * scale, self.horizon_y_px + (self.height_m - y_m) * scale

    def px_per_m(self, z_m: float) -> float:
        """Return the canvas pixels of one metre at a place ahead of the origin."""
        return self.focal_px / max(self.depth_m(z_m), _MIN_DEPTH_M)

    def depth_m(self, z_m: float) -> float:
        """Return how far ahead of the camera a place ahead of the origin is."""
        return z_m - self.z_m


class Canvas:
    """Colour and truth of a scene of `size` (H, W), both kept at SUPERSAMPLING times that size."""

    def __init__(self, size: tuple[int, int], camera: Camera, weather: Weather):
        self.width, self.height = size[1] * SUPERSAMPLING, size[0] * SUPERSAMPLING
        self.camera, self.weather = camera, weather
        self.colour = Image.new("RGB", (self.width, self.height))
        self.ids = Image.new("I", (self.width, self.height))
        self._draws = ImageDraw.Draw(self.colour), ImageDraw.Draw(self.ids)
        self._numbers: dict[int, int] = {}
        self.distances_m: dict[int, float] = {}  # of each instance

    def brush(self, class_name: str, z_m: float | None = None, dim: float = 1.0) -> "Brush":
        """Return a brush for what is no instance. Groups such as a far crowd are painted with their class's bare id."""
        return Brush(self, CITYSCAPES[class_name].id, 0.0 if z_m is None else self.camera.depth_m(z_m), dim)

    def instance_brush(self, class_name: str, z_m: float, number: int | None = None) -> "Brush":
        """Return a brush for an instance at a place ahead of the origin.

        Args:
            class_name: Its class.
            z_m: Where it is.
            number: Its number in the instance id, 0..999; None for the next free number of the class.
        """
        id_ = CITYSCAPES[class_name].id
        if number is None:
            number = self._numbers.get(id_, 0)
            self._numbers[id_] = number + 1
        depth_m = self.camera.depth_m(z_m)
        self.distances_m[id_ * INSTANCE_FACTOR + number] = depth_m
        return Brush(self, id_ * INSTANCE_FACTOR + number, depth_m, 1.0)

    def blend(self, colour: Colour, mask: Image.Image, top: int) -> None:
        """Mix a colour into the picture; the truth stays.

        Args:
            colour: RGB.
            mask: Of mode "L", 255 = the colour alone; stretched to the picture from row `top` down.
            top: First row.
        """
        mask = mask.resize((self.width, self.height - top), Image.Resampling.BILINEAR)
        self.colour.paste(colour, (0, top), mask)


class Brush:
    """Paints one object with its id; its colours are dimmed by `dim` and faded into the haze of its depth."""

    def __init__(self, canvas: Canvas, id_: int, depth_m: float, dim: float):
        self.camera, self.weather = canvas.camera, canvas.weather
        self.depth_m = depth_m
        self._colour_draw, self._id_draw = canvas._draws
        self._id = id_
        haze = canvas.weather.haze_at(max(0.0, depth_m))
        self._clear = dim * (1 - haze)
        self._air = tuple(channel * haze for channel in canvas.weather.haze_colour)
        self._width = canvas.width

    @property
    def picture_width(self) -> int:
        """The width of the canvas in pixels; what lies beyond it need not be painted."""
        return self._width

    def ink(self, colour: Colour, shade: float = 1.0) -> tuple[int, int, int]:
        """Return a colour as it looks from the camera."""
        clear, (air_r, air_g, air_b) = self._clear * shade, self._air
        r, g, b = int(colour[0] * clear + air_r), int(colour[1] * clear + air_g), int(colour[2] * clear + air_b)
        return r if r < 255 else 255, g if g < 255 else 255, b if b < 255 else 255

    def polygon(self, points: list[Point], colour: Colour, shade: float = 1.0) -> None:
        """Paint a filled polygon."""
        if self._outside(points):
            return
        self._colour_draw.polygon(points, fill=self.ink(colour, shade))
        self._id_draw.polygon(points, fill=self._id)

    def decorate(self, points: list[Point], colour: Colour, shade: float = 1.0) -> None:
        """Paint a polygon inside what this brush has already painted: the colour only."""
        if not self._outside(points):
            self._colour_draw.polygon(points, fill=self.ink(colour, shade))

    def claim(self, points: list[Point]) -> None:
        """Paint the truth only: what annotators outline although one can see through it (spokes, a fence)."""
        if not self._outside(points):
            self._id_draw.polygon(points, fill=self._id)

    def ellipse(self, x: float, y: float, rx: float, ry: float, colour: Colour, shade: float = 1.0) -> None:
        """Paint a filled ellipse around a point."""
        box = (x - rx, y - ry, x + rx, y + ry)
        if box[2] < 0 or box[0] > self._width or box[3] < 0:
            return
        self._colour_draw.ellipse(box, fill=self.ink(colour, shade))
        self._id_draw.ellipse(box, fill=self._id)

    def ring(self, x: float, y: float, rx: float, ry: float, width: float, colour: Colour) -> None:
        """Paint the outline of an ellipse; what lies inside belongs to the object but is not painted."""
        box = (x - rx, y - ry, x + rx, y + ry)
        self._colour_draw.ellipse(box, outline=self.ink(colour), width=max(1, round(width)))
        self._id_draw.ellipse(box, fill=self._id)

    def limb(self, a: Point, b: Point, width_a: float, width_b: float, colour: Colour, shade: float = 1.0) -> None:
        """Paint a straight piece from a to b that tapers from one width to the other; never thinner than a pixel."""
        dx, dy = b[0] - a[0], b[1] - a[1]
        length = math.hypot(dx, dy) or 1.0
        nx, ny = -dy / length / 2, dx / length / 2
        width_a, width_b = max(width_a, 1.2), max(width_b, 1.2)
        self.polygon(
            [
                (a[0] + nx * width_a, a[1] + ny * width_a),
                (b[0] + nx * width_b, b[1] + ny * width_b),
                (b[0] - nx * width_b, b[1] - ny * width_b),
                (a[0] - nx * width_a, a[1] - ny * width_a),
            ],
            colour,
            shade,
        )

    def upright(self, x0: float, y0: float, x1: float, y1: float, colour: Colour, shade: float = 1.0) -> None:
        """Paint an axis-parallel rectangle."""
        self.polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], colour, shade)

    def _outside(self, points: list[Point]) -> bool:
        """Return whether points lie outside the canvas."""
        x = [point[0] for point in points]
        return max(x) < 0 or min(x) > self._width
