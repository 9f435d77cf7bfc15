"""The figures of a network on stored maps: of the order, those that see no image, and what no pixel of a car sees."""

import numpy as np
import pytest

from partwise.methods import build_method
from partwise.scene import Scene
from partwise_report.ordering import OrderingConfig, OrdersConfig
from partwise_report.ordering.measures import fit_place_ranks
from partwise_report.study.guesses import measure as measuring
from partwise_report.study.guesses.marks import fit_prior
from partwise_report.study.guesses.measure import Yardsticks, measure
from partwise_report.study.guesses.order_table import COLUMNS, order_tables
from report_2017.study.guesses.made_trials import made_trial

SIZE = (64, 512)
SMALL = {"channels": 8, "max_instances": 4}


def street(name, *lefts):
    """A frame with cars of 16 x 16 px at these columns."""
    semantic, ids = np.full(SIZE, 7, np.uint8), np.full(SIZE, 7, np.int32)
    for number, x in enumerate(lefts):
        semantic[20:36, x : x + 16], ids[20:36, x : x + 16] = 26, 26000 + number
    return Scene(name, np.zeros((*SIZE, 3), np.uint8), semantic, ids)


class Frames(list):
    """Frames without stored maps."""

    def scene(self, number):
        return self[number]


@pytest.fixture
def shown(monkeypatch):
    """Networks say what their targets ask for."""
    monkeypatch.setattr(measuring, "show", lambda method, frames, number: frames[number])


def oracle(config):
    method = build_method(config)
    method.forward = lambda scene: method.oracle([method.targets(scene)])
    return method


def test_a_rank_that_depends_on_a_car_out_of_sight_is_counted(shown):
    """Two cars 400 px apart, seen by 100 px: the rank of the right one depends on the left one, which it cannot see."""
    frames = Frames([street("far", 0, 400), street("near", 0, 40)])
    method = oracle(OrderingConfig(**SMALL))
    ranks = [method.targets(frame)["ranks"].numpy() for frame in frames]
    yardsticks = Yardsticks(fit_prior(frames), (fit_place_ranks(ranks), fit_place_ranks(ranks, ((1, 1),))), 100)
    figures = measure(method, frames, yardsticks, drawn=False)
    assert figures["order_unseen"]["by_frame"].tolist() == [0.5, 0.0]
    assert figures["order"]["mean"] == 1
    assert figures["order_constant"]["mean"] == pytest.approx(0.5)
    assert figures["car_ap"]["mean"] == pytest.approx(1)


def test_a_map_of_places_has_no_rank(shown):
    frames = Frames([street("one", 0, 400)])
    method = oracle(OrdersConfig(assignment="location", grid=(2, 4), channels=8))
    figures = measure(method, frames, Yardsticks(fit_prior(frames)), drawn=False)
    assert "order" not in figures and figures["car_ap"]["mean"] == pytest.approx(1)


def test_the_table_of_the_order_has_what_is_known_without_learning():
    record = made_trial("order_full", 0, [0.3, 0.5], figure="order", mark=0.2)
    (table,) = order_tables({"order_full": [record], "heads": [made_trial("heads", 0, [0.5])]})
    assert table.columns[1:] == tuple(COLUMNS.values())
    assert [row[:4] for row in table.rows] == [["order_full", "0.400", "0.200", "0.200"]]
    assert order_tables({}) == []
