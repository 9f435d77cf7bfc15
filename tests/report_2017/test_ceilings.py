"""Ceilings of windows side by side: the report's, the paper's and ours."""

import json

import pytest

from partwise_report import ceilings
from partwise_report.ceiling_tables import sweep_tables
from partwise_report.ceilings import Setting, one_window, scaled, sweep
from partwise_report.instance_fcn import InstanceFcnConfig


def test_the_sweep_measures_each_setting_with_and_without_the_cut(scenes):
    settings = [
        Setting("paper", "one size", one_window(8, 21)),
        Setting("ours", "scaled", scaled((4, 8), (4, 16), (8, 16), (16, 16))),
        Setting("report", "its own", InstanceFcnConfig(windows="report", channels=8)),
    ]
    result = sweep(scenes, settings)
    fixed, ours, report = result["rows"]
    assert result["images"] == len(scenes)
    assert ours["cut"]["ap"] > ours["plain"]["ap"] > fixed["plain"]["ap"]
    assert ours["cut"]["by_size"]["<32"] > fixed["cut"]["by_size"]["<32"]
    assert report["cut"] is None and report["plain"]["car"] > 0
    everything, cars = sweep_tables(result)
    assert [row[0] for row in everything.rows] == ["paper: one size", "ours: scaled"]
    assert [row[0] for row in cars.rows] == ["paper: one size", "ours: scaled", "report: its own"]


def test_seeing_a_frame_enlarged_is_a_finer_stride(scenes):
    """Windows of stride 8 on the enlarged frame are windows of stride 4 on the frame."""
    settings = [
        Setting("", "enlarged", one_window(8, 9, assembling="bilinear"), enlarged=2),
        Setting("", "finer", one_window(4, 9, assembling="bilinear")),
        Setting("", "as it is", one_window(8, 9, assembling="bilinear")),
    ]
    enlarged, finer, as_it_is = (row["plain"]["ap"] for row in sweep(scenes[:2], settings)["rows"])
    assert enlarged == pytest.approx(finer, abs=0.06)
    assert min(enlarged, finer) > as_it_is + 0.04


def test_the_sweep_prints_and_writes_every_setting(says, complains, city_root, tmp_path, monkeypatch):
    few = tuple(setting for setting in ceilings.SETTINGS if setting.name in ("nearest", "half-size frames"))
    monkeypatch.setattr(ceilings.sweep, "__defaults__", (few,))
    file = tmp_path / "ceilings.json"
    said = says("ceilings", "--data", city_root, "--frames", 1, "--json", file)
    result = json.loads(file.read_text())
    assert [(row["group"], row["name"]) for row in result["rows"]] == [(s.group, s.name) for s in few]
    assert all(setting.name in said for setting in few) and result["circumstances"]["split"] == "val"
    assert "--frames -1" in complains("ceilings", "--data", city_root, "--frames", "-1")
