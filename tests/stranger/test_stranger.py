"""A package of somebody else adds a method, a backbone, a recipe, a data set, a label set, a verb and a rule.

It lies in this folder as pip would install it: the package and its dist-info with entry points. Nothing of partwise
knows it. Its method passes the suite that every method shares.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from methods.test_every_method import (  # noqa: F401 (the tests run here, with the fixtures below)
    test_any_size_goes_in_and_comes_out,
    test_images_of_a_batch_do_not_touch_each_other,
    test_loss_terms_are_finite_and_reach_every_parameter,
    test_numbers_of_instances_mean_nothing,
    test_the_instances_come_back_up_to_the_ceiling,
    test_the_oracle_outputs_have_a_far_lower_loss_than_random_ones,
    test_the_semantic_map_comes_back_exactly,
)
from PIL import Image

from partwise import plugins
from partwise.errors import PartwiseError
from streeteval.labels import CITYSCAPES, LABEL_SETS

HERE = Path(__file__).parent


@pytest.fixture(scope="module", autouse=True)
def installed():
    """The package on the path, as if pip had put it there; gone afterwards."""
    sys.path.insert(0, str(HERE))
    plugins.forget()
    yield
    sys.path.remove(str(HERE))
    plugins.forget()


def made(label_set=CITYSCAPES):
    from partwise.methods import METHODS, build_method

    torch.manual_seed(0)
    return build_method(METHODS["blobs"].Config(), label_set)


@pytest.fixture
def method():
    return made()


@pytest.fixture
def semantic_method():
    return made()


@pytest.fixture
def instance_method():
    method = made()
    method.ceiling = (None, 0.3, 0.4)  # what stands before an object cuts it in two, and neighbours are one
    return method


@pytest.fixture(scope="module")
def shapes(tmp_path_factory, installed):
    """A data set of another format, with classes of its own."""
    from partwise_stranger.shapes import write_shapes

    root = tmp_path_factory.mktemp("shapes") / "data"
    write_shapes(root, "train", 8, seed=0)
    write_shapes(root, "val", 4, seed=1)
    return root


def run(*arguments) -> subprocess.CompletedProcess:
    """The command line in a process of its own, which finds the package on its path."""
    paths = [str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.run(
        [sys.executable, "-m", "partwise", *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )


def says(*arguments) -> str:
    ended = run(*arguments)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_everything_is_found_beside_what_partwise_has():
    from partwise.backbones import BACKBONES
    from partwise.data import DATASETS
    from partwise.methods import METHODS
    from partwise.recipes import RECIPES

    assert {"blobs", "parts"} <= set(METHODS) and {"tiny", "vgg16"} <= set(BACKBONES)
    assert {"shapes", "cityscapes"} <= set(DATASETS) and {"shapes", "cityscapes"} <= set(LABEL_SETS)
    assert RECIPES["blobs_tiny"]().name == "blobs_tiny" and "demo" in RECIPES


def test_a_data_set_is_recognised_by_its_content(shapes, city_root, tmp_path):
    from partwise.data import Dataset, open_dataset

    scenes = open_dataset(shapes, "val")
    assert isinstance(scenes, Dataset) and (scenes.name, len(scenes)) == ("data/val", 4)
    assert scenes.label_set.name == scenes[0].label_set.name == "shapes"
    assert open_dataset(city_root, "val").label_set is CITYSCAPES
    with pytest.raises(PartwiseError, match="no leftImg8bit in it"):
        open_dataset(tmp_path, "val")


def test_two_formats_that_recognise_one_folder_are_named(shapes, tmp_path):
    from partwise.data import open_dataset

    (tmp_path / "shapes.txt").write_text("")
    (tmp_path / "leftImg8bit").mkdir()
    with pytest.raises(PartwiseError, match="looks like cityscapes and shapes"):
        open_dataset(tmp_path, "val")


@pytest.fixture(scope="module")
def trained(shapes, tmp_path_factory):
    """The stranger's recipe on the stranger's data, trained and evaluated by the ordinary command."""
    out = tmp_path_factory.mktemp("run") / "run"
    says("train", "blobs_tiny", "--data", shapes, "--out", out)
    return out


def test_classes_of_the_data_reach_the_network_the_model_file_and_the_scores(trained, shapes, tmp_path):
    from partwise.training.checkpoint import load_model

    method, info = load_model(trained / "last.safetensors")
    assert [label.id for label in method.label_set.evaluated] == [7, 12, 200]
    assert info.label_set == LABEL_SETS["shapes"] and method.score.out_channels == 3
    lines = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    scores = next(line["evaluation"] for line in lines if "evaluation" in line)
    assert set(scores["semantic"]["per_class"]) == {"ground", "disc", "bar"}
    assert set(scores["instance"]["per_class"]) == {"disc", "bar"}
    assert scores["semantic"]["iou_class"] > 0.5  # it has learnt
    assert scores["semantic"]["iiou_class"] is None  # mean sizes of instances are not known
    text = says("evaluate", "--model", trained, "--data", shapes, "--json", tmp_path / "scores.json")
    assert "disc" in text and "ground" in text and "car" not in text


def test_a_model_file_names_its_classes_where_its_data_are_not_installed(trained, shapes, tmp_path):
    """The label set is stored in the file. The method is the package's, so that file alone does not load."""
    from safetensors import safe_open

    with safe_open(trained / "last.safetensors", framework="pt") as file:
        described = json.loads(file.metadata()["partwise"])
    assert [label["name"] for label in described["label_set"]["labels"]] == ["nothing", "ground", "disc", "bar"]


def test_predicted_ids_and_names_are_those_of_the_data(trained, shapes, tmp_path):
    from partwise.data import open_dataset

    photo = tmp_path / "photo.png"
    Image.fromarray(open_dataset(shapes, "val")[0].image_HW3).save(photo)
    says("predict", photo, "--model", trained, "--out", tmp_path / "out")
    record = json.loads((tmp_path / "out" / "photo.json").read_text())
    assert record["label_set"] == "shapes" and record["instances"]
    assert {(one["label"], one["label_id"]) for one in record["instances"]} <= {("disc", 12), ("bar", 200)}
    assert set(np.unique(np.asarray(Image.open(tmp_path / "out" / "photo_labelIds.png")))) <= {7, 12, 200}


def test_a_model_of_other_classes_is_refused(trained, city_root):
    ended = run("evaluate", "--model", trained, "--data", city_root, "--frames", 1)
    assert ended.returncode == 2 and "give a model that was trained on these classes" in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1


def test_ceiling_doctor_and_verb(shapes):
    assert "disc" in says("ceiling", "blobs", "--data", shapes)
    report = shapes.parent / "doctor.json"
    assert run("doctor", "blobs_tiny", "--data", shapes, "--json", report).returncode in (0, 1)
    assert "few samples" in {finding["check"] for finding in json.loads(report.read_text())["results"]}
    assert says("count", shapes).strip() == "16 instances in 4 frames of data/val"


def test_an_entry_point_that_cannot_be_loaded_stops_only_who_asks_for_it(tmp_path, monkeypatch):
    info = tmp_path / "broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[partwise.recipes]\nbroken = nowhere.at_all:recipe\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    plugins.forget()
    from partwise.recipes import RECIPES, recipe

    assert recipe("demo").name == "demo" and "broken" in RECIPES
    with pytest.raises(PartwiseError, match=r"'broken' of package broken cannot be loaded .*nowhere"):
        recipe("broken")
    monkeypatch.undo()
    plugins.forget()


def test_two_packages_with_one_name_are_named(tmp_path, monkeypatch):
    for package in ("first", "second"):
        info = tmp_path / f"{package}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[partwise.recipes]\nmine = {package}:recipe\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    plugins.forget()
    from partwise.recipes import RECIPES

    with pytest.raises(PartwiseError, match="package first and package second both add 'mine'"):
        list(RECIPES)
    monkeypatch.undo()
    plugins.forget()
