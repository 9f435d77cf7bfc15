"""Comparing results of every kind, and scoring with everything the evaluator knows, through the command line."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from tiny_networks import tiny_model

from partwise import scoring
from partwise.methods import MaskRcnnConfig, build_method
from partwise.scoring import score
from partwise.training.checkpoint import load_model, save_model
from streeteval.reading.truth import TruthFolder


@pytest.fixture(autouse=True)
def few_draws(monkeypatch):
    """A thousand draws say no more here, and take most of the time."""
    monkeypatch.setattr(scoring, "BOOTSTRAP_DRAWS", 50)


@pytest.fixture(scope="module")
def models(module_folder) -> tuple[Path, Path, Path]:
    """Two networks of the same kind with different weights, and an FCN."""
    folder = module_folder
    first, semantic = tiny_model(folder / "a.safetensors"), tiny_model(folder / "fcn.safetensors", semantic=True)
    method, info = load_model(first)
    torch.manual_seed(1)
    save_model(folder / "b.safetensors", build_method(method.config), info.origin)
    return first, folder / "b.safetensors", semantic


def test_two_models_compare_as_their_json_files_do(says, models, city_root, tmp_path):
    a, b, _ = models
    for name, model in (("a", a), ("b", b)):
        says("evaluate", "--model", model, "--data", city_root, "--split", "train", "--json", tmp_path / f"{name}.json")
    files = tmp_path / "files.json"
    said = says("compare", tmp_path / "a.json", tmp_path / "b.json", "--draws", 20, "--side-px", 20)
    assert "instance.ap50 <20 px: " in said and "32-64" not in said
    said = says("compare", tmp_path / "a.json", tmp_path / "b.json", "--draws", 20, "--json", files)
    assert "semantic.iou_class: " in said and "95 % interval" in said and "instance.ap50 32-64 px: " in said
    for first, second in ((a, b), (tmp_path / "a.json", b), (a, tmp_path / "b.json")):
        out = tmp_path / "models.json"
        says("compare", first, second, "--data", city_root, "--split", "train", "--draws", 20, "--json", out)
        read = [json.loads(path.read_text())["differences"] for path in (files, out)]
        assert read[0] == read[1] and any(row["difference"] for row in read[0].values())


def test_full_scores_have_all_parts_and_an_interval_each_and_compare(says, models, city_root, tmp_path):
    a, b, semantic = models
    says("evaluate", "--model", a, "--data", city_root, "--full", "--json", tmp_path / "a.json")
    figures = json.loads((tmp_path / "a.json").read_text())
    assert {"instance.ar.100", "instance.coco.ap", "instance.boundary.ap", "panoptic.pq"} < figures["intervals"].keys()
    for part in (figures["panoptic"], figures["instance"]["coco"], figures["instance"]["boundary"]):
        assert part is not None
    says("compare", tmp_path / "a.json", b, "--data", city_root, "--full", "--draws", 5, "--json", tmp_path / "c.json")
    assert "panoptic.pq road" in json.loads((tmp_path / "c.json").read_text())["differences"]
    said = says("evaluate", "--model", semantic, "--data", city_root, "--full", "--json", tmp_path / "fcn.json")
    assert "PQ" not in said and json.loads((tmp_path / "fcn.json").read_text())["panoptic"] is None


def test_the_terminal_shows_the_further_scores_and_says_what_is_missing(says, models, city_root):
    said = says("evaluate", "--model", models[0], "--data", city_root, "--full")
    for row in ("AP, longest side 32-64 px", "AR@1000", "AP of boundaries", "PQ", "COCO AP", "IoU of classes"):
        assert row in said
    assert "AP100m and AP50m are missing: they need disparity/ and camera/" in said


def test_result_files_need_no_images(says, models, city_root, tmp_path):
    images, results = city_root / "leftImg8bit" / "val", tmp_path / "results"
    says("predict", images, "--model", models[0], "--format", "cityscapes", "--out", results)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "gtFine").symlink_to(city_root / "gtFine")
    where = ["--predictions", results, "--data", tmp_path / "data", "--full"]
    says("evaluate", *where, "--json", tmp_path / "files.json")
    says("evaluate", "--model", models[0], "--data", city_root, "--full", "--json", tmp_path / "model.json")
    files, model = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("files", "model"))
    for part in ("instance", "semantic", "panoptic", "intervals"):
        assert files[part] == model[part]


def test_result_files_in_train_ids_and_of_half_the_size_are_read_with_the_options_that_the_faults_advise(
    says, fails, city_root, tmp_path
):
    where = ["--data", city_root, "--json", tmp_path / "s.json", "--predictions"]
    for name, part in (("whole", slice(None)), ("small", slice(1, None, 2))):
        (tmp_path / name).mkdir()
        for scene in TruthFolder(city_root, "val"):
            ids_HW = scene.label_set.id_to_train_id[scene.semantic_HW][part, part]
            Image.fromarray(ids_HW).save(tmp_path / name / f"{scene.name}.png")
    said = fails("evaluate", *where, tmp_path / "whole")
    assert "these are train ids" in said and "--train-ids" in said
    says("evaluate", *where, tmp_path / "whole", "--train-ids")
    assert json.loads((tmp_path / "s.json").read_text())["semantic"]["iou_class"] == 1
    said = fails("evaluate", *where, tmp_path / "small", "--train-ids")
    assert "is 128x64, the truth 256x128" in said and "--enlarge" in said
    says("evaluate", *where, tmp_path / "small", "--train-ids", "--enlarge")
    assert 0.5 < json.loads((tmp_path / "s.json").read_text())["semantic"]["iou_class"] < 1
    (tmp_path / "r.json").write_text("[]")
    for option in ("--train-ids", "--enlarge"):
        said = fails("evaluate", *where, tmp_path / "r.json", option)
        assert f"{option} is for folders of files in the official form: leave it out" in said
        said = fails("evaluate", "--data", city_root, option)
        assert f"{option} is for --predictions, and a model is scored: leave it out" in said


def test_files_of_a_semantic_model_have_no_instance_scores_like_the_model(says, models, city_root, tmp_path):
    """A file without a line would say that there is no instance: AP 0."""
    images, results = city_root / "leftImg8bit" / "val", tmp_path / "results"
    says("predict", images, "--model", models[2], "--format", "cityscapes", "--out", results)
    assert sorted(path.name for path in results.iterdir()) == ["pixels"]
    says("evaluate", "--predictions", results, "--data", city_root, "--full", "--json", tmp_path / "files.json")
    says("evaluate", "--model", models[2], "--data", city_root, "--full", "--json", tmp_path / "model.json")
    files, model = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("files", "model"))
    assert files["instance"] is None and files["panoptic"] is None
    assert all(files[part] == model[part] for part in ("instance", "semantic", "panoptic"))


def test_what_cannot_be_compared_is_refused(fails, says, models, city_root, tmp_path):
    a, b, semantic = models
    says("evaluate", "--model", a, "--data", city_root, "--json", tmp_path / "a.json")
    says("evaluate", "--model", a, "--data", city_root, "--frames", 1, "--json", tmp_path / "one.json")
    with_b = ["compare", tmp_path / "a.json", b, "--data", city_root]
    for arguments, expected in (
        (["compare", tmp_path / "a.json", tmp_path / "one.json"], "images are in only one of them"),
        ([*with_b, "--split", "train"], "images are in only one of them"),
        (
            ["compare", tmp_path / "a.json", b, "--data", city_root, "--full"],
            "only one of them was scored with boundary",
        ),
        (["compare", a, semantic, "--data", city_root], "A scores pixels, instances (all), B pixels"),
        (["compare", a, b], "give --data ROOT"),
        (["compare", tmp_path / "a.json", tmp_path / "a.json", "--data", city_root], "leave it out"),
        (["compare", tmp_path / "a.json", tmp_path / "a.json", "--full"], "--full is for models"),
        (["compare", tmp_path / "a.json", tmp_path / "a.json", "--frames", 1], "--frames is for models"),
        (["compare", tmp_path / "a.json", tmp_path / "a.json", "--precision", "bf16"], "--precision is for models"),
        (["evaluate", "--predictions", tmp_path, "--data", city_root, "--device", "cuda"], "--device is for models"),
        (["evaluate", "--model", a, "--data", city_root, "--workers", 2], "--workers 2 is for --predictions"),
        (["compare", tmp_path / "none.json", b, "--data", city_root], "none.json: no such file or directory"),
        (["compare", a, tmp_path / "none", "--data", city_root], "none: no such model"),
        (["compare", a, b, "--data", city_root, "--draws", 0], "--draws 0"),
        ([*with_b, "--side-px", 32, "--side-px", 16], "bounds of sizes: 32, 16"),
    ):
        said = fails(*arguments).strip()
        assert expected in said and len(said.split("\n")) == 1


def test_a_model_without_a_semantic_map_has_every_other_figure(city_root, tmp_path):
    """Mask R-CNN: --full asks for panoptic quality, which it cannot have."""
    torch.manual_seed(0)
    file = tmp_path / "mask_rcnn.safetensors"
    save_model(file, build_method(MaskRcnnConfig(channels=16)), {"recipe": "tiny", "steps": 0, "weights": "random"})
    figures = score(city_root, "val", model=str(file), frames=1, full=True)
    assert figures["panoptic"] is None and figures["semantic"] is None
    assert {"boundary", "coco"} < figures["instance"].keys()
