"""`partwise ceiling` as a person uses it."""

import json

import pytest
from tiny_networks import tiny_model


@pytest.mark.parametrize("what", ["parts", "parts_light"])
def test_a_method_and_a_recipe_without_training(what, says, city_root, tmp_path):
    file = tmp_path / "ceiling.json"
    windows = "method.windows=[[8,21]]"
    said = says("ceiling", what, windows, "--data", city_root, "--frames", 2, "--json", file)
    result = json.loads(file.read_text())
    assert [row["name"] for row in result["rows"]] == ["all true"]
    assert result["circumstances"]["method"]["windows"] == [[8, 21]]
    assert result["images"] == 2
    assert "<32 px" in said and "car" in said and f"wrote {file}" in said


def test_a_model_has_a_row_for_every_stage(says, city_root, tmp_path):
    model, file = tiny_model(tmp_path / "model.safetensors"), tmp_path / "ceiling.json"
    changed = "method.decode.sharpen=0.5"
    said = says("ceiling", model, changed, "--data", city_root, "--frames", 1, "--json", file)
    result = json.loads(file.read_text())
    names = [row["name"] for row in result["rows"]]
    assert {"as it is", "true semantic", "true objectness", "true parts", "all true"} <= set(names)
    assert all(name in said for name in names)
    assert result["circumstances"]["what"]["recipe"] == "tiny"
    assert result["circumstances"]["method"]["decode"]["sharpen"] == 0.5


@pytest.mark.usefixtures("auto_is_elsewhere")
def test_a_model_is_measured_on_the_processor_where_there_is_a_gpu(says, city_root, tiny_model_file):
    assert "as it is" in says("ceiling", tiny_model_file, "--data", city_root, "--frames", 1)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["partz"], "did you mean 'parts'"),
        (["fcn32s"], "tells no instances apart"),
        (["parts", "method.k=0"], "method.k=0"),
        (["parts", "--frames", "-1"], "--frames -1"),
        (["nowhere/model.safetensors"], "no such model"),
        (["streets", "method.k=5"], "only method.decode.* can"),
    ],
)
def test_mistakes_are_one_line(arguments, complaint, complains, city_root):
    assert complaint in complains("ceiling", *arguments, "--data", city_root)


def test_a_file_that_is_no_model_and_data_that_is_nowhere(complains, city_root, tmp_path):
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"not a model")
    assert "not a model file" in complains("ceiling", file, "--data", city_root)
    assert "no such file or folder" in complains("ceiling", "parts", "--data", tmp_path / "nowhere")


def test_a_pipeline_is_answered_with_its_recipes(complains, city_root, monkeypatch):
    monkeypatch.setitem(
        __import__("partwise.recipes", fromlist=["PIPELINES"]).PIPELINES.own, "two", {"parts_light": 1.0}
    )
    assert "give one of its recipes: parts_light" in complains("ceiling", "two", "--data", city_root)
