"""From part maps, objectness and semantics to instances: every window is looked at, the best ones are kept.

Axes: C evaluated classes, T of them with instances, K parts, m window cells a side, M windows, E candidates (a window
as one of its likely classes), h and w cells of a map, H and W pixels.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from partwise.geometry import nearest_index
from partwise.labels import LabelSet
from partwise.methods.parts.decode_config import DecodeConfig
from partwise.methods.parts.paint import Proposals, Refine
from partwise.methods.parts.pooled import PooledMaps
from partwise.methods.parts.suppress import Fate, Suppression
from partwise.methods.parts.windows import Window, assemble, window_cells
from partwise.methods.semantic import agree, semantic_argmax
from partwise.scene import Prediction

SURE = 0.9  # probability of a class in the semantic map from which on no instance overrules it


class PartsDecoder:
    """Calls: (semantic logits, objectness, parts, part weights, size) of one image -> Prediction.

    step_cells  only the windows at every so many cells are looked at; 1 is all of them
    """

    def __init__(self, config: DecodeConfig, windows: tuple[Window, ...], label_set: LabelSet, step_cells: int = 1):
        self.config, self.windows, self.label_set, self.step_cells = config, windows, label_set, step_cells
        self.thing_train_ids = [label.train_id for label in label_set.things]
        self.suppression = Suppression(config, label_set)

    def __call__(
        self,
        semantic_Chw: Tensor,
        objectness: list[Tensor],
        parts: list[Tensor],
        weights: list[Tensor],
        size: tuple[int, int],
        fates: list[Fate] | None = None,
        refiner_of: Callable[[PooledMaps], Refine] | None = None,
    ) -> Prediction:
        """See the class; `size` (H, W) cuts off the padding.

        fates   takes what became of every candidate, the surest first
        refiner_of  probability of the classes with instances (T, h, w) -> what corrects the masks that remain
        """
        stride = self.semantic_stride_px(objectness, semantic_Chw)
        # Networks on a CPU give maps with the classes side by side in memory: half the time along those.
        probability = torch.softmax(semantic_Chw.permute(1, 2, 0), dim=-1).permute(2, 0, 1)
        things = PooledMaps(probability[self.thing_train_ids].contiguous())
        proposals = []
        for index, centres in enumerate(self.best_windows(objectness)):
            if len(centres):
                votes = things.at(parts[index].shape[-2:])
                proposals.append(self.propose(index, centres, objectness[index], parts[index], weights[index], votes))
        refine = refiner_of and refiner_of(things)
        instances = self.suppression(proposals, things.at(things.shape), stride, size, fates, refine)
        likeliest = probability.max(dim=0)
        train_ids = semantic_argmax(semantic_Chw, stride, likeliest.indices)[: size[0], : size[1]].cpu().numpy()
        semantic_HW = np.take(self.label_set.train_id_to_id, train_ids)  # half the time of an index
        prediction = Prediction(instances, semantic_HW)
        self.settle(prediction, likeliest.values, stride, size)
        return prediction

    def settle(self, prediction: Prediction, best_hw: Tensor, stride: int, seen: tuple[int, int]) -> None:
        """Have the instances of a prediction agree with its semantic map, see `agree`.

        best_hw   probability of the likeliest class, at cells of `stride` px of the image as it was `seen` (H, W); the
                  prediction may have another size
        """
        unsure_hw = (best_hw < SURE).cpu().numpy()
        unsure_HW = unsure_hw.repeat(stride, 0).repeat(stride, 1)[: seen[0], : seen[1]]
        size = prediction.semantic_HW.shape
        if size != unsure_HW.shape:
            unsure_HW = unsure_HW[np.ix_(*(nearest_index(*sides) for sides in zip(seen, size, strict=True)))]
        sure = prediction.instances[prediction.instances.scores >= self.config.agree_score]
        agree(prediction.semantic_HW, sure, unsure_HW, self.label_set)

    def semantic_stride_px(self, objectness: list[Tensor], semantic_Chw: Tensor) -> int:
        """Pixels of the image to a cell of the semantic map."""
        return objectness[0].shape[0] * self.windows[0].stride_px // semantic_Chw.shape[-2]

    def screen(self, logits_hw: Tensor) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """What the windows of one grid are asked before they are compared with those of the others.

        returns   objectness (h, w); the best of each cell and the 8 around it (h, w); question -> (h, w) bool where a
                  window passes: "objectness", "beside" and "skipped", see explain.OUTCOMES
        """
        objectness = torch.sigmoid(logits_hw)
        best_near = F.max_pool2d(objectness[None], 3, stride=1, padding=1)[0]
        passes = {
            "objectness": objectness > self.config.min_objectness,
            "beside": objectness >= self.config.peaks * best_near,
            "skipped": _every(self.step_cells, objectness),
        }
        return objectness, best_near, passes

    def best_windows(self, objectness: list[Tensor]) -> list[Tensor]:
        """For each grid the cells (M, 2) that are worth assembling."""
        found = []
        for index, logits in enumerate(objectness):
            probability, _, passes = self.screen(logits)
            good = passes["objectness"] & passes["beside"] & passes["skipped"]
            cells = good.nonzero()
            found.append((probability[good], cells, torch.full((len(cells),), index, device=logits.device)))
        scores, cells, grids = (torch.cat(column) for column in zip(*found, strict=True))
        best = torch.argsort(scores, descending=True, stable=True)[: self.config.max_windows]
        return [cells[best][grids[best] == index] for index in range(len(objectness))]

    def measure(
        self, index: int, centres_M2: Tensor, parts_Khw: Tensor, weights_Kmm: Tensor, votes_Thw: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Assemble the windows of one grid: what their masks are, how sharp, and which classes they hold.

        votes_Thw  probability of each class with instances at the cells of the grid
        returns   logits (M, m, m); probability (M, m, m), 0 outside the map; quality (M,): mean probability of the
                  mask's cells, which are those above .5, each weighted by its own; share (T, M) of each class in the
                  mask, weighted alike
        """
        window = self.windows[index]
        logits, inside = assemble(parts_Khw, centres_M2, weights_Kmm)
        probability = torch.sigmoid(logits) * inside
        rows, columns, _ = window_cells(centres_M2, window.cells, parts_Khw.shape[-2:])
        votes_TMmm = votes_Thw[:, rows[:, :, None], columns[:, None, :]]
        mask = probability * (probability > 0.5)
        area = mask.sum(dim=(1, 2)).clamp(min=1e-6)
        return logits, probability, mask.square().sum(dim=(1, 2)) / area, (votes_TMmm * mask).sum(dim=(2, 3)) / area

    def propose(
        self,
        index: int,
        centres_M2: Tensor,
        objectness_hw: Tensor,
        parts_Khw: Tensor,
        weights_Kmm: Tensor,
        votes_Thw: Tensor,
    ) -> Proposals:
        """Masks, classes and scores of the windows of one grid, in cells of the grid.

        score = objectness x quality ** quality_power x the class's share of its votes
        """
        logits, _, quality, share_TM = self.measure(index, centres_M2, parts_Khw, weights_Kmm, votes_Thw)
        found = torch.sigmoid(objectness_hw[centres_M2[:, 0], centres_M2[:, 1]])
        scores_TM = found * quality**self.config.quality_power * share_TM
        likely_TM = (share_TM >= self.config.class_share) | (share_TM == share_TM.max(dim=0).values)
        label_index, window_index = likely_TM.nonzero(as_tuple=True)
        return Proposals(
            grid=index,
            window=self.windows[index],
            centres_M2=centres_M2,
            logits_Mmm=logits,
            objectness_M=found,
            window_index_E=window_index,
            label_index_E=label_index,
            scores_E=scores_TM[likely_TM],
            likely_TM=likely_TM,
        )


def _every(step: int, like_hw: Tensor) -> Tensor:
    """(h, w) bool: True at every `step`-th cell along both axes."""
    y, x = (torch.arange(side, device=like_hw.device) % step == 0 for side in like_hw.shape)
    return y[:, None] & x[None, :]
