"""Give every thing on a street its course, and leave out what would run into another thing."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from partwise.data.streets.courses import AT_REST, Course, Pace
from partwise.data.streets.dice import Dice
from partwise.data.streets.ground import Street
from partwise.data.streets.things import Crowd, Cycle, Fixture, Person, Rider, Thing, Vehicle, Way

__all__ = ["Mover", "Rules", "collide", "draw_course", "without_collisions"]

STEP_M = 1.4  # two steps of a grown-up
CRANK_M = 4.6  # what a cyclist covers in one turn of the pedals
_CHECK_S = 0.2  # collisions are looked for at these intervals
_MARGIN_M = 0.15  # least distance of two things


@dataclass(frozen=True)
class Mover:
    """A thing with its course.

    Attributes:
        thing: The thing at the start.
        course: Where it goes.
        phase: Where in its step a person is at the start, in radians.
    """

    thing: Thing
    course: Course
    phase: float = 0.0

    @property
    def moves(self) -> bool:
        """Whether it ever leaves its place."""
        return self.course.pace.speed > 0

    def at(self, seconds: float) -> Thing:
        """Return the thing as it is after a time."""
        if not self.moves:
            return self.thing
        x, z, yaw = self.course.at(seconds)
        gone = self.course.pace.metres(seconds)
        moved = replace(self.thing, x_m=x, z_m=z)
        if isinstance(moved, Vehicle):
            return replace(moved, yaw=yaw)
        swing = math.cos(2 * math.pi * gone / STEP_M + self.phase)
        return replace(moved, heading=yaw, swing=swing, pedal=2 * math.pi * gone / CRANK_M)


@dataclass(frozen=True)
class Rules:
    """What all courses on a street share.

    Attributes:
        street: The ground plan.
        lane_m: x of the middle of the camera's lane.
        ours: Pace of the vehicles ahead in the camera's lane.
        theirs: Pace of the oncoming vehicles.
    """

    street: Street
    lane_m: float
    ours: Pace
    theirs: Pace

    @property
    def stands(self) -> bool:
        """Whether the traffic along the street stands, as before a red light."""
        return self.ours.speed == 0


def draw_course(thing: Thing, rules: Rules, dice: Dice) -> Mover | None:
    """Draw the course of a thing by the way in which it gets about.

    Returns:
        The thing with its course; None for a thing that has no sensible course on this street.
    """
    still = Mover(thing, Course(thing.x_m, thing.z_m, getattr(thing, "yaw", 0.0), AT_REST))
    if isinstance(thing, (Fixture, Crowd, Cycle)) or thing.way is Way.STANDS:
        return still
    if isinstance(thing, Vehicle):
        return _along_lane(thing, rules) if thing.way is Way.LANE else _turn_into_lane(thing, rules, dice)
    if isinstance(thing, Rider):
        return _ride(thing, rules, dice)
    assert isinstance(thing, Person)
    if thing.way is Way.WALK and dice.random() < 0.3:
        return still
    speed = Pace(dice.uniform(0.8, 1.7))
    phase = dice.uniform(0, 2 * math.pi)
    if thing.way is Way.WALK:
        yaw = dice.choice((0.0, math.pi)) + dice.gauss(0, 0.03)
        return Mover(thing, Course(thing.x_m, thing.z_m, yaw, speed), phase)
    return Mover(thing, _across(thing, rules, speed, 0.4, dice), phase)


def _along_lane(thing: Vehicle, rules: Rules) -> Mover:
    pace = rules.ours if math.cos(thing.yaw) > 0 else rules.theirs
    yaw = 0.0 if math.cos(thing.yaw) > 0 else math.pi
    return Mover(replace(thing, yaw=yaw), Course(thing.x_m, thing.z_m, yaw, pace))


def _turn_into_lane(thing: Vehicle, rules: Rules, dice: Dice) -> Mover | None:
    """A vehicle that comes from the side and turns into a lane."""
    if thing.kind == "train":
        return None
    away = math.cos(thing.yaw) > 0
    street = rules.street
    lane_m = rules.lane_m if away else min(street.lanes, default=rules.lane_m) - 1.6
    target = 0.0 if away else math.pi
    bend = (target - thing.yaw + math.pi) % (2 * math.pi) - math.pi
    radius = dice.uniform(6.0, 9.0)
    begin_m = lane_m - math.copysign(radius, bend) * (math.cos(thing.yaw) - math.cos(target))
    if not street.front_left_m + 1.5 < begin_m < street.front_right_m - 1.5:
        return None
    course = Course(begin_m, thing.z_m, thing.yaw, Pace(dice.uniform(3.0, 5.0), 0.5), 0.0, bend, radius)
    return Mover(replace(thing, x_m=begin_m), course)


def _ride(thing: Rider, rules: Rules, dice: Dice) -> Mover:
    pace = Pace(dice.uniform(3.2, 6.0) if thing.kind == "bicycle" else dice.uniform(6.0, 10.0))
    if thing.way is Way.ACROSS:
        return Mover(thing, _across(thing, rules, pace, 2.0, dice))
    away = thing.away if thing.away is not None else dice.random() < 0.5
    x, yaw = thing.x_m, 0.0 if away else math.pi
    if thing.way is Way.LANE:
        x = rules.lane_m + 1.55 if away else x
        if rules.stands and away:
            pace = AT_REST
        return Mover(replace(thing, x_m=x, heading=yaw), Course(x, thing.z_m, yaw, pace, sway_m=0.06))
    return Mover(thing, Course(x, thing.z_m, yaw, Pace(min(pace.speed, 4.5)), sway_m=0.06))


def _across(thing: Thing, rules: Rules, pace: Pace, radius_m: float, dice: Dice) -> Course:
    """Across the street to the walk of the other side, and on along that walk."""
    street, side = rules.street, dice.choice((-1, 1))
    kerb, front = (street.kerb_right_m, street.front_right_m) if side > 0 else (street.kerb_left_m, street.front_left_m)
    target = kerb + (front - kerb) * dice.uniform(0.3, 0.6)
    before = max(0.0, (target - thing.x_m) * side - radius_m)
    bend = dice.choice((-1, 1)) * math.pi / 2
    return Course(thing.x_m, thing.z_m, side * math.pi / 2, pace, before, bend, radius_m)


def without_collisions(camera: Mover, movers: list[Mover], seconds: float) -> list[Mover]:
    """Leave out what would come into the camera, or into a thing that was taken before.

    Things that stand were placed together and are checked against the camera alone.

    Args:
        camera: Who carries the camera: the car, or a person.
        movers: All things; their order is that of precedence among those that move.
        seconds: Length of the sequence.
    """
    times = np.arange(0.0, seconds + _CHECK_S, _CHECK_S)
    bodies = [(camera, _poses(camera, times))]
    kept: list[Mover] = []
    for mover in sorted(movers, key=lambda one: one.moves):
        if isinstance(mover.thing, Crowd):
            kept.append(mover)
            continue
        poses = _poses(mover, times)
        against = bodies if mover.moves else bodies[:1]
        if any(collide(mover.thing.body_m, poses, other.thing.body_m, theirs) for other, theirs in against):
            continue
        bodies.append((mover, poses))
        kept.append(mover)
    return kept


def _poses(mover: Mover, times: np.ndarray) -> np.ndarray:
    """x, z and yaw at each time, (T, 3); one row for what stands."""
    if not mover.moves:
        return np.array([mover.course.at(0.0)])
    return np.array([mover.course.at(float(time)) for time in times])


def collide(body_a: tuple[float, float], a_T3: np.ndarray, body_b: tuple[float, float], b_T3: np.ndarray) -> bool:
    """Whether two rectangles ever come nearer than a hand.

    Args:
        body_a: Length and width in metres.
        a_T3: (T, 3) x, z and yaw of its middle at each time; one row for what stands.
        body_b: As `body_a`.
        b_T3: As `a_T3`.

    >>> row = lambda x, z, yaw: np.array([[x, z, yaw]])
    >>> collide((4.0, 2.0), row(0, 0, 0), (4.0, 2.0), row(2.5, 0, 0))  # side by side
    False
    >>> collide((4.0, 2.0), row(0, 0, 0), (4.0, 2.0), row(2.5, 0, 1.57))  # the other stands across
    True
    """
    gap_T2 = b_T3[:, :2] - a_T3[:, :2]
    reach = (math.hypot(*body_a) + math.hypot(*body_b)) / 2 + _MARGIN_M
    near = np.hypot(gap_T2[:, 0], gap_T2[:, 1]) < reach
    if not near.any():
        return False
    yaws = [np.broadcast_to(poses[:, 2], near.shape)[near] for poses in (a_T3, b_T3)]
    axes = [np.stack([np.sin(yaw), np.cos(yaw)], axis=1) for yaw in yaws]  # along
    axes += [axis[:, ::-1] * (1, -1) for axis in axes]  # aside
    (along_a, along_b, aside_a, aside_b), gap = axes, gap_T2[near]
    apart = np.zeros(len(gap), bool)
    for axis in axes:
        widths = [
            abs((along * axis).sum(axis=1)) * length / 2 + abs((aside * axis).sum(axis=1)) * width / 2
            for along, aside, (length, width) in ((along_a, aside_a, body_a), (along_b, aside_b, body_b))
        ]
        apart |= abs((gap * axis).sum(axis=1)) > widths[0] + widths[1] + _MARGIN_M
    return bool((~apart).any())
