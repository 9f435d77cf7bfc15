"""The maps of the instance-sensitive FCN that have the least loss for given windows.

Axes: K = k * k parts, M windows, P cells of all windows, N objects, h and w cells.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from partwise.methods.method import Targets
from partwise_report.instance_fcn.windows import cells_of, centre_cells

ORACLE_LOGIT = 10.0


def oracle_objectness(kind: str, target: Targets, shape: Sequence[int]) -> Tensor:
    """(h, w) objectness map.

    "centre", "central4"   a positive logit at the cells that positive windows look at, higher for the window that is
                           centred best on its object; a negative one elsewhere
    "window"               at each cell the logit of the share of positive ones among the windows that it lies in
    "mean_l1"              1 where that share is above a half, else 0
    """
    boxes, positive = target["boxes"], target["objectness"] == 1
    if kind in ("centre", "central4"):
        made = torch.full(shape, -ORACLE_LOGIT)
        for looked_at, logit in ((boxes[positive], ORACLE_LOGIT / 2), (target["own"], ORACLE_LOGIT)):
            rows, columns = centre_cells(looked_at, shape, (0,) if kind == "centre" else (-1, 0))
            made[rows, columns] = logit
        return made
    cells = cells_of(boxes, 1, shape)
    place_P = (cells.y_P * shape[1] + cells.x_P)[cells.inside_P]
    count = torch.zeros(shape[0] * shape[1]).index_add(0, place_P, torch.ones(len(place_P)))
    found = positive[cells.window_P][cells.inside_P].float()
    share = (torch.zeros_like(count).index_add(0, place_P, found) / count.clamp(min=1)).view(shape)
    if kind == "mean_l1":
        return (share > 0.5).float()
    return torch.logit(share, eps=1e-4)


def oracle_parts(kind: str, target: Targets, k: int, shape: Sequence[int]) -> Tensor:
    """(K, h, w) part maps: at each cell the coverage by the object of the window that wants this part here, as a logit.

    "plain"     -ORACLE_LOGIT for none to ORACLE_LOGIT for all, so that a bilinear outline lies where it is a half
    "balanced", "weighted"  log-odds of the coverage against those of the object's share of its window, where these
                losses have their minimum: positive wherever a cell has more of the object than its window, so that
                masks come out large

    Where windows of two objects want one part at one cell, the object whose own window is centred nearer has it.
    """
    made = torch.full((k * k, *shape), -ORACLE_LOGIT)
    claim = torch.full((k * k, *shape), torch.inf)  # squared distance to the centre of the window that has the cell
    positive = target["object"] >= 0
    boxes = torch.cat([target["boxes"][positive], target["own"]])
    holder = torch.cat([target["object"][positive], target["own_object"]])
    centre_N2 = torch.full((len(target["coverage"]), 2), torch.inf)
    own = target["own"].float()
    centre_N2[target["own_object"]] = torch.stack([own[:, 0] + own[:, 2], own[:, 1] + own[:, 3]], dim=1) / 2
    for n in torch.unique(holder).tolist():
        cells = cells_of(boxes[holder == n], k, shape)
        at: tuple[Tensor, ...] = (cells.part_P[cells.inside_P], cells.y_P[cells.inside_P], cells.x_P[cells.inside_P])
        y, x = centre_N2[n].tolist()
        distance = (at[1] + 0.5 - y) ** 2 + (at[2] + 0.5 - x) ** 2
        nearer = distance < claim[at]
        at = tuple(index[nearer] for index in at)
        claim[at] = distance[nearer]
        covered = target["coverage"][n].float()
        if kind in ("balanced", "weighted"):
            y0, x0, y1, x1 = target["own"][target["own_object"] == n][0].tolist()
            share = covered.sum() / ((y1 - y0) * (x1 - x0))
            made[at] = torch.logit(covered[at[1], at[2]], eps=1e-4) - torch.logit(share, eps=1e-4)
        else:
            made[at] = (covered[at[1], at[2]] * 2 - 1) * ORACLE_LOGIT
    return made
