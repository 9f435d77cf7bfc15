"""Tables of the report's guesses, as `partwise study report` decided them (study_guesses.json)."""

from __future__ import annotations

from typing import Any

from tables.table import Make, Table, fraction, load, signed

STUDY = "study_guesses"
FIGURES = {"AP of cars": "car_ap", "mask IoU": "mask_iou", "AUC, near": "auc_near"}


def verdicts() -> Table:
    """The outcome of each guess that was trained, with its difference and 95 % interval."""
    rows = []
    for verdict in load(STUDY)["verdicts"]:
        guess, effect = verdict["guess"], verdict["effect"]
        if effect is None:
            continue
        compared = f"`{guess['without']}` - `{guess['blamed']}`"
        interval = f"{signed(effect['low'])} to {signed(effect['high'])}"
        limit = f"{guess['threshold']:+.2f}"
        rows.append(
            [
                str(guess["number"]),
                guess["words"],
                compared,
                signed(effect["mean"]),
                interval,
                limit,
                verdict["outcome"],
            ]
        )
    return Table(["#", "guess", "figure of", "difference", "95 % interval", "right from", "outcome"], rows)


def variants() -> Table:
    """The figures of each variant, with intervals over frames and seeds."""
    rows = []
    for variant in load(STUDY)["variants"].values():
        cells = [_with_interval(variant["figures"][figure]) for figure in FIGURES.values()]
        rows.append([f"`{variant['name']}`", variant["about"], str(len(variant["seeds"])), *cells])
    return Table(["variant", "what differs", "seeds", *FIGURES], rows)


def _with_interval(figure: dict[str, Any]) -> str:
    return f"{fraction(figure['mean'])} ({fraction(figure['low'])} to {fraction(figure['high'])})"


TABLES: dict[str, Make] = {"guesses-verdicts": verdicts, "guesses-variants": variants}
