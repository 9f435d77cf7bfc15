"""AP by occlusion: its share against brute force, what counts where, and that AP itself does not change."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.scenes import painted, predicted, random_instances, random_scenes, scene_of
from streeteval.evaluator import CityscapesEvaluator
from streeteval.instances import Instances
from streeteval.metrics.occlusion import OCCLUSION_RANGES, covered_share

NAMES = [one.name for one in OCCLUSION_RANGES]


def scored(scenes, predictions, **settings) -> dict:
    evaluator = CityscapesEvaluator(**settings)
    for scene, instances in zip(scenes, predictions, strict=True):
        evaluator.update(scene, instances)
    return evaluator.compute()["instance"]


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_the_share_is_that_of_a_loop_over_pixels(data):
    (scene, *_) = data.draw(random_scenes())
    ids = scene.instance_ids_HW
    for value in np.unique(ids[ids >= 1000]).tolist():
        y, x = np.nonzero(ids == value)
        box = (int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1)
        inside = [int(ids[row, column]) for row in range(box[1], box[3]) for column in range(box[0], box[2])]
        others = sum(one >= 1000 and one != value for one in inside)
        assert covered_share(ids, value, box) == pytest.approx(others / len(inside))


def test_an_isolated_object_is_covered_by_nothing():
    """A group, a region and another object beside its box do not cover it."""
    ids = painted((26, 0, 0, 6, 6), (26000, 10, 10, 30, 30), (26001, 30, 10, 40, 30), (7, 12, 12, 14, 14))
    assert covered_share(ids, 26000, (10, 10, 30, 30)) == 0.0


@pytest.mark.parametrize(("columns", "name"), [(0, "none"), (1, "<10%"), (3, "10-30%"), (6, "10-30%"), (7, ">=30%")])
def test_an_object_counts_in_its_own_range(columns, name):
    """A car of 20 x 20 px, and a person in 18 px of so many of its columns, who is not asked for."""
    ids = painted((26000, 10, 10, 30, 30), (24000, 20, 11, 20 + columns, 29))
    masks = [ids == 26000]
    found = Instances.from_masks([26], [0.5], masks, ids.shape)
    by_occlusion = scored([scene_of(ids)], [found], by_occlusion=True)["by_occlusion"]
    cars = {share: of["per_class"]["car"]["ap"] for share, of in by_occlusion.items()}
    assert cars == {share: 1.0 if share == name else None for share in NAMES}
    assert by_occlusion[name]["instances"] >= 1


def test_a_miss_costs_its_own_range_and_a_decoy_costs_all():
    """Two cars, one half behind the other: the free one is found, the hidden one is not; a decoy has a higher score."""
    ids = painted((26000, 0, 0, 20, 20), (26001, 30, 0, 50, 20), (24000, 40, 0, 50, 18))
    free = (26, 0.5, 0, 0, 20, 20)
    by_occlusion = scored([scene_of(ids)], [predicted(free)], by_occlusion=True)["by_occlusion"]
    cars = {share: of["per_class"]["car"]["ap"] for share, of in by_occlusion.items()}
    assert (cars["none"], cars["<10%"]) == (1.0, None)
    decoy = (26, 0.9, 0, 25, 20, 40)
    with_decoy = scored([scene_of(ids)], [predicted(decoy, free)], by_occlusion=True)["by_occlusion"]
    assert 0 < with_decoy["none"]["per_class"]["car"]["ap"] < 1.0


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_nothing_else_changes_and_every_instance_lies_in_one_range(data):
    scenes = data.draw(random_scenes())
    found = [data.draw(random_instances(scene)) for scene in scenes]
    plain, split = scored(scenes, found), scored(scenes, found, by_occlusion=True)
    shares = split.pop("by_occlusion")
    assert plain.pop("by_occlusion") is None and split == plain
    counted = sum(
        int((scene.instance_ids_HW == value).sum() >= 100)
        for scene in scenes
        for value in np.unique(scene.instance_ids_HW)
        if value >= 1000 and value // 1000 in {label.id for label in scene.label_set.things}
    )
    assert sum(of["instances"] for of in shares.values()) == counted
    assert list(shares) == NAMES


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_where_nothing_is_covered_the_first_range_is_ap(data):
    """One instance of the truth at most in each image."""
    scenes = data.draw(random_scenes())
    alone = []
    for scene in scenes:
        ids = scene.instance_ids_HW.copy()
        things = np.unique(ids[ids >= 1000])
        ids[np.isin(ids, things[1:])] = 7
        alone.append(scene_of(ids, scene.name))
    found = [data.draw(random_instances(scene)) for scene in alone]
    scores = scored(alone, found, by_occlusion=True)
    first = scores["by_occlusion"]["none"]
    assert {key: first[key] for key in ("ap", "ap50", "per_class")} == {
        key: scores[key] for key in ("ap", "ap50", "per_class")
    }
