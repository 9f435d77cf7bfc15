"""`Instances`: what every method returns and every metric takes.

Axes: H image height, W image width, N instances. Everything here is NumPy.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from streeteval.boxes import box_of_mask, nearest_index
from streeteval.errors import InputError
from streeteval.given import plain, shown, size_of, whole_numbers
from streeteval.instance_list import InstanceList
from streeteval.labels import INSTANCE_FACTOR
from streeteval.rle import column_runs, segments

if TYPE_CHECKING:
    import supervision

__all__ = ["Instances"]


class Instances(InstanceList):
    """Zero or more instances of one image. Each mask is kept as the crop of its box.

    Attributes:
        labels: (N,) int32, ids of the label set (26 = car in Cityscapes).
        scores: (N,) float32, finite; a higher score is more confident; 1 for truth.
        boxes: (N, 4) int32, x0 y0 x1 y1 in pixels, half-open, inside the image, never empty.
        masks: N bool arrays; masks[i].shape == (y1 - y0, x1 - x0).
        size: (H, W) of the image in pixels.

    Raises:
        InputError: If a field is not as described.
    """

    @classmethod
    def empty(cls, size: tuple[int, int]) -> Self:
        """Return no instances, for an image of `size` (H, W) in pixels."""
        return cls(np.zeros(0), np.zeros(0), np.zeros((0, 4)), (), size)

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Join the instances of several predictions of one image, in their order.

        Args:
            parts: At least one. The fields of a subclass are taken from the first, but for those with a value for each
                instance, which are joined.

        Raises:
            InputError: If `parts` is empty, the images have different sizes, or a part lacks a field that is joined.
        """
        parts = list(parts) if isinstance(parts, Iterable) else [parts]
        sizes = {part.size if isinstance(part, Instances) else None for part in parts}
        if len(sizes) != 1 or None in sizes:
            raise InputError(f"Instances.joined: {shown(parts)}: give the Instances of one image, at least one")
        names = ("labels", "scores", "boxes", *parts[0].of_each)
        for name in names:
            if lacking := [type(part).__name__ for part in parts if not hasattr(part, name)]:
                raise InputError(f"Instances.joined: {lacking[0]} has no {name}: give parts of one class")
        arrays: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
        return replace(parts[0], **arrays, masks=tuple(mask for part in parts for mask in part.masks))

    @classmethod
    def from_masks(
        cls,
        labels: Sequence[int],
        scores: Sequence[float],
        masks: Iterable[np.ndarray],
        size: tuple[int, int] | None = None,
    ) -> Self:
        """Make instances from N masks of the size of the image. Masks without a pixel are left out.

        Args:
            labels: N ids of the label set.
            scores: N scores.
            masks: N arrays (H, W) of any type; non-zero is inside.
            size: (H, W) of the image in pixels. It is only needed if there may be no mask.

        Raises:
            InputError: If the numbers or the sizes differ, or there is neither a mask nor a size.

        Example:
            >>> one = np.zeros((4, 6), bool); one[1:3, 2:5] = True
            >>> Instances.from_masks([26], [0.9], [one]).boxes.tolist()
            [[2, 1, 5, 3]]
        """
        kept_labels, kept_scores, boxes, crops = [], [], [], []
        if not all(isinstance(given, Iterable) for given in (labels, scores, masks)):
            raise InputError("Instances.from_masks: give a list of labels, one of scores and one of masks")
        size = None if size is None else size_of("Instances.from_masks: size", size)
        labels, scores, masks = list(plain(labels)), list(plain(scores)), list(plain(masks))
        if not len(labels) == len(scores) == len(masks):
            raise InputError(
                f"Instances.from_masks: {len(labels)} labels, {len(scores)} scores and {len(masks)} masks: "
                "give the same number of each"
            )
        for label, score, mask in zip(labels, scores, masks, strict=True):
            mask = np.asarray(plain(mask)) != 0
            if mask.ndim != 2 or size not in (None, mask.shape):
                image = f", the image {size}" if size is not None else ""
                raise InputError(f"Instances: a mask is {mask.shape}{image}: give masks (H, W) of one size")
            size = mask.shape
            box = box_of_mask(mask)
            if box is None:
                continue
            x0, y0, x1, y1 = box
            kept_labels.append(label)
            kept_scores.append(score)
            boxes.append(box)
            crops.append(mask[y0:y1, x0:x1].copy())
        if size is None:
            raise InputError("Instances.from_masks: without a mask the size of the image must be given")
        return cls(np.array(kept_labels), np.array(kept_scores), np.array(boxes), tuple(crops), size)

    @classmethod
    def from_id_map(cls, instance_ids_HW: np.ndarray) -> Self:
        """Read the true instances from a Cityscapes instanceIds map. Their score is 1.

        Each value of at least 1000 is one instance of class value // 1000. Lower values are not instances: classes
        without instances, and groups such as "cargroup".

        Args:
            instance_ids_HW: (H, W) whole numbers from 0 on.

        Raises:
            InputError: If it is anything else.

        Example:
            >>> Instances.from_id_map(np.array([[26000, 26000, 26], [7, 26001, 26]])).boxes.tolist()
            [[0, 0, 2, 1], [1, 1, 2, 2]]
        """
        instance_ids_HW = whole_numbers("Instances.from_id_map", instance_ids_HW)
        if instance_ids_HW.ndim != 2:
            raise InputError(f"Instances.from_id_map: shape {instance_ids_HW.shape}: give a map (H, W) of ids")
        if instance_ids_HW.size and instance_ids_HW.min() < 0:
            raise InputError(f"Instances.from_id_map: id {instance_ids_HW.min()}: ids are 0 and above")
        ids, _, boxes = segments(instance_ids_HW)
        keep = ids >= INSTANCE_FACTOR
        ids, boxes = ids[keep], boxes[keep]
        masks = tuple(
            instance_ids_HW[y0:y1, x0:x1] == id_
            for id_, (x0, y0, x1, y1) in zip(ids.tolist(), boxes.tolist(), strict=True)
        )
        return cls(ids // INSTANCE_FACTOR, np.ones(len(ids)), boxes, masks, instance_ids_HW.shape)

    def resized(self, size: tuple[int, int]) -> Self:
        """Scale the instances to an image of another size: each new pixel has the value at its centre.

        An instance that has no pixel at the new size is left out.

        Args:
            size: (H, W) in pixels.

        Raises:
            InputError: If `size` is not two whole numbers from 1 on.

        Example:
            >>> half = Instances.from_masks([26], [1], [np.arange(8)[:, None] > np.arange(8)]).resized((4, 4))
            >>> half.masks[0].astype(int).tolist()
            [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
        """
        return self._scaled(size_of("resized: size", size, least=1))

    def _scaled(self, size: tuple[int, int], **of_image: Any) -> Self:
        """Scale the instances, see `resized`, and replace the fields of a subclass that have the size of the image."""
        rows, columns = (nearest_index(old, new) for old, new in zip(self.size, size, strict=True))
        kept, boxes, masks = [], [], []
        for i, ((x0, y0, x1, y1), mask) in enumerate(zip(self.boxes.tolist(), self.masks, strict=True)):
            top, bottom = np.searchsorted(rows, (y0, y1))
            left, right = np.searchsorted(columns, (x0, x1))
            moved = mask[np.ix_(rows[top:bottom] - y0, columns[left:right] - x0)]
            box = box_of_mask(moved)
            if box is not None:
                kept.append(i)
                boxes.append((box[0] + left, box[1] + top, box[2] + left, box[3] + top))
                masks.append(moved[box[1] : box[3], box[0] : box[2]])
        return replace(self[kept], boxes=np.array(boxes), masks=tuple(masks), size=size, **of_image)

    @property
    def id_values(self) -> np.ndarray:
        """Value of each instance in `to_id_map`, (N,) int32, id * 1000 + number in the order of the instances.

        Raises:
            InputError: If a class has more than 1000 instances.
        """
        values = np.zeros(len(self), np.int32)
        counts: dict[int, int] = {}
        for i, label in enumerate(self.labels.tolist()):
            number = counts.get(label, 0)
            if number >= INSTANCE_FACTOR:
                raise InputError(
                    f"more than {INSTANCE_FACTOR} instances of class {label} in one image do not fit into instanceIds: "
                    "keep fewer, for example by a higher least score"
                )
            values[i], counts[label] = label * INSTANCE_FACTOR + number, number + 1
        return values

    def to_id_map(self, background_HW: np.ndarray | None = None) -> np.ndarray:
        """Paint the instances as a Cityscapes instanceIds map. A higher score lies on top.

        Args:
            background_HW: (H, W) semantic ids for the pixels outside all instances; None for 0.

        Returns:
            (H, W) int32.

        Raises:
            InputError: If the background has another size, or a class has more than 1000 instances.
        """
        painted = np.zeros(self.size, np.int32)
        if background_HW is not None:
            painted = np.array(whole_numbers("background_HW", background_HW))
            if painted.shape != self.size:
                raise InputError(
                    f"background_HW has the shape {painted.shape}, the image {self.size}: give a map of that size"
                )
        values = self.id_values
        for i in np.argsort(self.scores, kind="stable"):
            x0, y0, x1, y1 = self.boxes[i]
            painted[y0:y1, x0:x1][self.masks[i]] = values[i]
        return painted

    def to_coco(self, image_id: int | str = 0) -> list[dict]:
        """Convert to COCO result entries.

        A Result writes the category ids of the data that its model was trained on. Instances alone know no label set
        and write their labels.

        COCO keeps the names of the classes in `categories` of the data set's file: `label_set.coco_categories` has this
        form. To compute COCO's mask AP, remove the boxes: if there are boxes, `loadRes` of pycocotools uses their area
        and not the area of the mask to tell small from large.

        Args:
            image_id: Id of the image in every entry.

        Returns:
            A dict for each instance: image_id, category_id, score, bbox (x, y, w, h in pixels) and segmentation
            (compressed RLE).
        """
        from pycocotools import mask as coco_mask

        entries = []
        for i, (x0, y0, x1, y1) in enumerate(self.boxes.tolist()):
            counts = column_runs(self.masks[i], (x0, y0), self.size).tolist()
            rle = coco_mask.frPyObjects({"size": list(self.size), "counts": counts}, *self.size)
            entries.append(
                {
                    "image_id": image_id,
                    "category_id": self.label_set.file_id_of(int(self.labels[i])),
                    "score": float(self.scores[i]),
                    "bbox": [x0, y0, x1 - x0, y1 - y0],
                    "segmentation": {"size": list(self.size), "counts": rle["counts"].decode("ascii")},
                }
            )
        return entries

    def to_supervision(self) -> supervision.Detections:
        """Convert to `supervision.Detections` with class names. It needs the extra `supervision`.

        Masks stay crops (`supervision.CompactMask`); `detections.mask.to_dense()` is the (N, H, W) bool array.

        Raises:
            InputError: If supervision is not installed.
        """
        try:
            import supervision
        except ImportError:
            raise InputError("to_supervision needs the package supervision: pip install supervision") from None
        masks = supervision.CompactMask(
            [column_runs(mask, (0, 0), mask.shape).astype(np.int32) for mask in self.masks],
            np.array([mask.shape for mask in self.masks], np.int32).reshape(-1, 2),
            self.boxes[:, :2].astype(np.int32),
            self.size,
        )
        return supervision.Detections(
            xyxy=self.boxes.astype(np.float32),
            mask=masks,
            confidence=self.scores,
            class_id=self.labels.astype(int),
            data={"class_name": np.array([self.label_set.name_of(label) for label in self.labels.tolist()], dtype=str)},
        )
