"""Reconciling the semantic map with the instances: what changes, and what never does."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partwise.decoding.reconcile import reconcile, uncertain_pixels
from streeteval.instances import Instances
from streeteval.labels import CITYSCAPES


def test_the_semantic_map_takes_the_class_of_an_instance_within_its_category():
    semantic = np.full((8, 12), 7, np.uint8)
    semantic[:, 2:6], semantic[:, 6:8], semantic[:, 8:] = 28, 27, 24  # road, bus, truck, person
    whole, right = np.zeros((8, 12), bool), np.zeros((8, 12), bool)
    whole[2:6], right[2:6, 7:] = True, True
    instances = Instances.from_masks([28, 26], [0.6, 0.9], [whole, right])
    semantic = reconcile(semantic, instances, np.arange(8)[:, None] != np.full(12, 4), CITYSCAPES)
    assert semantic[3].tolist() == [7, 7, 28, 28, 28, 28, 28, 26, 24, 24, 24, 24], (
        "the highest score last, road and person stay"
    )
    for row in (0, 4):  # outside the masks, and where the map is certain
        assert semantic[row].tolist() == [7, 7, 28, 28, 28, 28, 27, 27, 24, 24, 24, 24]


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_every_pixel_is_what_the_rule_says_and_the_given_map_stays(seed):
    rng = np.random.default_rng(seed)
    shape = (6, 9)
    semantic = rng.choice([7, 24, 25, 26, 27, 28], shape).astype(np.uint8)
    uncertain = rng.random(shape) < 0.6
    masks = [rng.random(shape) < 0.5 for _ in range(5)]
    scores = rng.permutation(5) / 10
    instances = Instances.from_masks(rng.choice([24, 25, 26, 28], 5), scores, masks, shape)
    before = semantic.copy()
    found = reconcile(semantic, instances, uncertain, CITYSCAPES)
    assert np.array_equal(semantic, before) and not np.shares_memory(found, semantic)
    of_category = lambda label: CITYSCAPES.by_id[label].category
    for y, x in np.ndindex(shape):
        held = [
            (float(instances.scores[i]), int(instances.labels[i]))
            for i in range(len(instances))
            if instances.full_mask(i)[y, x] and of_category(int(instances.labels[i])) == of_category(int(before[y, x]))
        ]
        expected = max(held)[1] if held and uncertain[y, x] and before[y, x] != 7 else before[y, x]
        assert found[y, x] == expected
    assert np.array_equal(reconcile(found, instances, uncertain, CITYSCAPES), found)


@pytest.mark.parametrize("size", [(9, 14), (18, 28), (5, 7)])
def test_a_pixel_is_uncertain_where_the_cell_under_its_centre_is(size):
    cells, stride, seen = np.random.default_rng(1).random((5, 8)) < 0.5, 2, (9, 14)
    found = uncertain_pixels(cells, stride, seen, size)
    assert found.shape == size
    for y, x in np.ndindex(size):
        row, column = (int((at + 0.5) * old / new) for at, old, new in zip((y, x), seen, size, strict=True))
        assert found[y, x] == cells[row // stride, column // stride]
