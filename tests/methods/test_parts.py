"""Targets, loss and decoder of the part maps against brute force and by property."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from partwise.decoding.candidates import Candidates
from partwise.decoding.maps import sigmoid
from partwise.methods import PartMaps, PartsConfig
from partwise.methods.options import InferenceOptions
from partwise.methods.parts.assemble import AssembledWindows
from partwise.methods.parts.decode import ImageOutputs, PartsDecoder
from partwise.methods.parts.decode_config import DecodeConfig
from partwise.methods.parts.losses import window_loss
from partwise.methods.parts.paint import paint, paint_cells, paint_pixels
from partwise.methods.parts.pooled import PooledMaps
from partwise.methods.parts.sharpen import sharpen
from partwise.methods.parts.targets import AssignConfig, assign_windows, coverage, right_grid
from partwise.methods.parts.windows import Window, part_weights_array
from partwise.scene import Scene
from streeteval.labels import CITYSCAPES

WINDOWS = (Window(4, 8), Window(4, 16), Window(8, 16), Window(16, 16))


def scene_of(ids_HW: np.ndarray, semantic_HW: np.ndarray | None = None) -> Scene:
    semantic = np.where(ids_HW >= 1000, ids_HW // 1000, ids_HW) if semantic_HW is None else semantic_HW
    return Scene("made", np.zeros((*ids_HW.shape, 3), np.uint8), semantic.astype(np.uint8), ids_HW.astype(np.int32))


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_coverage_equals_counting(seed):
    rng = np.random.default_rng(seed)
    stride = int(rng.choice([2, 4, 8]))
    full = rng.random((32, 48)) < 0.3
    x0, y0 = int(rng.integers(0, 40)), int(rng.integers(0, 24))
    x1, y1 = int(rng.integers(x0 + 1, 49)), int(rng.integers(y0 + 1, 33))
    share, top, left = coverage(full[y0:y1, x0:x1], [x0, y0, x1, y1], stride)
    only = np.zeros_like(full)
    only[y0:y1, x0:x1] = full[y0:y1, x0:x1]
    for i in range(share.shape[0]):
        for j in range(share.shape[1]):
            cell = only[(top + i) * stride : (top + i + 1) * stride, (left + j) * stride : (left + j + 1) * stride]
            assert share[i, j] == pytest.approx(cell.sum() / stride**2)


def test_an_object_is_positive_in_one_grid_near_its_centre(scenes):
    config = AssignConfig()
    for scene in scenes:
        targets = assign_windows(scene, WINDOWS, config)
        sides = scene.instances.longest_sides
        centres = (scene.instances.boxes[:, :2] + scene.instances.boxes[:, 2:]) / 2
        for index, window in enumerate(WINDOWS):
            found = targets[f"centres_{index}"].numpy()
            assert (targets[f"objectness_{index}"].numpy() == 1).sum() == len(found)
            for y, x in found:
                position = np.array([window.centre_px(x), window.centre_px(y)])
                reach = np.maximum(config.positive_reach * sides, window.stride_px / 2)
                near = (np.abs(centres - position) <= reach[:, None] + 1e-6).all(axis=1)
                right = [right_grid(float(side), WINDOWS, config.fill_max) == index for side in sides]
                assert (near & right).any()


def test_the_window_shows_its_object_and_nothing_else():
    ids = np.full((128, 256), 7)
    ids[40:60, 100:130], ids[40:60, 130:160] = 26000, 26001
    targets = assign_windows(scene_of(ids), WINDOWS, AssignConfig())
    index = right_grid(30, WINDOWS, 0.8)
    assert WINDOWS[index] == Window(4, 16)
    for (y, x), shown in zip(targets[f"centres_{index}"].tolist(), targets[f"coverage_{index}"], strict=True):
        assert float(shown.sum()) * 16 == pytest.approx(20 * 30, rel=1e-3)
        weight = shown.float() / shown.sum()
        middle_x = float((weight.sum(0) * (torch.arange(16) + x - 8 + 0.5)).sum() * 4)
        assert min(abs(middle_x - 115), abs(middle_x - 145)) < 0.5
        assert 40 <= y * 4 <= 60


@pytest.mark.parametrize("ids", [26, 29000, 30001])
def test_groups_and_classes_that_are_not_evaluated_are_no_negatives(ids):
    """A "cargroup", a caravan or a trailer looks like an object, so it must not be learnt as background."""
    made = np.full((128, 256), 7)
    made[40:80, 80:140] = ids
    targets = assign_windows(scene_of(made), WINDOWS, AssignConfig())
    for index, window in enumerate(WINDOWS[:3]):
        objectness = targets[f"objectness_{index}"]
        assert (objectness != 1).all()
        assert objectness[60 // window.stride_px, 110 // window.stride_px] == -1
        assert objectness[0, 0] == 0


def test_tiny_objects_are_ignored_and_large_ones_have_a_window():
    made = np.full((128, 256), 7)
    made[10:13, 10:14] = 24000
    made[0:128, 20:256] = 28000
    targets = assign_windows(scene_of(made), WINDOWS, AssignConfig())
    assert len(targets["centres_3"]) > 0
    assert targets["objectness_0"][3, 3] == -1


def test_window_loss_is_zero_for_the_truth_and_ignores_cells_outside():
    truth = (torch.rand(5, 8, 8, generator=torch.Generator().manual_seed(0)) > 0.5).float()
    inside = torch.ones(5, 8, 8, dtype=torch.bool)
    inside[:, :, 6:] = False
    logits = (truth * 2 - 1) * 50
    logits[:, :, 6:] *= -1
    assert window_loss(logits, truth, inside).abs().max() < 1e-4
    assert window_loss(-logits, truth, inside).min() > 10


@pytest.mark.parametrize("order", [(4, 2, 8, 1), (8, 4), (3, 6, 12), (12, 1, 3), (5, 7)])
def test_pooled_maps_are_means_over_cells_whatever_is_asked_first(order):
    maps = torch.rand(3, 48, 96, generator=torch.Generator().manual_seed(0))
    pooled = PooledMaps(maps)
    for times in order:
        shape = (48 // times, 96 // times)
        expected = F.adaptive_avg_pool2d(maps[None], shape)[0]
        torch.testing.assert_close(pooled.at(shape), expected)
        np.testing.assert_allclose(PooledMaps(maps.numpy()).at(shape), expected, atol=1e-6)
        assert pooled.at(shape) is pooled.at(shape)


def test_a_refined_semantic_map_begins_as_the_plain_one_enlarged():
    torch.manual_seed(0)
    plain = PartMaps(PartsConfig(channels=16)).eval()
    refined = PartMaps(PartsConfig(channels=16, semantic_stride_px=2)).eval()
    missing = refined.load_state_dict(plain.state_dict(), strict=False).missing_keys
    assert missing and all(name.startswith("refiner.") for name in missing)
    image = torch.randint(0, 256, (1, 3, 64, 96), dtype=torch.uint8)
    with torch.inference_mode():
        before, after = plain(image), refined(image)
        torch.testing.assert_close(after["semantic"], F.interpolate(before["semantic"], (32, 48), mode="bilinear"))
        assert all(torch.equal(a, b) for a, b in zip(before["parts"], after["parts"], strict=True))
        # It uses outlines at stride 2: a change that is smaller than a cell of 4 px changes the outputs.
        torch.nn.init.normal_(refined.refiner.correction.weight)
        image[..., 30:34, 40:42] = 255 - image[..., 30:34, 40:42]
        moved = refined(image)["semantic"] - F.interpolate(plain(image)["semantic"], (32, 48), mode="bilinear")
    assert moved.abs().max() > 0.1


def decoded(ids, config=None, **changes):
    method = PartMaps(PartsConfig(channels=16, decode=DecodeConfig(**changes)) if config is None else config)
    scene = scene_of(ids)
    return scene, method.decode(method.oracle([method.targets(scene)]), scene.size)[0]


def test_touching_objects_of_one_class_are_told_apart():
    ids = np.full((128, 256), 7)
    ids[30:70, 60:100], ids[30:70, 100:140], ids[90:110, 30:50] = 26000, 26001, 24000
    scene, prediction = decoded(ids)
    assert sorted(prediction.instances.labels.tolist()) == [24, 26, 26]
    for i in range(3):
        truth = [scene.instances.full_mask(j) for j in range(3)]
        mask = prediction.instances.full_mask(i)
        assert max((mask & t).sum() / (mask | t).sum() for t in truth) > 0.9


def decoded_maps(decoder, semantic_Chw, objectness_hw, parts_Khw):
    """Decode an image of 128 x 256 px with windows of 8 cells of 4 px."""
    outputs = ImageOutputs(semantic_Chw.numpy(), [objectness_hw.numpy()], [parts_Khw.numpy()])
    return decoder.decode(outputs, [part_weights_array(3, 8, "bilinear")], (128, 256)).prediction


def test_two_windows_on_one_object_give_one_instance():
    """Without suppression, the same logits at two neighbouring windows would give two instances."""
    decoder = PartsDecoder(DecodeConfig(peaks=0.0), (Window(4, 8),), CITYSCAPES)
    semantic = torch.full((19, 32, 64), -5.0)
    semantic[13] = 5
    objectness = torch.full((32, 64), -10.0)
    objectness[16, 30:33] = torch.tensor([1.0, 3.0, 2.0])
    parts = torch.full((9, 32, 64), -10.0)
    parts[:, 13:19, 27:35] = 10
    result = decoded_maps(decoder, semantic, objectness, parts)
    assert len(result.instances) == 1
    assert result.instances.scores[0] == pytest.approx(torch.sigmoid(torch.tensor(3.0)).item(), abs=0.02)


def test_the_semantic_map_cuts_the_mask():
    ids = np.full((128, 256), 7)
    ids[30:71, 61:103] = 26000
    scene, sharp = decoded(ids, sharpen=1.0)
    _, plain = decoded(ids, sharpen=0.0)
    truth = scene.instances.full_mask(0)
    iou = lambda p: (p.instances.full_mask(0) & truth).sum() / (p.instances.full_mask(0) | truth).sum()
    assert iou(sharp) > 0.99
    assert iou(plain) < iou(sharp)


def test_only_sure_instances_change_a_semantic_map_that_is_not_sure():
    ids = np.full((128, 256), 7)
    ids[30:90, 61:163] = 28000
    for agree_score, logit, class_ in ((0.0, 2, 28), (1.1, 2, 27), (0.0, 10, 27)):
        method = PartMaps(PartsConfig(channels=16, decode=DecodeConfig(agree_score=agree_score)))
        outputs = method.oracle([method.targets(scene_of(ids))])
        mistaken = outputs["semantic"][:, :, 40:80, 70:100]
        mistaken[:] = 0
        mistaken[:, CITYSCAPES["truck"].train_id] = logit
        assert (method.decode(outputs, (128, 256))[0].semantic_HW[40:80, 70:100] == class_).all()


@pytest.mark.parametrize(("other", "cuts"), [("truck", False), ("building", True), ("person", True)])
def test_doubt_within_a_category_cuts_no_mask(other, cuts):
    """The semantic map has another class in a third of a bus; the part maps show that it is one object."""
    ids = np.full((128, 256), 7)
    ids[30:90, 61:163] = 28000
    method = PartMaps(PartsConfig(channels=16, decode=DecodeConfig(sharpen=1.0)))
    scene = scene_of(ids)
    outputs = method.oracle([method.targets(scene)])
    mistaken = outputs["semantic"][:, :, 30:90, 61:95]
    mistaken[:] = 0
    mistaken[:, CITYSCAPES[other].train_id] = 10
    found = method.decode(outputs, scene.size)[0].instances
    bus = found[np.flatnonzero(found.labels == 28)[:1]]
    share = (bus.full_mask(0) & scene.instances.full_mask(0)).sum() / scene.instances.areas[0]
    assert share < 0.72 if cuts else share > 0.97


def test_a_window_stands_for_every_class_that_its_mask_votes_for():
    """Half of the cells are car, a third truck: one mask becomes two candidates, ordered by their shares."""
    decode = DecodeConfig(class_share=0.2, quality_power=0.0, sharpen=0.0)
    decoder = lambda config: PartsDecoder(config, (Window(4, 8),), CITYSCAPES)
    probability = torch.full((19, 32, 64), 1e-6)
    for train_id, share in ((13, 0.5), (14, 0.3), (11, 0.1)):  # car, truck, person
        probability[train_id] = share
    objectness = torch.full((32, 64), -10.0)
    objectness[16, 30] = 10.0
    parts = torch.full((9, 32, 64), -10.0)
    parts[:, 13:19, 27:33] = 10
    maps = (probability.log(), objectness, parts)
    found = decoded_maps(decoder(decode), *maps).instances
    assert found.labels.tolist() == [26, 27]
    assert found.scores.tolist() == pytest.approx([0.5 / 0.9, 0.3 / 0.9], abs=0.01)
    assert np.array_equal(found.full_mask(0), found.full_mask(1))
    assert decoded_maps(decoder(replace(decode, class_share=1.0)), *maps).instances.labels.tolist() == [26]


def test_neighbours_of_a_maximum_are_looked_at_as_far_as_peaks_says():
    """Two people are one cell apart; the second one has nine tenths of the objectness of the first."""
    decoder = lambda peaks: PartsDecoder(DecodeConfig(peaks=peaks), (Window(4, 8),), CITYSCAPES)
    objectness = torch.full((32, 64), -10.0)
    objectness[16, 30], objectness[16, 31] = torch.logit(torch.tensor(0.9)), torch.logit(torch.tensor(0.82))
    for peaks, expected in ((1.0, 1), (0.95, 1), (0.9, 2), (0.0, 2)):
        assert len(decoder(peaks).best_windows([objectness.numpy()])[0]) == expected


@pytest.mark.parametrize("power", [1.0, 4.0])
def test_a_vague_mask_costs_score(power):
    decoder = PartsDecoder(DecodeConfig(quality_power=power, class_share=1.0), (Window(4, 8),), CITYSCAPES)
    semantic = torch.full((19, 32, 64), -20.0)
    semantic[13] = 20
    objectness = torch.full((32, 64), -20.0)
    objectness[16, 30] = 20.0
    parts = torch.full((9, 32, 64), -10.0)
    parts[:, 13:19, 27:33] = torch.logit(torch.tensor(0.8))
    found = decoded_maps(decoder, semantic, objectness, parts).instances
    assert found.scores.tolist() == pytest.approx([0.8**power], abs=1e-3)


def test_limits_on_number_and_score_hold(scenes):
    for scene in scenes[:2]:
        method = PartMaps(PartsConfig(channels=16, decode=DecodeConfig(max_instances=3, min_score=0.5)))
        kept = method.decode(method.oracle([method.targets(scene)]), scene.size)[0].instances
        assert len(kept) <= 3
        assert (kept.scores > 0.5).all()
        assert (np.diff(kept.scores) <= 0).all()


def test_the_map_of_several_sizes_agrees_with_the_instances_of_all(monkeypatch):
    """A bus is found only at half the size; the map has truck in a third of it and is uncertain there."""
    method = PartMaps(PartsConfig(channels=16)).eval()
    ids = np.full((128, 256), 7)
    ids[32:96, 64:192] = 28000
    bus, truck = (CITYSCAPES[name].train_id for name in ("bus", "truck"))

    def respond(images_B3HW, flip):
        times = 128 // images_B3HW.shape[-2]
        outputs = method.oracle([method.targets(scene_of(ids[::times, ::times]))])
        for train_id, part in ((bus, slice(64, 150)), (truck, slice(150, 192))):
            columns = slice(part.start // times, part.stop // times)
            outputs["semantic"][:, :, 32 // times : 96 // times, columns] = 0
            outputs["semantic"][:, train_id, 32 // times : 96 // times, columns] = 4.0  # probability .75
        if times == 1:
            outputs["objectness"] = [torch.full_like(grid, -9.0) for grid in outputs["objectness"]]
        return outputs

    monkeypatch.setattr(method, "respond", respond)
    image = torch.zeros(1, 3, 128, 256, dtype=torch.uint8)
    alone, both = method.predict(image, InferenceOptions(1))[0], method.predict(image, InferenceOptions((0.5, 1)))[0]
    inside = (slice(40, 88), slice(72, 184))
    assert len(alone.instances) == 0 and set(np.unique(alone.semantic_HW[inside])) == {27, 28}
    assert both.instances.labels[0] == 28 and set(np.unique(both.semantic_HW[inside])) == {28}
    assert set(np.unique(both.semantic_HW[:24])) == {7}


def masks_of(logits_Mmm: torch.Tensor, centres, things_Thw: torch.Tensor, stride: int, size, sharpen_by=0.0):
    """Sharpened masks of windows of 8 cells of 4 px that are certainly cars, and the index of this class."""
    car = [label.name for label in CITYSCAPES.things].index("car")
    count, centres, logits = len(logits_Mmm), np.array(centres), logits_Mmm.numpy()
    one, share = np.ones(count), np.zeros((len(things_Thw), count))
    assembled = AssembledWindows(0, Window(4, 8), centres, one, logits, sigmoid(logits), one, share)
    index = np.arange(count)
    candidates = Candidates(index * 0, index, centres, index * 0 + car, one, one)
    options = {"min_score": 0.0, "weight": sharpen_by}
    return sharpen([assembled], candidates, things_Thw.numpy(), stride, size, CITYSCAPES, **options), car


@pytest.mark.parametrize("stride", [1, 2, 4])
@pytest.mark.parametrize("size", [(30, 45), (32, 48)])
def test_a_mask_is_where_its_logits_and_the_log_odds_of_its_class_are_above_zero(stride, size):
    """Compare with enlarging the whole image; masks may differ where rounding decides about a pixel."""
    rng = torch.Generator().manual_seed(stride)
    logits = F.interpolate(torch.randn(6, 1, 3, 3, generator=rng) * 4, size=(8, 8), mode="bilinear")[:, 0]
    centres = [[2, 2], [4, 5], [0, 0], [7, 11], [3, 9], [5, 1]]
    coarse = torch.rand(1, len(CITYSCAPES.things), 3, 4, generator=rng)
    things = F.interpolate(coarse, size=(32 // stride, 48 // stride), mode="bilinear")[0]
    masks, car = masks_of(logits, centres, things, stride, size, sharpen_by=0.5)
    odds = torch.logit(F.interpolate(things[car][None, None], scale_factor=stride, mode="bilinear").clamp(1e-4, 0.9999))
    for one, own, (y, x) in zip(masks, logits, centres, strict=True):
        full = torch.full((32 + 64, 48 + 64), -torch.inf)
        top, left = 32 + (y - 4) * 4, 32 + (x - 4) * 4
        full[top : top + 32, left : left + 32] = F.interpolate(own[None, None], scale_factor=4, mode="bilinear")
        total = (full[32:64, 32:80] + 0.5 * odds[0, 0])[: size[0], : size[1]]
        found = np.zeros(size, bool)
        if not one.empty:
            (x0, y0, x1, y1), mask = paint_pixels(one, size) or paint_cells(one, size)
            found[y0:y1, x0:x1] = mask
        differs = torch.from_numpy(found) != (total > 0)
        assert (total[differs].abs() < 0.3).all() and differs.float().mean() < 0.02


def test_a_mask_of_one_cell_has_a_pixel():
    """It lies between cells that are certainly outside it, or it is the last half cell of an image with odd sides."""
    things = torch.full((len(CITYSCAPES.things), 16, 24), 1e-4)
    cells = [(5, 7), (14, 22)]
    for y, x in cells:
        things[:, y, x] = 1.0
    size = (29, 45)
    masks, _ = masks_of(torch.full((2, 8, 8), -1.0), [[3, 3], [6, 10]], things, 2, size, sharpen_by=0.5)
    for one, (y, x) in zip(masks, cells, strict=True):
        assert one.in_cells()[0] == (x, y, x + 1, y + 1)
        ((box, mask),) = (painted.mask for painted in paint([one], [], size))
        assert mask.any() and mask.shape == (box[3] - box[1], box[2] - box[0])
        assert 2 * x <= box[0] < box[2] <= min(2 * x + 2, 45) and 2 * y <= box[1] < box[3] <= min(2 * y + 2, 29)
