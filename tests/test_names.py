"""Names of files and folders, printed and written exactly as they are, or in a form that a text file can hold."""

import io
import json
import os
from pathlib import Path

import pytest
from rich.console import Console
from tiny_networks import tiny_model

from partwise import terminal
from partwise.files import atomic_write, write_json
from partwise.report.models import draw_tradeoff
from streeteval.files import json_ready, readable

LATIN_1 = os.fsdecode(b"stra\xdfe")  # as an old zip leaves it; "ß" is no UTF-8 in one byte
READABLE = r"stra\xdfe"


@pytest.fixture(scope="module")
def latin_root(city_root, tmp_path_factory) -> Path:
    """The rendered tree with a city whose name is not UTF-8."""
    root = tmp_path_factory.mktemp("latin")
    for path in city_root.rglob("*.png"):
        target = root / str(path.relative_to(city_root)).replace("street", LATIN_1)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(path)
    return root


def test_a_name_that_is_not_utf_8_can_be_read_in_every_kind_of_text_file(tmp_path):
    assert json_ready({LATIN_1: [Path(LATIN_1), "ß"]}) == {READABLE: [READABLE, "ß"]}
    write_json(tmp_path / "a.json", {LATIN_1: Path("x") / LATIN_1})
    assert json.loads((tmp_path / "a.json").read_bytes().decode("utf-8")) == {READABLE: f"x/{READABLE}"}
    with atomic_write(tmp_path / "a.html", "w") as file:
        file.write(f"<p>{LATIN_1} ß")
    assert (tmp_path / "a.html").read_bytes().decode("utf-8") == f"<p>{READABLE} ß"


def test_half_of_a_surrogate_pair_is_readable_too():
    assert readable("a\ud83d") == r"a\ud83d"


def test_a_data_set_with_such_a_name_is_checked_and_scored(latin_root, says, tmp_path):
    model = tiny_model(tmp_path / "model.safetensors")
    says("check", latin_root, "--json", tmp_path / "check.json")
    assert json.loads((tmp_path / "check.json").read_text())["splits"]["val"]["frames"] == 3
    says("evaluate", "--model", model, "--data", latin_root, "--json", tmp_path / "a.json")
    figures = json.loads((tmp_path / "a.json").read_text())
    assert all(name.startswith(READABLE) for name in figures["records"]["images"])
    said = says("compare", tmp_path / "a.json", model, "--data", latin_root, "--draws", 5)
    assert "semantic.iou_class: " in said, "frames are the same, in a file and in memory"


def test_such_a_name_is_printed_in_the_same_form(complains, tmp_path):
    assert f"{tmp_path}/{READABLE}: no such file or folder" in complains("check", tmp_path / LATIN_1)


ODD = ":100: :car: [red]a[/red] {x} 12"


def test_a_path_is_printed_as_it_is(complains, tmp_path):
    assert f"{tmp_path}/{ODD}: no such file or folder" in complains("check", tmp_path / ODD)


def test_what_a_progress_bar_counts_is_shown_as_it_is(monkeypatch):
    shown = Console(file=io.StringIO(), force_terminal=True, width=200)
    monkeypatch.setattr(terminal, "errors", shown)
    with terminal.counting("evaluating") as progress:
        progress(ODD, 1, 2)
    assert f"evaluating {ODD}" in shown.file.getvalue()


@pytest.mark.parametrize("name", [r"$\frac$", "_b"])
def test_a_model_is_called_in_a_chart_as_its_file_is(name):
    """matplotlib reads $...$ as mathematics, and leaves out what begins with an underscore."""
    row = {"model": name, "sizes": {"512x256": {"ms": 3.0, "ap": 0.1}}}
    figure = draw_tradeoff({"models": [row], "machine": {"device": "cpu", "threads": 1}, "frames": 3})
    figure.savefig(io.BytesIO())
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == [name]
