"""The instance-sensitive FCN of the report and the paper: its windows by property, its losses by loops over pixels."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from partwise.errors import PartwiseError
from partwise.methods import FcnConfig, build_method
from partwise.methods.parts.windows import assemble, part_weights
from partwise.scene import Scene
from partwise.training.checkpoint import load_matching
from partwise_report.instance_fcn import InstanceFcn, InstanceFcnConfig
from partwise_report.instance_fcn.decode import InstanceFcnDecodeConfig, objectness_of_windows
from partwise_report.instance_fcn.losses import mask_loss, objectness_loss
from partwise_report.instance_fcn.targets import window_targets
from partwise_report.instance_fcn.windows import cells_of
from partwise_report.slips import Slips

CARS = (26,)
BEST_CENTRED = InstanceFcnDecodeConfig(min_score=0.995)  # oracle objectness is higher for the window centred best


def scene_of(ids_HW: np.ndarray, image_HW3: np.ndarray | None = None) -> Scene:
    semantic = np.where(ids_HW >= 1000, ids_HW // 1000, ids_HW).astype(np.uint8)
    image = np.zeros((*ids_HW.shape, 3), np.uint8) if image_HW3 is None else image_HW3
    return Scene("made", image, semantic, ids_HW.astype(np.int32))


def with_cars(*boxes, size=(256, 512)) -> Scene:
    """Cars as filled boxes, each x0 y0 x1 y1."""
    ids = np.full(size, 7)
    for number, (x0, y0, x1, y1) in enumerate(boxes):
        ids[y0:y1, x0:x1] = 26000 + number
    return scene_of(ids)


def small(*args, **changes) -> InstanceFcn:
    torch.manual_seed(0)
    return InstanceFcn(InstanceFcnConfig(*args, **({"channels": 8, "branch_channels": 8} | changes)))


def centres_px(boxes_M4):
    return (boxes_M4[:, :2] + boxes_M4[:, 2:]).numpy() * 4.0  # half the sum, 8 px a cell


@given(st.integers(0, 2**32 - 1), st.sampled_from([(3, 21), (3, 8), (5, 21), (7, 16)]))
@settings(max_examples=30, deadline=None)
def test_square_windows_assemble_as_part_maps_do(seed, k_and_cells):
    k, side = k_and_cells
    generator = torch.Generator().manual_seed(seed)
    parts = torch.randn(k * k, 12, 17, generator=generator)
    centres = torch.stack([torch.randint(0, n, (6,), generator=generator) for n in (12, 17)], dim=1)
    wanted, inside = assemble(parts, centres, part_weights(k, side, "nearest"))
    corner = centres - side // 2
    cells = cells_of(torch.cat([corner, corner + side], dim=1), k, (12, 17))
    assert torch.equal(cells.inside_P, inside.flatten())
    assert torch.equal(cells.assembled(parts)[cells.inside_P], wanted.flatten()[cells.inside_P])
    mean = (wanted * inside).sum(dim=(1, 2)) / inside.sum(dim=(1, 2))
    torch.testing.assert_close(cells.mean(cells.assembled(parts)), mean)


def test_the_reports_windows_are_the_box_and_its_margin(scenes):
    """2.4.4: 32 px on each side, less what whole cells of 8 px cut off; positives within 16 px, 128 of them."""
    for scene in [*scenes, with_cars((100, 60, 220, 140), (230, 60, 350, 140))]:
        targets = window_targets(scene, InstanceFcnConfig(windows="report", classes=CARS))
        cars = scene.instances[scene.instances.labels == 26]
        own_size = {(int(b[3] - b[1] + 64) // 8, int(b[2] - b[0] + 64) // 8) for b in cars.boxes}
        positive = targets["object"] >= 0
        assert int(positive.sum()) == 128 and torch.equal(positive, targets["objectness"] == 1)
        boxes, holder = targets["boxes"][positive], targets["object"][positive]
        covered = targets["coverage"][holder].float().sum(dim=(1, 2)) * 64
        for (y, x), box, area in zip(centres_px(boxes), boxes.tolist(), covered.tolist(), strict=True):
            assert (box[2] - box[0], box[3] - box[1]) in own_size
            right = [
                abs((b[1] + b[3]) / 2 - y) <= 16 and abs((b[0] + b[2]) / 2 - x) <= 16 and abs(a - area) < 1 + a / 500
                for b, a in zip(cars.boxes.tolist(), cars.areas.tolist(), strict=True)
            ]
            assert any(right)


def test_the_reports_negatives_are_off_by_32_px_or_cut_their_object(scenes):
    for scene in [*scenes, with_cars((100, 60, 220, 140), (230, 60, 350, 140))]:
        targets = window_targets(scene, InstanceFcnConfig(windows="report", classes=CARS))
        cars = scene.instances[scene.instances.labels == 26].boxes
        boxes = targets["boxes"][targets["object"] < 0]
        assert 120 <= len(boxes) <= 128  # where objects crowd, a few draws are given up
        for (y, x), (y0, x0, y1, x1) in zip(centres_px(boxes), (boxes * 8).tolist(), strict=True):
            assert 0 <= y < scene.size[0] and 0 <= x < scene.size[1]
            for bx0, by0, bx1, by1 in cars.tolist():
                off = max(abs((by0 + by1) / 2 - y), abs((bx0 + bx1) / 2 - x)) >= 32
                cut = bx0 < x0 or by0 < y0 or bx1 > x1 or by1 > y1
                assert off or cut


def test_negatives_are_both_cut_and_whole_but_off():
    """One small car: a shift of 32 px and more along one axis, either one, and often along both."""
    scene = with_cars((200, 100, 240, 130))
    targets = window_targets(scene, InstanceFcnConfig(windows="report", classes=CARS))
    assert int((targets["object"] < 0).sum()) == 128
    shift = np.abs(centres_px(targets["boxes"][targets["object"] < 0]) - np.array([115, 220]))
    assert (shift.max(axis=1) >= 32).all()
    assert (shift[:, 0] < 32).any() and (shift[:, 1] < 32).any() and (shift >= 32).all(axis=1).any()


def test_the_papers_windows_follow_deepmasks_rule():
    """Brute force over all positions: 16 px and 2 ** 1/4 for positives, 32 px or 2 ** 1 for negatives."""
    scene = with_cars((40, 60, 136, 120), (250, 40, 330, 130), (400, 100, 450, 130), (20, 180, 36, 190))
    targets = window_targets(scene, InstanceFcnConfig(windows="paper", classes=CARS))
    canonical = 128 / 224 * 168
    labels = {}
    for r in range(32):
        for c in range(64):
            y, x = (r + 0.5) * 8, (c + 0.5) * 8  # a window of 21 cells is centred on the centre of its middle cell
            best, blocked = None, False
            for n, (x0, y0, x1, y1) in enumerate(scene.instances.boxes.tolist()):
                off = max(abs((y0 + y1) / 2 - y), abs((x0 + x1) / 2 - x))
                octaves = abs(math.log2(max(y1 - y0, x1 - x0) / canonical))
                blocked |= off < 32 and octaves < 1
                if off <= 16 and octaves <= 0.25 and (best is None or off < best[0]):
                    best = (off, n)
            labels[r - 10, c - 10] = "positive" if best else "ignored" if blocked else "negative"
    assert len(targets["boxes"]) == 256
    positive = targets["object"] >= 0
    found = {tuple(box[:2]) for box in targets["boxes"][positive].tolist()}
    assert found == {place for place, label in labels.items() if label == "positive"}
    assert 0 < len(found) <= 128
    assert all(labels[tuple(box[:2])] == "negative" for box in targets["boxes"][~positive].tolist())
    assert all(box[2] - box[0] == box[3] - box[1] == 21 for box in targets["boxes"].tolist())


@pytest.mark.parametrize("kind", ["report", "paper"])
def test_one_crop_always_has_the_same_windows(kind, scenes):
    config = InstanceFcnConfig(windows=kind, classes=(), semantic_loss_weight=1.0)
    first, again = (window_targets(scenes[0], config) for _ in range(2))
    assert all(torch.equal(first[key], again[key]) for key in first)


def drawn_maps(seed=0, k=3):
    scene = with_cars((20, 20, 60, 50), (66, 20, 120, 70), size=(96, 128))
    targets = window_targets(scene, InstanceFcnConfig(windows="report", classes=CARS))
    generator = torch.Generator().manual_seed(seed)
    objectness, parts = torch.randn(12, 16, generator=generator), torch.randn(k * k, 12, 16, generator=generator)
    return scene, targets, objectness, parts


def softplus(x):
    return math.log1p(math.exp(-abs(x))) + max(x, 0.0)


def logistic(logit, truth):
    return truth * softplus(-logit) + (1 - truth) * softplus(logit)


def on_map(box):
    return [(y, x) for y in range(box[0], box[2]) for x in range(box[1], box[3]) if 0 <= y < 12 and 0 <= x < 16]


@pytest.mark.parametrize("kind", ["mean_l1", "central4", "window", "centre"])
def test_each_objectness_loss_equals_a_loop(kind):
    _, targets, objectness, _ = drawn_maps()
    clamped = lambda y, x: float(objectness[min(max(y, 0), 11), min(max(x, 0), 15)])
    total = 0.0
    for box, truth in zip(targets["boxes"].tolist(), targets["objectness"].tolist(), strict=True):
        cy, cx = (box[0] + box[2]) // 2, (box[1] + box[3]) // 2
        if kind == "mean_l1":
            total += abs(np.mean([float(objectness[y, x]) for y, x in on_map(box)]) - truth)
        elif kind == "window":
            total += np.mean([logistic(float(objectness[y, x]), truth) for y, x in on_map(box)])
        elif kind == "centre":
            total += logistic(clamped(cy, cx), truth)
        else:
            total += np.mean([logistic(clamped(cy + dy, cx + dx), truth) for dy in (-1, 0) for dx in (-1, 0)])
    loss = objectness_loss(kind, objectness[None], [targets])
    assert loss.item() == pytest.approx(total / len(targets["boxes"]), rel=1e-4)


@pytest.mark.parametrize("k", [3, 5])
@pytest.mark.parametrize("kind", ["plain", "balanced"])
def test_each_mask_loss_equals_a_loop_over_pixels(kind, k):
    """The truth at every pixel of 8x8 a cell, the logit that of its cell."""
    scene, targets, _, parts = drawn_maps(k=k)
    cars = [scene.instances.full_mask(i) for i in range(2)]
    total, windows = 0.0, 0
    for box, holder in zip(targets["boxes"].tolist(), targets["object"].tolist(), strict=True):
        if holder < 0:
            continue
        mask = next(m for m in cars if abs(m.sum() - float(targets["coverage"][holder].float().sum()) * 64) < 1)
        rows, columns = box[2] - box[0], box[3] - box[1]
        cells = on_map(box)
        truth = [mask[y * 8 : y * 8 + 8, x * 8 : x * 8 + 8] for y, x in cells]
        share = np.mean(truth)
        loss = 0.0
        for (y, x), pixels in zip(cells, truth, strict=True):
            part = (y - box[0]) * k // rows * k + (x - box[1]) * k // columns
            logit, inside = float(parts[part, y, x]), int(pixels.sum())
            weights = (1 - share, share) if kind == "balanced" else (1, 1)
            loss += weights[0] * inside * softplus(-logit) + weights[1] * (64 - inside) * softplus(logit)
        total, windows = total + loss / (64 * len(cells)), windows + 1
    assert windows == 128
    assert mask_loss(kind, parts[None], [targets], k).item() == pytest.approx(total / windows, rel=2e-3)


@pytest.mark.parametrize("cells", [(21, 21), (4, 7), (5, 30)])
@pytest.mark.parametrize("kind", ["mean_l1", "central4", "window", "centre"])
def test_the_score_of_a_window_is_what_its_loss_looks_at(kind, cells):
    _, _, objectness, _ = drawn_maps(seed=3)
    found = objectness_of_windows(kind, objectness, cells)
    sigmoid = lambda x: 1 / (1 + math.exp(-float(x)))
    for y in range(12):
        for x in range(16):
            y0, x0 = y - cells[0] // 2, x - cells[1] // 2
            inside = [objectness[p] for p in on_map((y0, x0, y0 + cells[0], x0 + cells[1]))]
            wanted = {
                "mean_l1": np.mean(inside),
                "window": np.mean([sigmoid(v) for v in inside]),
                "central4": sigmoid(
                    np.mean([objectness[max(y + dy, 0), max(x + dx, 0)] for dy in (-1, 0) for dx in (-1, 0)])
                ),
                "centre": sigmoid(objectness[y, x]),
            }[kind]
            assert float(found[y, x]) == pytest.approx(wanted, abs=1e-5)


def best_ious(scene, prediction):
    """For each truth the best overlap of a predicted instance of its class."""
    truth, found = scene.instances, prediction.instances
    overlap = lambda a, b: (a & b).sum() / (a | b).sum()
    return [
        max(
            (
                overlap(truth.full_mask(i), found.full_mask(j))
                for j in range(len(found))
                if found.labels[j] == truth.labels[i]
            ),
            default=0.0,
        )
        for i in range(len(truth))
    ]


def decoded(method, scene):
    return method.decode(method.oracle([method.targets(scene)]), scene.size)[0]


@pytest.mark.parametrize("k", [3, 5, 7])
def test_touching_cars_of_the_papers_size_come_back(k):
    scene = with_cars((100, 60, 196, 130), (196, 60, 292, 130))
    assert min(best_ious(scene, decoded(small(k=k), scene))) > 0.9


def test_what_the_papers_window_does_not_fit_is_lost():
    scene = with_cars((100, 60, 196, 130), (300, 60, 340, 90), (20, 200, 32, 210))
    found = best_ious(scene, decoded(small(), scene))
    sizes = scene.instances.longest_sides.tolist()
    assert [iou > 0.9 for iou in found] == [side == 96 for side in sizes]


def test_a_mirrored_scene_gives_mirrored_instances():
    scene = with_cars((100, 60, 196, 130), (196, 60, 292, 130))
    flip = lambda array: np.ascontiguousarray(array[:, ::-1])
    mirrored = scene_of(flip(scene.instance_ids_HW))
    method = small(decode=BEST_CENTRED)
    found, other = (decoded(method, one).instances for one in (scene, mirrored))
    assert len(found) == len(other) == 2
    for i in range(2):
        overlaps = [(flip(found.full_mask(i)) & other.full_mask(j)).sum() / found.areas[i] for j in range(2)]
        assert max(overlaps) > 0.97


def test_the_class_is_voted_for_by_the_semantic_map():
    ids = np.full((256, 512), 7)
    ids[60:130, 100:196], ids[40:136, 300:360] = 26000, 24000
    scene = scene_of(ids)
    method = small(classes=(), semantic_loss_weight=1.0, decode=BEST_CENTRED)
    prediction = decoded(method, scene)
    assert sorted(prediction.instances.labels.tolist()) == [24, 26]
    assert min(best_ious(scene, prediction)) > 0.9


class Seer(InstanceFcn):
    """A perfect network: it reads the truth off the image, in which cars are white."""

    def forward(self, images_B3HW):
        made = [np.where(image[0].numpy() > 127, 26000, 7) for image in images_B3HW]
        return self.oracle([self.targets(scene_of(ids)) for ids in made])


def test_the_image_pyramid_finds_what_one_scale_does_not():
    """A car of 40 px fits the paper's window when the image is enlarged about 2.4 times, one of 200 px at half size."""
    for box, short in (((80, 40, 120, 70), 307), ((200, 20, 400, 120), 62)):
        scene = with_cars(box, size=(128, 512))
        image = torch.from_numpy(np.where(scene.instance_ids_HW >= 1000, 255, 0).astype(np.uint8)).expand(1, 3, -1, -1)
        config = InstanceFcnConfig(branch_channels=8)
        assert len(Seer(config).predict(image)[0].instances) == 0
        config = replace(config, decode=InstanceFcnDecodeConfig(short_sides_px=(128, short)))
        prediction = Seer(config).predict(image)[0]
        assert best_ious(scene, prediction)[0] > 0.85
        assert prediction.instances.size == scene.size


@pytest.mark.parametrize("semantic", [0.0, 1.0])
@pytest.mark.parametrize("features", ["skips", "holes"])
def test_the_heads_on_kept_features_say_what_the_network_says(features, semantic):
    method = small(features, "report", semantic_loss_weight=semantic).eval()
    images = torch.randint(0, 256, (2, 3, 64, 96), dtype=torch.uint8)
    with torch.no_grad():
        kept = method.features(images)
        whole, split = method(images), method.heads(kept)
    assert list(whole) == list(split) and ("semantic" in whole) == (semantic > 0)
    for name, one in whole.items():
        pairs = zip(one, split[name], strict=True)
        assert all(torch.equal(a, b) and a.std() > 0 for a, b in pairs)
    assert {stride: tuple(maps.shape[-2:]) for stride, maps in kept.items()} == {
        stride: (64 // stride, 96 // stride) for stride in ((8, 16, 32) if features == "skips" else (8,))
    }


def test_one_cache_of_conv4_3_serves_every_variant_of_conv5():
    images = torch.randint(0, 256, (1, 3, 64, 96), dtype=torch.uint8)
    methods = [small(slips=Slips(**{name: True} if name else {})) for name in ("", "one_dilated_layer", "lost_conv5_1")]
    for other in methods[1:]:
        for index in (0, 2, 5, 7, 10, 12, 14, 17, 19, 21):
            other.backbone.features[index].load_state_dict(methods[0].backbone.features[index].state_dict())
    with torch.no_grad():
        conv4_3, finer = methods[0].backbone.to_conv4_3(methods[0].normalise(images))
        found = [method.heads(method.backbone.from_conv4_3(conv4_3))["parts"][0] for method in methods]
        assert finer == {} and all(torch.equal(a, m(images)["parts"][0]) for a, m in zip(found, methods, strict=True))
    assert not torch.equal(found[0], found[1])


@pytest.mark.parametrize(
    ("config", "taken", "new"),
    [
        (InstanceFcnConfig("skips", "report", "mean_l1"), {"backbone", "conv6", "conv7"}, {"widened", "widened_skips"}),
        (
            InstanceFcnConfig("skips", "report", "mean_l1", semantic_loss_weight=1.0),
            {"backbone", "conv6", "conv7", "score", "skips"},
            {"widened", "widened_skips"},
        ),
        (InstanceFcnConfig("holes", "report", "central4"), {"backbone"}, set()),
    ],
)
def test_a_trained_fcn_8s_is_taken_over_by_name(config, taken, new):
    config = replace(config, channels=8, branch_channels=8)
    report = load_matching(build_method(config), build_method(FcnConfig(output_stride=8, channels=8)).state_dict())
    assert {name.split(".")[0] for name in report.loaded} == taken
    assert {name.split(".")[0] for name in report.missing} == new | {"parts_branch", "objectness_branch"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"features": "hole"}, "'skips' or 'holes'"),
        ({"objectness": "mean"}, "'mean_l1', 'central4'"),
        ({"classes": (7,)}, "classes has 7"),
        ({"classes": (24, 26)}, "semantic_loss_weight=1"),
        ({"features": "skips", "slips": Slips(one_dilated_layer=True)}, "only features=holes"),
    ],
)
def test_a_wrong_value_is_named(changes, words):
    with pytest.raises(PartwiseError, match=words):
        small(**changes)
