"""Predict one shard of a job: write parts, skip what is done, and keep the manifest.

A part is written atomically, so that a kill at any moment loses at most the photos of the part in work. What is done
is read from the parts themselves; the manifest only says with which settings, and which shards are complete.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from partwise.errors import PartwiseError
from partwise.files import require_writable, write_json
from partwise.folder_lock import FolderLock
from partwise.machine import memory_for, return_freed_memory
from partwise.shards.listing import WHOLE, ListedPhoto, NameSet, Shard
from partwise.shards.parts import FAULTS, PARTS, names_in, part_files, photo_row, write_faults, write_part
from streeteval.errors import warn_of
from streeteval.files import ends_all_writing, read_json
from streeteval.instances import Instances

__all__ = ["MANIFEST", "ShardDone", "predict_shard"]

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class ShardDone:
    """The outcome of a shard.

    Attributes:
        photos: Photos that have results now.
        earlier: How many of them had results before this call.
        repeated: Names that were listed more than once; only the first was predicted.
        failed: Photos in the table of faults.
    """

    photos: int
    earlier: int
    repeated: int
    failed: int


def predict_shard(
    find: Callable[[Path], Instances],
    photos: Iterable[ListedPhoto],
    out: Path,
    settings: Mapping[str, Any],
    *,
    shard: Shard = WHOLE,
    resume: bool = False,
    photos_a_part: int = 256,
) -> ShardDone:
    """Predict the photos of one shard that have no results yet.

    Photos that failed in an earlier call are tried again. If an exception ends the call, what is done is written first.

    Args:
        find: Finds the instances in a photo. A PartwiseError or a lack of memory goes into the table of faults.
        photos: All photos of the job.
        out: Folder of the whole job.
        settings: What decides the results, in JSON's types. All shards and resumed calls must have the same.
        shard: Which photos to predict.
        resume: Continue a shard that was begun.
        photos_a_part: Number of photos in each part.

    Raises:
        PartwiseError: If the shard was begun and `resume` is not set, the settings differ, another process writes the
            shard, or the disk is full.
    """
    require_writable(out)
    folder = out / shard.folder
    with _lock(out).held(_note, wait=True):
        _require_same(out / MANIFEST, dict(settings) | {"shards": shard.count})
        folder.mkdir(exist_ok=True)
    with _lock(folder).held(_note):
        if not resume and (part_files(folder) or part_files(folder, FAULTS)):
            raise PartwiseError(f"{folder}: has results: resume the run, or choose another folder")
        for left in [*folder.glob(".partwise-*.tmp"), *part_files(folder, FAULTS)]:
            left.unlink()  # temporary files of a killed process; what failed is tried again
        done = _predict(find, photos, folder, settings, shard, photos_a_part)
        with _lock(out).held(_note, wait=True):
            manifest = read_json(out / MANIFEST)
            manifest["complete"][shard.folder] = asdict(done)
            write_json(out / MANIFEST, manifest, overwrite=True)
    return done


def _predict(
    find: Callable[[Path], Instances],
    photos: Iterable[ListedPhoto],
    folder: Path,
    settings: Mapping[str, Any],
    shard: Shard,
    photos_a_part: int,
) -> ShardDone:
    """Write the parts of a locked shard."""
    done, listed = NameSet(), NameSet()
    for path in part_files(folder):
        for name in names_in(path):
            done.add(name)
    earlier, repeated, failed = len(done), 0, 0
    number = max((int(path.stem.rpartition("-")[2]) for path in part_files(folder)), default=-1) + 1
    rows: list[dict[str, Any]] = []
    faults: list[dict[str, Any]] = []

    def flush() -> None:
        nonlocal number
        return_freed_memory()  # after a photo that was too large, so that there is some to write with
        for kind, table, write in ((FAULTS, faults, write_faults), (PARTS, rows, write_part)):
            if table:
                write(folder / f"{kind}-{number:06d}.parquet", table, settings)
                table.clear()
        number += 1

    try:
        for photo in photos:
            if not shard.holds(photo.name):
                continue
            if not listed.add(photo.name):
                repeated += 1
            elif done.add(photo.name):
                begin = time.perf_counter()
                try:
                    with memory_for(photo.path):
                        rows.append(photo_row(photo.name, find(photo.path), time.perf_counter() - begin))
                except PartwiseError as error:
                    if ends_all_writing(error):
                        raise
                    faults.append({"name": photo.name, "fault": str(error)})
                    failed += 1
                if len(rows) + len(faults) >= photos_a_part:
                    flush()
    finally:
        flush()
    return ShardDone(len(done) - failed, earlier, repeated, failed)


def _require_same(path: Path, settings: Mapping[str, Any]) -> None:
    """Write the manifest of a new run, or check that an earlier run has the same settings."""
    if not path.exists():
        if foreign := next(path.parent.glob("shard-*"), None):
            raise PartwiseError(f"{foreign}: lies there without {path.name}: choose another folder")
        write_json(path, {"partwise_shards": 1, "settings": settings, "complete": {}})
        return
    manifest = read_json(path)
    if not isinstance(manifest, dict) or "partwise_shards" not in manifest:
        raise PartwiseError(f"{path}: not the manifest of a run in shards: choose another folder")
    there = manifest["settings"]
    for key in [*settings, *there]:
        if settings.get(key) != there.get(key):
            raise PartwiseError(
                f"{path}: this run has {key} {_short(there.get(key))}, not {_short(settings.get(key))}: "
                "give the same, or choose another folder"
            )


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _lock(folder: Path) -> FolderLock:
    """The lock of a job or of a shard."""
    return FolderLock(folder, ".lock", "process")


def _note(text: str) -> None:
    warn_of("", [text])
