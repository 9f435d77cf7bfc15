"""Tables of the report's guesses, as `partwise study report` decided them (study_guesses*.json)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from tables.table import MISSING, Make, Table, fraction, load, signed

STUDY = "study_guesses"
SECOND = ("study_guesses_orders", "study_guesses_nine", "study_guesses_ten", "study_guesses_thirteen")  # second round
THIRD = ("study_guesses_third", "study_guesses_twelve")  # third round, by the stricter rule
RECHECK = "study_recheck"  # of the first two rounds, by the stricter rule
RECHECK_ALL = "study_recheck_third"  # of all rounds, by both rules
SIZES = ("<32", "32-64", "64-128", ">=128")  # longest side of a car in pixels
FIGURES = {"AP of cars": "car_ap", "mask IoU": "mask_iou", "AUC, near": "auc_near"}
IN_WORDS = {
    "car_ap": "AP of cars",
    "mask_iou": "mask IoU",
    "mask_above": "mask IoU above constant maps",
    "auc_near": "AUC, near",
    "order": "order",
}
LESS = {
    "prior_near": "its prior",
    "constant_iou": "constant maps",
    "car_ap_one": "its pixels of cars as one instance",
}
ROUND_NAMES = {1: "first", 2: "second", 3: "third"}
ORDER_FIGURES = {
    "order": "order",
    "mark: the place": "order_place",
    "mark: one rank": "order_constant",
    "cars of unseen rank": "order_unseen",
    "AP of cars": "car_ap",
}


def verdicts(studies: Sequence[str] = (STUDY,), counted: bool = False, interval: str = "95 % interval") -> Table:
    """The outcome of each guess that was trained, with its difference and its interval.

    Args:
        studies: Names of their files.
        counted: Whether a column has the steps and one the seeds.
        interval: What the intervals are.
    """
    rows = []
    for verdict in _compared(studies):
        guess, effect = verdict["guess"], verdict["effect"]
        compared = f"`{guess['without']}` - `{guess['blamed']}`"
        shown = f"{signed(effect['low'])} to {signed(effect['high'])}"
        length = [f"{verdict['steps']:,}", str(min(verdict["seeds"]))] if counted else []
        difference = [signed(effect["mean"]), shown, f"{guess['threshold']:+.2f}"]
        rows.append([str(guess["number"]), guess["words"], compared, *length, *difference, verdict["outcome"]])
    length = ["steps", "seeds"] if counted else []
    return Table(["#", "guess", "figure of", *length, "difference", interval, "right from", "outcome"], rows)


def _compared(studies: Sequence[str]) -> list[dict[str, Any]]:
    """The verdicts on guesses of which both variants were trained."""
    found = [verdict for study in studies for verdict in load(study)["verdicts"] if verdict["effect"] is not None]
    return sorted(found, key=lambda verdict: verdict["guess"]["number"])


def every_guess() -> Table:
    """One row for each guess: its last comparison, by the stricter rule and by the first one."""
    found: dict[int, list[dict[str, Any]]] = {}
    for one in load(RECHECK_ALL)["rechecked"]:  # the first round first
        found.setdefault(one["guess"], []).append(one)
    rows = []
    for first in load(STUDY)["verdicts"]:
        guess = first["guess"]
        compared = found.get(guess["number"], [])
        if not compared:
            rows.append([str(guess["number"]), guess["words"], guess["source"], "not trained", *[MISSING] * 7])
            continue
        one = compared[-1]
        planned, strict = one["planned"], one["strict"]
        intervals = [f"{signed(by['low'])} to {signed(by['high'])}" for by in (planned, strict)]
        named = [f"`{one['without']}` - `{one['blamed']}`", IN_WORDS[one["figure"]]]
        shown = [strict["outcome"], planned["outcome"], *named, signed(planned["mean"]), *intervals]
        rows.append([str(guess["number"]), guess["words"], guess["source"], *shown, ROUND_NAMES[one["round"]]])
    columns = ["#", "guess", "report", "outcome", "first rule", "figure of", "figure", "difference", "95 % interval"]
    return Table([*columns, "of all together", "round"], rows)


def rechecked() -> Table:
    """Each comparison of both rounds by the rule that was fixed, and by the stricter one."""
    rows = []
    for one in load(RECHECK)["rechecked"]:
        planned, strict = one["planned"], one["strict"]
        compared = f"`{one['without']}` - `{one['blamed']}`"
        intervals = [f"{signed(found['low'])} to {signed(found['high'])}" for found in (planned, strict)]
        named = [str(one["guess"]), str(one["round"]), compared, IN_WORDS[one["figure"]], signed(planned["mean"])]
        rows.append([*named, intervals[0], planned["outcome"], intervals[1], strict["outcome"]])
    columns = ["#", "round", "figure of", "figure", "difference", "interval", "outcome", "stricter interval"]
    return Table([*columns, "stricter outcome"], rows)


def further(study: str = RECHECK, number: int = 1, also: Sequence[str] = ()) -> Table:
    """Figures of a round that limit what a verdict means.

    Args:
        study: Name of the file.
        number: Of the round.
        also: Variants of other rounds.
    """
    rows = []
    for one in load(study)["further"]:
        if one.get("round", 1) != number and one["of"] not in also:
            continue
        effect, (figure, _, size) = one["effect"], one["figure"].partition(" ")
        words = f"{IN_WORDS[figure]}, cars {size} px" if size else IN_WORDS[figure]
        less = LESS.get(one["less"], f"`{one['less']}`")
        compared = f"`{one['of']}` - {less}"
        interval = f"{signed(effect['low'])} to {signed(effect['high'])}"
        rows.append([str(one["guess"]), compared, words, signed(effect["mean"]), interval])
    return Table(["#", "figure of", "figure", "difference", "95 % interval"], rows)


def semantic() -> Table:
    """AP of cars of the true map of cars, which tells no car from another."""
    found = load(RECHECK)["semantic"]
    return Table(
        [f"{found['frames']} frames of {found['split']}: the true map of cars as", "AP of cars"],
        [[way, fraction(ap)] for way, ap in found["ap"].items()],
    )


def variants(studies: Sequence[str] = (STUDY,)) -> Table:
    """The figures of each variant, with intervals over frames and seeds."""
    return _of_variants(studies, lambda variant: variant["group"] != "orders", FIGURES)


def orders(studies: Sequence[str] = (STUDY,)) -> Table:
    """The share of cars' pixels with the right rank, and what counts as nothing learnt."""
    return _of_variants(studies, lambda variant: variant["group"] == "orders", ORDER_FIGURES)


def _of_variants(studies: Sequence[str], chosen: Callable[[dict[str, Any]], bool], figures: Mapping[str, str]) -> Table:
    rows = []
    for variant in (one for study in studies for one in load(study)["variants"].values()):
        if chosen(variant):
            found = variant["figures"]
            cells = [_with_interval(found[figure]) if figure in found else MISSING for figure in figures.values()]
            length = f"{max(variant['steps']):,}"
            rows.append([f"`{variant['name']}`", variant["about"], length, str(len(variant["seeds"])), *cells])
    return Table(["variant", "what differs", "steps", "seeds", *figures], rows)


def chain() -> Table:
    """Each step from Implementation III as committed to the working method, and what it is worth in AP of cars."""
    rows = []
    for step in load(STUDY)["effects"]["chain"]:
        worth = [MISSING, MISSING]
        if "worth" in step:
            worth = [signed(step["worth"]), f"{signed(step['worth_low'])} to {signed(step['worth_high'])}"]
        rows.append([step["step"], f"`{step['variant']}`", fraction(step["car_ap"]), *worth])
    return Table(["step", "variant", "AP of cars", "worth", "95 % interval"], rows)


def sizes() -> Table:
    """Mask IoU above constant maps by the longest side of the car."""
    rows = []
    for variant in load(STUDY)["variants"].values():
        figures = variant["figures"]
        if variant["group"] == "orders":  # they have no windows
            continue
        cells = [
            signed(figures[key]["mean"]) if (key := f"mask_above {name}") in figures else MISSING for name in SIZES
        ]
        rows.append([f"`{variant['name']}`", *cells])
    return Table(["variant", *(f"{name} px" for name in SIZES)], rows)


def _with_interval(figure: dict[str, Any]) -> str:
    return f"{fraction(figure['mean'])} ({fraction(figure['low'])} to {fraction(figure['high'])})"


TABLES: dict[str, Make] = {
    "guesses-verdicts": verdicts,
    "guesses-variants": variants,
    "guesses-chain": chain,
    "guesses-orders": orders,
    "guesses-sizes": sizes,
    "guesses-all": every_guess,
    "guesses-rechecked": rechecked,
    "guesses-further": further,
    "guesses-semantic": semantic,
    "guesses-second-verdicts": partial(verdicts, SECOND, counted=True),
    "guesses-second-variants": partial(variants, SECOND),
    "guesses-second-orders": partial(orders, SECOND),
    "guesses-third-verdicts": partial(verdicts, THIRD, counted=True, interval="interval for all together"),
    "guesses-third-variants": partial(variants, THIRD),
    "guesses-third-further": partial(further, RECHECK_ALL, 3, ("chain_6",)),
}
