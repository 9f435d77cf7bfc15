"""Orders without ranks: assignments and losses against brute force, and what makes each of them free of an order."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from partwise.errors import PartwiseError
from partwise.methods import Fcn, FcnConfig
from partwise.scene import Scene
from partwise.training.checkpoint import load_matching
from partwise_report.ordering import Orders, OrdersConfig
from partwise_report.ordering.learnable import WithCoordinates
from partwise_report.ordering.learnable_targets import (
    STEP_PX,
    best_fit,
    by_location,
    colouring_loss,
    colours,
    repainted,
)
from partwise_report.ordering.targets import IGNORED, OVERFLOW
from streeteval.instances import Instances


def scene_of(ids_HW: np.ndarray) -> Scene:
    semantic = np.where(ids_HW >= 1000, ids_HW // 1000, ids_HW).astype(np.uint8)
    return Scene("made", np.zeros((*ids_HW.shape, 3), np.uint8), semantic, ids_HW.astype(np.int32))


def cars(*boxes: tuple[int, int, int, int], size=(64, 128)) -> np.ndarray:
    ids = np.full(size, 7)
    for number, (x0, y0, x1, y1) in enumerate(boxes):
        ids[y0:y1, x0:x1] = 26000 + number
    return ids


ROW = ((4, 20, 24, 40), (24, 20, 44, 40), (44, 20, 64, 40), (100, 20, 120, 40))


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_the_location_is_the_cell_of_the_centre_and_the_largest_has_it(seed):
    rng = np.random.default_rng(seed)
    ids = rng.choice([7, *(26000 + np.arange(6))], size=(12, 16))
    instances = Instances.from_id_map(ids)
    made = by_location(instances, 8, grid=(2, 4))
    cells = []
    for n in range(len(instances)):
        y, x = np.nonzero(instances.full_mask(n))
        cells.append(int((y + 0.5).mean() // 6) * 4 + int((x + 0.5).mean() // 4) + 1)
    for n, number in enumerate(made.maps_N.tolist()):
        rivals = [j for j in range(len(cells)) if cells[j] == cells[n]]
        assert number in (cells[n], OVERFLOW)
        if instances.areas[n] > max((instances.areas[j] for j in rivals if j != n), default=0):
            assert number == cells[n]
    assert sorted(made.maps_N[made.maps_N > 0].tolist()) == sorted(set(cells))
    assert made.overflow == len(cells) - len(set(cells))


def test_a_car_far_away_changes_ranks_but_no_location():
    found = {}
    for assignment in ("rank", "location"):
        method = Orders(OrdersConfig(assignment, channels=8))
        alone, joined = (method.targets(scene_of(cars(*boxes)))["ranks"] for boxes in (ROW[1:], ROW))
        here = torch.from_numpy(cars(*ROW[1:]) >= 26000)
        found[assignment] = torch.equal(alone[here], joined[here])
    assert found == {"rank": False, "location": True}


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_the_best_fit_equals_trying_every_assignment(seed):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(5, 16, 16, generator=generator) * 2
    instances = torch.randint(0, 4, (16, 16), generator=generator, dtype=torch.uint8)
    instances[0, :8] = IGNORED
    seen, p = instances[::STEP_PX, ::STEP_PX], torch.softmax(logits, dim=0)[1:, ::STEP_PX, ::STEP_PX]
    known = seen != IGNORED

    def fit(number: int, index: int) -> float:
        inside = (seen == number).float()
        overlap = float((inside * p[index]).sum())
        return overlap / max(float(inside.sum() + (p[index] * known).sum()) - overlap, 1e-6)

    best = max(itertools.permutations(range(4), 3), key=lambda maps: sum(fit(n + 1, m) for n, m in enumerate(maps)))
    expected = repainted(instances, torch.tensor([1, 2, 3]), torch.tensor(best) + 1)
    assert torch.equal(best_fit(logits, instances), expected)


def test_swapping_maps_does_not_change_a_loss_without_order_and_changes_that_of_ranks():
    scene = scene_of(cars(*ROW))
    swap = [0, 2, 1, 4, 3, *range(5, 31)]
    for assignment, free in (("rank", False), ("hungarian", True), ("colouring", True)):
        method = Orders(OrdersConfig(assignment, channels=8, maps=30))
        targets = [method.targets(scene)]
        oracle = method.oracle(targets)
        losses = [
            float(method.loss({"ranks": maps}, targets)["ranks"])
            for maps in (oracle["ranks"], oracle["ranks"][:, swap])
        ]
        assert (abs(losses[0] - losses[1]) < 1e-5) == free, assignment


def test_more_instances_than_maps_are_ignored():
    instances = torch.zeros(8, 16, dtype=torch.uint8)
    for number in range(4):
        instances[:, number * 4 : number * 4 + 4] = number + 1
    fitted = best_fit(torch.randn(3, 8, 16, generator=torch.Generator().manual_seed(0)), instances)
    assert sorted(torch.unique(fitted).tolist()) == [1, 2, IGNORED]
    assert int((fitted == IGNORED).sum()) == 64


@pytest.mark.parametrize("halo_weight", [0.5, 7.0])
def test_colouring_loss_equals_its_definition(halo_weight):
    """The halo has a say in the choice of the colour alone."""
    instances = torch.zeros(12, 20, dtype=torch.uint8)
    instances[3:7, 3:8], instances[3:7, 8:12], instances[10:, 15:] = 1, 2, IGNORED
    logits = torch.randn(4, 12, 20, generator=torch.Generator().manual_seed(1))
    p = torch.softmax(logits, dim=0)
    total = 0.0
    for number in (1, 2):
        mask = instances == number
        ys, xs = np.nonzero(mask.numpy())
        inside, suits = [], []
        for colour in (1, 2, 3):
            halo = [
                float(torch.log(1 - p[colour, y, x]))
                for y in range(12)
                for x in range(20)
                if not mask[y, x] and instances[y, x] != IGNORED
                and any(max(abs(y - a), abs(x - b)) <= 2 for a, b in zip(ys, xs, strict=True))
            ]  # fmt: skip
            inside.append(float(torch.log(p[colour][mask]).mean()))
            suits.append(inside[-1] + halo_weight * float(np.mean(halo)))
        total += inside[int(np.argmax(suits))]
    expected = -total / 2 - float(torch.log(p[0][instances == 0]).mean())
    assert float(colouring_loss(logits, instances, 2, halo_weight)) == pytest.approx(expected, rel=1e-4)


def test_neighbours_have_different_colours_and_far_ones_share():
    method = Orders(OrdersConfig("colouring", maps=3, halo_px=8, channels=8))
    target = method.targets(scene_of(cars(*ROW)))["instances"]
    painted = colours(target, 3, 8)
    of = [int(painted[30, (x0 + x1) // 2]) for x0, _, x1, _ in ROW]
    assert of[0] != of[1] != of[2]
    assert len(set(of)) < len(of)
    scene = scene_of(cars(*ROW))
    found = method.decode(method.oracle([{"instances": target}]), scene.size)[0].instances
    masks = {found.full_mask(n).tobytes() for n in range(len(found))}
    assert masks == {scene.instances.full_mask(n).tobytes() for n in range(4)}


def test_coordinates_let_a_convolution_say_where_it_is():
    torch.manual_seed(0)
    plain = torch.nn.Conv2d(3, 2, 1)
    seeing = WithCoordinates(plain)
    flat = torch.ones(1, 3, 6, 9)
    assert float(plain(flat).detach().std(dim=(2, 3)).max()) < 1e-6
    made = seeing(flat).detach()
    slope = made[0, 0, :, 1:] - made[0, 0, :, :-1]
    assert float(slope.std()) < 1e-5 and float(slope.abs().mean()) > 1e-5
    assert torch.allclose(made.mean(dim=(2, 3)), plain(flat).mean(dim=(2, 3)), atol=1e-5)
    assert seeing(F.pad(flat, (0, 1))).shape == (1, 2, 6, 10)


def test_a_trained_fcn_8s_is_the_start_of_every_order():
    fcn = Fcn(FcnConfig(output_stride=8, channels=8))
    state = {name: torch.full_like(value, 0.5) for name, value in fcn.state_dict().items()}
    for config in (OrdersConfig(coordinates=True, channels=8), OrdersConfig("hungarian", channels=8)):
        method = Orders(config)
        report = load_matching(method, state)
        assert all(name.startswith(("score", "skips")) for name in report.missing)
        assert (method.conv7[0].weight == 0.5).all()


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({"assignment": "colors"}, "assignment='colors'"),
        ({"assignment": "location", "grid": (20, 20)}, r"grid=\[20, 20\]: 400 maps"),
        ({"maps": 1}, "maps=1"),
        ({"class_id": 7}, "class_id=7"),
    ],
)
def test_mistakes_are_named(config, complaint):
    with pytest.raises(PartwiseError, match=complaint):
        Orders(OrdersConfig(**config))
