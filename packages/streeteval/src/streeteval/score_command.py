"""The commands `streeteval score`, `explain` and `compare`: more than the official ones say."""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from streeteval.compare import compare, read_records, with_records
from streeteval.errors import InputError, unknown_name
from streeteval.evaluator import CityscapesEvaluator
from streeteval.explain import explain
from streeteval.files import atomic_write, json_ready
from streeteval.official.pairs import add_workers, usable_workers
from streeteval.official.places import dataset_path, results_path
from streeteval.picture import draw
from streeteval.reading.faults import listed
from streeteval.reading.id_files import decode, read_bytes
from streeteval.reading.result_files import ReadOptions, ResultFiles
from streeteval.reading.result_reader import ResultReader
from streeteval.reading.truth import TruthFolder
from streeteval.scoring import ResultFilesError, score_results
from streeteval.tables import aligned

__all__ = ["rows_of", "run_compare", "run_explain", "run_score"]

MISSING = "-"
_HEADLINES = (
    ("AP", "instance.ap"),
    ("AP50", "instance.ap50"),
    ("AR@100", "instance.ar.100"),
    ("boundary AP", "instance.boundary.ap"),
    ("COCO AP", "instance.coco.ap"),
    ("PQ", "panoptic.pq"),
    ("SQ", "panoptic.sq"),
    ("RQ", "panoptic.rq"),
    ("IoU of classes", "semantic.iou_class"),
    ("iIoU of classes", "semantic.iiou_class"),
    ("IoU of categories", "semantic.iou_category"),
    ("iIoU of categories", "semantic.iiou_category"),
)


def _parser(prog: str | None, description: str) -> argparse.ArgumentParser:
    """Return a parser with the options that say where data and results are."""
    parser = argparse.ArgumentParser(prog=prog, description=description)
    parser.add_argument("--data", help="root of the data set (default: CITYSCAPES_DATASET)")
    parser.add_argument("--split", default="val", help="default: %(default)s")
    parser.add_argument("--predictions", help="folder of the results (default: CITYSCAPES_RESULTS)")
    parser.add_argument("--train-ids", action="store_true", help="the results hold train ids, not label ids")
    parser.add_argument("--enlarge", action="store_true", help="enlarge results that are smaller than the truth")
    return parser


def _opened(asked: argparse.Namespace) -> tuple[TruthFolder, ResultFiles]:
    """Open the truth and find the results."""
    truth = TruthFolder(asked.data or dataset_path(), asked.split)
    options = ReadOptions(asked.train_ids, asked.enlarge)
    root = asked.predictions or results_path()
    return truth, ResultFiles.find(root, truth.names, truth.names_elsewhere, options=options)


def run_score(words: Sequence[str], prog: str | None = None) -> None:
    """Score instances, pixels or both, whatever the folder holds."""
    parser = _parser(
        prog, "Score the results in a folder: <frame>*.txt with masks, <frame>*.png with label ids, or both."
    )
    parser.add_argument("--json", help="file for all scores, with the records that compare needs")
    parser.add_argument("--csv", help="file for the printed figures as comma-separated values")
    parser.add_argument("--by-size", action="store_true", help="also print AP by the longest side of the instances")
    parser.add_argument(
        "--intervals", type=int, default=0, metavar="DRAWS", help="bootstrap intervals from so many draws"
    )
    parser.add_argument("--boundary", action="store_true", help="also boundary AP")
    parser.add_argument("--panoptic", action="store_true", help="also panoptic quality of instances over label ids")
    parser.add_argument("--coco", action="store_true", help="also COCO AP; needs pycocotools")
    add_workers(parser)
    asked = parser.parse_args(words)
    if asked.intervals < 0:
        raise InputError(f"intervals {asked.intervals}: give the number of draws, such as 1000")
    truth, files = _opened(asked)
    extras = {"boundary": asked.boundary, "panoptic": asked.panoptic, "coco": asked.coco, "draws": asked.intervals}
    evaluator = CityscapesEvaluator(truth.label_set, **extras)
    workers = asked.workers or usable_workers(len(truth))
    for line in listed(score_results(files, truth, evaluator, workers=workers)):
        print(f"WARNING: {line}")
    scores = with_records(evaluator)
    rows = rows_of(scores, by_size=asked.by_size)
    print(aligned(rows))
    if asked.csv:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        _write(asked.csv, text.getvalue())
    if asked.json:
        _write(asked.json, json.dumps(scores, indent=2) + "\n")


def rows_of(scores: Mapping[str, Any], by_size: bool = False) -> list[list[str]]:
    """Return the figures as rows of a table, in percent, the head first.

    Args:
        scores: What `CityscapesEvaluator.compute` returns.
        by_size: Also AP by size.
    """
    intervals = scores.get("intervals") or {}
    rows = []
    for name, place in _HEADLINES:
        part: Any = scores
        *path, key = place.split(".")
        for step in path:
            part = (part or {}).get(step)
        if part is not None:
            low, high = intervals.get(place) or (None, None)
            few = "too few images" if place in intervals and part.get(key) is not None else ""
            interval = few if low is None or high is None else f"{100 * low:.1f} to {100 * high:.1f}"
            rows.append([name, _percent(part.get(key)), interval])
    instance, semantic = scores.get("instance") or {}, scores.get("semantic") or {}
    if by_size:
        rows += [[f"AP, {size} px", _percent(of["ap"]), ""] for size, of in instance.get("by_size", {}).items()]
    rows += [[f"AP {name}", _percent(of["ap"]), ""] for name, of in instance.get("per_class", {}).items()]
    rows += [[f"IoU {name}", _percent(of["iou"]), ""] for name, of in semantic.get("per_class", {}).items()]
    return [[f"{scores['images']} images", "%", "95 % interval" if intervals else ""], *rows]


def _percent(value: float | None) -> str:
    return MISSING if value is None else f"{100 * value:.2f}"


def run_explain(words: Sequence[str], prog: str | None = None) -> None:
    """Explain the instance score of one image."""
    parser = _parser(
        prog, "Show which prediction matched what in one image, which was ignored and why, what was missed."
    )
    parser.add_argument("image", help="name of the frame, such as ulm_000001_000019")
    parser.add_argument(
        "--out", default=".", help="folder for IMAGE_explained.png, .json and .txt (default: %(default)s)"
    )
    parser.add_argument("--overlap", type=float, default=0.5, help="IoU from .5 up (default: %(default)s)")
    parser.add_argument(
        "--min-score",
        type=float,
        default=0.0,
        help="least confidence of the predictions in the picture; the list has all (default: %(default)s)",
    )
    parser.add_argument("--photo", help="photo to draw on (default: that of leftImg8bit, if it is there)")
    asked = parser.parse_args(words)
    if not 0.5 <= asked.overlap < 1:
        raise InputError(f"overlap {asked.overlap:g}: give .5 up to below 1, so that a match is unique")
    truth, files = _opened(asked)
    if asked.image not in truth.names:
        raise unknown_name("frame", asked.image, truth.names, lister="the folder gtFine")
    scene = truth[truth.names.index(asked.image)]
    reader = ResultReader(files)
    found = reader.instances(scene)
    if found is None:
        raise ResultFilesError(files.root, reader.faults)
    instances, scores = found
    explanation = explain(scene, instances, scores, overlap=asked.overlap)
    photo = asked.photo or _photo_of(asked.data or dataset_path(), asked.split, asked.image)
    image_HW3 = None if photo is None else _read_photo(photo, scene.size)
    base = Path(asked.out, f"{asked.image}_explained")
    with atomic_write(f"{base}.png") as file:
        draw(scene, instances, explanation, image_HW3, asked.min_score).save(file, format="PNG")
    _write(f"{base}.json", json.dumps(json_ready(explanation.to_dict()), indent=2) + "\n")
    lines = "\n".join(explanation.lines())
    _write(f"{base}.txt", lines + "\n")
    print(f"{lines}\n\nwritten: {base}.png, .json and .txt")


def _photo_of(root: str | os.PathLike, split: str, name: str) -> str | None:
    """Return the path of the photo of a frame; None if it is not there."""
    found = sorted(Path(root, "leftImg8bit", split).glob(f"*/{name}_leftImg8bit.*"))
    return str(found[0]) if found else None


def _read_photo(path: str, size: tuple[int, int]) -> np.ndarray:
    """Read a photo of the size (H, W) of the truth, (H, W, 3) uint8."""
    photo = decode(read_bytes(path), path, ("PNG", "JPEG")).convert("RGB")
    if photo.size != size[::-1]:
        raise InputError(
            f"{path}: is {photo.width}x{photo.height}, the truth {size[1]}x{size[0]}: give one of its size"
        )
    return np.asarray(photo)


def run_compare(words: Sequence[str], prog: str | None = None) -> None:
    """Say whether result B is better than result A."""
    parser = argparse.ArgumentParser(prog=prog, description="Compare two results by a paired bootstrap over images.")
    parser.add_argument("a", help="JSON file of streeteval score")
    parser.add_argument("b", help="JSON file of streeteval score, on the same images")
    parser.add_argument("--draws", type=int, default=1000, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument("--json", help="file for all differences")
    asked = parser.parse_args(words)
    if asked.draws < 1 or asked.seed < 0:
        raise InputError(f"draws {asked.draws}, seed {asked.seed}: give draws from 1 and a seed from 0 on")
    found = compare(read_records(asked.a), read_records(asked.b), asked.draws, asked.seed)
    headlines = {place for _, place in _HEADLINES}
    print("\n".join(row["sentence"] for place, row in found["differences"].items() if place in headlines))
    if asked.json:
        _write(asked.json, json.dumps({"a": asked.a, "b": asked.b} | found, indent=2) + "\n")


def _write(path: str, text: str) -> None:
    with atomic_write(path, "w") as file:
        file.write(text)
