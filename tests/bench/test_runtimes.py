"""`partwise bench runtimes`: the stages of a photo in each runtime, side by side."""

import json
import sys
from importlib.util import find_spec

import pytest

from partwise.bench.runtimes import STAGES, bench_runtimes, runtimes_text
from partwise.errors import PartwiseError
from partwise.written import BENCH_RUNTIMES, json_kind

pytestmark = pytest.mark.skipif(find_spec("openvino") is None, reason="needs the extra openvino")


@pytest.fixture(scope="module")
def figures(tiny_model_file):
    return bench_runtimes(str(tiny_model_file), size=(64, 128), threads=(1, 2), repeats=2)


def test_each_runtime_is_measured_with_each_number_of_threads(figures):
    rows = [(row["runtime"], row["threads"]) for row in figures["runtimes"]]
    assert rows == [(name, count) for name in ("torch", "onnxruntime", "openvino") for count in (1, 2)]
    assert figures["skipped"] == {} and figures["size"] == "128x64"
    assert json_kind(json.loads(json.dumps(figures))) == BENCH_RUNTIMES


def test_every_stage_takes_time_and_all_runtimes_find_the_same(figures):
    for row in figures["runtimes"]:
        assert tuple(row["stages"]) == STAGES and all(ms > 0 for ms in row["stages"].values())
        assert max(row["stages"].values()) < row["ms"]
    assert len({row["instances"] for row in figures["runtimes"]}) == 1


def test_the_ratio_is_that_to_torch_with_as_many_threads(figures):
    assert [row["of_torch"] for row in figures["runtimes"] if row["runtime"] == "torch"] == [1.0, 1.0]
    assert all(row["of_torch"] > 0 for row in figures["runtimes"])
    text = runtimes_text(figures)
    assert all(name in text for name in ("torch", "onnxruntime", "openvino", *STAGES))


def test_a_runtime_that_is_not_installed_is_left_out(tiny_model_file, monkeypatch, tmp_path, says):
    monkeypatch.setitem(sys.modules, "openvino", None)
    words = ["--size", "64x32", "--threads", 1, "--repeats", 1, "--json", tmp_path / "runtimes.json"]
    said = says("bench", "runtimes", tiny_model_file, *words)
    assert "left out: openvino: openvino is not installed: pip install 'partwise[openvino]'" in " ".join(said.split())
    figures = json.loads((tmp_path / "runtimes.json").read_text())
    assert [row["runtime"] for row in figures["runtimes"]] == ["torch", "onnxruntime"]


@pytest.mark.parametrize("wrong", [{"threads": ()}, {"threads": (0,)}, {"repeats": 0}])
def test_numbers_below_one_are_refused(tiny_model_file, wrong):
    with pytest.raises(PartwiseError, match="from 1 on"):
        bench_runtimes(str(tiny_model_file), **wrong)


def test_an_exported_file_is_refused(tmp_path):
    (tmp_path / "m.onnx").touch()
    with pytest.raises(PartwiseError, match=r"m\.onnx: an exported file .*: give the \.safetensors model"):
        bench_runtimes(str(tmp_path / "m.onnx"))
