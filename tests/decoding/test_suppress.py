"""Suppression against comparing every pair of masks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decoding.cases import full_mask, random_candidates, random_masks
from partwise.decoding.suppress import KeptMasks, suppress
from streeteval.boxes import crop_iou


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_suppression_finds_what_comparing_every_pair_finds(seed):
    rng = np.random.default_rng(seed)
    nms_iou, kept, store = float(rng.choice([0.0, 0.3, 0.5, 0.8])), [], KeptMasks(12)
    for _ in range(12):
        x0, y0, width, height = (int(rng.integers(low, high)) for low, high in ((0, 20), (0, 20), (1, 14), (1, 14)))
        made = (x0, y0, x0 + width, y0 + height), rng.random((height, width)) < rng.choice([0.3, 0.9, 1.0])
        label = int(rng.integers(24, 26))
        over = [(i, crop_iou(*made, *other)) for i, other_label, other in kept if other_label == label]
        expected = next(((i, iou) for i, iou in over if iou > nms_iou), None)
        assert store.overlapped(label, made, nms_iou) == expected
        if made[1].any():
            kept.append((len(kept), label, made))
            store.add(label, made)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_every_candidate_has_the_outcome_that_its_definition_gives(seed):
    rng = np.random.default_rng(seed)
    candidates, masks = random_candidates(rng, 20), random_masks(rng, 20)
    min_score, most = float(rng.choice([0.0, 0.3, 0.55])), int(rng.choice([0, 3, 20]))
    scores = candidates.score_E
    count = int((scores > min_score).sum())
    kept = suppress(candidates, masks[:count], min_score=min_score, nms_iou=0.3, max_instances=most)
    assert len(kept.outcomes_E) == len(kept.instance_E) == len(kept.iou_E) == len(candidates)
    assert [kept.outcomes_E[e] for e in kept.candidate_N] == ["kept"] * len(kept.candidate_N)
    assert kept.instance_E[kept.candidate_N].tolist() == list(range(len(kept.candidate_N)))
    for e, outcome in enumerate(kept.outcomes_E):
        before = [int(other) for other in kept.candidate_N if other < e]
        pixels = full_mask(masks[e].in_cells())
        ious = {
            n: (pixels & full_mask(masks[other].in_cells())).sum() / (pixels | full_mask(masks[other].in_cells())).sum()
            for n, other in enumerate(before)
            if candidates.class_E[other] == candidates.class_E[e]
        }
        over = [(n, iou) for n, iou in ious.items() if iou > 0.3]
        if scores[e] <= min_score:
            expected = ("unsure", -1, 0.0)
        elif len(before) == most:
            expected = ("full", -1, 0.0)
        elif not pixels.any():
            expected = ("empty", -1, 0.0)
        elif over:
            expected = ("overlaps", *over[0])
        else:
            expected = ("kept", len(before), 0.0)
        assert (outcome, kept.instance_E[e], kept.iou_E[e]) == pytest.approx(expected)


def test_no_candidates_give_no_instances():
    none = random_candidates(np.random.default_rng(0), 0)
    kept = suppress(none, [], min_score=0.1, nms_iou=0.5, max_instances=5)
    assert len(kept.candidate_N) == 0 and kept.outcomes_E == ()
    assert len(none[kept.candidate_N]) == 0
