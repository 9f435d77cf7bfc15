"""Give each instance the number of its track: ByteTrack of the library trackers, with masks where boxes overlap."""

from __future__ import annotations

from typing import Any

import numpy as np
import supervision as sv
from PIL import Image
from trackers import ByteTrackTracker

from partwise.instances import Instances

__all__ = ["Tracker"]

# Scores are products of several factors, so they are lower than those of other detectors: the defaults of the
# library, .6 and .7, would find nothing.
HIGH_SCORE, NEW_TRACK_SCORE, LEAST_IOU, LOST_FRAMES_AT_30 = 0.2, 0.25, 0.1, 45


class Tracker:
    """Follows instances from frame to frame.

    Args:
        rate: Frames a second, positive.
        masks: Compare masks where several boxes overlap; otherwise boxes alone.
    """

    def __init__(self, rate: float, *, masks: bool = True) -> None:
        self._tracker = _MaskByteTrack(
            lost_track_buffer=LOST_FRAMES_AT_30,
            frame_rate=rate,
            track_activation_threshold=NEW_TRACK_SCORE,
            minimum_iou_threshold=LEAST_IOU,
            high_conf_det_threshold=HIGH_SCORE,
        )
        self._tracker.masks = masks

    def update(self, instances: Instances) -> np.ndarray:
        """Return the track of each instance of the next frame.

        Args:
            instances: The instances of the frame.

        Returns:
            (N,) int64, numbers from 0; -1 for an instance that is not in a track yet.
        """
        return self._tracker.follow(instances)


class _MaskByteTrack(ByteTrackTracker):
    """ByteTrack whose similarity is the IoU of masks for boxes that overlap several others.

    The library calls `_get_associated_indices` twice in a frame: with confident detections and all tracks, then with
    the others and the tracks that remain.
    """

    masks = True

    def follow(self, instances: Instances) -> np.ndarray:
        self._instances = instances
        self._rows: list[Any] | None = None
        tracks = np.full(len(instances), -1, np.int64)
        detections = sv.Detections(
            xyxy=instances.boxes.astype(np.float64).reshape(-1, 4),
            confidence=instances.scores.astype(np.float64),
            data={"order": np.arange(len(instances))},
        )
        high = instances.scores >= self.high_conf_det_threshold
        self._columns = [np.flatnonzero(high), np.flatnonzero(~high)]
        followed = self.update(detections)
        if followed.tracker_id is not None and len(followed):
            tracks[followed.data["order"]] = followed.tracker_id
        return tracks

    def _get_associated_indices(
        self, similarity_matrix: np.ndarray, min_similarity_thresh: float
    ) -> tuple[list[tuple[int, int]], list[int], list[int]]:
        first = self._rows is None
        rows: list[Any] = list(self.tracks) if self._rows is None else self._rows
        columns = self._columns[0 if first else 1]
        if self.masks and similarity_matrix.size:
            similarity_matrix = self._with_masks(similarity_matrix, rows, columns)
        matched, free_rows, free_columns = super()._get_associated_indices(similarity_matrix, min_similarity_thresh)
        for row, column in matched:
            rows[row].shape = self._instances.masks[columns[column]]
        self._rows = [rows[i] for i in free_rows]
        return matched, free_rows, free_columns

    def _with_masks(self, overlap: np.ndarray, rows: list[Any], columns: np.ndarray) -> np.ndarray:
        """Replace the IoU of boxes by that of masks for every pair that is not the only one of its row and column."""
        result, touch = overlap.copy(), overlap > 0
        several = touch & ((touch.sum(1) > 1)[:, None] | (touch.sum(0) > 1)[None])
        for row, column in np.argwhere(several):
            predicted = np.round(rows[row].get_state_bbox()).astype(int)
            i = columns[column]
            result[row, column] = _mask_iou(
                rows[row].shape, predicted, self._instances.masks[i], self._instances.boxes[i]
            )
        return result

    def _spawn_new_tracks(self, boxes: Any, scores: Any, unmatched: Any, high: Any, out: Any, ids: Any) -> None:
        before = len(self.tracks)
        super()._spawn_new_tracks(boxes, scores, unmatched, high, out, ids)
        new = [high[i] for i in unmatched if scores[high[i]] >= self.track_activation_threshold]
        added: list[Any] = self.tracks[before:]
        for track, i in zip(added, new, strict=True):
            track.shape = self._instances.masks[i]


def _mask_iou(last: np.ndarray, predicted: np.ndarray, mask: np.ndarray, box: np.ndarray) -> float:
    """IoU of the last mask of a track, stretched to its predicted box, and the mask of an instance."""
    x0, y0, x1, y1 = (int(value) for value in predicted)
    width, height = max(1, x1 - x0), max(1, y1 - y0)
    moved = np.asarray(Image.fromarray(last).resize((width, height), Image.Resampling.NEAREST))
    left, top = max(x0, int(box[0])), max(y0, int(box[1]))
    right, bottom = min(x0 + width, int(box[2])), min(y0 + height, int(box[3]))
    if left >= right or top >= bottom:
        return 0.0
    ours = moved[top - y0 : bottom - y0, left - x0 : right - x0]
    theirs = mask[top - box[1] : bottom - box[1], left - box[0] : right - box[0]]
    both = int((ours & theirs).sum())
    return both / max(1, int(moved.sum()) + int(mask.sum()) - both)
