"""Precision and recall of what is shown: by hand, and against a plain count over random scenes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.scenes import painted, predicted, random_instances, random_scenes, scene_of
from partwise.evaluation.shown import ShownScores
from partwise.selection import SHOWN_SCORE
from streeteval.evaluator import CityscapesEvaluator
from streeteval.labels import CITYSCAPES
from streeteval.metrics.average_precision import class_table
from streeteval.metrics.instance import InstanceScores
from streeteval.metrics.metric import Predicted

CARS = painted((26000, 0, 0, 20, 20), (26001, 30, 0, 50, 20), (26, 0, 25, 20, 39), (0, 40, 25, 56, 39))


def shares(*found) -> tuple[float, float]:
    """Precision and recall of predictions on two cars, a group and void."""
    evaluator = CityscapesEvaluator(metrics=[ShownScores(CITYSCAPES)])
    evaluator.update(scene_of(CARS), predicted(*found))
    scores = evaluator.compute()["shown"]
    return scores["precision"], scores["recall"]


@pytest.mark.parametrize(
    ("found", "precision", "recall"),
    [
        ([(26, 0.9, 0, 0, 20, 20)], 1.0, 0.5),
        ([(26, 0.9, 0, 0, 20, 20), (26, 0.8, 30, 0, 50, 20)], 1.0, 1.0),
        ([(26, 0.9, 0, 0, 20, 20), (26, SHOWN_SCORE / 2, 30, 0, 50, 20)], 1.0, 0.5),  # is not shown
        ([(26, 0.9, 0, 0, 20, 20), (26, 0.8, 0, 0, 20, 15)], 0.5, 0.5),  # a second one on the same car
        ([(24, 0.9, 0, 0, 20, 20)], 0.0, 0.0),  # a car that is taken for a person
        ([(26, 0.9, 0, 0, 20, 20), (28, 0.8, 0, 0, 20, 20)], 1.0, 0.5),  # not distinct
        ([(26, 0.9, 0, 0, 20, 20), (26, 0.8, 2, 26, 18, 38)], 1.0, 0.5),  # in a group of cars
        ([(26, 0.9, 0, 0, 20, 20), (24, 0.8, 42, 26, 54, 38)], 1.0, 0.5),  # on void
        ([(26, 0.9, 0, 0, 20, 20), (24, 0.8, 22, 26, 30, 38)], 0.5, 0.5),  # on nothing
    ],
)
def test_what_is_shown_is_right_wrong_or_neither(found, precision, recall):
    assert shares(*found) == (precision, recall)


def test_without_a_shown_instance_there_is_no_precision():
    precision, recall = shares((26, 0.01, 0, 0, 20, 20))
    assert precision is None and recall == 0.0


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_right_ones_are_those_of_ap50_at_the_threshold(data):
    """AP's table of each class has the same true and false positives among the shown, distinct instances."""
    scenes = data.draw(random_scenes())
    metric, ap = ShownScores(CITYSCAPES), InstanceScores(CITYSCAPES)
    records, matches = [], []
    for scene in scenes:
        found = data.draw(random_instances(scene))
        shown = found[found.scores >= SHOWN_SCORE].distinct()
        records.append(metric.observe(scene, Predicted(found)))
        matches.append(ap.observe(scene, Predicted(shown))["all"])
    for column, label in enumerate(metric.things):
        table = class_table(matches, label.id)
        right, wrong = int(table.true_PO[:, 0].sum()), int(table.false_PO[:, 0].sum())
        counted = sum(record[column] for record in records)
        assert counted.tolist() == [right + wrong, right, int(table.truths.sum())]
    back = [metric.record_from_json(metric.record_to_json(record)) for record in records]
    assert all(np.array_equal(a, b) for a, b in zip(records, back, strict=True))


def test_an_image_that_is_drawn_twice_counts_twice():
    metric = ShownScores(CITYSCAPES)
    scene = scene_of(CARS)
    good = metric.observe(scene, Predicted(predicted((26, 0.9, 0, 0, 20, 20), (26, 0.9, 30, 0, 50, 20))))
    bad = metric.observe(scene, Predicted(predicted((26, 0.9, 22, 26, 30, 38))))
    drawn = metric.summarise([good, bad], np.array([[2, 1], [0, 3]]))
    assert drawn["precision"].tolist() == [4 / 5, 0.0] and drawn["recall"].tolist() == [4 / 6, 0.0]
