"""Mirror the outputs of part maps, as tensors or as NumPy arrays.

Axes: B images, K = k * k parts, h and w cells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from partwise.methods.parts.windows import Array, Window

__all__ = ["mirrored_outputs", "mirrored_windows"]


def mirrored_outputs(outputs: Mapping[str, Any], windows: Sequence[Window], k: int) -> dict[str, Any]:
    """Mirror the maps, and exchange left parts and right parts; see `PartMaps.mirrored`.

    Args:
        outputs: The outputs for a batch, see `PartMaps`.
        windows: Stride and cells of each grid.
        k: A window is divided into k x k parts.
    """
    order = np.arange(k * k).reshape(k, k)[:, ::-1].ravel().tolist()
    maps = {key: _flipped(outputs[key]) for key in ("semantic", "detail") if key in outputs}
    return maps | {
        "objectness": [mirrored_windows(*one) for one in zip(outputs["objectness"], windows, strict=True)],
        "parts": [_flipped(maps_BKhw)[:, order] for maps_BKhw in outputs["parts"]],
    }


def mirrored_windows(maps_Bhw: Array, window: Window) -> Array:
    """Turn a map of the windows of a mirror image into a map of the windows of the image.

    The centre of a window with an even number of cells lies between two cells. Therefore the window at cell c
    corresponds to the window at cell w - c of the mirror image. For c = 0 there is no such window, and the window takes
    the value of its neighbour.

    Args:
        maps_Bhw: (B, h, w) one value for each window.
        window: The windows of the map.

    Returns:
        (B, h, w).

    >>> mirrored_windows(np.array([[[1, 2, 3, 4]]]), Window(4, 8)).tolist()
    [[[4, 4, 3, 2]]]
    """
    flipped = _flipped(maps_Bhw)
    columns = np.arange(maps_Bhw.shape[-1])
    return flipped if window.cells % 2 else flipped[..., (columns - 1).clip(min=0).tolist()]


def _flipped(maps: Array) -> Array:
    """Mirror the last axis."""
    return maps[..., ::-1] if isinstance(maps, np.ndarray) else maps.flip(-1)
