"""What was found in a photo, as JSON for the page.

Axes: H and W pixels, N instances.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image

from partwise.methods import Method
from partwise.report.palette import assign_colours
from partwise.report.shown_panel import shown_panel
from partwise.segmenter import SHOWN_SCORE, Result
from partwise.serve.views import Explained
from streeteval.boxes import crop_intersection
from streeteval.instances import Instances
from streeteval.labels import LabelSet

__all__ = [
    "classes_json",
    "colours_of",
    "explained_json",
    "instances_json",
    "mask_runs",
    "picture_of",
    "result_json",
    "value_runs",
]

RIVAL_IOU = 0.5  # as in `Instances.distinct`
_DECIMALS = 4


def mask_runs(mask_hw: np.ndarray) -> list[int]:
    """Return the lengths of the runs of 0 and 1 in turn, row after row; the first run is of 0.

    Example:
        >>> mask_runs(np.array([[False, True], [True, False]]))
        [1, 2, 1]
    """
    flat = mask_hw.reshape(-1).astype(np.int8)
    ends = np.flatnonzero(np.diff(flat, prepend=0))
    return np.diff(ends, prepend=0, append=flat.size).tolist()


def value_runs(ids_HW: np.ndarray) -> list[int]:
    """Return value, length, value, length, ... of the runs of equal values, row after row.

    Example:
        >>> value_runs(np.array([[7, 7], [7, 3]]))
        [7, 3, 3, 1]
    """
    flat = ids_HW.reshape(-1)
    starts = np.concatenate([[0], np.flatnonzero(np.diff(flat)) + 1]) if flat.size else np.zeros(0, int)
    return np.stack([flat[starts].astype(int), np.diff(starts, append=flat.size)], axis=1).reshape(-1).tolist()


def classes_json(label_set: LabelSet) -> list[dict[str, Any]]:
    """The evaluated classes: id, name, category, colour, and whether they have instances."""
    things = {label.id for label in label_set.things}
    return [
        {
            "id": label.id,
            "name": label.name,
            "category": label.category,
            "colour": [int(one) for one in label_set.colours[label.id]],
            "things": label.id in things,
        }
        for label in label_set.evaluated
    ]


def colours_of(result: Result) -> np.ndarray:
    """Choose the colour of each instance, (N, 3) uint8.

    Those that are shown at first choose before the others, so that they differ most.
    """
    first = (result.scores >= SHOWN_SCORE).nonzero()[0]
    others = (result.scores < SHOWN_SCORE).nonzero()[0]
    colours_N3 = np.zeros((len(result), 3), np.uint8)
    for which in (first, others):
        colours_N3[which] = assign_colours(result.instances[which])
    return colours_N3


def instances_json(instances: Instances, colours_N3: np.ndarray) -> list[dict[str, Any]]:
    """Each instance with its mask as runs inside its box, and its rivals.

    The rivals of an instance are those with a higher score and another class that overlap it by more than an IoU of .5:
    if one of them is shown, the instance is not (`Instances.distinct`).
    """
    return [
        {
            "label": int(instances.labels[i]),
            "score": round(float(instances.scores[i]), 6),
            "box": instances.boxes[i].tolist(),
            "area": int(instances.areas[i]),
            "colour": [int(one) for one in colours_N3[i]],
            "runs": mask_runs(instances.masks[i]),
            "rivals": _rivals(instances, i),
        }
        for i in range(len(instances))
    ]


def _rivals(instances: Instances, i: int) -> list[int]:
    """Indices of the rivals of an instance; the instances are in the order of their scores."""
    found = []
    box, area = instances.boxes[i], int(instances.areas[i])
    for j in np.flatnonzero(instances.labels[:i] != instances.labels[i]).tolist():
        other = instances.boxes[j]
        if (np.maximum(box[:2], other[:2]) < np.minimum(box[2:], other[2:])).all():
            shared = crop_intersection(box, instances.masks[i], other, instances.masks[j])
            if shared and shared / (area + int(instances.areas[j]) - shared) > RIVAL_IOU:
                found.append(j)
    return found


def result_json(result: Result, page: tuple[int, int]) -> dict[str, Any]:
    """A photo with its instances and its semantic map, at the size `page` (H, W) of the picture in the page."""
    colours_N3 = colours_of(result)
    instances = result.instances
    entries = instances_json(instances, colours_N3)  # rivals are those at the size of the photo
    if page != result.size:
        entries = [_moved(entry, instances[[i]].resized(page)) for i, entry in enumerate(entries)]
    moved = result.prediction.resized(page).semantic_HW
    return {
        "name": result.name or "photo",
        "width": page[1],
        "height": page[0],
        "photo": {"width": result.size[1], "height": result.size[0]},
        "instances": entries,
        "semantic": None if moved is None else value_runs(moved),
        "shown_score": SHOWN_SCORE,
    }


def _moved(entry: dict[str, Any], moved: Instances) -> dict[str, Any]:
    """The entry of an instance with its box and mask at another size; empty if no pixel of it is left."""
    if len(moved) == 0:
        return entry | {"box": [0, 0, 0, 0], "runs": []}
    return entry | {"box": moved.boxes[0].tolist(), "runs": mask_runs(moved.masks[0])}


def explained_json(explained: Explained, method: Method, *, short: bool = False) -> dict[str, Any]:
    """The explanation of one pixel: a panel, and what the page needs to place it.

    Args:
        explained: The explanation.
        method: The method.
        short: Leave out maps that are not shown first.
    """
    one = explained.explanation
    found, height_width = one.prediction.instances, explained.view.size
    instance = None
    if one.instance >= 0:
        label = int(found.labels[one.instance])
        instance = {
            "index": explained.instance,
            "label": method.label_set.name_of(label),
            "score": round(float(found.scores[one.instance]), _DECIMALS),
            "place": one.instance + 1,
            "of": len(found),
        }
    panel = shown_panel(one, method, SHOWN_SCORE, short=short).to_json()
    return panel | {
        "point": [int(at) for at in one.point],
        "frame": [height_width[1], height_width[0]],
        "instance": instance,
        "overview": explained.overview,
    }


def picture_of(image_HW3: np.ndarray, page: tuple[int, int], quality: int = 90) -> bytes:
    """Return a photo as JPEG of the size `page` (H, W), without anything but its pixels."""
    image = Image.fromarray(image_HW3)
    if image_HW3.shape[:2] != page:
        image = image.resize(page[::-1], Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
