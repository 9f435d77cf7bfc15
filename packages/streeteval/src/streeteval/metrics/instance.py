"""Compute Cityscapes' instance scores, the metric `InstanceScores`: AP, AP50, AP by size, boundary AP, average recall.

Axes: N images, B weightings, M numbers of proposals.
Source of every rule: cityscapesScripts 2.3.0, evaluation/evalInstanceLevelSemanticLabeling.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from streeteval.errors import InputError
from streeteval.labels import LabelSet
from streeteval.metrics.average_precision import OVERLAPS, ClassTable, class_table, instance_scores
from streeteval.metrics.boundary import BoundaryPairs
from streeteval.metrics.distance import truth_distances
from streeteval.metrics.matching import (
    EVERYWHERE,
    PROPOSAL_COUNTS,
    WITHIN_50_M,
    WITHIN_100_M,
    ImageMatches,
    match,
    overlaps,
)
from streeteval.metrics.metric import Detail, Metric, Predicted
from streeteval.metrics.pixel import mean_of_valid
from streeteval.scene import Scene

__all__ = [
    "InstanceScores",
    "Matches",
    "average_recall",
    "drawn_average_recall",
]

Matches = dict[str, ImageMatches]  # of one image, by the name of the criterion: "all"; with depth also "100m" and "50m"


class InstanceScores(Metric[Matches]):
    """AP, AP50 and average recall, also by size and within a distance. The record of an image is its `Matches`.

    Args:
        label_set: The classes.
        boundary: Whether boundary AP is computed as well.
    """

    name = "instance"
    record_key = "matches"

    def __init__(self, label_set: LabelSet, boundary: bool = False) -> None:
        super().__init__(label_set)
        self.boundary = boundary

    def observe(self, scene: Scene, prediction: Predicted, depth_HW: np.ndarray | None = None) -> Matches | None:
        """Match the instances of one image; None without instances.

        Raises:
            InputError: If instances or depth have another size than the truth.
        """
        if prediction.instances is None:
            return None
        found = overlaps(scene, prediction.instances, prediction.scores)
        pairs = BoundaryPairs(scene, prediction.instances, found) if self.boundary else None
        things = [label.id for label in self.label_set.things]
        matches = {EVERYWHERE.name: match(found, EVERYWHERE, things, boundary_iou=pairs)}
        if depth_HW is not None:
            if depth_HW.shape != scene.size:
                depth_size, size = ("x".join(map(str, reversed(one))) for one in (depth_HW.shape, scene.size))
                raise InputError(
                    f"{scene.name}: its depth is {depth_size}, the truth {size}: give depth of the truth's size"
                )
            distances = truth_distances(found, scene.instance_ids_HW, depth_HW)
            for criterion in (WITHIN_100_M, WITHIN_50_M):
                matches[criterion.name] = match(found, criterion, things, distances)
        return matches

    def summarise(
        self, records: Sequence[Matches], weights_BN: np.ndarray, detail: Detail | None = None
    ) -> dict[str, np.ndarray]:
        """Return AP and AP50 of each kind, and average recall; in detail also "ap <class>" and "ap <size> px"."""
        matches = [record[EVERYWHERE.name] for record in records]
        figures: dict[str, np.ndarray] = {}
        for place, tables in self._judged(records, detail):
            figures |= _drawn_aps(place, tables, weights_BN, of_classes=detail is not None and place == "{}")
        return figures | {f"ar.{n}": recall for n, recall in drawn_average_recall(matches, weights_BN).items()}

    def images_behind(self, records: Sequence[Matches], detail: Detail | None = None) -> dict[str, int]:
        """Count the images with an instance that counts for each figure; for AP of a class, with one of the class."""
        images: dict[str, int] = {}
        for place, tables in self._judged(records, detail):
            has_truth = {name: table.truths > 0 for name, table in tables.items()}
            any_class = int(np.any([*has_truth.values(), np.zeros(len(records), bool)], axis=0).sum())
            images |= {place.format(key): any_class for key in ("ap", "ap50")}
            if detail is not None and place == "{}":
                images |= {place.format(f"ap {name}"): int(of_class.sum()) for name, of_class in has_truth.items()}
        with_truth = sum(len(record[EVERYWHERE.name].truth_label) > 0 for record in records)
        return images | {f"ar.{n}": with_truth for n in PROPOSAL_COUNTS}

    def _judged(self, records: Sequence[Matches], detail: Detail | None) -> Iterator[tuple[str, dict[str, ClassTable]]]:
        """Yield the tables behind each AP of `summarise`, with its place: {} in it stands for the figure."""
        matches = [record[EVERYWHERE.name] for record in records]
        yield "{}", self._tables(matches)
        for name, low, below in detail.sizes if detail else ():
            yield f"{{}} {name} px", self._tables(matches, sizes_px=(low, below))
        if self.boundary:
            yield "boundary.{}", self._tables(matches, boundary=True)
        for name, within in _within(records).items():
            if within is not None:
                yield f"within_{name}.{{}}", self._tables(within)

    def scores(self, records: Sequence[Matches], detail: Detail) -> dict[str, Any]:
        """Return all figures, each also by class; docs/evaluation.md defines every key."""
        matches = [record[EVERYWHERE.name] for record in records]
        return {
            **self._aps(matches),
            "by_size": {name: self._aps(matches, sizes_px=(low, below)) for name, low, below in detail.sizes},
            "ar": average_recall(matches),
            "boundary": self._boundary(matches) if self.boundary else None,
            # None: needs the disparity and camera files.
            **{
                f"within_{name}": None if within is None else self._aps(within)
                for name, within in _within(records).items()
            },
        }

    def kinds(self, record: Matches) -> tuple[str, ...]:
        """Return the criteria: with depth or without."""
        return tuple(f"instances ({name})" for name in record)

    def record_to_json(self, record: Matches | None) -> dict[str, Any]:
        """Return a record as a JSON file holds it; {} without instances."""
        return {name: matches.to_dict() for name, matches in (record or {}).items()}

    def record_from_json(self, value: Mapping[str, Any]) -> Matches | None:
        """Restore a record from what a JSON file holds."""
        matches = {name: ImageMatches.from_dict(columns) for name, columns in value.items()}
        if matches and EVERYWHERE.name not in matches:
            raise KeyError(EVERYWHERE.name)
        return matches or None

    def _tables(self, matches: Sequence[ImageMatches], **how: Any) -> dict[str, ClassTable]:
        """Judge the predictions of each class; the keywords are those of `class_table`."""
        return {label.name: class_table(matches, label.id, **how) for label in self.label_set.things}

    def _aps(self, matches: Sequence[ImageMatches], **how: Any) -> dict[str, Any]:
        """Return AP and AP50, also by class; the keywords are those of `class_table`."""
        return instance_scores(self._tables(matches, **how))

    def _boundary(self, matches: Sequence[ImageMatches]) -> dict[str, Any]:
        """Return boundary AP, also by class."""
        on_truth = np.concatenate([m.boundary_iou for m in matches])
        return {**self._aps(matches, boundary=True), "mean_iou": float(mean_of_valid(on_truth))}


def _within(records: Sequence[Matches]) -> dict[str, list[ImageMatches] | None]:
    """Return the matches of each criterion of distance; None without depth."""
    names = (WITHIN_100_M.name, WITHIN_50_M.name)
    return {name: [record[name] for record in records] if name in records[0] else None for name in names}


def _drawn_aps(
    place: str, tables: dict[str, ClassTable], weights_BN: np.ndarray, of_classes: bool = False
) -> dict[str, np.ndarray]:
    """Return AP and AP50 of every weighting; `place` names them, with {} for the figure."""
    rows = [instance_scores(tables, weights_N) for weights_N in weights_BN]
    drawn = {place.format(key): np.array([row[key] for row in rows]) for key in ("ap", "ap50")}
    if of_classes:
        for name in tables:
            drawn[place.format(f"ap {name}")] = np.array([row["per_class"][name]["ap"] for row in rows])
    return drawn


def average_recall(matches: Sequence[ImageMatches]) -> dict[str, float]:
    """Compute the average recall of proposals ("InstanceFCN", section 4.2).

    It is the share of counted instances with an IoU above the threshold among the n predictions with the highest scores
    in their image, class aside; mean over the thresholds .5:.05:.95. Cityscapes instances do not overlap, so no
    prediction can serve two of them.

    Returns:
        {"10": ..., "100": ..., "1000": ...} in 0..1; NaN without truth.
    """
    once = np.ones((1, len(matches)), np.int64)
    return {n: float(recall_B[0]) for n, recall_B in drawn_average_recall(matches, once).items()}


def drawn_average_recall(matches: Sequence[ImageMatches], weights_BN: np.ndarray) -> dict[str, np.ndarray]:
    """Compute `average_recall` of every draw.

    Args:
        matches: The matches of the N images.
        weights_BN: (B, N) how often each image counts.

    Returns:
        (B,) each.
    """
    counts_N = np.array([len(m.truth_best_iou) for m in matches], np.int64)
    # An instance found at all thresholds counts 1.
    found = [(m.truth_best_iou[:, :, None] > OVERLAPS).mean(axis=2).sum(axis=0) for m in matches]
    found_BM = weights_BN @ np.array(found, np.float64).reshape(-1, len(PROPOSAL_COUNTS))
    truths_B = weights_BN @ counts_N
    with np.errstate(invalid="ignore"):
        recall_BM = found_BM / truths_B[:, None]
    return {str(n): recall_BM[:, column] for column, n in enumerate(PROPOSAL_COUNTS)}
