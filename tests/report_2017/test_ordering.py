"""The spatial centre ordering: its truth by brute force, its counts, and its two networks."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from partwise.errors import PartwiseError
from partwise.methods import FcnConfig, build_method
from partwise.scene import Scene
from partwise.training.checkpoint import load_matching
from partwise_report.ordering import Ordering, OrderingConfig, Orders, OrdersConfig, losses
from partwise_report.ordering.losses import order_loss
from partwise_report.ordering.targets import OVERFLOW, by_centre, count_assignments, map_of_pixels, of_class


def scene_of(ids_HW: np.ndarray) -> Scene:
    semantic = np.where(ids_HW >= 1000, ids_HW // 1000, ids_HW).astype(np.uint8)
    return Scene("made", np.zeros((*ids_HW.shape, 3), np.uint8), semantic, ids_HW.astype(np.int32))


def scattered(seed: int, cars: int, size=(12, 16)) -> np.ndarray:
    """An instanceIds map whose pixels are drawn from road, cars, and persons."""
    rng = np.random.default_rng(seed)
    values = np.array([7, 24000, 24001, *(26000 + np.arange(cars))])
    return rng.choice(values, size=size)


def centre_of(ids_HW, value):
    y, x = np.nonzero(ids_HW == value)
    return Fraction(int(x.sum()), len(x)), Fraction(int(y.sum()), len(y))


@given(st.integers(0, 2**32 - 1), st.booleans(), st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_the_order_equals_brute_force(seed, vertical_first, limit):
    """The map of a car is 1 + how many cars have a smaller (x, y), by exact fractions, where no two are equal."""
    ids = scattered(seed, cars=7)
    cars = [int(value) for value in np.unique(ids) if value >= 26000]
    key = {car: centre_of(ids, car)[:: -1 if vertical_first else 1] for car in cars}
    made = by_centre(of_class(scene_of(ids), 26), limit, vertical_first=vertical_first)
    tied = [car for car in cars if sum(key[other] == key[car] for other in cars) > 1]
    assert made.ties == len(tied)
    assert made.overflow == max(0, len(cars) - limit) == (made.maps_N == OVERFLOW).sum()
    for car, number in zip(cars, made.maps_N.tolist(), strict=True):
        smaller = sum(key[other] < key[car] for other in cars)
        if car not in tied:
            assert number == (smaller + 1 if smaller < limit else OVERFLOW)


def test_ties_are_counted_and_broken_without_looking_at_numbers():
    ids = np.full((9, 9), 7)
    ids[3:6, 3:6] = 26004
    ids[4, 4] = 26001  # its centre is that of the ring around it
    ids[4, 8] = 26002
    made = by_centre(of_class(scene_of(ids), 26), 30)
    assert made.ties == 2
    assert dict(zip([26001, 26002, 26004], made.maps_N.tolist(), strict=True)) == {26004: 1, 26001: 2, 26002: 3}
    swapped = np.select([ids == 26004, ids == 26001], [26001, 26004], ids)
    assert np.array_equal(
        map_of_pixels(scene_of(ids), 26, 30, by_centre), map_of_pixels(scene_of(swapped), 26, 30, by_centre)
    )


def row_of_cars(count: int) -> np.ndarray:
    ids = np.full((4, 2 * count), 7)
    ids[1, ::2] = 26000 + np.arange(count)
    return ids


def test_overflow_is_counted_and_taught_as_nothing():
    ids = row_of_cars(33)
    ids[3, :5] = 26  # a group of cars
    pixels = map_of_pixels(scene_of(ids), 26, 30, by_centre)
    assert pixels[1, ::2].tolist() == [*range(1, 31), 255, 255, 255]
    assert (pixels[3, :5] == 255).all() and (pixels[0] == 0).all()
    counts = count_assignments([scene_of(ids), scene_of(row_of_cars(5))])
    ties = {"ties": 0, "frames_with_ties": 0}
    assert counts == {"frames": 2, "instances": 38, "most": 33, "overflow": 3, "frames_with_overflow": 1} | ties


def small(**changes) -> Ordering:
    return Ordering(OrderingConfig(**({"source": "full", "channels": 8} | changes)))


@pytest.mark.parametrize("merge_last", [False, True])
def test_thirty_cars_come_back_unless_the_last_two_share_a_map(merge_last):
    ids = np.kron(row_of_cars(30), np.ones((8, 8), int))
    scene, method = scene_of(ids), small(merge_last=merge_last)
    outputs = method.oracle([method.targets(scene)])
    assert outputs["ranks"].shape[1] == (30 if merge_last else 31)
    found = method.decode(outputs, scene.size)[0].instances
    assert len(found) == (29 if merge_last else 30)
    truth = [scene.instances.full_mask(i) for i in range(30)]
    whole = sum(any(np.array_equal(found.full_mask(i), mask) for mask in truth) for i in range(len(found)))
    assert whole == (28 if merge_last else 30)


def test_the_loss_counts_background_as_it_comes():
    """Mean cross entropy over all pixels: with equal logits everywhere it is log(maps) whatever the image shows."""
    ids = np.kron(row_of_cars(4), np.ones((8, 8), int))
    method = small()
    targets = [method.targets(scene_of(ids))]
    level = torch.zeros(1, 31, *ids.shape)
    assert method.loss({"ranks": level}, targets)["ranks"].item() == pytest.approx(np.log(31), rel=1e-5)
    background = level.clone()
    background[:, 0] = 10.0  # "background everywhere" is right for the share of pixels that are background
    share = float((targets[0]["ranks"] == 0).float().mean())
    assert method.loss({"ranks": background}, targets)["ranks"].item() == pytest.approx(10 * (1 - share), rel=0.01)


def test_the_other_losses_count_cars_alone_or_half_each():
    """Against sums over pixels; ignored pixels count nowhere."""
    ids = np.kron(row_of_cars(4), np.ones((8, 8), int))
    ids[:8, :8] = 26  # a group
    truth = small().targets(scene_of(ids))["ranks"]
    logits = torch.randn(1, 31, *ids.shape, generator=torch.Generator().manual_seed(0))
    losses = torch.nn.functional.cross_entropy(logits, truth[None].long(), ignore_index=255, reduction="none")[0]
    cars, background = losses[(truth > 0) & (truth < 255)].mean(), losses[truth == 0].mean()
    for over, expected in (
        ("instances", cars),
        ("balanced", (cars + background) / 2),
        ("all", losses[truth < 255].mean()),
    ):
        found = small(loss_over=over).loss({"ranks": logits}, [{"ranks": truth}])["ranks"]
        assert found.item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("over", ["all", "instances", "balanced"])
@pytest.mark.parametrize("size", [(6, 5), (8, 16), (3, 7)])
def test_the_loss_of_maps_at_a_stride_is_that_of_the_enlarged_maps(over, size):
    """Value and gradient against PyTorch's enlargement and cross entropy, on sizes with strips that do not fit."""
    random = torch.Generator().manual_seed(0)
    pixels = (8 * size[0], 8 * size[1])
    maps = torch.randn(2, 31, *size, generator=random).mul(9).to(memory_format=torch.channels_last).requires_grad_()
    ranks = torch.randint(0, 31, (2, *pixels), generator=random).to(torch.uint8)
    ranks[:, :9] = 255
    ranks[:, 9:20] = 0
    larger = torch.nn.functional.interpolate(maps, size=pixels, mode="bilinear", align_corners=False)
    assert larger.shape[-2:] == ranks.shape[-2:] != maps.shape[-2:]
    expected = order_loss(larger, ranks, over)
    found = order_loss(maps, ranks, over)
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    slopes = [torch.autograd.grad(3 * one, maps)[0] for one in (found, expected)]
    torch.testing.assert_close(*slopes, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_gpu_computes_the_same_loss_in_a_few_operations(dtype, monkeypatch):
    """meta stands for a GPU, where nothing may be read before the end; what runs there is then run on the CPU."""
    random = torch.Generator().manual_seed(0)
    maps = torch.randn(2, 31, 6, 5, generator=random).to(dtype).requires_grad_()
    ranks = torch.randint(0, 31, (2, 48, 40), generator=random).to(torch.uint8)
    ran, whole = [], losses._of_whole_maps
    monkeypatch.setattr(losses, "_of_whole_maps", lambda *given: ran.append(given) or whole(*given))
    with torch.autocast("cpu", torch.bfloat16):
        found = order_loss(maps, ranks)
    assert not ran
    assert order_loss(maps.to("meta"), ranks.to("meta")).shape == () and len(ran) == 1
    truth = ranks.long()
    with torch.autocast("cpu", torch.bfloat16):
        expected = whole(maps, truth, torch.full(truth.shape, 1 / truth.numel()))
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    slopes = [torch.autograd.grad(one, maps)[0] for one in (found, expected)]
    torch.testing.assert_close(*slopes, rtol=1e-4 if dtype == torch.float32 else 2e-2, atol=1e-6)


@pytest.mark.parametrize("assignment", ["rank", "location"])
def test_a_training_and_a_prediction_see_the_same_maps(assignment):
    """In training the loss enlarges the maps, so that it equals the loss of the maps that are decoded."""
    torch.manual_seed(0)
    method = Orders(OrdersConfig(assignment=assignment, channels=8, dropout=0.0))
    for layer in method.new_layers():
        torch.nn.init.normal_(layer.weight, std=0.1)
    targets = [method.targets(scene_of(np.kron(row_of_cars(4), np.ones((16, 16), int))))]
    image = torch.randint(0, 256, (1, 3, 64, 128), dtype=torch.uint8)
    taught, shown = method.train()(image), method.eval()(image)
    assert taught["ranks"].shape[-2:] == (8, 16) and shown["ranks"].shape[-2:] == (64, 128)
    assert method.loss(taught, targets)["ranks"].item() == pytest.approx(method.loss(shown, targets)["ranks"].item())


def test_a_frame_without_cars_teaches_background_or_nothing():
    logits = torch.randn(1, 31, 8, 8, requires_grad=True)
    truth = {"ranks": torch.zeros(8, 8, dtype=torch.uint8)}
    loss = small(loss_over="instances").loss({"ranks": logits}, [truth])["ranks"]
    loss.backward()
    assert loss == 0 and not logits.grad.any()
    assert small(loss_over="balanced").loss({"ranks": logits}, [truth])["ranks"] > 0


def test_slicing_sees_one_channel_of_the_score_only():
    torch.manual_seed(0)
    method = small(source="slice").eval()
    assert sum(p.numel() for p in method.order.parameters()) == 31 * 9 + 31
    torch.nn.init.normal_(method.score.weight)
    image = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)
    before = method(image)["ranks"]
    with torch.no_grad():
        method.score.weight[[c for c in range(19) if c != 13]] += 1.0
        unchanged = method(image)["ranks"]
        method.score.weight[13] += 1.0
        changed = method(image)["ranks"]
    torch.testing.assert_close(unchanged, before)
    assert (changed - before).abs().max() > 1e-3


@pytest.mark.parametrize("source", ["slice", "full"])
def test_a_trained_fcn_8s_is_taken_over_by_name(source):
    fcn = build_method(FcnConfig(output_stride=8, channels=8))
    method = small(source=source)
    report = load_matching(method, fcn.state_dict())
    new = {name.split(".")[0] for name in report.missing}
    assert new == ({"order"} if source == "slice" else {"score", "skips"})
    assert all(torch.equal(method.state_dict()[name], fcn.state_dict()[name]) for name in report.loaded)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"source": "half"}, "should be 'slice' or 'full'"),
        ({"class_id": 7}, "26 .car."),
        ({"max_instances": 300}, "less than or equal to 254"),
        ({"loss_over": "cars"}, "loss_over='cars'"),
    ],
)
def test_a_wrong_value_is_named(changes, words):
    with pytest.raises(PartwiseError, match=words):
        small(**changes)
