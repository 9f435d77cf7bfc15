"""The objects that windows are made for, in pixels of the network's input, and the window that each has.

Axes: N objects.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from partwise.scene import Scene
from partwise_report.instance_fcn.config import PAPER_CELLS, InstanceFcnConfig
from streeteval.instances import Instances

__all__ = ["CANONICAL_SHARE", "Objects", "objects_of", "octaves_off", "window_cells_of"]

CANONICAL_SHARE = 128 / 224  # DeepMask 3.2: longest side of the object in its window


@dataclass(frozen=True, eq=False)
class Objects:
    """N objects as the network sees them.

    Attributes:
        instances: In pixels of the image.
        enlarge: How many times the image is enlarged before the network sees it.
    """

    instances: Instances
    enlarge: int = 1

    @property
    def boxes_px(self) -> np.ndarray:
        """(N, 4) int, x0 y0 x1 y1 in pixels of the enlarged image."""
        return self.instances.boxes * self.enlarge

    @property
    def centres_px(self) -> np.ndarray:
        """(N, 2) float, y x of the centre of each box in pixels of the enlarged image."""
        boxes = self.boxes_px
        return np.stack([boxes[:, 1] + boxes[:, 3], boxes[:, 0] + boxes[:, 2]], axis=1) / 2

    @property
    def sizes_px(self) -> np.ndarray:
        """(N, 2) int, height and width in pixels of the enlarged image."""
        boxes = self.boxes_px
        return boxes[:, [3, 2]] - boxes[:, [1, 0]]


def objects_of(scene: Scene, config: InstanceFcnConfig) -> Objects:
    """The instances of `config.classes` (of all evaluated classes where there are none), sorted by box and mask.

    Their order does not depend on their numbers.
    """
    wanted = config.classes or tuple(label.id for label in scene.label_set.things)
    instances = scene.instances[np.isin(scene.instances.labels, wanted)]
    key = lambda i: (*instances.boxes[i].tolist(), int(instances.labels[i]), instances.masks[i].tobytes())
    return Objects(instances[np.array(sorted(range(len(instances)), key=key), int)], config.enlarge)


def window_cells_of(objects: Objects, config: InstanceFcnConfig) -> np.ndarray:
    """(N, 2) rows and columns of each object's window: box and margin in whole cells, or the paper's 21 x 21."""
    if config.windows == "paper":
        return np.full((len(objects.instances), 2), PAPER_CELLS)
    cells_N2 = np.maximum((objects.sizes_px + 2 * config.margin_px) // config.stride_px, 1)
    if config.slips.whole_parts:
        cells_N2 = np.maximum(cells_N2 // config.k, 1) * config.k
    return cells_N2


def octaves_off(objects: Objects, config: InstanceFcnConfig) -> np.ndarray:
    """(N,) how many times two each object is larger than the paper's window wants it; below 0 it is smaller."""
    fitting_px = CANONICAL_SHARE * PAPER_CELLS * config.stride_px
    return np.log2(np.maximum(objects.sizes_px.max(axis=1, initial=1), 1) / fitting_px)
