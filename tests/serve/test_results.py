"""What the page is given is what the model says: results, downloads, explanations, and truth."""

import io
import json
import re
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from pycocotools import mask as coco_mask
from serve_photos import mask_of, shown_of
from starlette.testclient import TestClient
from tiny_networks import tiny_model

from partwise.data.streets import Streets
from partwise.report.panels import match_instances
from partwise.segmenter import load
from partwise.selection import selected
from partwise.serve.app import Site, make_app
from partwise.serve.downloads import Choice
from partwise.serve.forms import mask_runs, value_runs
from partwise.serve.views import see
from streeteval.evaluator import CityscapesEvaluator
from streeteval.metrics.average_precision import class_table

from .conftest import Web


@given(arrays(bool, st.tuples(st.integers(1, 6), st.integers(1, 6))))
def test_runs_give_the_mask_back(mask_hw):
    runs = mask_runs(mask_hw)
    assert (np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(mask_hw.shape) == mask_hw).all()
    assert all(runs[1:])


@given(arrays(np.uint8, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=st.integers(0, 2)))
def test_runs_of_values_give_the_map_back(ids_HW):
    runs = np.array(value_runs(ids_HW)).reshape(-1, 2)
    assert (np.repeat(runs[:, 0], runs[:, 1]).reshape(ids_HW.shape) == ids_HW).all()


@pytest.mark.parametrize("size", [(128, 256), (700, 900)], ids=["one view", "with an overview"])
def test_what_is_seen_is_what_a_call_of_the_model_gives(segment, size):
    image = Streets(1, size, seed=5)[0].image_HW3
    seen, called = see(segment, image, "a"), segment(image, name="a")
    assert len(called) and (seen.result.labels == called.labels).all() and (seen.result.scores == called.scores).all()
    assert (seen.result.boxes == called.boxes).all() and (seen.result.semantic_HW == called.semantic_HW).all()
    assert all((a == b).all() for a, b in zip(seen.result.masks, called.masks, strict=True))


def test_the_page_has_the_masks_at_its_size(web, segment, street, told):
    result = told["result"]
    assert (result["width"], result["height"]) == (200, 100) and result["photo"] == {"width": 256, "height": 128}
    found = segment(street).instances.resized((100, 200))
    masks = [mask_of(one, (100, 200)) for one in result["instances"] if one["runs"]]
    assert len(masks) == len(found) > 0
    assert all((mask == found.full_mask(i)).all() for i, mask in enumerate(masks))
    ids = np.array(result["semantic"]).reshape(-1, 2)
    assert ids[:, 1].sum() == 100 * 200 and set(ids[:, 0]) <= {
        one["id"] for one in web.client.get("/api/about").json()["classes"]
    }
    picture = Image.open(io.BytesIO(web.client.get(f"/api/photos/{told['id']}/picture.jpg").content))
    assert picture.size == (200, 100)


@pytest.mark.parametrize("distinct", [True, False])
@pytest.mark.parametrize("min_score", [0.0, 0.05])
def test_page_server_and_command_show_the_same_instances(segment, street, told, min_score, distinct):
    label_set = segment.method.label_set
    for classes in (None, tuple(one.name for one in label_set.things[:4])):
        labels = None if classes is None else {label_set[name].id for name in classes}
        page = shown_of(told["result"]["instances"], min_score, labels, distinct)
        server = Choice(min_score, classes, distinct).indices(segment(street)).tolist()
        assert [i for i in server if told["result"]["instances"][i]["runs"]] == page
        command = selected(segment(street).instances, label_set, min_score, classes or ())
        command = command.distinct() if distinct else command
        assert segment(street).scores[server].tolist() == command.scores.tolist()


def test_downloads_have_the_shown_instances(web, segment, street, told):
    label_set = segment.method.label_set
    least = float(np.median(segment(street).scores))
    chosen = Choice(least, None, True).indices(segment(street))
    query = f"?min_score={least!r}&distinct=1"
    ask = lambda kind: web.client.get(f"/api/photos/{told['id']}/{kind}{query}")
    overlay = ask("overlay.png")
    assert Image.open(io.BytesIO(overlay.content)).size == (256, 128)
    assert overlay.headers["content-disposition"] == 'attachment; filename="a_overlay.png"'
    coco = json.loads(ask("coco.json").content)
    assert [one["score"] for one in coco["annotations"]] == segment(street).scores[chosen].tolist()
    areas = [int(coco_mask.area(one["segmentation"])) for one in coco["annotations"]]
    assert areas == segment(street).areas[chosen].tolist() and coco["images"][0]["file_name"] == "a.png"
    archive = zipfile.ZipFile(io.BytesIO(ask("cityscapes.zip").content))
    lines = archive.read("instances/a_pred.txt").decode().splitlines()
    assert len(lines) == len(chosen) and "pixels/a_labelIds.png" in archive.namelist()
    ids = np.asarray(Image.open(io.BytesIO(archive.read("pixels/a_labelIds.png"))))
    assert (ids == segment(street).semantic_HW).all()
    no_class = web.client.get(f"/api/photos/{told['id']}/coco.json?min_score=0&no_class=1").json()
    one_class = web.client.get(f"/api/photos/{told['id']}/coco.json?min_score=0&no_class=1&class=car").json()
    assert no_class["annotations"] == [] and len(label_set.things) > 1
    assert len(one_class["annotations"]) == (segment(street).labels == label_set["car"].id).sum()


@pytest.mark.parametrize(
    "name", ["my street.png", "IMG_1.JPG", 'a "b" Straße.webp', "it's 100% <b>x.jpeg", "no ending"]
)
def test_the_coco_file_names_the_photo_as_it_is_on_the_disk(web, street, name):
    told = web.done(street, name)
    coco = web.client.get(f"/api/photos/{told['id']}/coco.json")
    assert told["name"] == name == coco.json()["images"][0]["file_name"]
    assert re.fullmatch(r'attachment; filename="[\w-]+_coco.json"', coco.headers["content-disposition"], re.ASCII)


def test_a_click_says_what_explain_says(web, segment, street, told):
    for x, y in ((0, 0), (100, 80), (255, 127)):
        answer = web.client.get(f"/api/photos/{told['id']}/explanation?x={x}&y={y}").json()
        explanation = segment.explain(street, (x, y))
        assert answer["pixel"] == [x, y] and tuple(answer["point"]) == explanation.point
        assert sum(row["count"] for row in answer["blocks"][1]["rows"]) == sum(explanation.counts.values())
        if explanation.instance < 0:
            assert answer["instance"] is None
        else:
            score = float(explanation.prediction.instances.scores[explanation.instance])
            index = answer["instance"]["index"]
            assert answer["instance"]["score"] == pytest.approx(score, abs=1e-4)
            if index >= 0:  # else the overview has a whole object in its place
                assert told["result"]["instances"][index]["score"] == pytest.approx(score, abs=1e-5)


def test_an_instance_of_the_overview_is_explained_there(segment):
    image = Streets(1, (700, 900), seed=5)[0].image_HW3
    seen = see(segment, image)
    assert len(seen.views) == 2 and all(len(view.place) for view in seen.views)
    assert sorted(i for view in seen.views for i in view.place if i >= 0) == list(range(len(seen.result)))
    far = next(i for i in seen.views[1].place if i >= 0)
    explained = seen.explain(*seen.middle_of(far), far)
    assert explained.overview and explained.view is seen.views[1]
    assert not seen.explain(*seen.middle_of(far)).overview


def test_truth_matches_and_the_curve_is_that_of_the_evaluator(web, site, segment):
    scenes = site.truth.scenes
    evaluator = CityscapesEvaluator(scenes.label_set)
    for number in range(len(scenes)):
        brief = "?brief=1" if number else ""
        told = web.until_done(web.client.post(f"/api/frames/{number}{brief}").json()["id"])
        found = segment(scenes[number].image_HW3).instances
        evaluator.update(scenes[number], found)
        things = [label.id for label in scenes.label_set.things]
        truth = scenes[number].instances[np.isin(scenes[number].instances.labels, things)]
        if not brief:
            matched = match_instances(truth, found)
            assert np.array_equal(np.array(told["truth"]["matched"]) == -1, matched == -1)
    scores = evaluator.compute()["instance"]
    told = web.client.get("/api/curve").json()
    assert (told["frames"], told["of"]) == (3, 3)
    assert told["ap"] == pytest.approx(scores["ap"], abs=1e-4) and told["ap50"] == pytest.approx(
        scores["ap50"], abs=1e-4
    )
    for one in told["classes"]:
        if one["truths"] == 0:
            assert one["ap"] is None and one["curve"] == []
        else:
            assert one["ap50"] == pytest.approx(scores["per_class"][one["name"]]["ap50"], abs=1e-4)


def test_the_area_of_a_curve_is_ap(segment, scenes):
    from streeteval.metrics.instance import InstanceScores
    from streeteval.metrics.metric import Predicted

    metric, rng = InstanceScores(scenes[0].label_set), np.random.default_rng(0)
    matches = []
    for scene in scenes:
        truth = scene.instances[np.isin(scene.instances.labels, [one.id for one in scene.label_set.things])]
        doubled = type(truth).joined([truth, truth[rng.random(len(truth)) < 0.5]])
        scores = rng.random(len(doubled)).astype(np.float32)
        matches.append(metric.observe(scene, Predicted(doubled, scores=scores.astype(float)))["all"])
    table = class_table(matches, scenes[0].label_set["car"].id)
    recall, precision, score = table.curve().T
    assert len(recall) > 5 and (np.diff(score) < 0).all() and (np.diff(recall) >= 0).all()
    steps = np.concatenate([[0.0, 0.0], recall, recall[-1:]])
    area = sum(p * (steps[n + 2] - steps[n]) / 2 for n, p in enumerate([1.0, *precision]))
    assert area == pytest.approx(table.average_precision()[0])


def test_a_model_that_cannot_explain_shows_its_results_alone(street, tmp_path):
    segment = load(tiny_model(tmp_path / "fcn.safetensors", semantic=True), device="cpu")
    web = Web(TestClient(make_app(Site(segment)), base_url="http://127.0.0.1"))
    why = web.client.get("/api/about").json()["why_no_explanation"]
    assert "cannot explain" in why
    told = web.done(street)
    assert told["result"]["instances"] == [] and told["result"]["semantic"] == value_runs(segment(street).semantic_HW)
    said = web.refuses(web.client.get(f"/api/photos/{told['id']}/explanation?x=1&y=1"), 409)
    assert said == why
    archive = zipfile.ZipFile(io.BytesIO(web.client.get(f"/api/photos/{told['id']}/cityscapes.zip").content))
    assert archive.namelist() == ["pixels/a_labelIds.png"]
    web.refuses(web.client.get("/api/frames"), 404)
