"""Final scores by their definition, and outcomes in the final order."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decoding.cases import SIZE, full_mask, random_candidates, random_masks
from partwise.decoding.masks import PaintedMask, RefinedMask
from partwise.decoding.outcomes import outcomes_of
from partwise.decoding.score import score_instances
from partwise.decoding.suppress import suppress
from streeteval.labels import CITYSCAPES

POWER, SIGMA = 3.0, 0.2


def random_instances(seed: int, refined_share: float):
    """Candidates and their painted masks, some of which are refined."""
    rng = np.random.default_rng(seed)
    masks = [mask for mask in random_masks(rng, 24) if not mask.empty]
    found = random_candidates(rng, len(masks), classes=2)
    painted = [
        PaintedMask(
            mask.in_cells(),
            RefinedMask(mask, float(rng.random()), float(rng.random())) if rng.random() < refined_share else None,
        )
        for mask in masks
    ]
    return found, painted


def scored_of(found, painted, soft_sigma=SIGMA):
    return score_instances(found, painted, CITYSCAPES, SIZE, refined_power=POWER, soft_sigma=soft_sigma)


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from([0.0, SIGMA]))
@settings(max_examples=60, deadline=None)
def test_scores_are_the_product_and_crowding_is_that_of_every_pair(seed, refined_share, soft_sigma):
    found, painted = random_instances(seed, refined_share)
    scored = scored_of(found, painted, soft_sigma)
    instances, place = scored.instances, scored.place_N
    assert sorted(place) == list(range(len(found))) and (np.diff(instances.scores) <= 0).all()
    alone = np.array(
        [
            score if one.refined is None else objectness * one.refined.quality**POWER * one.refined.share
            for score, objectness, one in zip(found.score_E, found.objectness_E, painted, strict=True)
        ],
        np.float32,
    )
    for n, (one, refined) in enumerate(zip(painted, scored.refined_N, strict=True)):
        final = float(instances.scores[place[n]])
        assert np.array_equal(instances.full_mask(place[n]), full_mask(one.mask))
        assert instances.labels[place[n]] == CITYSCAPES.things[found.class_E[n]].id
        if one.refined is None:
            assert refined is None and final == pytest.approx(found.score_E[n])
            continue
        above = [m for m in range(len(found)) if (-alone[m], m) < (-alone[n], n)]
        pixels = full_mask(one.mask)
        ious = [
            (pixels & full_mask(painted[m].mask)).sum() / (pixels | full_mask(painted[m].mask)).sum()
            for m in above
            if found.class_E[m] == found.class_E[n]
        ]
        crowding = max(ious, default=0.0) if soft_sigma else 0.0
        assert refined.crowding == pytest.approx(crowding)
        penalty = math.exp(-(crowding**2) / soft_sigma) if soft_sigma else 1.0
        assert refined.score == pytest.approx(float(alone[n]) * penalty, rel=1e-5)
        assert final == pytest.approx(refined.score)


def test_without_refined_masks_nothing_changes():
    found, painted = random_instances(3, 0.0)
    scored = scored_of(found, painted)
    assert scored.place_N.tolist() == list(range(len(found)))
    assert scored.instances.scores == pytest.approx(found.score_E)


def test_no_candidates_give_no_instances():
    found, _ = random_instances(0, 0.0)
    scored = scored_of(found[:0], [])
    assert len(scored.instances) == 0 and scored.instances.size == SIZE


@pytest.mark.parametrize("seed", range(5))
def test_outcomes_name_instances_by_their_final_place(seed):
    rng = np.random.default_rng(seed)
    candidates, masks = random_candidates(rng, 20), random_masks(rng, 20)
    count = int((candidates.score_E > 0.2).sum())
    kept = suppress(candidates, masks[:count], min_score=0.2, nms_iou=0.2, max_instances=9)
    own = [masks[e] for e in kept.candidate_N]
    painted = [PaintedMask(mask.in_cells(), RefinedMask(mask, float(rng.random()), 0.9)) for mask in own]
    scored = scored_of(candidates[kept.candidate_N], painted)
    outcomes = outcomes_of(candidates, kept, scored, CITYSCAPES)
    assert [one.score for one in outcomes] == candidates.score_E.tolist()
    for e, one in enumerate(outcomes):
        assert (one.instance >= 0) == (one.outcome in ("kept", "overlaps"))
        assert (one.refined is not None) == (one.outcome == "kept")
        if one.outcome == "kept":
            assert np.array_equal(scored.instances.full_mask(one.instance), full_mask(masks[e].in_cells()))
            assert float(scored.instances.scores[one.instance]) == pytest.approx(one.refined.score)
        if one.outcome == "overlaps":
            assert scored.instances.labels[one.instance] == one.label and one.iou > 0.2
    assert sorted(one.instance for one in outcomes if one.outcome == "kept") == list(range(len(scored.instances)))
