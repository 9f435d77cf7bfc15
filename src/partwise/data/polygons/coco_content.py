"""Annotations of any drawn format as the dictionary of a COCO file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from partwise.data.polygons.coco_file import AnnotatedImages
from streeteval.rle import column_runs

__all__ = ["coco_content_of"]


def coco_content_of(annotated: AnnotatedImages) -> dict[str, Any]:
    """Make the content of a COCO file.

    Args:
        annotated: Images and annotations.

    Returns:
        {"images", "categories", "annotations"}. The id of an image is its place from 1 on. Category ids and polygons
        are those of the data, so that its scenes are the same. An annotation without a pixel has area 0.
    """
    images = [
        {"id": place, "file_name": one.path, "height": one.size[0], "width": one.size[1], "upright": int(one.upright)}
        for place, one in enumerate(annotated.images, 1)
    ]
    categories = [
        {"id": one.id, "name": one.name, "supercategory": one.parent, "isthing": int(one.is_thing)}
        for one in annotated.categories
    ]
    return {"images": images, "categories": categories, "annotations": list(_annotations(annotated))}


def _annotations(annotated: AnnotatedImages) -> Iterator[dict[str, Any]]:
    table = annotated.table
    for n in range(len(table)):
        place = int(table.images_N[n])
        size = annotated.images[place].size
        crop = table.crop(n, size)
        (x0, y0, x1, y1), area = ((0, 0, 0, 0), 0) if crop is None else (crop[0], int(crop[1].sum()))
        yield {
            "id": n + 1,
            "image_id": place + 1,
            "category_id": int(table.categories_N[n]),
            "segmentation": _segmentation(annotated, n, size),
            "area": area,
            "bbox": [x0, y0, x1 - x0, y1 - y0],
            "iscrowd": int(table.crowd_N[n]),
            "ignore": int(table.ignored_N[n]),
        }


def _segmentation(annotated: AnnotatedImages, n: int, size: tuple[int, int]) -> dict[str, Any] | list[list[float]]:
    """Polygons, or run lengths of (H, W) pixels."""
    table = annotated.table
    parts = range(int(table.parts_N[n]), int(table.parts_N[n + 1]))
    numbers = [table.numbers_M[table.numbers_P[p] : table.numbers_P[p + 1]] for p in parts]
    if table.is_runs_P[parts.start : parts.stop].any():
        crop = table.crop(n, size)
        runs = np.array([size[0] * size[1]]) if crop is None else column_runs(crop[1], crop[0][:2], size)
        return {"size": list(size), "counts": runs.tolist()}
    return [one.tolist() for one in numbers]
