"""`partwise bench alarms`: parts without an object, and what models show there."""

import json

import numpy as np
import pytest
from tiny_networks import tiny_model

from partwise.bench.alarms import alarms_text, bench_alarms, empty_part
from partwise.data.streets import Streets, render_dataset
from partwise.scene import Scene
from streeteval.labels import CITYSCAPES

SIZE = (64, 96)
THINGS = {label.id for label in CITYSCAPES.things}
EVALUATED = {label.id for label in CITYSCAPES.evaluated}


def of(semantic: np.ndarray) -> Scene:
    return Scene("", np.zeros((*semantic.shape, 3), np.uint8), semantic.astype(np.uint8), semantic.astype(np.int32))


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    root = tmp_path_factory.mktemp("alarms") / "T"
    render_dataset(root, {"val": 4}, (256, 512))
    return root


@pytest.mark.parametrize("seed", range(6))
def test_a_part_shows_no_object_and_as_many_classes_as_any_other(seed):
    scene = Streets(1, (128, 256), seed=seed)[0]
    shown = lambda y, x: scene.semantic_HW[y : y + SIZE[0], x : x + SIZE[1]]
    free = lambda y, x: (
        not THINGS.intersection(shown(y, x).ravel().tolist()) and np.isin(shown(y, x), list(EVALUATED)).mean() >= 0.95
    )
    places = [(y, x) for y in range(0, 128 - 63, 16) for x in range(0, 256 - 95, 16) if free(y, x)]
    counts = {place: len(EVALUATED.intersection(shown(*place).ravel().tolist())) for place in places}
    found = empty_part(scene, SIZE)
    assert (found is None) == (not places)
    assert found is None or counts[found] == max(counts.values())


def test_groups_and_unknown_areas_are_no_place_for_a_part():
    road, group, unknown = np.full((96, 128), 7), np.full((96, 128), 7), np.full((96, 128), 7)
    group[48, :] = 26  # a group of cars has the class as its id
    unknown[:60] = 4
    assert empty_part(of(road), SIZE) == (0, 0)
    assert empty_part(of(group), SIZE) is None
    assert empty_part(of(unknown), SIZE) is None
    assert empty_part(of(road), (128, 64)) is None


def test_every_shown_instance_of_every_part_is_counted(frames, tiny_model_file):
    every = bench_alarms([str(tiny_model_file)], frames, parts=3, size=SIZE, min_score=0.0, threads=1)
    none = bench_alarms([str(tiny_model_file)], frames, parts=3, size=SIZE, min_score=1.0, threads=1)
    (row,), (quiet,) = every["alarms"], none["alarms"]
    assert every["parts"] == 3 and row["with_alarm"] == len(row["where"]) > 0
    assert row["instances"] == sum(len(one["found"]) for one in row["where"]) == sum(row["by_class"].values())
    assert row["share"] == row["with_alarm"] / 3 and row["interval"][0] < row["share"] <= row["interval"][1]
    assert quiet["with_alarm"] == quiet["instances"] == 0
    assert quiet["interval"] == [0, pytest.approx(0.5615, abs=1e-4)]  # Wilson: z^2 / (3 + z^2)
    assert json.loads(json.dumps(every))["alarms"][0]["where"] == row["where"]
    assert "parts of 3 with an alarm" in alarms_text(every)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--parts", "0"], "give parts and threads from 1 on"),
        (["--min-score", "2"], "a score from 0 to 1"),
        (["--size", "640x320"], "no frame has a part of 640x320 px without an object: give a smaller --size"),
        (["--split", "test"], "test"),
    ],
)
def test_bad_input_is_one_line(options, words, frames, tiny_model_file, complains):
    assert words in complains("bench", "alarms", tiny_model_file, "--data", frames, *options)


def test_a_semantic_model_is_refused(frames, tmp_path, complains):
    semantic = tiny_model(tmp_path / "fcn.safetensors", semantic=True)
    assert "a semantic model shows no instances" in complains("bench", "alarms", semantic, "--data", frames)
