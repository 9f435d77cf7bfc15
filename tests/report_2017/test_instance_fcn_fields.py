"""The fields of the instance-sensitive FCN: where windows lie, how losses are taken, what the network sees."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from partwise.errors import PartwiseError
from partwise.methods import build_method
from partwise.scene import Scene
from partwise.training.config import method_from_dict, method_to_dict
from partwise_report.instance_fcn import InstanceFcn, InstanceFcnConfig, InstanceFcnDecodeConfig
from partwise_report.instance_fcn.decode import InstanceFcnDecoder, Proposals
from partwise_report.instance_fcn.losses import at_pixels, mask_loss, objectness_loss
from partwise_report.instance_fcn.targets import window_targets
from partwise_report.instance_fcn.windows import cells_of, means_in_boxes, weights_of_parts
from partwise_report.slips import Slips

REPORT = InstanceFcnConfig("holes", "report", "window", branch_channels=8)


def scene_with(*boxes, size=(256, 512)) -> Scene:
    """Cars as filled boxes, each x0 y0 x1 y1."""
    ids = np.full(size, 7, np.int32)
    for number, (x0, y0, x1, y1) in enumerate(boxes):
        ids[y0:y1, x0:x1] = 26000 + number
    return Scene("made", np.zeros((*size, 3), np.uint8), np.where(ids >= 1000, 26, ids).astype(np.uint8), ids)


def enlarged(scene: Scene, factor: int) -> Scene:
    big = [np.kron(one, np.ones((factor, factor), one.dtype)) for one in (scene.semantic_HW, scene.instance_ids_HW)]
    return Scene("made", np.zeros((*big[0].shape, 3), np.uint8), *big)


def drawn(scene, **changes):
    """Centres (M, 2) y x and sizes in pixels of positive and of negative windows."""
    config = replace(REPORT, **changes)
    targets = window_targets(scene, config)
    boxes = targets["boxes"].numpy() * config.stride_px
    positive = targets["object"].numpy() >= 0
    return [((b[:, :2] + b[:, 2:]) / 2, b[:, 2:] - b[:, :2]) for b in (boxes[positive], boxes[~positive])]


CAR = scene_with((200, 100, 248, 132))  # centre y 116, x 224
CENTRE = np.array([116, 224])


def test_margin_shift_and_number_of_windows_are_fields():
    (centres, sizes), (_, others) = drawn(CAR, margin_px=8, shift_px=4, windows_per_image=20)
    assert len(centres) == len(others) == 10
    assert (sizes == [48, 64]).all() and (others == [48, 64]).all()
    assert np.abs(centres - CENTRE).max() <= 4
    (centres, sizes), _ = drawn(CAR, margin_px=0, shift_px=0)
    assert (sizes == [32, 48]).all() and np.abs(centres - CENTRE).max() <= 4  # the nearest window of whole cells


def test_negatives_keep_between_the_least_and_the_largest_shift():
    _, (centres, _) = drawn(CAR, negative_shift_px=40, negative_shift_max_px=60)
    reach = np.abs(centres - CENTRE).max(axis=1)
    assert len(reach) == 128 and reach.min() >= 40 and reach.max() <= 60 + 4  # half a cell


@pytest.mark.parametrize(("slips", "least"), [(Slips(), 32), (Slips(wrong_negatives=True), 16)])
def test_a_largest_shift_below_the_least_is_named(slips, least):
    with pytest.raises(
        PartwiseError, match=f"negative_shift_max_px=10: negative windows are shifted by at least {least}"
    ):
        build_method(replace(REPORT, negative_shift_max_px=10, slips=slips))


def test_the_codes_negatives_reach_from_16_to_448_px_evenly():
    scene = scene_with((700, 700, 748, 748), size=(1424, 1424))
    _, (centres, _) = drawn(scene, windows_per_image=2000, slips=Slips(wrong_negatives=True))
    shift = centres - 724
    assert (np.abs(shift[:, 0] - shift[:, 1]) <= 8).all()  # one number, but for whole cells
    reach = np.abs(shift).max(axis=1)
    assert reach.min() >= 12 and 440 < reach.max() <= 452
    assert 0.2 < (reach < 124).mean() < 0.3  # a quarter of 16 ... 448
    assert 0.4 < (shift[:, 0] > 0).mean() < 0.6


def test_the_codes_test_of_negatives_compares_x_with_y():
    slips = Slips(wrong_negatives=True)
    shifts = {"negative_shift_px": 100, "negative_shift_max_px": 104, "slips": slips}
    other, crossed = (480, 280, 528, 324), (280, 480, 328, 528)  # centres y 302, x 504 and the reverse
    held = scene_with((180, 380, 220, 420), other, crossed, size=(1024, 1024))
    first = scene_with((380, 180, 420, 220), other, size=(1024, 1024))
    second = scene_with((380, 180, 420, 220), crossed, size=(1024, 1024))
    near = lambda scene, y, x: (np.abs(drawn(scene, **shifts)[1][0] - [y, x]).max(axis=1) < 16).sum()
    assert near(first, 302, 504) > 5  # a window in the middle of a car is called negative
    assert near(second, 302, 504) == 0  # and one on none is refused, as a car stands at its x and y exchanged
    assert len(held.instances) == 3


def test_one_positive_shift_lies_on_a_diagonal():
    (centres, _), _ = drawn(CAR, slips=Slips(one_positive_shift=True))
    shift = centres - CENTRE
    assert np.abs(shift).max() <= 16 + 4 and np.unique(shift[:, 0]).size > 2
    assert (np.abs(shift[:, 0] - shift[:, 1]) <= 8).all()
    (centres, _), _ = drawn(CAR)
    assert (np.abs(np.diff(centres - CENTRE, axis=1)) > 8).any()


@pytest.mark.parametrize("k", [3, 5])
def test_whole_parts_round_the_sides_down_to_cells_of_every_part(k):
    scene = scene_with((200, 100, 248, 132), (20, 20, 97, 171))
    (_, right), _ = drawn(scene, k=k)
    (_, slipped), _ = drawn(scene, k=k, slips=Slips(whole_parts=True))
    assert (slipped % (8 * k) == 0).all()
    assert {tuple(size) for size in slipped} == {tuple(size // (8 * k) * 8 * k) for size in right}


@pytest.mark.parametrize("factor", [2, 4])
def test_an_enlarged_image_has_the_truth_of_a_large_one(factor):
    scene = scene_with((30, 20, 54, 36), (60, 20, 84, 37), size=(64, 128))
    inside, large = (
        window_targets(scene, replace(REPORT, enlarge=factor)),
        window_targets(enlarged(scene, factor), REPORT),
    )
    for key in ("own", "own_object", "coverage", "objectness"):
        assert torch.equal(inside[key], large[key]), key


def test_an_enlarged_image_is_what_the_network_sees():
    torch.manual_seed(0)
    plain, twice = build_method(REPORT).eval(), build_method(replace(REPORT, enlarge=2)).eval()
    twice.load_state_dict(plain.state_dict())
    images = torch.randint(0, 256, (1, 3, 32, 64), dtype=torch.uint8)
    with torch.no_grad():
        found, same = twice(images), plain(twice.enlarged(images))
    assert found["parts"][0].shape == (1, 9, 8, 16) and twice.enlarged(images).shape == (1, 3, 64, 128)
    assert all(torch.equal(found[name][0], same[name][0]) for name in found)


def oracle_iou(method, scene) -> float:
    """The least, over true objects, of the best overlap with an instance that the oracle's maps decode to."""
    found, truth = method.decode(method.oracle([method.targets(scene)]), scene.size)[0].instances, scene.instances
    overlap = lambda a, b: (a & b).sum() / (a | b).sum()
    pairs = ((truth.full_mask(i), [found.full_mask(j) for j in range(len(found))]) for i in range(len(truth)))
    return min(max((overlap(mask, other) for other in others), default=0.0) for mask, others in pairs)


@pytest.mark.parametrize(
    ("changes", "box"),
    [
        ({}, (100, 60, 196, 130)),
        ({"enlarge": 2}, (100, 60, 148, 95)),
        ({"enlarge": 4}, (100, 60, 124, 78)),
        ({"branch_stride": 2}, (100, 20, 292, 160)),
        ({"branch_stride": 2, "enlarge": 4}, (100, 60, 148, 95)),
        ({"semantic_loss_weight": 1.0, "enlarge": 2, "branch_stride": 2}, (100, 60, 196, 130)),
    ],
)
def test_a_window_of_168_px_is_so_many_pixels_of_the_image_as_it_is_enlarged(changes, box):
    best = InstanceFcnDecodeConfig(min_score=0.995)
    method = build_method(InstanceFcnConfig(branch_channels=8, decode=best, **changes))
    scene = scene_with(box)
    assert oracle_iou(method, scene) > 0.88
    windows = method.window_truth(scene, method.targets(scene))
    side = 168 * changes.get("branch_stride", 1) // changes.get("enlarge", 1)
    assert (windows.window_px_N2 == side).all() and windows.has_window.all()
    off = np.abs(
        (windows.boxes_M4[windows.object_M == 0, :2] + side / 2) - np.array([box[0] + box[2], box[1] + box[3]]) / 2
    )
    assert off.max() <= 16


def test_strided_branches_give_a_quarter_of_the_cells():
    method = build_method(replace(REPORT, branch_stride=2, semantic_loss_weight=1.0)).eval()
    images = torch.zeros(1, 3, 64, 96, dtype=torch.uint8)
    with torch.no_grad():
        outputs = method(images)
    assert outputs["parts"][0].shape == (1, 9, 4, 6) and outputs["objectness"][0].shape == (1, 4, 6)
    assert method.decode(outputs, (64, 96))[0].semantic_HW.shape == (64, 96)


def test_windows_at_inference_follow_margin_and_enlargement():
    config = InstanceFcnConfig(windows="report", sizes_px=((80, 96),))  # objects of 16 x 32 px
    assert config.window_sizes == ((10, 12),)
    assert replace(config, margin_px=8).window_sizes == ((4, 6),)
    assert replace(config, enlarge=2).window_sizes == ((12, 16),)  # 2 x 16 + 64 and 2 x 32 + 64 px
    assert replace(config, enlarge=2, branch_stride=2).window_sizes == ((6, 8),)


def maps_and_windows(level="cells", k=3):
    scene = scene_with((20, 20, 60, 50), (66, 20, 120, 70), size=(96, 128))
    targets = window_targets(scene, replace(REPORT, target_level=level, windows_per_image=16, k=k))
    generator = torch.Generator().manual_seed(0)
    return scene, targets, torch.randn(1, k * k, 12, 16, generator=generator)


def loop_over_pixels(kind, parts_KHW, scene, targets, k) -> list[float]:
    """The loss of each positive window, pixel by pixel: oracle of the loss at pixels."""
    found, ids = [], np.unique(scene.instance_ids_HW[scene.instance_ids_HW >= 26000])
    masks = sorted((scene.instance_ids_HW == one for one in ids), key=lambda mask: np.argwhere(mask)[:, 1].min())
    for box, holder in zip((targets["boxes"] * 8).tolist(), targets["object"].tolist(), strict=True):
        if holder < 0:
            continue
        y, x = np.mgrid[box[0] : box[2], box[1] : box[3]]
        part = (y - box[0]) * k // (box[2] - box[0]) * k + (x - box[1]) * k // (box[3] - box[1])
        on_map = (y >= 0) & (y < 96) & (x >= 0) & (x < 128)
        truth, logits = (
            masks[holder][y[on_map], x[on_map]],
            parts_KHW[part[on_map], y[on_map], x[on_map]].double().numpy(),
        )
        share = truth.mean()
        weights = {"plain": (1, 1), "balanced": (1 - share, share), "weighted": ((1 - share) / share, 1)}[kind]
        found.append(
            np.mean(np.where(truth, weights[0] * np.logaddexp(0, -logits), weights[1] * np.logaddexp(0, logits)))
        )
    return found


@pytest.mark.parametrize("kind", ["plain", "balanced", "weighted"])
@pytest.mark.parametrize("k", [3, 5])
def test_the_mask_loss_at_pixels_equals_a_loop(kind, k):
    scene, targets, parts = maps_and_windows("pixels", k)
    large, at_them = at_pixels(parts, [targets], 8)
    assert large.shape == (1, k * k, 96, 128)
    windows = loop_over_pixels(kind, large[0], scene, targets, k)
    assert len(windows) == 8
    assert mask_loss(kind, large, at_them, k).item() == pytest.approx(np.mean(windows), rel=1e-4)
    assert mask_loss(kind, large, at_them, k, "sum").item() == pytest.approx(sum(windows), rel=1e-4)


@pytest.mark.parametrize("kind", ["mean_l1", "central4", "window", "centre"])
def test_a_sum_is_the_mean_times_the_number_of_windows(kind):
    _, targets, maps = maps_and_windows()
    objectness, count = maps[:, 0], len(targets["boxes"])
    mean, total = (objectness_loss(kind, objectness, [targets], reduction) for reduction in ("mean", "sum"))
    assert total.item() == pytest.approx(mean.item() * count, rel=1e-5) and count == 16


def test_the_codes_weights_favour_small_objects_and_the_balanced_ones_large_ones():
    """Total weight of a window with maps of 0: the loss at 0 is log 2 times the mean weight of its cells."""
    scene = scene_with((100, 100, 108, 108), (300, 60, 420, 180))
    targets = window_targets(scene, REPORT)
    weigh = {}
    for n, area in enumerate([1, 225]):
        own = targets | {"object": torch.where(targets["object"] == n, n, -1)}
        share = area / ((9 if area == 1 else 23) ** 2)
        weigh[n] = [
            mask_loss(kind, torch.zeros(1, 9, 32, 64), [own], 3).item() / np.log(2) for kind in ("balanced", "weighted")
        ]
        assert weigh[n] == pytest.approx([2 * share * (1 - share), 2 * (1 - share)], rel=0.02)
    assert weigh[0][0] < weigh[1][0] and weigh[0][1] > weigh[1][1]


def test_an_object_outside_the_map_costs_nothing_infinite():
    _, targets, maps = maps_and_windows()
    empty = targets | {"coverage": torch.zeros_like(targets["coverage"])}
    for kind in ("plain", "balanced", "weighted"):
        assert torch.isfinite(mask_loss(kind, maps, [empty], 3))


def test_losses_without_windows_are_0_and_have_a_gradient():
    method = build_method(replace(REPORT, reduction="sum", target_level="pixels", mask_loss="weighted"))
    targets = method.targets(scene_with(size=(64, 96)))
    terms = method.loss(method(torch.zeros(1, 3, 64, 96, dtype=torch.uint8)), [targets])
    assert {name: float(term.detach()) for name, term in terms.items()} == {"objectness": 0.0, "mask": 0.0}
    sum(terms.values()).backward()


@pytest.mark.parametrize("seed", range(3))
def test_sums_by_tables_equal_loops(seed):
    generator = torch.Generator().manual_seed(seed)
    low = torch.randint(-4, 8, (5, 2), generator=generator)
    boxes = torch.cat([low, low + torch.randint(1, 9, (5, 2), generator=generator)], dim=1)
    values, weights = torch.randn(9, 11, generator=generator), torch.rand(2, 5, generator=generator)
    cells, expected = cells_of(boxes, 3, (9, 11)), torch.zeros(2, 9, 9, 11)
    torch.testing.assert_close(means_in_boxes(values, boxes), cells.mean(values[cells.y_P, cells.x_P]))
    inside = [int(((cells.window_P == m) & cells.inside_P).sum()) for m in range(5)]
    for m, part, y, x, on_map in zip(cells.window_P, cells.part_P, cells.y_P, cells.x_P, cells.inside_P, strict=True):
        if on_map:
            expected[:, part, y, x] += weights[:, m] / inside[m]
    torch.testing.assert_close(weights_of_parts(weights, boxes, 3, (9, 11)), expected)


def proposals(*boxes_and_scores, logit=1.0, cells=(2, 2)) -> list[Proposals]:
    """Windows of equal size, each (y0, x0, score) in cells of 8 px, all of one logit."""
    boxes = torch.tensor([[y, x, y + cells[0], x + cells[1]] for y, x, _ in boxes_and_scores])
    scores = torch.tensor([score for *_, score in boxes_and_scores])
    masks = boxes[:, [1, 0, 3, 2]].float() * 8
    return [
        Proposals(
            boxes, torch.full((len(boxes), *cells), logit), masks, scores, torch.full((len(boxes),), 26), (8.0, 8.0)
        )
    ]


def decoder(**slips) -> InstanceFcnDecoder:
    method = InstanceFcn(replace(REPORT, slips=Slips(**slips), decode=InstanceFcnDecodeConfig(nms_iou=0.3)))
    return method.decoder


def test_overlap_as_a_share_of_the_image_hardly_suppresses():
    same = proposals((1, 1, 0.9), (1, 1, 0.8), (4, 4, 0.7))
    assert len(decoder().prediction(same, (64, 64)).instances) == 2
    slipped = decoder(overlap_of_image=True)
    assert len(slipped.prediction(same, (64, 64)).instances) == 3  # 256 of 4,096 px
    assert len(slipped.prediction(proposals((0, 0, 0.9), (0, 0, 0.8)), (16, 16)).instances) == 1  # all of the image


def test_summed_windows_are_one_mask():
    apart = proposals((0, 0, 0.9), (4, 4, 0.8))
    assert len(decoder().prediction(apart, (64, 64)).instances) == 2
    (found,) = [decoder(summed_windows=True).prediction(apart, (64, 64)).instances]
    assert len(found) == 1 and int(found.areas[0]) == 2 * 16 * 16 and float(found.scores[0]) == pytest.approx(0.9)
    against = proposals((0, 0, 0.9), (1, 1, 0.8))
    against[0].logits[1] = -2.0  # takes away from the first where they overlap
    found = decoder(summed_windows=True).prediction(against, (64, 64)).instances
    assert 0 < int(found.areas[0]) < 16 * 16


LIGHT = replace(REPORT, backbone="efficientnet_lite0")


def test_the_light_backbone_learns_with_the_same_heads():
    method = build_method(LIGHT)
    scene = scene_with((20, 20, 60, 50), size=(64, 96))
    images = torch.zeros(1, 3, 64, 96, dtype=torch.uint8)
    features = method.features(images)
    assert features[8].shape == (1, 320, 8, 12)
    sum(method.loss(method.heads(features), [method.targets(scene)]).values()).backward()
    assert all(p.grad is not None for p in method.backbone.parameters() if p.requires_grad)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"features": "skips"}, "only vgg16 has skips: give method.features=holes"),
        ({"slips": Slips(one_dilated_layer=True)}, "has no conv5_1: give backbone=vgg16"),
        ({"slips": Slips(lost_conv5_1=True)}, "has no conv5_1: give backbone=vgg16"),
        ({"backbone": "efficientnet_lite9"}, "unknown backbone"),
        ({"backbone": "vgg11"}, "timm cannot dilate it"),
    ],
)
def test_what_the_light_backbone_does_not_have_is_named(changes, words):
    with pytest.raises(PartwiseError, match=words):
        build_method(replace(LIGHT, **changes))


def test_a_model_file_without_the_newer_fields_loads():
    newer = {
        *("backbone", "enlarge", "margin_px", "shift_px", "negative_shift_px", "negative_shift_max_px"),
        *("windows_per_image", "reduction", "target_level", "branch_stride"),
    }
    slips = {"one_positive_shift", "whole_parts", "overlap_of_image", "summed_windows"}
    config = replace(REPORT, mask_loss="balanced", slips=Slips(wrong_negatives=True, zero_start=True))
    values = method_to_dict(config)
    assert newer <= set(values) and slips <= set(values["slips"])
    old = {key: value for key, value in values.items() if key not in newer}
    old["slips"] = {key: value for key, value in values["slips"].items() if key not in slips}
    assert method_from_dict(old) == config


def test_enlarging_the_maps_is_bilinear():
    _, targets, parts = maps_and_windows("pixels")
    large, _ = at_pixels(parts, [targets], 8)
    torch.testing.assert_close(F.avg_pool2d(large, 8)[..., 2:-2, 2:-2], _blurred(parts)[..., 2:-2, 2:-2])


def _blurred(maps):
    """The mean over a cell of a bilinear map: 1/8, 3/4, 1/8 along each axis."""
    kernel = torch.tensor([0.125, 0.75, 0.125])
    channels = maps.shape[1]
    return F.conv2d(maps, torch.outer(kernel, kernel).expand(channels, 1, 3, 3), padding=1, groups=channels)
