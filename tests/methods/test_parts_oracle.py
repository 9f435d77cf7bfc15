"""The part maps of a perfect network: least squares against a solver for each cell, and objects that touch."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from partwise.methods.parts.oracle import STIFFNESS, OracleParts, corrected
from partwise.methods.parts.targets import AssignConfig, assign_windows
from partwise.methods.parts.windows import Window, assemble, part_weights
from partwise.scene import Scene


def two_people() -> Scene:
    """Two objects side by side, nearer than a third of their window: both use the same part at some cells."""
    ids = np.full((64, 128), 7, np.int32)
    ids[12:48, 44:56], ids[12:48, 56:68] = 24000, 24001
    semantic = np.where(ids >= 1000, 24, ids).astype(np.uint8)
    return Scene("made", np.zeros((64, 128, 3), np.uint8), semantic, ids)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_mending_equals_least_squares_at_every_cell(seed):
    rng = np.random.default_rng(seed)
    parts = torch.from_numpy(rng.normal(size=(4, 2, 3)) * 5).float()
    place = torch.from_numpy(rng.integers(0, 6, 9))
    weights = torch.from_numpy(rng.dirichlet(np.ones(4), 9)).float()
    wanted = torch.from_numpy(rng.choice([-9.0, 9.0], 9)).float()
    moved = corrected(parts, place, weights, wanted)
    for cell in range(6):
        before = parts.flatten(1)[:, cell].double().numpy()
        here = place == cell
        a = np.concatenate([weights[here].double().numpy(), np.sqrt(STIFFNESS) * np.eye(4)])
        b = np.concatenate([wanted[here].double().numpy() - a[:-4] @ before, np.zeros(4)])
        if not here.any() or np.abs(b[:-4]).max() < 0.1:
            expected = before
        else:
            expected = before + np.linalg.lstsq(a, b, rcond=None)[0]
        assert moved.flatten(1)[:, cell].numpy() == pytest.approx(expected, abs=1e-2)


def test_where_one_window_alone_wants_a_map_it_says_the_logit_of_the_coverage():
    parts = torch.full((4, 3, 3), -10.0)
    assert corrected(parts, torch.tensor([4]), torch.tensor([[1.0, 0.0, 0.0, 0.0]]), torch.tensor([-10.0])) is parts


@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
def test_bilinear_parts_serve_two_objects_that_touch_and_nearest_ones_spoil_one(mode):
    windows = (Window(4, 8), Window(4, 16))
    weights = [part_weights(3, window.cells, mode) for window in windows]
    target = assign_windows(two_people(), windows, AssignConfig())
    maps = OracleParts(windows, weights).maps(target)
    nearest = target["nearest_1"]
    assembled, inside = assemble(maps["parts"][1], target["centres_1"][nearest], weights[1])
    wanted = target["coverage_1"][nearest].float()
    sure = inside & ((wanted < 0.01) | (wanted > 0.99))
    wrong = int(((assembled > 0) != (wanted > 0.5))[sure].sum())
    assert (wrong == 0) == (mode == "bilinear")


def test_objectness_is_positive_at_the_nearest_window_of_each_object_alone():
    windows = (Window(4, 8), Window(4, 16))
    target = assign_windows(two_people(), windows, AssignConfig())
    maps = OracleParts(windows, [part_weights(3, window.cells, "bilinear") for window in windows]).maps(target)
    assert [int((grid > 0).sum()) for grid in maps["objectness"]] == [0, 2]


def test_the_other_positive_windows_show_their_object_too():
    ids = np.full((64, 128), 7, np.int32)
    ids[20:40, 30:60] = 26000
    scene = Scene("one", np.zeros((64, 128, 3), np.uint8), np.where(ids >= 1000, 26, ids).astype(np.uint8), ids)
    windows = (Window(4, 16),)
    weights = [part_weights(3, 16, "bilinear")]
    target = assign_windows(scene, windows, AssignConfig())
    maps = OracleParts(windows, weights).maps(target)
    assert len(target["centres_0"]) > 1
    assembled, inside = assemble(maps["parts"][0], target["centres_0"], weights[0])
    wanted = target["coverage_0"].float()
    sure = inside & ((wanted < 0.01) | (wanted > 0.99))
    assert torch.equal((assembled > 0)[sure], (wanted > 0.5)[sure])
