"""The training windows of the instance-sensitive FCN, as the report makes them (2.4.4) and as the paper does (3.2).

A window is drawn by a generator that the objects themselves seed, so that one crop always has the same windows and a
run stays a function of (recipe, data, seed).

Axes: N objects, M windows, h and w cells of the map, H and W pixels. Boxes of windows are y0 x0 y1 x1 in cells.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
import torch

from partwise.instances import Instances
from partwise.methods.method import Targets
from partwise.methods.parts.targets import coverage
from partwise.scene import Scene
from partwise_report.slips import Slips

STRIDE_PX = 8
MARGIN_PX = 32  # report 2.4.4: between the object and each side of its window
POSITIVE_SHIFT_PX = 16  # report 2.4.4, DeepMask 3.2: positive windows are off by at most this along each axis
NEGATIVE_SHIFT_PX = 32  # report 2.4.4, DeepMask 3.2: negative windows by at least this along one axis
WINDOWS = 256  # an image, half of them positive: report 2.4.3, InstanceFCN 3.2
PAPER_CELLS = 21  # InstanceFCN, section 4
CANONICAL_SHARE = 128 / 224  # DeepMask 3.2: longest side of the object in its window
POSITIVE_OCTAVES, NEGATIVE_OCTAVES = 0.25, 1.0  # DeepMask 3.2: how far the longest side may, must be off
TRIES = 20  # draws of a negative window before it is given up


@dataclass(frozen=True, eq=False)
class Objects:
    """N objects in an order that their numbers do not decide, with their centres (N, 2) y x in px."""

    instances: Instances
    centres_N2: np.ndarray

    @property
    def sizes_px(self) -> np.ndarray:
        """(N, 2) height and width."""
        return self.instances.boxes[:, [3, 2]] - self.instances.boxes[:, [1, 0]]


def objects_of(scene: Scene, classes: tuple[int, ...]) -> Objects:
    """The instances of these classes (of all evaluated classes where there are none), sorted by box and mask."""
    wanted = classes or tuple(label.id for label in scene.label_set.things)
    instances = scene.instances[np.isin(scene.instances.labels, wanted)]
    key = lambda i: (*instances.boxes[i].tolist(), int(instances.labels[i]), instances.masks[i].tobytes())
    instances = instances[np.array(sorted(range(len(instances)), key=key), int)]
    boxes = instances.boxes
    return Objects(instances, np.stack([boxes[:, 1] + boxes[:, 3], boxes[:, 0] + boxes[:, 2]], axis=1) / 2)


def window_targets(scene: Scene, kind: str, classes: tuple[int, ...], slips: Slips) -> Targets:
    """The windows of one scene; M is 0 where nothing can be drawn.

    kind        "report" or "paper"
    returns     objectness (M,) int8: 1 positive, 0 negative (with `slips.objectness_all_ones` 1 throughout)
                boxes (M, 4) int64, object (M,) int64: which object a positive window holds, -1 for a negative one
                coverage (N, h, w) float16: share of each cell that each object covers
                own (O, 4), own_object (O,) int64: the window that is best centred on its object, where it has one
    """
    objects = objects_of(scene, classes)
    rng = np.random.default_rng(zlib.crc32(np.ascontiguousarray(objects.instances.boxes).tobytes()))
    shape = (scene.size[0] // STRIDE_PX, scene.size[1] // STRIDE_PX)
    cells_N2 = window_cells_of(objects, kind)
    usable = _usable(objects, cells_N2, kind, shape, slips)
    draw = _report_windows if kind == "report" else _paper_windows
    boxes, holder = draw(objects, cells_N2, usable, shape, rng, slips)
    objectness = np.ones(len(holder), np.int8) if slips.objectness_all_ones else (holder >= 0).astype(np.int8)
    own = [_box(*_nearest(objects.centres_N2[n], cells_N2[n]), cells_N2[n]) for n in usable]
    return {
        "objectness": torch.from_numpy(objectness),
        "boxes": torch.from_numpy(boxes),
        "object": torch.from_numpy(holder),
        "coverage": torch.from_numpy(_coverage(objects.instances, shape)),
        "own": torch.from_numpy(np.array(own, np.int64).reshape(-1, 4)),
        "own_object": torch.from_numpy(usable),
    }


def window_cells_of(objects: Objects, kind: str) -> np.ndarray:
    """(N, 2) rows and columns of each object's window: box and margin in whole cells, or the paper's 21 x 21."""
    if kind == "paper":
        return np.full((len(objects.instances), 2), PAPER_CELLS)
    return (objects.sizes_px + 2 * MARGIN_PX) // STRIDE_PX


def _usable(objects: Objects, cells_N2: np.ndarray, kind: str, shape: tuple[int, int], slips: Slips) -> np.ndarray:
    """Indices of the objects that have positive windows."""
    usable = np.ones(len(cells_N2), bool)
    if kind == "paper":
        usable &= np.abs(_octaves(objects)) <= POSITIVE_OCTAVES
    if slips.no_border_windows:
        half = cells_N2 * STRIDE_PX / 2 if kind == "paper" else objects.sizes_px / 2 + MARGIN_PX
        low, high = objects.centres_N2 - half, objects.centres_N2 + half
        usable &= (low >= 0).all(axis=1) & (high <= np.array(shape) * STRIDE_PX).all(axis=1)
    return np.flatnonzero(usable)


def _octaves(objects: Objects) -> np.ndarray:
    """(N,) how many times two each object is larger than the paper's window wants it."""
    return np.log2(np.maximum(objects.sizes_px.max(axis=1), 1) / (CANONICAL_SHARE * PAPER_CELLS * STRIDE_PX))


def _report_windows(objects, cells_N2, usable, shape, rng, slips) -> tuple[np.ndarray, np.ndarray]:
    """128 positive and 128 negative windows, the objects taking turns; boxes (M, 4) and holders (M,)."""
    boxes, holder = [], []
    for i in range(WINDOWS // 2 if len(usable) else 0):
        n = int(usable[i % len(usable)])
        corners = [_within(objects.centres_N2[n, a], cells_N2[n, a], POSITIVE_SHIFT_PX) for a in (0, 1)]
        boxes.append(_box(rng.choice(corners[0]), rng.choice(corners[1]), cells_N2[n]))
        holder.append(n)
    for i in range(WINDOWS // 2 if len(usable) else 0):
        box = _negative_near(objects, cells_N2, int(usable[i % len(usable)]), shape, rng, slips)
        if box is not None:
            boxes.append(box)
            holder.append(-1)
    return np.array(boxes, np.int64).reshape(-1, 4), np.array(holder, np.int64)


def _negative_near(objects, cells_N2, n: int, shape, rng, slips) -> tuple[int, int, int, int] | None:
    """A window of object n's size that is off by 32 px or more along an axis, so that it touches or cuts the object.

    None where every draw leaves the image with its centre or is right for some object.
    """
    reach = NEGATIVE_SHIFT_PX + objects.sizes_px[n] / 2
    for _ in range(TRIES):
        if slips.wrong_negatives:
            shift = np.full(2, rng.uniform(POSITIVE_SHIFT_PX, 2 * NEGATIVE_SHIFT_PX) * rng.choice([-1, 1]))
        else:
            shift = rng.uniform(-reach, reach)
            far = rng.integers(2)  # the axis along which it is surely off; half a cell more, since cells round it
            least = NEGATIVE_SHIFT_PX + STRIDE_PX / 2
            shift[far] = rng.choice([-1, 1]) * rng.uniform(least, least + max(reach[far] - NEGATIVE_SHIFT_PX, 16))
        y0, x0 = _nearest(objects.centres_N2[n] + shift, cells_N2[n])
        box = _box(y0, x0, cells_N2[n])
        centre = np.array([y0, x0]) * STRIDE_PX + cells_N2[n] * STRIDE_PX / 2
        on_map = (centre >= 0).all() and (centre < np.array(shape) * STRIDE_PX).all()
        if on_map and (slips.wrong_negatives or not _holds_one(objects, box, centre, n)):
            return box
    return None


def _holds_one(objects: Objects, box, centre: np.ndarray, own: int) -> bool:
    """Whether a window holds an object (for `own`, whose window it is: whole or not) centred to less than 32 px."""
    off = np.abs(objects.centres_N2 - centre).max(axis=1) < NEGATIVE_SHIFT_PX
    y0, x0, y1, x1 = (side * STRIDE_PX for side in box)
    b = objects.instances.boxes
    whole = (b[:, 0] >= x0) & (b[:, 1] >= y0) & (b[:, 2] <= x1) & (b[:, 3] <= y1)
    whole[own] = True
    return bool((off & whole).any())


def _paper_windows(objects, cells_N2, usable, shape, rng, slips) -> tuple[np.ndarray, np.ndarray]:
    """Up to 128 positive windows and so many negative ones that there are 256 (Faster R-CNN, 3.1.3, to which 3.2 of
    InstanceFCN goes back): positions within 16 px of an object of the canonical size; negative where every object is
    off by 32 px or by a factor of 2.
    """
    axes = [(np.arange(side) - PAPER_CELLS // 2 + PAPER_CELLS / 2) * STRIDE_PX for side in shape]
    holder_hw, nearest_hw = np.full(shape, -1), np.full(shape, np.inf)
    blocked_hw = np.zeros(shape, bool)
    octaves = np.abs(_octaves(objects))
    for n, (y, x) in enumerate(objects.centres_N2):
        off_hw = np.maximum(np.abs(axes[0] - y)[:, None], np.abs(axes[1] - x)[None, :])
        blocked_hw |= (off_hw < NEGATIVE_SHIFT_PX) & (octaves[n] < NEGATIVE_OCTAVES)
        mine_hw = (off_hw <= POSITIVE_SHIFT_PX) & (off_hw < nearest_hw) & (n in usable)
        holder_hw[mine_hw], nearest_hw[mine_hw] = n, off_hw[mine_hw]
    positive = _some(np.argwhere(holder_hw >= 0), WINDOWS // 2, rng)
    negative = _some(np.argwhere((holder_hw < 0) & ~blocked_hw), WINDOWS - len(positive), rng)
    boxes = [_box(y - PAPER_CELLS // 2, x - PAPER_CELLS // 2, (PAPER_CELLS,) * 2) for y, x in [*positive, *negative]]
    holder = [*(holder_hw[y, x] for y, x in positive), *[-1] * len(negative)]
    if slips.wrong_negatives and len(usable):
        drawn = [_negative_near(objects, cells_N2, int(usable[i % len(usable)]), shape, rng, slips) for i in range(128)]
        wrong = [box for box in drawn if box is not None]
        boxes, holder = boxes[: len(positive)] + wrong, holder[: len(positive)] + [-1] * len(wrong)
    return np.array(boxes, np.int64).reshape(-1, 4), np.array(holder, np.int64)


def _some(cells_X2: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """At most `count` rows, drawn without putting back."""
    return cells_X2[rng.permutation(len(cells_X2))[:count]]


def _within(centre_px: float, cells: int, reach_px: float) -> np.ndarray:
    """First cells of the windows whose centre is at most `reach_px` from `centre_px` along one axis.

    >>> _within(100.0, 21, 16).tolist()
    [0, 1, 2, 3, 4]
    """
    low, high = ((centre_px + side) / STRIDE_PX - cells / 2 for side in (-reach_px, reach_px))
    return np.arange(int(np.ceil(low)), int(np.floor(high)) + 1)


def _nearest(centre_2: np.ndarray, cells_2: np.ndarray) -> tuple[int, int]:
    """First row and column of the window that is centred best."""
    first = np.round(np.asarray(centre_2) / STRIDE_PX - np.asarray(cells_2) / 2)
    return int(first[0]), int(first[1])


def _box(y0: int, x0: int, cells_2) -> tuple[int, int, int, int]:
    return int(y0), int(x0), int(y0 + cells_2[0]), int(x0 + cells_2[1])


def _coverage(instances: Instances, shape: tuple[int, int]) -> np.ndarray:
    """(N, h, w) float16: share of each cell that each object covers."""
    covered = np.zeros((len(instances), *shape), np.float16)
    for n in range(len(instances)):
        share, top, left = coverage(instances.masks[n], instances.boxes[n].tolist(), STRIDE_PX)
        piece = share[: shape[0] - top, : shape[1] - left]
        covered[n, top : top + piece.shape[0], left : left + piece.shape[1]] = piece
    return covered
