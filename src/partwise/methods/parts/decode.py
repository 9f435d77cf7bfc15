"""From part maps, objectness and semantics to instances: every window is looked at, the best ones are kept.

Axes: C evaluated classes, T of them with instances, K parts, m window cells a side, M windows, E candidates (a window
as one of its likely classes), h and w cells of a map, H and W pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from partwise.geometry import nearest_index
from partwise.labels import LabelSet
from partwise.methods.parts.paint import Candidate, KeptMasks, Mask, Painter, Proposals, Refine
from partwise.methods.parts.pooled import PooledMaps
from partwise.methods.parts.windows import Window, assemble, window_cells
from partwise.methods.semantic import agree, semantic_argmax
from partwise.scene import Instances, Prediction

SURE = 0.9  # probability of a class in the semantic map from which on no instance overrules it


@dataclass(frozen=True)
class DecodeConfig:
    """How an image is seen and outputs become instances.

    scale            the network sees an image so many times as large where nothing else is said, see `seen_sizes`
    min_objectness   windows below it are not assembled
    peaks            only windows of at least this share of the best objectness among their cell and its 8 neighbours:
                     1 for maxima alone, which loses people in a crowd; 0 for all above min_objectness
    max_windows      at most so many, the best by objectness, are assembled
    class_share      a window stands for every class with at least this share of the votes of its mask, and for the best
    quality_power    of the quality of the mask in the score, see `measure`: a sharp mask says more than objectness
    refined_power    of the quality of a refined mask in the score that it gets then, see Refined
    soft_sigma       a refined mask that a surer one of its class overlaps keeps exp(-IoU^2 / soft_sigma) of its score
                     (Soft-NMS, Bodla et al. 2017); 0 keeps all
    sharpen          the weight of the semantic map's log-odds added to the mask's; 0 keeps the assembled mask. They are
                     those of all classes of a category that the window stands for: that a bus might be a truck is no
                     reason to cut it
    refine_score     instances of at least this score are refined, where the network has been taught to; above 1 none,
                     so that all stay as the semantic map sharpens them
    agree_score      pixels in an instance of at least this score take its class in the semantic map, where that had
                     another of its category and was not sure; above 1 leaves the map as it is
    nms_iou          of two masks of one class that overlap more, the surer stays
    max_instances    at most so many are returned
    min_score        surer ones only, before they are refined
    """

    scale: float = 1.0
    min_objectness: float = 0.05
    peaks: float = 0.9
    max_windows: int = 300
    class_share: float = 0.05
    quality_power: float = 4.0
    refined_power: float = 3.0
    soft_sigma: float = 0.2
    sharpen: float = 0.25
    refine_score: float = 0.01
    agree_score: float = 0.1
    nms_iou: float = 0.5
    max_instances: int = 100
    min_score: float = 0.001


@dataclass(frozen=True)
class Refined:
    """What the score of a refined instance is made of.

    score = objectness x quality ** refined_power x share x exp(-crowding^2 / soft_sigma)

    quality    of its mask, see `refine.soft_iou`
    share      of its class in the votes of its mask
    crowding   the highest IoU with a surer instance of its class
    """

    quality: float
    share: float
    crowding: float
    score: float


@dataclass(frozen=True)
class Fate:
    """What became of one candidate.

    grid, centre   the window: index of its grid, and its cell (y, x) there
    label, score   id of the class that it stands for; see PartsDecoder._assemble
    outcome        "kept"; "overlaps" a surer mask of its class; "empty": no pixel is left of its mask; "unsure": its
                   score is not above min_score; "full": max_instances are found
    instance       index of the instance that it is, or that it overlaps; -1 for none
    iou            with the instance that it overlaps
    refined        what the score of an instance became with its refined mask; None where it was not refined
    """

    grid: int
    centre: tuple[int, int]
    label: int
    score: float
    outcome: str
    instance: int = -1
    iou: float = 0.0
    refined: Refined | None = None


class PartsDecoder:
    """Calls: (semantic logits, objectness, parts, part weights, size) of one image -> Prediction.

    step_cells  only the windows at every so many cells are looked at; 1 is all of them
    """

    def __init__(self, config: DecodeConfig, windows: tuple[Window, ...], label_set: LabelSet, step_cells: int = 1):
        self.config, self.windows, self.label_set, self.step_cells = config, windows, label_set, step_cells
        self.thing_train_ids = [label.train_id for label in label_set.things]
        self.thing_ids = np.array([label.id for label in label_set.things])
        self.categories = [label.category for label in label_set.things]
        self.members = {name: [i for i, own in enumerate(self.categories) if own == name] for name in label_set.kin}

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
                proposals.append(self._assemble(index, centres, objectness[index], parts[index], weights[index], votes))
        refine = refiner_of and refiner_of(things)
        instances = self._paint(proposals, things.at(things.shape), stride, size, fates, refine)
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

    def _assemble(self, index, centres_M2, objectness_hw, parts_Khw, weights_Kmm, votes_Thw) -> Proposals:
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

    def _paint(
        self,
        proposals: list[Proposals],
        things_Thw: Tensor,
        stride: int,
        size: tuple[int, int],
        fates: list[Fate] | None,
        refine: Refine | None,
    ) -> Instances:
        """Masks sharpened by the semantic map; suppression; refining; full resolution; the best first.

        The classes of one category that a window stands for have one mask.
        """
        config = self.config
        order = sorted(
            (
                (score, proposal, n, label_index)
                for proposal in proposals
                for score, n, label_index in zip(
                    proposal.scores_E.tolist(),
                    proposal.window_index_E.tolist(),
                    proposal.label_index_E.tolist(),
                    strict=True,
                )
                if score > config.min_score or fates is not None
            ),
            key=lambda entry: -entry[0],
        )
        wanted = [
            (proposal.grid, n, self.categories[label_index])
            for score, proposal, n, label_index in order
            if score > config.min_score
        ]
        things = things_Thw.float().cpu()
        painter = Painter(proposals, wanted, things, self.members, stride, size, config.sharpen)
        kept: list[Candidate] = []
        beside = KeptMasks(config.max_instances)
        scores: list[float] = []
        for score, proposal, n, label_index in order:
            label, overlapped = int(self.thing_ids[label_index]), (-1, 0.0)
            if score <= config.min_score:
                outcome = "unsure"
            elif len(kept) == config.max_instances:
                outcome = "full"
            elif (made := painter.in_cells((proposal.grid, n, self.categories[label_index]))) is None:
                outcome = "empty"
            elif (found := beside.overlapped(label, made, config.nms_iou)) is not None:
                outcome, overlapped = "overlaps", found
            else:
                outcome, overlapped = "kept", (len(kept), 0.0)
                beside.add(label, made)
                kept.append((proposal.grid, n, label_index))
                scores.append(score)
            if fates is not None:
                centre = tuple(proposal.centres_M2[n].tolist())
                fates.append(Fate(proposal.grid, centre, label, score, outcome, *overlapped))
            elif outcome == "full":
                break
        found, refined = self._instances(kept, scores, painter, refine)
        order = np.argsort(-found.scores, kind="stable")
        if fates is not None:
            place = {int(i): new for new, i in enumerate(order)} | {-1: -1}
            fates[:] = [
                replace(
                    fate,
                    instance=place[fate.instance],
                    refined=refined.get(fate.instance) if fate.outcome == "kept" else None,
                )
                for fate in fates
            ]
        return found[order]

    def _instances(
        self, kept: list[Candidate], scores: list[float], painter: Painter, refine: Refine | None
    ) -> tuple[Instances, dict[int, Refined]]:
        """What is kept at full resolution, those that are sure enough with refined masks and the scores that these
        deserve; and what made the scores, by instance.
        """
        config, scores = self.config, list(scores)
        masks: dict[int, Mask] = {}
        refined: dict[int, Refined] = {}
        sure = [i for i, score in enumerate(scores) if refine is not None and score >= config.refine_score]
        for i, (made, quality, share) in zip(sure, painter.refined([kept[i] for i in sure], refine), strict=True):
            if made is not None:
                grid, n, _ = kept[i]
                masks[i] = made
                scores[i] = float(painter.of_grid[grid].objectness_M[n]) * quality**config.refined_power * share
                refined[i] = Refined(quality, share, 0.0, scores[i])
        for i, (grid, n, label_index) in enumerate(kept):
            if i not in masks:
                masks[i] = painter.in_pixels((grid, n, self.categories[label_index]))
        found = Instances(
            self.thing_ids[np.array([label_index for _, _, label_index in kept], dtype=np.int64)],
            np.array(scores),
            np.array([masks[i][0] for i in range(len(kept))]),
            [masks[i][1] for i in range(len(kept))],
            painter.size,
        )
        if refined and config.soft_sigma > 0:
            for i, crowding in enumerate(found.crowding().tolist()):
                if i in refined and crowding > 0:
                    scores[i] *= math.exp(-(crowding**2) / config.soft_sigma)
                    refined[i] = replace(refined[i], crowding=crowding, score=scores[i])
        return replace(found, scores=np.array(scores)), refined


def _every(step: int, like_hw: Tensor) -> Tensor:
    """(h, w) bool: True at every `step`-th cell along both axes."""
    y, x = (torch.arange(side, device=like_hw.device) % step == 0 for side in like_hw.shape)
    return y[:, None] & x[None, :]
