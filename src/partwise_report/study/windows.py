"""What the part maps say of each object of the truth in the window that is its own.

It shows what was learnt before a training has come far enough for AP.

Axes: N objects, K = k * k parts, h and w cells of a map, S and T rows and columns of a window, H and W pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from partwise.errors import PartwiseError
from partwise.methods import Method, PartMaps
from partwise.methods.method import Outputs
from partwise.methods.parts.targets import right_grid
from partwise.methods.parts.windows import Window, assemble
from partwise.scene import Scene
from partwise_report.ceilings import CLASS_NAME
from partwise_report.instance_fcn import InstanceFcn
from partwise_report.instance_fcn.decode import objectness_of_windows
from partwise_report.instance_fcn.objects import Objects, window_cells_of
from partwise_report.instance_fcn.windows import cells_of
from streeteval.instances import Instances
from streeteval.labels import LabelSet

MIN_AREA_PX = 100  # as in the scores of instances: smaller truth does not count
NEAR_SHARE = 0.25  # DeepMask 3.2: a window off by a quarter of the object's longest side is a negative


def cars_of(label_set: LabelSet) -> tuple[int, ...]:
    """Ids of the class whose instances the report's systems tell apart.

    Raises:
        PartwiseError: If the data have no such class.

    >>> from streeteval.labels import CITYSCAPES
    >>> cars_of(CITYSCAPES)
    (26,)
    """
    found = tuple(label.id for label in label_set.things if label.name == CLASS_NAME)
    if not found:
        named = ", ".join(label.name for label in label_set.things) or "none"
        raise PartwiseError(
            f"{label_set.name}: no class with instances is called {CLASS_NAME!r}, and the report's systems know cars "
            f"alone; the classes are {named}: name one of them so in the data"
        )
    return found


@dataclass(frozen=True, eq=False)
class ObjectWindow:
    """One object, its own window and what the maps say there.

    Attributes:
        n: Index among the objects.
        slot: Index of the set of part maps; windows of one slot share their maps.
        corner: (y, x) of the window's first pixel; it may lie outside the image.
        logits_ST: float, at the window's cells; values outside the map are those of its border.
        stride_px: Side of a cell, in pixels of the image.
        objectness: Score of this window, higher where an object is likelier.
        centre_px: (y, x) of this window.
        scores_hw: Of every window of its grid.
        axes_px: (h,) and (w,) centres of those windows along y and x.
        far_hw: bool: those that are centred on no object.
    """

    n: int
    slot: int
    corner: tuple[int, int]
    logits_ST: Tensor
    stride_px: int
    objectness: float
    centre_px: tuple[float, float]
    scores_hw: Tensor
    axes_px: tuple[np.ndarray, np.ndarray]
    far_hw: Tensor

    def mask(self, size: tuple[int, int]) -> np.ndarray:
        """(H, W) bool: where the assembled window says yes, enlarged as the decoder enlarges it."""
        enlarged = F.interpolate(self.logits_ST[None, None], scale_factor=self.stride_px, mode="bilinear")[0, 0] > 0
        return paste(enlarged.numpy(), self.corner, size)

    def window_of(self, full_HW: np.ndarray) -> np.ndarray:
        """What lies in the window of a map of the image's size, False outside the image."""
        height, width = (side * self.stride_px for side in self.logits_ST.shape)
        y, x = self.corner
        window = np.zeros((height, width), bool)
        y0, x0, y1, x1 = max(y, 0), max(x, 0), min(y + height, full_HW.shape[0]), min(x + width, full_HW.shape[1])
        if y0 < y1 and x0 < x1:
            window[y0 - y : y1 - y, x0 - x : x1 - x] = full_HW[y0:y1, x0:x1]
        return window


def paste(window: np.ndarray, corner: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """(H, W) bool with the window laid at `corner` (y, x); what leaves the image is cut off.

    >>> paste(np.ones((2, 2), bool), (-1, 1), (2, 3)).astype(int).tolist()
    [[0, 1, 1], [0, 0, 0]]
    """
    full = np.zeros(size, bool)
    (y, x), (height, width) = corner, window.shape
    y0, x0, y1, x1 = max(y, 0), max(x, 0), min(y + height, size[0]), min(x + width, size[1])
    if y0 < y1 and x0 < x1:
        full[y0:y1, x0:x1] = window[y0 - y : y1 - y, x0 - x : x1 - x]
    return full


def objects_of(scene: Scene) -> Instances:
    """The instances that are looked at: cars of at least MIN_AREA_PX."""
    cars = [label.id for label in scene.label_set.things if label.name == CLASS_NAME]
    return scene.instances[np.isin(scene.instances.labels, cars) & (scene.instances.areas >= MIN_AREA_PX)]


def part_maps(outputs: Outputs) -> list[Tensor]:
    """(K, h, w) of the first image, one for each set of maps; [] for a method without parts."""
    return [maps[0].float().cpu() for maps in outputs.get("parts", [])]


def parts_across(method: Method) -> int:
    """How many parts a window has along each axis, k of k * k, of a method with part maps."""
    config: Any = method.config  # of one class here and of another in partwise
    return config.k


def object_windows(method: Method, outputs: Outputs, objects: Instances) -> Iterator[ObjectWindow]:
    """The own window of every object of one image; none for a method without parts."""
    if isinstance(method, PartMaps):
        yield from _of_part_maps(method, outputs, objects)
    elif isinstance(method, InstanceFcn):
        yield from _of_instance_fcn(method, outputs, objects)


def _of_part_maps(method: PartMaps, outputs: Outputs, objects: Instances) -> Iterator[ObjectWindow]:
    centres_N2 = centres_of(objects)
    for n, side in enumerate(objects.longest_sides.tolist()):
        slot = right_grid(float(side), method.windows, method.config.assign.fill_max)
        window = method.windows[slot]
        objectness_hw = outputs["objectness"][slot][0].float().cpu()
        cell = [_nearest_cell(window, centres_N2[n, axis], objectness_hw.shape[axis]) for axis in (0, 1)]
        maps_Khw = outputs["parts"][slot][0].float().cpu()
        logits, _ = assemble(maps_Khw, torch.tensor([cell]), method.part_weights[slot].cpu())
        top, left = ((c - window.cells // 2) * window.stride_px for c in cell)
        axes = (
            window.centre_px(np.arange(objectness_hw.shape[0])),
            window.centre_px(np.arange(objectness_hw.shape[1])),
        )
        far = far_from(axes, centres_N2, np.maximum(NEAR_SHARE * objects.longest_sides, window.stride_px))
        yield ObjectWindow(
            n,
            slot,
            (top, left),
            logits[0],
            window.stride_px,
            float(objectness_hw[cell[0], cell[1]]),
            (float(axes[0][cell[0]]), float(axes[1][cell[1]])),
            objectness_hw,
            axes,
            far,
        )


def _of_instance_fcn(method: InstanceFcn, outputs: Outputs, objects: Instances) -> Iterator[ObjectWindow]:
    centres_N2 = centres_of(objects)
    cells_N2 = window_cells_of(Objects(objects, method.config.enlarge), method.config)
    maps_Khw, objectness_hw = outputs["parts"][0][0].float().cpu(), outputs["objectness"][0][0].float().cpu()
    shape, cell_px = tuple(objectness_hw.shape), method.config.cell_px
    near_px = method.config.near_px / method.config.enlarge
    for n, cells in enumerate(cells_N2.tolist()):
        first = np.round(centres_N2[n] / cell_px - np.array(cells) / 2).astype(int)
        box = torch.tensor([[*first, *(first + cells)]])
        logits = cells_of(box, method.config.k, shape).assembled(maps_Khw).view(*cells)
        score_hw = objectness_of_windows(method.config.objectness, objectness_hw, tuple(cells))
        y, x = np.clip(first + np.array(cells) // 2, 0, np.array(shape) - 1)
        height, width = ((np.arange(count) - c // 2 + c / 2) * cell_px for count, c in zip(shape, cells, strict=True))
        axes = (height, width)
        far = far_from(axes, centres_N2, np.full(len(objects), near_px))
        corner = (int(first[0]) * cell_px, int(first[1]) * cell_px)
        centre = (float(axes[0][y]), float(axes[1][x]))
        yield ObjectWindow(n, 0, corner, logits, cell_px, float(score_hw[y, x]), centre, score_hw, axes, far)


def far_from(axes_px: Sequence[np.ndarray], centres_N2: np.ndarray, reach_px_N: np.ndarray) -> Tensor:
    """(h, w) bool: cells whose window is centred farther than its reach, along y or x, from the centre of every object.

    Args:
        axes_px: Centres of the windows of each row and of each column.
        centres_N2: (y, x) of the objects.
        reach_px_N: Of each object.
    """
    far = np.ones((len(axes_px[0]), len(axes_px[1])), bool)
    for (y, x), reach in zip(centres_N2, reach_px_N, strict=True):
        far &= (np.abs(axes_px[0] - y)[:, None] > reach) | (np.abs(axes_px[1] - x)[None, :] > reach)
    return torch.from_numpy(far)


def centres_of(objects: Instances) -> np.ndarray:
    """(N, 2) y and x of the centre of each box."""
    boxes = objects.boxes
    return np.stack([boxes[:, 1] + boxes[:, 3], boxes[:, 0] + boxes[:, 2]], axis=1) / 2


def _nearest_cell(window: Window, centre_px: float, count: int) -> int:
    return int(np.abs(window.centre_px(np.arange(count)) - centre_px).argmin())
