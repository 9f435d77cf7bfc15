"""The evaluator with the three methods of a torchmetrics metric: update, compute, reset. Torch is not imported here.

Where torch.distributed is initialised, `compute` adds what all processes counted, so that every process returns the
same scores.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from streeteval.errors import InputError
from streeteval.evaluator import CityscapesEvaluator
from streeteval.given import plain
from streeteval.instances import Instances
from streeteval.labels import CITYSCAPES, INSTANCE_FACTOR, LabelSet
from streeteval.scene import Truth

__all__ = ["CityscapesMetric"]


class CityscapesMetric:
    """Scores of batches of predictions, as tensors of any device or as arrays.

    Args:
        label_set: The classes.
        **settings: Those of `CityscapesEvaluator`, such as `boundary=True`.

    Attributes:
        repeated: How many images were left out of the scores because an image of their name was there already, as
            samplers repeat images so that every process has the same number.

    Example:
        >>> metric = CityscapesMetric()
        >>> ids = np.full((40, 60), 7)
        >>> ids[5:25, 5:25] = 26000
        >>> found = {"masks": (ids == 26000)[None], "labels": [26], "scores": [0.9]}
        >>> metric.update([found], [{"instance_ids": ids}])
        >>> metric.compute()["instance"]["ap"]
        1.0
    """

    def __init__(self, label_set: LabelSet = CITYSCAPES, **settings: Any) -> None:
        self.evaluator = CityscapesEvaluator(label_set, **settings)
        self.repeated = 0

    def update(self, preds: Sequence[Mapping[str, Any]], target: Sequence[Mapping[str, Any]]) -> None:
        """Add a batch of images.

        Args:
            preds: A mapping for each image: "masks" (N, H, W), "labels" (N,) label ids and "scores" (N,) of its N
                instances, "semantic" (H, W) label ids, or all four.
            target: A mapping for each image: "instance_ids" (H, W), id * 1000 + number or the bare id; "label_ids"
                (H, W) if they do not follow from these; and "name", without which images of two processes count as two.

        Raises:
            InputError: If the batch has not one target for each prediction, or an image cannot be scored.
        """
        if len(preds) != len(target):
            raise InputError(f"{len(preds)} predictions and {len(target)} targets: give one of each for an image")
        for found, true in zip(preds, target, strict=True):
            truth = self._truth(true)
            if truth.name in self.evaluator.records:
                self.repeated += 1
                continue
            instances = None
            if "masks" in found:
                instances = Instances.from_masks(found["labels"], found["scores"], found["masks"], truth.size)
            self.evaluator.update(truth, instances, found.get("semantic"))

    def _truth(self, true: Mapping[str, Any]) -> Truth:
        ids_HW = np.asarray(plain(true["instance_ids"]))
        labels_HW = true.get("label_ids")
        if labels_HW is None:
            labels_HW = np.where(ids_HW < INSTANCE_FACTOR, ids_HW, ids_HW // INSTANCE_FACTOR)
        name = true.get("name", f"image {len(self.evaluator) + self.repeated} of process {_process_number()}")
        return Truth(str(name), labels_HW, ids_HW, self.evaluator.label_set)

    def compute(self) -> dict[str, Any]:
        """Return what `CityscapesEvaluator.compute` returns, of the images of all processes."""
        distributed = _distributed()
        if distributed is None:
            return self.evaluator.compute()
        parts: list[Any] = [None] * distributed.get_world_size()
        distributed.all_gather_object(parts, self.evaluator.records)
        together = self.evaluator.fresh()
        for records in parts:
            part = self.evaluator.fresh()
            part.records = {name: one for name, one in records.items() if name not in together.records}
            together.merge(part)
        return together.compute()

    def reset(self) -> None:
        """Forget all images."""
        self.evaluator, self.repeated = self.evaluator.fresh(), 0

    def __call__(self, preds: Sequence[Mapping[str, Any]], target: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Add a batch, and return the scores of this batch alone."""
        alone = CityscapesMetric(self.evaluator.label_set)
        alone.evaluator = self.evaluator.fresh()
        alone.update(preds, target)
        self.update(preds, target)
        return alone.evaluator.compute()


def _distributed() -> Any:
    """Return torch.distributed if the program has initialised it; otherwise None."""
    distributed = getattr(sys.modules.get("torch"), "distributed", None)
    usable = distributed is not None and distributed.is_available() and distributed.is_initialized()
    return distributed if usable else None


def _process_number() -> int:
    distributed = _distributed()
    return 0 if distributed is None else distributed.get_rank()
