"""Decide whether one result is better than another on the same images: a paired bootstrap over images.

Axes: B draws, N images.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from streeteval.errors import InputError
from streeteval.evaluator import CityscapesEvaluator, ImageRecord
from streeteval.files import json_ready
from streeteval.labels import LABEL_SETS, LabelSet
from streeteval.metrics.available import METRICS, OWN_RECORD_KEYS, find_metric
from streeteval.metrics.bootstrap import FEWEST_IMAGES, LEVEL, draw_images, interval
from streeteval.metrics.metric import SIDE_BOUNDS_PX, Detail, Metric, size_ranges

RECORDS_KEY = "records"
DRAWS_AT_ONCE = 200  # between two calls of `progress`
COMPARED_SETTINGS = ("boundary", "panoptic")  # the others change no figure that is compared


def with_records(evaluator: CityscapesEvaluator) -> dict:
    """Return what `compute()` gives, and under "records" all that `compare` needs of each image, as JSON holds it."""
    return evaluator.compute() | {RECORDS_KEY: records_of(evaluator)}


def records_of(evaluator: CityscapesEvaluator) -> dict:
    """Return only the records, for figures that are computed already."""
    images = {
        name: {
            "truth_crc32": record.truth_crc32,
            **dict.fromkeys(OWN_RECORD_KEYS),
            **{
                metric.record_key: metric.record_to_json(record.parts.get(metric.name))
                for metric in evaluator.metrics
                if metric.record_key
            },
        }
        for name, record in sorted(evaluator.records.items())
    }
    classes = {"label_set": evaluator.label_set.name, "classes": evaluator.label_set.to_dict()}
    return json_ready({**classes, "settings": evaluator.described(), "images": images})


def read_records(
    path: str | os.PathLike | Mapping[str, Any], label_set: LabelSet | None = None, metrics: Sequence[Metric[Any]] = ()
) -> CityscapesEvaluator:
    """Restore an evaluator from a JSON file to which its `with_records` was written (without COCO's verdicts).

    Args:
        path: Path of the file, or what it holds.
        label_set: The classes that it must have been scored with; None for those that the file holds. A file of an
            earlier version holds only the name of its label set.
        metrics: Metrics that the file may hold and no installed package announces.

    Raises:
        InputError: If the file is missing, is no JSON, has no records or is damaged, has other classes than
            `label_set`, or a metric or the label set of an old file is not installed.
    """
    place = "the evaluation" if isinstance(path, Mapping) else os.fspath(path)
    given = {metric.name: metric for metric in metrics}
    try:
        held = path if isinstance(path, Mapping) else json.loads(Path(path).read_bytes())
        records = held[RECORDS_KEY]
        label_set = _classes_of(records, label_set, place)
        settings = records["settings"]
        kept = {key: settings[key] for key in ("boundary", "panoptic", "draws", "seed")}
        others = settings.get("metrics", [])
        if missing := [name for name in others if name not in given and name not in METRICS]:
            raise InputError(
                f"{place}: was scored with the metric {missing[0]!r}, which no installed package has: install the "
                "package that adds it"
            )
        found = [given.get(name) or find_metric(name)(label_set) for name in others]
        evaluator = CityscapesEvaluator(label_set, metrics=found, **kept)
        for name, image in records["images"].items():
            stored = [metric for metric in evaluator.metrics if metric.record_key]
            parts = {metric.name: metric.record_from_json(image[metric.record_key]) for metric in stored}
            evaluator.records[name] = ImageRecord(image["truth_crc32"], parts)
        if len({evaluator.kinds(record) for record in evaluator.records.values()}) > 1:
            raise ValueError("not the same of every image")
    except OSError as error:
        raise InputError(f"{place}: {(error.strerror or str(error)).lower()}: give an evaluation's JSON file") from None
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
        raise InputError(
            f"{place}: no evaluation with records of its images, or a damaged one: write it again"
        ) from None
    return evaluator


def _classes_of(records: Mapping[str, Any], label_set: LabelSet | None, place: str) -> LabelSet:
    """Return the classes that records were made with; `label_set` where only its name is in the file.

    Raises:
        InputError: If they are not those of `label_set`, or it is not given and not installed.
    """
    held = LabelSet.from_dict(records["classes"], place) if "classes" in records else None
    if label_set is None:
        return held or LABEL_SETS.find(records["label_set"], place)
    if not held.same_classes(label_set) if held else records["label_set"] != label_set.name:
        raise InputError(f"{place}: scores of the classes of {records['label_set']}, not of {label_set.name}")
    return held or label_set


def compare(
    a: CityscapesEvaluator,
    b: CityscapesEvaluator,
    draws: int = 1000,
    seed: int = 0,
    side_bounds_px: Sequence[int] = SIDE_BOUNDS_PX,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict:
    """Compute the differences b - a of every headline figure, class and size, each with its 95 % interval.

    Args:
        a: The first result.
        b: The second result, on the same images.
        draws: Number of bootstrap draws.
        seed: Seed of the draws.
        side_bounds_px: Bounds between the sizes, see `size_ranges`; records know each instance's own side.
        progress: Called with the bootstrap draws that are done, of A and B together, and with all of them.

    Returns:
        {"images", "draws", "level", "differences": {figure: {"a", "b", "difference", "low", "high", "images",
        "sentence"}}}: fractions of 1, None if one side has no value; "images" is how many have truth for the figure,
        and "low" and "high" are None if these are too few (`FEWEST_IMAGES`).

    Raises:
        InputError: If the bounds do not rise, or the results were not made on the same images with the same truth
            and the same settings.
    """
    _refuse_unless_comparable(a, b)
    weights_BN = draw_images(len(a), draws, seed)
    detail = Detail(size_ranges(side_bounds_px))
    of_b = {metric.name: records for metric, records in b.observed()}
    both = [(metric, of_a, of_b[metric.name]) for metric, of_a in a.observed() if metric.name in of_b]
    differences: dict[str, dict[str, Any]] = {}  # COCO's verdicts are not in a JSON file
    for number, (metric, *records) in enumerate(both):
        done_before = 2 * draws * number
        said = lambda done, before=done_before: progress((before + done) // len(both), 2 * draws)
        differences |= _differences(metric, records, weights_BN, detail, said)
    return json_ready({"images": len(a), "draws": draws, "level": LEVEL, "differences": differences})


def _differences(
    metric: Metric[Any],
    records: Sequence[list[Any]],
    weights_BN: np.ndarray,
    detail: Detail,
    progress: Callable[[int], None],
) -> dict[str, dict[str, Any]]:
    """Return the rows of one metric by the places of its figures; `progress` is told the draws that are done."""
    once = np.ones((1, weights_BN.shape[1]), np.int64)
    said = lambda before: lambda done: progress(before + done)
    drawn_a, drawn_b = (
        _drawn_in_parts(metric, of, weights_BN, detail, said(i * len(weights_BN))) for i, of in enumerate(records)
    )
    value_a, value_b = (metric.summarise(of, once, detail) for of in records)
    images = metric.images_behind(records[0], detail)  # the truth of both is the same
    differences = {}
    for figure in drawn_a:
        low, high = interval(drawn_b[figure] - drawn_a[figure], images[figure])
        row = {
            "a": float(value_a[figure][0]),
            "b": float(value_b[figure][0]),
            "difference": float(value_b[figure][0] - value_a[figure][0]),
            "low": low,
            "high": high,
            "images": images[figure],
        }
        key = f"{metric.name}.{figure}"
        differences[key] = row | {"sentence": _sentence(key, row, metric)}
    return differences


def _drawn_in_parts(
    metric: Metric[Any],
    records: list[Any],
    weights_BN: np.ndarray,
    detail: Detail,
    progress: Callable[[int], None],
) -> dict[str, np.ndarray]:
    """Return what the metric gives for all draws; `progress` is told how many of them are done."""
    parts = []
    for begin in range(0, len(weights_BN), DRAWS_AT_ONCE):
        parts.append(metric.summarise(records, weights_BN[begin : begin + DRAWS_AT_ONCE], detail))
        progress(min(begin + DRAWS_AT_ONCE, len(weights_BN)))
    return {figure: np.concatenate([part[figure] for part in parts]) for figure in parts[0]}


def _sentence(key: str, row: Mapping[str, float], metric: Metric[Any]) -> str:
    """Say what the interval means; differences of fractions are in points (hundredths)."""
    if np.isnan(row["difference"]):
        return f"{key}: no difference can be given, one side has no value"
    if np.isnan(row["low"]):
        few = f"too few images have the class or any truth for it: {row['images']}, and an interval needs"
        return f"{key}: no difference can be given, {few} {FEWEST_IMAGES}"
    if metric.fractions:
        difference, low, high = (f"{100 * row[name]:+.1f}" for name in ("difference", "low", "high"))
        said = f"{difference} points ({100 * LEVEL:.0f} % interval {low} to {high})"
    else:
        difference, low, high = (f"{row[name]:+.4g}" for name in ("difference", "low", "high"))
        said = f"{difference} ({100 * LEVEL:.0f} % interval {low} to {high})"
    if row["low"] == row["high"] != 0:
        return f"{key}: no difference can be given, every draw gives the same value, B - A is {said}"
    if row["low"] > 0 or row["high"] < 0:
        better = (row["low"] > 0) == (metric.better == "higher")
        return f"{key}: B is {'better' if better else 'worse'} than A by {said}"
    return f"{key}: no difference is shown, B - A is {said}"


def _refuse_unless_comparable(a: CityscapesEvaluator, b: CityscapesEvaluator) -> None:
    """Check that two results can be compared.

    Raises:
        InputError: If they were made on different images, with different truth or with different settings.
    """
    what = None
    if not len(a) or not len(b):
        what = "one of them holds no image"
    elif a.records.keys() != b.records.keys():
        only = sorted(a.records.keys() ^ b.records.keys())
        what = f"{len(only)} images are in only one of them, the first is {only[0]}"
    elif changed := [name for name in sorted(a.records) if a.records[name].truth_crc32 != b.records[name].truth_crc32]:
        what = f"the truth of {len(changed)} images differs, the first is {changed[0]}"
    elif not a.label_set.same_classes(b.label_set):
        names = [", ".join(label.name for label in x.label_set.evaluated) for x in (a, b)]
        what = f"their classes differ: A has {names[0]}, B {names[1]}"
    elif differing := _differing_settings(a, b):
        what = f"only one of them was scored with {' and '.join(differing)}"
    elif len(kinds := {x.kinds(next(iter(x.records.values()))): x for x in (a, b)}) > 1:
        said = [", ".join(kind) or "nothing" for kind in kinds]
        what = f"A scores {said[0]}, B {said[1]}"
    if what:
        raise InputError(
            f"the two results cannot be compared: {what}: score both on the same data with the same options"
        )


def _differing_settings(a: CityscapesEvaluator, b: CityscapesEvaluator) -> list[str]:
    """Name the settings that differ, with both values."""
    names_a, names_b = ({metric.name for metric in x.others} for x in (a, b))
    own = [name for name in COMPARED_SETTINGS if getattr(a.settings, name) != getattr(b.settings, name)]
    return own + sorted(names_a ^ names_b)
