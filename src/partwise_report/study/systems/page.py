"""What a study ends with: one HTML page that explains itself, and the same as JSON."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from partwise.files import atomic_write, write_json
from partwise.report.page import Picture, Section, write_report
from partwise.training.loop import Monitor
from partwise.written import MARK, MARKDOWN_MARK, PNG_TEXT, is_marked_picture
from partwise_report.study.systems.chart import draw_switches
from partwise_report.study.systems.figures import report_figures
from partwise_report.study.systems.markdown import study_markdown
from partwise_report.study.systems.record import CRITERION, Record
from partwise_report.study.systems.runner import EARLY, Study
from partwise_report.study.systems.tables import benchmark_tables, switch_tables, variant_tables, verdict_table
from partwise_report.study.systems.variants import VARIANTS
from partwise_report.study.systems.verdicts import BASES, verdicts

LEAD = (
    "Every system of the report, its slips and their corrections, trained on one budget and held against its guesses."
)


def write_study(
    records: Sequence[Record], study: Study, monitor: Monitor, *, rendered: bool = False, command: str = ""
) -> Path:
    """Write OUT/study.json, OUT/study.md, OUT/figures and OUT/report.html; returns the path of the page.

    rendered   figures show rendered streets instead of frames of the data
    """
    known = _all_records(records, study)
    decided = verdicts(known)
    summary = summary_of(known, study, command)
    write_json(
        study.out / "study.json",
        {
            **summary,
            "criterion": CRITERION,
            "verdicts": [verdict.to_json() for verdict in decided],
            "variants": [record.to_json() for record in known],
        },
    )
    with atomic_write(study.out / "study.md", "w") as file:
        file.write(f"{MARKDOWN_MARK}\n{study_markdown(known)}")
    monitor.note("drawing the figures")
    monitor.count("drawing the figures", 0, 0)
    drawn = [(f"{group}, against {base}", draw_switches(known, group)) for group, base in BASES.items()]
    text = [
        "Orange: the base; green: better; red: worse; grey: undecided. The tick is the network before its first step; "
        "the dashed line what part maps reach that say the same everywhere (left), and chance (right)."
    ]
    pictures = report_figures(known, study, rendered)
    charts: list[tuple[str, np.ndarray | Figure]] = [(caption, chart) for caption, chart in drawn if chart is not None]
    save_pictures(study.out / "figures", [*charts, *pictures])
    return write_report(
        study.out / "report.html",
        title="The report, reproduced",
        lead=LEAD,
        summary=summary,
        caveats=caveats(known, study),
        sections=[
            Section("Was each guess of the report right?", tables=[verdict_table(decided)]),
            Section(
                "One switch at a time",
                text,
                switch_tables(known),
                charts,
            ),
            Section("Every variant", tables=variant_tables(known)),
            Section("Figure 2.2: the benchmark", tables=benchmark_tables(known)),
            Section("The report's figures", pictures=pictures),
        ],
    )


def save_pictures(folder: Path, pictures: Sequence[Picture]) -> None:
    """Each picture as a PNG named after its place and the beginning of its caption; ours of an earlier page go."""
    made = set()
    for number, (caption, picture) in enumerate(pictures):
        name = re.sub(r"[^a-z0-9.]+", "_", re.split("[:,]", caption)[0].lower())
        made.add(folder / f"{number:02d}_{name}.png")
        with atomic_write(folder / f"{number:02d}_{name}.png") as file:
            if isinstance(picture, Figure):
                picture.savefig(file, format="png", facecolor=picture.get_facecolor(), metadata={"Software": MARK})
            else:
                Image.fromarray(picture).save(file, "PNG", optimize=True, pnginfo=PNG_TEXT)
    for before in set(folder.glob("[0-9][0-9]_*.png")) - made:
        if is_marked_picture(before):
            before.unlink()


def _all_records(records: Sequence[Record], study: Study) -> list[Record]:
    """These records and those that earlier calls left in the same folder, in the order of VARIANTS."""
    known = {record.name: record for record in records}
    for variant in VARIANTS:
        if variant.name not in known and (record := study.kept_record(variant.name)) is not None:
            known[variant.name] = record
    order = {variant.name: place for place, variant in enumerate(VARIANTS)}
    return sorted(known.values(), key=lambda record: order.get(record.name, len(order)))


def summary_of(records: Sequence[Record], study: Study, command: str) -> dict:
    """What was trained and how; no folder of this machine."""
    machine = next((record.machine for record in records if record.machine), {})
    steps = [record.steps for record in records]
    return {
        "command": command,
        "data": f"{study.data.source.name}, splits {study.data.split} and {study.data.val_split}",
        "frames": f"{len(study.looked_at())} of {study.data.val_split}, " + _view(study),
        "variants": len(records),
        "training": f"{sum(record.seconds for record in records) / 60:.1f} minutes in all",
        "steps": f"{min(steps)} to {max(steps)} a variant" if steps else "none",
        "seed": study.seed,
        "machine": ", ".join(f"{key} {value}" for key, value in machine.items()),
        "early": f"pictures named early are of {EARLY:.0%} of a training",
    }


def _view(study: Study) -> str:
    height, width = study.view
    return f"the {width}x{height} px around their middle" if height else "whole"


def caveats(records: Sequence[Record], study: Study) -> list[str]:
    """What must be known before a figure is quoted."""
    found = []
    most = max((record.steps for record in records), default=0)
    if most < 10_000:
        found.append(
            f"The longest training here had {most} steps; the report's had 50,000 to 150,000. Figures of so short a "
            "training say what is learnt first, not what is reached in the end; compare variants with each other only."
        )
    reached = sum(record.converged for record in records)
    if records and not reached:
        found.append("No variant converged by the criterion: the budget is too small for AP to say anything.")
    found.append("One training each: two variants may differ by chance as much as the two seeds of the working method.")
    return found
