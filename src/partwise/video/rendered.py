"""Write rendered sequences with their truth: frames or a video, instance ids, MOTS and JSON lines."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from partwise.data.streets.sequence import StreetSequence
from partwise.errors import PartwiseError
from partwise.files import require_writable
from partwise.scene import Scene
from partwise.video.following import TrackedResult
from partwise.video.records import json_line, mots_lines
from partwise.video.writing import VideoFile
from streeteval.files import atomic_write
from streeteval.labels import INSTANCE_FACTOR
from streeteval.reading.id_files import encode_png
from streeteval.rle import segments

__all__ = ["true_tracks", "write_sequences"]


def true_tracks(scene: Scene, frame: int = 0, seconds: float = 0.0) -> TrackedResult:
    """Return the truth of a frame of a sequence as a result with tracks.

    Args:
        scene: The frame; its instance ids stay the same over the frames of a sequence.
        frame: Place of the frame in the sequence.
        seconds: Time of the frame.

    Returns:
        All instances with score 1. The number of the track is that in the instance id, id % 1000: it is unique for each
        class, and in rendered sequences a rider and the bicycle have one number.
    """
    found = scene.instances
    ids = segments(scene.instance_ids_HW)[0]
    tracks_N = ids[ids >= INSTANCE_FACTOR].astype(np.int64) % INSTANCE_FACTOR
    return TrackedResult(
        found.labels,
        found.scores,
        found.boxes,
        found.masks,
        found.size,
        image_HW3=scene.image_HW3,
        name=scene.name,
        label_set=scene.label_set,
        tracks=tracks_N,
        frame=frame,
        seconds=seconds,
    )


def write_sequences(
    out: Path,
    sequences: Sequence[StreetSequence],
    *,
    video: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Path]:
    """Write sequences with their truth.

    OUT/NAME/000000.png ...                  the frames; or OUT/NAME.mp4
    OUT/NAME_instanceIds/000000.png ...      16 bit, class * 1000 + number, or the bare class id
    OUT/NAME.jsonl                           a line a frame with all instances, as predictions have it
    OUT/NAME.txt                             cars and people in the form of MOTS

    Args:
        out: A folder that is empty, or is made.
        sequences: The sequences.
        video: Whether the frames are written as a video, which needs the extra `video`.
        progress: Called after each frame with how many are done, and how many there are.

    Returns:
        What was written: for each sequence its frames or its video.

    Raises:
        PartwiseError: If the folder is not empty, or the disk is full.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise PartwiseError(f"{out}: {'not empty' if out.is_dir() else 'a file'}: give a new folder")
    out.mkdir(parents=True, exist_ok=True)
    require_writable(out)
    done, total = 0, sum(map(len, sequences))
    written = []
    for sequence in sequences:
        before = done

        def count(frames: int, before: int = before) -> None:
            progress(before + frames, total)

        written.append(_write(out, sequence, video, count))
        done += len(sequence)
    return written


def _write(out: Path, sequence: StreetSequence, video: bool, count: Callable[[int], None]) -> Path:
    """Write one sequence; return the folder of its frames, or its video."""
    frames, ids, film = out / sequence.name, out / f"{sequence.name}_instanceIds", None
    with contextlib.ExitStack() as stack:
        lines, mots = (
            stack.enter_context(atomic_write(out / f"{sequence.name}{ending}", "w")) for ending in (".jsonl", ".txt")
        )
        if video:
            film = VideoFile(frames.with_suffix(".mp4"), Fraction(sequence.rate).limit_denominator(1001))
            stack.enter_context(film)
        for result, scene in _with_truth(sequence):
            name = f"{result.frame:06d}.png"
            if film is None:
                _write_png(frames / name, scene.image_HW3)
            else:
                film.write(scene.image_HW3, result.seconds)
            _write_png(ids / name, scene.instance_ids_HW)
            lines.write(json_line(result) + "\n")
            mots.writelines(line + "\n" for line in mots_lines(result, result.frame))
            count(result.frame + 1)
    return frames if film is None else film.path


def _with_truth(sequence: StreetSequence) -> Iterator[tuple[TrackedResult, Scene]]:
    for number, scene in enumerate(sequence):
        yield true_tracks(scene, number, number / sequence.rate), scene


def _write_png(path: Path, pixels: np.ndarray) -> None:
    with atomic_write(path) as file:
        file.write(encode_png(pixels))
