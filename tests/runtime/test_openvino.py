"""OpenVINO models: export, prediction without torch, and files that cannot be used."""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import partwise
import streeteval
from partwise.errors import PartwiseError
from partwise.methods.options import InferenceOptions
from partwise.runtime import export
from partwise.runtime.exported import FORMAT, FORMAT_KEY

pytestmark = pytest.mark.skipif(find_spec("openvino") is None, reason="needs the extra openvino")
SOURCES = os.pathsep.join(str(Path(one.__file__).resolve().parents[1]) for one in (partwise, streeteval))
ABSENT = ["torch", "torchvision", "timm", "onnx", "onnxruntime"]


@pytest.mark.parametrize("size", [(64, 96), (1, 1), (50, 131), (160, 64)])
def test_the_openvino_model_predicts_as_torch_does(refined_model, openvino_model, photo, assert_same, size):
    in_torch, in_openvino = (partwise.load(file, device="cpu") for file in (refined_model, openvino_model))
    one, other = in_torch(photo(*size), flip=True), in_openvino(photo(*size), flip=True)
    assert_same(one, other)
    assert len(one) > 0 or size == (1, 1)
    assert one.origin == other.origin and one.label_set == other.label_set


def test_a_batch_and_one_by_one_are_the_same(openvino_model, photo, assert_same):
    segment = partwise.load(openvino_model)
    photos = [photo(64, 96, seed) for seed in range(3)]
    for one, other in zip(segment.stream(photos), segment.stream(photos, batch=3), strict=True):
        assert_same(one, other)


def test_outputs_are_kept_when_the_network_runs_again(openvino_model, photo):
    method = partwise.load(openvino_model).method
    first, second = (photo(64, 96, seed).transpose(2, 0, 1)[None] for seed in (0, 1))
    outputs = method.respond(first)["semantic"]
    before = outputs.copy()
    method.respond(second)
    np.testing.assert_array_equal(outputs, before)


def test_the_command_line_predicts_without_torch_and_onnx(openvino_model, photo, tmp_path):
    (tmp_path / "without").mkdir()
    names = f"import sys\nsys.modules.update(dict.fromkeys({ABSENT!r}))\n"
    (tmp_path / "without" / "sitecustomize.py").write_text(names)
    (tmp_path / "home").mkdir()
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path / "without"), SOURCES])}
    environment |= {"HOME": str(tmp_path / "home")}
    Image.fromarray(photo(64, 96)).save(tmp_path / "street.png")
    command = [sys.executable, "-m", "partwise", "predict", "street.png", "--model", str(openvino_model), "--out", "o"]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "o" / "street.json").is_file()
    assert not list((tmp_path / "home").iterdir()), "the telemetry of OpenVINO writes into the home folder"


def test_an_openvino_model_is_scored_as_the_onnx_file_is(openvino_model, onnx_model, city_root):
    in_openvino, in_onnx = (
        partwise.evaluate(city_root, model=file, frames=2, options=InferenceOptions(scale=0.5)).figures
        for file in (openvino_model, onnx_model)
    )
    assert in_openvino["semantic"]["iou_class"] == pytest.approx(in_onnx["semantic"]["iou_class"], abs=1e-3)
    assert in_openvino["instance"]["ap"] == pytest.approx(in_onnx["instance"]["ap"], abs=1e-3)


@pytest.fixture
def copied(openvino_model, tmp_path):
    """A copy of the model that may be damaged."""
    for suffix in (".xml", ".bin"):
        shutil.copy(openvino_model.with_suffix(suffix), tmp_path / f"m{suffix}")
    return tmp_path / "m.xml"


def said_by_load(path):
    with pytest.raises(PartwiseError) as raised:
        partwise.load(path)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_missing_weights_are_one_line(copied, capfd):
    copied.with_suffix(".bin").unlink()
    assert "m.bin is missing, which holds its weights" in said_by_load(copied)
    assert capfd.readouterr().err == ""


def test_cut_weights_are_one_line(copied):
    weights = copied.with_suffix(".bin")
    weights.write_bytes(weights.read_bytes()[:1000])
    assert "m.bin is not its own" in said_by_load(copied)


def test_weights_of_another_model_are_one_line(copied):
    weights = copied.with_suffix(".bin")
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1  # the lowest bits of a weight
    weights.write_bytes(content)
    assert "m.bin has the weights of another model" in said_by_load(copied)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not an OpenVINO model, or a damaged one"),
        (b"not XML", "not an OpenVINO model, or a damaged one"),
        (b"\x80\x03\x00\xff", "not an OpenVINO model, or a damaged one"),
        (b"<annotation><size/></annotation>", "XML, but not an OpenVINO model"),
    ],
)
def test_another_file_is_one_line(copied, capfd, content, said):
    copied.write_bytes(content)
    assert said in said_by_load(copied)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (FORMAT, "partwise-onnx-9", "format 'partwise-onnx-9', this version reads"),
        (FORMAT_KEY, "of_another_program", "an OpenVINO model without the description of partwise"),
        ("size_multiple", "of_another_version", "its description cannot be read"),
        ("</layers>", "", "not an OpenVINO model, or a damaged one"),
    ],
)
def test_a_model_that_is_not_ours_or_of_another_version_is_one_line(copied, old, new, said):
    text = copied.read_text()
    assert old in text
    copied.write_text(text.replace(old, new))
    assert said in said_by_load(copied)


def test_a_device_that_is_not_there_is_one_line(openvino_model):
    with pytest.raises(PartwiseError, match=r"'cuda': OpenVINO finds no such device: give auto or one of .*CPU"):
        partwise.load(openvino_model, device="cuda")


def test_a_model_that_computes_something_else_is_not_written(refined_model, tmp_path, monkeypatch, complains):
    wrong = lambda *given: lambda values: [one + 0.1 for one in export_compiled(*given)(values)]
    export_compiled = export.compiled
    monkeypatch.setattr(export, "compiled", wrong)
    said = complains("export", refined_model, "--format", "openvino", "--out", tmp_path / "m.xml")
    assert "OpenVINO computes other maps than torch" in said
    assert not list(tmp_path.iterdir())


def test_an_export_replaces_an_earlier_one_and_no_other_file(refined_model, copied, complains, says):
    before = copied.with_suffix(".bin").read_bytes()
    says("export", refined_model, "--format", "openvino", "--out", copied)
    assert copied.with_suffix(".bin").read_bytes() == before
    copied.unlink()
    copied.with_suffix(".bin").write_bytes(b"weights of another program")
    said = complains("export", refined_model, "--format", "openvino", "--out", copied)
    assert "m.bin: partwise did not write this file" in said
    assert not copied.exists()
