"""Refined masks: position of their cells, targets, start as the assembled masks, and improvement by training."""

import math
from dataclasses import astuple, replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from partwise.errors import PartwiseError
from partwise.methods import PartMaps, PartsConfig
from partwise.methods.parts.fine_grid import FINE_PX, MOST_CELLS
from partwise.methods.parts.losses import window_loss
from partwise.methods.parts.pooled import PooledMaps
from partwise.methods.parts.refine import (
    FineGrid,
    MaskRefiner,
    chosen_windows,
    kind_of_owner,
    kinds_of,
    window_truth,
)
from partwise.methods.parts.refine_masks import RefinerMaps, refine_windows, soft_iou
from partwise.methods.parts.windows import Window
from streeteval.labels import CITYSCAPES, INSTANCE_FACTOR

REFINED = PartsConfig(channels=16, semantic_stride_px=2, refine_masks=True)
WINDOWS = [Window(4, 8), Window(8, 16), Window(8, 21), Window(32, 16)]


@pytest.fixture(scope="module")
def method() -> PartMaps:
    torch.manual_seed(0)
    return PartMaps(REFINED).eval()


@pytest.mark.parametrize("window", WINDOWS)
def test_the_finer_cells_tile_the_window(window):
    fine = FineGrid.of(window)
    assert fine.cells * fine.cell_px == window.side_px and window.stride_px % fine.cell_px == 0
    assert fine.cells <= MOST_CELLS or fine.cell_px == window.stride_px


def test_the_truth_of_finer_cells_is_that_of_the_windows_cells(method, scenes):
    """`coverage` (parts/targets.py) computes the shares in another way: both must count the same pixels."""
    seen = set()
    for scene in scenes:
        target = method.targets(scene)
        for index, window in enumerate(method.windows):
            centres, owner = target[f"centres_{index}"], target[f"owner_{index}"]
            if len(centres) == 0:
                continue
            truth = window_truth(centres, window, target["owned"], owner)
            coarse = F.avg_pool2d(truth[:, None], window.stride_px // FineGrid.of(window).cell_px)[:, 0]
            torch.testing.assert_close(coarse, target[f"coverage_{index}"].float(), atol=2e-3, rtol=0)
            seen.add(index)
    assert len(seen) >= 3


def test_every_window_knows_its_object_and_its_category(method, scenes):
    names = list(CITYSCAPES.things_by_category)
    for scene in scenes:
        target = method.targets(scene)
        for index in range(len(method.windows)):
            owners = target[f"owner_{index}"]
            for owner, kind in zip(owners.tolist(), kind_of_owner(owners, CITYSCAPES).tolist(), strict=True):
                assert CITYSCAPES.by_id[owner // INSTANCE_FACTOR].category == names[kind]
                assert (target["owned"].numpy() == owner).sum() in scene.instances.areas


def test_the_probability_of_a_category_is_the_sum_of_its_classes_with_instances():
    probability = torch.rand(len(CITYSCAPES.things), 4, 6, generator=torch.Generator().manual_seed(1))
    people = [t for t, label in enumerate(CITYSCAPES.things) if label.category == "human"]
    found = kinds_of(probability, CITYSCAPES)[list(CITYSCAPES.things_by_category).index("human")]
    torch.testing.assert_close(found, probability[people].sum(0))


@pytest.mark.parametrize("window", WINDOWS)
def test_it_begins_as_the_assembled_mask(window):
    """This includes the border of the map, where cells lie outside."""
    torch.manual_seed(0)
    refiner = MaskRefiner(6)
    logits, centres = torch.randn(3, window.cells, window.cells), torch.tensor([[0, 0], [2, 3], [1, 1]])
    detail, kinds = refiner.reduce(torch.randn(6, 128, 256)), torch.rand(2, 128, 256)
    maps = [PooledMaps(one).at(FineGrid.of(window).shape_of(one)) for one in (detail, kinds)]
    made, inside = refiner(logits, centres, window, *maps, torch.tensor([0, 1, 1]))
    expected = F.interpolate(logits[:, None], size=made.shape[-2:], mode="bilinear")[:, 0]
    torch.testing.assert_close(made, expected)
    assert inside.any(dim=(1, 2)).all() and not inside[0].all()


@pytest.mark.parametrize("window", WINDOWS)
def test_the_decoder_refines_as_training_does(window):
    torch.manual_seed(0)
    refiner = MaskRefiner(6)
    torch.nn.init.normal_(refiner.correction.weight)
    logits, centres = torch.randn(3, window.cells, window.cells), torch.tensor([[0, 0], [2, 3], [1, 1]])
    detail = refiner.reduce(torch.randn(6, 128, 256)).detach()
    things = torch.softmax(torch.randn(len(CITYSCAPES.things), 128, 256), 0)
    shape = FineGrid.of(window).shape_of(detail)
    kinds, classes = PooledMaps(kinds_of(things, CITYSCAPES)).at(shape), np.array([0, 3, 7])
    maps = RefinerMaps(detail.numpy(), PooledMaps(things.numpy()), CITYSCAPES)
    kind = torch.from_numpy(maps.kind_T[classes])
    with torch.inference_mode():
        expected, _ = refiner(logits, centres, window, PooledMaps(detail).at(shape), kinds, kind)
    found = refine_windows(refiner.correct_arrays, maps, window, centres.numpy(), logits.numpy(), classes)
    np.testing.assert_allclose(found.logits_Unn[found.place_M], expected, atol=1e-4)


def test_each_window_sees_its_own_place_and_category():
    """A change of the features or of a category changes only the windows over it or of this category."""
    torch.manual_seed(0)
    refiner, window = MaskRefiner(4), Window(8, 8)
    torch.nn.init.normal_(refiner.correction.weight)
    centres, kind = torch.tensor([[4, 4], [4, 20], [4, 4]]), torch.tensor([0, 0, 1])
    logits, detail, probability = torch.zeros(3, 8, 8), torch.zeros(8, 64, 128), torch.full((2, 64, 128), 0.5)
    call = lambda: refiner(logits, centres, window, detail[: refiner.reduce.out_channels], probability, kind)[0]
    before = call()
    probability[1, 16, 16] = 0.9
    moved = (call() != before).any(dim=(1, 2))
    assert moved.tolist() == [False, False, True]
    detail[0, 16, 80] = 5.0
    moved = (call() != before).any(dim=(1, 2))
    assert moved.tolist() == [False, True, True]


def test_it_learns_outlines_that_the_window_is_too_coarse_for():
    """The features show the edges of discs in windows with cells of 8 px: 150 steps halve the loss."""
    torch.manual_seed(0)
    refiner, window, side = MaskRefiner(1), Window(8, 8), 64
    optimiser = torch.optim.Adam(refiner.parameters(), lr=3e-3)
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    first = last = 0.0
    for step in range(150):
        middle, radius = 32 + 6 * torch.randn(2), 12 + 8 * torch.rand(1)
        disc = ((y - middle[0]) ** 2 + (x - middle[1]) ** 2 < radius**2).float()
        coarse = 6 * F.avg_pool2d(disc[None], 8) - 3
        fine = F.avg_pool2d(disc[None], FINE_PX)
        edges = refiner.reduce(2 * fine - 1)
        made, inside = refiner(
            coarse, torch.tensor([[4, 4]]), window, edges, torch.full((2, 32, 32), 0.5), torch.tensor([0])
        )
        loss = window_loss(made, fine, inside).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        first, last = first + float(loss.detach()) * (step < 20), last + float(loss.detach()) * (step >= 130)
    assert last < first / 2


def test_refining_changes_masks_and_scores_and_no_classes(method, scenes):
    refined = PartMaps(REFINED).eval()
    refined.load_state_dict(method.state_dict())
    torch.nn.init.normal_(refined.mask_refiner.correction.weight, std=3.0)
    scene = scenes[0]
    oracle = method.oracle([method.targets(scene)])
    before = method.decode(oracle, scene.size)[0].instances
    shape = (1, refined.mask_refiner.reduce.out_channels, scene.size[0] // 2, scene.size[1] // 2)
    detail = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        after = refined.decode(oracle | {"detail": detail}, scene.size)[0].instances
    assert len(before) > 2
    assert sorted(before.labels) == sorted(after.labels)
    assert not np.array_equal(before.scores, after.scores) and (np.diff(after.scores) <= 0).all()
    same = lambda a, b: all(np.array_equal(x, y) for x, y in zip(a.masks, b.masks, strict=True))
    assert not same(before, after)
    refined.decoder.config = replace(refined.decoder.config, refine_score=1.1)
    left = refined.decode(oracle | {"detail": detail}, scene.size)[0].instances
    assert same(before, left) and np.array_equal(before.scores, left.scores)


@pytest.mark.parametrize("seed", range(3))
def test_a_refined_score_is_the_product_that_is_told_and_its_parts_are_those_of_the_mask(scenes, seed):
    """Quality and share are computed again at full resolution, for cells of 2 px that a mask's edge divides."""
    torch.manual_seed(seed)
    refined = PartMaps(REFINED).eval()
    torch.nn.init.normal_(refined.mask_refiner.correction.weight, std=0.03)
    scene = scenes[seed % len(scenes)]
    outputs = refined.oracle([refined.targets(scene)])
    outputs["semantic"] = F.avg_pool2d(torch.softmax(outputs["semantic"], 1), 2).log()
    outputs["detail"] = torch.randn(1, refined.mask_refiner.reduce.out_channels, *outputs["semantic"].shape[-2:])
    with torch.inference_mode():
        decoded = refined.decode_one(outputs, 0, scene.size)
    found = decoded.prediction.instances
    things = torch.softmax(outputs["semantic"][0], 0).repeat_interleave(2, 1).repeat_interleave(2, 2).numpy()
    told = {one.instance: one for one in decoded.outcomes(CITYSCAPES) if one.outcome == "kept"}
    assert sorted(told) == list(range(len(found))) and sum(one.refined is not None for one in told.values()) > 2
    for i, one in told.items():
        assert one.refined is None or one.score >= refined.config.decode.refine_score
        if one.refined is None:  # a low score, or an empty mask
            continue
        quality, share, crowding, score = astuple(one.refined)
        objectness = float(torch.sigmoid(outputs["objectness"][one.grid][0][one.centre]))
        assert one.label == found.labels[i] and score == pytest.approx(float(found.scores[i]))
        alone = objectness * quality**refined.config.decode.refined_power * share
        assert score == pytest.approx(alone * math.exp(-(crowding**2) / refined.config.decode.soft_sigma), rel=1e-4)
        if FineGrid.of(refined.windows[one.grid]).cell_px == FINE_PX and found.areas[i] > 400:
            own = things[CITYSCAPES.by_id[one.label].train_id][: scene.size[0], : scene.size[1]]
            assert share == pytest.approx(own[found.full_mask(i)].mean(), abs=0.1)


def test_the_soft_iou_is_the_iou_where_probabilities_are_0_or_1_and_falls_with_doubt():
    mask = np.zeros((1, 6, 6), np.float32)
    mask[:, 1:4, 2:5] = 1
    assert soft_iou(mask)[0] == 1 and soft_iou(mask * 0)[0] == 0
    doubt = np.where(mask > 0, 0.8, 0.1)
    assert soft_iou(doubt)[0] == pytest.approx(9 * 0.8 / (9 + 27 * 0.1))
    draws = np.random.default_rng(0).random((4000, 6, 6)) < doubt
    inside = (draws & (mask > 0)).sum((1, 2)) / (draws | (mask > 0)).sum((1, 2))
    assert float(inside.mean()) == pytest.approx(float(soft_iou(doubt)[0]), abs=0.02)  # a mean of ratios


def test_a_semantic_map_at_full_resolution_is_seen_at_the_same_places(method, scenes):
    """`partwise ceiling` replaces the network's semantic map by the true one in the same way."""
    refined = PartMaps(REFINED).eval()
    torch.nn.init.normal_(refined.mask_refiner.correction.weight)
    scene = scenes[0]
    oracle = refined.oracle([refined.targets(scene)])
    coarse = F.avg_pool2d(torch.softmax(oracle["semantic"], 1), 2).log()
    centres, classes = np.array([[8, 20], [3, 5]]), np.array([3, 0])
    shape = refined.mask_refiner.reduce.out_channels, scene.size[0] // 2, scene.size[1] // 2
    detail = np.zeros(shape, np.float32)
    made = []
    for semantic in (oracle["semantic"], coarse):
        things = PooledMaps(torch.softmax(semantic[0], 0)[refined.decoder.thing_train_ids].numpy())
        maps, window = RefinerMaps(detail, things, CITYSCAPES), refined.windows[1]
        zeros = np.zeros((2, 16, 16), np.float32)
        made.append(
            refine_windows(refined.mask_refiner.correct_arrays, maps, window, centres, zeros, classes).logits_Unn
        )
    np.testing.assert_allclose(*made, atol=1e-3, rtol=1e-3)


def test_only_so_many_windows_are_refined_in_training(method, scenes):
    target = method.targets(scenes[0])
    counts = [len(target[f"centres_{index}"]) for index in range(len(method.windows))]
    for most in (3, 10**6):
        chosen = chosen_windows(target, len(method.windows), most)
        assert sum(map(len, chosen)) == min(most, sum(counts))
        assert all(len(which) == 0 or int(which.max()) < count for which, count in zip(chosen, counts, strict=True))
        assert all(len(which.unique()) == len(which) for which in chosen)


def test_its_loss_reaches_part_maps_and_features_and_not_the_semantic_map(method, scenes):
    torch.manual_seed(0)
    trained = PartMaps(REFINED)
    torch.nn.init.normal_(trained.mask_refiner.correction.weight)
    scene = scenes[0]
    outputs = trained(torch.from_numpy(scene.image_HW3).permute(2, 0, 1)[None])
    trained.loss(outputs, [trained.targets(scene)])["outline"].backward()
    has = lambda module: any(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in module.parameters())
    assert has(trained.parts_branch) and has(trained.mask_refiner) and has(trained.refiner.body)
    assert not has(trained.refiner.correction) and not has(trained.objectness_branch)


def test_an_image_without_instances_has_a_loss_of_0(method, scenes):
    target = method.targets(scenes[0])
    for index in range(len(method.windows)):
        for key in ("centres", "owner", "coverage", "nearest"):
            target[f"{key}_{index}"] = target[f"{key}_{index}"][:0]
    with torch.inference_mode():
        outputs = method(torch.from_numpy(scenes[0].image_HW3).permute(2, 0, 1)[None])
    assert float(method.loss(outputs, [target])["outline"].detach()) == 0


def test_it_wants_the_features_at_stride_2():
    with pytest.raises(PartwiseError, match=r"refine_masks.*semantic_stride_px=2"):
        PartMaps(PartsConfig(channels=16, refine_masks=True))
