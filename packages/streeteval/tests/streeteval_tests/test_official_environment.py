"""Equal to cityscapesScripts 2.3.0 in an environment of its own, with the NumPy that it was written for."""

import json
import math
from glob import glob
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import streeteval.official.instance as instance
import streeteval.official.pixel as pixel
from streeteval.official.create import convert2panoptic
from streeteval.official.panoptic import id2rgb, pq_compute
from streeteval_tests.city import make_city
from streeteval_tests.environments import environment, python_of
from streeteval_tests.old_environment import PACKAGES, official_results


@pytest.fixture(scope="module")
def old_python():
    return python_of(environment("official", ["--no-deps", *PACKAGES]))


def same(ours, official) -> bool:
    if isinstance(official, dict):
        return {str(key) for key in ours} == set(official) and all(same(ours[key], official[str(key)]) for key in ours)
    if isinstance(official, list):
        return len(ours) == len(official) and all(map(same, ours, official))
    if isinstance(official, float):
        return math.isclose(ours, official, rel_tol=0, abs_tol=1e-9) or (math.isnan(ours) and math.isnan(official))
    return ours == official


def our_results(root) -> tuple[dict, dict]:
    found = []
    for module, kind, end in ((instance, "instances", "instanceIds"), (pixel, "pixels", "labelIds")):
        args = SimpleNamespace(**vars(module.args))
        args.predictionPath, args.predictionWalk = str(root / "results" / kind), None
        args.JSONOutput, args.quiet = False, True
        truth = glob(str(root / "gtFine" / "val" / "*" / f"*_gtFine_{end}.png"))
        words = [(path, args) if module is instance else (args, path) for path in truth]
        found.append(module.evaluateImgLists([module.getPrediction(*one) for one in words], truth, args))
    return found[0], found[1]


def write_panoptic(city, seed: int) -> None:
    """Results in panoptic form: the truth shifted, some segments of another class."""
    rng, entries = np.random.default_rng(seed), []
    (city.root / "results" / "panoptic").mkdir()
    for name, ids_HW in city.truth.items():
        shifted_HW = np.roll(ids_HW, rng.integers(-2, 3, 2), (0, 1))
        category_of = {
            value: value // 1000 if value >= 1000 else value for value in np.unique(shifted_HW).tolist() if value
        }
        category_of = {value: category for value, category in category_of.items() if category in (7, 8, 11, 24, 26, 33)}
        shifted_HW[~np.isin(shifted_HW, list(category_of))] = 0
        Image.fromarray(id2rgb(shifted_HW)).save(city.root / "results" / "panoptic" / f"{name}.png")
        info = [{"id": value, "category_id": int(rng.choice([7, c, c, c]))} for value, c in category_of.items()]
        entries.append({"image_id": name, "file_name": f"{name}.png", "segments_info": info})
    (city.root / "results" / "panoptic.json").write_text(json.dumps({"annotations": entries}))


@pytest.mark.parametrize("seed", range(3))
def test_scores_and_images(old_python, tmp_path, seed, capsys):
    city = make_city(tmp_path / "city", seed)
    write_panoptic(city, seed)
    official = official_results(old_python, city.root)
    ours = our_results(city.root)
    assert same(ours[0], official["instances"]) and 0 < ours[0]["averages"]["allAp"] < 1
    assert same(ours[1], official["pixels"]) and 0 < ours[1]["averageScoreClasses"] < 1
    convert2panoptic(str(city.root / "gtFine"), str(tmp_path), setNames=["val"])
    truth, found = tmp_path / "cityscapes_panoptic_val", city.root / "results" / "panoptic"
    assert json.loads((tmp_path / "cityscapes_panoptic_val.json").read_text()) == official["cityscapes_panoptic_val"]
    quality = pq_compute(f"{truth}.json", f"{found}.json", str(truth), str(found))
    assert same(quality, official["panoptic"]) and 0 < quality["All"]["pq"] < 1
