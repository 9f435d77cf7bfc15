"""ONNX files: export, prediction without torch, batches, and files that cannot be used."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image
from tiny_networks import tiny_model

import partwise
import streeteval
from partwise.bench import models
from partwise.cli.app import main
from partwise.data.resized import image_at
from partwise.errors import PartwiseError, PartwiseWarning
from partwise.methods.method import image_batch
from partwise.methods.options import InferenceOptions, resized_images
from partwise.runtime import export
from partwise.runtime.exported import FORMAT_KEY, INFO_KEY
from partwise.runtime.onnx_file import CPU, CUDA, open_onnx, runner
from partwise.written import MODEL, kind_of

SOURCES = os.pathsep.join(str(Path(one.__file__).resolve().parents[1]) for one in (partwise, streeteval))
WITHOUT_TORCH = "import sys\nsys.modules.update(dict.fromkeys(['torch', 'torchvision', 'timm', 'onnx']))\n"


@pytest.fixture(scope="module")
def files(refined_model, onnx_model):
    """A tiny model with a mask refiner, as a safetensors file and as an ONNX file."""
    return refined_model, onnx_model


@pytest.mark.parametrize("size", [(64, 96), (1, 1), (50, 131), (160, 64)])
@pytest.mark.parametrize("flip", [False, True])
def test_the_onnx_file_predicts_as_torch_does(files, size, flip, photo, assert_same):
    in_torch, in_onnx = (partwise.load(file, device="cpu") for file in files)
    one, other = in_torch(photo(*size), flip=flip), in_onnx(photo(*size), flip=flip)
    assert_same(one, other)
    assert len(one) > 0 or size == (1, 1)


def test_decoder_fields_classes_and_origin_are_those_of_the_model(files, photo, assert_same):
    in_torch, in_onnx = (
        partwise.load(
            file, device="cpu", decode={"max_instances": 3}, classes={"vehicle": "car,truck", "human": "person"}
        )
        for file in files
    )
    one, other = in_torch(photo(64, 96)), in_onnx(photo(64, 96))
    assert_same(one, other)
    assert one.origin == other.origin and other.origin["terms"] == "non-commercial"
    assert one.label_set == other.label_set
    with pytest.raises(PartwiseError, match="no_such_field"):
        partwise.load(files[1], decode={"no_such_field": 1})


@pytest.fixture
def run(tmp_path, photo):
    """Predicts a small photo in a Python that does not have PyTorch."""
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "sitecustomize.py").write_text(WITHOUT_TORCH)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path / "without"), SOURCES])}
    Image.fromarray(photo(64, 96)).save(tmp_path / "street.png")

    def predict(*model):
        words = ["predict", "street.png", "--out", "out", *(f"--model={name}" for name in model)]
        command = [sys.executable, "-m", "partwise", *words]
        return subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120)

    return predict


def test_the_default_model_without_torch_is_the_one_in_int8(run, tmp_path):
    done = run()
    assert done.returncode == 0, done.stderr
    assert "model: streets-int8, since PyTorch is not installed" in done.stdout
    assert json.loads((tmp_path / "out" / "street.json").read_text())["origin"] == partwise.load("streets").info.origin


def test_the_command_line_predicts_without_torch(files, run, tmp_path):
    done = run(files[1])
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out" / "street.json").read_text())
    assert "model: " not in done.stdout
    needs_torch = run(files[0])
    assert needs_torch.returncode == 2
    assert needs_torch.stderr.strip().splitlines()[-1].endswith("pip install 'partwise[torch]'")


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("batch", [2, 3, 10])
def test_a_batch_gives_the_same_results_in_the_same_order(files, which, batch, photo, assert_same):
    segment = partwise.load(files[which], device="cpu")
    photos = [photo(*size, seed) for seed, size in enumerate([(64, 96), (40, 70), (64, 96), (64, 96), (40, 70)])]
    together = list(segment.stream(photos, batch=batch, min_score=0.01))
    for one, other in zip(segment.stream(photos, min_score=0.01), together, strict=True):
        assert_same(one, other)


@pytest.mark.parametrize("batch", [0, -1, 1.5, True, "2"])
def test_a_batch_is_a_whole_number_from_1_on(files, batch, photo):
    with pytest.raises(PartwiseError, match="batch"):
        partwise.load(files[1]).stream([photo(8, 8)], batch=batch)


@pytest.mark.parametrize("scale", [0.7, 1.25])
def test_a_resized_photo_is_predicted_as_torch_does(files, scale, photo, assert_same):
    in_torch, in_onnx = (partwise.load(file, device="cpu", decode={"scale": scale}) for file in files)
    assert in_torch.seen(photo(80, 120)).shape[0] == round(80 * scale)
    assert_same(in_torch(photo(80, 120)), in_onnx(photo(80, 120)))


@pytest.mark.parametrize("classes", [None, {"car": "car,truck,bus"}])
def test_an_onnx_file_is_scored_as_the_model_is(files, city_root, classes):
    in_torch, in_onnx = (
        partwise.evaluate(city_root, model=file, classes=classes, options=InferenceOptions(scale=0.9)).figures
        for file in files
    )
    for task in ("instance", "semantic"):
        assert in_onnx[task] == approximately(in_torch[task])
    assert in_onnx["circumstances"]["classes" if classes else "model"]


def approximately(figures):
    """Nested figures, each within a thousandth."""
    if isinstance(figures, dict):
        return {key: approximately(value) for key, value in figures.items()}
    return pytest.approx(figures, abs=1e-3, nan_ok=True) if isinstance(figures, float) else figures


@pytest.mark.parametrize("size", [(64, 96), (20, 31), (150, 90), (50, 70)])
def test_every_runtime_resizes_a_photo_the_same(size, photo):
    """It is the bilinear filter of torch, where rounding may differ."""
    image = photo(50, 70)
    batch = image_batch(image)
    same = resized_images(batch, size)[0].permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(image_at(image, size), same)
    filtered = torch.nn.functional.interpolate(batch.float(), size=size, mode="bilinear", antialias=True)
    assert np.abs(filtered[0].permute(1, 2, 0).numpy() - same).max() < 0.51


def changed(source, target, change):
    model = onnx.load(source)
    metadata = {one.key: one.value for one in model.metadata_props}
    change(metadata)
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, metadata)
    onnx.save(model, target)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda metadata: metadata.clear(), "without the description of partwise"),
        (lambda metadata: metadata.update({FORMAT_KEY: "partwise-onnx-9"}), "partwise-onnx-9"),
        (lambda metadata: metadata.pop(INFO_KEY), "cannot be read"),
        (lambda metadata: metadata.update({INFO_KEY: "{"}), "cannot be read"),
        (lambda metadata: metadata.update({INFO_KEY: '{"method": {}}'}), "cannot be read"),
        (lambda metadata: metadata.update({"partwise_refiner": "AAAA"}), "cannot be read"),
    ],
)
def test_a_file_that_is_not_ours_or_of_another_version_is_one_line(files, tmp_path, capsys, change, said):
    changed(files[1], tmp_path / "other.onnx", change)
    with pytest.raises(PartwiseError, match=said) as raised:
        partwise.load(tmp_path / "other.onnx")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x07" * 50])
def test_a_damaged_file_is_one_line(tmp_path, content):
    (tmp_path / "damaged.onnx").write_bytes(content)
    with pytest.raises(PartwiseError, match=r"damaged\.onnx: not an ONNX file, or a damaged one") as raised:
        partwise.load(tmp_path / "damaged.onnx")
    assert "\n" not in str(raised.value)


def test_a_cut_file_is_one_line(files, tmp_path):
    content = files[1].read_bytes()
    (tmp_path / "cut.onnx").write_bytes(content[: len(content) // 2])
    with pytest.raises(PartwiseError, match="damaged"):
        partwise.load(tmp_path / "cut.onnx")


def test_a_provider_that_is_not_there_is_one_line(files):
    with pytest.raises(PartwiseError, match="no provider NoSuchExecutionProvider: give cpu"):
        partwise.load(files[1], device="NoSuchExecutionProvider")


@pytest.fixture
def onnx_runtime_for_gpus(monkeypatch):
    """ONNX Runtime says that it has CUDA; gives a function that chooses how its sessions start, and what they got."""
    real, asked = onnxruntime.InferenceSession, []
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])

    def start(how):
        def session(content, options, providers):
            asked.append(providers[0])
            made = real(content, options, providers=[CPU])
            if providers == [CPU] or how == "silently on the CPU":
                return made
            if how == "raises":
                raise RuntimeError("CUDA failure 35")
            made.get_providers = lambda: [CUDA, CPU]
            return made

        monkeypatch.setattr(onnxruntime, "InferenceSession", session)
        return asked

    return start


@pytest.mark.parametrize("how", ["silently on the CPU", "raises"])
def test_a_gpu_that_onnx_runtime_cannot_use_is_not_passed_over(files, onnx_runtime_for_gpus, how, recwarn):
    onnx_runtime_for_gpus(how)
    with pytest.raises(PartwiseError, match=f"device 'cuda': ONNX Runtime cannot use {CUDA}: .* or give cpu"):
        open_onnx(files[1], "cuda")
    assert not recwarn.list
    with pytest.warns(PartwiseWarning, match="the CPU is used: install"):
        opened = open_onnx(files[1], "auto")
    assert opened.info.label_set


@pytest.mark.parametrize(("device", "number"), [("cuda", 0), ("cuda:1", 1), ("auto", 0), (CUDA, 0)])
def test_onnx_runtime_is_told_the_gpu_and_tries_no_algorithms(files, onnx_runtime_for_gpus, device, number, recwarn):
    asked = onnx_runtime_for_gpus("on the GPU")
    open_onnx(files[1], device)
    assert asked and all(one == (CUDA, {"device_id": number, "cudnn_conv_algo_search": "HEURISTIC"}) for one in asked)
    assert not recwarn.list


def test_ending_and_format_must_agree(files, tmp_path, capsys):
    for words in (["m.onnx"], ["m.safetensors", "--format", "onnx"], ["m.bin"]):
        with pytest.raises(SystemExit) as ended:
            main(["export", str(files[0]), "--out", str(tmp_path / words[0]), *words[1:]])
        assert ended.value.code == 2 and not list(tmp_path.iterdir())
        assert "ending and format differ" in " ".join(capsys.readouterr().err.split())


def test_a_file_that_computes_something_else_is_not_written(files, tmp_path, monkeypatch):
    wrong = lambda session: lambda values: [one + 0.1 for one in runner(session)(values)]
    monkeypatch.setattr(export, "runner", wrong)
    with pytest.raises(SystemExit):
        main(["export", str(files[0]), "--format", "onnx", "--out", str(tmp_path / "m.onnx")])
    assert not list(tmp_path.iterdir())


def test_only_part_maps_can_be_exported(tmp_path, capsys):
    model = tiny_model(tmp_path / "fcn.safetensors", semantic=True)
    with pytest.raises(SystemExit):
        main(["export", str(model), "--format", "onnx", "--out", str(tmp_path / "m.onnx")])
    assert "cannot be exported" in " ".join(capsys.readouterr().err.split())


def test_an_onnx_file_stands_beside_its_model_in_the_table_of_models(files, city_root, monkeypatch):
    for name, value in (("OFFICIAL_SIZE", (64, 160)), ("TIMED_SCENES", 1), ("REPEATS", 1)):
        monkeypatch.setattr(models, name, value)
    in_torch, in_onnx = models.bench_models([str(file) for file in files], city_root, frames=1, threads=1)["models"]
    assert (in_torch["model"], in_onnx["model"]) == ("tiny", "tiny.onnx")
    same = ("origin", "method", "backbone", "parameters")
    assert {key: in_torch[key] for key in same} == {key: in_onnx[key] for key in same}
    for size, at in in_torch["sizes"].items():
        assert in_onnx["sizes"][size]["ms"] > 0
        scores = lambda row: {key: value for key, value in row.items() if key != "ms"}
        assert scores(in_onnx["sizes"][size]) == approximately(scores(at))


def test_an_export_replaces_an_earlier_one_and_no_other_file(files, tmp_path, says, complains):
    out = tmp_path / "m.onnx"
    words = ("export", files[0], "--format", "onnx", "--out", out)
    says(*words)
    says(*words)
    assert kind_of(out) == MODEL
    changed(out, out, lambda metadata: metadata.clear())
    before = out.read_bytes()
    assert "m.onnx: partwise did not write this file" in complains(*words)
    assert out.read_bytes() == before


@pytest.mark.parametrize(
    "words",
    [
        ("ceiling", "{}", "--data", "{city}"),
        ("bench", "views", "{}", "--data", "{city}"),
        ("bench", "speed", "--model", "{}"),
    ],
)
def test_what_takes_a_network_apart_refuses_an_exported_file(files, words, city_root, complains):
    said = complains(*(word.format(files[1], city=city_root) for word in words))
    assert f"{files[1]}: an exported file" in said and "give the .safetensors model" in said


def test_a_training_does_not_start_from_an_exported_file(files, city_root, tmp_path, complains):
    words = ["demo", "--data", city_root, "--out", tmp_path / "run", "--steps", "1", "--weights", files[1]]
    assert f"{files[1]}: an exported file cannot be trained further" in complains("train", *words)
