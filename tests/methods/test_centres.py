"""Centres: targets and grouping against brute force, and that offsets depend only on the pixel's own instance."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from partwise.errors import PartwiseError
from partwise.methods import Centres, CentresConfig
from partwise.methods.centres.decode import CentresDecodeConfig, CentresDecoder, votes
from partwise.methods.centres.network import heat_loss, offset_loss
from partwise.methods.centres.targets import IGNORED, LEAST_SIDE_PX, centre_targets
from partwise.scene import Scene
from partwise_report.ordering.targets import by_centre, map_of_pixels
from streeteval.labels import CITYSCAPES

THINGS = {label.id: index for index, label in enumerate(CITYSCAPES.things)}
CAR, PERSON = THINGS[26], THINGS[24]


def scene_of(ids_HW: np.ndarray) -> Scene:
    semantic = np.where(ids_HW >= 1000, ids_HW // 1000, ids_HW).astype(np.uint8)
    return Scene("made", np.zeros((*ids_HW.shape, 3), np.uint8), semantic, ids_HW.astype(np.int32))


def street(*cars: tuple[int, int, int, int], size=(96, 192)) -> Scene:
    """A road with a car in each box (x0, y0, x1, y1)."""
    ids = np.full(size, 7)
    for number, (x0, y0, x1, y1) in enumerate(cars):
        ids[y0:y1, x0:x1] = 26000 + number
    return scene_of(ids)


def test_every_cell_of_an_instance_points_at_the_mean_of_its_pixels(scenes):
    for scene in scenes:
        maps = centre_targets(scene, min_area_px=20)
        instances, offset, weight = scene.instances, maps["offset"].numpy(), maps["weight"].numpy()
        means = []
        for box, mask in zip(instances.boxes, instances.masks, strict=True):
            rows, columns = np.nonzero(mask)
            means.append((box[1] + rows.mean() + 0.5, box[0] + columns.mean() + 0.5))
        for y, x in np.argwhere(weight > 0)[::7]:
            pointed = np.array([y * 4 + 2 + offset[0, y, x], x * 4 + 2 + offset[1, y, x]])
            here = np.unique(scene.instance_ids_HW[y * 4 : y * 4 + 4, x * 4 : x * 4 + 4])
            own = [n for n in range(len(means)) if np.abs(pointed - means[n]).max() < 1e-3]
            assert any((scene.instance_ids_HW[b[1] : b[3], b[0] : b[2]][instances.masks[n]][0] in here)
                       for n in own for b in [instances.boxes[n]])  # fmt: skip


def test_heat_is_1_at_the_centre_alone_and_falls_around_it():
    heat = centre_targets(street((40, 20, 80, 60)), 20)["heat"]
    assert (heat[CAR] == 1).nonzero().tolist() == [[10, 15]]
    assert heat[CAR, 10, 16] > heat[CAR, 10, 17] > heat[CAR, 10, 18] > 0
    assert (heat[[index for index in THINGS.values() if index != CAR]] == 0).all()


def test_groups_and_tiny_instances_are_no_background():
    ids = np.full((64, 128), 7)
    ids[0:16, 0:32], ids[40:44, 40:44], ids[20:36, 60:92] = 26, 24000, 30000  # cars as a group, 16 px, a trailer
    heat = centre_targets(scene_of(ids), 20)["heat"]
    assert (heat[CAR, 0:4, 0:8] == IGNORED).all() and (heat[PERSON, 0:4, 0:8] == 0).all()
    assert heat[PERSON, 10, 10] == IGNORED and heat[CAR, 10, 10] == 0
    assert (heat[:, 5:9, 15:23] == IGNORED).all()
    assert (heat != 1).all()


def test_another_instance_changes_every_rank_and_no_offset():
    """This makes offsets learnable: the target of a pixel depends only on its own instance."""
    own = ((60, 20, 100, 50), (110, 30, 150, 60))
    alone, with_another = street(*own), street(*own, (4, 60, 40, 90))
    before, after = centre_targets(alone, 20), centre_targets(with_another, 20)
    here = before["weight"] > 0
    assert here.any()
    for key in ("offset", "side", "weight", "heat"):
        assert torch.equal(before[key][..., here], after[key][..., here])
    cars = alone.instance_ids_HW >= 26000
    ranks = [map_of_pixels(scene, 26, 30, by_centre) for scene in (alone, with_another)]
    assert (ranks[0][cars] != ranks[1][cars]).all()


def test_a_moved_scene_has_the_same_offsets_elsewhere():
    one, moved = (centre_targets(street((x, 20, x + 37, 51)), 20) for x in (30, 62))
    for key in ("offset", "side", "weight"):
        assert torch.allclose(one[key][..., :, :32], moved[key][..., :, 8:40], atol=1e-4)
    assert torch.allclose(one["heat"][..., :32], moved["heat"][..., 8:40], atol=1e-4)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None)
def test_grouping_equals_a_loop_over_pixels(seed):
    generator = torch.Generator().manual_seed(seed)
    semantic = torch.full((19, 6, 8), -5.0)
    kinds = torch.tensor([CITYSCAPES.things[index].train_id for index in (CAR, PERSON)] + [0])
    semantic.scatter_(0, kinds[torch.randint(0, 3, (1, 6, 8), generator=generator)], 5.0)
    heat = torch.full((len(THINGS), 6, 8), -10.0)
    heat[[CAR, PERSON]] = torch.randn(2, 6, 8, generator=generator) - 1
    offset = torch.randn(2, 6, 8, generator=generator) * 8
    decoder = CentresDecoder(CentresDecodeConfig(min_area_px=1, min_heat=0.2), CITYSCAPES)
    prediction = decoder(semantic, heat, offset, (24, 32))
    scores, kinds, places = (t.numpy() for t in decoder.centres(heat))
    vote = votes(offset).numpy()
    expected = {}
    for y in range(24):
        for x in range(32):
            of_class = [k for k in range(len(kinds)) if CITYSCAPES.things[kinds[k]].id == prediction.semantic_HW[y, x]]
            if of_class:
                nearest = min(of_class, key=lambda k: float(((vote[:, y, x] - places[k]) ** 2).sum()))
                expected.setdefault(nearest, set()).add((y, x))
    found = [set(zip(*map(np.ndarray.tolist, np.nonzero(prediction.instances.full_mask(n))), strict=True))
             for n in range(len(prediction.instances))]  # fmt: skip
    assert sorted(map(sorted, found)) == sorted(map(sorted, expected.values()))
    assert (np.diff(prediction.instances.scores) <= 0).all()
    assert prediction.instances.scores.max(initial=0) <= scores.max(initial=0)


def test_touching_cars_come_apart_and_a_person_before_them_keeps_its_pixels():
    ids = np.full((96, 192), 7)
    ids[30:70, 40:90], ids[30:70, 90:140], ids[25:75, 80:96] = 26000, 26001, 24000
    scene, method = scene_of(ids), Centres(CentresConfig(channels=8))
    found = method.decode(method.oracle([method.targets(scene)]), scene.size)[0].instances
    assert sorted(found.labels.tolist()) == [24, 26, 26]
    for n in range(3):
        mask = found.full_mask(n)
        truths = [scene.instances.full_mask(j) for j in range(3)]
        assert max((mask & t).sum() / (mask | t).sum() for t in truths) > 0.93


def test_two_peaks_side_by_side_are_one_and_small_instances_go():
    decoder = CentresDecoder(CentresDecodeConfig(peak_cells=3), CITYSCAPES)
    heat = torch.full((len(THINGS), 8, 8), -10.0)
    heat[CAR, 3, 3], heat[CAR, 3, 4], heat[PERSON, 3, 4] = 3.0, 2.0, 1.0
    scores, kinds, places = decoder.centres(heat)
    assert kinds.tolist() == [CAR, PERSON]
    assert places.tolist() == [[14.0, 14.0], [14.0, 18.0]]
    assert scores.tolist() == pytest.approx(torch.sigmoid(torch.tensor([3.0, 1.0])).tolist())


def test_losses_equal_loops_over_cells():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(1, 2, 3, 4, generator=generator)
    heat = torch.rand(1, 2, 3, 4, generator=generator)
    heat[0, 0, 1, 1], heat[0, 1, 2, 2], heat[0, 0, 0, 0] = 1.0, 1.0, IGNORED
    total = 0.0
    for logit, truth in zip(logits.flatten().tolist(), heat.flatten().tolist(), strict=True):
        p = 1 / (1 + np.exp(-logit))
        if truth == 1:
            total -= (1 - p) ** 2 * np.log(p)
        elif truth >= 0:
            total -= (1 - truth) ** 4 * p**2 * np.log(1 - p)
    assert heat_loss(logits, heat).item() == pytest.approx(total / 2, rel=1e-4)

    offset, truth = torch.randn(2, 1, 2, 3, 4, generator=generator) * 9
    side, weight = torch.full((1, 3, 4), 20.0), torch.rand(1, 3, 4, generator=generator)
    weight[0, 0] = side[0, 0] = 0.0
    error = (offset - truth).abs().sum(dim=1)
    by_hand = sum(float(weight[0, y, x] * error[0, y, x] / 20) for y in (1, 2) for x in range(4)) / float(weight.sum())
    assert offset_loss(offset, truth, side, weight).item() == pytest.approx(by_hand, rel=1e-4)
    assert offset_loss(offset, truth, side, torch.zeros_like(weight)) == 0


def test_an_error_counts_as_a_share_of_the_object():
    losses = []
    for scale in (1, 2):
        boxes = [tuple(scale * side for side in (20, 16, 60, 48))]
        target = centre_targets(street(*boxes, size=(96 * scale, 192 * scale)), 20)
        wrong = target["offset"] + 3.0 * scale
        batched = [wrong[None], *(target[key][None] for key in ("offset", "side", "weight"))]
        losses.append(float(offset_loss(*batched)))
        assert float(target["side"].max()) == max(40 * scale, LEAST_SIDE_PX)
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_an_even_window_of_peaks_is_refused():
    with pytest.raises(PartwiseError, match="peak_cells=4"):
        Centres(CentresConfig(decode=CentresDecodeConfig(peak_cells=4)))
