"""Probes against brute force, and on networks whose answer is known: the oracle one, and one with constant maps."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from partwise.data.streets import Streets
from partwise.methods import PartsConfig, build_method
from partwise_report.instance_fcn import InstanceFcnConfig
from partwise_report.ordering import OrderingConfig
from partwise_report.study.look import View
from partwise_report.study.probes import (
    Probes,
    Shape,
    constant_maps_iou,
    map_likeness,
    mask_iou,
    order_marks,
    part_counts,
    shape_of,
    share_above,
)
from partwise_report.study.windows import ObjectWindow, object_windows, objects_of

METHODS = {
    "parts": PartsConfig(channels=8),
    "instance_fcn": InstanceFcnConfig(channels=8, branch_channels=8, windows="report"),
}


@pytest.fixture(scope="module")
def scene():
    scenes = Streets(6, (256, 512), seed=5)
    return max(scenes, key=lambda one: len(objects_of(one)))


@pytest.mark.parametrize("name", METHODS)
def test_the_oracle_network_masks_every_car_and_knows_its_windows(name, scene):
    method = build_method(METHODS[name])
    probes = Probes()
    probes.add(method, method.oracle([method.targets(scene)]), scene)
    figures = probes.figures()
    assert len(objects_of(scene)) >= 3
    # The report's windows overlap so much at stride 8 that no maps serve all of them: its oracle is far from 1.
    assert figures["mask_iou"]["mean"] > {"parts": 0.7, "instance_fcn": 0.4}[name]
    assert figures["mask_iou"]["mean"] > figures["constant_maps_iou"] + 0.03
    assert figures["objectness_auc"]["mean"] > 0.95
    assert figures["map_likeness"]["mean"] < 0.9


@pytest.mark.parametrize("name", METHODS)
def test_a_network_that_says_the_same_everywhere_is_at_chance(name, scene):
    method = build_method(METHODS[name])
    outputs = method.oracle([method.targets(scene)])
    outputs |= {key: [torch.ones_like(grid) for grid in outputs[key]] for key in ("objectness", "parts")}
    probes = Probes()
    probes.add(method, outputs, scene)
    figures = probes.figures()
    assert figures["objectness_auc"]["mean"] == 0.5 or name == "instance_fcn"  # whose windows at the border are cut
    assert figures["map_likeness"]["mean"] == 1.0
    assert figures["mask_iou"]["mean"] <= figures["constant_maps_iou"] + 0.02


def test_the_windows_of_a_mask_lie_where_the_car_lies(scene):
    method, objects = build_method(METHODS["parts"]), objects_of(scene)
    outputs = method.oracle([method.targets(scene)])
    for window in object_windows(method, outputs, objects):
        truth = objects.full_mask(window.n)
        assert window.window_of(truth).sum() >= 0.7 * truth.sum()


def test_ranks_are_right_where_the_network_is_oracle(scene):
    method = build_method(OrderingConfig(channels=8))
    probes = Probes()
    for shown in (scene, View([scene], (192, 384))[0]):
        probes.add(method, method.oracle([method.targets(shown)]), shown)
    figures = probes.figures()
    assert figures["order"]["mean"] == 1.0
    assert figures["constant_order"] < 1.0 and figures["column_order"] < 1.0


def test_share_above_counts_pairs():
    values, others = torch.tensor([3.0, 1.0, 2.0]), torch.tensor([0.0, 1.0, 2.5, 2.0])
    pairs = [(float(v > o) + 0.5 * float(v == o)) for v in values for o in others]
    assert np.mean([share_above(float(v), others) for v in values]) == pytest.approx(np.mean(pairs))
    assert np.isnan(share_above(1.0, others[:0]))


def test_map_likeness_is_the_mean_correlation():
    maps = torch.randn(4, 5, 6, generator=torch.Generator().manual_seed(0))
    correlation = np.corrcoef(maps.flatten(1).numpy())
    assert map_likeness(maps) == pytest.approx(correlation[np.triu_indices(4, 1)].mean(), abs=1e-5)
    assert map_likeness(torch.zeros(3, 4, 4)) == 1.0


def test_constant_maps_are_the_parts_that_are_mostly_full():
    truth = np.zeros((6, 6), bool)
    truth[2:4, 2:4] = True  # the centre part alone, whole
    whole, half = (Shape(*part_counts(truth, 3), area, 0) for area in (4, 8))  # of one half lies outside
    assert constant_maps_iou({0: [whole]}) == pytest.approx(1)
    assert constant_maps_iou({0: [half]}) == pytest.approx(0.5)


def test_constant_maps_are_cut_at_the_image_as_masks_are():
    """A window half of which lies outside the image, and an object that fills the other half."""
    axes = (np.array([2.0]), np.array([4.0]))
    window = ObjectWindow(
        0, 0, (-2, 0), torch.ones(2, 2), 2, 0.0, (0.0, 2.0), torch.zeros(1, 1), axes, torch.ones(1, 1, dtype=bool)
    )
    truth = np.zeros((4, 4), bool)
    truth[:2] = True
    assert mask_iou(window.mask(truth.shape), truth) == 1
    assert constant_maps_iou({0: [shape_of(window, truth, 2, 0)]}) == 1
    below = shape_of(replace(window, corner=(0, 0)), truth, 1, 0)
    assert constant_maps_iou({0: [below]}) == pytest.approx(0.5)  # one part: the whole window


def test_every_frame_counts_alike_in_the_mark_of_constant_maps_as_in_the_figure(scene):
    """Ten windows of a frame weigh as much as the one of another; against a network that has these very maps."""
    centre = np.zeros((6, 6), bool)
    centre[2:4, 2:4] = True
    one, others = (Shape(*part_counts(centre, 3), area, frame) for area, frame in ((4, 0), (8, 1)))
    assert constant_maps_iou({0: [one, *[others] * 10]}) == pytest.approx((1 + 0.5) / 2)
    assert constant_maps_iou({0: [one], 1: [others] * 10}) == pytest.approx((1 + 0.5) / 2)
    method, probes = build_method(PartsConfig(channels=8, windows=((8, 21),), assembling="nearest")), Probes()
    for shown in (scene, View([scene], (128, 256))[0]):
        outputs = method.oracle([method.targets(shown)])
        maps = torch.full_like(outputs["parts"][0], -9.0)
        maps[:, 4] = 9.0
        probes.add(method, outputs | {"parts": [maps]}, shown)
    figures = probes.figures()
    assert figures["mask_iou"]["mean"] == pytest.approx(figures["constant_maps_iou"], abs=0.03)


def test_a_strip_has_the_most_frequent_rank_of_the_other_frames_there_and_the_usual_one_where_they_show_none():
    left, right = np.full(3, 0.1), np.full(3, 0.9)
    ones, twos = np.ones(3, int), np.full(3, 2)
    frames = [(np.append(ones, twos), np.append(left, right))] * 3
    assert order_marks(frames) == pytest.approx((0.5, 1.0))
    assert order_marks([(ones, left), (ones, right)]) == pytest.approx((1, 1))
    assert all(math.isnan(mark) for mark in order_marks(frames[:1]))


def test_the_marks_of_the_order_are_what_the_best_blind_answers_of_other_frames_reach():
    """Against trying every answer: a frame of few pixels counts as much as one of many."""
    rng = np.random.default_rng(0)
    frames = [(rng.integers(1, 4, count), rng.random(count)) for count in (2, 7, 40)]
    right = lambda answer, shown: np.mean([(ranks == answer(columns)).mean() for ranks, columns in shown])
    constants = [lambda columns, rank=rank: np.full(len(columns), rank) for rank in (1, 2, 3)]
    placed = [
        lambda columns, pair=pair: np.where(columns < 0.5, *pair) for pair in itertools.product((1, 2, 3), repeat=2)
    ]
    wanted = []
    for answers in (constants, placed):
        best = [max(answers, key=lambda one, n=n: right(one, frames[:n] + frames[n + 1 :])) for n in range(3)]
        wanted.append(np.mean([right(best[n], frames[n : n + 1]) for n in range(3)]))
    assert order_marks(frames, strips=2) == pytest.approx(wanted)
    assert all(math.isnan(mark) for mark in order_marks([(ranks[:0], columns[:0]) for ranks, columns in frames]))


def test_places_that_tell_nothing_are_worth_no_more_than_one_rank():
    """Chosen on the frames themselves, the ranks of 16 strips would fit any few frames."""
    rng = np.random.default_rng(1)
    frames = [(np.repeat(rng.integers(1, 9, 5), 20), np.repeat(rng.random(5), 20)) for _ in range(12)]
    constant, placed = order_marks(frames)
    assert placed < constant + 0.1


def test_a_view_is_the_middle_of_a_scene(scene):
    view = View([scene], (64, 128))[0]
    assert view.size == (64, 128)
    assert np.array_equal(view.image_HW3, scene.image_HW3[96:160, 192:320])
    assert View([scene], (1000, 0))[0].size == scene.size
