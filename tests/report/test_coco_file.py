"""One COCO file of many images: it says what was found, with the category ids of the data."""

import json

import numpy as np
import pytest
from pycocotools.coco import COCO

from partwise.class_list import ClassEntry, label_set_of_classes
from partwise.data.image_files import write_png
from partwise.report.coco_file import FoundInImage, coco_predictions
from partwise.segmenter import Segmenter, load
from streeteval.instances import Instances

LABELS = label_set_of_classes("own", [ClassEntry("zero", 0), ClassEntry("seven", 7), ClassEntry("big", 4000)])


def ring(size=(40, 60)) -> np.ndarray:
    y, x = np.mgrid[: size[0], : size[1]]
    distance = (y - 20) ** 2 + (x - 30) ** 2
    return (distance < 15**2) & (distance > 6**2)


@pytest.fixture(params=[False, True], ids=["run lengths", "polygons"])
def opened(request, tmp_path, capsys):
    """(the instances, the COCO file as pycocotools opens it)."""
    ids = [LABELS[name].id for name in ("big", "zero", "seven")]
    found = Instances.from_masks(ids, [0.9, 0.5, 0.1], [ring(), ~ring(), np.eye(40, 60, dtype=bool)])
    empty = Instances.empty((10, 20))
    both = [FoundInImage("a.png", found), FoundInImage("deep/b.png", empty)]
    content = coco_predictions(both, LABELS, polygons=request.param, origin={"recipe": "tiny"})
    (tmp_path / "predictions.json").write_text(json.dumps(content))
    return found, COCO(tmp_path / "predictions.json")


def test_pycocotools_reads_the_same_masks_scores_and_ids(opened):
    found, coco = opened
    assert {one["id"]: one["name"] for one in coco.dataset["categories"]} == {0: "zero", 7: "seven", 4000: "big"}
    assert [(one["id"], one["file_name"], one["width"], one["height"]) for one in coco.dataset["images"]] == [
        (1, "a.png", 60, 40),
        (2, "deep/b.png", 20, 10),
    ]
    for i, row in enumerate(coco.loadAnns([1, 2, 3])):
        assert np.array_equal(coco.annToMask(row).astype(bool), found.full_mask(i))
        assert row["area"] == found.areas[i] and row["iscrowd"] == 0 and row["image_id"] == 1
        assert row["score"] == pytest.approx(float(found.scores[i]))
    assert [row["category_id"] for row in coco.dataset["annotations"]] == [4000, 0, 7]


def photos(tmp_path, scenes):
    for name, i in (("a.png", 0), ("deep/b.png", 1)):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        write_png(tmp_path / "photos" / name, scenes[i].image_HW3)
    return tmp_path / "photos"


def test_the_command_writes_one_file_that_says_what_python_says(predict, tiny_model_file, tmp_path, scenes):
    folder = photos(tmp_path, scenes)
    code, said, _ = predict(folder, "--out", tmp_path / "out", "--format", "coco", "--min-score", "0")
    assert code == 0 and "wrote 1 file for 2 of 2 images" in said
    content = json.loads((tmp_path / "out" / "predictions.json").read_text())
    segment = load(tiny_model_file)
    assert [one["file_name"] for one in content["images"]] == ["a.png", "deep/b.png"]
    for image in content["images"]:
        result = segment(folder / image["file_name"])
        rows = [row for row in content["annotations"] if row["image_id"] == image["id"]]
        assert len(result) > 0
        assert [row["category_id"] for row in rows] == result.labels.tolist()
        assert [row["segmentation"] for row in rows] == [entry["segmentation"] for entry in result.to_coco()]
    again = predict(folder, "--out", tmp_path / "out", "--format", "coco", "--polygons")  # replaces our own
    assert again[0] == 0


def test_a_foreign_file_is_not_replaced(predict, tmp_path, scenes):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "predictions.json").write_text('{"images": [], "categories": [], "annotations": []}')
    code, _, complaints = predict(photos(tmp_path, scenes), "--out", tmp_path / "out", "--format", "coco")
    assert code == 2 and len(complaints) == 1 and "predictions.json" in complaints[0]


def test_two_photos_of_one_name_are_not_written_as_one(predict, tmp_path, scenes):
    one = photos(tmp_path, scenes) / "a.png"
    other = one.parent / "deep" / "a.png"
    write_png(other, scenes[2].image_HW3)
    code, said, complaints = predict(one, other, "--out", tmp_path / "files", "--format", "coco")
    assert code == 2 and "another photo is called a.png" in complaints[0] and "wrote 1 file for 1 of 2" in said
    code, said, _ = predict(one.parent, "--out", tmp_path / "folder", "--format", "coco")
    names = [one["file_name"] for one in json.loads((tmp_path / "folder" / "predictions.json").read_text())["images"]]
    assert code == 0 and names == ["a.png", "deep/a.png", "deep/b.png"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--polygons"], "--polygons is for --format coco"),
        (["--min-score", "carr=0.3"], "unknown class with instances 'carr'"),
        (["--classes", "road"], "unknown class with instances 'road'"),
        (["--map", "vehicle=carr"], "unknown class of the model in map 'carr'"),
    ],
)
def test_wrong_options_are_one_line_and_write_nothing(options, words, predict, tmp_path, scenes):
    code, _, complaints = predict(photos(tmp_path, scenes), "--out", tmp_path / "out", *options)
    assert code == 2 and len(complaints) == 1 and words in complaints[0]
    assert not list((tmp_path / "out").glob("*"))


def test_classes_and_a_map_choose_what_is_written(predict, tiny_model_file, tmp_path, scenes):
    folder = photos(tmp_path, scenes)
    result = load(tiny_model_file)(folder / "a.png", min_score=0)
    name = result.label_set.name_of(int(result.labels[0]))
    form = ["--format", "coco", "--min-score", "0"]
    predict(folder / "a.png", "--out", tmp_path / "some", *form, "--classes", name)
    some = json.loads((tmp_path / "some" / "predictions.json").read_text())
    assert {row["category_id"] for row in some["annotations"]} == {int(result.labels[0])}
    predict(folder / "a.png", "--out", tmp_path / "mapped", *form, "--map", f"mine={name}")
    mapped = json.loads((tmp_path / "mapped" / "predictions.json").read_text())
    assert [one["name"] for one in mapped["categories"]] == ["mine"] and {1} == {
        row["category_id"] for row in mapped["annotations"]
    }
    assert len(mapped["annotations"]) == len(some["annotations"])


def test_a_stopped_call_leaves_a_file_of_what_is_done(predict, scenes, tmp_path, monkeypatch):
    folder, call, calls = photos(tmp_path, scenes), Segmenter.__call__, []

    def interrupted(self, image, **arguments):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return call(self, image, **arguments)

    monkeypatch.setattr(Segmenter, "__call__", interrupted)
    code, _, complaints = predict(folder, "--out", tmp_path / "out", "--format", "coco", "--min-score", "0")
    path = tmp_path / "out" / "predictions.json"
    assert code == 130 and complaints == [f"partwise: stopped: {path} holds 1 of 2 images"]
    content = json.loads(path.read_text())
    assert len(content["images"]) == 1 and content["annotations"]
