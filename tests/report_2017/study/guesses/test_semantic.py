"""The mark of AP of cars: what a map that tells no car from another reaches."""

import json

import numpy as np
import pytest

from partwise.scene import Scene
from partwise_report.study.guesses.semantic import OneInstanceMark, semantic_aps
from report_2017.study.guesses.made_trials import made_trials
from streeteval.instances import Instances
from streeteval.labels import CITYSCAPES

SIZE = (64, 256)


def street(name, *lefts):
    """A frame with cars of 16 x 16 px at these columns."""
    semantic, ids = np.full(SIZE, 7, np.uint8), np.full(SIZE, 7, np.int32)
    for number, x in enumerate(lefts):
        semantic[20:36, x : x + 16], ids[20:36, x : x + 16] = 26, 26000 + number
    return Scene(name, np.zeros((*SIZE, 3), np.uint8), semantic, ids)


@pytest.mark.parametrize(("lefts", "one", "parts"), [((40,), 1.0, 1.0), ((0, 100), 0.0, 1.0), ((40, 56), 0.0, 0.0)])
def test_a_map_tells_cars_apart_only_where_they_do_not_touch(lefts, one, parts):
    aps = semantic_aps([street("a", *lefts)])
    # AP of one perfect instance is 1 at every overlap; two of half the size have at most IoU .5 with their union.
    assert aps == {"one instance": pytest.approx(one), "connected components": pytest.approx(parts)}


def test_the_mark_of_a_network_joins_its_instances():
    scenes = [street("a", 40), street("b", 0, 100)]
    mark = OneInstanceMark(CITYSCAPES)
    for scene in scenes:
        mark.add(scene, Instances.from_id_map(scene.instance_ids_HW))
    figure = mark.figure(8, 0)
    assert figure["mean"] == pytest.approx(semantic_aps(scenes)["one instance"], abs=1e-6)
    assert len(figure["draws"]) == 8 and np.nanmax(figure["draws"]) == pytest.approx(1)  # a draw of the first alone


def test_instances_of_low_score_do_not_hide_what_the_map_knows():
    """The mark is the highest over least scores: a false instance over the whole frame does not lower it."""
    scene, mark = street("a", 40), OneInstanceMark(CITYSCAPES)
    masks = [scene.instance_ids_HW == 26000, np.ones(SIZE, bool)]
    mark.add(scene, Instances.from_masks([26, 26], [0.9, 0.1], masks))
    assert mark.figure(2, 0)["mean"] == pytest.approx(1)


def test_recorded_trainings_are_judged_by_both_rules(tmp_path, says, complains):
    for name, mean in (("corrected", 0.6), ("mask_plain", 0.5)):
        for record in made_trials(name, mean, mark=0.3):
            record.write(tmp_path)
    out = tmp_path / "out.json"
    says("study", "recheck", "--records", tmp_path, "--json", out)
    (found,) = json.loads(out.read_text())["rechecked"]
    assert (found["guess"], found["planned"]["outcome"], found["strict"]["outcome"]) == (7, "right", "right")
    assert found["strict"]["high"] > found["planned"]["high"]
    empty = tmp_path / "empty"
    assert f"{empty}: no records in it" in complains("study", "recheck", "--records", empty)
    assert "give --records FOLDER" in complains("study", "recheck")


def test_further_figures_are_those_of_their_round(tmp_path, says):
    """A name means another training in another round; trainings of different lengths are compared where planned."""
    folders = {name: tmp_path / name for name in ("first", "third")}
    for record in (
        *made_trials("corrected", 0.6, mark=0.3),
        *made_trials("mask_plain", 0.5, mark=0.3),
        *made_trials("rate_1e-6", 0.4, mark=0.3),
    ):
        record.write(folders["first"])
    for name, mean, steps in (("rate_1e-6_long", 0.45, 20000), ("rate_1e-5_short", 0.44, 2000)):
        for record in made_trials(name, mean, mark=0.3, steps=steps):
            record.write(folders["third"])
    out = tmp_path / "out.json"
    says("study", "recheck", "--records", folders["first"], "--third", folders["third"], "--json", out)
    found = {(one["round"], one["of"], one["less"]): one["effect"] for one in json.loads(out.read_text())["further"]}
    assert found.keys() == {
        (1, "rate_1e-6", "constant_iou"),
        (3, "rate_1e-6_long", "rate_1e-5_short"),
        (3, "rate_1e-6_long", "constant_iou"),
    }
    assert found[3, "rate_1e-6_long", "rate_1e-5_short"]["mean"] == pytest.approx(0.01, abs=0.02)
    for path in folders["third"].glob("rate_1e-5_short-*"):
        path.unlink()
    said = says("study", "recheck", "--records", folders["first"], "--third", folders["third"], "--json", out)
    assert "rate_1e-5_short" not in said and len(json.loads(out.read_text())["further"]) == 2
