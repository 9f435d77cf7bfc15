"""The public face: train, evaluate and compare from Python do what the command line does."""

import json

import pytest

import partwise
from partwise.errors import PartwiseError


@pytest.fixture(scope="module")
def trained(city_root, module_folder):
    """Two steps of a small recipe."""
    small = ["method.channels=8", "backbone_weights=random", "data.augment.crop=[64,64]", "data.workers=0"]
    return partwise.train("demo", city_root, module_folder / "run", steps=2, overrides=small)


def test_a_run_can_be_loaded_and_scored(trained, city_root, tmp_path, says):
    scores = partwise.evaluate(city_root, model=trained, frames=2)
    assert scores.images == 2 and scores.iou_class == scores.semantic["iou_class"]
    assert repr(scores).startswith("Evaluation(2 images: AP ")
    file = scores.save(tmp_path / "scores.json")
    says("evaluate", "--model", trained, "--data", city_root, "--frames", 2, "--json", tmp_path / "cli.json")
    mine, theirs = (json.loads(path.read_text()) for path in (file, tmp_path / "cli.json"))
    for figures in (mine, theirs):
        del figures["seconds"]
    assert mine == theirs


def test_options_are_one_object_and_device_and_precision_replace_their_fields(trained, city_root):
    options = partwise.InferenceOptions(scale=0.5, device="cpu", precision="no")
    one, other = (
        partwise.evaluate(city_root, model=trained, frames=1, **given)
        for given in ({"options": options}, {"options": options.changed(precision="auto"), "precision": "no"})
    )
    told = one.figures["circumstances"]
    assert (told["scale"], told["flip"], told["device"], told["precision"]) == (0.5, False, "cpu", "no")
    assert {**one.figures, "seconds": 0} == {**other.figures, "seconds": 0}


def test_results_are_compared_from_memory_and_from_files_alike(trained, city_root, tmp_path):
    scores = partwise.evaluate(city_root, split="train", model=trained)
    scores.save(tmp_path / "scores.json")
    from_memory = partwise.compare(scores, scores, draws=20)
    from_files = partwise.compare(tmp_path / "scores.json", tmp_path / "scores.json", draws=20)
    assert from_memory.differences == from_files.differences
    iou = from_memory.differences["semantic.iou_class"]
    assert iou.a == iou.b == scores.iou_class and iou.difference == iou.low == iou.high == 0 and iou.images == 6


def test_every_public_name_is_there():
    for name in partwise.__all__:
        assert getattr(partwise, name).__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        _ = partwise.lod


def test_a_mistake_is_one_line(city_root, tmp_path):
    with pytest.raises(PartwiseError, match="did you mean 'demo'"):
        partwise.train("dmo", city_root, tmp_path / "run", steps=1)
    with pytest.raises(PartwiseError, match="no such file or folder"):
        partwise.evaluate(tmp_path / "none")
