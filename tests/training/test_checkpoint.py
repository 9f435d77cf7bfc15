"""Model files and training state: they are read as they were written, and other files are refused."""

import json
import pickle
from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from tiny_networks import tiny_model, tiny_recipe

from partwise.errors import PartwiseError
from partwise.methods import FcnConfig, build_method
from partwise.report.description import description_text, model_description
from partwise.training.checkpoint import (
    FORMAT,
    average_models,
    load_matching,
    load_model,
    load_state,
    read_info,
    read_model,
    save_model,
    save_state,
)
from partwise.training.config import method_to_dict
from streeteval.labels import CITYSCAPES, LabelSet


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    return tiny_model(tmp_path_factory.mktemp("model") / "model.safetensors")


def test_a_model_comes_back_bit_for_bit(tmp_path):
    method = build_method(tiny_recipe().method)
    origin = {"recipe": "tiny", "data": "streets", "steps": 3}
    save_model(tmp_path / "m.safetensors", method, origin)
    loaded, info = load_model(tmp_path / "m.safetensors")
    assert info.origin == origin
    assert method_to_dict(loaded.config) == method_to_dict(method.config)
    assert loaded.label_set == method.label_set
    assert not loaded.training
    for name, value in method.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name


def test_half_is_half_the_size_and_rounds_to_fp16(tmp_path, model_file):
    method, info = load_model(model_file)
    save_model(tmp_path / "half.safetensors", method, info.origin, half=True)
    assert (tmp_path / "half.safetensors").stat().st_size < 0.55 * model_file.stat().st_size
    loaded, _ = load_model(tmp_path / "half.safetensors")
    for name, value in method.state_dict().items():
        wanted = value.half().float() if value.is_floating_point() else value
        assert torch.equal(loaded.state_dict()[name], wanted), name


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 0.999999))
def test_a_model_cut_anywhere_is_refused_in_one_line(share, model_file, tmp_path):
    data, cut = model_file.read_bytes(), tmp_path / "cut.safetensors"
    cut.write_bytes(data[: int(share * len(data))])
    with pytest.raises(PartwiseError) as caught:
        load_model(cut)
    assert str(cut) in str(caught.value) and "\n" not in str(caught.value)


def test_a_description_is_read_without_the_tensors(model_file, monkeypatch):
    expected = read_model(model_file)[1]
    monkeypatch.setattr("partwise.training.checkpoint.migrated_tensors", lambda tensors: pytest.fail("tensors read"))
    assert read_info(model_file) == expected


def altered(source, target, **metadata):
    """Write the tensors of a model file with other metadata."""
    save_file(load_file(source), target, metadata={key: value for key, value in metadata.items() if value is not None})
    return target


def described(source) -> dict:
    _, info = read_model(source)
    return {"method": info.method, "label_set": info.label_set.to_dict(), "origin": info.origin}


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({}, "model format 'none'"),
        ({"format": "partwise-0", "partwise": "{}"}, "model format 'partwise-0'"),
        ({"format": FORMAT}, "description cannot be read"),
        ({"format": FORMAT, "partwise": "{"}, "description cannot be read"),
        ({"format": FORMAT, "partwise": '{"method": 1, "label_set": "cityscapes", "origin": {}}'}, "cannot be read"),
    ],
)
def test_foreign_and_future_files_are_refused(metadata, words, model_file, tmp_path):
    path = altered(model_file, tmp_path / "m.safetensors", **metadata)
    with pytest.raises(PartwiseError, match=words) as caught:
        load_model(path)
    assert str(path) in str(caught.value)
    with pytest.raises(PartwiseError) as again:
        read_info(path)
    assert str(again.value) == str(caught.value)


def test_unknown_label_set_method_and_field_are_named(model_file, tmp_path):
    for change, word in (
        ({"label_set": "mapillary"}, "mapillary"),
        ({"method": {"kind": "orderly"}}, "orderly"),
        ({"method": {"kind": "parts", "chanels": 8}}, "chanels"),
    ):
        text = json.dumps(described(model_file) | change)
        path = altered(model_file, tmp_path / "m.safetensors", format=FORMAT, partwise=text)
        with pytest.raises(PartwiseError, match=word) as caught:
            load_model(path)
        assert str(path) in str(caught.value)


def test_a_file_whose_tensors_do_not_fit_its_description_is_refused(model_file, tmp_path):
    values = described(model_file)
    values["method"]["channels"] = 16
    path = altered(model_file, tmp_path / "m.safetensors", format=FORMAT, partwise=json.dumps(values))
    with pytest.raises(PartwiseError, match="probably written by another version"):
        load_model(path)


def test_load_matching_takes_what_fits_and_reports_the_rest():
    small, large = build_method(FcnConfig(channels=8, output_stride=16)), build_method(FcnConfig(channels=8))
    report = load_matching(small, large.state_dict())
    assert set(report.missing) == {"skips.16.weight", "skips.16.bias"}
    assert not report.unexpected
    assert torch.equal(small.state_dict()["conv6.0.weight"], large.state_dict()["conv6.0.weight"])


def test_a_full_disk_leaves_the_old_files(tmp_path, model_file, disk_full_after):
    model, state = tmp_path / "last.safetensors", tmp_path / "state.pt"
    method, info = load_model(model_file)
    save_model(model, method, info.origin)
    save_state(state, {"model": method.state_dict(), "step": 1})
    before = model.read_bytes(), state.read_bytes()
    with disk_full_after(100_000):
        with pytest.raises(PartwiseError, match=f"cannot write {model}"):
            save_model(model, method, info.origin)
        with pytest.raises(PartwiseError, match=f"cannot write {state}"):
            save_state(state, {"model": method.state_dict(), "step": 2})
    assert (model.read_bytes(), state.read_bytes()) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["last.safetensors", "state.pt"]


class Bomb:
    """Unpickling this object would write a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_a_state_is_never_executed(tmp_path):
    mark = tmp_path / "executed"
    torch.save({"progress": Bomb(mark)}, tmp_path / "zip.pt")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Bomb(mark)))
    (tmp_path / "text.pt").write_text("no state")
    for name in ("zip.pt", "plain.pt", "text.pt"):
        with pytest.raises(PartwiseError, match=f"{name}: not a training state"):
            load_state(tmp_path / name)
    assert not mark.exists()
    with pytest.raises(PartwiseError, match="nothing to resume"):
        load_state(tmp_path / "none.pt")


def test_averaged_models_have_the_mean_of_the_weights(tmp_path):
    config = FcnConfig(channels=8)
    models = [build_method(config) for _ in range(3)]
    paths = [tmp_path / f"{i}.safetensors" for i in range(3)]
    for path, model in zip(paths, models, strict=True):
        save_model(path, model, {"recipe": path.stem, "steps": 5, "data": "T"})
    mean, info = average_models(paths)
    for name, value in mean.state_dict().items():
        torch.testing.assert_close(value, sum(model.state_dict()[name] for model in models) / 3)
    each = [{"recipe": name, "steps": 5} for name in "012"]
    assert info.origin == {"recipe": "2", "steps": 5, "data": "T", "averaged": 3, "mean_of": each}
    described = description_text(model_description("m", {"kind": "fcn"}, info.label_set, info.origin))
    assert "mean of: recipe 0, steps 5; recipe 1, steps 5; recipe 2, steps 5" in described.splitlines()
    alone, info = average_models(paths[:1])
    assert torch.equal(alone.conv6[0].weight, models[0].conv6[0].weight)
    assert "averaged" not in info.origin


def test_models_of_different_networks_are_not_averaged(tmp_path):
    save_model(tmp_path / "a.safetensors", build_method(FcnConfig(channels=8)), {})
    save_model(tmp_path / "b.safetensors", build_method(FcnConfig(channels=8, output_stride=16)), {})
    with pytest.raises(PartwiseError, match=r"a\.safetensors: its network differs"):
        average_models([tmp_path / "a.safetensors", tmp_path / "b.safetensors"])


@pytest.mark.parametrize("change", [{"name": "auto"}, {"train_id": 14}, {"category": "wheels"}])
def test_models_of_different_classes_are_not_averaged(change, tmp_path, complains):
    """Of other names, in another order, or with a class more; their tensors may have the same shapes."""
    other = tuple(replace(label, **change) if label.name == "car" else label for label in CITYSCAPES)
    if "train_id" in change:
        other = tuple(replace(label, train_id=13) if label.name == "truck" else label for label in other)
    fewer = tuple(label for label in CITYSCAPES if label.train_id in (255, *range(18)))
    paths = [tmp_path / f"{name}.safetensors" for name in ("a", "other", "fewer")]
    for path, labels in zip(paths, (CITYSCAPES.labels, other, fewer), strict=True):
        save_model(path, build_method(FcnConfig(channels=8), LabelSet(path.stem, labels)), {})
    for one, two in ((0, 1), (1, 0), (0, 2), (2, 0)):
        said = complains("export", paths[one], paths[two], "--out", tmp_path / "mean.safetensors")
        assert f"{paths[one]}: its classes (road, " in said and f"are not those of {paths[two]} (road, " in said
    assert not (tmp_path / "mean.safetensors").exists()


def test_models_that_were_trained_in_other_ways_are_averaged(tmp_path):
    paths = [tmp_path / "a.safetensors", tmp_path / "b.safetensors"]
    for path, config in zip(paths, (FcnConfig(channels=8), FcnConfig(channels=8, dice_weight=1.0)), strict=True):
        save_model(path, build_method(config), {})
    assert average_models(paths)[1].method["dice_weight"] == 1.0


def test_a_model_from_before_a_field_was_there_is_of_the_same_network(tmp_path):
    new, old = tmp_path / "new.safetensors", tmp_path / "old.safetensors"
    save_model(new, build_method(FcnConfig(channels=8)), {})
    state, info = read_model(new)
    described = {"method": {k: v for k, v in info.method.items() if k != "class_balance"}}
    described["label_set"] = info.label_set.name  # as version 0.1 wrote it
    save_file(state, old, metadata={"format": FORMAT, "partwise": json.dumps(described | {"origin": {}})})
    assert average_models([old, new])[1].origin == {"averaged": 2}


def test_an_onnx_file_is_not_called_damaged(tmp_path):
    (tmp_path / "streets.onnx").write_bytes(b"\x08\x08\x12\x07pytorch")
    with pytest.raises(PartwiseError, match=r"an exported file cannot be loaded .* give the \.safetensors model"):
        read_model(tmp_path / "streets.onnx")
