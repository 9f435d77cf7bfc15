"""Polygons and run lengths of an annotation become masks, each kept as the crop of its box.

Axes: H W image, h w crop, P points.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streeteval.boxes import box_of_mask

__all__ = ["Crop", "crop_of_polygons", "crop_of_runs", "runs_of_text", "union_of_crops"]

Crop = tuple[tuple[int, int, int, int], np.ndarray]  # box x0 y0 x1 y1, half-open; mask (h, w) bool of that size


def crop_of_polygons(polygons: Sequence[np.ndarray], size: tuple[int, int]) -> Crop | None:
    """The pixels inside any of some polygons, as pycocotools draws them.

    pycocotools makes run lengths from the outline; only the columns with a pixel inside are drawn, so that the cost is
    that of the object, not of the image. The polygons are not moved to a corner of their box before: pycocotools rounds
    to fifths of a pixel, which depends on the place in the image.

    Args:
        polygons: Each (P, 2) float64, x y in pixels, P >= 3; parts outside the image are cut off.
        size: (H, W) of the image.

    Returns:
        The box and its mask; None if no pixel is inside.
    """
    from pycocotools import mask as coco_mask

    drawn = coco_mask.merge(coco_mask.frPyObjects([polygon.reshape(-1).tolist() for polygon in polygons], *size))
    return crop_of_runs(runs_of_text(drawn["counts"].decode("ascii")), size)


def crop_of_runs(runs: np.ndarray, size: tuple[int, int]) -> Crop | None:
    """The pixels of COCO's run lengths.

    Only the columns with a run of 1 are drawn, so that the cost is that of the object, not of the image.

    Args:
        runs: Lengths in pixels, column after column, of 0 and 1 in turn; their sum is H * W.
        size: (H, W) of the image.

    Returns:
        The box and its mask; None if every run of 1 is empty.

    >>> crop_of_runs(np.array([2, 1, 1, 1, 3]), (2, 4))
    ((1, 0, 3, 1), array([[ True,  True]]))
    """
    is_inside = np.arange(len(runs)) % 2 == 1
    drawn = np.flatnonzero(is_inside & (runs > 0))
    if not drawn.size:
        return None
    bounds, height = np.concatenate([[0], np.cumsum(runs)]), size[0]
    first, last = int(bounds[drawn[0]] // height), int((bounds[drawn[-1] + 1] - 1) // height)  # columns
    lengths = np.diff(bounds.clip(first * height, (last + 1) * height))
    inside = np.repeat(is_inside, lengths)
    return _tight(inside.reshape(last - first + 1, height).T, (first, 0))


def union_of_crops(crops: Sequence[Crop | None]) -> Crop | None:
    """The pixels in any of some crops.

    >>> union_of_crops([((1, 0, 2, 1), np.ones((1, 1), bool)), None, ((2, 1, 3, 2), np.ones((1, 1), bool))])
    ((1, 0, 3, 2), array([[ True, False],
           [False,  True]]))
    """
    some = [crop for crop in crops if crop is not None]
    if len(some) < 2:
        return some[0] if some else None
    boxes = np.array([box for box, _ in some])
    (left, top), (right, bottom) = boxes[:, :2].min(axis=0).tolist(), boxes[:, 2:].max(axis=0).tolist()
    mask_hw = np.zeros((bottom - top, right - left), bool)
    for (x0, y0, x1, y1), part_hw in some:
        mask_hw[y0 - top : y1 - top, x0 - left : x1 - left] |= part_hw
    return (left, top, right, bottom), mask_hw


def _tight(mask_hw: np.ndarray, corner: tuple[int, int]) -> Crop | None:
    box = box_of_mask(mask_hw)
    if box is None:
        return None
    (x0, y0, x1, y1), (left, top) = box, corner
    return (x0 + left, y0 + top, x1 + left, y1 + top), np.ascontiguousarray(mask_hw[y0:y1, x0:x1])


def runs_of_text(text: str) -> np.ndarray:
    """The run lengths in COCO's compressed form; pycocotools reads past its end where it is damaged.

    Each number is written in groups of five bits, the lowest first; from the fourth on it is the difference to the
    number two places before it (pycocotools, rleToString).

    Args:
        text: `counts` of a compressed RLE.

    Returns:
        (R,) int64 run lengths, which may be negative or have a wrong sum where the text is damaged.

    Raises:
        ValueError: If the text has other letters, or ends within a number.

    >>> runs_of_text("2111O").tolist()
    [2, 1, 1, 2, 0]
    """
    codes = np.frombuffer(text.encode("ascii", "replace"), np.uint8).astype(np.int64) - 48
    if not codes.size:
        return np.zeros(0, np.int64)
    if codes.min() < 0 or codes.max() > 63:
        raise ValueError("a letter that no RLE has")
    is_last = (codes & 0x20) == 0
    if not is_last[-1]:
        raise ValueError("its end is missing")
    ends = np.flatnonzero(is_last)
    starts = np.concatenate([[0], ends[:-1] + 1])
    if (ends - starts).max() > 11:
        raise ValueError("a number of more than 60 bits")
    place = np.arange(len(codes)) - np.repeat(starts, ends - starts + 1)
    values = np.add.reduceat((codes & 0x1F) << (5 * place), starts)
    negative = (codes[ends] & 0x10) != 0
    values[negative] -= np.int64(1) << (5 * (ends - starts + 1)[negative])
    values[1::2], values[2::2] = np.cumsum(values[1::2]), np.cumsum(values[2::2])
    return values
