"""Explain the instance score of one image: which prediction matched what, which was ignored and why, what was missed.

The verdicts are those that AP counts at one overlap; `class_table` of metrics/average_precision.py counts the same.

Axes: P predictions, K values in the truth's map of instance ids, T counted instances of the truth.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from streeteval.labels import INSTANCE_FACTOR, LabelSet
from streeteval.metrics.matching import EVERYWHERE, ImageMatches, Overlaps, match, overlaps
from streeteval.scene import Scene

__all__ = [
    "DUPLICATE",
    "FALSE",
    "FOUND",
    "IGNORED",
    "MISSED",
    "NOT_COUNTED",
    "TRUE",
    "Explanation",
    "Verdict",
    "explain",
]

TRUE, DUPLICATE, FALSE, IGNORED = "true positive", "duplicate", "false positive", "ignored"  # of predictions
FOUND, MISSED, NOT_COUNTED = "found", "missed", "not counted"  # of instances of the truth


@dataclass(frozen=True)
class Verdict:
    """What became of one prediction, or of one instance of the truth.

    Attributes:
        number: Of a prediction, its place among the predictions; of a truth, its instance id.
        label: Name of the class.
        verdict: TRUE, DUPLICATE, FALSE or IGNORED; of the truth FOUND, MISSED or NOT_COUNTED.
        why: In words.
        score: Confidence of a prediction; None for the truth.
        iou: The IoU that decided, 0..1.
        partner: Instance id that a prediction lies on, or number of the prediction that found a truth; None for none.
    """

    number: int
    label: str
    verdict: str
    why: str
    score: float | None = None
    iou: float = 0.0
    partner: int | None = None

    def __str__(self) -> str:
        score = "" if self.score is None else f" {self.score:.2f}"
        return f"{self.verdict}: {self.label}{score} ({self.number}): {self.why}"


@dataclass(frozen=True)
class Explanation:
    """All verdicts on one image at one overlap.

    Attributes:
        name: Of the image.
        overlap: The threshold of IoU.
        predictions: The verdicts on predictions of classes with AP, highest confidence first.
        truth: The verdicts on the instances and groups of these classes, by their ids.
    """

    name: str
    overlap: float
    predictions: tuple[Verdict, ...]
    truth: tuple[Verdict, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return everything in JSON's own types."""
        return asdict(self)

    def lines(self) -> Iterator[str]:
        """Yield the verdicts in words."""
        yield f"{self.name}, overlap above {self.overlap:g}"
        yield from map(str, (*self.predictions, *self.truth))


def explain(scene: Scene, instances: Any, scores: np.ndarray | None = None, *, overlap: float = 0.5) -> Explanation:
    """Judge every prediction and every instance of the truth of one image, as AP does.

    Args:
        scene: The image with its truth.
        instances: The predicted `Instances`.
        scores: (N,) float64 confidences in place of `instances.scores`.
        overlap: Threshold of IoU, at least .5.

    Raises:
        InputError: If the predictions belong to an image of another size.
    """
    found = overlaps(scene, instances, scores)
    things = [label.id for label in scene.label_set.things]
    matches = match(found, EVERYWHERE, things)
    counted_K = (found.truth_ids >= INSTANCE_FACTOR) & (found.truth_px >= EVERYWHERE.min_px)
    counted_ids = found.truth_ids[counted_K & np.isin(found.truth_labels, things)].tolist()
    finder: dict[int, int] = {}  # instance id -> place of the prediction that found it
    verdicts = []
    for p in np.argsort(-matches.score, kind="stable").tolist():
        verdicts.append(_of_prediction(p, found, matches, counted_ids, finder, overlap, scene.label_set))
    names = {p: int(found.indices[p]) for p in range(len(found.indices))}
    truth = tuple(_of_truths(found, matches, things, finder, names, overlap, scene.label_set))
    return Explanation(scene.name, overlap, tuple(verdicts), truth)


def _of_prediction(
    p: int,
    found: Overlaps,
    matches: ImageMatches,
    counted_ids: list[int],
    finder: dict[int, int],
    overlap: float,
    label_set: LabelSet,
) -> Verdict:
    """Judge prediction p; predictions with higher confidence are judged already and stand in `finder`."""
    iou, place = float(matches.iou[p]), int(matches.truth[p])
    true_id = counted_ids[place] if place >= 0 else None
    label = label_set.name_of(int(found.labels[p]))
    make = lambda verdict, why, iou=iou, partner=true_id: Verdict(
        int(found.indices[p]), label, verdict, why, float(found.scores[p]), round(iou, 4), partner
    )
    if true_id is not None and iou > overlap:
        if true_id not in finder:
            finder[true_id] = p
            return make(TRUE, f"on {true_id}, IoU {iou:.2f}")
        first = int(found.indices[finder[true_id]])
        return make(DUPLICATE, f"on {true_id}, IoU {iou:.2f}, which prediction {first} found with a higher confidence")
    if matches.ignored_iou[p] > overlap:
        return make(IGNORED, f"on a group or a truth below {EVERYWHERE.min_px} px, IoU {matches.ignored_iou[p]:.2f}")
    if matches.ignored_share[p] > overlap:
        on_void = found.void_px[p] / found.pixels[p]
        share = f"{100 * min(matches.ignored_share[p], 1):.0f} % of its pixels are on what is ignored"
        return make(IGNORED, f"{share} (void {100 * on_void:.0f} %, the rest groups and small truths)")
    if true_id is not None:
        return make(FALSE, f"most on {true_id}, IoU {iou:.2f} is not above {overlap:g}")
    return make(FALSE, _other_class(p, found, label_set), 0.0, None)


def _other_class(p: int, found: Overlaps, label_set: LabelSet) -> str:
    """Say what a prediction lies on that touches no truth of its class."""
    k = int(found.shared_px_PK[p].argmax())
    share = found.shared_px_PK[p, k] / found.pixels[p]
    return (
        f"on no {label_set.name_of(int(found.labels[p]))}; {100 * share:.0f} % of it on {_named(found, k, label_set)}"
    )


def _named(found: Overlaps, k: int, label_set: LabelSet) -> str:
    id_ = int(found.truth_ids[k])
    return f"{label_set.name_of(int(found.truth_labels[k]))}" + (f" {id_}" if id_ >= INSTANCE_FACTOR else "")


def _of_truths(
    found: Overlaps,
    matches: ImageMatches,
    things: list[int],
    finder: dict[int, int],
    names: dict[int, int],
    overlap: float,
    label_set: LabelSet,
) -> Iterator[Verdict]:
    """Judge the instances and groups of the classes with AP."""
    iou_PK = found.shared_px_PK / (found.truth_px + found.pixels[:, None] - found.shared_px_PK)
    for k in np.flatnonzero(np.isin(found.truth_labels, things)).tolist():
        id_, pixels = int(found.truth_ids[k]), int(found.truth_px[k])
        label = label_set.name_of(int(found.truth_labels[k]))
        if id_ < INSTANCE_FACTOR:
            yield Verdict(id_, label, NOT_COUNTED, f"a group, {pixels} px")
        elif pixels < EVERYWHERE.min_px:
            yield Verdict(id_, label, NOT_COUNTED, f"{pixels} px, fewer than {EVERYWHERE.min_px}")
        elif id_ in finder:
            p = finder[id_]
            iou = float(iou_PK[p, k])
            yield Verdict(id_, label, FOUND, f"by prediction {names[p]}, IoU {iou:.2f}", None, round(iou, 4), names[p])
        else:
            yield _missed(k, iou_PK, found, names, overlap, label_set)


def _missed(
    k: int, iou_PK: np.ndarray, found: Overlaps, names: dict[int, int], overlap: float, label_set: LabelSet
) -> Verdict:
    """Judge a counted instance that no prediction found."""
    id_, label = int(found.truth_ids[k]), label_set.name_of(int(found.truth_labels[k]))
    own = found.labels == found.truth_labels[k]
    best = {}
    for whose, rows in (("own", np.flatnonzero(own)), ("other", np.flatnonzero(~own))):
        if len(rows) and iou_PK[rows, k].max() > 0:
            best[whose] = int(rows[iou_PK[rows, k].argmax()])
    if "other" in best and iou_PK[best["other"], k] > overlap:
        p = best["other"]
        other = label_set.name_of(int(found.labels[p]))
        why = f"prediction {names[p]} covers it with IoU {iou_PK[p, k]:.2f}, but says {other}"
    elif "own" in best:
        p = best["own"]
        why = f"the best of its class, prediction {names[p]}, has IoU {iou_PK[p, k]:.2f}, not above {overlap:g}"
    else:
        return Verdict(id_, label, MISSED, "no prediction of its class touches it")
    return Verdict(id_, label, MISSED, why, None, round(float(iou_PK[p, k]), 4), names[p])
