"""Who asks for bf16 on hardware that only emulates it is told so, once, by whatever takes a precision."""

import warnings

import pytest
import torch
from PIL import Image
from tiny_networks import QUICK

import partwise
from partwise.errors import PartwiseWarning
from partwise.training import precision


@pytest.fixture
def emulated(monkeypatch):
    monkeypatch.setattr(precision, "_cpu_capabilities", lambda: {"avx2": True})


@pytest.fixture
def commands(tiny_model_file, city_root, tmp_path, scenes):
    """Every verb that takes a precision, without it."""
    photo = tmp_path / "photo.png"
    Image.fromarray(scenes[0].image_HW3[:64, :64]).save(photo)
    out = ["--out", tmp_path / "out"]
    scored = ["--data", city_root, "--frames", 1]
    quick = [word for word in QUICK if "precision" not in word]
    return {
        "predict": ["predict", photo, "--model", tiny_model_file, *out],
        "explain": ["explain", photo, "--model", tiny_model_file, "--at", "3,3", *out],
        "evaluate": ["evaluate", "--model", tiny_model_file, *scored],
        "compare": ["compare", tiny_model_file, tiny_model_file, "--draws", 2, *scored],
        "train": ["train", "demo", *quick, "--steps", 1, "--data", city_root, *out],
    }


def warned(capsys) -> list[str]:
    return [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: ")]


@pytest.mark.parametrize("verb", ["predict", "explain", "evaluate", "compare", "train"])
def test_one_line_says_that_bf16_is_emulated_and_what_to_do(verb, commands, emulated, capsys):
    in_bf16 = ["training.precision=bf16"] if verb == "train" else ["--precision", "bf16"]
    partwise.cli.main([str(word) for word in [*commands[verb], *in_bf16]])
    (line,) = warned(capsys)
    assert "bf16 is emulated" in line and "precision to no or auto" in line


@pytest.mark.parametrize("asked", ["no", "auto"])
def test_nothing_is_said_where_nobody_asked_for_bf16(asked, commands, emulated, capsys):
    partwise.cli.main([str(word) for word in [*commands["predict"], "--precision", asked]])
    assert warned(capsys) == []


def test_nothing_is_said_where_the_processor_has_bf16(commands, monkeypatch, capsys):
    for capabilities in ({"avx512_bf16": True}, {"amx_bf16": True}, {"neon": True, "bf16": True}, {}):
        monkeypatch.setattr(precision, "_cpu_capabilities", lambda known=capabilities: known)
        assert precision.slow_precision(torch.device("cpu")) == "", capabilities
    partwise.cli.main([str(word) for word in [*commands["predict"], "--precision", "bf16"]])
    assert warned(capsys) == []


def test_a_gpu_without_bf16_is_named_too(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: including_emulation)
    assert "emulated on this GPU" in precision.slow_precision(torch.device("cuda"))


def test_the_library_warns_as_libraries_do(tiny_model_file, emulated):
    with pytest.warns(PartwiseWarning, match="emulated"):
        partwise.load(tiny_model_file, precision="bf16")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        partwise.load(tiny_model_file)
