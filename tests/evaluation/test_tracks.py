"""Scores of tracks: properties, known values, and the metrics of the library `trackers` as an oracle."""

import numpy as np
import pytest

pytest.importorskip("trackeval", reason="needs the extra `bench`")

from partwise.evaluation.tracks import LEAST_PX, score_tracks, tracked_frame
from partwise.scene import Scene
from streeteval.instances import Instances
from streeteval.labels import CITYSCAPES

SIZE = (60, 120)
CAR, PERSON, CARAVAN = 26, 24, 29
FRAMES = 8


def scene_of(number: int, small: bool = False) -> Scene:
    """Two cars that drive towards each other and a person; perhaps a small car and a group of people, too."""
    ids_HW = np.full(SIZE, 7, np.int32)
    ids_HW[5:20, 5 + 4 * number : 25 + 4 * number] = CAR * 1000
    ids_HW[30:45, 80 - 4 * number : 100 - 4 * number] = CAR * 1000 + 1
    ids_HW[25:50, 108:118] = PERSON * 1000 + 2
    if small:
        ids_HW[52:56, 10:18] = CAR * 1000 + 3
        ids_HW[50:58, 40:60] = PERSON
        ids_HW[50:58, 70:90] = CARAVAN * 1000 + 4
    semantic_HW = np.where(ids_HW >= 1000, ids_HW // 1000, ids_HW).astype(np.uint8)
    return Scene(f"a_{number}", np.zeros((*SIZE, 3), np.uint8), semantic_HW, ids_HW)


def perfect(scenes: list[Scene]) -> tuple[list, list[np.ndarray]]:
    frames = [tracked_frame(scene, scene.instances) for scene in scenes]
    return frames, [np.arange(len(scene.instances)) for scene in scenes]


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [scene_of(number) for number in range(FRAMES)]


def test_perfect_tracks_score_one_whatever_their_numbers(scenes):
    frames, tracks = perfect(scenes)
    for renamed in (tracks, [50 - 7 * one for one in tracks]):
        scores = score_tracks([frames], [renamed], CITYSCAPES)
        assert [scores[key] for key in ("hota", "deta", "assa", "idf1", "id_changes")] == pytest.approx([1, 1, 1, 1, 0])
        assert set(scores["categories"]) == {"human", "vehicle"}


def test_a_track_that_breaks_in_the_middle_has_the_known_scores(scenes):
    """Half of the frames of one of two cars have another id: IDF1 is 0.75, AssA the mean of 1 and 0.5."""
    frames, tracks = perfect(scenes)
    broken = [one.copy() for one in tracks]
    cars = [np.flatnonzero(scene.instances.labels == CAR) for scene in scenes]
    for number in range(FRAMES // 2, FRAMES):
        broken[number][cars[number][0]] = 99
    vehicles = score_tracks([frames], [broken], CITYSCAPES)["categories"]["vehicle"]
    assert vehicles["id_changes"] == 1 and vehicles["deta"] == pytest.approx(1)
    assert vehicles["idf1"] == pytest.approx(0.75) and vehicles["assa"] == pytest.approx(0.75)


def test_what_is_in_no_track_is_not_found(scenes):
    frames, tracks = perfect(scenes)
    without = [np.where(scene.instances.labels == PERSON, -1, one) for scene, one in zip(scenes, tracks, strict=True)]
    scores = score_tracks([frames], [without], CITYSCAPES)
    assert scores["categories"]["human"]["hota"] == 0 and scores["categories"]["vehicle"]["hota"] == pytest.approx(1)
    assert scores["hota"] == pytest.approx(0.5)


def test_small_ones_groups_and_other_classes_neither_help_nor_harm(scenes):
    more = [scene_of(number, small=True) for number in range(FRAMES)]
    assert (more[0].instance_ids_HW == CAR * 1000 + 3).sum() < LEAST_PX
    lost = [tracked_frame(scene, scenes[i].instances) for i, scene in enumerate(more)]
    few = [np.arange(3) for _ in more]
    assert score_tracks([lost], [few], CITYSCAPES)["hota"] == pytest.approx(1)
    places = [(52, 56, 10, 18, CAR), (50, 58, 40, 60, PERSON), (50, 58, 70, 90, CAR)]
    masks = np.zeros((3, *SIZE), bool)
    for mask, (y0, y1, x0, x1, _) in zip(masks, places, strict=True):
        mask[y0:y1, x0:x1] = True
    extra = Instances.from_masks([one[-1] for one in places], [1.0] * 3, masks)
    found = [tracked_frame(scene, Instances.joined([scenes[i].instances, extra])) for i, scene in enumerate(more)]
    assert score_tracks([found], [[np.arange(6)] * FRAMES], CITYSCAPES)["hota"] == pytest.approx(1)
    elsewhere = [tracked_frame(scene, Instances.joined([scenes[i].instances, extra])) for i, scene in enumerate(scenes)]
    assert score_tracks([elsewhere], [[np.arange(6)] * FRAMES], CITYSCAPES)["hota"] < 0.9  # now they are false


def test_another_library_gives_the_same_scores():
    """`trackers` has its own code for the metrics; random tracks, overlaps and misses."""
    metrics = pytest.importorskip("trackers.eval")
    rng = np.random.default_rng(0)
    scenes = [scene_of(number) for number in range(FRAMES)]
    frames, tracks = [], []
    for scene in scenes:
        moved = [np.roll(scene.instances.full_mask(i), rng.integers(-6, 7, 2), (0, 1)) for i in range(3)]
        kept = rng.random(3) < 0.8
        found = Instances.from_masks(scene.instances.labels[kept], np.ones(kept.sum()), np.array(moved)[kept], SIZE)
        frames.append(tracked_frame(scene, found))
        tracks.append(rng.permutation(4)[: len(found)])
    ours = score_tracks([frames], [tracks], CITYSCAPES)["categories"]["vehicle"]
    rows = [frame.truth_ids // 1000 == CAR for frame in frames]
    columns = [
        frame.found_categories == frame.truth_categories[row][0] for frame, row in zip(frames, rows, strict=True)
    ]
    data = (
        [frame.truth_ids[row] for frame, row in zip(frames, rows, strict=True)],
        [track[column] for track, column in zip(tracks, columns, strict=True)],
        [frame.iou_TN[np.ix_(row, column)] for frame, row, column in zip(frames, rows, columns, strict=True)],
    )
    hota, identity = metrics.compute_hota_metrics(*data), metrics.compute_identity_metrics(*data)
    assert 0.1 < ours["hota"] < 0.9
    for key, name in {"hota": "HOTA", "deta": "DetA", "assa": "AssA"}.items():
        assert ours[key] == pytest.approx(hota[name], abs=1e-6)
    assert ours["idf1"] == pytest.approx(identity["IDF1"], abs=1e-6)
