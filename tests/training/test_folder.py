"""The folder of a run: which runs may start in it, and what its files contain after a crash."""

import json

import numpy as np
import pytest

from partwise.errors import PartwiseError
from partwise.training.folder import RunFolder


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path / "run")


VALUES = {"recipe": {}, "origin": {}, "machine": {}}  # of run.json


def test_lines_that_the_state_has_not_seen_are_dropped(folder):
    folder.begin({"recipe": {}}, 0, -1)
    for record in (
        {"step": 1, "loss": 1.0},
        {"step": 2, "loss": 1.0},
        {"step": 2, "evaluation": {"images": 1}},
        {"step": 3, "loss": 1.0},
        {"step": 3, "evaluation": {"images": 2}},
        {"step": 4, "loss": 1.0},
    ):
        folder.log(record)
    with folder.metrics.open("ab") as file:
        file.write(b'{"step": 4, "loss": \xff\n[]\n7\n{"loss": 1}\n{"st')
    folder.begin({"recipe": {}}, 3, 2)
    lines = [json.loads(line) for line in folder.metrics.read_text().splitlines()]
    assert [(line["step"], "evaluation" in line) for line in lines] == [
        (1, False), (2, False), (2, True), (3, False),
    ]  # fmt: skip


def test_a_new_run_does_not_continue_old_lines(folder):
    folder.begin({}, 0, -1)
    folder.log({"step": 1})
    folder.begin({}, 0, -1)
    assert folder.metrics.read_text() == ""


def test_numbers_that_json_does_not_know_become_null(folder):
    folder.begin({}, 0, -1)
    folder.log({"step": 1, "evaluation": {"ap": float("nan")}})
    assert json.loads(folder.metrics.read_text(), parse_constant=pytest.fail) == {"step": 1, "evaluation": {"ap": None}}


def test_a_full_disk_while_logging_is_one_line(folder, disk_full_after):
    folder.begin({}, 0, -1)
    with disk_full_after(20), pytest.raises(PartwiseError, match=r"cannot write .*metrics\.jsonl") as caught:
        folder.log({"step": 1, "loss": 0.123456789, "lr": 1e-3})
    assert "\n" not in str(caught.value) and "--resume" in str(caught.value)


def test_finished_is_what_finish_said(folder):
    folder.begin({"recipe": {"name": "a"}}, 0, -1)
    folder.last.write_bytes(b"")
    assert not folder.finished
    folder.finish({"steps": 3})
    assert folder.finished
    assert folder.described() == {"recipe": {"name": "a"}, "finished": {"steps": 3}}
    folder.run.write_text("{")
    assert folder.described() == {} and not folder.finished


def test_presence_is_kept_for_as_many_frames(folder):
    presence = np.eye(4, 256, dtype=bool)
    assert folder.presence(4) is None
    folder.keep_presence(presence)
    assert np.array_equal(folder.presence(4), presence)
    assert folder.presence(5) is None
    folder.classes.write_bytes(folder.classes.read_bytes()[:100])
    assert folder.presence(4) is None


def test_only_a_folder_without_weights_takes_a_new_run(folder):
    assert folder.check(resume=False) is False
    folder.begin(VALUES, 0, -1)
    folder.log({"step": 1, "loss": 1.0})
    folder.keep_presence(np.eye(4, 256, dtype=bool))
    assert folder.check(resume=False) is False
    assert folder.check(resume=True) is False
    for file in (folder.best, folder.last, folder.state):
        file.write_bytes(b"")
        with pytest.raises(PartwiseError, match=rf"holds a run already \({file.name}\)"):
            folder.check(resume=False)
        if file != folder.state:
            file.unlink()
    assert folder.check(resume=True) is True


@pytest.mark.parametrize("name", ["run.json", "metrics.jsonl", "classes.npy", "at_0200.safetensors"])
def test_files_of_somebody_else_keep_a_run_out_of_their_folder(folder, name):
    folder.path.mkdir()
    (folder.path / name).write_text('{"mine": 1}')
    for resume in {False, name == "run.json"}:
        with pytest.raises(PartwiseError, match=rf"{name}: partwise did not write this file"):
            folder.check(resume=resume)
    assert (folder.path / name).read_text() == '{"mine": 1}'
