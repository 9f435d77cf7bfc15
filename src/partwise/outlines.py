"""Masks as polygons along the edges of their pixels, which are the mask again when they are drawn.

Axes: h and w of a mask in pixels, P corners of a polygon.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

__all__ = ["polygons_of"]

_Point = tuple[int, int]  # (x, y): a corner of pixels


def polygons_of(mask_hw: np.ndarray) -> list[np.ndarray]:
    """The polygons whose union is a mask, none of them with a hole.

    COCO has no polygons with holes: a mask is cut along a few rows that meet all of its holes, so that none is left.

    Args:
        mask_hw: (h, w) bool.

    Returns:
        (P, 2) int64 each, x and y of its corners in pixels, at least 4 of them; the first pixel reaches from 0 to 1.

    >>> [one.tolist() for one in polygons_of(np.array([[True, True, False]]))]
    [[[0, 0], [2, 0], [2, 1], [0, 1]]]
    """
    mask_hw = np.asarray(mask_hw, bool)
    loops = _loops(mask_hw)
    cuts = _cuts([loop for loop in loops if _doubled_area(loop) < 0])
    if not cuts:
        return loops
    bands = itertools.pairwise((0, *cuts, len(mask_hw)))
    return [np.add(loop, (0, top)) for top, bottom in bands for loop in _loops(mask_hw[top:bottom])]


def _cuts(holes: Sequence[np.ndarray]) -> list[int]:
    """The fewest rows, rising, before which a mask is cut so that each hole reaches the edge of a part."""
    cuts: list[int] = []
    for low, high in sorted(((int(hole[:, 1].min()), int(hole[:, 1].max())) for hole in holes), key=lambda row: row[1]):
        if not cuts or cuts[-1] < low:
            cuts.append(high)
    return cuts


def _doubled_area(loop: np.ndarray) -> int:
    """Twice the area inside a loop; below 0 where it runs around a hole."""
    x, y = loop.T
    return int(x @ np.roll(y, -1) - y @ np.roll(x, -1))


def _loops(mask_hw: np.ndarray) -> list[np.ndarray]:
    """(P, 2) corners of every loop of edges, with the mask at the right of the way; pixels join by their sides."""
    next_points = _edges(mask_hw)
    loops = []
    while next_points:
        start = next(iter(next_points))
        loop, point, way = [], start, next_points[start][0]
        while True:
            heading = _sign(way, point)
            loop.append((point, heading))
            next_points[point].remove(way)
            if not next_points[point]:
                del next_points[point]
            point = way
            if point not in next_points:
                break
            # Where two pixels touch at a corner, the way turns right and stays with its own pixel.
            way = max(next_points[point], key=lambda end: _turn(heading, _sign(end, point)))
        headings = [heading for _, heading in loop]
        corners = [
            point
            for (point, heading), before in zip(loop, [headings[-1], *headings], strict=False)
            if heading != before
        ]
        loops.append(np.array(corners, np.int64))
    return loops


def _edges(mask_hw: np.ndarray) -> dict[_Point, list[_Point]]:
    """Start of every edge between mask and no mask -> where edges from there end."""
    padded = np.pad(mask_hw, 1).astype(np.int8)
    found: dict[_Point, list[_Point]] = {}
    down = np.diff(padded, axis=0)[:, 1:-1]  # 1: the mask begins below, -1: it ends there
    right = np.diff(padded, axis=1)[1:-1]
    for steps, value, start, end in (
        (down, 1, (0, 0), (1, 0)),
        (down, -1, (1, 0), (0, 0)),
        (right, 1, (0, 1), (0, 0)),
        (right, -1, (0, 0), (0, 1)),
    ):
        for y, x in np.argwhere(steps == value).tolist():
            found.setdefault((x + start[0], y + start[1]), []).append((x + end[0], y + end[1]))
    return found


def _sign(end: _Point, start: _Point) -> _Point:
    return end[0] - start[0], end[1] - start[1]


def _turn(before: _Point, after: _Point) -> int:
    """1: to the right, 0: straight on, -1: to the left."""
    return before[0] * after[1] - before[1] * after[0]
