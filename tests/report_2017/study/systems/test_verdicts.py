"""A verdict follows from the numbers, in both directions, and says so where they do not decide."""

import math

import pytest

from partwise_report.study.systems.verdicts import FLOOR, GUESSES, difference, switches, verdicts

from .made_up import made_up

LOW, HIGH, NOISY = [0.30, 0.32, 0.31, 0.29], [0.60, 0.61, 0.63, 0.59], [0.1, 0.9, 0.2, 0.1]


def outcome_of(key: str, records) -> str:
    return next(verdict for verdict in verdicts(records) if verdict.key == key).outcome


@pytest.mark.parametrize("guess", GUESSES, ids=lambda guess: guess.key)
def test_a_guess_is_right_where_the_remedy_is_better_and_wrong_where_it_is_worse(guess):
    for blamed, remedy, outcome in ((LOW, HIGH, "right"), (HIGH, LOW, "wrong"), (LOW, LOW, "undecided")):
        records = [made_up(name, **{guess.figure: blamed}) for _, name in guess.pairs]
        records += [made_up(name, **{guess.figure: remedy}) for name in {name for name, _ in guess.pairs}]
        found = next(verdict for verdict in verdicts(records) if verdict.key == guess.key)
        assert found.outcome == outcome
        assert len(found.figures) == len(guess.pairs)
        assert all(name in found.figures[0] for name in guess.pairs[0])


def test_a_guess_is_right_in_part_where_the_remedy_beats_only_some():
    records = [made_up(name, objectness_auc=LOW) for name in ("objectness_mean", "objectness_four")]
    records += [made_up(name, objectness_auc=HIGH) for name in ("all_corrected", "objectness_centre")]
    found = next(verdict for verdict in verdicts(records) if verdict.key == "objectness")
    assert found.outcome == "in part" and "only against objectness_mean, objectness_four" in found.sentence


def test_what_was_not_trained_is_not_judged():
    found = verdicts([])
    assert {verdict.outcome for verdict in found} == {"not trained"}
    assert [verdict.key for verdict in found] == ["order", *(guess.key for guess in GUESSES), "small objects"]


def test_frames_that_disagree_leave_it_undecided():
    records = {"a": made_up("a", mask_iou=NOISY), "b": made_up("b", mask_iou=LOW)}
    found = difference(records, "a", "b", "mask_iou")
    assert found.sign == 0 and found.within > abs(found.mean) and "undecided" in str(found)


def test_what_another_seed_changes_is_no_difference():
    records = {"a": made_up("a", mask_iou=HIGH), "b": made_up("b", mask_iou=LOW)}
    assert difference(records, "a", "b", "mask_iou").sign == 1
    records |= {
        "working": made_up("working", mask_iou=LOW),
        "working_again": made_up("working_again", mask_iou=[0.7] * 4),
    }
    assert difference(records, "a", "b", "mask_iou").sign == 0


def test_a_difference_below_the_floor_means_nothing_however_steady():
    records = {"a": made_up("a", mask_iou=[0.5] * 4), "b": made_up("b", mask_iou=[0.5 + FLOOR / 2] * 4)}
    assert difference(records, "a", "b", "mask_iou").sign == 0


def test_frames_without_an_object_do_not_count():
    records = {"a": made_up("a", mask_iou=HIGH), "b": made_up("b", mask_iou=LOW)}
    records["b"].probes["mask_iou"]["by_frame"] = [None, *LOW[1:]]
    assert difference(records, "a", "b", "mask_iou").base_value == pytest.approx(sum(LOW[1:]) / 3)


@pytest.mark.parametrize(
    ("said", "blind", "placed", "outcome"),
    [
        (0.8, 0.2, 0.4, "wrong"),
        (0.3, 0.2, 0.4, "in part"),
        (0.2, 0.2, 0.4, "right"),
        (0.21, 0.2, 0.21, "undecided"),
        (0.05, 0.2, 0.4, "undecided"),  # it has not learnt one rank for all
        (0.3, 0.4, 0.2, "undecided"),  # the place tells nothing
        (0.3, math.nan, math.nan, "undecided"),
    ],
)
def test_the_order_is_held_against_what_sees_nothing_and_what_sees_only_the_place(said, blind, placed, outcome):
    marks = {"constant_order": blind, "column_order": placed}
    assert outcome_of("order", [made_up("ordering_full", order=[said] * 4, **marks)]) == outcome


@pytest.mark.parametrize(
    ("scaled", "fixed", "outcome"), [(HIGH, LOW, "wrong"), (LOW, HIGH, "right"), (LOW, LOW, "undecided")]
)
def test_small_objects_are_to_blame_only_where_windows_that_scale_do_not_help(scaled, fixed, outcome):
    records = [made_up("working", mask_iou_small=scaled), made_up("fixed_window", mask_iou_small=fixed)]
    assert outcome_of("small objects", records) == outcome


def test_what_oracle_maps_allow_comes_before_what_was_trained():
    records = [
        made_up("working", oracle={"mask_iou_small": HIGH}, mask_iou_small=LOW),
        made_up("fixed_window", oracle={"mask_iou_small": LOW}, mask_iou_small=LOW),
    ]
    found = verdicts(records)[-1]
    assert found.outcome == "wrong" and "oracle maps" in found.sentence and len(found.figures) == 2


def test_what_oracle_maps_allow_stands_beside_a_guess():
    records = [
        made_up("all_corrected", mask_iou=LOW, oracle={"mask_iou": HIGH}),
        made_up("paper_truth", mask_iou=LOW, oracle={"mask_iou": LOW}),
    ]
    found = next(verdict for verdict in verdicts(records) if verdict.key == "truth")
    assert found.outcome == "wrong" and found.figures[1].startswith("oracle maps: paper_truth 0.3")
    assert found.sentence.startswith("Without the paper's many sizes of an image")


@pytest.mark.parametrize(("mark", "outcome"), [(0.3, "right"), (0.62, "undecided")])
def test_of_two_networks_that_know_nothing_of_the_image_neither_is_better(mark, outcome):
    """The one that says "no car" everywhere is only worse than the one that says "car" in the middle."""
    pair = {"all_corrected": HIGH, "unbalanced": LOW}
    records = [made_up(name, mask_iou=values, constant_maps_iou=mark) for name, values in pair.items()]
    found = next(verdict for verdict in verdicts(records) if verdict.key == "balance")
    assert found.outcome == outcome
    assert outcome == "right" or "none is surely above the best maps that say the same everywhere" in found.sentence


def test_switches_are_held_against_the_base_of_their_group():
    records = [
        made_up("working", "putback", mask_iou=HIGH),
        made_up("zero_start", "putback", mask_iou=LOW),
        made_up("all_corrected", "corrected", mask_iou=LOW),
    ]
    ((record, found),) = switches(records, "putback")
    assert record.name == "zero_start" and found["mask_iou"].sign == -1 and found["objectness_auc"] is None
