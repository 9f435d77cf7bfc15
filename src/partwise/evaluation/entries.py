"""Results of any tool as entries of single instances: COCO's JSON, or text files of YOLO."""

from __future__ import annotations

from pathlib import Path

from partwise.evaluation.coco_results import CocoResults, Frames, read_coco_results
from partwise.evaluation.yolo_results import is_yolo_results, read_yolo_results
from streeteval.labels import LabelSet

__all__ = ["holds_entries", "read_entries"]


def holds_entries(results: Path) -> bool:
    """Check whether results are a JSON file, or a folder with text files of YOLO."""
    return results.suffix.lower() == ".json" or (results.is_dir() and is_yolo_results(results))


def read_entries(results: Path, frames: Frames, label_set: LabelSet) -> CocoResults:
    """Read and check results of one of the two forms.

    Args:
        results: See `holds_entries`.
        frames: Of the truth.
        label_set: Of the truth.

    Raises:
        FaultyDataError: With every fault.
        PartwiseError: If a JSON file holds no results.
    """
    read = read_coco_results if results.suffix.lower() == ".json" else read_yolo_results
    return read(results, frames, label_set)
