"""The windows of the instance-sensitive FCN against the objects that they are for, as the doctor looks at them.

Axes: N objects, M windows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from partwise.methods import Targets, WindowTruth
from partwise.methods.parts import SAME_SIZE_OCTAVES, in_the_middle
from partwise.scene import Scene
from partwise_report.instance_fcn.draw import NEGATIVE_OCTAVES
from partwise_report.instance_fcn.objects import CANONICAL_SHARE, objects_of, window_cells_of
from partwise_report.instance_fcn.windows import cells_of

if TYPE_CHECKING:
    from partwise_report.instance_fcn.network import InstanceFcn


def window_truth(method: InstanceFcn, scene: Scene, targets: Targets) -> WindowTruth:
    """See HasWindows."""
    config, found = method.config, objects_of(scene, method.config)
    objects = found.instances  # beside the windows drawn for training, the one that is centred best on each
    cells_M4, holder_M = (torch.cat([targets[a], targets[b]]) for a, b in (("boxes", "own"), ("object", "own_object")))
    window_px_N2 = window_cells_of(found, config)[:, ::-1] * config.cell_px
    fitting, octaves = window_px_N2.max(axis=1, initial=1).astype(float), SAME_SIZE_OCTAVES
    if config.windows == "paper":
        fitting, octaves = objects.longest_sides / CANONICAL_SHARE, NEGATIVE_OCTAVES
    boxes_M4 = cells_M4[:, [1, 0, 3, 2]].numpy() * config.cell_px
    centre_M = np.full(len(boxes_M4), np.nan)
    positive = holder_M >= 0
    covered = targets["coverage"].float()
    if positive.any():
        cells = cells_of(cells_M4[positive], config.k, tuple(covered.shape[-2:]))
        share_P = covered[holder_M[positive][cells.window_P], cells.y_P, cells.x_P] * cells.inside_P
        sums = torch.zeros(2, cells.count)
        sums[0].index_add_(0, cells.window_P, share_P)
        sums[1].index_add_(0, cells.window_P, share_P * in_the_middle(cells.part_P, config.k))
        centre_M[positive.numpy()] = (sums[1] / sums[0]).numpy()  # 0 / 0 is NaN: nothing of the object lies inside
    near_px_N = np.full(len(objects), config.near_px / config.enlarge)
    return WindowTruth(
        objects, boxes_M4, holder_M.numpy(), centre_M, near_px_N, fitting, octaves, window_px_N2.astype(float)
    )
