import json
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pycocotools import mask as coco_mask

from partwise.class_list import ClassEntry, label_set_of_classes
from partwise.errors import PartwiseError
from partwise.report import prediction_files
from partwise.report.overlay import draw_overlay
from partwise.report.prediction_files import write_prediction
from partwise.scene import Prediction
from streeteval.instances import Instances

from .conftest import make_scene, predict_truth


def read(path):
    with Image.open(path) as image:
        return image.mode, np.asarray(image)


def test_four_files_that_say_the_same(tmp_path, scene, prediction):
    paths = write_prediction("a.b", scene.image_HW3, prediction, tmp_path / "new" / "out", origin={"model": "m"})
    names = ["a.b_overlay.png", "a.b_instanceIds.png", "a.b_labelIds.png", "a.b.json"]
    assert [path.name for path in paths] == names
    assert sorted(path.name for path in (tmp_path / "new" / "out").iterdir()) == sorted(names)
    assert (read(paths[0])[1] == draw_overlay(scene.image_HW3, prediction)).all()
    mode, ids = read(paths[1])
    assert mode.startswith("I;16") and (ids == prediction.to_id_map()).all()
    mode, labels = read(paths[2])
    assert mode == "L" and (labels == prediction.semantic_HW).all()
    record = json.loads(paths[3].read_text())
    assert record["origin"] == {"model": "m"} and record["image"] == {"width": 200, "height": 120}
    scores = [row["score"] for row in record["instances"]]
    assert scores == sorted(scores, reverse=True) and len(scores) == len(prediction.instances)


def test_ids_beyond_16_bits_are_kept(tmp_path):
    classes = label_set_of_classes("own", [ClassEntry("car", 3), ClassEntry("tram", 200)], "ignored")
    tram = Instances.from_masks([200], [0.9], [np.eye(6, dtype=bool)])
    image_HW3 = np.zeros((6, 6, 3), np.uint8)
    paths = write_prediction("x", image_HW3, Prediction(tram), tmp_path, classes)
    mode, samples_HW3 = read(paths[1])
    values_HW = samples_HW3.astype(int) @ [1, 256, 65536]
    assert mode == "RGB" and sorted(set(values_HW.flat)) == [0, 200_000] and (values_HW > 0).sum() == 6
    assert json.loads(paths[3].read_text())["instances"][0]["instance_id"] == 200_000


def test_instance_ids_decode_to_the_masks_where_nothing_overlaps(tmp_path, scene, prediction):
    paths = write_prediction("x", scene.image_HW3, prediction, tmp_path)
    back = Instances.from_id_map(read(paths[1])[1].astype(np.int32))
    wanted = {
        (int(label), prediction.instances.full_mask(i).tobytes()) for i, label in enumerate(prediction.instances.labels)
    }
    assert {(int(label), back.full_mask(i).tobytes()) for i, label in enumerate(back.labels)} == wanted


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_json_masks_boxes_and_ids_are_those_of_the_prediction(seed):
    rng = np.random.default_rng(seed)
    scene = make_scene(rng, size=tuple(rng.integers(30, 90, 2)), count=8, overlap=True)
    prediction = predict_truth(scene, rng)
    record = prediction_files.prediction_record("x", prediction)
    painted = prediction.to_id_map()
    order = np.argsort(-prediction.instances.scores, kind="stable")
    for row, i in zip(record["instances"], order, strict=True):
        mask = coco_mask.decode(row["segmentation"]).astype(bool)
        assert (mask == prediction.instances.full_mask(i)).all()
        x0, y0, x1, y1 = row["box"]
        assert mask[y0:y1, x0:x1].sum() == mask.sum() == row["area"]
        assert row["label"] == {26: "car", 24: "person"}[row["label_id"]]
        visible = painted == row["instance_id"]
        assert not (visible & ~mask).any()
    assert (painted[prediction.instances.full_mask(order[0])] == record["instances"][0]["instance_id"]).all()


def test_without_a_semantic_map_label_ids_are_the_instances(tmp_path, scene, rng):
    prediction = predict_truth(scene, rng, semantic=False)
    labels = read(write_prediction("x", scene.image_HW3, prediction, tmp_path)[2])[1]
    assert (labels == np.where(np.isin(scene.semantic_HW, (24, 26)), scene.semantic_HW, 0)).all()


def test_no_instances_and_nan_in_the_origin(tmp_path, scene):
    nothing = Prediction(Instances.empty(scene.size), scene.semantic_HW)
    origin = {"loss": float("nan"), "best": np.float32("inf"), "at": Path("a/b"), "sizes": (1, 2)}
    text = write_prediction("x", scene.image_HW3, nothing, tmp_path, origin=origin)[3].read_text()
    assert "NaN" not in text and "Infinity" not in text
    assert json.loads(text)["origin"] == {"loss": None, "best": None, "at": "a/b", "sizes": [1, 2]}


@pytest.mark.parametrize(("side", "limit"), [(120, 10), (120, 800), (120, 10_000), (32, 1000)])
def test_all_or_nothing_when_the_disk_fills_midway(tmp_path, rng, side, limit):
    """The last two limits stop the overlay alone, once while it is written and once while it waits in a buffer."""
    resource = pytest.importorskip("resource")
    scene = make_scene(rng, (side, side), count=2)
    prediction = Prediction(Instances.empty(scene.size), scene.semantic_HW)
    before = {path.name: path.read_bytes() for path in write_prediction("x", scene.image_HW3, prediction, tmp_path)}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        with pytest.raises(PartwiseError, match=r"cannot write .*/x[._].*: file too large"):
            write_prediction("x", scene.image_HW3, prediction, tmp_path, origin={"second": True})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_out_dir_is_a_file(tmp_path, scene, prediction):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(PartwiseError, match="out is a file and no folder"):
        write_prediction("x", scene.image_HW3, prediction, tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux")
def test_a_folder_where_nobody_may_write(scene, prediction):
    with pytest.raises(PartwiseError, match="cannot write /proc/partwise"):
        write_prediction("x", scene.image_HW3, prediction, "/proc/partwise")


@pytest.mark.parametrize("name", ["", "..", "a/b", "../x"])
def test_names_that_leave_the_folder(tmp_path, scene, prediction, name):
    with pytest.raises(PartwiseError, match="holds no folder"):
        write_prediction(name, scene.image_HW3, prediction, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_too_many_instances_for_the_numbering():
    boxes = np.tile([0, 0, 1, 1], (1001, 1))
    instances = Instances(np.full(1001, 26), np.ones(1001), boxes, [np.ones((1, 1), bool)] * 1001, (4, 4))
    with pytest.raises(PartwiseError, match="more than 1000 instances of class 26"):
        _ = instances.id_values
    assert instances[:1000].id_values.tolist() == list(range(26000, 27000))
