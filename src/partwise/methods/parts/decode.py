"""Decoding of part maps, objectness and semantics into instances.

The stages are propose, assemble, sharpen, suppress, refine, paint, score and reconcile. Each stage is a function in a
file of its own; `PartsDecoder.decode` calls one after the other.

Axes: C evaluated classes, T of them with instances, F channels of features, K parts, m window cells a side, M windows,
h and w cells of a map, H and W pixels. Lists have one entry for each grid of windows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from partwise.decoding.candidates import Candidates
from partwise.decoding.outcomes import CandidateOutcome, outcomes_of
from partwise.decoding.reconcile import reconcile, uncertain_pixels
from partwise.decoding.score import Scored, score_instances
from partwise.decoding.suppress import Kept, suppress
from partwise.methods.parts.assemble import assemble_grids, list_candidates
from partwise.methods.parts.class_maps import ClassMaps
from partwise.methods.parts.decode_config import DecodeConfig
from partwise.methods.parts.paint import paint
from partwise.methods.parts.propose import propose
from partwise.methods.parts.refine_masks import Correct, RefinerMaps, refine_masks
from partwise.methods.parts.sharpen import sharpen
from partwise.methods.parts.windows import Window
from partwise.scene import Prediction
from streeteval.labels import LabelSet

CONFIDENT = 0.9  # instances do not change the semantic map where its most likely class has at least this probability


@dataclass(frozen=True, eq=False)
class ImageOutputs:
    """The outputs of the network for one image: logits, except the features.

    Attributes:
        semantic_Chw: (C, h, w) semantic logits.
        objectness: (h, w) logits of each grid.
        parts: (K, h, w) logits of each grid.
        detail_Fhw: (F, h, w) features at stride 2 for the mask refiner; None if masks are not refined.
    """

    semantic_Chw: np.ndarray
    objectness: list[np.ndarray]
    parts: list[np.ndarray]
    detail_Fhw: np.ndarray | None = None

    @classmethod
    def of(cls, outputs: Mapping[str, Any], b: int) -> ImageOutputs:
        """Copy the outputs of image `b` of a batch into NumPy arrays; see `PartMaps` for the outputs.

        Args:
            outputs: Tensors on any device, or arrays.
            b: Index of the image.
        """
        return cls(
            as_array(outputs["semantic"][b]),
            [as_array(grid[b]) for grid in outputs["objectness"]],
            [as_array(grid[b]) for grid in outputs["parts"]],
            as_array(outputs["detail"][b]) if "detail" in outputs else None,
        )


def as_array(maps: Any) -> np.ndarray:
    """Return a tensor on any device, or an array, as a contiguous float32 array."""
    if not isinstance(maps, np.ndarray):
        maps = maps.detach().float().contiguous().cpu().numpy()  # torch is faster at this than NumPy
    return np.ascontiguousarray(maps, np.float32)


@dataclass(frozen=True, eq=False)
class Decoded:
    """What was found in one image, with the data that an explanation needs.

    Attributes:
        prediction: Instances, the highest score first, and the semantic map.
        candidates: All candidates.
        kept: The decisions of suppression about them.
        scored: The final scores of the candidates that were kept.
    """

    prediction: Prediction
    candidates: Candidates
    kept: Kept
    scored: Scored

    def outcomes(self, label_set: LabelSet) -> list[CandidateOutcome]:
        """List the outcome of every candidate, the one with the highest score first."""
        return outcomes_of(self.candidates, self.kept, self.scored, label_set)


class PartsDecoder:
    """The decoder of part maps: its settings, and its stages in order.

    Args:
        config: The settings.
        windows: Stride and cells of each grid.
        label_set: The classes.
        step_cells: Use only the windows at every `step_cells`-th cell; 1 for all windows.
    """

    def __init__(self, config: DecodeConfig, windows: tuple[Window, ...], label_set: LabelSet, step_cells: int = 1):
        self.config, self.windows, self.label_set, self.step_cells = config, windows, label_set, step_cells
        self.thing_train_ids = [label.train_id for label in label_set.things]

    def decode(
        self,
        outputs: ImageOutputs,
        part_weights: Sequence[np.ndarray],
        size: tuple[int, int],
        correct: Correct | None = None,
    ) -> Decoded:
        """Find the instances and the semantic map of one image.

        Args:
            outputs: The outputs of the network for the image.
            part_weights: (K, m, m) of each grid, see `windows.part_weights`.
            size: (H, W) of the image in pixels, without the padding.
            correct: The network that corrects masks, see `refine_masks.Correct`; needed if `outputs` has features for
                it.
        """
        config, label_set, objectness = self.config, self.label_set, outputs.objectness
        stride_px = self.semantic_stride_px(objectness, outputs.semantic_Chw)
        classes = ClassMaps.of(outputs.semantic_Chw, label_set)
        centres = self.best_windows(objectness)
        assembled = assemble_grids(self.windows, centres, objectness, outputs.parts, part_weights, classes.things)
        candidates = list_candidates(assembled, config.quality_power, config.class_share)
        sharpened = sharpen(
            assembled, candidates, classes.things.finest, stride_px, size, label_set,
            min_score=config.min_score, weight=config.sharpen,
        )  # fmt: skip
        kept = suppress(
            candidates, sharpened,
            min_score=config.min_score, nms_iou=config.nms_iou, max_instances=config.max_instances,
        )  # fmt: skip
        found, refined = candidates[kept.candidate_N], []
        if outputs.detail_Fhw is not None:
            assert correct is not None
            maps = RefinerMaps(outputs.detail_Fhw, classes.things, label_set)
            refined = refine_masks(correct, maps, assembled, found, config.refine_score)
        painted = paint([sharpened[index] for index in kept.candidate_N], refined, size)
        scored = score_instances(
            found, painted, label_set, size, refined_power=config.refined_power, soft_sigma=config.soft_sigma
        )
        prediction = Prediction(scored.instances, classes.ids_of_pixels(stride_px, size, label_set))
        prediction = self.reconciled(prediction, classes.highest_hw, stride_px, size)
        return Decoded(prediction, candidates, kept, scored)

    def best_windows(self, objectness: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Choose the windows that are assembled: the cells (M, 2) of each grid, see `propose`."""
        return propose(objectness, self.config, self.step_cells)

    def reconciled(
        self, prediction: Prediction, highest_hw: np.ndarray, stride_px: int, seen: tuple[int, int]
    ) -> Prediction:
        """Make the semantic map of a prediction consistent with its instances, see `decoding.reconcile`.

        Args:
            prediction: The prediction for an image, which may differ in size from what the network saw.
            highest_hw: (h, w) probability of the most likely class.
            stride_px: Side of a cell of `highest_hw` in pixels.
            seen: (H, W) in pixels at which the network saw the image.
        """
        semantic_HW = prediction.semantic_HW
        assert semantic_HW is not None
        uncertain_hw = highest_hw < CONFIDENT
        uncertain_HW = uncertain_pixels(uncertain_hw, stride_px, seen, semantic_HW.shape)
        confident = prediction.instances[prediction.instances.scores >= self.config.agree_score]
        return Prediction(prediction.instances, reconcile(semantic_HW, confident, uncertain_HW, self.label_set))

    def semantic_stride_px(self, objectness: Sequence[np.ndarray], semantic_Chw: np.ndarray) -> int:
        """Return the side of a cell of the semantic map in pixels of the image.

        Args:
            objectness: (h, w) of each grid.
            semantic_Chw: (C, h, w) of the same image.
        """
        return objectness[0].shape[0] * self.windows[0].stride_px // semantic_Chw.shape[-2]
