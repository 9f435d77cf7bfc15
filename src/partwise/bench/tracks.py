"""Score trackers on rendered streets that move, with what a model finds and with the truth as detections.

The model sees each frame once; every tracker gets the same instances. The truth as detections shows what a tracker
loses by itself.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np

from partwise.bench.models import size_name
from partwise.bench.speed import with_threads
from partwise.bench.thresholds import choose_settings
from partwise.data.streets.sequence import RATE, StreetSequence, render_sequence
from partwise.errors import PartwiseError
from partwise.evaluation.tracks import LEAST_PX, TrackedFrame, score_tracks, tracked_frame
from partwise.report.tables import Table, fraction
from partwise.report.text import table_text
from partwise.scene import Scene
from partwise.segmenter import Segmenter, load
from partwise.video.tracker import DEFAULT_TRACKING, NO_TRACK, Tracker, TrackSettings
from streeteval.instances import Instances
from streeteval.labels import CITYSCAPES
from streeteval.machine import describe_machine

__all__ = ["bench_tracks", "tracks_text"]

REPORT_SEED, CHOICE_SEED = 1000, 2000  # of the first sequence that is reported, and of the first for the choice
PAVEMENT_EACH = 4  # each fourth sequence is seen from the pavement
LIBRARIES = ("trackers", "supervision", "trackeval")  # of the trackers and of the scores
LEAST_SCORE = 0.02  # lower instances are not given to any tracker
BYTE_TRACK = TrackSettings(low=0.1, high=0.6, start=0.7, overlap=0.1)  # the thresholds of the library
Progress = Callable[[str, int, int], None]


class Following(Protocol):
    """A tracker: `update` gives the instances of the next frame the numbers of their tracks, (N,) with -1 for none."""

    def update(self, instances: Instances) -> np.ndarray: ...


class LibraryTracker:
    """ByteTrack of the library `trackers` on boxes alone; any class continues any track.

    Args:
        rate: Frames a second.
        settings: The thresholds; None for those of the library.
    """

    def __init__(self, rate: float, settings: TrackSettings | None = None) -> None:
        from trackers import ByteTrackTracker

        self._low = 0.0 if settings is None else settings.low
        if settings is None:
            self._library = ByteTrackTracker(frame_rate=rate)
            return
        self._library = ByteTrackTracker(
            frame_rate=rate,
            lost_track_buffer=round(30 * settings.lost_seconds),
            track_activation_threshold=settings.start,
            minimum_iou_threshold=settings.overlap,
            high_conf_det_threshold=settings.high,
        )

    def update(self, instances: Instances) -> np.ndarray:
        """See Following."""
        import supervision

        kept = np.flatnonzero(instances.scores >= self._low)
        found = supervision.Detections(
            xyxy=instances.boxes[kept].astype(np.float64).reshape(-1, 4),
            confidence=instances.scores[kept].astype(np.float64),
            class_id=instances.labels[kept].astype(int),
            data={"place": kept},
        )
        followed = self._library.update(found)
        tracks_N = np.full(len(instances), NO_TRACK, np.int64)
        if followed.tracker_id is not None and len(followed):
            tracks_N[np.asarray(followed.data["place"])] = followed.tracker_id
        return tracks_N


@dataclass
class Seen:
    """A sequence as a tracker sees it, and as the scores need it.

    Attributes:
        rate: Frames a second.
        found: The instances of each frame.
        frames: Each frame compared with its truth.
    """

    rate: float
    found: list[Instances] = field(default_factory=list)
    frames: list[TrackedFrame] = field(default_factory=list)

    def add(self, scene: Scene, found: Instances) -> None:
        """Add a frame."""
        self.found.append(found)
        self.frames.append(tracked_frame(scene, found))


@dataclass
class Watched:
    """Sequences that a model has seen.

    Attributes:
        by_model: With what the model found.
        by_truth: With the truth as detections.
        model_ms: Milliseconds of the model for each frame.
        ids: Number of counted instances of each sequence.
    """

    by_model: list[Seen] = field(default_factory=list)
    by_truth: list[Seen] = field(default_factory=list)
    model_ms: list[float] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)


def bench_tracks(
    model: str | None = None,
    *,
    sequences: int = 4,
    frames: int = 60,
    size: tuple[int, int] = (512, 1024),
    rate: float = RATE,
    choose: int = 0,
    threads: int = 2,
    progress: Progress = lambda part, done, total: None,
) -> dict:
    """Score trackers on rendered sequences.

    Args:
        model: What `partwise.load` takes; None for the default model.
        sequences: Number of sequences.
        frames: Number of frames of each.
        size: (H, W) of the frames in pixels.
        rate: Frames a second.
        choose: Number of other sequences on which the thresholds of the tracker are chosen first; 0 takes the defaults.
        threads: Number of threads of torch.
        progress: Called with what is being done, how much of it is done, and all of it.

    Returns:
        {"machine", "model", "sequences", "frames", "size", "rate", "least_px", "settings", "choice", "ids", "rows",
        "model_ms", "frames_a_second"}; "choice" is None without a choice.

    Raises:
        PartwiseError: If a number is out of range, or the model cannot be read or finds no instances.
        ModuleNotFoundError: If a library is missing.
    """
    if sequences < 1 or frames < 2 or choose < 0 or threads < 1:
        raise PartwiseError(
            f"{sequences} sequences, {frames} frames, {choose} to choose on, {threads} threads: give at least 1, "
            "2, 0 and 1"
        )
    for library in LIBRARIES:  # an error after the model has seen all frames would be late
        importlib.import_module(library)
    segment = load(model)
    if not segment.method.has_instances:
        raise PartwiseError(f"{model}: a semantic model finds no instances to follow: give a model that does")
    if not segment.method.label_set.same_classes(CITYSCAPES):
        raise PartwiseError(f"{model}: its classes are not those of rendered streets, the ones of Cityscapes")
    streets = lambda seed, count: [
        render_sequence(seed + i, frames, size, rate=rate, pavement=i % PAVEMENT_EACH == PAVEMENT_EACH - 1)
        for i in range(count)
    ]
    settings, choice = DEFAULT_TRACKING, None
    with with_threads(threads):
        if choose:
            watched = _watch(segment, streets(CHOICE_SEED, choose), "for the choice", progress)
            settings, choice = choose_settings(watched.by_model, DEFAULT_TRACKING, _scores_of, progress)
        watched = _watch(segment, streets(REPORT_SEED, sequences), "to report", progress)
    rows = list(_rows(watched, settings, rate, progress))
    model_ms = float(np.median(watched.model_ms))
    with_tracks = model_ms + next(row["tracker_ms"] for row in rows if row["detections"] == "model")
    return {
        "machine": describe_machine() | {"threads": threads},
        "model": "" if model is None else str(model),
        "sequences": sequences,
        "frames": frames,
        "size": size_name(size),
        "rate": rate,
        "least_px": LEAST_PX,
        "settings": asdict(settings),
        "choice": choice,
        "ids": watched.ids,
        "rows": rows,
        "model_ms": round(model_ms, 1),
        "frames_a_second": {"model": round(1000 / model_ms, 3), "model and tracks": round(1000 / with_tracks, 3)},
    }


def _watch(segment: Segmenter, streets: Sequence[StreetSequence], why: str, progress: Progress) -> Watched:
    """Show all frames to the model."""
    watched, done, total = Watched(), 0, sum(map(len, streets))
    for street in streets:
        model, truth = Seen(street.rate), Seen(street.rate)
        for scene in street:
            begin = time.perf_counter()
            result = segment(scene.image_HW3, min_score=LEAST_SCORE, distinct=True)
            watched.model_ms.append(1000 * (time.perf_counter() - begin))
            model.add(scene, result.instances)
            things = [label.id for label in scene.label_set.things]
            truth.add(scene, scene.instances[np.flatnonzero(np.isin(scene.instances.labels, things))])
            done += 1
            progress(f"frames {why}", done, total)
        watched.by_model.append(model)
        watched.by_truth.append(truth)
        watched.ids.append(len(np.unique(np.concatenate([frame.truth_ids for frame in model.frames]))))
    return watched


def _trackers(settings: TrackSettings, rate: float) -> Iterator[tuple[str, Callable[[], Following]]]:
    """Name and maker of each tracker."""
    ours = lambda one: lambda: Tracker(rate, CITYSCAPES, one)
    yield "partwise", ours(settings)
    if settings != DEFAULT_TRACKING:
        yield "partwise, thresholds before the choice", ours(DEFAULT_TRACKING)
    yield "partwise, thresholds of ByteTrack", ours(BYTE_TRACK)
    yield "ByteTrack on boxes, thresholds of partwise", lambda: LibraryTracker(rate, settings)
    yield "ByteTrack as it comes", lambda: LibraryTracker(rate)


def _rows(watched: Watched, settings: TrackSettings, rate: float, progress: Progress) -> Iterator[dict[str, Any]]:
    """Score every tracker with both kinds of detections."""
    for detections, seen in (("model", watched.by_model), ("truth", watched.by_truth)):
        for name, make in _trackers(settings, rate):
            progress(f"{name}, {detections}", 0, 0)
            scores, tracker_ms = _followed(seen, make)
            yield {"detections": detections, "tracker": name, "tracker_ms": round(tracker_ms, 2)} | scores


def _followed(seen: Sequence[Seen], make: Callable[[], Following]) -> tuple[dict[str, Any], float]:
    """Scores of a tracker, and its median milliseconds for a frame."""
    all_tracks, times = [], []
    for one in seen:
        tracker, tracks = make(), []
        for instances in one.found:
            begin = time.perf_counter()
            tracks.append(tracker.update(instances))
            times.append(1000 * (time.perf_counter() - begin))
        all_tracks.append(tracks)
    scores = score_tracks([one.frames for one in seen], all_tracks, CITYSCAPES)
    return _rounded(scores) | {"tracks": sum(_count(tracks) for tracks in all_tracks)}, float(np.median(times))


def _scores_of(seen: Sequence[Seen], settings: TrackSettings) -> dict[str, Any]:
    """Scores of the tracker of partwise with other thresholds."""
    return _followed(seen, lambda: Tracker(seen[0].rate, CITYSCAPES, settings))[0]


def _count(tracks: Sequence[np.ndarray]) -> int:
    return len(np.setdiff1d(np.concatenate(tracks), [NO_TRACK]))


def _rounded(scores: dict[str, Any]) -> dict[str, Any]:
    return {
        key: _rounded(value) if isinstance(value, dict) else round(value, 4) if isinstance(value, float) else value
        for key, value in scores.items()
    }


def tracks_text(figures: dict) -> str:
    """Format the result: a row for each tracker and kind of detections, then the frames a second.

    Args:
        figures: What `bench_tracks` returns.
    """
    columns = ("detections", "tracker", "HOTA", "DetA", "AssA", "IDF1", "id changes", "tracks", "ms")
    rows = [
        [row["detections"], row["tracker"]]
        + [fraction(row[key]) for key in ("hota", "deta", "assa", "idf1")]
        + [row["id_changes"], row["tracks"], row["tracker_ms"]]
        for row in figures["rows"]
    ]
    speed = figures["frames_a_second"]
    text = table_text(Table("", columns, rows))
    return f"{text}\nframes a second: {speed['model']:.2f} of the model, {speed['model and tracks']:.2f} with tracks"
