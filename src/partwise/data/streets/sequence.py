"""Rendered streets that move: the frames of a sequence, in which each instance keeps its id.

What stands on the street, and where all of it goes, is drawn once; a frame is painted from that and its time alone. So
frames can be asked for in any order, and an instance has the same id before and after it was hidden.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from PIL import Image

from partwise.data.streets.canvas import SUPERSAMPLING, Camera, Canvas
from partwise.data.streets.courses import AT_REST, Course, Pace
from partwise.data.streets.dice import Dice, SteadyDice
from partwise.data.streets.furniture import paint_ego_vehicle
from partwise.data.streets.ground import paint_ground, paint_sky, paint_skyline
from partwise.data.streets.layout import draw_street, draw_things, in_view, paint_sides
from partwise.data.streets.light import Weather, develop, draw_weather
from partwise.data.streets.pavement import draw_near, pavement_camera, seen_from_pavement
from partwise.data.streets.placing import Layout, shadows_of
from partwise.data.streets.plants import NEAREST_TREE_M
from partwise.data.streets.render import draw_camera, require_size
from partwise.data.streets.things import Crowd, Fixture, Person, Thing, Vehicle, Way
from partwise.data.streets.traffic import Mover, Rules, draw_course, without_collisions
from partwise.errors import PartwiseError
from partwise.scene import Scene
from streeteval.labels import CITYSCAPES, INSTANCE_FACTOR
from streeteval.reading.faults import implied_ids

__all__ = ["RATE", "StreetSequence", "render_sequence"]

RATE = 10.0  # frames a second, as KITTI has
SECTION_M = 100.0  # things are drawn for stretches of this length
_SEEN_M = 130.0  # things farther than this are not drawn
_NEAREST_M = 0.8  # nearer things lie beside the picture
_CROWD_M = 30.0  # nearer crowds would show people who can be told apart
_ORDER = (Way.ACROSS, Way.LANE, Way.WALK, Way.STANDS)  # who has precedence


def render_sequence(
    seed: int,
    frames: int = 60,
    size: tuple[int, int] = (256, 512),
    *,
    rate: float = RATE,
    pavement: bool = False,
) -> StreetSequence:
    """Return a rendered street as a sequence of frames, in which cars, people, cycles and the camera go on their ways.

    Args:
        seed: Seed from 0 on; the sequence is a function of it and of the other arguments.
        frames: Number of frames.
        size: (H, W) in pixels, each at least 16.
        rate: Frames a second.
        pavement: Whether somebody on the pavement holds the camera, instead of the driver of a car.

    Returns:
        The sequence. An instance has the same id, class * 1000 + number, in all frames.

    Raises:
        PartwiseError: If a number is out of range.
    """
    return StreetSequence(seed, frames, size, rate=rate, pavement=pavement)


@dataclass(frozen=True)
class _World:
    """A street with everything that is on it in the time of a sequence."""

    weather: Weather
    camera: Camera
    carrier: Mover
    layout: Layout
    movers: list[Mover]


class StreetSequence:
    """The frames of a rendered street as Scenes, each rendered when it is asked for. See `render_sequence`."""

    label_set = CITYSCAPES

    def __init__(
        self,
        seed: int,
        frames: int = 60,
        size: tuple[int, int] = (256, 512),
        *,
        rate: float = RATE,
        pavement: bool = False,
    ):
        require_size(size)
        if seed < 0 or frames < 1 or not 0 < rate < math.inf:
            raise PartwiseError(
                f"a sequence with seed {seed}, {frames} frames and {rate:g} frames a second: give a seed from 0 on, at "
                "least one frame and a rate above 0"
            )
        self.seed, self.frames, self.size, self.rate, self.pavement = seed, frames, size, rate, pavement
        self._dice = SteadyDice(f"sequence/{seed}/{pavement}")

    @property
    def name(self) -> str:
        """The name of the sequence, "street_<seed>"."""
        return f"street_{self.seed:06d}"

    @property
    def names(self) -> list[str]:
        """The names of the frames, "street_<seed>_<frame>"."""
        return [f"{self.name}_{i:06d}" for i in range(self.frames)]

    def __len__(self) -> int:
        return self.frames

    def __iter__(self) -> Iterator[Scene]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, i: int) -> Scene:
        """Return frame i."""
        i = range(self.frames)[operator.index(i)]
        world, seconds = self._world, i / self.rate
        camera = _camera_at(world, seconds, self._dice)
        things = self.things(seconds)
        shadows = [outline for thing in things for outline in shadows_of(thing, world.weather)]
        canvas, dice = Canvas(self.size, camera, world.weather), self._dice
        paint_sky(canvas, np.random.default_rng((self.seed, 1)))
        paint_ground(canvas, world.layout.street, shadows, dice.part("ground"))
        paint_skyline(canvas, dice.part("skyline"))
        paint_sides(canvas, world.layout.street, dice.part("sides"))
        for thing in things:
            thing.paint(canvas, dice.part("thing", thing.number))
        ego = dice.part("ego")
        if not self.pavement and ego.random() < 0.7:
            paint_ego_vehicle(canvas, ego)
        ids_HW = np.array(canvas.ids.resize((self.size[1], self.size[0]), Image.Resampling.NEAREST))
        semantic_HW = implied_ids(ids_HW).astype(np.uint8)
        picture = canvas.colour.reduce(SUPERSAMPLING)
        texture, sensor = np.random.default_rng((self.seed, 2)), np.random.default_rng((self.seed, 3, i))
        image_HW3 = develop(picture, semantic_HW, world.weather, texture, sensor)
        return Scene(self.names[i], image_HW3, semantic_HW, ids_HW, distances=canvas.distances_m.copy)

    def things(self, seconds: float) -> list[Thing]:
        """Return what is before the camera after a time, from the farthest to the nearest.

        Things that are hidden by others, or lie beside the picture, are among them.
        """
        camera = _camera_at(self._world, seconds, self._dice)
        now = (mover.at(seconds) for mover in self._world.movers)
        return in_view([thing for thing in now if _nearest_m(thing, camera) > 0], camera)

    def camera(self, seconds: float) -> Camera:
        """Return the camera after a time; its lengths in pixels are those of the canvas, twice the picture's."""
        return _camera_at(self._world, seconds, self._dice)

    @cached_property
    def _world(self) -> _World:
        return _draw_world(self._dice, self.size, (self.frames - 1) / self.rate, self.pavement)


def _draw_world(dice: SteadyDice, size: tuple[int, int], seconds: float, pavement: bool) -> _World:
    weather, street, lane_m = draw_weather(dice.part("weather")), draw_street(dice.part("street")), 0.0
    if pavement:
        street, lane_m = seen_from_pavement(street, dice.part("pavement"))
        camera = pavement_camera(dice.part("camera"), size)
    else:
        camera = draw_camera(dice.part("camera"), size)
    carrier_pace, rules = _draw_paces(dice.part("paces"), Rules(street, lane_m, AT_REST, AT_REST), pavement)
    body = Person(0.0, 0.0) if pavement else Vehicle(0.0, -0.3, kind="car")
    carrier = Mover(body, Course(0.0, body.z_m, 0.0, carrier_pace))
    end_m = carrier_pace.metres(seconds)
    layout, far_m = Layout(street), end_m + rules.theirs.metres(seconds) + _SEEN_M
    for k in range(math.ceil(far_m / SECTION_M)):
        section = draw_things(street, lane_m, dice.part("section", k), weather)
        if k == 0 and pavement:
            draw_near(section, dice.part("near"), weather)
        shift_m = k * SECTION_M
        layout.objects += [
            replace(thing, z_m=thing.z_m + shift_m) for thing in section.objects if thing.z_m < SECTION_M + 5
        ]
    movers = _draw_movers(layout.objects, rules, dice, end_m)
    movers = without_collisions(carrier, movers, seconds)
    times = np.linspace(0.0, seconds, 25)
    seen = [mover for mover in movers if any(_in_reach(mover, carrier, float(time)) for time in times)]
    seen.sort(key=lambda mover: mover.thing.z_m)
    if len(seen) >= INSTANCE_FACTOR:
        raise PartwiseError(f"{len(seen)} things in {seconds:g} s, and ids have room for 1000: take fewer frames")
    numbered = [replace(mover, thing=replace(mover.thing, number=i)) for i, mover in enumerate(seen)]
    return _World(weather, camera, carrier, layout, numbered)


def _draw_paces(dice: Dice, rules: Rules, pavement: bool) -> tuple[Pace, Rules]:
    """Draw the pace of the camera, and of the traffic in both directions."""
    stands = dice.random() < 0.3
    speed, gain = dice.uniform(3.0, 11.0), dice.uniform(-0.8, 0.8)
    faster = dice.uniform(1.0, 1.2)
    ours = AT_REST if stands else Pace(speed * faster, gain)
    theirs = AT_REST if stands and dice.random() < 0.5 else Pace(dice.uniform(5.0, 12.0), dice.uniform(-0.5, 0.5))
    walking = Pace(dice.uniform(0.8, 1.4)) if dice.random() < 0.4 else AT_REST
    own = walking if pavement else AT_REST if stands else Pace(speed, gain)
    return own, replace(rules, ours=ours, theirs=theirs)


def _draw_movers(things: list[Thing], rules: Rules, dice: Dice, end_m: float) -> list[Mover]:
    movers = []
    for i, thing in enumerate(things):
        if isinstance(thing, Crowd) and thing.z_m - end_m < _CROWD_M:
            continue
        if isinstance(thing, Vehicle) and thing.group:
            thing = replace(thing, group=False)
        mover = draw_course(thing, rules, dice.part("course", i))
        if mover is not None:
            movers.append(mover)
    return sorted(movers, key=lambda mover: (_ORDER.index(mover.thing.way), mover.thing.z_m))


def _in_reach(mover: Mover, carrier: Mover, seconds: float) -> bool:
    ahead = mover.at(seconds).z_m - carrier.at(seconds).z_m
    return -15.0 < ahead < _SEEN_M + 20.0


def _nearest_m(thing: Thing, camera: Camera) -> float:
    """How far ahead of the least distance the farthest point of a thing is; below 0 it cannot be seen."""
    reach = 0.0
    if isinstance(thing, Vehicle):
        reach = max(thing.body_m) / 2
    least = NEAREST_TREE_M if isinstance(thing, Fixture) and thing.crown_m else _NEAREST_M
    return camera.depth_m(thing.z_m) + reach - least


def _camera_at(world: _World, seconds: float, dice: SteadyDice) -> Camera:
    """The camera on its way: it sways with the car or the hand that holds it."""
    own, still = dice.part("sway"), world.camera
    x, z, _ = world.carrier.course.at(seconds)
    by_hand = isinstance(world.carrier.thing, Person)
    restless = 1.0 if by_hand or world.carrier.moves else 0.1
    angle = lambda reach: (
        restless
        * reach
        * sum(math.sin(2 * math.pi * (seconds * own.uniform(0.2, 1.3) + own.random())) for _ in range(3))
    )
    pitch, yaw = angle(0.004 if by_hand else 0.0015), angle(0.006 if by_hand else 0.0015)
    return replace(
        still,
        x_m=x + angle(0.02),
        z_m=z - world.carrier.thing.z_m,
        centre_x_px=still.centre_x_px + still.focal_px * yaw,
        horizon_y_px=still.horizon_y_px + still.focal_px * pitch,
        height_m=still.height_m + angle(0.004),
    )
