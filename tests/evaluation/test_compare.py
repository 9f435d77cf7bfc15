"""Bootstrap and comparison: a weight of n is an image seen n times; better and worse are told from no difference."""

import json
import operator
from functools import reduce

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.scenes import painted, predicted, random_instances, random_scenes, random_semantic, scene_of
from partwise.errors import PartwiseError
from partwise.files import write_json
from streeteval import compare as compare_module
from streeteval.compare import compare, read_records, with_records
from streeteval.evaluator import CityscapesEvaluator
from streeteval.instances import Instances
from streeteval.labels import CITYSCAPES, Label, LabelSet
from streeteval.metrics.bootstrap import draw_images, interval
from streeteval.metrics.coco import coco_matches, coco_scores, drawn_coco_scores
from streeteval.metrics.metric import Detail, Metric, size_ranges
from streeteval.scene import Truth

CAR = (5, 5, 25, 25)
EVERYTHING = {"boundary": True, "panoptic": True, "coco": True}


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_an_image_of_weight_n_counts_like_n_images(data):
    scenes = data.draw(random_scenes(("a", "b", "c")))
    weights = data.draw(st.lists(st.integers(0, 3), min_size=len(scenes), max_size=len(scenes)).filter(any))
    once, repeated = CityscapesEvaluator(**EVERYTHING), CityscapesEvaluator(**EVERYTHING)
    for scene, weight in zip(scenes, weights, strict=True):
        instances, semantic_HW = data.draw(random_instances(scene)), data.draw(random_semantic(scene))
        depth_HW = np.where(scene.semantic_HW < 25, 40.0, 80.0)
        once.update(scene, instances, semantic_HW, depth_HW=depth_HW)
        for n in range(weight):
            copy = scene_of(scene.instance_ids_HW, f"{scene.name}{n}", scene.semantic_HW)
            repeated.update(copy, instances, semantic_HW, depth_HW=depth_HW)
    drawn = once.summarise(np.array([weights]), Detail(size_ranges()))
    expected = repeated.compute()
    pairs = {
        "semantic.iou_class": expected["semantic"]["iou_class"],
        "semantic.iiou_category": expected["semantic"]["iiou_category"],
        "semantic.iou car": expected["semantic"]["per_class"]["car"]["iou"],
        "instance.ap": expected["instance"]["ap"],
        "instance.ap50": expected["instance"]["ap50"],
        "instance.ap person": expected["instance"]["per_class"]["person"]["ap"],
        "instance.ap 32-64 px": expected["instance"]["by_size"]["32-64"]["ap"],
        "instance.ar.100": expected["instance"]["ar"]["100"],
        "instance.boundary.ap": expected["instance"]["boundary"]["ap"],
        "instance.within_50m.ap": expected["instance"]["within_50m"]["ap"],
        "panoptic.pq": expected["panoptic"]["pq"],
        "panoptic.rq": expected["panoptic"]["rq"],
        "panoptic.pq car": expected["panoptic"]["per_class"]["car"]["pq"],
    }
    for key, value in pairs.items():
        assert drawn[key][0] == pytest.approx(np.nan if value is None else value, nan_ok=True), key


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_coco_ap_of_weighted_images_is_that_of_repeated_ones(data):
    """With distinct scores; where scores tie, COCO AP depends on the order of the images."""
    scenes = data.draw(random_scenes(("a", "b", "c")))
    weights = data.draw(st.lists(st.integers(0, 3), min_size=len(scenes), max_size=len(scenes)).filter(any))
    scores = np.random.default_rng(data.draw(st.integers(0, 99))).permutation(60) / 60
    once, repeated = [], []
    for scene, weight in zip(scenes, weights, strict=True):
        drawn = data.draw(random_instances(scene))
        own, scores = scores[: len(drawn)], scores[len(drawn) :]
        found = Instances(drawn.labels, own, drawn.boxes, drawn.masks, drawn.size)
        once.append(coco_matches(scene, found))
        repeated += weight * [once[-1]]
    for matches, weights_N in ((once, weights), (repeated, len(repeated) * [1])):
        values = drawn_coco_scores(matches, CITYSCAPES, np.array([weights_N]))
        expected = coco_scores(repeated, CITYSCAPES)
        for key in ("ap", "ap50"):
            assert values[key][0] == pytest.approx(expected[key], nan_ok=True)


def test_draws_are_bootstrap_draws():
    weights_BN = draw_images(7, 400, seed=1)
    assert (weights_BN.sum(axis=1) == 7).all()
    assert np.array_equal(weights_BN, draw_images(7, 400, seed=1))
    assert not np.array_equal(weights_BN, draw_images(7, 400, seed=2))
    assert weights_BN.mean(axis=0) == pytest.approx(np.ones(7), abs=0.2)


def test_an_interval_holds_the_middle_of_the_draws():
    assert interval(np.arange(1001.0)) == pytest.approx((25.0, 975.0))
    assert np.isnan(interval(np.array([1.0, np.nan, np.nan]))).all()


def result(rate: float, seed: int, images: int = 40, **settings) -> CityscapesEvaluator:
    """Cars found with a probability of `rate`, and a semantic map that sees the found ones."""
    rng = np.random.default_rng(seed)
    evaluator = CityscapesEvaluator(**settings)
    for i in range(images):
        scene = scene_of(painted((26000, *CAR)), f"ulm_{i:06}_000019")
        found = [(26, rng.random(), *CAR)] if rng.random() < rate else []
        evaluator.update(scene, predicted(*found), painted(*((26, *box) for _, _, *box in found)).astype(np.uint8))
    return evaluator


def test_headline_figures_have_intervals_around_them():
    scores = result(0.5, seed=0, draws=200, **EVERYTHING).compute()
    intervals = scores["intervals"]
    assert (intervals.pop("level"), intervals.pop("draws")) == (0.95, 200)
    headlines = ["semantic.iou_class", "semantic.iiou_class", "semantic.iou_category", "semantic.iiou_category"]
    headlines += ["instance.ap", "instance.ap50", "instance.ar.10", "instance.ar.100", "instance.ar.1000"]
    headlines += ["instance.boundary.ap", "instance.boundary.ap50", "instance.coco.ap", "instance.coco.ap50"]
    headlines += ["panoptic.pq", "panoptic.sq", "panoptic.rq"]
    assert sorted(intervals) == sorted(headlines)
    for key, (low, high) in intervals.items():
        value = reduce(operator.getitem, key.split("."), scores)
        assert low <= value <= high and high - low < 0.5, key
        assert low < high or key == "panoptic.sq", "every match here is perfect"
    again = result(0.5, seed=0, draws=200, **EVERYTHING).compute()["intervals"]
    assert intervals == {key: again[key] for key in headlines}


def test_better_worse_and_no_difference_are_told_apart():
    weak, strong, same_rate = result(0.3, 0), result(0.9, 1), result(0.3, 2)
    told = {
        name: compare(weak, b, draws=200)["differences"]["instance.ap"]
        for name, b in (("strong", strong), ("same", same_rate), ("itself", weak))
    }
    assert "B is better than A by +" in told["strong"]["sentence"] and told["strong"]["low"] > 0
    assert "no difference is shown" in told["same"]["sentence"] and told["same"]["low"] < 0 < told["same"]["high"]
    assert (told["itself"]["difference"], told["itself"]["low"], told["itself"]["high"]) == (0, 0, 0)
    back = compare(strong, weak, draws=200)["differences"]["instance.ap"]
    assert "B is worse than A by -" in back["sentence"]
    assert back["difference"] == -told["strong"]["difference"]
    nothing = compare(weak, strong, draws=20)["differences"]["instance.ap bus"]
    assert nothing["a"] is None and "no difference can be given" in nothing["sentence"]


def on_boxes(boxes, found, draws=0) -> CityscapesEvaluator:
    """An image for each list of true (id, box); `found` says which of them B finds."""
    evaluator = CityscapesEvaluator(draws=draws, panoptic=True)
    for i, (truth, kept) in enumerate(zip(boxes, found, strict=True)):
        shown = [(id_ // 1000, 0.5, *box) for (id_, *box), keep in zip(truth, kept, strict=True) if keep]
        labels_HW = painted(*((label, *box) for label, _, *box in shown)).astype(np.uint8)
        evaluator.update(scene_of(painted(*truth), f"ulm_{i:06}_000019"), predicted(*shown), labels_HW)
    return evaluator


@pytest.mark.parametrize("images", [1, 4])
def test_a_class_in_too_few_images_has_no_interval_however_often_it_is_drawn(images):
    """One train in one image: each draw that holds it says 0 and 1, so that every interval would be certain."""
    cars = 20 * [[(26000, *CAR)]]
    trains = [[*one, (31000, 30, 5, 50, 25)] for one in cars[:images]] + cars[images:]
    a = on_boxes(trains, [[True, False]] * images + (20 - images) * [[True]])
    b = on_boxes(trains, [[True, True]] * images + (20 - images) * [[True]])
    differences = compare(a, b, draws=200)["differences"]
    for key in ("instance.ap train", "semantic.iou train", "panoptic.pq train"):
        row = differences[key]
        assert (row["difference"], row["images"], row["low"], row["high"]) == (1, images, None, None), key
        assert (
            f"no difference can be given, too few images have the class or any truth for it: {images},"
            in (row["sentence"])
        )
    assert differences["instance.ap car"]["images"] == 20 and differences["instance.ap car"]["low"] == 0


def test_a_size_in_too_few_images_has_no_interval():
    boxes = [[(26000, 0, 0, 20, 20)]] * 8 + [[(26000, 0, 0, 40, 30)]] * 2
    a, b = on_boxes(boxes, [[False]] * 10), on_boxes(boxes, [[True]] * 10)
    differences = compare(a, b, draws=50)["differences"]
    assert differences["instance.ap <32 px"]["images"] == 8
    assert differences["instance.ap 32-64 px"]["images"] == 2 and differences["instance.ap 32-64 px"]["low"] is None


def test_results_on_fewer_images_than_an_interval_needs_differ_in_nothing_that_is_said():
    boxes = 4 * [[(26000, *CAR)]]
    a, b = on_boxes(boxes, 4 * [[False]]), on_boxes(boxes, [[True], [True], [True], [False]])
    differences = compare(a, b, draws=50)["differences"]
    assert differences["instance.ap"]["difference"] == 0.75
    assert all("no difference can be given" in row["sentence"] for row in differences.values())
    few = on_boxes(boxes, 4 * [[True]], draws=20).compute()["intervals"]
    assert [few.pop("level"), few.pop("draws")] == [0.95, 20] and set(map(tuple, few.values())) == {(None, None)}


def test_nothing_is_better_or_worse_where_every_draw_gives_the_same():
    boxes = 6 * [[(26000, *CAR)]]
    row = compare(on_boxes(boxes, 6 * [[False]]), on_boxes(boxes, 6 * [[True]]), draws=50)["differences"]["instance.ap"]
    assert (row["difference"], row["low"], row["high"]) == (1, 1, 1)
    assert "no difference can be given, every draw gives the same value, B - A is +100.0 points" in row["sentence"]


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_images_with_truth_are_counted_as_one_image_alone_says_it(data):
    """The default of `Metric.images_behind` scores each image alone, which for AP is the same as counting truth."""
    scenes = data.draw(random_scenes(("a", "b", "c")))
    evaluator = CityscapesEvaluator(**EVERYTHING)
    for scene in scenes:
        depth_HW = np.where(scene.semantic_HW < 25, 40.0, 80.0)
        found = data.draw(random_instances(scene)), data.draw(random_semantic(scene))
        evaluator.update(scene, *found, depth_HW=depth_HW)
    detail = Detail(size_ranges())
    for metric, records in evaluator.observed():
        counted, alone = metric.images_behind(records, detail), Metric.images_behind(metric, records, detail)
        assert (
            counted.keys() == alone.keys() == metric.summarise(records, np.ones((1, len(scenes)), int), detail).keys()
        )
        if metric.name.startswith("instance"):
            assert counted == alone
        else:  # pixels and segments have a value where something was predicted and nothing is there
            assert all(counted[key] <= alone[key] for key in counted)
    pixels = next(metric for metric, _ in evaluator.observed() if metric.name == "semantic")
    records = [evaluator.records[name].parts["semantic"] for name in sorted(evaluator.records)]
    for label in CITYSCAPES.evaluated:
        wanted = sum(bool((scene.semantic_HW == label.id).any()) for scene in scenes)
        assert pixels.images_behind(records, detail)[f"iou {label.name}"] == wanted


def test_draws_in_parts_are_the_same_draws_and_their_number_is_told(monkeypatch):
    weak, strong, told = result(0.3, 0), result(0.8, 1), []
    whole = compare(weak, strong, draws=10)
    monkeypatch.setattr(compare_module, "DRAWS_AT_ONCE", 4)
    parts = compare(weak, strong, draws=10, progress=lambda *position: told.append(position))
    assert parts == whole
    assert told[-1] == (20, 20) and len(told) >= 6
    assert told == sorted(told) and {total for _, total in told} == {20}


def test_sizes_are_those_that_are_asked_for_whatever_the_results_were_scored_with():
    """The cars are 20 px a side."""
    weak, strong = result(0.3, 0), result(0.9, 1, side_bounds_px=(100,))
    differences = compare(weak, strong, draws=20, side_bounds_px=(16, 24))["differences"]
    assert differences["instance.ap 16-24 px"]["difference"] == differences["instance.ap"]["difference"] > 0
    assert all(differences[f"instance.ap {name} px"]["b"] is None for name in ("<16", ">=24"))
    assert sum(key.startswith("instance.ap ") and key.endswith(" px") for key in differences) == 3
    with pytest.raises(PartwiseError, match="bounds of sizes: 24, 16"):
        compare(weak, strong, side_bounds_px=(24, 16))


def test_pairing_makes_a_constant_gain_certain():
    """Images differ much, but B is better by the same on each: the interval of the difference is far narrower."""
    differences = compare(result(0.4, 0), result(0.4, 0), draws=100)["differences"]
    assert differences["instance.ap"]["high"] == differences["instance.ap"]["low"] == 0


def test_records_survive_the_json_file(tmp_path):
    evaluator = result(0.6, 3, boundary=True, panoptic=True)
    write_json(tmp_path / "a.json", with_records(evaluator))
    again = read_records(tmp_path / "a.json")
    assert again.compute() == evaluator.compute()
    assert compare(evaluator, again, draws=10)["differences"]["instance.ap"]["difference"] == 0


@pytest.mark.parametrize("content", [None, "no json", "[]", "{}", json.dumps({"records": {"label_set": "cityscapes"}})])
def test_a_file_without_records_is_refused(tmp_path, content):
    path = tmp_path / "a.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(PartwiseError, match=r"a\.json: (no evaluation with records|no such file)"):
        read_records(path)


def with_a_car(label_set: LabelSet) -> CityscapesEvaluator:
    evaluator = CityscapesEvaluator(label_set)
    evaluator.update(Truth("a", np.full((40, 56), 3), painted((3000, *CAR), background=3), label_set), predicted())
    return evaluator


def own_classes(name: str, *names: str) -> LabelSet:
    """Classes of own data: instances alone, numbered from 3."""
    labels = (Label(one, 3 + n, n, "thing", True, (n, 0, 0), category_id=n) for n, one in enumerate(names))
    return LabelSet(name, (Label("void", 0, 255, "void", False, (0, 0, 0)), *labels))


@pytest.mark.parametrize("name", ["other", "cityscapes"])
def test_records_hold_the_classes_that_they_were_made_with(tmp_path, name):
    """No package announces them, and a folder of own data may be called as one that is announced."""
    own = own_classes(name, "van", "tram")
    write_json(tmp_path / "a.json", with_records(with_a_car(own)))
    again = read_records(tmp_path / "a.json")
    assert again.label_set == own and again.compute() == with_a_car(own).compute()
    assert "instance.ap van" in compare(again, read_records(tmp_path / "a.json"), draws=2)["differences"]
    renamed = own_classes("another name", "van", "tram")
    assert read_records(tmp_path / "a.json", renamed).compute() == again.compute()
    assert compare(again, with_a_car(renamed), draws=2)["images"] == 1
    with pytest.raises(PartwiseError, match=rf"a\.json: scores of the classes of {name}, not of cityscapes"):
        read_records(tmp_path / "a.json", CITYSCAPES)
    with pytest.raises(PartwiseError, match="their classes differ: A has van, tram, B van, bus"):
        compare(again, with_a_car(own_classes(name, "van", "bus")), draws=2)


def test_records_of_an_earlier_version_name_their_classes_alone(tmp_path):
    values = with_records(result(0.6, 3, images=2))
    del values["records"]["classes"]
    write_json(tmp_path / "a.json", values)
    assert read_records(tmp_path / "a.json").compute() == result(0.6, 3, images=2).compute()
    values["records"]["label_set"] = "other"
    write_json(tmp_path / "a.json", values)
    with pytest.raises(PartwiseError, match=r"a\.json: unknown label set 'other'"):
        read_records(tmp_path / "a.json")
    with pytest.raises(PartwiseError, match=r"a\.json: scores of the classes of other, not of cityscapes"):
        read_records(tmp_path / "a.json", CITYSCAPES)


@pytest.mark.parametrize("classes", [None, 3, {}, {"name": "a", "labels": [7]}, {"name": "a", "labels": [{"id": 1}]}])
def test_damaged_classes_of_records_are_refused(tmp_path, classes):
    values = with_records(result(1.0, 0, images=2))
    values["records"]["classes"] = classes
    write_json(tmp_path / "a.json", values)
    with pytest.raises(PartwiseError, match=r"a\.json: (this label set cannot be read|no evaluation with records)"):
        read_records(tmp_path / "a.json")


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("matches", "all", "score"), []),  # fewer than the other columns of the predictions
        (("matches", "all", "truth_px"), [1, 2, 3]),
        (("matches", "all", "truth"), [7]),  # an instance that the truth does not have
        (("matches", "all", "iou"), [None]),
        (("matches", "all", "label"), [10**30]),
        (("matches", "all"), None),
        (("matches",), {}),  # the other images have some
        (("pixels",), [1.0, 2.0]),
        (("segments",), [[0.0] * 4]),
        (("segments",), None),
    ],
)
def test_a_damaged_record_is_refused(tmp_path, where, value):
    values = json.loads(json.dumps(with_records(result(1.0, 0, images=3, panoptic=True))))
    image = values["records"]["images"]["ulm_000001_000019"]
    assert {len(image["matches"]["all"][name]) for name in ("score", "truth", "iou")} == {1}
    *folders, last = where
    reduce(operator.getitem, folders, image)[last] = value
    write_json(tmp_path / "a.json", values)
    with pytest.raises(PartwiseError, match=r"a\.json: no evaluation with records of its images, or a damaged one"):
        read_records(tmp_path / "a.json")


def test_results_on_other_data_are_refused():
    five = result(0.5, 0, images=5)
    other_truth = CityscapesEvaluator()
    for i in range(5):
        scene = scene_of(painted((26000, *CAR), (24000, 30, 5, 50, 25)), f"ulm_{i:06}_000019")
        other_truth.update(scene, predicted(), scene.semantic_HW)
    only_pixels = CityscapesEvaluator()
    for i in range(5):
        scene = scene_of(painted((26000, *CAR)), f"ulm_{i:06}_000019")
        only_pixels.update(scene, None, scene.semantic_HW)
    for other, why in (
        (result(0.5, 0, images=6), "1 images are in only one of them, the first is ulm_000005_000019"),
        (CityscapesEvaluator(), "holds no image"),
        (other_truth, "the truth of 5 images differs, the first is ulm_000000_000019"),
        (only_pixels, r"A scores pixels, instances \(all\), B pixels"),
        (result(0.5, 0, images=5, panoptic=True), "only one of them was scored with panoptic"),
    ):
        with pytest.raises(PartwiseError, match=why):
            compare(five, other, draws=5)
