"""The further scores of an evaluation as a table for the terminal, each with its interval if there is one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from partwise.report.tables import Bar, Table, interval_text

# (name of the row, place in the figures); the place is also the name of the interval.
_PLACES = (
    ("AP", "instance.ap"),
    ("AP50", "instance.ap50"),
    ("COCO AP of the annotation file", "coco.ap"),
    ("COCO AP50 of the annotation file", "coco.ap50"),
    ("AP100m", "instance.within_100m.ap"),
    ("AP50m", "instance.within_50m.ap"),
    *((f"AR@{count}", f"instance.ar.{count}") for count in (10, 100, 1000)),
    ("AP of boundaries", "instance.boundary.ap"),
    ("COCO AP", "instance.coco.ap"),
    ("COCO AP50", "instance.coco.ap50"),
    ("PQ", "panoptic.pq"),
    ("SQ", "panoptic.sq"),
    ("RQ", "panoptic.rq"),
    ("IoU of classes", "semantic.iou_class"),
    ("iIoU of classes", "semantic.iiou_class"),
    ("IoU of categories", "semantic.iou_category"),
    ("iIoU of categories", "semantic.iiou_category"),
)
NO_DEPTH = "AP100m and AP50m are missing: they need disparity/ and camera/ beside gtFine/ of the data set"


def further_scores_table(evaluation: Mapping[str, Any], *, depth_files: bool = True) -> Table:
    """Make the table of all main scores and of AP by size.

    A score that was not computed is left out. A score without a value is shown as missing.

    Args:
        evaluation: What `CityscapesEvaluator.compute` returns.
        depth_files: Whether the format of the data has files of distances. If it has, a note says that they are
            missing.
    """
    intervals = evaluation.get("intervals") or {}
    rows = []
    instance = evaluation.get("instance") or {}
    sizes, occlusions = instance.get("by_size") or (), instance.get("by_occlusion") or {}
    of_sizes = [(f"AP, longest side {size} px", f"instance.by_size.{size}.ap") for size in sizes]
    of_sizes += [
        (f"AP, {share} of the box covered ({of['instances']} instances)", f"instance.by_occlusion.{share}.ap")
        for share, of in occlusions.items()
    ]
    for name, place in (*_PLACES[:4], *of_sizes, *_PLACES[4:]):
        part: Any = evaluation
        *path, key = place.split(".")
        for step in path:
            part = (part or {}).get(step)
        if part is not None:
            rows.append([name, Bar(part.get(key)), interval_text(intervals.get(place), lambda end: f"{100 * end:.1f}")])
    missing = depth_files and bool(instance) and instance.get("within_100m") is None
    return Table("Further scores", ("all images", "%", "95 % interval"), rows, NO_DEPTH if missing else "")
