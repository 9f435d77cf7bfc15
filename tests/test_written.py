"""Which files are recognised as partwise's own; every other one is never replaced."""

import json
import os

import numpy as np
import pytest
from PIL import Image
from tiny_networks import tiny_model

from partwise import load
from partwise.errors import ForeignFileError, PartwiseError
from partwise.evaluation.submission import write_submission
from partwise.files import atomic_write, require_replaceable, write_json
from partwise.report.page import write_report
from partwise.segmenter import Result
from partwise.written import (
    EMPTY,
    JSON_KINDS,
    MODEL,
    PAGE,
    PICTURE,
    PICTURES_OF_PREDICTION,
    PREDICTION,
    SUBMISSION,
    kind_of,
)


@pytest.fixture(scope="module")
def result(tmp_path_factory, scenes) -> Result:
    model = tiny_model(tmp_path_factory.mktemp("models") / "m.safetensors")
    return load(model)(scenes[0].image_HW3, name="street")


def without_marks(paths) -> None:
    """Make PNGs what versions of partwise wrote that did not mark them, and what any other program writes."""
    for path in paths:
        Image.fromarray(np.array(Image.open(path))).save(path)


def test_results_are_recognised(result, tmp_path):
    *pictures, record = result.save(tmp_path)
    assert [kind_of(path) for path in pictures] == [PICTURE] * 3 and kind_of(record) == PREDICTION
    *masks, lines, pixels = write_submission("street", result.prediction, tmp_path / "s")
    assert masks and {kind_of(path) for path in (*masks, pixels)} == {PICTURE}
    assert kind_of(lines) == SUBMISSION
    assert kind_of(tiny_model(tmp_path / "m.safetensors")) == MODEL
    assert kind_of(write_report(tmp_path / "page.html", title="a page", summary={})) == PAGE


@pytest.mark.parametrize("kind", JSON_KINDS)
def test_json_is_replaced_by_its_own_kind_alone(kind, tmp_path):
    path, value = tmp_path / "a.json", dict.fromkeys(JSON_KINDS[kind], 0)
    write_json(path, value)
    assert kind_of(path) == kind
    write_json(path, value | {"further": 1})
    for other, keys in JSON_KINDS.items():
        if other != kind:
            with pytest.raises(PartwiseError, match=rf"\({kind}\), and it is not replaced"):
                write_json(path, dict.fromkeys(keys, 0))
    assert json.loads(path.read_text())["further"] == 1


MINE = {
    "LabelMe": '{"version": "5.4", "flags": {}, "shapes": [], "imagePath": "a.png", "imageData": null}',
    "COCO": '{"images": [], "annotations": [], "categories": []}',
    "polygons": '{"imgHeight": 1024, "imgWidth": 2048, "objects": []}',
    "a list": "[]",
    "damaged JSON": '{"name": "a", "label_set"',
    "deep JSON": '{"a":' * 100_000,
    "text": "partwise is what I use",
    "submission of another tool": "masks/a_0.png 26 0.5\n",
    "page": "<!doctype html>\n<title>partwise</title>",
    "metrics": '{"epoch": 1, "step": 2}\n',
    "binary": "\x93NUMPY",
}


@pytest.mark.parametrize("what", MINE)
def test_files_of_others_are_kept(what, tmp_path):
    path = tmp_path / "a_pred.txt"
    path.write_text(MINE[what])
    assert kind_of(path) is None
    with pytest.raises(ForeignFileError, match="partwise did not write this file"), atomic_write(path):
        pytest.fail("the block was entered")
    with pytest.raises(ForeignFileError):
        write_json(path, {"x": 1})
    assert path.read_text() == MINE[what]
    assert [file.name for file in tmp_path.iterdir()] == ["a_pred.txt"]
    with atomic_write(path, "w", overwrite=True) as file:
        file.write("new")
    assert path.read_text() == "new"


def test_a_write_protected_file_is_kept(tmp_path, monkeypatch):
    write_json(tmp_path / "a.json", dict.fromkeys(JSON_KINDS[PREDICTION], 0))
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)  # root may write everywhere
    with pytest.raises(PartwiseError, match="write-protected"):
        write_json(tmp_path / "a.json", dict.fromkeys(JSON_KINDS[PREDICTION], 1))
    write_json(tmp_path / "a.json", dict.fromkeys(JSON_KINDS[PREDICTION], 1), overwrite=True)


def test_a_model_is_not_exported_onto_itself(complains, tmp_path):
    model = tiny_model(tmp_path / "m.safetensors")
    before = model.read_bytes()
    assert "this is the model that is read" in complains("export", model, "--out", tmp_path / "." / "m.safetensors")
    assert model.read_bytes() == before


def test_an_empty_file_holds_nothing_to_lose(tmp_path):
    (tmp_path / "a.json").touch()
    assert kind_of(tmp_path / "a.json") == EMPTY
    write_json(tmp_path / "a.json", [1])
    assert json.loads((tmp_path / "a.json").read_text()) == [1]


def test_a_link_to_a_file_of_somebody_else(tmp_path):
    (tmp_path / "real").write_text("mine")
    (tmp_path / "link").symlink_to("real")
    with pytest.raises(ForeignFileError):
        require_replaceable(tmp_path / "link")
    require_replaceable(tmp_path / "nothing")


def test_pictures_of_a_version_without_marks_are_recognised_by_their_json(result, tmp_path):
    *pictures, record = result.save(tmp_path)
    without_marks(pictures)
    assert {kind_of(path) for path in pictures} == {PICTURE}
    record.unlink()
    assert {kind_of(path) for path in pictures} == {None}


@pytest.mark.parametrize("end", PICTURES_OF_PREDICTION)
def test_a_picture_that_a_person_corrected_is_theirs(result, tmp_path, end):
    paths = result.save(tmp_path)
    mine = tmp_path / f"street{end}"
    without_marks([mine])
    before = mine.read_bytes()
    with pytest.raises(ForeignFileError, match=end):
        result.save(tmp_path)
    assert mine.read_bytes() == before
    result.save(tmp_path, overwrite=True)
    assert all(map(kind_of, paths))


def test_all_four_files_or_none(result, tmp_path):
    (tmp_path / "street.json").write_text("mine")
    with pytest.raises(ForeignFileError):
        result.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["street.json"]


def test_images_without_a_name_never_replace_each_other(result, tmp_path):
    unnamed = Result(
        result.labels,
        result.scores,
        result.boxes,
        result.masks,
        result.size,
        semantic_HW=result.semantic_HW,
        image_HW3=result.image_HW3,
    )
    names = [unnamed.save(tmp_path)[-1].name for _ in range(3)]
    assert names == ["image.json", "image_2.json", "image_3.json"]
    (tmp_path / "image_4_overlay.png").write_text("mine")
    assert unnamed.save(tmp_path)[-1].name == "image_5.json"


def test_home(result, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    paths = [*result.save("~/out"), *write_submission("street", result.prediction, "~/sub")]
    assert all(path.is_relative_to(tmp_path) and path.is_file() for path in paths)
    assert not (tmp_path / "~").exists()
    tiny_model(tmp_path / "m.safetensors")
    load("~/m.safetensors")


@pytest.mark.parametrize(
    "command",
    [
        ["evaluate", "--data", "CITY", "--json", "MINE"],
        ["check", "CITY", "--json", "MINE"],
        ["compare", "a.json", "b.json", "--json", "MINE"],
        ["ceiling", "parts", "--data", "CITY", "--json", "MINE"],
        ["ceilings", "--data", "CITY", "--json", "MINE"],
        ["doctor", "demo", "--json", "MINE"],
        ["bench", "speed", "--json", "MINE"],
        ["bench", "evaluation", "--json", "MINE"],
        ["bench", "models", "--data", "CITY", "--json", "MINE"],
        ["bench", "models", "--data", "CITY", "--markdown", "MINE"],
        ["bench", "models", "--data", "CITY", "--picture", "MINE"],
        ["bench", "baselines", "--data", "CITY", "--out", "OUT", "--json", "MINE"],
        ["export", "streets", "--out", "MINE"],
    ],
)
def test_a_file_of_the_user_is_refused_before_any_work(command, complains, city_root, tmp_path):
    mine = tmp_path / "mine"
    mine.write_text('{"images": [], "annotations": [], "categories": []}')
    before = mine.read_bytes()
    places = {"CITY": city_root, "MINE": mine, "OUT": tmp_path / "out"}
    said = complains(*(places.get(word, word) for word in command))
    assert f"{mine}: partwise did not write this file" in said
    assert mine.read_bytes() == before and not (tmp_path / "out").exists()


def test_figures_are_replaced_by_figures_of_their_kind(says, complains, tiny_model_file, city_root, tmp_path):
    file = tmp_path / "e.json"
    evaluate = ["evaluate", "--model", tiny_model_file, "--data", city_root, "--frames", 1, "--json", file]
    says(*evaluate)
    says(*evaluate, "--no-records")
    assert "(evaluation), and it is not replaced" in complains("check", city_root, "--json", file)
    assert "(evaluation), and it is not replaced" in complains("compare", file, file, "--json", file)
    assert json.loads(file.read_text())["images"] == 1
    assert "partwise did not write" in complains(*evaluate[:-1], next(city_root.rglob("*_labelIds.png")))
