"""The words and the picture of one decision."""

import re

import numpy as np
import pytest
from pictures import pixels_of

from partwise.data.streets import Streets
from partwise.methods import PartMaps, PartsConfig
from partwise.methods.parts.explainer import explain
from partwise.report.inspect import MASK, PIXEL, WINDOW, draw_explanation, explanation_text

SIZE = (128, 256)


@pytest.fixture(scope="module")
def case():
    method = PartMaps(PartsConfig(channels=8)).eval()
    scene = Streets(1, SIZE, seed=4)[0]
    return method, scene, method.oracle([method.targets(scene)])


@pytest.fixture(scope="module")
def inside(case):
    method, _, outputs = case
    found = method.decode(outputs, SIZE)[0].instances
    y, x = (int(axis[0]) for axis in np.nonzero(found.full_mask(0)))
    return explain(method, outputs, SIZE, (x, y))


@pytest.fixture(scope="module")
def nowhere(case):
    method, scene, outputs = case
    y, x = (int(axis[0]) for axis in np.nonzero(scene.instance_ids_HW < 1000))
    return explain(method, outputs, SIZE, (x, y))


def test_the_words_are_the_product_that_the_score_is(case, inside):
    said = explanation_text(inside, case[0].config.decode)
    factors = re.search(
        r"score as \w+: ([\d.]+) x mask quality ([\d.]+)\^4 x share of its votes ([\d.]+) = ([\d.]+)", said
    )
    objectness, quality, share, score = map(float, factors.groups())
    assert objectness * quality**4 * share == pytest.approx(score, abs=0.005)
    assert score == pytest.approx(float(inside.prediction.instances.scores[0]), abs=5e-4)
    assert sum(int(count) for count in re.findall(r"^ +(\d+)  ", said, re.M)) == sum(inside.counts.values())


def test_too_unsure_for_people_is_said(case, inside):
    config = case[0].config.decode
    assert "predict leaves it out, as its score is below 1" in explanation_text(inside, config, 1.0)
    assert "predict leaves it out" not in explanation_text(inside, config, 0.15)


def test_where_nothing_is_the_best_window_and_its_fault_are_told(case, nowhere):
    said = explanation_text(nowhere, case[0].config.decode)
    (x, y), (height, width) = nowhere.point, nowhere.prediction.instances.size
    assert said.startswith(f"pixel {x},{y} of {width}x{height}: no instance")
    assert "the window that got furthest" in said and "objectness not above decode.min_objectness" in said


def test_the_picture_shows_window_pixel_and_mask_and_no_mask_where_there_is_none(case, inside, nowhere):
    black = np.zeros((*SIZE, 3), np.uint8)
    shown, empty = (draw_explanation(black, told, case[0].config.k) for told in (inside, nowhere))
    assert shown.dtype == empty.dtype == np.uint8
    left = shown.shape[1] // 4  # the image around the window
    assert all(pixels_of(picture[:, :left], colour) > 20 for picture in (shown, empty) for colour in (WINDOW, PIXEL))
    assert pixels_of(shown[:, :left], MASK) > 50 and pixels_of(empty[:, :left], MASK) == 0
