"""The commands: environment variables, tables, files and codes are the official ones; nothing else is written."""

import json
import os
import subprocess
import sys
import tomllib
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from types import SimpleNamespace

import pytest

import streeteval
from streeteval.cli import COMMANDS

SOURCES = str(Path(streeteval.__file__).resolve().parents[1])
PROJECT = Path(__file__).resolve().parents[2]


def run(*words, cwd, **environment):
    """A command in a process of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CITYSCAPES_")}
    return subprocess.run(
        [sys.executable, "-m", *map(str, words)],
        env=kept | {"PYTHONPATH": SOURCES} | {key: str(value) for key, value in environment.items()},
        capture_output=True,
        text=True,
        timeout=120,
        cwd=cwd,
    )


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("module", "name", "kind", "key"),
    [
        ("instance", "resultInstanceLevelSemanticLabeling.json", "instances", "averages"),
        ("pixel", "resultPixelLevelSemanticLabeling.json", "pixels", "averageScoreClasses"),
    ],
)
def test_scores_of_a_data_set(city, tmp_path, module, name, kind, key):
    where = {"CITYSCAPES_DATASET": city.root, "CITYSCAPES_RESULTS": city.root / "results" / kind}
    before = files_in(city.root)
    done = run("streeteval", module, cwd=tmp_path, **where)
    assert done.returncode == 0 and "average" in done.stdout.lower(), done.stderr
    assert files_in(city.root) == before and not files_in(tmp_path), "nothing is written that was not asked for"

    (tmp_path / "exported").mkdir()
    done = run(f"streeteval.official.{module}", cwd=tmp_path, CITYSCAPES_EXPORT_DIR=tmp_path / "exported", **where)
    assert done.returncode == 0, done.stdout
    assert key in json.loads((tmp_path / "exported" / name).read_text())
    assert files_in(city.root) == before

    done = run("streeteval", module, "--json", tmp_path / "own.json", cwd=tmp_path, **where)
    assert (tmp_path / "own.json").read_text() == (tmp_path / "exported" / name).read_text()


def test_the_official_command_writes_where_the_official_one_does(tmp_path):
    from streeteval_tests.city import make_city

    city = make_city(tmp_path / "city")
    done = run("streeteval.official.pixel", cwd=tmp_path, CITYSCAPES_DATASET=city.root, CITYSCAPES_RESULTS=city.pixels)
    assert done.returncode == 0, done.stdout
    assert (city.root / "evaluationResults" / "resultPixelLevelSemanticLabeling.json").exists()


def test_panoptic_truth_and_quality(city, tmp_path):
    done = run(
        *(
            "streeteval",
            "create-panoptic",
            "--dataset-folder",
            city.root / "gtFine",
            "--output-folder",
            tmp_path / "out",
        ),
        *("--set-names", "val"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    truth = tmp_path / "out" / "cityscapes_panoptic_val"
    done = run(
        *("streeteval", "panoptic", "--gt-json-file", f"{truth}.json", "--prediction-json-file", f"{truth}.json"),
        *("--results_file", tmp_path / "pq.json"),
        cwd=tmp_path,
    )
    assert done.returncode == 0 and "Stuff" in done.stdout, done.stderr
    assert json.loads((tmp_path / "pq.json").read_text())["Stuff"]["pq"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["instance"], "Cannot find any ground truth images"),
        (["pixel"], "Cannot find any ground truth images"),
        (["pixel", "one_gt.png", "two_gt.png", "a_pred.png"], "1 files of predictions"),
        (["panoptic"], "Could not find a ground truth json file"),
        (["create-train-id-label"], "Did not find any files"),
        (["create-train-id-instance"], "Did not find any files"),
        (["create-panoptic"], "Did not find any files"),
    ],
    ids=lambda value: "-".join(value[:2]) if isinstance(value, list) else "",
)
def test_bad_input_is_one_line_and_the_official_code(tmp_path, words, said):
    done = run("streeteval", *words, cwd=tmp_path, CITYSCAPES_DATASET=tmp_path)
    assert done.returncode == 255
    assert done.stdout.startswith(f"ERROR: {said}") and done.stdout.count("\n") == 1 and not done.stderr


def test_help_and_unknown_commands(tmp_path):
    done = run("streeteval", "--help", cwd=tmp_path)
    assert done.returncode == 0 and all(name in done.stdout for name in COMMANDS)
    assert run("streeteval", "instances", cwd=tmp_path).returncode == 2
    for name in COMMANDS:
        done = run("streeteval", name, "--help", cwd=tmp_path)
        assert done.returncode == 0 and done.stdout.startswith(f"usage: streeteval {name}"), name


def test_the_official_names_lead_to_what_takes_their_place():
    project = tomllib.loads((PROJECT.parent / "streeteval-cs" / "pyproject.toml").read_text())["project"]
    for place in project["scripts"].values():
        module, function = place.split(":")
        assert callable(getattr(__import__(module, fromlist=[function]), function))
    theirs = {
        point.name for point in entry_points(group="console_scripts") if point.value.startswith("cityscapesscripts")
    }
    if theirs:
        assert project["scripts"].keys() <= theirs


def test_results_in_train_ids_and_of_half_the_size(city, tmp_path):
    """Both are recognised, with the option that reads them; read so, they score as they should."""
    import numpy as np
    from PIL import Image

    from streeteval.official.labels import id2label

    train_ids, small = tmp_path / "train_ids", tmp_path / "small"
    for folder in (train_ids, small):
        folder.mkdir()
    for name, ids_HW in city.truth.items():
        labels_HW = np.where(ids_HW >= 1000, ids_HW // 1000, ids_HW)
        lookup = np.array([id2label[i].trainId for i in range(34)], np.uint8)
        Image.fromarray(lookup[labels_HW]).save(train_ids / f"{name}.png")
        Image.fromarray(labels_HW.astype(np.uint8)[1::2, 1::2]).save(small / f"{name}.png")
    for folder, said, option in (
        (train_ids, "train ids", "--train-ids"),
        (small, "48x24, the truth 96x48", "--enlarge"),
    ):
        where = {"CITYSCAPES_DATASET": city.root, "CITYSCAPES_RESULTS": folder}
        done = run("streeteval", "pixel", cwd=tmp_path, **where)
        assert done.returncode == 255 and said in done.stdout
        assert option.strip("-").replace("-", "_") in done.stdout
        done = run("streeteval", "pixel", option, "--json", tmp_path / "out.json", cwd=tmp_path, **where)
        assert done.returncode == 0, done.stdout
        assert json.loads((tmp_path / "out.json").read_text())["averageScoreClasses"] > 0.85


def command_called(name):
    """The function behind a command."""
    module, function, _ = COMMANDS[name]
    return getattr(import_module(f"streeteval.{module}"), function)


@pytest.mark.parametrize("given", ["0", "-1", "1.5", "many"])
@pytest.mark.parametrize("command", ["score", "pixel", "instance", "panoptic"])
def test_a_number_of_workers_below_1_is_refused(command, given, capsys):
    with pytest.raises(SystemExit) as ended:
        command_called(command)(["--workers", given])
    assert ended.value.code == 2
    assert f"--workers: {given!r}: give a whole number from 1 on" in capsys.readouterr().err


@pytest.mark.parametrize(("words", "expected"), [([], 4), (["--workers", "1"], 1), (["--workers", "3"], 3)])
@pytest.mark.parametrize("command", ["pixel", "instance"])
def test_one_worker_is_one_process(command, words, expected, monkeypatch):
    """Without the option, as many as there are cores, for 16 images or more each."""
    from streeteval.official import instance, pairs, pixel

    module, used = {"pixel": pixel, "instance": instance}[command], []
    monkeypatch.setattr(module, "args", SimpleNamespace(**vars(module.args)))
    monkeypatch.setattr(module, "lists_of", lambda *given: (["a"] * 70, ["b"] * 70))
    monkeypatch.setattr(module, "warn_of_unread", lambda *given: None)
    monkeypatch.setattr(module, "evaluateImgLists", lambda found, truth, args: used.append(args.workers))
    monkeypatch.setattr(pairs.os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    command_called(command)(words)
    assert used == [expected]
