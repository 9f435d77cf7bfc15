"""The doctor's rules for ranks: does their order follow the report, and has each object a map of its own?"""

from __future__ import annotations

import numpy as np

from partwise.doctor import Finding, Severity, Subject, judged
from partwise.scene import Scene
from partwise_report.ordering import Ordering
from streeteval.labels import INSTANCE_FACTOR

IN_ORDER = 0.99  # of the pairs; report 2.3 assumes that there are no ties


def order_direction(subject: Subject) -> list[Finding]:
    """Whether ranks rise with x, as the report says (2.3), or with y: the share of pairs of objects in that order."""
    method = subject.method
    if not isinstance(method, Ordering) or method.by_depth:
        return []
    pairs = along_x = along_y = 0
    for scene, target in zip(subject.samples, subject.targets, strict=True):
        places = _places(scene, target["ranks"].numpy(), method.config.class_id)
        for i, (rank, x, y) in enumerate(places):
            for other, x2, y2 in places[:i]:
                if rank != other:
                    pairs += 1
                    along_x += (rank > other) == (x > x2)
                    along_y += (rank > other) == (y > y2)
    if pairs == 0:
        return []
    share = along_x / pairs
    what = f"share of {pairs} pairs of objects whose ranks rise with x (with y: {along_y / pairs:.2f})"
    bad = share < IN_ORDER
    remedy = "sort by (x, y), not by (y, x) as row and column indices come" if bad else ""
    details = {"along_x": share, "along_y": along_y / pairs}
    severity = Severity.FAULT if bad else Severity.OK
    return [Finding("order direction", severity, what, share, IN_ORDER, "ranks", remedy, details)]


def merged_ranks(subject: Subject) -> list[Finding]:
    """Whether as many objects as the method promises to tell apart get a target each, in a scene made for it."""
    method = subject.method
    if not isinstance(method, Ordering):
        return []
    count, class_id = method.config.max_instances, method.config.class_id
    ids = np.zeros((8, 8 * count), np.int32)
    for n in range(count):
        ids[2:6, 8 * n + 2 : 8 * n + 6] = class_id * INSTANCE_FACTOR + n
    semantic = np.where(ids > 0, class_id, method.label_set.void_id).astype(np.uint8)
    distances = {class_id * INSTANCE_FACTOR + n: float(n) for n in range(count)}
    row = Scene("row", np.zeros((*ids.shape, 3), np.uint8), semantic, ids, distances=lambda: distances)
    ranks = method.targets(row)["ranks"].numpy()
    distinct = len(np.unique(ranks[ids > 0]))
    what = f"objects of {count} in a row that share their map with another one"
    remedy = "give the score layer a map more: background and one for each rank"
    return [judged("merged ranks", what, count - distinct, "ranks", remedy, fault_above=0)]


def _places(scene: Scene, ranks_HW: np.ndarray, class_id: int) -> list[tuple[int, float, float]]:
    """(rank, x, y) of each instance of the class that has one rank."""
    places = []
    instances = scene.instances
    for label, (x0, y0, x1, y1), mask in zip(instances.labels, instances.boxes, instances.masks, strict=True):
        values = np.unique(ranks_HW[y0:y1, x0:x1][mask])
        if label == class_id and len(values) == 1 and values[0] != 255:
            rows, columns = np.nonzero(mask)
            places.append((int(values[0]), float(x0 + columns.mean()), float(y0 + rows.mean())))
    return places
