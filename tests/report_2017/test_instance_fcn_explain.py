"""What is said of one decision of the instance-sensitive FCN holds, against the decoder and by brute force."""

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from partwise.errors import PartwiseError
from partwise.methods import Explainable, build_method
from partwise.report.explained import shown_explanation
from partwise.scene import Scene
from partwise_report.instance_fcn import InstanceFcnConfig, InstanceFcnDecodeConfig
from partwise_report.instance_fcn.decode import objectness_of_windows
from partwise_report.instance_fcn.explain import OUTCOMES, explain
from partwise_report.slips import Slips

SIZE = (96, 160)
EVERY = 10**6
CONFIG = InstanceFcnConfig("holes", "report", "centre", branch_channels=4, sizes_px=((40, 56), (64, 64)))


def method_with(slips=None, **decode):
    config = replace(CONFIG, decode=InstanceFcnDecodeConfig(**decode), slips=Slips(**(slips or {})))
    return build_method(config)


def noise(seed=0):
    """Maps on which every outcome comes up."""
    generator = torch.Generator().manual_seed(seed)

    def smooth(maps, mean=0.0):
        coarse = torch.randn(1, maps, 4, 6, generator=generator)
        return F.interpolate(coarse, size=(12, 20), mode="bilinear") * 4 + mean

    return {"objectness": [smooth(1)[:, 0]], "parts": [smooth(9, -2.0)]}


def a_car():
    ids = np.full(SIZE, 7, np.int32)
    ids[40:56, 60:92] = 26000
    semantic = np.where(ids >= 1000, 26, ids).astype(np.uint8)
    return Scene("made", np.full((*SIZE, 3), 90, np.uint8), semantic, ids)


@pytest.mark.parametrize("enlarge", [1, 2])
def test_a_car_that_was_found_is_explained_by_its_window(enlarge):
    method = build_method(replace(CONFIG, enlarge=enlarge, sizes_px=((80, 96),)))
    scene = a_car()
    outputs = method.oracle([method.targets(scene)])
    assert isinstance(method, Explainable)
    found = method.explain(outputs, SIZE, (75, 48))
    story = found.windows[0]
    assert found.instance >= 0 and story.outcome == "kept" and story.pixel > 0.9
    x0, y0, x1, y1 = story.box_px
    assert x0 <= 60 and y0 <= 40 and x1 >= 92 and y1 >= 56
    assert story.part == (1, 1)  # the pixel lies in the middle of the car
    assert found.prediction.instances.full_mask(found.instance)[48, 75]
    assert method.explain(outputs, SIZE).windows[0].outcome == "kept"  # the middle of what scores highest
    assert method.explain(outputs, SIZE, (3, 3)).instance == -1


def covering(method, outputs, point):
    """Brute force: box -> objectness of every window whose cells hold the pixel."""
    made = {}
    for rows, columns in method.decoder.sizes:
        scores = objectness_of_windows("centre", outputs["objectness"][0][0], (rows, columns))
        for y in range(12):
            for x in range(20):
                y0, x0 = y - rows // 2, x - columns // 2
                if y0 <= point[1] // 8 < y0 + rows and x0 <= point[0] // 8 < x0 + columns:
                    made[(y0, x0, y0 + rows, x0 + columns)] = float(scores[y, x])
    return made


@pytest.mark.parametrize("point", [(0, 0), (80, 48), (159, 95), (31, 70)])
def test_every_window_over_the_pixel_is_told_of_once(point):
    method, outputs = method_with(min_score=0.3, max_windows=40, max_instances=6, nms_iou=0.3), noise()
    found = explain(method, outputs, SIZE, point, most=EVERY)
    windows = covering(method, outputs, point)
    assert {story.cells: pytest.approx(story.objectness) for story in found.windows} == windows
    assert len(found.windows) == len(windows) == sum(found.counts.values())
    assert found.counts == Counter(story.outcome for story in found.windows)
    for story in found.windows:
        assert (story.outcome == "unlikely") == (story.objectness < 0.3)
        if story.outcome == "many":  # so many of its size have more
            size = story.cells[2] - story.cells[0], story.cells[3] - story.cells[1]
            scores = objectness_of_windows("centre", outputs["objectness"][0][0], size)
            assert (scores >= story.objectness).sum() >= 40
        if story.outcome == "empty":
            assert not (story.logits_rc > 0).any()
        if story.outcome in ("kept", "elsewhere", "overlaps", "full"):
            assert (story.logits_rc > 0).any()


def test_every_outcome_comes_up():
    seen = set()
    for slips in ({}, {"sparse_inference": True}, {"summed_windows": True}):
        method = method_with(slips, min_score=0.2, max_windows=60, max_instances=8, nms_iou=0.3)
        for seed in range(3):
            outputs = noise(seed)
            for point in ((80, 48), (30, 30), (120, 70)):
                seen |= set(explain(method, outputs, SIZE, point).counts)
    assert seen == set(OUTCOMES)


def test_the_windows_that_are_kept_are_the_instances():
    method, outputs = method_with(nms_iou=0.3, min_score=0.5), noise(1)
    prediction = method.decode(outputs, SIZE)[0]
    for i, (x0, y0, _, _) in enumerate(prediction.instances.boxes.tolist()):
        rows, columns = np.nonzero(prediction.instances.masks[i])
        found = method.explain(outputs, SIZE, (int(x0 + columns[0]), int(y0 + rows[0])))
        (own,) = [story for story in found.windows if story.outcome == "kept"]
        assert found.instance <= i and own is found.windows[0]
        assert own.objectness == pytest.approx(float(prediction.instances.scores[found.instance]))


def test_an_explanation_is_shown_in_words_and_as_a_picture():
    method, outputs = method_with(min_score=0.2), noise()
    found = method.explain(outputs, SIZE)
    words, picture = shown_explanation(found, np.zeros((*SIZE, 3), np.uint8), method, 0.5)
    assert "car" in words and "objectness of the window" in words and OUTCOMES["kept"] in words
    assert picture.ndim == 3 and picture.shape[2] == 3 and picture.dtype == np.uint8 and len(np.unique(picture)) > 50
    assert json.loads(json.dumps(found.to_json()))["windows"][0]["outcome"] == "kept"


def test_nothing_to_explain_is_said():
    method, outputs = method_with(), noise()
    with pytest.raises(PartwiseError, match="the image is 160x96"):
        method.explain(outputs, SIZE, (160, 0))
    with pytest.raises(PartwiseError, match="nothing was found"):
        method.explain(outputs | {"parts": [torch.full((1, 9, 12, 20), -1.0)]}, SIZE)
