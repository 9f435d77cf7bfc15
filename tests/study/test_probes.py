"""Probes against brute force, and on networks whose answer is known: the ideal one, and one with constant maps."""

import itertools
import math

import numpy as np
import pytest
import torch

from partwise.data.streets import Streets
from partwise.methods import InstanceFcnConfig, OrderingConfig, PartsConfig, build_method
from partwise.study.look import View
from partwise.study.probes import Probes, constant_maps_iou, map_likeness, order_marks, part_counts, share_above
from partwise.study.windows import object_windows, objects_of

METHODS = {
    "parts": PartsConfig(channels=8),
    "instance_fcn": InstanceFcnConfig(channels=8, branch_channels=8, windows="report"),
}


@pytest.fixture(scope="module")
def scene():
    scenes = Streets(6, (256, 512), seed=5)
    return max(scenes, key=lambda one: len(objects_of(one)))


@pytest.mark.parametrize("name", METHODS)
def test_the_ideal_network_masks_every_car_and_knows_its_windows(name, scene):
    method = build_method(METHODS[name])
    probes = Probes()
    probes.add(method, method.ideal([method.targets(scene)]), scene)
    figures = probes.figures()
    assert len(objects_of(scene)) >= 3
    # The report's windows overlap so much at stride 8 that no maps serve all of them: its ideal is far from 1.
    assert figures["mask_iou"]["mean"] > {"parts": 0.7, "instance_fcn": 0.4}[name]
    assert figures["mask_iou"]["mean"] > figures["constant_maps_iou"] + 0.03
    assert figures["objectness_auc"]["mean"] > 0.95
    assert figures["map_likeness"]["mean"] < 0.9


@pytest.mark.parametrize("name", METHODS)
def test_a_network_that_says_the_same_everywhere_is_at_chance(name, scene):
    method = build_method(METHODS[name])
    outputs = method.ideal([method.targets(scene)])
    outputs |= {key: [torch.ones_like(grid) for grid in outputs[key]] for key in ("objectness", "parts")}
    probes = Probes()
    probes.add(method, outputs, scene)
    figures = probes.figures()
    assert figures["objectness_auc"]["mean"] == 0.5 or name == "instance_fcn"  # whose windows at the border are cut
    assert figures["map_likeness"]["mean"] == 1.0
    assert figures["mask_iou"]["mean"] <= figures["constant_maps_iou"] + 0.02


def test_the_windows_of_a_mask_lie_where_the_car_lies(scene):
    method, objects = build_method(METHODS["parts"]), objects_of(scene)
    outputs = method.ideal([method.targets(scene)])
    for window in object_windows(method, outputs, objects):
        truth = objects.full_mask(window.n)
        assert window.window_of(truth).sum() >= 0.7 * truth.sum()


def test_ranks_are_right_where_the_network_is_ideal(scene):
    method = build_method(OrderingConfig(channels=8))
    probes = Probes()
    probes.add(method, method.ideal([method.targets(scene)]), scene)
    figures = probes.figures()
    assert figures["order"]["mean"] == 1.0
    assert figures["constant_order"] <= figures["column_order"] < 1.0


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
    assert constant_maps_iou({0: [(*part_counts(truth, 3), 4)]}) == 1.0
    assert constant_maps_iou({0: [(*part_counts(truth, 3), 8)]}) == 0.5  # half of the object lies outside


def test_the_most_frequent_rank_of_each_strip_is_at_least_as_good():
    ranks, columns = np.array([1, 1, 1, 2, 2, 3]), np.array([0.1, 0.1, 0.1, 0.9, 0.9, 0.9])
    assert order_marks([(ranks, columns)]) == pytest.approx((0.5, 5 / 6))


def test_the_marks_of_the_order_are_what_the_best_blind_answers_reach_as_a_mean_over_frames():
    """Against trying every answer: a frame of few pixels counts as much as one of many."""
    rng = np.random.default_rng(0)
    frames = [(rng.integers(1, 4, count), rng.random(count)) for count in (1, 3, 40)]
    mean = lambda said: np.mean([(ranks == said(columns)).mean() for ranks, columns in frames])
    constant = max(mean(lambda columns, rank=rank: np.full(len(columns), rank)) for rank in (1, 2, 3))
    pairs = itertools.product((1, 2, 3), repeat=2)
    placed = max(mean(lambda columns, pair=pair: np.where(columns < 0.5, *pair)) for pair in pairs)
    assert order_marks(frames, strips=2) == pytest.approx((constant, placed))
    assert all(math.isnan(mark) for mark in order_marks([(ranks[:0], columns[:0]) for ranks, columns in frames]))


def test_a_view_is_the_middle_of_a_scene(scene):
    view = View([scene], (64, 128))[0]
    assert view.size == (64, 128)
    assert np.array_equal(view.image_HW3, scene.image_HW3[96:160, 192:320])
    assert View([scene], (1000, 0))[0].size == scene.size
