"""What a call gives: a part of it, a copy of it, its description, and what is made of it."""

import copy
import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
from tiny_networks import tiny_model

from partwise.errors import PartwiseError
from partwise.segmenter import Result, load
from partwise.video.following import TrackedResult
from partwise.video.tracker import NO_TRACK
from streeteval.instances import Instances


@pytest.fixture(scope="module")
def result(tmp_path_factory, scenes) -> Result:
    segment = load(tiny_model(tmp_path_factory.mktemp("models") / "model.safetensors"))
    return segment(scenes[0].image_HW3, name="street")


PARTS = {
    "bool": lambda r: r[r.scores > np.median(r.scores)],
    "slice": lambda r: r[3:],
    "number": lambda r: r[2],
    "list": lambda r: r[[0, 4]],
    "none": lambda r: r[:0],
    "distinct": lambda r: r.distinct(),
    "without repeats": lambda r: r.without_repeats(),
    "joined": lambda r: Instances.joined([r[:2], r[2:]]),
    "iterated": lambda r: next(iter(r)),
    "of the same size": lambda r: r.resized(r.size),
}


@pytest.mark.parametrize("part", PARTS)
def test_a_part_of_a_result_is_a_result(part, result, tmp_path):
    made, of_instances = PARTS[part](result), PARTS[part](result.instances)
    assert type(made) is Result and type(of_instances) is Instances
    assert made.instances == of_instances
    for field in ("semantic_HW", "image_HW3", "origin", "name", "label_set"):
        assert getattr(made, field) is getattr(result, field)
    assert len(made.save(tmp_path)) == 4


def test_a_resized_result_has_an_image_of_its_size(result, tmp_path):
    moved = result.resized((50, 70))
    assert moved.size == (50, 70) == moved.semantic_HW.shape and moved.image_HW3.shape == (50, 70, 3)
    assert moved.prediction.to_id_map().shape == (50, 70)
    record = json.loads(moved.save(tmp_path)[-1].read_text())
    assert record["image"] == {"width": 70, "height": 50} and record["origin"]["recipe"] == "tiny"


def test_copies_are_equal_and_other_results_are_not(result):
    for copied in (pickle.loads(pickle.dumps(result)), copy.copy(result), copy.deepcopy(result), result[:]):
        assert copied == result
    assert result != result[1:] and result != result.instances and result != 5
    assert result != replace(result, name="other")
    assert result != replace(result, semantic_HW=255 - result.semantic_HW)
    assert len(list(result)) == len(result) and result[0] in result


def test_a_result_says_briefly_what_it_is(result):
    mask = np.ones((4, 6), bool)
    three = replace(result, labels=[26, 24, 26], scores=[1, 1, 1], boxes=[[0, 0, 6, 4]] * 3, masks=[mask] * 3)
    assert repr(three) == "Result(3 instances: 2 car, 1 person; 256x128)"
    assert repr(three[1]) == "Result(1 instance: 1 person; 256x128)"
    assert repr(three[:0]) == "Result(0 instances; 256x128)"
    assert repr(three.instances) == "Instances(3 instances: 2 car, 1 person; 256x128)"
    assert len(repr(result)) < 200 and len(repr(result.prediction)) < 250


def test_supervision_labels_with_class_names(result):
    """The label that LabelAnnotator writes by itself is the name that it writes where it is told to."""
    supervision = pytest.importorskip("supervision")
    one = replace(result[:1], labels=[26])
    detections = one.to_supervision()
    assert detections["class_name"].tolist() == ["car"]
    assert result[:0].to_supervision()["class_name"].tolist() == []
    assert replace(one, labels=[99]).to_supervision()["class_name"].tolist() == ["class 99"]

    def drawn(**labels) -> np.ndarray:
        return supervision.LabelAnnotator().annotate(np.zeros((128, 256, 3), np.uint8), detections, **labels)

    assert np.array_equal(drawn(), drawn(labels=["car"])) and not np.array_equal(drawn(), drawn(labels=["26"]))


NAMES = ["", ".", "..", "a/b", "a\0b", "a" * 250, "é" * 120, "\udcff"]


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name)[:12])
def test_a_name_that_no_file_can_have_is_one_line_when_it_is_saved(name, result, tmp_path):
    with pytest.raises(PartwiseError, match="cannot write the prediction of") as caught:
        replace(result, name=name).save(tmp_path / "out")
    assert "\n" not in str(caught.value) and not (tmp_path / "out").exists()


@pytest.mark.parametrize("folder", [5, None, "a\0b"])
def test_a_folder_that_is_none(folder, result):
    with pytest.raises(PartwiseError, match="give the path of a folder"):
        result.save(folder)


def test_fields_that_do_not_fit_together(result):
    with pytest.raises(PartwiseError, match=r"semantic_HW has the shape \(3, 4\)"):
        replace(result, semantic_HW=np.zeros((3, 4)))
    with pytest.raises(PartwiseError, match="has no image to draw on"):
        replace(result, image_HW3=None).save("out")


@pytest.fixture
def tracked(result) -> TrackedResult:
    """The result with a track for each instance, of which one vanishes when it is scaled down."""
    small = np.zeros(result.size, bool)
    small[0, 0] = True
    one = Instances.from_masks([26], [0.5], [small])
    found = Instances.joined([result.instances[:2], one, result.instances[2:5]])
    fields = {name: getattr(found, name) for name in ("labels", "scores", "boxes", "masks", "size")}
    return TrackedResult(
        **fields, image_HW3=result.image_HW3, semantic_HW=result.semantic_HW, tracks=[7, 3, 9, 8, 1, 0]
    )


def test_each_instance_keeps_its_track(tracked):
    half = tracked.resized((tracked.size[0] // 2, tracked.size[1] // 2))
    assert type(half) is TrackedResult and half.tracks.tolist() == [7, 3, 8, 1, 0]
    assert half.scores.tolist() == tracked.scores[[0, 1, 3, 4, 5]].tolist()
    assert half.image_HW3.shape[:2] == half.semantic_HW.shape == half.size
    assert tracked.resized(tracked.size) == tracked
    joined = TrackedResult.joined([tracked[4:], tracked[:2], tracked[:0]])
    assert type(joined) is TrackedResult and joined == tracked[[4, 5, 0, 1]]
    assert joined.tracks.tolist() == [1, 0, 7, 3] == [one.tracks[0] for one in joined]
    assert tracked[tracked.tracks > 6].tracks.tolist() == [7, 9, 8]


@pytest.mark.parametrize("tracks", [[], [1, 2], [[1], [2], [3], [4], [5], [6]], [0.5] * 6, 3, ["a"] * 6], ids=str)
def test_tracks_that_are_not_one_for_each_instance_are_one_line(tracked, tracks):
    with pytest.raises(PartwiseError, match="for 6 instances: give a whole number for each") as error:
        replace(tracked, tracks=tracks)
    assert "\n" not in str(error.value)
    with pytest.raises(PartwiseError, match="Instances has no tracks: give parts of one class"):
        TrackedResult.joined([tracked, tracked.instances])
    assert replace(tracked, tracks=None).tracks.tolist() == [NO_TRACK] * 6
