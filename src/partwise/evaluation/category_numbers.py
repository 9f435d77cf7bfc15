"""Find out that the category ids of results count from 1 where those of YOLO data count from 0.

Source: Ultralytics, `class_map` of its DetectionValidator: predictions.json of own data has the ids 1 to nc, and
annotation files and text files of results have 0 to nc - 1. Earlier versions wrote 0 to nc - 1.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from streeteval.instances import Instances
from streeteval.labels import INSTANCE_FACTOR, LabelSet
from streeteval.reading.faults import Fault
from streeteval.scene import Scene

__all__ = ["FROM_ONE", "CategoryNumbers"]

FROM_ONE = "if the ids count from 1, as Ultralytics' predictions.json does, subtract 1 from each category_id"


class CategoryNumbers:
    """Counts on objects of which category the entries of each category id lie.

    An entry lies on the true object that holds most of its pixels, if that is at least half of them.

    Args:
        label_set: Of the truth. Its file ids count from 0.
    """

    def __init__(self, label_set: LabelSet):
        self.label_set = label_set
        self.entries: Counter[int] = Counter()  # category id -> entries
        self.on_own: Counter[int] = Counter()  # category id -> those on an object of this category
        self.on_lower: Counter[int] = Counter()  # category id -> those on an object of the category one below

    def see(self, scene: Scene, instances: Instances) -> None:
        """Count the entries of one frame."""
        for label, (x0, y0, x1, y1), mask in zip(instances.labels, instances.boxes, instances.masks, strict=True):
            category = self.label_set.file_id_of(int(label))
            self.entries[category] += 1
            ids, pixels = np.unique(scene.instance_ids_HW[y0:y1, x0:x1][mask], return_counts=True)
            most = int(pixels.argmax())
            if ids[most] >= INSTANCE_FACTOR and 2 * pixels[most] >= pixels.sum():
                true = self.label_set.file_id_of(int(ids[most]) // INSTANCE_FACTOR)
                self.on_own[category] += true == category
                self.on_lower[category] += true == category - 1

    def remark(self, where: str) -> tuple[Fault | None, Fault | None]:
        """Judge what was counted.

        Args:
            where: The file of the results.

        Returns:
            A fault if the ids count from 1: none is 0, and more than twice as many entries lie on objects of the
            category one below as on those of their own, and so do those of two categories or more. A warning if that is
            all that is known of a single category: a model that confuses it with another one looks the same.
        """
        lower, own = self.on_lower.total(), self.on_own.total()
        if self.entries[0] or lower <= 2 * own:
            return None, None
        objects = f"{lower} of {self.entries.total()} entries lie on objects"
        problem = f"{objects} of the category one below their category_id, {own} on those of their own"
        if sum(self.on_lower[category] > self.on_own[category] for category in self.entries) < 2:
            return None, Fault(where, problem, FROM_ONE)
        remedy = "subtract 1 from each category_id, or give the folder of text files (save_txt=True save_conf=True)"
        return Fault(where, f"these ids count from 1, as Ultralytics' predictions.json does: {problem}", remedy), None
