"""Follow instances from frame to frame: ByteTrack (Zhang et al. 2022) of the library `trackers`, on masks.

ByteTrack predicts the box of each track and assigns detections by overlap, the confident ones first. Here the overlap
is a mean of that of the boxes and that of the masks: the mask that a track had last, moved into its predicted box. So
two cars whose boxes overlap are told apart by their outlines. Instances of another category, such as a person on a
vehicle, never continue a track.

Axes: N instances, M tracks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from partwise.errors import PartwiseError
from streeteval.boxes import crop_iou
from streeteval.instances import Instances
from streeteval.labels import LabelSet

__all__ = ["NO_TRACK", "TrackSettings", "Tracker"]

NO_TRACK = -1
_TOLD_APART_PX = 1e-6


@dataclass(frozen=True)
class TrackSettings:
    """Thresholds of the tracker.

    The scores of partwise are products (of objectness, class and mask) and lower than those of other detectors, for
    which ByteTrack's own thresholds of 0.6 and 0.7 are made. The defaults were chosen on rendered sequences
    (docs/log/2026-11-30-tracks.md).

    Attributes:
        low: Least score of an instance that continues a track, 0..1.
        high: Least score of an instance that is assigned first, 0..1.
        start: Least score of an instance that begins a track, 0..1.
        overlap: Least overlap that continues a track, 0..1.
        lost_seconds: Seconds for which a track waits for an instance that is covered.
        mask_share: Share of the masks in the overlap, 0..1; the rest is that of the boxes.
    """

    low: float = 0.06
    high: float = 0.1
    start: float = 0.1
    overlap: float = 0.05
    lost_seconds: float = 1.5
    mask_share: float = 0.75

    def __post_init__(self) -> None:
        for name in ("low", "high", "start", "overlap", "mask_share"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise PartwiseError(f"tracking: {name} {value!r}: give a number from 0 to 1")
        if not self.lost_seconds >= 0:
            raise PartwiseError(f"tracking: lost_seconds {self.lost_seconds!r}: give a number from 0 on")


DEFAULT_TRACKING = TrackSettings()


@dataclass
class _Known:
    """What is kept of a track: its last mask with its box, and how much score each class had."""

    mask: np.ndarray
    box: np.ndarray
    votes: dict[int, float] = field(default_factory=dict)

    @property
    def label(self) -> int:
        """The class with the highest sum of scores so far."""
        return max(self.votes, key=lambda label: self.votes[label])


class Tracker:
    """Gives instances of consecutive frames the numbers of their tracks.

    Args:
        rate: Frames a second that `update` will see.
        label_set: The classes of the instances.
        settings: The thresholds.
    """

    def __init__(self, rate: float, label_set: LabelSet, settings: TrackSettings = DEFAULT_TRACKING) -> None:
        from trackers import ByteTrackTracker

        self.settings = settings
        self._categories = {label.id: label.category for label in label_set}
        self._known: dict[int, _Known] = {}
        self._overlap = _mask_overlap(self, settings.mask_share)
        self._library = ByteTrackTracker(
            lost_track_buffer=round(30 * settings.lost_seconds),
            frame_rate=float(rate),
            track_activation_threshold=settings.start,
            minimum_consecutive_frames=2,
            minimum_iou_threshold=settings.overlap,
            high_conf_det_threshold=settings.high,
            iou=self._overlap,
        )

    def update(self, instances: Instances) -> np.ndarray:
        """Continue the tracks with the instances of the next frame.

        Args:
            instances: What was found, with scores from `settings.low` on.

        Returns:
            (N,) int64: number of the track of each instance, from 0 on; NO_TRACK for one that is in no track. A track
            gets its number with its second instance.
        """
        import supervision

        kept = np.flatnonzero(instances.scores >= self.settings.low)
        boxes = instances.boxes[kept].astype(np.float64).reshape(-1, 4)
        boxes += _TOLD_APART_PX * np.arange(len(kept))[:, None]  # the measure of overlap knows instances by their boxes
        found = supervision.Detections(
            xyxy=boxes,
            confidence=instances.scores[kept].astype(np.float64),
            class_id=instances.labels[kept].astype(int),
            data={"place": kept},
        )
        self._overlap.see(instances, kept, boxes)
        followed = self._library.update(found)
        tracks_N = np.full(len(instances), NO_TRACK, np.int64)
        if followed.tracker_id is not None and len(followed):
            tracks_N[np.asarray(followed.data["place"])] = followed.tracker_id
        self._remember(instances, tracks_N)
        return tracks_N

    def _remember(self, instances: Instances, tracks_N: np.ndarray) -> None:
        for i in np.flatnonzero(tracks_N != NO_TRACK):
            known = self._known.setdefault(int(tracks_N[i]), _Known(instances.masks[i], instances.boxes[i]))
            known.mask, known.box = instances.masks[i], instances.boxes[i]
            label = int(instances.labels[i])
            known.votes[label] = known.votes.get(label, 0.0) + float(instances.scores[i])
        alive = {tracklet.tracker_id for tracklet in self._library.tracks}
        for track in set(self._known) - alive - set(tracks_N.tolist()):
            del self._known[track]

    def predicted(self) -> dict[bytes, list[_Known | None]]:
        """The predicted box of each track (its bytes) -> what is kept of the tracks with it; None for a new one."""
        predicted: dict[bytes, list[_Known | None]] = {}
        for tracklet in self._library.tracks:
            box = np.asarray(tracklet.get_state_bbox(), np.float64).tobytes()
            predicted.setdefault(box, []).append(self._known.get(tracklet.tracker_id))
        return predicted

    def category_of(self, label: int) -> str:
        """The category of a class."""
        return self._categories.get(label, "")


def _mask_overlap(tracker: Tracker, mask_share: float) -> Any:
    """Make the measure of overlap that the library asks for: IoU of masks and of boxes where boxes overlap."""
    from trackers import BaseIoU, IoU

    class MaskOverlap(BaseIoU):
        """IoU of masks and boxes between tracks and instances; of boxes alone for a track that is new."""

        def __init__(self) -> None:
            self.boxes = IoU()
            self.found: dict[bytes, tuple[np.ndarray, np.ndarray, str]] = {}

        def see(self, instances: Instances, kept: np.ndarray, boxes: np.ndarray) -> None:
            """Take the instances of a frame, and the boxes by which they are known."""
            category = lambda i: tracker.category_of(int(instances.labels[i]))
            self.found = {
                box.tobytes(): (instances.masks[i], instances.boxes[i], category(i))
                for i, box in zip(kept, boxes, strict=True)
            }

        def _compute(self, boxes_1: np.ndarray, boxes_2: np.ndarray) -> np.ndarray:
            overlap_MN = np.array(self.boxes.compute(boxes_1, boxes_2), np.float64)
            predicted = tracker.predicted()
            for m, box in enumerate(boxes_1):
                tracks = predicted.get(np.asarray(box, np.float64).tobytes())
                known = tracks.pop(0) if tracks else None
                if known is None:
                    continue
                for n in np.flatnonzero(overlap_MN[m] > 0):
                    overlap_MN[m, n] = self._of_both(known, box, boxes_2[n], float(overlap_MN[m, n]))
            return overlap_MN

        def _of_both(self, known: _Known, predicted: np.ndarray, box: np.ndarray, of_boxes: float) -> float:
            mask, own_box, category = self.found[np.asarray(box, np.float64).tobytes()]
            if category != tracker.category_of(known.label):
                return 0.0
            if mask_share == 0:
                return of_boxes
            of_masks = _moved_iou(known, predicted, mask, own_box)
            return mask_share * of_masks + (1 - mask_share) * of_boxes

    return MaskOverlap()


def _moved_iou(kept: _Known, predicted: np.ndarray, mask: np.ndarray, box: np.ndarray) -> float:
    """IoU of a mask with the mask that a track had last, moved to the middle of its predicted box."""
    old = kept.box.astype(np.float64)
    shift = np.round(((predicted[:2] + predicted[2:]) - (old[:2] + old[2:])) / 2).astype(int)
    return crop_iou(kept.box + np.tile(shift, 2), kept.mask, box, mask)
