"""`partwise study recheck`: judge recorded trainings by a stricter rule, without any training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from partwise.cli.app import NO_DATA, Data, writes
from partwise.errors import PartwiseError
from partwise.files import write_json
from partwise.terminal import console, counting
from partwise.written import RECHECK
from partwise_report.cli.given import command_line


def recheck(
    *,
    records: list[Path] | None = None,
    second: list[Path] | None = None,
    third: list[Path] | None = None,
    source: Data = NO_DATA,
    split: str = "val",
    frames: int = 200,
    json: Annotated[Path | None, writes(RECHECK)] = None,
) -> None:
    """Judge the recorded trainings of study report again, by a stricter rule. No network is trained.

    The stricter intervals are those of Student's t, for all comparisons together (Bonferroni). AP of cars counts only
    above the AP that the same network has if all of its pixels of cars are one instance.

    Parameters
    ----------
    records
        Folder with the records of the first round, such as results/report_guesses; can be given several times.
    second
        Folder with the records of a study of the second round; can be given several times.
    third
        Folder with the records of a study of the third round; can be given several times.
    split
        Split of the data.
    frames
        Number of frames, evenly spaced, whose true maps of cars are scored; needs --data.
    json
        Where to write all figures.
    """
    from partwise.cli.ceiling import scenes_of
    from partwise.report.tables import Table
    from partwise.report.text import table_text
    from partwise_report.study.guesses.recheck import further, read_studies, recheck_to_json
    from partwise_report.study.guesses.recheck import recheck as judge
    from partwise_report.study.guesses.semantic import semantic_aps

    if not (records or second or third):
        raise PartwiseError("no records are given: give --records FOLDER, --second FOLDER or --third FOLDER")
    studies = read_studies({1: records or (), 2: second or (), 3: third or ()})
    found = judge(studies)
    semantic: dict[str, Any] = {}
    if source.is_given:
        scenes = scenes_of(source, split, frames)
        with counting("scoring maps") as progress:
            aps = semantic_aps(scenes, lambda done: progress(done, len(scenes)))
        semantic = {"data": source.name, "split": split, "frames": len(scenes), "ap": aps}
    rows = [
        [
            str(one.planned.guess.number),
            one.planned.guess.words,
            one.planned.outcome,
            one.strict.outcome,
            str(one.strict.effect),
            one.strict.more or "-",
        ]
        for one in found
    ]
    columns = ["#", "guess", "as planned", "stricter", "mean [interval]", "what would decide it"]
    console.print(table_text(Table("The guesses by both rules", columns, rows)))
    for way, ap in semantic.get("ap", {}).items():
        console.print(f"AP of cars of the true map of cars as {way}: {ap:.3f}")
    if json is not None:
        write_json(json, recheck_to_json(found, further(studies), command_line(), semantic))
        console.print(f"wrote {json}")
