"""Verbs that score: a model, any tool's result files, and two of them against each other."""

from __future__ import annotations

from pathlib import Path

from partwise.cli.app import Device, Precision, app
from partwise.errors import PartwiseError
from partwise.files import write_json
from partwise.terminal import console, counting


@app.command
def evaluate(
    *,
    data: Path,
    split: str = "val",
    model: str | None = None,
    predictions: Path | None = None,
    json: Path | None = None,
    frames: int = 0,
    full: bool = False,
    records: bool = True,
    workers: int = 1,
    device: Device = "cpu",
    precision: Precision = "no",
) -> None:
    """Score a model, or any tool's result files, with the Cityscapes metrics at the truth's own resolution.

    Parameters
    ----------
    data
        Root of the Cityscapes tree; with disparity/ and camera/ in it, AP100m and AP50m are computed too.
    model
        A model file, a run folder, or a bundled model's name; the bundled model if PREDICTIONS is not given either.
    predictions
        A folder of result files in the benchmark's submission form, instead of a model.
    json
        Where to write all figures.
    frames
        At most so many frames, evenly spaced; 0 for all.
    full
        Also boundary AP, panoptic quality, COCO AP and bootstrap intervals (slower).
    records
        Keep in the JSON what `partwise compare` needs of each image, about 8 kB an image.
    workers
        Processes that read result files.
    """
    from partwise.report.text import evaluation_text
    from partwise.scoring import score

    with counting("evaluating") as progress:
        figures = score(
            data,
            split,
            model=model,
            predictions=predictions,
            frames=frames,
            full=full,
            workers=workers,
            device=device,
            precision=precision,
            progress=progress,
        )
    if not records:
        del figures["records"]
    console.print(evaluation_text(figures))
    if json is not None:
        write_json(json, figures)
        console.print(f"wrote {json}")
        console.print(f"next: partwise compare {json} OTHER.json")
    else:
        console.print("next: the same with --json FILE keeps all figures")


@app.command
def compare(a: Path, b: Path, /, *, draws: int = 1000, seed: int = 0, json: Path | None = None) -> None:
    """Say whether B is better than A: differences of every figure, class and size with their 95 % intervals.

    The bootstrap is paired over images. It refuses where data, truth or settings differ.

    Parameters
    ----------
    a
        A JSON file that `partwise evaluate --json` wrote.
    b
        Another one on the same frames.
    draws
        Of the bootstrap.
    json
        Where to write all differences.
    """
    from partwise.evaluation.compare import compare as compare_records
    from partwise.evaluation.compare import read_records

    if draws < 1 or seed < 0:
        raise PartwiseError(f"--draws {draws} --seed {seed}: give draws from 1 and a seed from 0 on")
    result = compare_records(read_records(a), read_records(b), draws, seed)
    for row in result["differences"].values():
        console.print(row["sentence"])
    if json is not None:
        write_json(json, result)
        console.print(f"wrote {json}")
