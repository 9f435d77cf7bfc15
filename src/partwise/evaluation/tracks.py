"""Scores of tracks: HOTA (Luiten et al. 2021), IDF1 (Ristani et al. 2016) and changes of id, by TrackEval.

Overlap is the IoU of masks. Each category of classes, such as human and vehicle, is scored by itself, and the mean over
the categories is the score: an instance may be taken for another class of its category. As in MOTS, what is found
counts as false unless it overlaps the truth, or lies for more than half of it where the truth is not counted: on
groups, on instances of few pixels, and on classes that are not evaluated.

Axes: T counted instances of the truth, N found instances, H and W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from partwise.errors import PartwiseError
from partwise.scene import Scene
from streeteval.boxes import crop_iou
from streeteval.instances import Instances
from streeteval.labels import INSTANCE_FACTOR, LabelSet
from streeteval.rle import segments

__all__ = ["LEAST_PX", "TrackedFrame", "score_tracks", "tracked_frame"]

LEAST_PX = 100  # an instance of the truth that shows fewer pixels is not counted in that frame
_MATCH_IOU = 0.5  # of MOTS, for IDF1 and changes of id
_NO_TRACK = -1


@dataclass(frozen=True, eq=False)
class TrackedFrame:
    """What the scores need of one frame.

    Attributes:
        truth_ids: (T,) instance ids, class * 1000 + number.
        truth_categories: (T,) position of the category of each.
        found_categories: (N,) position of the category of each found instance; -1 for a class that is not evaluated.
        iou_TN: (T, N) IoU of masks.
        ignored_N: (N,) bool, what lies for more than half of it where the truth is not counted.
    """

    truth_ids: np.ndarray
    truth_categories: np.ndarray
    found_categories: np.ndarray
    iou_TN: np.ndarray
    ignored_N: np.ndarray


def tracked_frame(scene: Scene, found: Instances, least_px: int = LEAST_PX) -> TrackedFrame:
    """Compare what was found in a frame with its truth.

    Args:
        scene: The frame; its instance ids stay the same over the frames of a sequence.
        found: All instances that were found, in a track or not.
        least_px: Pixels from which on an instance of the truth is counted.
    """
    categories = _category_of_class(scene.label_set)
    ids, pixels, boxes = segments(scene.instance_ids_HW)
    classes = np.where(ids >= INSTANCE_FACTOR, ids // INSTANCE_FACTOR, ids)
    named = np.array([categories.get(int(one), -1) for one in classes], int)
    counted = (ids >= INSTANCE_FACTOR) & (named >= 0) & (pixels >= least_px)
    known = {label.id: label for label in scene.label_set}
    has_instances = np.array([int(one) in known and known[int(one)].has_instances for one in classes], bool)
    ignored_HW = np.isin(scene.instance_ids_HW, ids[has_instances & ~counted])
    masks = [scene.instance_ids_HW[y0:y1, x0:x1] == id_ for id_, (x0, y0, x1, y1) in zip(ids, boxes, strict=True)]
    places = np.flatnonzero(counted)
    iou_TN = np.zeros((len(places), len(found)))
    for t, i in enumerate(places):
        for n in range(len(found)):
            iou_TN[t, n] = crop_iou(boxes[i], masks[i], found.boxes[n], found.masks[n])
    shares = [
        np.count_nonzero(ignored_HW[y0:y1, x0:x1] & mask) / np.count_nonzero(mask)
        for (x0, y0, x1, y1), mask in zip(found.boxes.tolist(), found.masks, strict=True)
    ]
    found_categories = np.array([categories.get(int(label), -1) for label in found.labels], int)
    return TrackedFrame(ids[places], named[places], found_categories, iou_TN, np.array(shares) > 0.5)


def score_tracks(
    sequences: Sequence[Sequence[TrackedFrame]], tracks: Sequence[Sequence[np.ndarray]], label_set: LabelSet
) -> dict[str, Any]:
    """Score tracks over sequences. It needs the package trackeval.

    Args:
        sequences: The frames of each sequence.
        tracks: For each frame of each sequence (N,), the number of the track of each found instance; -1 for none.
        label_set: The classes.

    Returns:
        {"hota", "deta", "assa", "idf1", "id_changes", "categories": {name: the same}}: fractions, and the number of
        changes of id. The values at the top are means over the categories, the number is the sum.

    Raises:
        PartwiseError: If trackeval is not installed.
    """
    try:
        from trackeval.metrics import CLEAR, HOTA, Identity
    except ImportError:
        raise PartwiseError("scores of tracks need the package trackeval: pip install 'partwise[bench]'") from None
    quiet = {"PRINT_CONFIG": False, "THRESHOLD": _MATCH_IOU}
    measures = {"hota": HOTA(), "identity": Identity(quiet), "clear": CLEAR(quiet)}
    rows = {}
    for place, name in enumerate(label_set.things_by_category):
        data = [_of_category(frames, one, place) for frames, one in zip(sequences, tracks, strict=True)]
        joined = {
            key: measure.combine_sequences({str(i): measure.eval_sequence(one) for i, one in enumerate(data)})
            for key, measure in measures.items()
        }
        hota = {key: float(np.mean(joined["hota"][name])) for key, name in _HOTA_FIELDS.items()}
        changes = int(joined["clear"]["IDSW"])
        rows[name] = hota | {"idf1": float(joined["identity"]["IDF1"]), "id_changes": changes}
    means = {key: float(np.mean([row[key] for row in rows.values()])) for key in (*_HOTA_FIELDS, "idf1")}
    return means | {"id_changes": sum(row["id_changes"] for row in rows.values()), "categories": rows}


_HOTA_FIELDS = {"hota": "HOTA", "deta": "DetA", "assa": "AssA"}


def _category_of_class(label_set: LabelSet) -> dict[int, int]:
    """Id of an evaluated class with instances -> the position of its category."""
    groups = label_set.things_by_category.values()
    return {label.id: place for place, labels in enumerate(groups) for label in labels}


def _of_category(frames: Sequence[TrackedFrame], tracks: Sequence[np.ndarray], place: int) -> dict[str, Any]:
    """The data of one sequence and one category in the form of TrackEval."""
    truth, found, overlaps = [], [], []
    for frame, tracks_N in zip(frames, tracks, strict=True):
        rows = np.flatnonzero(frame.truth_categories == place)
        taken = (frame.found_categories == place) & (tracks_N != _NO_TRACK)
        best_N = frame.iou_TN[rows].max(axis=0, initial=0.0)
        columns = np.flatnonzero(taken & ~(frame.ignored_N & (best_N <= _MATCH_IOU)))
        truth.append(frame.truth_ids[rows])
        found.append(tracks_N[columns])
        overlaps.append(frame.iou_TN[np.ix_(rows, columns)])
    truth_names, found_names = (np.unique(np.concatenate([[], *ids]).astype(int)) for ids in (truth, found))
    return {
        "gt_ids": [np.searchsorted(truth_names, ids) for ids in truth],
        "tracker_ids": [np.searchsorted(found_names, ids) for ids in found],
        "similarity_scores": overlaps,
        "num_timesteps": len(frames),
        "num_gt_ids": len(truth_names),
        "num_tracker_ids": len(found_names),
        "num_gt_dets": sum(map(len, truth)),
        "num_tracker_dets": sum(map(len, found)),
    }
