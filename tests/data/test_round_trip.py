"""Own classes all the way: a COCO file with awkward ids, training, the model file, predictions, and COCO again."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_networks import QUICK

import partwise
from partwise.data import open_dataset
from partwise.data.streets import Streets
from partwise.methods import PartsConfig, build_method
from partwise.segmenter import Result

IDS = {"person": 0, "car": 7}  # every other thing is 4000
NAMES = {0: "peaton", 7: "coche", 4000: "otro"}
FRAMES = 50
EVERYTHING = ["method.decode.min_objectness=0.0", "method.decode.min_score=0.0", "method.decode.max_windows=20"]


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """50 rendered streets in COCO form: 48 to train on, 2 to validate on."""
    root = tmp_path_factory.mktemp("own") / "streets"
    streets = Streets(FRAMES, (128, 256), seed=4)
    for split, places in (("train", range(FRAMES - 2)), ("valid", range(FRAMES - 2, FRAMES))):
        (root / split).mkdir(parents=True)
        images, annotations = [], []
        for place in places:
            scene = streets[place]
            Image.fromarray(scene.image_HW3).save(root / split / f"{place}.png")
            images.append({"id": place, "file_name": f"{place}.png", "height": 128, "width": 256})
            for entry in scene.instances.to_coco(place):
                name = scene.label_set.name_of(entry["category_id"])
                annotations.append(entry | {"category_id": IDS.get(name, 4000), "id": len(annotations), "iscrowd": 0})
        categories = [{"id": id_, "name": name} for id_, name in NAMES.items()]
        content = {"images": images, "categories": categories, "annotations": annotations}
        (root / split / "_annotations.coco.json").write_text(json.dumps(content))
    return root


@pytest.fixture(scope="module")
def run(root, tmp_path_factory) -> Path:
    """A run of two steps on them."""
    out = tmp_path_factory.mktemp("run") / "run"
    overrides = [*QUICK, *EVERYTHING, "training.batch_size=2", "training.evaluate_frames=1"]
    return partwise.train("demo", root, out, steps=2, overrides=overrides)


def category_ids(result: Result) -> list[int]:
    return [entry["category_id"] for entry in result.to_coco()]


def test_ids_come_out_as_they_went_in(root, run, tmp_path):
    segment = partwise.load(run)
    labels = segment.method.label_set
    assert {one["id"]: one["name"] for one in labels.coco_categories} == NAMES
    predicted = [segment(root / "valid" / f"{place}.png") for place in (48, 49)]
    found = [id_ for result in predicted for id_ in category_ids(result)]
    assert found and set(found) <= set(NAMES)
    written = json.loads(predicted[0].save(tmp_path)[-1].read_text())
    assert [row["label_id"] for row in written["instances"]] == category_ids(predicted[0])
    assert {row["label"] for row in written["instances"]} <= set(NAMES.values())


def test_a_perfect_network_gives_the_file_back(root, run, tmp_path):
    """Targets, decoder, Result, COCO export and the reader again: every class arrives with its own id."""
    labels = partwise.load(run).method.label_set
    data, method = open_dataset(root, "valid", label_set=labels), build_method(PartsConfig(channels=8), labels)
    images, annotations = [], []
    for number, scene in enumerate(data):
        prediction = method.decode(method.oracle([method.targets(scene)]), scene.size)[0]
        found = prediction.instances[prediction.instances.scores > 0.5]
        result = Result(found.labels, found.scores, found.boxes, found.masks, found.size, label_set=labels)
        images.append({"id": number, "file_name": f"{scene.name}.png", "height": 128, "width": 256})
        annotations += [
            entry | {"id": len(annotations) + n, "iscrowd": 0} for n, entry in enumerate(result.to_coco(number))
        ]
    content = {"images": images, "categories": labels.coco_categories, "annotations": annotations}
    file = tmp_path / "predicted.json"
    file.write_text(json.dumps(content))
    again = open_dataset(file, "all", annotations=file, images=root / "valid")
    truth = json.loads((root / "valid" / "_annotations.coco.json").read_text())["annotations"]
    large = {row["category_id"] for row in truth if row["bbox"][2] * row["bbox"][3] > 400}
    kept = {again.label_set.file_id_of(label) for scene in again for label in scene.instances.labels.tolist()}
    assert large <= kept <= set(NAMES) and {0, 7} <= kept


def test_evaluate_describe_and_overlays_follow_the_label_set(root, run, says, tmp_path):
    said = says("evaluate", "--model", run, "--data", root, "--json", tmp_path / "scores.json")
    assert "streets/valid: COCO, label set streets (4 classes, 3 with instances), 2 frames" in said
    assert "iIoU is absent" in said and "coche" in said
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert set(scores["instance"]["per_class"]) == set(NAMES.values()) and scores["semantic"]["iiou_class"] is None
    described = says("describe", run, "--json", tmp_path / "description.json")
    assert "otro" in described and "4000" in described and "pixels in no instance: background" in described
    kept = json.loads((tmp_path / "description.json").read_text())["label_set"]
    assert kept == partwise.load(run).method.label_set.to_dict()
    assert partwise.LabelSet.from_dict(kept) == partwise.load(run).method.label_set


def test_a_model_that_lacks_classes_of_the_data_is_refused_in_one_line(root, run, complains, tmp_path):
    other = tmp_path / "other.json"
    content = json.loads((root / "valid" / "_annotations.coco.json").read_text())
    content["categories"][0]["name"] = "tranvia"
    other.write_text(json.dumps(content))
    arguments = ["evaluate", "--model", run, "--annotations", other, "--images", root / "valid"]
    assert "lacks the class tranvia of the data" in complains(*arguments)


def test_a_label_file_renames_and_joins(root, run, tmp_path):
    file = tmp_path / "labels.toml"
    file.write_text(
        'name = "two"\n[[classes]]\nname = "moving"\nid = 12\nfrom = ["coche", 4000]\n'
        '[[classes]]\nname = "man"\nid = 13\nfrom = ["peaton"]\n'
    )
    from partwise.data.source import DataSource

    data = DataSource(root, labels=file).open("valid")
    plain = open_dataset(root, "valid")
    assert [label.name for label in data.label_set.things] == ["moving", "man"]
    counts = [np.unique(one[0].instances.labels, return_counts=True)[1] for one in (data, plain)]
    assert counts[0].sum() == counts[1].sum()


def test_explain_names_the_classes_of_the_model(root, run, says, tmp_path):
    said = says("explain", root / "valid" / "48.png", "--model", run, "--at", "128,100", "--out", tmp_path)
    assert any(name in said for name in (*NAMES.values(), "background")) and "person" not in said


def test_the_study_of_the_report_asks_for_cars_in_one_line(root, complains, tmp_path):
    said = complains("ceilings", "--data", root, "--frames", 1)
    assert "no class 'car' with instances (peaton, coche, otro)" in said.replace("otro, coche", "coche, otro")
