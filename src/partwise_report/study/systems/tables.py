"""The tables of a study: the benchmark row, every variant, every switch, every verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from partwise.report.tables import MISSING, Bar, Table, fraction
from partwise_report.study.probes import MEANING
from partwise_report.study.systems.record import CRITERION, Record
from partwise_report.study.systems.variants import GROUPS
from partwise_report.study.systems.verdicts import BASES, Difference, Verdict, switches

# Figure 2.2 of the report: FCN8s-QunjieYu on the test server; the car class from 2.2.2.
REPORT_ROW = {"iou_class": 0.574, "iiou_class": 0.345, "iou_category": 0.818, "iiou_category": 0.687}
REPORT_CAR = 0.9195
ENET_ROW = {
    "iou_class": 0.583,
    "iiou_class": 0.344,
    "iou_category": 0.804,
    "iiou_category": 0.640,
}  # in the same figure
NAMES = {"iou_class": "IoU class", "iiou_class": "iIoU class", "iou_category": "IoU category"}
NAMES |= {"iiou_category": "iIoU category"}


def benchmark_tables(records: Sequence[Record]) -> list[Table]:
    """Figure 2.2: FCN-8s in the benchmark's figures, and class by class; nothing where it was not trained."""
    fcn = next((record for record in records if record.name == "fcn8s"), None)
    if fcn is None:
        return []
    row = ["FCN-8s, here", *(Bar(fcn.scores[key]) for key in NAMES)]
    theirs = [
        [f"{name}, report, test server", *(Bar(value) for value in figures.values())]
        for name, figures in (("FCN8s-QunjieYu", REPORT_ROW), ("ENet", ENET_ROW))
    ]
    note = f"Report: car {100 * REPORT_CAR:.2f} %. Here: {fcn.steps} steps, on the frames named above; not comparable."
    classes = [[name, Bar(iou)] for name, iou in fcn.scores["iou_by_class"].items()]
    return [
        Table(
            "Figure 2.2: the benchmark's row",
            ("system", *(f"{name} %" for name in NAMES.values())),
            [row, *theirs],
            note,
        ),
        Table("Figure 2.2, class by class", ("class", "IoU %"), classes),
    ]


def variant_tables(records: Sequence[Record]) -> list[Table]:
    """Every variant, one table a group; the last says what the columns mean."""
    columns: tuple[str, ...] = (
        "variant",
        "what it is",
        "steps",
        "loss first",
        "loss last",
        "AP",
        "AP50",
        "car AP",
        "AR@10",
        "AR@100",
    )
    columns += (
        "AR@1000",
        "IoU class",
        "mask IoU",
        "oracle",
        "AUC",
        "maps alike",
        "moved backbone",
        "moved rest",
        "converged",
    )
    tables = []
    for group, about in GROUPS.items():
        rows = [_row(record) for record in records if record.group == group]
        if rows:
            tables.append(Table(f"{group}: {about}", columns, rows))
    return [*tables[:-1], *(replace(table, note=variant_note()) for table in tables[-1:])]


def variant_note() -> str:
    """What the columns mean."""
    means = "; ".join(
        f"{name}: {MEANING[key]}"
        for name, key in (("mask IoU", "mask_iou"), ("AUC", "objectness_auc"), ("maps alike", "map_likeness"))
    )
    means += "; oracle: mask IoU of a network that says exactly its truth"
    moved = "moved: distance of the weights from where they began, as a share of their norm"
    return f"Fractions of 1. {CRITERION}. AR: of so many proposals an image. {means}. {moved}."


def _row(record: Record) -> list:
    scores, ar = record.scores, record.scores.get("ar") or {}
    shown = [scores.get("ap"), scores.get("ap50"), scores.get("car_ap"), *(ar.get(n) for n in ("10", "100", "1000"))]
    shown += [scores.get("iou_class"), record.probe("mask_iou"), record.probe("mask_iou", "oracle")]
    shown += [record.probe(key) for key in ("objectness_auc", "map_likeness")]
    moved = [f"{record.moved[part]:.1e}" for part in ("backbone", "rest")]
    losses = [f"{record.loss_first:.3g}", f"{record.loss_last:.3g}"]
    converged = "yes" if record.converged else "no"
    return [record.name, record.about, record.steps, *losses, *map(fraction, shown), *moved, converged]


def switch_tables(records: Sequence[Record]) -> list[Table]:
    """What each switch alone changes, one table a group with a base."""
    tables = []
    for group, base in BASES.items():
        rows = [
            [
                *(record.name, record.about),
                *(text for figure in found.values() for text in _difference(figure)),
                fraction(record.probe("map_likeness")),
            ]
            for record, found in switches(records, group)
        ]
        if rows:
            columns = (
                "variant",
                "what differs",
                "mask IoU",
                "difference",
                "mask IoU small",
                "difference",
                "AUC",
                "difference",
                "maps alike",
            )
            note = f"Difference from {base} over the same frames; in brackets those that are undecided: within two "
            note += "standard errors over the frames, within what another seed changed, or below .02."
            tables.append(Table(f"{group}, against {base}", columns, rows, note))
    return tables


def _difference(found: Difference | None) -> tuple[str, str]:
    if found is None:
        return MISSING, MISSING
    text = f"{found.mean:+.3f}"
    return f"{found.value:.3f}", text if found.sign else f"({text})"


def verdict_table(verdicts: Sequence[Verdict]) -> Table:
    """Every guess, whether it was right, and the numbers that say so."""
    rows = [
        [verdict.guess, verdict.source, verdict.outcome, verdict.sentence, "; ".join(verdict.figures) or MISSING]
        for verdict in verdicts
    ]
    return Table("", ("guess of the report", "section", "outcome", "because", "figures"), rows)
