"""The demo, small: everything that `make demo` promises lies there, also the second time."""

import json
from dataclasses import replace

import pytest
from tiny_networks import Watcher, tiny_model, tiny_recipe

from partwise import demo
from partwise.data.cityscapes import CityscapesFolder
from partwise.errors import PartwiseError
from partwise.model_files import MODELS


@pytest.fixture
def small(monkeypatch, tmp_path):
    monkeypatch.setattr(demo, "TRAIN_SCENES", 3)
    monkeypatch.setattr(demo, "VAL_SCENES", 2)
    monkeypatch.setattr(demo, "SIZE", (64, 128))
    monkeypatch.setattr(demo, "BUNDLED_SCENES", 2)
    monkeypatch.setattr(demo, "BUNDLED_SIZE", (64, 128))
    monkeypatch.setattr(demo, "recipe", lambda name: replace(tiny_recipe(), name=name))
    model = tiny_model(tmp_path / "models" / "streets.safetensors")
    monkeypatch.setitem(MODELS.own, "streets", lambda: model)


@pytest.mark.parametrize("name", ["streets", "run", "predict"])
def test_what_no_demo_wrote_stays(small, name, tmp_path):
    mine = tmp_path / "out" / name / "mine.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("a week's work")
    with pytest.raises(PartwiseError, match=rf"out/{name}: no demo wrote this: give another folder"):
        demo.run_demo(tmp_path / "out", 0.02, 0, Watcher())
    assert mine.read_text() == "a week's work" and list((tmp_path / "out").iterdir()) == [mine.parent]


@pytest.mark.parametrize("name", ["streets/street/mine.png", "run/notes.txt", "predict/mine.json", "evaluation.json"])
def test_a_file_among_those_of_a_demo_stays(small, name, tmp_path):
    (tmp_path / demo.MARK).touch()
    mine = tmp_path / name
    mine.parent.mkdir(parents=True, exist_ok=True)
    mine.write_text("a week's work")
    with pytest.raises(PartwiseError, match=rf"{name}: (no demo wrote|partwise did not write)"):
        demo.run_demo(tmp_path, 0.02, 0, Watcher())
    assert mine.read_text() == "a week's work"


def test_the_demo_does_the_whole_job_and_can_be_repeated(small, tmp_path):
    out = tmp_path / "demo"
    for seed in (0, 1):
        watcher = Watcher()
        page = demo.run_demo(out, 0.02, seed, watcher)
        assert page == out / "report.html"
        assert page.stat().st_size > 50_000 and "<img" in page.read_text()
        figures = json.loads((out / "evaluation.json").read_text())
        assert figures["images"] == 2 and figures["instance"]["ap"] is not None
        assert len(list((out / "predict").glob("*_overlay.png"))) == demo.UNSEEN_SCENES
        assert len(CityscapesFolder(out / "streets", "train")) == 3
        assert json.loads((out / "run" / "run.json").read_text())["origin"]["seed"] == seed
        assert any("bundled model" in note for note in watcher.notes)
        assert watcher.records
        counted = {"rendering": (5, 5), "evaluating": (2, 2), "running the bundled model": (2, 2)}
        assert counted.items() <= watcher.counted().items()
        (out / "predict" / ".DS_Store").touch()


def test_a_second_demo_in_the_same_folder_is_refused_and_takes_nothing_away(small, tmp_path):
    refused = []

    def second():
        with pytest.raises(PartwiseError, match="another training is writing into this folder") as caught:
            demo.run_demo(tmp_path / "demo", 0.02, 0, Watcher())
        refused.append(caught)

    assert demo.run_demo(tmp_path / "demo", 0.02, 0, Watcher(1, second)).exists()
    assert len(refused) == 1
