"""Intervals over frames and seeds cover the effect that was put in; a guess is decided by the rule that was fixed."""

import math
from dataclasses import replace

import numpy as np
import pytest

from partwise_report.study.guesses.effects import (
    Effect,
    difference,
    has_learnt,
    keeps_half,
    level,
    outcome,
    reaches,
    seeds_needed,
    steps_needed,
)
from partwise_report.study.guesses.measure import SEMANTIC_AP
from partwise_report.study.guesses.rounds import GUESSES, ROUNDS, Alike, Guess
from partwise_report.study.guesses.verdicts import rule_of_round, verdicts, verdicts_of_round
from report_2017.study.guesses.made_trials import made_trial, made_trials

GUESS = Guess(1, "words", "2.4", "without", "blamed", "mask_iou", 0.02)


def test_the_interval_covers_a_known_effect():
    covered = 0
    for n in range(40):
        rng = np.random.default_rng(n)
        one, other = (made_trials("a", mean, seeds=6, rng=rng) for mean in (0.5, 0.4))
        effect = difference(one, other, "mask_iou")
        covered += effect.low <= 0.1 <= effect.high
    assert covered >= 34  # 95 % of 40 are 38; few seeds make a bootstrap a little narrow


def test_seeds_that_differ_widen_the_interval_and_are_named_as_the_cause():
    rng = np.random.default_rng(0)
    calm, wild = (
        difference(*(made_trials(name, 0.5, of_seeds=spread, rng=rng) for name in ("a", "b")), "mask_iou")
        for spread in (0.0, 0.1)
    )
    assert wild.high - wild.low > 2 * (calm.high - calm.low)
    assert wild.seed_share > 0.8 and calm.seed_share < 0.05


def test_the_same_frames_are_compared():
    """What all variants find hard in the same frames is no difference between them."""
    hard = np.random.default_rng(0).uniform(0, 1, 50)
    one, other = ([made_trial(name, seed, hard + more) for seed in (0, 1)] for name, more in (("a", 0.1), ("b", 0.0)))
    effect = difference(one, other, "mask_iou")
    assert effect.low == pytest.approx(0.1) and effect.high == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("low", "mean", "high", "threshold", "expected"),
    [
        (0.01, 0.05, 0.09, 0.02, "right"),
        (-0.01, 0.05, 0.11, 0.02, "open"),  # may be nothing
        (0.001, 0.015, 0.03, 0.02, "open"),  # may reach the threshold
        (-0.05, -0.01, 0.019, 0.02, "wrong"),
        (-0.005, 0.0, 0.005, -0.01, "right"),  # no worse
        (-0.05, -0.03, -0.02, -0.01, "wrong"),
        (-0.02, 0.0, 0.02, -0.01, "open"),
        (math.nan, 0.1, math.nan, 0.02, "open"),
    ],
)
def test_a_guess_is_decided_by_its_threshold(low, mean, high, threshold, expected):
    assert outcome(Effect(mean, low, high, 0.5, 3), threshold) == expected


@pytest.mark.parametrize("seeds", [1, 2])
def test_less_than_three_seeds_decide_nothing(seeds):
    effect = Effect(0.5, 0.4, 0.6, 0.0, seeds)
    assert outcome(effect, 0.02) == "open"
    assert seeds_needed(effect, 0.02) == "3 seeds of each variant"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"steps": 5}, "steps"),
        ({"crop": [64, 64]}, "crop"),
        ({"features": {"train": {"frames": 1}, "val": {"frames": 2}}}, "frames to measure on"),
        ({"overrides": ["training.precision=no", "training.precision=bf16"]}, "precision"),
        ({"features": {"train": {"frames": 1, "data": "other"}, "val": {"frames": 1}}}, "frames to train on"),
    ],
)
def test_trainings_that_differ_in_what_must_be_shared_are_not_compared(settings, said):
    """Their frames would be paired although they are of other streets, or one of them was trained longer."""
    trials = {"without": made_trials("without", 0.6), "blamed": made_trials("blamed", 0.5)}
    assert verdicts(trials, [GUESS])[0].outcome == "right"
    trials["blamed"][1] = made_trial("blamed", 1, np.full(100, 0.5), **settings)
    (found,) = verdicts(trials, [GUESS])
    assert (found.outcome, found.effect) == ("not decided", None) and found.more.endswith(f"the same {said}")
    assert difference(*trials.values(), "mask_iou") is None


@pytest.mark.parametrize(("value", "expected"), [(0.3, "yes"), (0.1, "no"), (0.2, "open")])
def test_half_of_another_variant_is_kept_or_not(value, expected):
    base = made_trials("base", 0.4, figure="car_ap", of_frames=0.2)
    assert keeps_half(made_trials("a", value, figure="car_ap", of_frames=0.2), base) == expected


def test_half_of_what_has_learnt_nothing_says_nothing():
    base = made_trials("base", 0.4, figure="car_ap", looks={"0": {"car_ap": 0.5}})
    assert keeps_half(made_trials("a", 0.5, figure="car_ap"), base) == "open"


def test_what_is_not_above_its_marks_has_learnt_nothing():
    assert has_learnt(made_trials("a", 0.5, mark=0.3), "mask_iou")
    assert not has_learnt(made_trials("a", 0.5, mark=0.5), "mask_iou")
    looks = {"0": {"car_ap": 0.1}}
    assert not has_learnt(made_trials("a", 0.1, figure="car_ap", looks=looks), "car_ap")
    assert has_learnt(made_trials("a", 0.3, figure="car_ap", looks=looks), "car_ap")


@pytest.mark.parametrize(
    ("without", "blamed", "mark", "expected"),
    [
        (0.6, 0.5, 0.3, "right"),
        (0.5, 0.6, 0.3, "wrong"),
        (0.6, 0.5, 0.9, "not decided"),
        (0.6, None, 0.3, "not trained"),
    ],
)
def test_a_verdict_is_one_of_four(without, blamed, mark, expected):
    trials = {"without": made_trials("without", without, mark=mark)}
    if blamed is not None:
        trials["blamed"] = made_trials("blamed", blamed, mark=mark)
    (found,) = verdicts(trials, [GUESS])
    assert found.outcome == expected
    assert bool(found.more) is (expected in ("not decided", "not trained"))


def test_more_seeds_are_asked_for_where_the_seeds_differ():
    near, far = (seeds_needed(Effect(0.03, -0.03 * width, 0.06, 0.95, 3), 0.02) for width in (0.5, 2.0))
    assert near.startswith("about") and near.endswith("seeds")
    assert int(near.split()[1]) < int(far.split()[1])
    assert "frames" in seeds_needed(Effect(0.03, -0.05, 0.11, 0.0, 3), 0.02)


CERTAIN = {"of_frames": 0.0, "of_seeds": 0.0}


def test_steps_are_asked_for_by_how_far_the_second_half_came():
    looks = {"0": {"mask_above": -0.4}, "50": {"mask_above": -0.3}, "100": {"mask_above": -0.2}}
    below = {"mark": 0.7, "looks": looks} | CERTAIN
    assert steps_needed(made_trials("a", 0.5, **below), "mask_iou") == "about 200 steps"
    looks["100"] = {"mask_above": -0.3}
    assert steps_needed(made_trials("a", 0.5, **below), "mask_iou").startswith("no number")


def test_steps_are_asked_for_where_the_few_frames_of_a_look_are_better_than_all():
    """What is above the marks on the frames of a look, and below them on all, needs steps and not seeds."""
    looks = {"0": {"mask_above": -0.1}, "50": {"mask_above": 0.0}, "100": {"mask_above": 0.1}}
    below = {"mark": 0.7, "looks": looks} | CERTAIN
    assert steps_needed(made_trials("a", 0.5, **below), "mask_iou") == "about 200 steps"
    assert steps_needed(made_trials("a", 0.8, **below), "mask_iou") == "more seeds"


@pytest.mark.parametrize(("best", "decided"), [(0.312, False), (0.36, True)])
def test_figures_too_small_for_the_threshold_decide_nothing(best, decided):
    """Both variants are at their marks: no difference could reach the threshold, so that it says nothing."""
    calm = {"mark": 0.3, "of_frames": 0.01, "of_seeds": 0.001}
    of_each = {"without": made_trials("without", best, **calm), "blamed": made_trials("blamed", 0.3, **calm)}
    assert has_learnt(of_each["without"], "mask_iou")
    assert reaches(of_each["without"], "mask_iou", -0.02) == decided
    (verdict,) = verdicts(of_each, [GUESS])
    assert verdict.decided == decided
    assert decided or verdict.more


def test_steps_are_asked_for_up_to_a_goal():
    looks = {"0": {"car_ap": 0.0}, "50": {"car_ap": 0.002}, "100": {"car_ap": 0.004}}
    assert (
        steps_needed(made_trials("a", 0.004, figure="car_ap", looks=looks, **CERTAIN), "car_ap", 0.01)
        == "about 250 steps"
    )


def test_frames_without_a_car_do_not_count():
    holes = made_trial("a", 0, [0.5, math.nan, 0.5])
    assert level([holes, holes], "mask_iou").mean == pytest.approx(0.5)


def test_the_guesses_are_numbered_as_on_their_page():
    assert [guess.number for guess in GUESSES] == list(range(1, 15))


@pytest.mark.parametrize("number", [2, 3])
def test_a_later_round_decides_guesses_of_the_first(number):
    first = {guess.number: guess for guess in GUESSES}
    assert {guess.number for guess in ROUNDS[number]} < first.keys()
    for guess in ROUNDS[number]:
        assert (guess.words, guess.source) == (first[guess.number].words, first[guess.number].source)
        assert abs(guess.threshold) == (0.02 if guess.figure == "mask_iou" else 0.01)  # one threshold for each figure


def test_a_guess_about_steps_compares_trainings_of_different_lengths():
    trials = {"long": made_trials("long", 0.6, steps=1000), "short": made_trials("short", 0.5, steps=100)}
    guess = Guess(14, "words", "2.4", "long", "short", "mask_iou", 0.02)
    assert verdicts(trials, [guess])[0].effect is None
    (verdict,) = verdicts(trials, [replace(guess, about_steps=True)])
    assert verdict.outcome == "right" and verdict.effect.mean == pytest.approx(0.1, abs=0.03)
    trials["short"] = made_trials("short", 0.5, steps=100, crop=[1, 1])
    assert verdicts(trials, [replace(guess, about_steps=True)])[0].effect is None


@pytest.mark.parametrize(("other", "expected"), [(0.45, "right"), (0.3, "not decided"), (None, "not decided")])
def test_a_training_stands_for_a_longer_one_only_where_the_two_are_alike(other, expected):
    guess = Guess(
        14, "words", "2.4", "quick", "usual", "mask_iou", -0.02, True, Alike("slow", "short", "mask_iou", 0.02)
    )
    means = {"quick": (0.6, 15000), "usual": (0.5, 2000), "slow": (0.45, 20000)}
    if other is not None:
        means["short"] = (other, 2000)
    certain = {"of_frames": 0.01, "of_seeds": 0.001}
    trials = {name: made_trials("a", mean, steps=steps, **certain) for name, (mean, steps) in means.items()}
    (verdict,) = verdicts(trials, [guess])
    assert verdict.outcome == expected
    assert ("alike" in verdict.more) == (expected != "right")


def test_the_third_round_is_decided_by_the_stricter_rule():
    """A difference of AP of cars counts there only with the mark of the pixels of cars."""
    trials = {
        name: made_trials(name, mean, figure="car_ap")
        for name, mean in (("report_windows_mean", 0.6), ("paper_windows_mean", 0.5))
    }
    (second,) = (found for found in verdicts_of_round(trials, 2) if found.guess.number == 9)
    (third,) = (found for found in verdicts_of_round(trials, 3) if found.guess.number == 9)
    assert (second.outcome, third.outcome) == ("wrong", "not decided")
    assert rule_of_round(2) != rule_of_round(3)


def test_strict_intervals_hold_with_three_seeds():
    """With noise of the seeds alone, 95 % of the intervals hold the truth; draws of seeds hold it less often."""
    strict, drawn = 0, 0
    for n in range(200):
        rng = np.random.default_rng(n)
        one, other = (made_trials("a", mean, of_frames=0.0, of_seeds=0.02, frames=10, rng=rng) for mean in (0.5, 0.4))
        effect = difference(one, other, "mask_iou")
        drawn += effect.low <= 0.1 <= effect.high
        strict += effect.strict().low <= 0.1 <= effect.strict().high
    assert strict >= 184  # 190 are expected, with a standard deviation of 3
    assert drawn < 180


def test_intervals_of_many_comparisons_together_are_wider():
    one, other = (made_trials(name, mean) for name, mean in (("one", 0.5), ("other", 0.4)))
    effect = difference(one, other, "mask_iou")
    widths = [effect.strict(count).high - effect.strict(count).low for count in (1, 2, 18)]
    assert widths == sorted(widths) and widths[0] < widths[-1]
    assert {effect.strict(count).mean for count in (1, 2, 18)} == {effect.mean}


@pytest.mark.parametrize(("mark", "expected"), [(0.1, "right"), (0.6, "not decided"), (None, "not decided")])
def test_ap_of_cars_counts_only_above_that_of_a_map_of_semantics(mark, expected):
    guess = Guess(1, "words", "2.4", "without", "blamed", "car_ap", 0.02)
    trials = {name: made_trials(name, mean, figure="car_ap") for name, mean in (("without", 0.6), ("blamed", 0.5))}
    if mark is not None:
        for record in (one for records in trials.values() for one in records):
            record.figures[SEMANTIC_AP] = {"mean": mark, "by_frame": [mark] * 100}
    assert verdicts(trials, [guess])[0].outcome == "right"
    (strict,) = verdicts(trials, [guess], comparisons=1)
    assert strict.outcome == expected
    assert ("did not measure" in strict.more) == (mark is None)
