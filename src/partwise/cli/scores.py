"""Commands that score a model or the result files of any tool, and compare two results."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from partwise.cli.app import DEFAULT_INFERENCE, NO_DATA, ClassNames, Data, Inference, app, keep_and_show, writes
from partwise.errors import PartwiseError
from partwise.files import write_json
from partwise.terminal import console, counting
from partwise.written import COMPARISON, EVALUATION


@app.command
def evaluate(
    *,
    source: Data = NO_DATA,
    split: str = "val",
    model: str | None = None,
    predictions: Path | None = None,
    classes: ClassNames = None,
    json: Annotated[Path | None, writes(EVALUATION)] = None,
    frames: int = 0,
    full: bool = False,
    metric: list[str] | None = None,
    by_occlusion: bool = False,
    records: bool = True,
    workers: int = 1,
    train_ids: bool = False,
    enlarge: bool = False,
    side_px: list[int] | None = None,
    inference: Inference = DEFAULT_INFERENCE,
) -> None:
    """Score a model, or the result files of any tool, with the Cityscapes metrics at the resolution of the truth.

    Args:
        source: The data set; if a Cityscapes tree holds disparity/ and camera/, AP100m and AP50m are computed, too.
        split: Split of the data set.
        model: A model file, a run folder, or the name of a model; the default model without it and --predictions.
        predictions: Results of any tool: a folder in the form that the official scripts read, a JSON file in COCO
            form, a folder of YOLO's text files with scores, or one of Parquet parts (docs/scale.md).
        json: File for all figures; if result files have faults, NAME.faults.json beside it lists all of them.
        frames: Largest number of frames, evenly spaced; 0 for all.
        full: Also compute boundary AP, panoptic quality, COCO AP and bootstrap intervals (slower).
        metric: Name of a further metric, such as one of another package; can be given several times.
        by_occlusion: Also compute AP by the share of an object's box that other instances cover, the same as
            --metric instance.by_occlusion.
        records: Keep in the JSON what `partwise compare` needs of each image, about 8 kB per image.
        workers: Number of processes that read result files.
        train_ids: The result files hold train ids (0 for road), not label ids (7); for files in the official form.
        enlarge: Enlarge maps and masks of the result files that are smaller than the truth; likewise.
        side_px: A bound between the sizes of instances for which AP is given: longest side of the box in pixels of the
            truth; can be given several times, rising; 32, 64, 128 and 256 without it.
    """
    from partwise.class_map import parse_class_map
    from partwise.data.cityscapes import CityscapesFolder
    from partwise.report.further_scores import further_scores_table
    from partwise.report.text import evaluation_text, faults_text, table_text
    from partwise.scoring import score
    from streeteval.metrics.metric import SIDE_BOUNDS_PX
    from streeteval.metrics.occlusion import OcclusionScores
    from streeteval.reading.faults import Fault
    from streeteval.reading.result_files import ReadOptions

    with _faults_kept(json), counting("evaluating") as progress:
        figures = score(
            source,
            split,
            model=model,
            predictions=predictions,
            class_names=parse_class_map(classes or ()),
            frames=frames,
            full=full,
            metrics=[*(metric or ()), *([OcclusionScores.name] if by_occlusion else ())],
            workers=workers,
            read=ReadOptions(train_ids, enlarge),
            options=inference.options(),
            side_bounds_px=side_px or SIDE_BOUNDS_PX,
            progress=progress,
        )
    if not records:
        del figures["records"]
    further = further_scores_table(figures, depth_files=source.form == CityscapesFolder.form)
    about = f"{figures['circumstances']['dataset']}\n" if predictions is None else ""
    text = f"{about}{evaluation_text(figures)}\n\n{table_text(further)}\n{further.note}".rstrip()
    if figures.get("warnings"):
        warnings = [Fault(**warning) for warning in figures["warnings"]]
        text += f"\n\n{faults_text('warning', warnings, shown=1)}"
    keep_and_show(json, figures, lambda: console.print(text))
    if json is not None:
        console.print(f"next: partwise compare {json} OTHER.json")
    else:
        console.print("next: the same with --json FILE keeps all figures")


@contextlib.contextmanager
def _faults_kept(json: Path | None) -> Iterator[None]:
    """Write all faults of results or data beside the file of --json. The error itself names some of each kind."""
    from partwise.data.frame import FaultyDataError
    from streeteval.scoring import ResultFilesError

    try:
        yield
    except (ResultFilesError, FaultyDataError) as error:
        if error.all_shown:
            raise
        kept = "all of them: the same with --json FILE"
        if json is not None:
            place = json.with_suffix(".faults.json") if json.is_file() or not json.exists() else json  # /dev/stdout
            kept = f"all of them: {place}"
            try:
                write_json(place, {"ok": False, "root": error.root, "faults": [asdict(one) for one in error.faults]})
            except PartwiseError as unwritten:
                kept = str(unwritten)
        raise PartwiseError(f"{error}\n{kept}") from None


@app.command
def compare(
    a: str,
    b: str,
    /,
    *,
    source: Data = NO_DATA,
    split: str = "val",
    frames: int = 0,
    full: bool = False,
    metric: list[str] | None = None,
    draws: int = 1000,
    seed: int = 0,
    side_px: list[int] | None = None,
    json: Annotated[Path | None, writes(COMPARISON)] = None,
    inference: Inference = DEFAULT_INFERENCE,
) -> None:
    """Compare two results: differences of every figure, class and size with their 95 % intervals.

    The bootstrap is paired over images. Results with different data, truth or settings are refused.

    Args:
        a: A JSON file that `partwise evaluate --json` wrote; or a model file, a run folder, or the name of a model.
        b: The other result, on the same frames.
        source: The data set to score models on.
        split: Split of the data set.
        frames: Largest number of frames to score models on, evenly spaced; 0 for all.
        full: Also compare models in boundary AP and panoptic quality (slower).
        metric: Also compare models in a further metric; can be given several times.
        draws: Number of draws of the bootstrap.
        seed: Seed of the bootstrap.
        side_px: A bound between the sizes of instances for which AP is compared, as in `partwise evaluate`.
        json: File for all differences.
    """
    from partwise.scoring import compare_results
    from streeteval.metrics.metric import SIDE_BOUNDS_PX

    with counting("comparing:") as progress:
        result = compare_results(
            a,
            b,
            source if source.is_given else None,
            split,
            draws=draws,
            seed=seed,
            frames=frames,
            full=full,
            metrics=metric or (),
            side_bounds_px=side_px or SIDE_BOUNDS_PX,
            options=inference.options(),
            progress=progress,
        )
    text = "\n".join(row["sentence"] for row in result["differences"].values())
    keep_and_show(json, result, lambda: console.print(text))
    if json is None:
        console.print("next: the same with --json FILE keeps all differences")
