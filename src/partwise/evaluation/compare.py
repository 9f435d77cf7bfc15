"""Whether one result is better than another on the same images: a paired bootstrap over images.

Axes: B draws.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from partwise.errors import PartwiseError
from partwise.evaluation.bootstrap import LEVEL, draw_images, drawn_scores, interval
from partwise.evaluation.evaluator import CityscapesEvaluator, ImageRecord
from partwise.evaluation.instance import SIDE_BOUNDS_PX
from partwise.evaluation.matching import ImageMatches
from partwise.evaluation.panoptic import SEGMENT_SUMS
from partwise.evaluation.pixel import flat_length
from partwise.files import json_ready
from partwise.labels import CITYSCAPES, LabelSet

RECORDS_KEY = "records"
DRAWS_AT_ONCE = 200  # between two calls of `progress`
COMPARED_SETTINGS = ("boundary", "panoptic")  # the others change no figure that is compared


def with_records(evaluator: CityscapesEvaluator) -> dict:
    """What `compute()` gives, and under "records" all that `compare` needs of each image, in JSON's own types."""
    return evaluator.compute() | {RECORDS_KEY: records_of(evaluator)}


def records_of(evaluator: CityscapesEvaluator) -> dict:
    """The records alone, for figures that are computed already."""
    images = {
        name: {
            "truth_crc32": record.truth_crc32,
            "pixels": record.pixels,
            "matches": {key: matches.to_dict() for key, matches in record.matches.items()},
            "segments": record.segments,
        }
        for name, record in sorted(evaluator.records.items())
    }
    return json_ready({"label_set": evaluator.label_set.name, "settings": asdict(evaluator.settings), "images": images})


def read_records(path: str | os.PathLike, label_set: LabelSet = CITYSCAPES) -> CityscapesEvaluator:
    """An evaluator as it was when its `with_records` was written to a JSON file (without COCO counts).

    Raises PartwiseError for a file that is absent, no JSON, has no records, or is damaged.
    """
    path = Path(path)
    segments_shape = (len(label_set.evaluated), len(SEGMENT_SUMS))
    try:
        records = json.loads(path.read_text(encoding="utf-8"))[RECORDS_KEY]
        if records["label_set"] != label_set.name:
            raise PartwiseError(f"{path}: scores of the classes of {records['label_set']}, not of {label_set.name}")
        kept = {key: records["settings"][key] for key in ("boundary", "panoptic", "draws", "seed")}
        evaluator = CityscapesEvaluator(label_set, **kept)
        for name, image in records["images"].items():
            evaluator.records[name] = ImageRecord(
                truth_crc32=image["truth_crc32"],
                pixels=None if image["pixels"] is None else _sums(image["pixels"], (flat_length(label_set),)),
                matches={key: ImageMatches.from_dict(columns) for key, columns in image["matches"].items()},
                segments=_sums(image["segments"], segments_shape) if kept["panoptic"] else None,
            )
        if len({record.kinds for record in evaluator.records.values()}) > 1:
            raise ValueError("not the same of every image")
    except OSError as error:
        raise PartwiseError(
            f"{path}: {(error.strerror or str(error)).lower()}: give an evaluation's JSON file"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
        raise PartwiseError(
            f"{path}: no evaluation with records of its images, or a damaged one: write it with partwise evaluate"
        ) from None
    return evaluator


def _sums(values: list, shape: tuple[int, ...]) -> np.ndarray:
    """Finite float64 of this shape. Raises ValueError or TypeError for anything else."""
    sums = np.array(values, np.float64)
    if sums.shape != shape or not np.isfinite(sums).all():
        raise ValueError(f"{sums.shape} and not {shape}, or not finite")
    return sums


def compare(
    a: CityscapesEvaluator,
    b: CityscapesEvaluator,
    draws: int = 1000,
    seed: int = 0,
    side_bounds_px: Sequence[int] = SIDE_BOUNDS_PX,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict:
    """The differences b - a of every headline figure, class and size, each with its 95 % interval.

    {"images", "draws", "level", "differences": {figure: {"a", "b", "difference", "low", "high", "sentence"}}}, all
    fractions; None where one side has no value.

    side_bounds_px   between the sizes, see `size_ranges`: records know each instance's own side
    progress    of the bootstrap: draws done, of A and B together, and all of them

    Raises PartwiseError for bounds that do not rise, and if the two were not made on the same images with the same
    truth and the same settings.
    """
    _refuse_unless_comparable(a, b)
    weights_BN = draw_images(len(a), draws, seed)
    once = np.ones((1, len(a)), np.int64)
    drawn = functools.partial(drawn_scores, in_detail=True, side_bounds_px=side_bounds_px)
    said = lambda before: lambda done: progress(before + done, 2 * draws)
    of_a, of_b = (_drawn_in_parts(drawn, x, weights_BN, said(before)) for x, before in ((a, 0), (b, draws)))
    value_a, value_b = (drawn(x.counted(), once) for x in (a, b))
    differences = {}
    for key in (key for key in of_a if key in of_b):  # COCO's verdicts are not in a JSON file
        low, high = interval(of_b[key] - of_a[key])
        row = {
            "a": float(value_a[key][0]),
            "b": float(value_b[key][0]),
            "difference": float(value_b[key][0] - value_a[key][0]),
            "low": low,
            "high": high,
        }
        differences[key] = row | {"sentence": _sentence(key, row)}
    return json_ready({"images": len(a), "draws": draws, "level": LEVEL, "differences": differences})


def _drawn_in_parts(
    drawn: Callable[..., dict[str, np.ndarray]],
    evaluator: CityscapesEvaluator,
    weights_BN: np.ndarray,
    progress: Callable[[int], None],
) -> dict[str, np.ndarray]:
    """What `drawn` gives for all draws; `progress` is told how many of them are done."""
    counted, parts = evaluator.counted(), []
    for begin in range(0, len(weights_BN), DRAWS_AT_ONCE):
        parts.append(drawn(counted, weights_BN[begin : begin + DRAWS_AT_ONCE]))
        progress(min(begin + DRAWS_AT_ONCE, len(weights_BN)))
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def _sentence(key: str, row: dict[str, float]) -> str:
    """What the interval says, in points (hundredths)."""
    if np.isnan(list(row.values())).any():
        return f"{key}: no difference can be given, one side has no value or too few images have the class"
    points, low, high = (100 * row[name] for name in ("difference", "low", "high"))
    said = f"{points:+.1f} points ({100 * LEVEL:.0f} % interval {low:+.1f} to {high:+.1f})"
    if low > 0:
        return f"{key}: B is better than A by {said}"
    if high < 0:
        return f"{key}: B is worse than A by {said}"
    return f"{key}: no difference is shown, B - A is {said}"


def _refuse_unless_comparable(a: CityscapesEvaluator, b: CityscapesEvaluator) -> None:
    what = None
    if not len(a) or not len(b):
        what = "one of them holds no image"
    elif a.records.keys() != b.records.keys():
        only = sorted(a.records.keys() ^ b.records.keys())
        what = f"{len(only)} images are in only one of them, the first is {only[0]}"
    elif changed := [name for name in sorted(a.records) if a.records[name].truth_crc32 != b.records[name].truth_crc32]:
        what = f"the truth of {len(changed)} images differs, the first is {changed[0]}"
    elif a.label_set != b.label_set:
        what = f"classes of {a.label_set.name} and of {b.label_set.name}"
    elif differing := [x for x in COMPARED_SETTINGS if getattr(a.settings, x) != getattr(b.settings, x)]:
        what = f"only one of them was scored with {' and '.join(differing)}"
    elif a.sorted_records()[0].kinds != b.sorted_records()[0].kinds:
        kinds = [", ".join(x.sorted_records()[0].kinds) for x in (a, b)]
        what = f"A scores {kinds[0]}, B {kinds[1]}"
    if what:
        raise PartwiseError(
            f"the two results cannot be compared: {what}: score both on the same data with the same options"
        )
