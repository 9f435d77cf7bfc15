"""Explanations of part maps agree with the decoder, and with the definition of each outcome."""

import json

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from partwise.data.streets import Streets
from partwise.errors import PartwiseError
from partwise.methods import PartMaps, PartsConfig
from partwise.methods.parts.decode_config import DecodeConfig
from partwise.methods.parts.explain import OUTCOMES
from partwise.methods.parts.explainer import explain
from partwise.methods.parts.windows import Window

SIZE = (128, 256)
EVERY = 10**6


def network(**decode) -> PartMaps:
    config = PartsConfig(channels=8, assembling="nearest", decode=DecodeConfig(**decode))
    return PartMaps(config).eval()


def oracle_of_a_street(method):
    scene = Streets(1, SIZE, seed=4)[0]
    return method.oracle([method.targets(scene)])


def noise(method, seed, sure=-2.0):
    """Outputs with many more windows than a trained network gives, so that every outcome occurs."""
    generator = torch.Generator().manual_seed(seed)

    def smooth(channels, stride, strength, mean):
        size = [side // stride for side in SIZE]
        coarse = torch.randn(1, channels, *(max(2, side // 4) for side in size), generator=generator)
        return F.interpolate(coarse, size=size, mode="bilinear") * strength + mean

    windows = method.windows
    return {
        "semantic": smooth(len(method.label_set.evaluated), 4, 3.0, 0.0),
        "objectness": [smooth(1, w.stride_px, 2.0, sure)[:, 0] for w in windows],
        "parts": [smooth(method.config.k**2, w.stride_px, 4.0, 0.0) for w in windows],
    }


def points(count, seed=0):
    rng = np.random.default_rng(seed)
    return [(int(rng.integers(SIZE[1])), int(rng.integers(SIZE[0]))) for _ in range(count)]


def covers(window: Window, centre, point) -> bool:
    """A window at cell c covers the cells from c - m // 2 to c - m // 2 + m - 1."""
    return all(
        0 <= at // window.stride_px - (cell - window.cells // 2) < window.cells
        for cell, at in zip(centre, point[::-1], strict=True)
    )


def test_the_window_of_every_instance_is_found_and_its_score_is_the_product_that_is_told():
    method = network()
    outputs = oracle_of_a_street(method)
    found = method.decode(outputs, SIZE)[0].instances
    assert len(found) > 3
    for i in range(len(found)):
        free = found.full_mask(i)
        for j in range(i):
            free &= ~found.full_mask(j)  # where masks overlap, the instance with the higher score is explained
        if not free.any():
            continue
        y, x = (int(axis[0]) for axis in np.nonzero(free))
        told = explain(method, outputs, SIZE, (x, y))
        story, name = told.windows[0], method.label_set.by_id[int(found.labels[i])].name
        assert told.instance == i and story.outcome == "kept" and covers(story.window, story.centre, (x, y))
        score = story.objectness * story.quality**method.config.decode.quality_power * story.votes[name]
        assert score == pytest.approx(float(found.scores[i]), rel=1e-4)
        assert any(one.outcome == "kept" and one.instance == i for one in story.as_classes)


@pytest.mark.parametrize("seed", range(3))
def test_asking_changes_nothing_that_is_found(seed):
    method = network(max_windows=60, max_instances=8)
    outputs = noise(method, seed)
    plain = method.decode(outputs, SIZE)[0].instances
    told = explain(method, outputs, SIZE, points(1, seed)[0]).prediction.instances
    assert np.array_equal(plain.scores, told.scores) and np.array_equal(plain.labels, told.labels)
    assert all(np.array_equal(a, b) for a, b in zip(plain.masks, told.masks, strict=True))


def test_every_window_over_the_pixel_is_counted_once_and_its_outcome_holds():
    config = DecodeConfig(max_windows=40, max_instances=6, min_score=0.02, min_objectness=0.1)
    method, seen = network(**vars(config)), set()
    for seed, point in enumerate(points(12)):
        outputs = noise(method, seed, sure=-1.5)
        if seed % 2:  # an instance's pixel
            last = method.decode(outputs, SIZE)[0].instances.full_mask(-1)
            point = tuple(int(axis[0]) for axis in np.nonzero(last))[::-1]
        told = explain(method, outputs, SIZE, point, most=EVERY)
        found = told.prediction.instances
        expected = {
            (index, (y, x))
            for index, window in enumerate(method.windows)
            for y in range(outputs["objectness"][index].shape[1])
            for x in range(outputs["objectness"][index].shape[2])
            if covers(window, (y, x), point)
        }
        assert {(story.grid, story.centre) for story in told.windows} == expected
        assert sum(told.counts.values()) == len(expected)
        for story in told.windows:
            seen.add(story.outcome)
            probability = torch.sigmoid(outputs["objectness"][story.grid][0])
            y, x = story.centre
            near = probability[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2].max()
            assert story.objectness == pytest.approx(float(probability[y, x]))
            assert (story.outcome == "objectness") == (story.objectness <= config.min_objectness)
            if story.outcome == "beside":
                assert story.objectness < config.peaks * float(near)
            elif story.outcome != "objectness":
                assert story.objectness >= config.peaks * float(near) - 1e-6
            assert bool(story.as_classes) == (list(OUTCOMES).index(story.outcome) > list(OUTCOMES).index("skipped"))
            for one in story.as_classes:
                if one.outcome == "unsure":
                    assert one.score <= config.min_score
                if one.outcome == "overlaps":
                    assert one.iou > config.nms_iou and found.labels[one.instance] == one.label
                    assert found.scores[one.instance] >= one.score
                if one.outcome == "full":
                    assert len(found) == config.max_instances and one.score <= found.scores[-1]
            if story.outcome in ("kept", "elsewhere"):
                own = next(one.instance for one in story.as_classes if one.outcome == "kept")
                at_pixel = found.full_mask(own)[point[1], point[0]]
                assert at_pixel if story.outcome == "kept" else (not at_pixel or told.instance < own)
        assert (told.counts.get("kept", 0) == 1) == (told.instance >= 0)
    assert seen >= {"objectness", "beside", "many", "overlaps", "elsewhere", "kept", "full"}


def test_the_part_is_the_one_in_whose_place_the_pixel_lies():
    method = network()
    outputs = noise(method, 0)
    for point in points(5, 1):
        for story in explain(method, outputs, SIZE, point, most=40).windows:
            side = story.window.cells
            cell = [(at - low) // story.window.stride_px for at, low in zip(point, story.box_px[:2], strict=True)]
            assert story.part == (cell[1] * method.config.k // side, cell[0] * method.config.k // side)
            assert story.parts_Kmm.shape == (9, side, side)
            assert story.pixel in (0.0, pytest.approx(1 / (1 + np.exp(-story.logits_mm[cell[1], cell[0]])), abs=1e-5))


def test_the_refined_mask_that_is_told_is_that_of_the_instance():
    torch.manual_seed(0)
    method = PartMaps(PartsConfig(channels=8, semantic_stride_px=2, refine_masks=True)).eval()
    torch.nn.init.normal_(method.mask_refiner.correction.weight, std=0.05)
    outputs = oracle_of_a_street(method)
    detail = (1, method.mask_refiner.reduce.out_channels, SIZE[0] // 2, SIZE[1] // 2)
    outputs["detail"] = torch.randn(detail, generator=torch.Generator().manual_seed(1))
    found = method.decode(outputs, SIZE)[0].instances
    for i in range(len(found)):
        mask = found.full_mask(i)
        y, x = (int(axis[0]) for axis in np.nonzero(mask))
        told = explain(method, outputs, SIZE, (x, y))
        if told.instance != i:  # an instance with a higher score covers it
            continue
        refined, (x0, y0, x1, y1) = told.windows[0].refined_nn, told.windows[0].box_px
        large = F.interpolate(torch.from_numpy(refined)[None, None], size=(y1 - y0, x1 - x0), mode="bilinear")[0, 0]
        inside = np.s_[max(y0, 0) : y1, max(x0, 0) : x1]
        own = (large.numpy() > 0)[max(-y0, 0) : SIZE[0] - y0, max(-x0, 0) : SIZE[1] - x0]
        assert np.array_equal(own, mask[inside]) and mask.sum() == own.sum()
    assert len(found) > 3
    assert all(story.refined_nn is None for story in explain(method, outputs, SIZE).windows if not story.as_classes)


def test_it_goes_into_json_and_a_pixel_outside_is_refused():
    method = network()
    outputs = oracle_of_a_street(method)
    values = json.loads(json.dumps(explain(method, outputs, SIZE, (3, 5)).to_json()))
    assert values["x"] == 3 and values["y"] == 5 and sum(values["windows_over_the_pixel"].values()) > 0
    for point in ((256, 0), (0, 128), (-1, 0)):
        with pytest.raises(PartwiseError, match="the image is 256x128"):
            explain(method, outputs, SIZE, point)
