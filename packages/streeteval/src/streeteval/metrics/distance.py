"""Distances of instances for AP100m and AP50m, from the depth of the data set (data/depth.py).

The official tool leaves this part out (its instances carry medDist -1), so the definition is put together from its
parameters (distance thresholds 100 m and 50 m, 0.5 of the pixels with a distance, 1000 px). Figures are ours, not the
server's.
"""

from __future__ import annotations

import numpy as np

from streeteval.metrics.matching import Overlaps
from streeteval.reading.depth import Depth, DepthFiles, depth_from_disparity, find_depth, no_depth

__all__ = ["Depth", "DepthFiles", "depth_from_disparity", "find_depth", "no_depth", "truth_distances"]


def truth_distances(found: Overlaps, instance_ids_HW: np.ndarray, depth_HW: np.ndarray) -> np.ndarray:
    """Compute the distance of every value of the truth's map.

    Args:
        found: The K values of the map.
        instance_ids_HW: (H, W) the map.
        depth_HW: (H, W) depth in metres, NaN where unknown.

    Returns:
        (K, 2): median distance in metres, infinite if no pixel has one; and the share of the pixels with a distance.
    """
    rows = []
    for id_, (x0, y0, x1, y1) in zip(found.truth_ids.tolist(), found.truth_boxes.tolist(), strict=True):
        depths = depth_HW[y0:y1, x0:x1][instance_ids_HW[y0:y1, x0:x1] == id_]
        measured = depths[~np.isnan(depths)]
        rows.append((np.median(measured) if len(measured) else np.inf, len(measured) / len(depths)))
    return np.array(rows, np.float64).reshape(-1, 2)
