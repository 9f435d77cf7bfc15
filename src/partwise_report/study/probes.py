"""Measurements of a network on held-out frames that say how far it has learnt, frame by frame.

Axes: K part maps, h and w cells, H and W pixels, S pixels of a window's side, R maps of ranks.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from partwise.methods import Method
from partwise.methods.method import Outputs
from partwise.scene import Scene
from partwise_report.study.windows import ObjectWindow, object_windows, objects_of, part_maps, parts_across

SMALL_PX = 32  # longest side of a small object, as in COCO (32 x 32)
FIGURES = ("mask_iou", "mask_iou_small", "objectness_auc", "map_likeness", "order")
MEANING = {
    "mask_iou": "IoU of the assembled window of each true object with the object, its window given",
    "mask_iou_small": f"IoU of the assembled window with the object, for longest sides below {SMALL_PX} px",
    "objectness_auc": "how often the window on an object scores above one on none (.5: by chance)",
    "map_likeness": "mean correlation between two of the part maps (1: all maps say the same)",
    "order": "share of the class's pixels whose rank is right",
}


class Probes:
    """Add every frame, then ask for the figures."""

    def __init__(self) -> None:
        self.frames: list[dict[str, float]] = []
        self.shapes: dict[int, list[Shape]] = {}
        self.ranks: list[tuple[np.ndarray, np.ndarray]] = []

    def add(self, method: Method, outputs: Outputs, scene: Scene) -> None:
        """Measure the outputs of one scene."""
        row = dict.fromkeys(FIGURES, float("nan"))
        maps = part_maps(outputs)
        if maps:
            row |= self._add_windows(method, outputs, scene)
            row["map_likeness"] = float(np.mean([map_likeness(one) for one in maps]))
        if "ranks" in outputs and "ranks" in (targets := method.targets(scene)):
            row["order"] = self._add_ranks(targets["ranks"].numpy(), outputs, scene)
        self.frames.append(row)

    def _add_windows(self, method: Method, outputs: Outputs, scene: Scene) -> dict[str, float]:
        objects, k = objects_of(scene), parts_across(method)
        iou, small, auc = [], [], []
        for window in object_windows(method, outputs, objects):
            truth = objects.full_mask(window.n)
            iou.append(mask_iou(window.mask(scene.size), truth))
            small.append(objects.longest_sides[window.n] < SMALL_PX)
            auc.append(share_above(window.objectness, window.scores_hw[window.far_hw]))
            self.shapes.setdefault(window.slot, []).append(shape_of(window, truth, k, len(self.frames)))
        iou_N = np.array(iou)
        of_small = _mean(iou_N[np.array(small, bool)])
        return {"mask_iou": _mean(iou_N), "mask_iou_small": of_small, "objectness_auc": _mean(np.array(auc))}

    def _add_ranks(self, truth_HW: np.ndarray, outputs: Outputs, scene: Scene) -> float:
        logits_RHW = outputs["ranks"][0, :, : scene.size[0], : scene.size[1]].float().cpu()
        shown = (truth_HW > 0) & (truth_HW < len(logits_RHW))
        said = logits_RHW[1:].argmax(dim=0).numpy()[shown] + 1
        columns = np.nonzero(shown)[1] / scene.size[1]
        self.ranks.append((truth_HW[shown].astype(int), columns))
        return float((said == truth_HW[shown]).mean()) if shown.any() else float("nan")

    def figures(self) -> dict:
        """Return every figure and the marks that each is compared with.

        Each mark is a mean over frames, as the figure is. Ranks are chosen on the other frames, because a network has
        not seen these either.

        Returns:
            Figure -> {"mean", "by_frame"}, and mark -> its value: "constant_maps_iou" (mask IoU of part maps that say
            the same at every cell), "constant_order" (order where all pixels of a frame have one rank, the best for the
            other frames), "column_order" (the same of each of 16 strips of the image).
        """
        made: dict[str, Any] = {}
        for name in FIGURES:
            values = np.array([row[name] for row in self.frames], float)
            if np.isfinite(values).any():
                made[name] = {"mean": float(np.nanmean(values)), "by_frame": values}
        if self.shapes:
            made["constant_maps_iou"] = constant_maps_iou(self.shapes)
        if self.ranks:
            made["constant_order"], made["column_order"] = order_marks(self.ranks)
        return made


def mask_iou(a_HW: np.ndarray, b_HW: np.ndarray) -> float:
    """0..1; 0 where both are empty.

    >>> mask_iou(np.array([[True, True]]), np.array([[False, True]]))
    0.5
    """
    return float((a_HW & b_HW).sum() / max(1, (a_HW | b_HW).sum()))


def share_above(value: float, others_X: Tensor) -> float:
    """How many of the others a value exceeds, ties as half: the mean of it over positives is the area under the ROC.

    >>> share_above(1.0, torch.tensor([0.0, 1.0, 2.0, 0.5]))
    0.625
    """
    if len(others_X) == 0:
        return float("nan")
    return float((others_X < value).float().mean() + 0.5 * (others_X == value).float().mean())


def map_likeness(maps_Khw: Tensor) -> float:
    """Mean Pearson correlation of all pairs of maps; maps without any variation count as equal to all others.

    >>> map_likeness(torch.stack([torch.eye(3), torch.eye(3)]))
    1.0
    """
    flat = maps_Khw.flatten(1).double()
    flat = flat - flat.mean(dim=1, keepdim=True)
    norm = flat.norm(dim=1)
    if len(flat) < 2:
        return 1.0
    unit = flat / norm.clamp(min=1e-12)[:, None]
    likeness = unit @ unit.T
    constant = norm < 1e-9
    likeness[constant] = 1.0
    likeness[:, constant] = 1.0
    pairs = torch.triu(torch.ones_like(likeness, dtype=torch.bool), diagonal=1)
    return round(float(likeness[pairs].mean()), 9)


def part_counts(
    truth_ST: NDArray[np.bool_], k: int, inside_ST: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(K,) pixels of the object and (K,) all pixels in each part of a window.

    Args:
        truth_ST: Where the object is in the window.
        k: A window has k x k parts.
        inside_ST: Pixels of the window that lie in the image, which alone count; None for all.

    Example:
        >>> [counts.tolist() for counts in part_counts(np.array([[True, True], [True, False]]), 2)]
        [[1, 1, 1, 0], [1, 1, 1, 1]]
    """
    part = part_of_pixels(k, truth_ST.shape).ravel()
    counts = np.bincount(part, truth_ST.ravel(), k * k)
    inside = np.ones(truth_ST.size, bool) if inside_ST is None else inside_ST.ravel()
    return counts.astype(int), np.bincount(part, inside, minlength=k * k).astype(int)


class Shape(NamedTuple):
    """An object in a window: what `part_counts` gives, pixels of the whole object, and the number of its frame."""

    own: np.ndarray
    every: np.ndarray
    area: int
    frame: int


def shape_of(window: ObjectWindow, truth_HW: NDArray[np.bool_], k: int, frame: int) -> Shape:
    """The object of a window in its parts; as in its mask, pixels outside the image do not count.

    Args:
        window: Of the object.
        truth_HW: Where the object is in the image.
        k: A window has k x k parts.
        frame: Number of the frame.
    """
    inside_ST = window.window_of(np.ones(truth_HW.shape, bool))
    return Shape(*part_counts(window.window_of(truth_HW), k, inside_ST), int(truth_HW.sum()), frame)


def constant_ious(shapes: Sequence[Shape], slots: Sequence[int]) -> NDArray[np.float64]:
    """IoU of each window with its object where each part map is on or off everywhere.

    Which parts are on is chosen on the other half of the frames (every second one), so that it does not depend on the
    frame that it is held against: of the sets that take parts in the order in which objects fill them, the one with the
    highest IoU, as a mean over frames of the means over a frame's windows.

    Args:
        shapes: Of each window.
        slots: The set of part maps that each window reads.

    Returns:
        (windows,) in 0..1. Where only one half of the frames shows a slot, its maps are chosen on that half.
    """
    found, slot_M = np.zeros(len(shapes)), np.array(slots)
    frame_M = np.array([one.frame for one in shapes])
    weight_M = 1 / np.bincount(frame_M)[frame_M]
    for slot, half in product(np.unique(slot_M), (0, 1)):
        judged, others = (np.flatnonzero((slot_M == slot) & (frame_M % 2 == side)) for side in (half, 1 - half))
        if len(judged):
            chosen = others if len(others) else judged
            on_K = _best_parts([shapes[n] for n in chosen.tolist()], weight_M[chosen])
            found[judged] = [_iou_of_parts(shapes[n], on_K) for n in judged.tolist()]
    return found


def _best_parts(shapes: Sequence[Shape], weight_M: NDArray[np.float64]) -> NDArray[np.int64]:
    """Indices of the parts that are on."""
    filled_K = np.average([one.own / np.maximum(one.every, 1) for one in shapes], axis=0, weights=weight_M)
    order = np.argsort(-filled_K, kind="stable")
    nested = [order[: count + 1] for count in range(len(order))]
    return max(nested, key=lambda on_K: np.average([_iou_of_parts(one, on_K) for one in shapes], weights=weight_M))


def _iou_of_parts(shape: Shape, on_K: NDArray[np.int64]) -> float:
    own = shape.own[on_K].sum()
    return float(own / (shape.every[on_K].sum() + shape.area - own))


def constant_maps_iou(shapes: dict[int, list[Shape]]) -> float:
    """Mean over frames of the means over a frame's windows of `constant_ious`, as the mean of "mask_iou" is.

    Args:
        shapes: Of each slot.
    """
    windows = [(one, slot) for slot, of_slot in shapes.items() for one in of_slot]
    frame_M = np.array([one.frame for one, _ in windows])
    ious_M = constant_ious(*zip(*windows, strict=True))
    return float(np.mean([ious_M[frame_M == frame].mean() for frame in np.unique(frame_M)]))


def part_of_pixels(k: int, shape: tuple[int, int]) -> np.ndarray:
    """Index of the part of each pixel of a window, row by row.

    >>> part_of_pixels(2, (2, 4)).tolist()
    [[0, 0, 1, 1], [2, 2, 3, 3]]
    """
    row, column = (np.arange(side) * k // side for side in shape)
    return row[:, None] * k + column[None, :]


def order_marks(frames: Sequence[tuple[np.ndarray, np.ndarray]], strips: int = 16) -> tuple[float, float]:
    """What one rank for all pixels reaches, and one for each strip of the image; see `Probes.figures`.

    Args:
        frames: (rank, place across the image in 0..1) of each frame's pixels; every frame counts the same, as it does
            in the mean of "order", however many pixels it shows.
        strips: Of the image.

    Returns:
        Both shares; NaN where there are no other frames.
    """
    frames = [(ranks, columns) for ranks, columns in frames if len(ranks)]
    if len(frames) < 2:
        return float("nan"), float("nan")
    shares = np.zeros((len(frames), strips, 1 + max(int(ranks.max()) for ranks, _ in frames)))
    for share, (ranks, columns) in zip(shares, frames, strict=True):
        np.add.at(share, (np.minimum((columns * strips).astype(int), strips - 1), ranks), 1 / len(ranks))
    constant, placed = [], []
    for n, share in enumerate(shares):
        others = np.delete(shares, n, axis=0).sum(axis=0)
        usual = others.sum(axis=0).argmax()
        by_strip = np.where(others.any(axis=1), others.argmax(axis=1), usual)  # the usual one where none shows a car
        constant.append(share[:, usual].sum())
        placed.append(share[np.arange(strips), by_strip].sum())
    return float(np.mean(constant)), float(np.mean(placed))


def _mean(values: np.ndarray) -> float:
    values = values[np.isfinite(values)] if len(values) else values
    return float(values.mean()) if len(values) else float("nan")
