"""ONNX files in int8: measured beside fp32 before they are written, and refused if they are much worse."""

import json

import numpy as np
import onnx
import pytest

import partwise
from partwise.cli.app import main
from partwise.data.dataset import open_dataset
from partwise.runtime import quantise
from partwise.written import INT8, json_kind


@pytest.fixture(scope="module")
def int8(refined_model, city_root, tmp_path_factory):
    """A tiny model in int8, and the figures that the command wrote."""
    folder = tmp_path_factory.mktemp("int8")
    words = ["--data", str(city_root), "--frames", "2", "--json", str(folder / "int8.json")]
    out = folder / "int8.onnx"
    main(["export", str(refined_model), "--format", "onnx", "--int8", "--out", str(out), *words])
    return out, json.loads((folder / "int8.json").read_text())


def test_the_convolutions_of_the_network_have_weights_of_8_bits(int8, onnx_model):
    graph = onnx.load(int8[0]).graph
    signed = {one.name for one in graph.initializer if one.data_type == onnx.TensorProto.INT8}
    from_8_bits = {node.output[0] for node in graph.node if node.input and node.input[0] in signed}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    assert len(convolutions) == sum(node.op_type == "Conv" for node in onnx.load(onnx_model).graph.node)
    assert all(node.input[1] in from_8_bits for node in convolutions)
    assert int8[0].stat().st_size < 0.6 * onnx_model.stat().st_size


def test_the_outputs_are_close_to_those_of_fp32(int8, onnx_model, city_root):
    image = open_dataset(city_root, "val")[0].image_HW3
    batch = image.transpose(2, 0, 1)[None]
    in_int8, in_fp32 = (partwise.load(file).method.respond(batch)["semantic"] for file in (int8[0], onnx_model))
    difference = np.abs(in_int8 - in_fp32).mean() / np.abs(in_fp32 - in_fp32.mean()).mean()
    assert 0 < difference < 0.3


def test_the_figures_are_those_of_an_evaluation_and_stand_in_the_file(int8, city_root, says, tmp_path):
    path, figures = int8
    assert json_kind(figures) == INT8 and figures["frames"] == figures["calibration_frames"] == 2
    for name in ("fp32", "int8"):
        assert figures[name]["ms"] > figures[name]["network_ms"] > 0
    assert figures["int8"]["mb"] < figures["fp32"]["mb"]
    said = says("describe", path, "--json", tmp_path / "model.json")
    assert f"2 frames of {city_root.name}, split train" in said and "int8 takes" in said
    assert json.loads((tmp_path / "model.json").read_text())["measured"] == figures


def test_an_onnx_file_in_fp32_is_described_without_figures(onnx_model, refined_model, says):
    of_onnx, of_torch = (says("describe", file) for file in (onnx_model, refined_model))
    assert "int8" not in of_onnx
    assert of_onnx.splitlines()[1:] == of_torch.splitlines()[1:]


def test_weights_of_7_bits_are_in_their_range(refined_model, city_root, tmp_path, says):
    out = tmp_path / "seven.onnx"
    words = ["--data", city_root, "--frames", "1", "--weight-bits", "7", "--max-drop", "1"]
    says("export", refined_model, "--format", "onnx", "--int8", *words, "--out", out, "--json", tmp_path / "seven.json")
    weights = [
        onnx.numpy_helper.to_array(one)
        for one in onnx.load(out).graph.initializer
        if one.data_type == onnx.TensorProto.INT8 and len(one.dims) == 4
    ]
    assert weights and all(np.abs(one.astype(int)).max() <= 64 for one in weights)
    assert json.loads((tmp_path / "seven.json").read_text())["weight_bits"] == 7


def test_it_predicts(int8, photo):
    result = partwise.load(int8[0])(photo(64, 96))
    assert len(result) > 0 and result.origin["terms"] == "non-commercial"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--out", "m.onnx", "--format", "onnx", "--int8"], "it needs frames to calibrate on"),
        (["--out", "m.xml", "--format", "openvino", "--int8", "--data", "CITY"], "only ONNX files are quantised"),
        (["--out", "m.safetensors", "--int8", "--data", "CITY"], "only ONNX files are quantised"),
        (["--out", "m.onnx", "--format", "onnx", "--data", "CITY"], "--data, --json and --weight-bits are for --int8"),
        (["--out", "m.onnx", "--format", "onnx", "--weight-bits", "7"], "--weight-bits are for --int8"),
        (["--out", "m.onnx", "--format", "onnx", "--int8", "--data", "CITY", "--frames", "0"], "frames from 1 on"),
        (["--out", "m.onnx", "--format", "onnx", "--int8", "--data", "CITY", "--max-drop", "-1"], "max_drop of 0 to 1"),
        (["--out", "m.onnx", "--format", "onnx", "--int8", "--data", "CITY", "--split", "none"], "none"),
    ],
)
def test_what_does_not_fit_is_one_line(refined_model, city_root, tmp_path, monkeypatch, complains, words, said):
    monkeypatch.chdir(tmp_path)
    assert said in complains("export", refined_model, *(str(city_root) if word == "CITY" else word for word in words))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("ap", "said"), [(0.2, "AP falls from 0.300 in fp32 to 0.200"), (float("nan"), "not defined")])
def test_a_file_that_is_much_worse_is_not_written(refined_model, city_root, tmp_path, monkeypatch, complains, ap, said):
    monkeypatch.setattr(quantise, "_quantised", lambda made, *_: made)
    figures = quantise._Runner.figures
    given = iter((0.3, ap))
    monkeypatch.setattr(quantise._Runner, "figures", lambda runner: figures(runner) | {"ap": next(given)})
    out = tmp_path / "m.onnx"
    words = ["--format", "onnx", "--int8", "--data", city_root, "--frames", 1]
    assert said in complains("export", refined_model, "--out", out, *words)
    assert not out.exists()
    if ap == 0.2:
        given = iter((0.3, ap))
        main([str(word) for word in ("export", refined_model, "--out", out, *words, "--max-drop", 0.2)])
        assert out.exists()
