"""The output of the semantic branch for one image, in the form that decoding needs.

Axes: C evaluated classes, T of them with instances, h and w cells of the semantic map, H and W pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from partwise.decoding.maps import highest
from partwise.decoding.pixels import likeliest_of_pixels
from partwise.methods.parts.pooled import PooledMaps
from streeteval.labels import LabelSet


@dataclass(frozen=True, eq=False)
class ClassMaps:
    """The semantic map of one image.

    Attributes:
        logits_Chw: (C, h, w) logits.
        things: (T, h, w) probability of each class with instances, and its means over coarser cells.
        likeliest_hw: (h, w) uint8 train id of the most likely class.
        highest_hw: (h, w) probability of this class, 0..1.
    """

    logits_Chw: np.ndarray
    things: PooledMaps[np.ndarray]
    likeliest_hw: np.ndarray
    highest_hw: np.ndarray

    @classmethod
    def of(cls, logits_Chw: np.ndarray, label_set: LabelSet) -> ClassMaps:
        """Compute the maps of one image.

        Args:
            logits_Chw: (C, h, w) semantic logits.
            label_set: The classes.
        """
        things = [label.train_id for label in label_set.things]
        logit_hw, likeliest_hw = highest(logits_Chw)
        exp_Chw = np.exp(logits_Chw - logit_hw)  # softmax, but only the probabilities that are needed are divided
        highest_hw = 1 / exp_Chw.sum(axis=0)
        return cls(logits_Chw, PooledMaps(exp_Chw[things] * highest_hw), likeliest_hw, highest_hw)

    def ids_of_pixels(self, stride_px: int, size: tuple[int, int], label_set: LabelSet) -> np.ndarray:
        """Enlarge the logits (bilinear) and take the most likely class of every pixel.

        Args:
            stride_px: Side of a cell in pixels.
            size: (H, W) of the image in pixels; the cells may extend beyond it.
            label_set: The classes.

        Returns:
            (H, W) uint8 ids of the label set.
        """
        train_ids = likeliest_of_pixels(self.logits_Chw, stride_px, self.likeliest_hw)[: size[0], : size[1]]
        return np.take(label_set.train_id_to_id, train_ids)  # takes half the time of indexing
