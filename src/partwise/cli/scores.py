"""Verbs that score: a model, any tool's result files, and two of them against each other."""

from __future__ import annotations

from pathlib import Path

from partwise.cli.app import Device, Flip, Precision, Scales, app, keep_and_show
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
    side_px: list[int] | None = None,
    device: Device = "cpu",
    precision: Precision = "no",
    scale: Scales = None,
    flip: Flip = False,
) -> None:
    """Score a model, or any tool's result files, with the Cityscapes metrics at the truth's own resolution.

    Parameters
    ----------
    data
        Root of the Cityscapes tree; with disparity/ and camera/ in it, AP100m and AP50m are computed too.
    split
        Of that tree.
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
    side_px
        A bound between the sizes of instances that AP is given for, of the longest side of the box in the truth's
        pixels; several times, rising; 32, 64, 128 and 256 without it.
    """
    from partwise.evaluation.instance import SIDE_BOUNDS_PX
    from partwise.methods.views import View
    from partwise.report.further_scores import further_scores_table
    from partwise.report.text import evaluation_text, table_text
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
            view=View(scale, flip),
            side_bounds_px=side_px or SIDE_BOUNDS_PX,
            progress=progress,
        )
    if not records:
        del figures["records"]
    further = further_scores_table(figures)
    text = f"{evaluation_text(figures)}\n\n{table_text(further)}\n{further.note}".rstrip()
    keep_and_show(json, figures, lambda: console.print(text))
    if json is not None:
        console.print(f"next: partwise compare {json} OTHER.json")
    else:
        console.print("next: the same with --json FILE keeps all figures")


@app.command
def compare(
    a: str,
    b: str,
    /,
    *,
    data: Path | None = None,
    split: str = "val",
    frames: int = 0,
    full: bool = False,
    draws: int = 1000,
    seed: int = 0,
    side_px: list[int] | None = None,
    json: Path | None = None,
    device: Device = "cpu",
    precision: Precision = "no",
) -> None:
    """Say whether B is better than A: differences of every figure, class and size with their 95 % intervals.

    The bootstrap is paired over images. It refuses where data, truth or settings differ.

    Parameters
    ----------
    a
        A JSON file that `partwise evaluate --json` wrote; or a model file, a run folder, or a bundled model's name.
    b
        Another one, on the same frames.
    data
        Root of the Cityscapes tree to score models on.
    split
        Of that tree.
    frames
        Of that split at most so many, evenly spaced; 0 for all.
    full
        Compare models in boundary AP and panoptic quality, too (slower).
    draws
        Of the bootstrap.
    seed
        Of the bootstrap.
    side_px
        A bound between the sizes of instances that AP is compared for, as in `partwise evaluate`.
    json
        Where to write all differences.
    """
    from partwise.evaluation.instance import SIDE_BOUNDS_PX
    from partwise.scoring import compare_results

    with counting("comparing:") as progress:
        result = compare_results(
            a,
            b,
            data,
            split,
            draws=draws,
            seed=seed,
            frames=frames,
            full=full,
            side_bounds_px=side_px or SIDE_BOUNDS_PX,
            device=device,
            precision=precision,
            progress=progress,
        )
    text = "\n".join(row["sentence"] for row in result["differences"].values())
    keep_and_show(json, result, lambda: console.print(text))
    if json is None:
        console.print("next: the same with --json FILE keeps all differences")
