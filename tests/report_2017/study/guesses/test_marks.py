"""The marks on made scenes whose answer is known."""

import numpy as np
import pytest
import torch

from partwise.scene import Scene
from partwise_report.study.guesses.marks import PlacePrior, fit_prior, near_windows, window_aucs
from partwise_report.study.probes import Shape, constant_ious, constant_maps_iou
from partwise_report.study.windows import ObjectWindow, objects_of

SIZE, CAR_ID = (256, 512), 26


def street(boxes, name="made"):
    """A frame with a car in each box (y, x, height, width)."""
    semantic, ids = np.full(SIZE, 7, np.uint8), np.full(SIZE, 7, np.int32)
    for number, (y, x, height, width) in enumerate(boxes):
        semantic[y : y + height, x : x + width] = CAR_ID
        ids[y : y + height, x : x + width] = CAR_ID * 1000 + number
    return Scene(name, np.zeros((*SIZE, 3), np.uint8), semantic, ids)


def own_window(scene, n=0, scores_hw=None):
    """The window of object n in a grid of windows at every 8 px."""
    rows, columns = (np.arange(side // 8) * 8 + 4.0 for side in SIZE)
    scores_hw = torch.zeros(len(rows), len(columns)) if scores_hw is None else scores_hw
    x0, y0, x1, y1 = objects_of(scene).boxes[n]
    y, x = int((y0 + y1) / 2 // 8), int((x0 + x1) / 2 // 8)
    far = torch.ones_like(scores_hw, dtype=torch.bool)
    centre, score = (float(rows[y]), float(columns[x])), float(scores_hw[y, x])
    return ObjectWindow(n, 0, (0, 0), torch.zeros(1, 1), 8, score, centre, scores_hw, (rows, columns), far)


@pytest.fixture(scope="module")
def one_row():
    """Frames whose cars all stand in one row."""
    rng = np.random.default_rng(0)
    return [street([(120, int(x), 16, 24)]) for x in rng.integers(0, 480, 40)]


def test_a_prior_that_sees_no_image_knows_the_row_of_cars(one_row):
    prior = fit_prior(one_row)
    scene = street([(120, 200, 16, 24)])
    aucs = window_aucs(own_window(scene), objects_of(scene), prior)
    assert aucs["prior_far"] > 0.85  # although no network has looked at anything
    assert aucs["auc_far"] == aucs["auc_near"] == 0.5
    assert aucs["prior_near"] < aucs["prior_far"]


def test_a_prior_knows_nothing_where_cars_stand_anywhere():
    rng = np.random.default_rng(1)
    scenes = [street([(int(y), int(x), 16, 24)]) for y, x in rng.integers((0, 0), (236, 480), (200, 2))]
    prior = fit_prior(scenes)
    aucs = [window_aucs(own_window(scene), objects_of(scene), prior)["prior_far"] for scene in scenes[:60:2]]
    assert 0.35 < np.mean(aucs) < 0.75


def test_the_prior_is_a_density(one_row):
    prior = fit_prior(one_row)
    assert prior.density_hw.sum() == pytest.approx(1) and (prior.density_hw > 0).all()
    outside = prior.at(np.array([-100.0, 9999.0]), np.array([-100.0, 9999.0]))
    assert outside.shape == (2, 2) and (outside > 0).all()


def test_no_frame_gives_no_prior():
    with pytest.raises(ValueError, match="no frame"):
        fit_prior([])


def test_near_negatives_lie_32_to_64_px_from_the_object_and_on_no_other():
    scene = street([(120, 200, 16, 24), (120, 250, 16, 24)])
    window = own_window(scene)
    near = near_windows(window, objects_of(scene)).numpy()
    rows, columns = np.nonzero(near)
    y, x = window.axes_px[0][rows], window.axes_px[1][columns]
    for centre in ((128, 212), (128, 262)):
        assert (np.maximum(np.abs(y - centre[0]), np.abs(x - centre[1])) > 32).all()
    assert (np.maximum(np.abs(y - 128), np.abs(x - 212)) <= 64).all()
    assert len(rows) > 50


def test_only_near_windows_show_that_a_network_knows_the_row_alone(one_row):
    """A network that says the row: far windows are told apart, those beside the car in the same row are not."""
    scene = street([(120, 200, 16, 24)])
    scores = torch.zeros(32, 64)
    scores[16] = 1.0
    aucs = window_aucs(own_window(scene, scores_hw=scores), objects_of(scene), fit_prior(one_row))
    assert aucs["auc_far"] > 0.95
    assert aucs["auc_near"] < aucs["auc_far"]


def made_shape(own, frame, every=10, beside=0):
    """An object that fills so many of the 10 pixels of each part, and has some beside its window."""
    own = np.array(own)
    return Shape(own, np.full(len(own), every), int(own.sum()) + beside, frame)


def test_constant_maps_are_those_of_the_probes():
    rng = np.random.default_rng(2)
    shapes = [made_shape(rng.integers(0, 10, 4), frame, beside=int(rng.integers(0, 5))) for frame in (0, 0, 1, 2)]
    ious = constant_ious(shapes, [0, 0, 0, 0])
    frames = np.array([0, 0, 1, 2])
    assert np.mean([ious[frames == n].mean() for n in range(3)]) == pytest.approx(constant_maps_iou({0: shapes}))


def test_constant_maps_are_the_best_ones():
    """Parts that objects fill by less than a half belong to them: an IoU of 26 / 50 against 10 / 26."""
    shapes = [made_shape([10, 4, 4, 4, 4], frame) for frame in range(4)]
    assert constant_ious(shapes, [0] * 4) == pytest.approx(26 / 50)


def test_constant_maps_are_chosen_on_other_frames():
    shapes = [made_shape(own, frame) for frame, own in enumerate([[10, 0], [0, 10], [10, 0], [0, 10]])]
    assert constant_ious(shapes, [0] * 4).tolist() == [0, 0, 0, 0]
    assert constant_ious(shapes, [0, 1, 0, 1]).tolist() == [1, 1, 1, 1]  # each slot is in one half alone


def test_the_grid_of_a_prior_is_asked_at_its_cells():
    prior = PlacePrior(np.arange(6.0).reshape(2, 3), (8, 8))
    assert prior.at(np.array([4.0, 12.0]), np.array([4.0, 20.0])).tolist() == [[0, 2], [3, 5]]
