"""Distances of instances from the official disparity and camera files, for AP100m and AP50m.

The official tool leaves this part out (its instances carry medDist -1), so the definition is put together from its
parameters (distance thresholds 100 m and 50 m, 0.5 of the pixels with a distance, 1000 px) and the data set's README
(disparity d = (value - 1) / 256, 0 = no measurement; depth = focal length * baseline / d). Figures are ours, not the
server's.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from partwise.errors import PartwiseError
from partwise.evaluation.matching import Overlaps


def depth_from_disparity(disparity_HW: np.ndarray, focal_px: float, baseline_m: float) -> np.ndarray:
    """(H, W) float32 depth in metres; NaN without a measurement, infinite where the disparity is 0.

    disparity_HW    integers as published: 0 = no measurement, else 256 * disparity + 1

    >>> depth_from_disparity(np.array([[0, 1, 257]]), 2000.0, 0.2).tolist()
    [[nan, inf, 400.0]]
    """
    disparity_px = (disparity_HW.astype(np.float32) - 1) / 256
    with np.errstate(divide="ignore"):
        return np.where(disparity_HW > 0, focal_px * baseline_m / np.maximum(disparity_px, 0), np.nan).astype(
            np.float32
        )


Depth = Callable[[str], np.ndarray | None]  # name of a frame -> (H, W) depth in metres, or None


def no_depth(name: str) -> None:
    """The `Depth` of data without disparity."""


def find_depth(root: str | os.PathLike, split: str, name: str) -> np.ndarray | None:
    """Depth of a frame from `disparity/` and `camera/` of a Cityscapes tree; None where either file is absent.

    Raises PartwiseError for a file that is there and cannot be used.
    """
    city = name.split("_")[0]
    disparity = Path(root) / "disparity" / split / city / f"{name}_disparity.png"
    camera = Path(root) / "camera" / split / city / f"{name}_camera.json"
    if not (disparity.is_file() and camera.is_file()):
        return None
    try:
        values = json.loads(camera.read_text(encoding="utf-8"))
        focal_px, baseline_m = float(values["intrinsic"]["fx"]), float(values["extrinsic"]["baseline"])
    except (ValueError, KeyError, TypeError) as error:
        raise PartwiseError(
            f"{camera}: no intrinsic.fx and extrinsic.baseline ({error!r}): take the official file"
        ) from None
    try:
        with Image.open(disparity) as image:
            disparity_HW = np.asarray(image)
    except (OSError, SyntaxError) as error:
        raise PartwiseError(f"{disparity}: cannot be read: {error}") from None
    if disparity_HW.ndim != 2 or disparity_HW.dtype.kind not in "iu":
        raise PartwiseError(f"{disparity}: a disparity map has one channel of 16 bit integers: take the official file")
    return depth_from_disparity(disparity_HW, focal_px, baseline_m)


def truth_distances(found: Overlaps, instance_ids_HW: np.ndarray, depth_HW: np.ndarray) -> np.ndarray:
    """(K, 2) of every value of the truth's map: median distance in metres, share of its pixels with a distance.

    Infinite where no pixel has one.
    """
    rows = []
    for id_, (x0, y0, x1, y1) in zip(found.truth_ids.tolist(), found.truth_boxes.tolist(), strict=True):
        depths = depth_HW[y0:y1, x0:x1][instance_ids_HW[y0:y1, x0:x1] == id_]
        measured = depths[~np.isnan(depths)]
        rows.append((np.median(measured) if len(measured) else np.inf, len(measured) / len(depths)))
    return np.array(rows, np.float64).reshape(-1, 2)
