"""Photos as a browser sends them, and what the page makes of the JSON, in Python."""

import io

import numpy as np
from PIL import Image


def png_of(image_HW3) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image_HW3).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def mask_of(entry, size) -> np.ndarray:
    """The mask of an instance of the JSON, (H, W) bool."""
    x0, y0, x1, y1 = entry["box"]
    values = np.arange(len(entry["runs"])) % 2 == 1
    mask = np.zeros(size, bool)
    mask[y0:y1, x0:x1] = np.repeat(values, entry["runs"]).reshape(y1 - y0, x1 - x0)
    return mask


def shown_of(instances, min_score, labels=None, distinct=True) -> list[int]:
    """The instances that the page shows, by the rule of static/masks.js."""
    shown: list[int] = []
    for i, one in enumerate(instances):
        passes = one["score"] >= min_score and (labels is None or one["label"] in labels) and len(one["runs"]) > 0
        if passes and not (distinct and set(one["rivals"]) & set(shown)):
            shown.append(i)
    return shown
