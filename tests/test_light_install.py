"""Without any extra partwise predicts, checks, evaluates and measures ceilings; the rest says what to install."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import partwise
import streeteval
from partwise.errors import EXTRAS
from partwise.evaluation.submission import write_submission
from partwise.scene import Prediction
from streeteval.reading.truth import TruthFolder

SOURCES = os.pathsep.join(str(Path(one.__file__).resolve().parents[1]) for one in (partwise, streeteval))
ABSENT = [module for module, extra in EXTRAS.items() if extra != "torch"]  # tests/runtime has a Python without torch
NOT_THERE = "import sys\nsys.modules.update(dict.fromkeys({names!r}))\n"  # as Python tells that a module is absent


@pytest.fixture
def light(tmp_path):
    """Runs the command line in a Python that has none of the libraries of the extras."""
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "sitecustomize.py").write_text(NOT_THERE.format(names=sorted(ABSENT)))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path / "without"), SOURCES])}

    def run(*words) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "partwise", *map(str, words)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, cwd=tmp_path)

    return run


@pytest.mark.parametrize(
    "words",
    [
        ["predict", "street.png", "--model", "MODEL", "--out", "out"],
        ["evaluate", "--model", "MODEL", "--data", "CITY", "--frames", "1", "--full"],
        ["check", "CITY"],
        ["ceiling", "parts", "--data", "CITY", "--frames", "1"],
        ["recipes"],
        ["explain", "street.png", "--model", "MODEL", "--at", "3,3", "--out", "why.html"],
    ],
    ids=lambda words: words[0],
)
def test_what_needs_no_extra(light, tmp_path, tiny_model_file, city_root, words):
    Image.new("RGB", (96, 64), "grey").save(tmp_path / "street.png")
    places = {"MODEL": tiny_model_file, "CITY": city_root}
    done = light(*(places.get(word, word) for word in words))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        (["train", "demo", "--data", "CITY", "--out", "run", "--steps", "1"], "train"),
        (["explain", "street.png", "--model", "MODEL", "--at", "3,3", "--out", "out"], "report"),
        (["serve", "--port", "0", "--model", "MODEL"], "serve"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_what_to_install_is_one_line(light, tmp_path, tiny_model_file, city_root, words, extra):
    Image.new("RGB", (96, 64)).save(tmp_path / "street.png")
    places = {"MODEL": tiny_model_file, "CITY": city_root}
    done = light(*(places.get(word, word) for word in words))
    assert done.returncode == 2
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("partwise: ") and "not installed" in line]
    assert line.endswith(f"pip install 'partwise[{extra}]'")


def test_result_files_are_scored_without_torch(tmp_path, city_root):
    truth = TruthFolder(city_root, "val")
    for name, scene in zip(truth.names, truth, strict=True):
        prediction = Prediction(scene.instances, scene.semantic_HW)
        write_submission(name, prediction, tmp_path / "results")
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "sitecustomize.py").write_text(NOT_THERE.format(names=sorted(EXTRAS)))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path / "without"), SOURCES])}
    words = ["evaluate", "--predictions", "results", "--data", str(city_root), "--json", "scores.json"]
    command = [sys.executable, "-m", "partwise", *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "scores.json").read_text())["instance"]["ap"] == 1
