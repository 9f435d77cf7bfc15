"""Scores of files by the names of cityscapesScripts: same results, same output, same keys as the official modules."""

import copy
import json
import math
from glob import glob
from types import SimpleNamespace

import pytest

import streeteval.official.instance as our_instance
import streeteval.official.pixel as our_pixel
from streeteval.errors import InputError

cityscapesscripts = pytest.importorskip("cityscapesscripts", reason="needs cityscapesScripts as the oracle")
import cityscapesscripts.evaluation.evalInstanceLevelSemanticLabeling as official_instance  # noqa: E402, N813
import cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling as official_pixel  # noqa: E402, N813

pytestmark = pytest.mark.usefixtures("official_on_new_numpy")


def settings(module, city, results, **others) -> SimpleNamespace:
    """The parameters of a module for a folder of results, as callers set them."""
    args = copy.copy(module.args)
    args.predictionPath, args.predictionWalk = str(results), None
    args.gtInstancesFile = str(results / "gtInstances.json")
    for name, value in others.items():
        setattr(args, name, value)
    return args


def same(ours, official) -> bool:
    """Equal keys, and numbers within 1e-9."""
    if isinstance(official, dict):
        return ours.keys() == official.keys() and all(same(ours[key], official[key]) for key in official)
    if isinstance(official, list):
        return len(ours) == len(official) and all(map(same, ours, official))
    if isinstance(official, float):
        return math.isclose(ours, official, rel_tol=0, abs_tol=1e-9) or (math.isnan(ours) and math.isnan(official))
    return ours == official


def told(capsys) -> str:
    """What was printed after the lines of progress."""
    return capsys.readouterr().out.rpartition("\r")[2].partition("\n")[2]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working folder: the official script writes matches.json into it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("how", [{}, {"csv": True, "colorized": False}], ids=["colours", "csv"])
def test_instances_as_the_official_module(city, here, capsys, how):
    truth = glob(str(city.root / "gtFine" / "val" / "*" / "*_instanceIds.png"))
    results, said = [], []
    for module in (official_instance, our_instance):
        args = settings(module, city, city.instances, exportFile=str(here / "out" / f"{module.__name__}.json"), **how)
        predictions = [module.getPrediction(path, args) for path in truth]
        results.append(module.evaluateImgLists(predictions, truth, args))
        said.append(told(capsys))
        (city.instances / "gtInstances.json").unlink(missing_ok=True)
    assert same(results[1], results[0]) and 0 < results[0]["averages"]["allAp"] < 1
    assert said[0] == said[1]
    written = [json.loads(path.read_text()) for path in sorted((here / "out").glob("*.json"))]
    assert same(written[1], written[0])


@pytest.mark.parametrize("how", [{}, {"evalPixelAccuracy": True}, {"evalInstLevelScore": False}], ids=str)
def test_pixels_as_the_official_module(city, here, capsys, how):
    truth = glob(str(city.root / "gtFine" / "val" / "*" / "*_labelIds.png"))
    results, said = [], []
    for module in (official_pixel, our_pixel):
        args = settings(module, city, city.pixels, exportFile=str(here / "out" / f"{module.__name__}.json"), **how)
        predictions = [module.getPrediction(args, path) for path in truth]
        results.append(module.evaluateImgLists(predictions, truth, args))
        said.append(told(capsys))
    assert same(results[1], results[0]) and 0 < results[0]["averageScoreClasses"] < 1
    assert said[0] == said[1]
    written = [json.loads(path.read_text()) for path in sorted((here / "out").glob("*.json"))]
    assert same(written[1], written[0])


def test_nothing_is_written_but_what_is_asked_for(city, here):
    before = sorted(city.root.rglob("*"))
    truth = glob(str(city.root / "gtFine" / "val" / "*" / "*_instanceIds.png"))
    args = settings(our_instance, city, city.instances, JSONOutput=False, quiet=True)
    our_instance.evaluateImgLists([our_instance.getPrediction(path, args) for path in truth], truth, args)
    assert sorted(city.root.rglob("*")) == before and not list(here.iterdir())


def test_several_processes_change_nothing(city):
    truth = glob(str(city.root / "gtFine" / "val" / "*" / "*_instanceIds.png"))
    results = []
    for workers in (1, 2):
        args = settings(our_instance, city, city.instances, JSONOutput=False, quiet=True, workers=workers)
        predictions = [our_instance.getPrediction(path, args) for path in truth]
        results.append(our_instance.evaluateImgLists(predictions, truth, args))
    assert json.dumps(results[0]) == json.dumps(results[1])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"distanceAvailable": True}, "distanceAvailable: distances are not read"),
        ({"minRegionSizes": [50, 1, 1]}, "minRegionSizes 50: give 100"),
        ({"overlaps": [0.25]}, "overlaps from 0.25: give at least .5"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_is_not_supported_is_said(city, change, said):
    args = settings(our_instance, city, city.instances, JSONOutput=False, quiet=True, **change)
    with pytest.raises(InputError, match=said):
        our_instance.evaluateImgLists([], [], args)


def test_other_overlaps_as_the_official_module(city, here):
    truth = glob(str(city.root / "gtFine" / "val" / "*" / "*_instanceIds.png"))
    results = []
    for module in (official_instance, our_instance):
        overlaps = official_instance.args.overlaps[[0, 5]]
        args = settings(module, city, city.instances, JSONOutput=False, quiet=True, overlaps=overlaps)
        predictions = [module.getPrediction(path, args) for path in truth]
        results.append(module.evaluateImgLists(predictions, truth, args)["resultApMatrix"])
        (city.instances / "gtInstances.json").unlink(missing_ok=True)
    assert same(results[1], results[0])
