"""Which classes each training frame shows. The frames are read once; the result is kept in the folder of the run."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from accelerate import Accelerator

from partwise.data.loader import class_presence
from partwise.scene import Scenes
from partwise.training.folder import RunFolder
from partwise.training.progress import Monitor
from streeteval.scene import labels_of, names_of

__all__ = ["frames_key", "presence_of"]


def presence_of(scenes: Scenes, folder: RunFolder, monitor: Monitor, accelerator: Accelerator) -> np.ndarray:
    """Return (frames, 256) bool: which classes each frame shows.

    Args:
        scenes: The frames.
        folder: The folder of the run, which keeps the result.
        monitor: The observer.
        accelerator: The processes; the main process reads the frames, the others read the result.
    """
    with accelerator.main_process_first():
        presence = folder.presence(len(scenes))
        if presence is None:
            what = "finding the classes"
            monitor.note(f"{what} in {len(scenes)} frames")
            presence = class_presence(scenes, functools.partial(monitor.count, what))
            if accelerator.is_main_process:
                folder.keep_presence(presence)
    return presence


def frames_key(scenes: Scenes) -> str:
    """Return a key that differs where the classes that the frames show may differ.

    It depends on the label set, the names of the frames, and what is known of their truth without reading a frame.
    """
    digest = hashlib.sha256(json.dumps([labels_of(scenes).to_dict(), names_of(scenes)]).encode())
    table = getattr(getattr(scenes, "annotated", None), "table", None)  # of a data set of polygons
    for name in ("images_N", "categories_N", "crowd_N", "ignored_N") if table is not None else ():
        digest.update(np.ascontiguousarray(getattr(table, name)).tobytes())
    for file in _truth_files(scenes):
        try:
            found = file.stat()
        except OSError:  # such as a frame in a zip file
            continue
        digest.update(f"{found.st_size} {found.st_mtime_ns}".encode())
    return digest.hexdigest()


def _truth_files(scenes: Any) -> Iterator[Path]:
    """Return the files of the truth of a data set that has files of its own for each frame."""
    archive = getattr(scenes, "archive", None)  # of a tree in the form of Cityscapes
    frames = getattr(scenes, "frames", ())
    for frame in frames if isinstance(frames, list | tuple) else ():
        yield from getattr(frame, "truth", ())
        if archive is not None:
            yield from (Path(archive.root) / frame.labels, Path(archive.root) / frame.instances)
