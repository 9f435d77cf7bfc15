"""The order by depth: the nearest instance first."""

import numpy as np
import pytest

from partwise.data.depth import distances_of
from partwise.data.streets import Streets
from partwise.doctor import Severity
from partwise.errors import PartwiseError
from partwise.scene import Scene
from partwise_report.doctor import merged_ranks, order_direction
from partwise_report.features.frames import Area
from partwise_report.ordering import Ordering, OrderingConfig
from partwise_report.ordering.targets import OVERFLOW, by_depth, count_assignments, of_class
from partwise_report.study.guesses.frames import Enlarged


@pytest.fixture(scope="module")
def method() -> Ordering:
    return Ordering(OrderingConfig(order="depth", source="full", channels=8))


@pytest.fixture(scope="module")
def scene() -> Scene:
    return max(Streets(6, (128, 256), seed=3), key=lambda one: len(of_class(one, 26)))


def test_ranks_rise_with_the_distance(method, scene):
    distances, ranks = distances_of(scene), method.targets(scene)["ranks"].numpy()
    cars = [id_ for id_ in np.unique(scene.instance_ids_HW).tolist() if id_ // 1000 == 26]
    assert len(cars) >= 3
    by_rank = sorted(cars, key=lambda id_: int(ranks[scene.instance_ids_HW == id_][0]))
    assert [distances[id_] for id_ in by_rank] == sorted(distances[id_] for id_ in cars)
    assert set(np.unique(ranks)) - {255} == set(range(len(cars) + 1))
    assert not np.array_equal(ranks, Ordering(OrderingConfig(channels=8)).targets(scene)["ranks"].numpy())


def test_unknown_distances_come_last_and_ties_are_counted(scene):
    cars = of_class(scene, 26)[[0, 1, 2]]
    assert by_depth(cars, 30, distances_N=[np.inf, 9.0, 3.0]).maps_N.tolist() == [3, 2, 1]
    tied = by_depth(cars, 2, distances_N=[5.0, 1.0, 5.0])
    assert (tied.ties, tied.overflow) == (2, 1) and sorted(tied.maps_N.tolist()) == [OVERFLOW, 1, 2]
    assert tied.maps_N[1] == 1


def test_the_oracle_gives_every_car_back(method, scene):
    found = method.decode(method.oracle([method.targets(scene)]), scene.size)[0].instances
    assert len(found) == len(of_class(scene, 26))
    assert count_assignments([scene])["instances"] == len(found)


def test_parts_and_enlarged_frames_of_a_study_keep_the_distances(method, scene):
    height, width = scene.size
    for shown in (Area(0, 0, height, width // 2).cut(scene), Enlarged([scene], 2)[0]):
        assert len(np.unique(method.targets(shown)["ranks"])) > 1, shown.size


def test_without_depth_one_line_says_so(method, scene):
    bare = Scene("bare", scene.image_HW3, scene.semantic_HW, scene.instance_ids_HW)
    with pytest.raises(PartwiseError, match="bare: the distances of its instances are not known"):
        method.targets(bare)
    with pytest.raises(PartwiseError, match="order=depth sorts by distance alone"):
        Ordering(OrderingConfig(order="depth", vertical_first=True, channels=8))


class Subject:
    """As much of the doctor's subject as its checks of orders need."""

    def __init__(self, method):
        self.method, self.samples, self.targets = method, [], []


def test_the_doctor_does_not_ask_an_order_by_depth_for_a_direction(method):
    assert order_direction(Subject(method)) == []
    assert merged_ranks(Subject(method))[0].severity == Severity.OK
