"""What is found in a video as text: one line of JSON a frame, and the form of MOTS.

MOTS (Voigtlaender et al. 2019) has a line for each mask: frame, id, class, height, width and RLE. The class is 1 for
cars and 2 for pedestrians, the id is class * 1000 + number of the track. Masks must not overlap.
"""

from __future__ import annotations

import json

import numpy as np

from partwise.errors import PartwiseError
from partwise.video.following import TrackedResult
from partwise.video.tracker import NO_TRACK
from streeteval.files import json_ready
from streeteval.labels import LabelSet

__all__ = ["json_line", "mots_classes", "mots_lines"]

MOTS_CLASSES = {"car": 1, "person": 2, "pedestrian": 2}
_TRACKS_OF_CLASS = 1000


def json_line(result: TrackedResult) -> str:
    """A frame as one line of JSON.

    Args:
        result: The frame.

    Returns:
        frame, seconds, size (height, width), and for each instance its track, label, id of the class, score, box
        (x, y, w, h in pixels) and mask (compressed RLE of COCO).
    """
    names = {label.id: label.name for label in result.label_set}
    instances = [
        {
            "track": int(track) if track != NO_TRACK else None,
            "label": names[int(label)],
            "category_id": entry["category_id"],
            "score": round(entry["score"], 5),
            "bbox": entry["bbox"],
            "segmentation": entry["segmentation"],
        }
        for track, label, entry in zip(result.tracks, result.labels, result.to_coco(), strict=True)
    ]
    line = {"frame": result.frame, "seconds": round(result.seconds, 6), "size": result.size, "instances": instances}
    return json.dumps(json_ready(line), ensure_ascii=False)


def mots_classes(label_set: LabelSet) -> dict[int, int]:
    """Id of a class -> its class in MOTS.

    Raises:
        PartwiseError: If the label set has neither cars nor people.
    """
    classes = {label.id: MOTS_CLASSES[label.name] for label in label_set if label.name in MOTS_CLASSES}
    if not classes:
        raise PartwiseError(f"MOTS has the classes car and pedestrian: {label_set.name} has neither: use JSON lines")
    return classes


def mots_lines(result: TrackedResult, place: int) -> list[str]:
    """The lines of a frame in the form of MOTS. Where masks overlap, the pixel is that of the higher score.

    Args:
        result: The frame.
        place: Number of the frame in the file, from 0 on.

    Raises:
        PartwiseError: If a class has more than 1000 tracks.
    """
    from pycocotools import mask as coco_mask

    classes = mots_classes(result.label_set)
    free_HW = np.ones(result.size, bool)
    lines = []
    for i in np.argsort(-result.scores, kind="stable"):
        label, track = int(result.labels[i]), int(result.tracks[i])
        if label not in classes or track == NO_TRACK:
            continue
        if track >= _TRACKS_OF_CLASS:
            raise PartwiseError(f"MOTS: track {track}: the form holds 1000 tracks: take a shorter part of the video")
        mask_HW = np.zeros(result.size, bool)
        x0, y0, x1, y1 = result.boxes[i]
        mask_HW[y0:y1, x0:x1] = result.masks[i]
        mask_HW &= free_HW
        if not mask_HW.any():
            continue
        free_HW &= ~mask_HW
        counts = coco_mask.encode(np.asfortranarray(mask_HW.view(np.uint8)))["counts"].decode("ascii")
        kind = classes[label]
        lines.append(f"{place} {kind * _TRACKS_OF_CLASS + track} {kind} {result.size[0]} {result.size[1]} {counts}")
    return lines
