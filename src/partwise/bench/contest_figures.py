"""The figures of a contest of recipes, from the scores that are known, and their table."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from partwise.bench.contest import Contest, Entry
from partwise.bench.contest_scores import Place, Scores
from partwise.bench.models import instance_figures, parameter_count
from partwise.report.tables import MISSING, Table, fraction, interval_text
from partwise.report.text import table_text
from partwise.segmenter import load
from partwise.training.checkpoint import read_info
from streeteval.compare import compare
from streeteval.files import json_ready
from streeteval.machine import describe_machine

__all__ = ["Board", "contest_text"]

HEADLINES = ("ap", "ap50")  # the figures of the curve and of the means over seeds


class Board:
    """All figures of a contest that are known so far. What takes time is computed once.

    Args:
        contest: What is compared.
        entries: All trainings.
        scores: The scores of them.

    Attributes:
        others: The rows of folders of result files.
    """

    def __init__(self, contest: Contest, entries: Sequence[Entry], scores: Scores):
        self.contest, self.entries, self.scores = contest, entries, scores
        self.others: list[dict] = []
        self._computed: dict[Place, dict] = {}
        self._compared: dict[Place, dict] = {}
        self._trained: dict[tuple[str, int], dict] = {}

    def refresh(self) -> bool:
        """Take the scores that are kept beside the trainings; return whether there was a new one."""
        new = [self.scores.find(entry) for entry in self.entries]
        return any(new)

    def figures(self) -> dict:
        """Return all figures that are known.

        Returns:
            {"machine", "contest", "complete", "results", "seeds", "curve", "differences"} in JSON's own types.
            "complete": whether all is trained and scored. "results": a row for each finished training, and for each
            folder of result files; the scores are those of the whole training, with their 95 % intervals, and are
            missing if it is not scored yet. "seeds": {recipe: mean and sample standard deviation over its trainings}.
            "curve": a row for each minute of each training, if the contest has minutes of a curve, with the differences
            from the first recipe at this minute. "differences": {recipe: [a row for each seed, with B = the recipe and
            A = the first recipe]}. A score without a value is None.
        """
        contest, results = self.contest, [self._row(entry) for entry in self.entries if entry.finished]
        described = {
            "recipes": list(contest.recipes),
            "overrides": list(contest.overrides),
            "minutes": contest.minutes,
            "at": list(contest.shares),
            "seeds": contest.seeds,
            "data": self.scores.data_name,
            "frames": len(self.scores.frames),
        }
        known = all(place in self.scores.evaluators for entry in self.entries for place in self.scores.places(entry))
        figures = {
            "machine": describe_machine() | {"threads": torch.get_num_threads(), "torch": torch.__version__},
            "contest": described,
            "complete": known and len(self.others) == len(contest.predictions),
            "results": results + self.others,
            "seeds": {name: over_seeds([row for row in results if row["recipe"] == name]) for name in contest.recipes},
            "curve": [row for entry in self.entries if contest.at for row in self._curve(entry)],
            "differences": {name: self._differences(name) for name in contest.recipes[1:]},
        }
        return json_ready(figures)

    def _row(self, entry: Entry) -> dict[str, Any]:
        """Return the row of a finished training."""
        key = (entry.recipe, entry.seed)
        if key not in self._trained:
            parameters, run = parameter_count(load(entry.weights())), entry.folder.described()
            about = {"steps": _steps(entry, None), "parameters": parameters, "trained_on": run.get("machine", {})}
            self._trained[key] = {"recipe": entry.recipe, "seed": entry.seed} | about
        row = dict(self._trained[key])
        if key in self.scores.times:
            row["ms"] = self.scores.times[key]
        last, *further = (place for place in self.scores.places(entry) if place.share is None)
        if last in self.scores.evaluators:
            row |= instance_figures(self._compute(last)["instance"]) | {"interval": self._interval(last)}
        scaled = {place.scale: self._compute(place) for place in further if place in self.scores.evaluators}
        return row | {"at_scale": {f"{scale:g}": instance_figures(one["instance"]) for scale, one in scaled.items()}}

    def _curve(self, entry: Entry) -> list[dict[str, Any]]:
        """Return a row for each minute of a training that is scored, in rising order."""
        rows = []
        for minute, share in [*self.contest.shares.items(), (self.contest.minutes, None)]:
            place = Place(entry.recipe, entry.seed, share)
            if place not in self.scores.evaluators:
                continue
            row: dict[str, Any] = {"recipe": entry.recipe, "seed": entry.seed, "minutes": minute}
            row |= {"steps": _steps(entry, share)} | instance_figures(self._compute(place)["instance"])
            row["interval"] = self._interval(place)
            if (found := self._compare(place)) is not None:
                row["difference"] = {key: found[f"instance.{key}"] for key in HEADLINES if f"instance.{key}" in found}
            rows.append(row)
        return rows

    def _differences(self, name: str) -> list[dict[str, Any]]:
        """Return the differences of a recipe from the first one, seed by seed."""
        found = {seed: self._compare(Place(name, seed)) for seed in range(self.contest.seeds)}
        return [{"seed": seed} | one for seed, one in found.items() if one is not None]

    def _compute(self, place: Place) -> dict[str, Any]:
        if place not in self._computed:
            self._computed[place] = self.scores.evaluators[place].compute()
        return self._computed[place]

    def _interval(self, place: Place) -> dict[str, Any]:
        """Return the 95 % intervals over images of the headline figures; None where there is none."""
        intervals = self._compute(place)["intervals"] or {}
        return {key: intervals.get(f"instance.{key}") for key in HEADLINES}

    def _compare(self, place: Place) -> dict[str, Any] | None:
        """Compare a recipe with the first one; None for the first itself, or if one of them is not scored yet."""
        first, known = place._replace(recipe=self.contest.recipes[0]), self.scores.evaluators
        if place == first or place not in known or first not in known:
            return None
        if place not in self._compared:
            self._compared[place] = compare(known[first], known[place])["differences"]
        return self._compared[place]


def _steps(entry: Entry, share: float | None) -> int:
    """Return the number of steps after which weights were kept."""
    return read_info(entry.weights(share)).origin["steps"]


def over_seeds(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float | None]]:
    """Compute {"mean", "sd"} of "ap" and "ap50" over the trainings that have a value.

    Args:
        rows: The rows of the trainings.

    Returns:
        "mean" is None without a value; "sd" is None for fewer than two.
    """
    columns = {key: [row[key] for row in rows if _is_number(row.get(key))] for key in HEADLINES}
    return {
        key: {
            "mean": statistics.mean(values) if values else None,
            "sd": statistics.stdev(values) if len(values) > 1 else None,
        }
        for key, values in columns.items()
    }


def _is_number(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def contest_text(figures: Mapping[str, Any]) -> str:
    """Format the result: a row for each training or folder, the curve, then the differences in AP.

    Args:
        figures: What `bench_baselines` returns.
    """
    lines = [_results_text(figures)]
    if figures["curve"]:
        lines.append(_curve_text(figures["curve"]))
    for name, one in figures["seeds"].items():
        values = [row["ap"] for row in figures["results"] if row.get("recipe") == name and _is_number(row.get("ap"))]
        said = [
            f"{label} {fraction(one[key]['mean'])} +- {fraction(one[key]['sd'])}"
            for key, label in (("ap", "AP"), ("ap50", "AP50"))
        ]
        if len(values) > 1:
            lines.append(f"{name}: {', '.join(said)}, mean and standard deviation of {len(values)} trainings")
    lines += [
        f"{name} against {figures['contest']['recipes'][0]}, seed {one['seed']}: {one[key]['sentence']}"
        for name, found in figures["differences"].items()
        for one in found
        for key in ("instance.ap", "instance.ap50")
        if key in one
    ]
    if not figures["complete"]:
        lines.append("not all is trained and scored yet: the same command goes on")
    return "\n".join(lines)


def _results_text(figures: Mapping[str, Any]) -> str:
    first: dict = next((row for row in figures["results"] if "recipe" in row), {})
    sizes, scales, rows = list(first.get("ms", {})), list(first.get("at_scale", {})), []
    for row in figures["results"]:
        scores = [row.get("ap"), row.get("ap50"), row.get("ar100"), (row.get("class_ap") or {}).get("car")]
        scores += [row.get("at_scale", {}).get(scale, {}).get("ap") for scale in scales]
        times = [row.get("ms", {}).get(size, MISSING) for size in sizes]
        name = row.get("recipe") or row["predictions"]
        rows.append([name, row.get("seed", MISSING), row.get("steps", MISSING), *map(fraction, scores), *times])
    columns: tuple[str, ...] = ("recipe", "seed", "steps", "AP", "AP50", "AR@100", "car AP")
    columns += (*(f"AP x{scale}" for scale in scales), *(f"ms {size}" for size in sizes))
    return table_text(Table("", columns, rows))


def _curve_text(curve: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for row in curve:
        less = row.get("difference", {}).get("ap", {"difference": None, "low": None, "high": None})
        cells = [fraction(row["ap"]), _ends(row["interval"]["ap"], fraction)]
        cells += [_signed(less["difference"]), _ends((less["low"], less["high"]), _signed)]
        rows.append([row["recipe"], row["seed"], f"{row['minutes']:g}", row["steps"], *cells])
    columns = ("recipe", "seed", "minutes", "steps", "AP", "95 % interval", "less the first", "95 % interval")
    return table_text(Table("", columns, rows))


def _ends(ends: Sequence[float | None] | None, form: Callable[[float], str]) -> str:
    """Return an interval in words; missing if it has no ends."""
    return MISSING if ends is None or None in ends else interval_text(ends, form)


def _signed(value: float | None) -> str:
    return MISSING if value is None else f"{value:+.3f}"
