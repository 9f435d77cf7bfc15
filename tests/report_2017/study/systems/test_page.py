"""The verb as a person uses it: a small study of the report's systems, its page, and the one line of each mistake."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from partwise.backbones import vgg
from partwise.cli import main
from partwise.errors import PartwiseError
from partwise_report.study.systems.page import save_pictures
from streeteval.labels import CITYSCAPES

SMALL = [
    "data.augment.crop=[64,64]",
    "data.augment.centre_instance=1",
    "data.workers=0",
    "method.channels=8",
    "method.branch_channels=8",
    "optim.backbone_lr_factor=0",
    "training.precision=no",
]
ONLY = ["ordering_full", "parts_report_1", "parts_report_3", "working", "zero_start", "order_colouring"]
FIGURES = [
    *("1.1", "2.1", "2.2", "2.3", "2.4", "2.5", "2.7", "2.8", "2.9", "2.10"),
    *("2.11", "2.13", "2.14", "2.15"),
]


@pytest.fixture(scope="module")
def thin_vgg():
    """VGG16 with few channels before its last layer: the same layers, names and strides, a hundredth of the weights."""
    with pytest.MonkeyPatch.context() as patch:
        widths = {1: 8, 2: 8, 3: 8, 4: 8, 5: 512}
        blocks = ([8, 8], [8, 8], [8, 8, 8], [8, 8, 8], [8, 8, 512])
        patch.setitem(vgg.vgg.cfgs, "D", [layer for block in blocks for layer in (*block, "M")])
        patch.setattr(vgg, "BLOCK_CHANNELS", widths)
        yield


@pytest.fixture(scope="module")
def study(thin_vgg, city_root, module_folder):
    out = module_folder / "out"
    words = ["study", "systems", *SMALL, "--data", city_root, "--out", out, "--steps", 2, "--frames", 1]
    words += [word for name in ONLY for word in ("--only", name)]
    words += ["--view", "128x64", "--weights", "random", "--figures-from", "rendered"]
    main([str(word) for word in words])
    return out


def test_the_page_has_every_figure_and_table(study):
    page = (study / "report.html").read_text()
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", page) + re.findall(r"<h[23]>(.*?)</h[23]>", page)
    for number in FIGURES:
        assert any(re.match(rf"Figure {re.escape(number)}\b", caption) for caption in captions), number
    assert any("cars that each order gives back" in caption for caption in captions)
    assert page.count("<img") == page.count('src="data:image')
    for words in ("putback, against working", "written: ", "class by class", "not trained", "small objects"):
        assert words in page
    assert len(list((study / "figures").glob("*.png"))) == page.count("<img")
    assert "| zero_start |" in (study / "study.md").read_text()
    assert all(f"<td>{label.name}</td>" in page for label in CITYSCAPES.evaluated)


def test_the_pictures_are_those_of_the_last_page_and_other_files_stay(tmp_path):
    grey = np.full((2, 2, 3), 99, np.uint8)
    save_pictures(tmp_path, [("Figure 2.3: one", grey), ("Figure 2.4: two", grey)])
    (tmp_path / "mine.png").write_bytes(b"")
    save_pictures(tmp_path, [("Figure 2.4: two", grey)])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["00_figure_2.4.png", "mine.png"]


def test_pictures_of_somebody_else_are_neither_removed_nor_replaced(tmp_path):
    grey = np.full((2, 2, 3), 99, np.uint8)
    for name in ("00_figure_2.3.png", "07_mine.png"):
        Image.fromarray(grey).save(tmp_path / name)
    save_pictures(tmp_path, [("Figure 2.4: two", grey)])
    assert {path.name for path in tmp_path.iterdir()} == {"00_figure_2.3.png", "00_figure_2.4.png", "07_mine.png"}
    with pytest.raises(PartwiseError, match="partwise did not write this file"):
        save_pictures(tmp_path, [("Figure 2.3: one", grey)])


def test_a_page_of_somebody_else_is_known_before_the_trainings(complains, city_root, tmp_path):
    (tmp_path / "report.html").write_text("<!doctype html>mine")
    said = complains("study", "systems", "--data", city_root, "--out", tmp_path, "--steps", 1)
    assert "report.html: partwise did not write this file" in said
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_the_json_has_every_record_and_no_folder_of_this_machine(study, city_root):
    text = (study / "study.json").read_text()
    values = json.loads(text)
    assert {*ONLY, "fcn32s", "fcn16s", "fcn8s"} == {record["name"] for record in values["variants"]}
    assert len(values["verdicts"]) == 7
    assert str(city_root) not in text and str(study) not in text
    order = next(record for record in values["variants"] if record["name"] == "ordering_full")
    assert 0 <= order["probes"]["order"]["mean"] <= order["oracle"]["order"]["mean"] == 1.0


def test_what_is_finished_is_not_trained_again(study, city_root, capsys):
    before = (study / "runs/working/last.safetensors").stat().st_mtime_ns
    words = ["study", "systems", *SMALL, "--data", city_root, "--out", study, "--steps", 2, "--frames", 1]
    main([str(word) for word in [*words, "--only", "working", "--view", "128x64", "--weights", "random"]])
    assert (study / "runs/working/last.safetensors").stat().st_mtime_ns == before
    assert "parts_report_1" in (study / "report.html").read_text()  # of the earlier call in the same folder


def test_a_given_fcn8s_takes_the_place_of_phase_1(study, city_root, tmp_path):
    """What is built on its features has its width, whatever the overrides say; what has only its backbone has its
    own.
    """
    out = tmp_path / "orders"
    words = ["study", "systems", *SMALL, "orders:method.channels=16", "--data", city_root, "--out", out, "--steps", 2]
    words += ["--frames", 1, "--view", "128x64", "--weights", "random", "--fcn8s", study / "runs/fcn8s"]
    main([str(word) for word in [*words, "--only", "order_hungarian", "--only", "order_relative"]])
    assert sorted(path.name for path in (out / "runs").iterdir()) == ["order_hungarian", "order_relative"]
    described = {
        name: json.loads((out / "runs" / name / "run.json").read_text())
        for name in ("order_hungarian", "order_relative")
    }
    assert all(one["origin"]["weights"].startswith("fcn8s (2 steps)") for one in described.values())
    widths = {name: one["recipe"]["method"]["channels"] for name, one in described.items()}
    assert widths == {"order_hungarian": 8, "order_relative": 16}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--fcn8s", "streets"], "a model of method parts"),
        (["--fcn8s", "missing.safetensors"], "missing.safetensors: no such model"),
        (["--data", "missing"], "missing"),
        (["--only", "nothing"], "unknown variant or group 'nothing'"),
        (["--weights", "missing.safetensors"], "--weights missing.safetensors: no such file"),
        (["--view", "8by8"], "--view 8by8"),
        (["--minutes", "1", "--steps", "1"], "--minutes 1 --steps 1"),
        (["--figures-from", "dreams"], "--figures-from dreams"),
        (["optim.rl=1"], "optim.rl"),
    ],
)
def test_a_mistake_is_one_line(words, said, city_root, tmp_path, complains):
    data = [] if "--data" in words else ["--data", city_root]
    assert said in complains("study", "systems", *words, *data, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()
