"""Result files at the command line: what is scored, and the one line where the wrong thing is given."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_networks import QUICK, tiny_model

from partwise.data.cityscapes import CityscapesFolder
from partwise.evaluation.submission import write_submission
from partwise.scene import Prediction


@pytest.fixture(scope="module")
def results(city_root, tmp_path_factory) -> Path:
    """The truth of val in the submission form."""
    out = tmp_path_factory.mktemp("results")
    for scene in CityscapesFolder(city_root, "val"):
        write_submission(scene.name, Prediction(scene.instances, scene.semantic_HW), out)
    return out


def test_what_predict_writes_for_people_has_pixel_scores_and_says_why_no_ap(says, city_root, tmp_path):
    model = tiny_model(tmp_path / "model.safetensors")
    says("predict", city_root / "leftImg8bit" / "val", "--model", model, "--out", tmp_path / "out")
    said = says("evaluate", "--predictions", tmp_path / "out", "--data", city_root, "--json", tmp_path / "e.json")
    assert "no AP from 3 .json files" in said and "predict --format cityscapes" in said
    assert "and 5 more of this kind: it is not read" in said, "overlays and instanceIds, counted"
    says("evaluate", "--model", model, "--data", city_root, "--json", tmp_path / "model.json")
    figures, of_model = (json.loads((tmp_path / name).read_text()) for name in ("e.json", "model.json"))
    assert figures["semantic"] == of_model["semantic"] and figures["instance"] is None
    assert len(figures["warnings"]) == 7


def test_frames_that_are_not_scored_keep_their_files(says, city_root, results, tmp_path):
    where = ("--predictions", results, "--data", city_root, "--frames", 1)
    says("evaluate", *where, "--json", tmp_path / "e.json")
    figures = json.loads((tmp_path / "e.json").read_text())
    assert figures["images"] == 1 and figures["semantic"]["iou_class"] == 1.0
    assert all("has no AP" in one["remedy"] for one in figures["warnings"]), "of caravans, if there are any"


def without_truth(city_root: Path, root: Path) -> Path:
    """A split test whose truth is all void, as Cityscapes has it."""
    for tree in ("leftImg8bit", "gtFine"):
        shutil.copytree(city_root / tree / "val", root / tree / "test")
    for path in (root / "gtFine").rglob("*.png"):
        Image.fromarray(np.full_like(np.array(Image.open(path)), 3)).save(path)
    return root


def test_a_split_without_truth_is_one_line(complains, city_root, results, tmp_path):
    root, out = without_truth(city_root, tmp_path / "city"), tmp_path / "run"
    fcn = tiny_model(tmp_path / "fcn.safetensors", semantic=True)
    semantic = [word for word in QUICK if "windows" not in word]
    splits = ("--split", "test", "--val-split", "test")
    for command in (
        ("evaluate", "--predictions", results, "--data", root, "--split", "test", "--json", tmp_path / "e.json"),
        ("evaluate", "--model", fcn, "--data", root, "--split", "test", "--json", tmp_path / "e.json"),
        ("bench", "models", fcn, "--data", root, "--split", "test"),
        ("train", "fcn32s", *semantic, "--data", root, *splits, "--steps", 1, "--out", out),
    ):
        said = complains(*command)
        assert f"{root}, split test: no pixel of an evaluated class in its 3 frames" in said and "val" in said
    assert not (tmp_path / "e.json").exists() and not out.exists()
    shutil.rmtree(root / "gtFine" / "test")
    (root / "gtFine" / "val").mkdir()
    said = complains("evaluate", "--predictions", results, "--data", root, "--split", "test")
    assert f"{root}/gtFine: unknown split 'test'" in said


def test_the_data_set_is_no_folder_of_results_and_the_other_way_round(complains, city_root, results, tmp_path):
    """The truth scored against itself would be perfect."""
    for folder in (city_root, city_root / "gtFine" / "val", city_root / "leftImg8bit", city_root.parent):
        said = complains("evaluate", "--predictions", folder, "--data", city_root)
        assert "the data set's own" in said and "give a folder of results alone" in said
    assert "give the folder that holds gtFine" in complains("evaluate", "--predictions", results, "--data", results)
    said = complains("evaluate", "--predictions", results, "--data", city_root, "--split", "train")
    assert "results for frames of the split val" in said


def test_all_faults_are_kept_beside_the_json_and_the_json_stays(fails, says, city_root, results, tmp_path):
    where = ("--data", city_root, "--json", tmp_path / "e.json")
    says("evaluate", "--predictions", results, *where)
    before = (tmp_path / "e.json").read_bytes()
    broken = tmp_path / "broken"
    shutil.copytree(results, broken)
    masks = sorted((broken / "instances" / "masks").iterdir())
    for path in masks:
        path.unlink()
    said = fails("evaluate", "--predictions", broken, *where)
    assert len(said.splitlines()) < 12 and f"all of them: {tmp_path}/e.faults.json" in said
    assert "--json FILE" in fails("evaluate", "--predictions", broken, "--data", city_root)
    assert (tmp_path / "e.json").read_bytes() == before
    faults = json.loads((tmp_path / "e.faults.json").read_text())["faults"]
    assert len(faults) == len(masks) > 10
    assert all("does not exist" in fault["problem"] for fault in faults)
