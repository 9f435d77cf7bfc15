"""Panoptic quality of files in COCO's panoptic form, with the names of cityscapesScripts 2.3.0 and of panopticapi.

Change one import, and what called evaluation/evalPanopticSemanticLabeling.py or `panopticapi.evaluation.pq_compute`
calls this module::

    from streeteval.official.panoptic import evaluatePanoptic, pq_compute

Axes: H W image.
"""

from __future__ import annotations

import argparse
import functools
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from streeteval.errors import InputError
from streeteval.files import read_json
from streeteval.metrics.segments import VOID, SegmentSums
from streeteval.official.pairs import add_workers, usable_workers, write_export
from streeteval.official.places import as_command, dataset_path, results_path
from streeteval.official.segment_files import Annotations, ScoredFrame, pairs_of, rgb2id, score_frame
from streeteval.reading.faults import Fault
from streeteval.scoring import ResultFilesError
from streeteval.workers import Workers

__all__ = [
    "OFFSET",
    "VOID",
    "PQStat",
    "average_pq",
    "evaluatePanoptic",
    "id2rgb",
    "main",
    "pq_compute",
    "pq_compute_multi_core",
    "pq_compute_single_core",
    "print_results",
    "rgb2id",
]

OFFSET = 256 * 256 * 256
Categories = Mapping[int, Mapping[str, Any]]
_KINDS = (("All", None), ("Things", True), ("Stuff", False))


def id2rgb(ids: Any) -> Any:
    """Return the colour of a segment id: a list of three, or for a map (H, W, 3) uint8.

    >>> id2rgb(26001), id2rgb(np.array([[258]])).tolist()
    ([145, 101, 0], [[[2, 1, 0]]])
    """
    if isinstance(ids, np.ndarray):
        return np.stack([(ids >> shift) & 255 for shift in (0, 8, 16)], axis=-1).astype(np.uint8)
    return [(int(ids) >> shift) & 255 for shift in (0, 8, 16)]


class PQStat:
    """The sums of each category; `stat[category]` has `iou`, `tp`, `fp` and `fn`."""

    def __init__(self) -> None:
        self.pq_per_cat: dict[int, SegmentSums] = defaultdict(SegmentSums)

    def __getitem__(self, category: int) -> SegmentSums:
        return self.pq_per_cat[category]

    def __iadd__(self, other: PQStat) -> PQStat:
        return self.add(other.pq_per_cat)

    def add(self, sums: Mapping[int, SegmentSums]) -> PQStat:
        """Add the sums of one image."""
        for category, more in sums.items():
            self.pq_per_cat[category] = self.pq_per_cat[category] + more
        return self

    def pq_average(
        self, categories: Categories, isthing: bool | None
    ) -> tuple[dict[str, float], dict[int, dict[str, float]]]:
        """Return the means over things, over stuff, or over all with None; and PQ, SQ and RQ of each category.

        "n" says how many categories have a segment; only these count. The means are 0 if none has.
        """
        of_class: dict[int, dict[str, float]] = {}
        counted = []
        for category, about in categories.items():
            if isthing is not None and bool(about["isthing"]) != isthing:
                continue
            sums = self.pq_per_cat.get(category, SegmentSums())
            asked = sums.tp + 0.5 * sums.fp + 0.5 * sums.fn
            found = {"pq": sums.iou / asked, "sq": sums.iou / max(sums.tp, 1), "rq": sums.tp / asked} if asked else {}
            of_class[category] = found or {"pq": 0.0, "sq": 0.0, "rq": 0.0}
            counted += [found] if found else []
        n = len(counted)
        means = {key: sum(one[key] for one in counted) / n if n else 0.0 for key in ("pq", "sq", "rq")}
        return means | {"n": n}, of_class


def pq_compute_single_core(
    proc_id: int, annotation_set: Annotations, gt_folder: str, pred_folder: str, categories: Categories
) -> PQStat:
    """Score some images.

    Args:
        proc_id: Not used.
        annotation_set: (annotation of the truth, annotation of the prediction) of each image.
        gt_folder: Folder of the PNG files of the truth.
        pred_folder: Folder of those of the predictions.
        categories: The categories of the truth by id.

    Raises:
        InputError: If files have faults, all of which it names.
    """
    return pq_compute_multi_core(annotation_set, gt_folder, pred_folder, categories, workers=1)


def pq_compute_multi_core(
    matched_annotations_list: Annotations,
    gt_folder: str,
    pred_folder: str,
    categories: Categories,
    workers: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> PQStat:
    """Score images with several processes; the arguments are those of `pq_compute_single_core`.

    Args:
        matched_annotations_list: (annotation of the truth, annotation of the prediction) of each image.
        gt_folder: Folder of the PNG files of the truth.
        pred_folder: Folder of those of the predictions.
        categories: The categories of the truth by id.
        workers: Processes. A program that asks for more than one needs `if __name__ == "__main__":`.
        progress: Called after each image with how many are done, and how many there are.
    """
    score = functools.partial(score_frame, str(gt_folder), str(pred_folder), frozenset(categories))
    stat, faults = PQStat(), list[Fault]()
    for done, frame in enumerate(_frames(score, matched_annotations_list, workers), 1):
        stat.add(frame.sums)
        faults += frame.faults
        progress(done, len(matched_annotations_list))
    if faults:
        raise ResultFilesError(Path(pred_folder), faults)
    return stat


def _frames(score: Callable, pairs: Annotations, workers: int) -> Iterator[ScoredFrame]:
    if workers <= 1:
        yield from map(score, pairs)
        return
    with Workers(score, workers, context="spawn") as processes:
        yield from processes.map(pairs, ahead=2)


def average_pq(pq_stat: PQStat, categories: Categories) -> dict[str, Any]:
    """Return {"All", "Things", "Stuff": {"pq", "sq", "rq", "n"}, "per_class": {id: {"pq", "sq", "rq"}}} in 0..1."""
    results: dict[str, Any] = {}
    for name, isthing in _KINDS:
        results[name], of_class = pq_stat.pq_average(categories, isthing)
        if isthing is None:
            results["per_class"] = of_class
    return results


def print_results(results: Mapping[str, Any], categories: Categories) -> None:
    """Print PQ, SQ and RQ of each category and their means, in percent."""
    print("{:14s}| {:>5s}  {:>5s}  {:>5s}".format("Category", "PQ", "SQ", "RQ"))
    for category in sorted(results["per_class"]):
        _print_row(categories[category]["name"], results["per_class"][category])
    print("-" * 41)
    print("{:14s}| {:>5s}  {:>5s}  {:>5s} {:>5s}".format("", "PQ", "SQ", "RQ", "N"))
    for name, _ in _KINDS:
        _print_row(name, results[name], f" {results[name]['n']:5d}")


def _print_row(name: str, of: Mapping[str, float], after: str = "") -> None:
    print(f"{name:14s}| " + "  ".join(f"{100 * of[key]:5.1f}" for key in ("pq", "sq", "rq")) + after)


def evaluatePanoptic(
    gt_json_file: str, gt_folder: str, pred_json_file: str, pred_folder: str, resultsFile: str, workers: int = 1
) -> dict[str, Any]:
    """Score predictions in COCO's panoptic form, print the table, and write the result.

    Args:
        gt_json_file: JSON of the truth, as csCreatePanopticImgs writes it.
        gt_folder: Folder of its PNG files.
        pred_json_file: JSON of the predictions.
        pred_folder: Folder of their PNG files.
        resultsFile: The file to write.
        workers: Processes.

    Returns:
        What `average_pq` returns.

    Raises:
        InputError: If a file is missing or has faults, or an image has no prediction.
    """
    begin = time.perf_counter()
    print("Evaluation panoptic segmentation metrics:")
    for what, folder, file in (("Ground truth", gt_folder, gt_json_file), ("Prediction", pred_folder, pred_json_file)):
        print(f"{what}:\n\tSegmentation folder: {folder}\n\tJSON file: {file}")
    pairs, categories = pairs_of(gt_json_file, gt_folder, pred_json_file, pred_folder)
    results = average_pq(pq_compute_multi_core(pairs, gt_folder, pred_folder, categories, workers), categories)
    print(f"Saving computed results in {resultsFile}")
    write_export(results, resultsFile)
    print_results(results, categories)
    print(f"Time elapsed: {time.perf_counter() - begin:0.2f} seconds")
    return results


def pq_compute(
    gt_json_file: str, pred_json_file: str, gt_folder: str | None = None, pred_folder: str | None = None
) -> dict[str, Any]:
    """Score predictions as `panopticapi.evaluation.pq_compute` does.

    Folders are called like the JSON files by default.

    Raises:
        InputError: As `evaluatePanoptic` does.
    """
    truth, found = gt_folder or _folder_of(gt_json_file), pred_folder or _folder_of(pred_json_file)
    pairs, categories = pairs_of(gt_json_file, truth, pred_json_file, found)
    results = average_pq(pq_compute_multi_core(pairs, truth, found, categories), categories)
    print_results(results, categories)
    return results


def _folder_of(json_file: str) -> str:
    """Return the folder that is called like a JSON file."""
    return str(Path(json_file).with_suffix(""))


def evaluate(words: Sequence[str], prog: str | None = None) -> None:
    """Score what the words of a command line name, as the official command does."""
    truth = str(Path(dataset_path(), "gtFine", "cityscapes_panoptic_val.json"))
    found = str(Path(results_path(), "cityscapes_panoptic_val.json"))
    parser = argparse.ArgumentParser(prog=prog, description="Compute panoptic quality.")
    parser.add_argument("--gt-json-file", default=truth, help="JSON of the truth (default: %(default)s)")
    parser.add_argument("--gt-folder", help="folder of its PNG files (default: called like the JSON)")
    parser.add_argument("--prediction-json-file", default=found, help="JSON of the predictions (default: %(default)s)")
    parser.add_argument("--prediction-folder", help="folder of their PNG files (default: called like the JSON)")
    parser.add_argument("--results_file", default="resultPanopticSemanticLabeling.json", help="default: %(default)s")
    add_workers(parser)
    asked = parser.parse_args(words)
    for what, file in (("ground truth", asked.gt_json_file), ("prediction", asked.prediction_json_file)):
        if not Path(file).is_file():
            raise InputError(f"Could not find a {what} json file in {file}. Please run the script with '--help'")
    gt_folder = asked.gt_folder or _folder_of(asked.gt_json_file)
    folder = asked.prediction_folder or _folder_of(asked.prediction_json_file)
    images = len(read_json(asked.gt_json_file).get("images", ()))
    workers = asked.workers or usable_workers(images)
    evaluatePanoptic(asked.gt_json_file, gt_folder, asked.prediction_json_file, folder, asked.results_file, workers)


def main() -> None:
    """Run the command csEvalPanopticSemanticLabeling."""
    sys.exit(as_command(evaluate))


if __name__ == "__main__":
    main()
