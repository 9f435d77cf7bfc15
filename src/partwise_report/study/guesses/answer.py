"""What the study of the report's guesses ends with, and shows after every training: a page and the same as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from partwise.files import require_replaceable, write_json
from partwise.report.page import Section, write_report
from partwise.report.tables import MISSING, Table, fraction
from partwise_report.study.guesses.charts import draw_guesses, draw_steps
from partwise_report.study.guesses.comparisons import (
    BASES,
    FIGURES,
    HALVES,
    STEPS,
    Trials,
    chain_of,
    effects_of,
    half_of,
)
from partwise_report.study.guesses.effects import Effect, difference, has_learnt, level
from partwise_report.study.guesses.measure import SIZES
from partwise_report.study.guesses.order_table import order_tables
from partwise_report.study.guesses.plan import VARIANTS
from partwise_report.study.guesses.tasks import Study
from partwise_report.study.guesses.trial import TrialRecord
from partwise_report.study.guesses.variant import GROUPS
from partwise_report.study.guesses.verdicts import MEANING, Verdict, rule_of_round, verdicts_of_round

LEAD = (
    "Each guess of the 2017 report about why its systems did not learn, held against trainings that differ by what it "
    "blames."
)


def by_variant(records: Sequence[TrialRecord]) -> dict[str, list[TrialRecord]]:
    """Variant -> its records, in the order of the plan."""
    order = {variant.name: place for place, variant in enumerate(VARIANTS)}
    trials: dict[str, list[TrialRecord]] = {}
    for record in sorted(records, key=lambda one: (order.get(one.trial, len(order)), one.seed)):
        trials.setdefault(record.trial, []).append(record)
    return trials


def by_reason(lacking: Mapping[str, str]) -> dict[str, list[str]]:
    """What variants lack -> their names, both in the order of `lacking`, which has what each variant lacks."""
    names: dict[str, list[str]] = {}
    for name, reason in lacking.items():
        names.setdefault(reason, []).append(name)
    return names


def require_answer_replaceable(out: Path) -> None:
    """Raises PartwiseError if a file of somebody else stands where the study writes."""
    for name in ("study.json", "report.html"):
        require_replaceable(out / name)


def write_answer(records: Sequence[TrialRecord], study: Study, lacking: Mapping[str, str], command: str = "") -> Path:
    """Write OUT/study.json and OUT/report.html of the trainings that are recorded so far.

    Args:
        records: Of the trainings.
        study: See there.
        lacking: Variant -> what it lacks to be trained.
        command: The command line, without folders of this machine.

    Returns:
        Path of the page.
    """
    trials = by_variant(records)
    found = verdicts_of_round(trials, study.round)
    about = {
        "command": command,
        "data": f"{study.data.resolve().name}, splits {study.split} and {study.val_split}",
        "features": _features(records),
        "trainings": len(records),
        "variants": len(trials),
        "hours of training": round(sum(record.seconds for record in records) / 3600, 2),
        "guesses decided": f"{sum(verdict.decided for verdict in found)} of {len(found)}",
    }
    rows = {name: _row(trials[name]) for name in trials}
    effects = {name: effects_of(trials, name) for name in BASES} | {name: chain_of(trials, name) for name in STEPS}
    write_json(
        study.out / "study.json",
        {
            **about,
            "criterion": rule_of_round(study.round),
            "verdicts": [verdict.to_json() for verdict in found],
            "variants": rows,
            "effects": effects,
            "lacking": dict(lacking),
        },
    )
    return write_report(
        study.out / "report.html",
        title="The guesses of the report",
        lead=LEAD,
        summary=about,
        caveats=_caveats(records, lacking),
        sections=[
            _guess_section(found, trials, rule_of_round(study.round)),
            *_group_sections(trials),
            _size_section(trials),
        ],
    )


def _features(records: Sequence[TrialRecord]) -> str:
    kinds = set()
    for record in records:
        train, val = (record.settings["features"][part] for part in ("train", "val"))
        height, width = train["size"]
        kinds.add(f"{train['frames']} and {val['frames']} frames of {width}x{height} px")
    return "; ".join(sorted(kinds)) or "none"


def _caveats(records: Sequence[TrialRecord], lacking: Mapping[str, str]) -> list[str]:
    found = [
        "All networks here are trained on stored features of a frozen backbone. A verdict holds for that.",
    ]
    few = sorted({record.trial for record in records if sum(r.trial == record.trial for r in records) < 3})
    if few:
        found.append(f"Fewer than three seeds so far: {', '.join(few)}.")
    if stopped := [f"{record.trial} (seed {record.seed}): {record.stopped}" for record in records if record.stopped]:
        found.append(f"Ended early: {'; '.join(stopped)}.")
    if lacking:
        reasons = by_reason({name: reason.partition(" (")[0] for name, reason in lacking.items()})
        said = "; ".join(f"{', '.join(names)}, for lack of {reason}" for reason, names in reasons.items())
        found.append(f"Not trained: {said}.")
    return found


def _row(records: Sequence[TrialRecord]) -> dict[str, Any]:
    """A variant in the JSON: what it is, and each figure with its interval."""
    first = records[0]
    figures = {}
    for name in first.figures:
        effect = level(records, name)
        if effect is not None:
            figures[name] = {
                "mean": effect.mean,
                "low": effect.low,
                "high": effect.high,
                "by_seed": [record.mean(name) for record in records],
            }
    return {
        "name": first.trial,
        "group": first.group,
        "about": first.about,
        "settings": first.settings,
        "steps": [record.steps for record in records],
        "seeds": [record.seed for record in records],
        "losses": [record.losses[-1] if record.losses else None for record in records],
        "figures": figures,
    }


def _shown(effect: Effect | None) -> str:
    return MISSING if effect is None or not math.isfinite(effect.mean) else str(effect)


def _guess_section(found: Sequence[Verdict], trials: Trials, rule: str) -> Section:
    rows = []
    for verdict in found:
        guess = verdict.guess
        rows.append(
            [
                guess.number,
                guess.words,
                guess.source,
                verdict.outcome,
                f"{guess.without} - {guess.blamed}",
                MEANING[guess.figure],
                _shown(verdict.effect),
                guess.threshold,
                verdict.steps or MISSING,
                f"{verdict.seeds[0]}, {verdict.seeds[1]}",
                verdict.more or MISSING,
            ]
        )
    columns = (
        "#",
        "guess",
        "report",
        "outcome",
        "difference of",
        "figure",
        "mean [95 %]",
        "right from",
        "steps",
        "seeds",
    )
    table = Table("Was each guess right?", (*columns, "what would decide it"), rows, rule)
    chart = draw_guesses(found, trials)
    caption = "Each training of both variants (dots), their means (bars) and what counts as nothing learnt (dashed)."
    return Section("The guesses", tables=[table], pictures=[(caption, chart)] if chart is not None else [])


def _group_sections(trials: Trials) -> list[Section]:
    sections = []
    for group, about in GROUPS.items():
        names = [name for name in trials if trials[name][0].group == group]
        if group in STEPS:
            names = [name for name in STEPS[group] if name in trials]
        if not names:
            continue
        base = BASES.get(group)
        columns = ["variant", "what it is", "steps", "seeds", *(MEANING[figure] for figure in FIGURES), "learnt"]
        rows = [_variant_row(name, trials, base) for name in names]
        if group in HALVES:
            columns.append(HALVES[group][1])
            rows = [[*row, half_of(trials, group, name)] for row, name in zip(rows, names, strict=True)]
        note = f"In brackets: the difference from {base}, with its 95 % interval." if base else ""
        pictures = []
        if group in STEPS and len(names) > 1:
            caption = "What each step is worth in AP of cars, with its 95 % interval over frames and seeds."
            pictures = [(caption, draw_steps(chain_of(trials, group)))]
        tables = [Table(group, columns, rows, note), *(order_tables(trials) if group == "orders" else ())]
        sections.append(Section(f"{group}: {about}", tables=tables, pictures=pictures))
    return sections


def _variant_row(name: str, trials: Trials, base: str | None) -> list[Any]:
    records = trials[name]
    cells = []
    for figure in FIGURES:
        own = level(records, figure)
        shown = MISSING if own is None else fraction(own.mean)
        other = difference(records, trials[base], figure) if base and base in trials and name != base else None
        cells.append(f"{shown} ({other})" if other is not None else shown)
    learnt = [
        figure for figure in ("mask_iou", "auc_near", "order") if level(records, figure) and has_learnt(records, figure)
    ]
    words = ", ".join(MEANING[figure] for figure in learnt) or "nothing above the marks"
    steps = sorted({record.steps for record in records})
    return [name, records[0].about, ", ".join(map(str, steps)), len(records), *cells, words]


def _size_section(trials: Trials) -> Section:
    """Every variant by the size of cars."""
    columns = [
        "variant",
        *(f"{words}, {size.name} px" for words in ("AP", "mask IoU", "above constant") for size in SIZES),
    ]
    rows = []
    for name, records in trials.items():
        cells = []
        for figure in ("car_ap", "mask_iou", "mask_above"):
            for size in SIZES:
                own = level(records, f"{figure} {size.name}")
                cells.append(MISSING if own is None else fraction(own.mean))
        rows.append([name, *cells])
    return Section("By the longest side of the car", tables=[Table("By size", columns, rows)])
