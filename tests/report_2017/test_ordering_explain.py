"""One decision of an ordering: what is told holds for the pixel, and the true order is that of the truth."""

import json

import numpy as np
import pytest
import torch

from partwise.data.streets import Streets
from partwise.errors import PartwiseError
from partwise.methods import Explainable, build_method
from partwise.methods.asked import middle_of_highest_score
from partwise.report.explained import ShowsItself, shown_explanation
from partwise_report.ordering import Ordering, OrderingConfig, OrdersConfig
from partwise_report.ordering.targets import of_class

SIZE = (128, 256)


@pytest.fixture(scope="module")
def scene():
    return max(Streets(6, SIZE, seed=3), key=lambda one: len(of_class(one, 26)))


@pytest.fixture(scope="module")
def method() -> Ordering:
    return Ordering(OrderingConfig(channels=8)).eval()


def test_every_car_of_a_perfect_network_is_told_its_true_rank(method, scene):
    outputs = method.oracle([method.targets(scene)])
    cars = of_class(scene, 26)
    ranks = method.assignment(scene).maps_N.tolist()
    assert len(cars) >= 3 and isinstance(method, Explainable)
    for n, rank in enumerate(ranks):
        told = method.explain(outputs, SIZE, middle_of_highest_score(cars[[n]]), scene)
        assert told.rank == told.true_rank == rank and told.instance >= 0
        assert next(iter(told.maps)) == rank and told.maps[rank] > 0.9
        own = [one for one in told.order if one.holds_pixel]
        assert [one.rank for one in own] == [rank] and len(told.order) == len(cars)
        text = told.to_text(0.0)
        assert f"truth: rank {rank} of {len(cars)}; {rank - 1} come before it" in text


def test_probabilities_are_those_of_the_outputs(method):
    logits = torch.randn(1, 31, *SIZE, generator=torch.Generator().manual_seed(1))
    told = method.explain({"ranks": logits}, SIZE, (40, 30))
    probability = torch.softmax(logits[0], dim=0)
    assert told.rank == int(logits[0, :, 30, 40].argmax())
    assert all(value == pytest.approx(probability[rank, 30, 40].item()) for rank, value in told.maps.items())
    np.testing.assert_allclose(told.own_map_HW, probability[told.rank].numpy(), rtol=1e-5)
    assert told.order is None and told.true_rank is None


def test_background_is_told_as_such(method, scene):
    y, x = np.argwhere(scene.semantic_HW != 26)[0].tolist()
    told = method.explain(method.oracle([method.targets(scene)]), SIZE, (x, y), scene)
    assert (told.rank, told.true_rank, told.instance) == (0, 0, -1)
    assert "no instance" in told.to_text(0.0) and "background" in told.to_text(0.0)


def test_an_instance_beyond_the_last_rank_has_none(scene):
    method = Ordering(OrderingConfig(channels=8, max_instances=2)).eval()
    cars = of_class(scene, 26)
    last = int(np.flatnonzero(method.assignment(scene).maps_N < 0)[0])
    told = method.explain({"ranks": torch.zeros(1, 3, *SIZE)}, SIZE, middle_of_highest_score(cars[[last]]), scene)
    assert told.true_rank is None and "beyond the last rank" in told.to_text(0.0)


@pytest.mark.parametrize("assignment", ["rank", "location", "hungarian", "colouring"])
def test_every_ordering_is_shown_in_words_as_a_picture_and_in_json(assignment, scene):
    method = build_method(OrdersConfig(assignment, channels=8)).eval()
    told = method.explain(method.oracle([method.targets(scene)]), SIZE, None, scene)
    assert isinstance(told, ShowsItself)
    words, picture = shown_explanation(told, scene.image_HW3, method, 0.0)
    assert f"{method.noun} {told.rank}" in words and picture.ndim == 3
    assert (told.order is None) == (assignment in ("hungarian", "colouring"))
    assert json.loads(json.dumps(told.to_json()))["rank"] == told.rank


def test_a_pixel_outside_and_a_scene_of_another_size_are_named(method, scene):
    outputs = method.oracle([method.targets(scene)])
    with pytest.raises(PartwiseError, match="300,0: the image is 256x128"):
        method.explain(outputs, SIZE, (300, 0))
    with pytest.raises(PartwiseError, match="give one size"):
        method.explain(outputs, (64, 64), (3, 3), scene)
