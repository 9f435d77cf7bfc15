"""Explanations of the method of centres are true for the pixel, and do not change the prediction."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from pictures import pixels_of

from partwise.data.streets import Streets
from partwise.errors import PartwiseError
from partwise.methods import Centres, CentresConfig, FcnConfig, build_method
from partwise.methods.asked import middle_of_highest_score
from partwise.methods.centres.decode import CentresDecoder, votes
from partwise.methods.centres.explain import OUTCOMES, explain
from partwise.report.inspect import MASK, PIXEL, WINDOW
from partwise.report.inspect_centres import centres_explanation_text, draw_centres_explanation
from partwise.segmenter import Segmenter
from partwise.training.checkpoint import ModelInfo

SIZE = (128, 256)


@pytest.fixture(scope="module")
def method() -> Centres:
    torch.manual_seed(0)
    return Centres(CentresConfig(channels=8)).eval()


@pytest.fixture(scope="module")
def scene():
    return Streets(1, SIZE, seed=4)[0]


@pytest.fixture(scope="module")
def outputs(method, scene):
    return method.oracle([method.targets(scene)])


def noise(method: Centres, seed: int) -> dict:
    generator = torch.Generator().manual_seed(seed)
    classes, things = len(method.label_set.evaluated), len(method.label_set.things)
    smooth = lambda channels, times: (
        times
        * torch.nn.functional.interpolate(
            torch.randn(1, channels, 8, 16, generator=generator), size=(32, 64), mode="bilinear"
        )
    )
    semantic = smooth(classes, 3.0)
    semantic[:, [label.train_id for label in method.label_set.things]] += 2
    return {"semantic": semantic, "heat": smooth(things, 2.0), "offset": smooth(2, 20.0)}


def test_a_pixel_of_each_instance_is_told_its_own_centre_and_the_score_is_the_product(method, outputs):
    found = method.decode(outputs, SIZE)[0].instances
    assert len(found) > 3
    for i in range(len(found)):
        told = explain(method, outputs, SIZE, middle_of_highest_score(found[[i]]))
        assert told.instance == i and told.outcome == "kept" and told.label in told.semantic
        x0, y0, x1, y1 = found.boxes[i]
        centre = told.centres[0]
        assert x0 - 4 <= centre.place[0] <= x1 + 4 and y0 - 4 <= centre.place[1] <= y1 + 4 and centre.distance_px < 8
        score = re.search(r"heat ([\d.]+) x mean [\w ]+ ([\d.]+) = ([\d.]+)", centres_explanation_text(told))
        heat, mean, product = map(float, score.groups())
        assert heat * mean == pytest.approx(product, abs=2e-3)
        assert product == pytest.approx(float(found.scores[i]), abs=1e-3) and mean <= 1


def test_without_a_pixel_the_surest_instance_is_told_of(method, outputs):
    assert explain(method, outputs, SIZE).instance == 0


@pytest.mark.parametrize("seed", range(4))
def test_what_is_told_holds_and_telling_changes_nothing(method, seed):
    outputs, rng, seen = noise(method, seed), np.random.default_rng(seed), set()
    plain = method.decode(outputs, SIZE)[0]
    _, classes, places = method.decoder.centres(outputs["heat"][0])
    for _ in range(12):
        x, y = int(rng.integers(SIZE[1])), int(rng.integers(SIZE[0]))
        told = explain(method, outputs, SIZE, (x, y))
        assert np.array_equal(told.prediction.semantic_HW, plain.semantic_HW)
        assert np.array_equal(told.prediction.instances.scores, plain.instances.scores)
        seen.add(told.outcome)
        assert method.label_set[told.label].id == plain.semantic_HW[y, x]
        vote = votes(outputs["offset"][0])[:, y, x]
        assert told.vote == pytest.approx(vote.flip(0).tolist())
        names = [label.name for label in method.label_set.things]
        own = places[classes == names.index(told.label)] if told.label in names else places[:0]
        assert len(told.centres) == len(own)
        distances = [centre.distance_px for centre in told.centres]
        assert distances == pytest.approx(sorted((own - vote).norm(dim=1).tolist()), rel=1e-4)
        assert (told.heat_hw is None) == (told.outcome == "stuff") == (told.label not in names)
        assert (told.outcome == "kept") == (told.instance >= 0)
        assert set(told.to_json()) >= {"instance", "vote", "centres", "outcome_in_words"} and json.dumps(told.to_json())
    assert "kept" in seen


def test_why_a_pixel_has_no_instance_is_told_one_by_one(method, outputs, scene):
    found = method.decode(outputs, SIZE)[0].instances
    on = tuple(int(axis[0]) for axis in np.nonzero(found.full_mask(0)))[::-1]
    off = tuple(int(axis[0]) for axis in np.nonzero(scene.instance_ids_HW < 1000))[::-1]
    for point, changes, outcome in (
        (off, {}, "stuff"),
        (on, {"min_heat": 1.0}, "alone"),
        (on, {"min_area_px": 10**6}, "small"),
    ):
        other = Centres(replace(method.config, decode=replace(method.config.decode, **changes))).eval()
        assert isinstance(other.decoder, CentresDecoder)
        told = explain(other, outputs, SIZE, point)
        assert told.outcome == outcome and told.instance == -1 and OUTCOMES[outcome] in centres_explanation_text(told)
        assert ("its vote" in centres_explanation_text(told)) == (outcome != "stuff")


def test_the_picture_shows_pixel_centre_and_mask_and_no_mask_where_there_is_none(method, outputs, scene):
    black = np.zeros((*SIZE, 3), np.uint8)
    y, x = (int(axis[0]) for axis in np.nonzero(scene.instance_ids_HW < 1000))
    shown = draw_centres_explanation(black, explain(method, outputs, SIZE))
    empty = draw_centres_explanation(black, explain(method, outputs, SIZE, (x, y)))
    third = shown.shape[1] // 3
    assert all(pixels_of(shown[:, :third], colour) > 20 for colour in (PIXEL, WINDOW, MASK))
    assert pixels_of(empty[:, :third], PIXEL) > 20 and pixels_of(empty[:, :third], MASK) == 0


def test_a_model_without_an_explanation_and_a_pixel_outside_are_refused(method, outputs):
    image = np.zeros((64, 64, 3), np.uint8)
    fcn = build_method(FcnConfig(channels=4)).eval()
    with pytest.raises(PartwiseError, match="method fcn cannot explain") as refused:
        Segmenter(fcn, ModelInfo({"kind": "fcn"}, "cityscapes", {})).explain(image, (3, 3))
    assert all(f" {able}," in str(refused.value) for able in ("parts", "centres", "ordering", "instance_fcn"))
    with pytest.raises(PartwiseError, match="pixel 256,3: the image is 256x128"):
        explain(method, outputs, SIZE, (256, 3))
    empty = {**outputs, "heat": torch.full_like(outputs["heat"], -10.0)}
    with pytest.raises(PartwiseError, match="nothing was found"):
        explain(method, empty, SIZE)
