"""Rendered streets that move: what stays, what moves, and that nothing jumps, grows wrongly or runs into another."""

import math
import pickle

import numpy as np
import pytest

from partwise.data.streets.courses import Course, Pace
from partwise.data.streets.sequence import StreetSequence, render_sequence
from partwise.data.streets.things import Fixture, Vehicle
from partwise.errors import PartwiseError
from streeteval.labels import CITYSCAPES
from streeteval.reading.faults import id_faults, implied_ids
from streeteval.rle import segments

SIZE = (128, 256)
SEEDS = (0, 2, 4, 6)


def seconds_of(street: StreetSequence) -> list[float]:
    return [i / street.rate for i in range(len(street))]


@pytest.fixture(scope="module")
def streets() -> list[StreetSequence]:
    return [render_sequence(seed, 20, SIZE, pavement=seed == SEEDS[-1]) for seed in SEEDS]


@pytest.fixture(scope="module")
def scenes(streets) -> list[list]:
    return [list(street) for street in streets]


def test_a_frame_is_a_function_of_seed_and_place(streets, scenes):
    street = streets[1]
    late = pickle.loads(pickle.dumps(render_sequence(SEEDS[1], 20, SIZE)))[13]
    assert np.array_equal(late.image_HW3, scenes[1][13].image_HW3)
    assert np.array_equal(late.instance_ids_HW, scenes[1][13].instance_ids_HW)
    assert late.name == street.names[13] == "street_000002_000013"
    assert not np.array_equal(render_sequence(SEEDS[1] + 1, 20, SIZE)[13].instance_ids_HW, late.instance_ids_HW)
    assert np.array_equal(street[-1].image_HW3, scenes[1][19].image_HW3)
    with pytest.raises(IndexError):
        street[20]


def test_the_truth_is_valid(scenes):
    for scene in (scene for frames in scenes for scene in frames[::6]):
        semantic = scene.semantic_HW.astype(np.int32)
        assert id_faults(semantic, scene.instance_ids_HW, ("labelIds", "instanceIds"), CITYSCAPES) == []
        assert np.array_equal(implied_ids(scene.instance_ids_HW), semantic)


def test_an_id_is_one_thing_in_all_frames(streets, scenes):
    """Its class, and the kind of thing that has the number, never change, also after it was hidden."""
    returned = 0
    for street, frames in zip(streets, scenes, strict=True):
        kinds: dict[int, tuple] = {}
        seen: dict[int, list[int]] = {}
        for i, scene in enumerate(frames):
            things = {thing.number: thing for thing in street.things(i / street.rate)}
            for thing in things.values():
                kind = type(thing), getattr(thing, "kind", None)
                assert kinds.setdefault(thing.number, kind) == kind
            for id_ in np.unique(scene.instance_ids_HW):
                if id_ >= 1000:
                    seen.setdefault(int(id_), []).append(i)
                    assert things[id_ % 1000].is_instance
                    assert scene.distances()[id_] == pytest.approx(
                        street.camera(i / street.rate).depth_m(things[id_ % 1000].z_m)
                    )
        returned += sum(places[-1] - places[0] >= len(places) for places in seen.values())
    assert returned >= 3  # some were hidden for a while


def test_people_vehicles_and_the_camera_move(streets):
    speeds: dict[str, list[float]] = {"camera": []}
    for street in streets:
        speeds["camera"].append(street.camera(1.0).z_m - street.camera(0.0).z_m)
        then = {thing.number: thing for thing in street.things(1.0)}
        for thing in street.things(0.0):
            if thing.number in then:
                gone = math.dist((thing.x_m, thing.z_m), (then[thing.number].x_m, then[thing.number].z_m))
                speeds.setdefault(type(thing).__name__, []).append(gone)
    assert max(speeds["camera"]) > 2
    assert max(speeds["Vehicle"]) > 3 and min(speeds["Vehicle"]) == 0
    assert 0.7 < max(speeds["Person"]) < 2
    assert max(speeds["Fixture"]) == max(speeds["Cycle"]) == 0


@pytest.mark.parametrize("seed", range(0, 24, 3))
def test_nothing_jumps(seed):
    """No thing is faster than a car in a town, and none changes its speed faster than brakes or a bend allow."""
    street = render_sequence(seed, 40, (32, 64), rate=20.0, pavement=seed % 2 == 1)
    places: dict[int, dict[int, tuple[float, float]]] = {}
    for i, seconds in enumerate(seconds_of(street)):
        for thing in street.things(seconds):
            places.setdefault(thing.number, {})[i] = thing.x_m, thing.z_m
    step = 1 / street.rate
    for path in places.values():
        for i in path:
            if i + 1 in path:
                assert math.dist(path[i], path[i + 1]) / step < 16
            if i + 1 in path and i + 2 in path:
                bend = np.array(path[i]) - 2 * np.array(path[i + 1]) + path[i + 2]
                assert np.linalg.norm(bend) / step**2 < 11


def test_masks_move_little_from_frame_to_frame():
    """At 50 frames a second, what is large overlaps its last mask."""
    overlaps = []
    for seed in (2, 3, 9):
        before = None
        for scene in render_sequence(seed, 12, SIZE, rate=50.0):
            ids, pixels, _ = segments(scene.instance_ids_HW)
            for id_ in ids[(ids >= 1000) & (pixels > 150)]:
                if before is not None and (before == id_).sum() > 150:
                    a, b = before == id_, scene.instance_ids_HW == id_
                    overlaps.append((a & b).sum() / (a | b).sum())
            before = scene.instance_ids_HW
    assert len(overlaps) > 100 and min(overlaps) > 0.4 and np.median(overlaps) > 0.9


def test_things_grow_as_their_distance_says(scenes):
    """The height of a mask times its distance stays the same, where nothing covers it and its side does not turn."""
    growths = []
    for frames in scenes:
        first: dict[int, tuple[float, float]] = {}
        for scene in frames:
            ids, _, boxes = segments(scene.instance_ids_HW)
            for id_, (x0, y0, x1, y1) in zip(ids.tolist(), boxes.tolist(), strict=True):
                inside = x0 > 2 and x1 < SIZE[1] - 2 and y1 < SIZE[0] - 16
                if id_ < 1000 or not inside or y1 - y0 < 14:
                    continue
                distance = scene.distances()[id_]
                height, far = first.setdefault(id_, (y1 - y0, distance))
                if far / distance > 1.25:
                    growths.append((y1 - y0) * distance / (height * far))
    assert len(growths) > 20
    assert 0.9 < np.median(growths) < 1.1


def corners_inside(a: Vehicle, b: Vehicle) -> bool:
    """An oracle apart from `collide`: whether a point of a grid on one body lies in the other."""
    (length_a, width_a), (length_b, width_b) = a.body_m, b.body_m
    along, aside = (axis.ravel() for axis in np.meshgrid(np.linspace(-0.5, 0.5, 13), np.linspace(-0.5, 0.5, 7)))
    yaw_a, yaw_b = (getattr(one, "yaw", one.heading or 0.0) for one in (a, b))
    x = a.x_m + along * length_a * math.sin(yaw_a) + aside * width_a * math.cos(yaw_a) - b.x_m
    z = a.z_m + along * length_a * math.cos(yaw_a) - aside * width_a * math.sin(yaw_a) - b.z_m
    own_along = x * math.sin(yaw_b) + z * math.cos(yaw_b)
    own_aside = x * math.cos(yaw_b) - z * math.sin(yaw_b)
    return bool(((abs(own_along) < length_b / 2) & (abs(own_aside) < width_b / 2)).any())


@pytest.mark.parametrize("seed", [1, 2, 3, 9, 12, 17])
def test_nothing_runs_into_a_vehicle_or_the_camera(seed):
    street = render_sequence(seed, 50, (32, 64))
    at_begin = {thing.number: (thing.x_m, thing.z_m) for thing in street.things(0.0)}
    for seconds in seconds_of(street)[::4]:
        camera = street.camera(seconds)
        car = Vehicle(0.0, camera.z_m - 0.3, kind="car")
        bodies = [thing for thing in street.things(seconds) if not isinstance(thing, Fixture) and thing.is_instance]
        for i, a in enumerate(bodies):
            assert not corners_inside(a, car)
            for b in bodies[:i]:
                moved = any(at_begin.get(one.number) != (one.x_m, one.z_m) for one in (a, b))
                if moved and isinstance(b, Vehicle):
                    assert not corners_inside(a, b), (a, b, seconds)


def test_a_bend_has_its_length_and_ends_in_its_direction():
    course = Course(1.0, 2.0, 0.3, Pace(2.0), before_m=3.0, bend=-1.2, radius_m=4.0)
    times = np.linspace(0, 8, 4001)
    path = np.array([course.at(float(time)) for time in times])
    lengths = np.hypot(*np.diff(path[:, :2], axis=0).T)
    assert np.allclose(lengths, 2.0 * (times[1] - times[0]), rtol=1e-4)
    assert path[-1, 2] == pytest.approx(-0.9)
    heading = np.arctan2(*np.diff(path[:, :2], axis=0).T)
    assert np.allclose(heading, (path[1:, 2] + path[:-1, 2]) / 2, atol=1e-3)


@pytest.mark.parametrize("wrong", [{"seed": -1}, {"frames": 0}, {"rate": 0.0}, {"size": (8, 100)}])
def test_numbers_out_of_range_are_said(wrong):
    with pytest.raises(PartwiseError):
        render_sequence(**{"seed": 0, "frames": 2, "size": (32, 64)} | wrong)
