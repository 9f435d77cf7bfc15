"""What can be known of the order without learning: the place alone, and what a pixel sees."""

import numpy as np
import pytest
import torch
from torch import nn

from partwise.methods import FcnConfig, build_method
from partwise.scene import Scene
from partwise_report.ordering import Ordering, OrderingConfig
from partwise_report.ordering.measures import (
    GRIDS,
    depends_on_unseen,
    fit_place_ranks,
    receptive_field_px,
    unseen_order,
)
from partwise_report.ordering.targets import OVERFLOW, by_centre, of_class

SMALL = {"channels": 2, "dropout": 0.0}


def test_ranks_that_depend_on_the_place_alone_are_told_from_it():
    """Each eighth of the image has a rank of its own in every frame; some pixels are background or ignored."""
    rng = np.random.default_rng(0)
    columns = np.repeat(np.arange(1, 9), 8)
    frames = [np.where(rng.random((32, 64)) < 0.3, columns, 0).astype(np.uint8) for _ in range(6)]
    frames[0][:4] = 255
    found = fit_place_ranks(frames)
    assert found.order == pytest.approx(1.0) and found.grid[1] >= 8
    assert np.array_equal(found.map((16, 64)), np.tile(columns, (16, 1)))
    assert found.share_right(frames[3]) == 1.0


def test_a_grid_that_is_too_fine_is_not_taken():
    """Ranks that are drawn at random: what a fine grid knows of its frames is worth nothing on others."""
    rng = np.random.default_rng(1)
    frames = [np.where(rng.random((32, 64)) < 0.2, 3, rng.integers(1, 9, (32, 64))).astype(np.uint8) for _ in range(6)]
    found = fit_place_ranks(frames)
    finest = fit_place_ranks(frames, [GRIDS[-1]])
    assert (found.map((32, 64)) == 3).all()
    assert found.order > finest.order + 0.01


def test_the_order_that_is_reported_is_that_of_frames_left_out():
    """Against a loop: with as many folds as frames, each is predicted from all others."""
    rng = np.random.default_rng(2)
    frames = [rng.integers(0, 4, (8, 16)).astype(np.uint8) for _ in range(4)]
    alone = []
    for n, frame in enumerate(frames):
        shares = np.zeros(5)
        for other in (*frames[:n], *frames[n + 1 :]):
            shares += np.bincount(other[other > 0], minlength=5) / (other > 0).sum()
        alone.append((frame[frame > 0] == shares.argmax()).mean())
    assert fit_place_ranks(frames, [(1, 1)]).order == pytest.approx(np.mean(alone))


def test_an_empty_cell_says_what_its_surroundings_say():
    frame = np.zeros((16, 64), np.uint8)
    frame[:, :8] = 5
    found = fit_place_ranks([frame, frame], [(1, 1), (4, 32)])
    assert (found.map((16, 64)) == 5).all() and found.order == 1.0


def test_without_ranked_instances_nothing_can_be_fitted():
    with pytest.raises(ValueError, match="no frame has a ranked instance"):
        fit_place_ranks([np.zeros((4, 4), np.uint8), np.full((4, 4), 255, np.uint8)])
    frame = np.ones((4, 4), np.uint8)
    one = fit_place_ranks([frame])
    assert np.isnan(one.order) and one.share_right(frame) == 1.0
    assert np.isnan(one.share_right(np.zeros((4, 4), np.uint8)))


def measured_field(method, size_px: int) -> int:
    """By gradients, with mean filters and mean pooling: the rows of the image that the middle row can depend on."""
    for module in method.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.constant_(module.weight, 1 / module.weight[0].numel())
            nn.init.zeros_(module.bias)
    features = method.backbone.features
    for n, layer in enumerate(features):
        if isinstance(layer, nn.MaxPool2d):
            features[n] = nn.AvgPool2d(layer.kernel_size, layer.stride, layer.padding)
    image = torch.ones(1, 3, size_px, 32, requires_grad=True)
    (maps,) = method.heads(method.backbone(image)).values()
    fields = []
    for row in (size_px // 2 + at for at in (0, 5, 13)):
        (gradient,) = torch.autograd.grad(maps[0, :, row].sum(), image, retain_graph=True)
        fields.append(int((gradient[0].abs().sum(dim=(0, 2)) > 0).sum()))
    return max(fields)


@pytest.mark.parametrize(
    ("config", "size_px"),
    [
        (FcnConfig(output_stride=32, **SMALL), 608),
        (FcnConfig(output_stride=8, conv7="3x3", **SMALL), 672),
        (FcnConfig(output_stride=8, holes=True, **SMALL), 480),
        (OrderingConfig(source="slice", **SMALL), 640),
    ],
    ids=["stride 32", "conv7 of 3x3", "holes", "slice"],
)
def test_the_receptive_field_is_what_gradients_show(config, size_px):
    method = build_method(config).eval()
    expected = receptive_field_px(method)
    assert expected < size_px
    assert measured_field(method, size_px) == expected


def row_of_cars(places: list[int], width: int) -> Scene:
    ids = np.full((8, width), 7)
    for number, x in enumerate(places):
        ids[2:4, x : x + 2] = 26000 + number
    return Scene("made", np.zeros((8, width, 3), np.uint8), np.where(ids > 999, 26, 7).astype(np.uint8), ids)


def test_a_car_out_of_sight_counts_where_it_comes_first():
    """Three cars, 40 px apart: with 30 px of sight the second and third depend on cars that they do not see."""
    scene = row_of_cars([0, 40, 80], 96)
    instances = of_class(scene, 26)
    ranks = by_centre(instances, 30).maps_N
    assert depends_on_unseen(instances, ranks, 30).tolist() == [False, True, True]
    assert depends_on_unseen(instances, ranks, 50).tolist() == [False, False, True]
    assert depends_on_unseen(instances, ranks, 90).tolist() == [False, False, False]
    assert depends_on_unseen(instances, np.array([1, OVERFLOW, 2]), 90).tolist() == [False, False]


def test_moving_an_unseen_car_past_another_changes_its_rank_and_nothing_else():
    """The meaning of the figure: the image within sight stays the same, and the rank changes."""
    before, after = row_of_cars([0, 80], 128), row_of_cars([100, 80], 128)
    assert depends_on_unseen(of_class(before, 26), np.array([1, 2]), 15).tolist() == [False, True]
    assert by_centre(of_class(before, 26), 30).maps_N[1] != by_centre(of_class(after, 26), 30).maps_N[1]


def test_shares_are_those_of_all_instances_and_of_each_frame():
    method = Ordering(OrderingConfig(**SMALL))
    frames = [row_of_cars([0, 40, 80], 96), row_of_cars([], 96), row_of_cars([8], 96)]
    found = unseen_order(frames, method, view_px=61)
    assert (found["instances"], found["unseen"], found["share"]) == (4, 2, 0.5)
    assert found["by_frame"][0] == pytest.approx(2 / 3) and np.isnan(found["by_frame"][1]) and found["by_frame"][2] == 0
    assert unseen_order(frames, method)["view_px"] == receptive_field_px(method)
    assert unseen_order(frames, method)["unseen"] == 0
    assert np.isnan(unseen_order([], method)["share"])
