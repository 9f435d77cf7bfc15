"""From candidates to instances: the surest first, without those that overlap one; then their masks, refined and scored.

Axes: T classes with instances, M windows, h and w cells of the semantic map, H and W pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from partwise.geometry import crop_intersection
from partwise.instances import Instances
from partwise.labels import LabelSet
from partwise.methods.parts.decode_config import DecodeConfig
from partwise.methods.parts.paint import Candidate, Mask, PaintedWindow, Painter, Proposals, Refine


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
    label, score   id of the class that it stands for; see PartsDecoder.propose
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


# score, where the window is, its index there, index of its class in `LabelSet.things`
Entry = tuple[float, Proposals, int, int]


class Suppression:
    """Calls: (proposals, probability of the classes with instances, ...) of one image -> Instances, the best first.

    Masks are sharpened by the semantic map and compared at cells of 2 px; what is kept is refined and painted at full
    resolution. The classes of one category that a window stands for have one mask.
    """

    def __init__(self, config: DecodeConfig, label_set: LabelSet):
        self.config = config
        self.ids = np.array([label.id for label in label_set.things])
        self.categories = [label.category for label in label_set.things]
        self.members = {name: [i for i, own in enumerate(self.categories) if own == name] for name in label_set.kin}

    def __call__(
        self,
        proposals: list[Proposals],
        things_Thw: Tensor,
        stride: int,
        size: tuple[int, int],
        fates: list[Fate] | None = None,
        refine: Refine | None = None,
    ) -> Instances:
        """See the class.

        things_Thw   with cells of `stride` px
        size         (H, W) of the image
        fates        takes what became of every candidate, the surest first
        refine       what corrects masks that remain; None leaves them
        """
        entries = self._surest_first(proposals, every=fates is not None)
        wanted = [self._window(entry) for entry in entries if entry[0] > self.config.min_score]
        things = things_Thw.float().cpu()
        painter = Painter(proposals, wanted, things, self.members, stride, size, self.config.sharpen)
        kept, scores = self._kept(entries, painter, fates)
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

    def _surest_first(self, proposals: list[Proposals], every: bool) -> list[Entry]:
        """All candidates, or those that are sure enough."""
        entries = (
            (score, proposal, n, label_index)
            for proposal in proposals
            for score, n, label_index in zip(
                proposal.scores_E.tolist(),
                proposal.window_index_E.tolist(),
                proposal.label_index_E.tolist(),
                strict=True,
            )
            if every or score > self.config.min_score
        )
        return sorted(entries, key=lambda entry: -entry[0])

    def _window(self, entry: Entry) -> PaintedWindow:
        _, proposal, n, label_index = entry
        return proposal.grid, n, self.categories[label_index]

    def _kept(
        self, entries: list[Entry], painter: Painter, fates: list[Fate] | None
    ) -> tuple[list[Candidate], list[float]]:
        """What overlaps no surer mask of its class, and the scores."""
        config = self.config
        kept: list[Candidate] = []
        beside = KeptMasks(config.max_instances)
        scores: list[float] = []
        for entry in entries:
            score, proposal, n, label_index = entry
            label, overlapped = int(self.ids[label_index]), (-1, 0.0)
            if score <= config.min_score:
                outcome = "unsure"
            elif len(kept) == config.max_instances:
                outcome = "full"
            elif (made := painter.in_cells(self._window(entry))) is None:
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
        return kept, scores

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
            self.ids[np.array([label_index for _, _, label_index in kept], dtype=np.int64)],
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


class KeptMasks:
    """The masks that suppression has kept so far, by class.

    most   as many as it will ever keep
    """

    def __init__(self, most: int):
        self._masks: list[np.ndarray] = []
        self._boxes = np.zeros((most, 4), np.int64)
        self._areas = np.zeros(most, np.int64)
        self._labels = np.full(most, -1)

    def add(self, label: int, mask: Mask) -> None:
        """Keep the mask of the next instance."""
        index = len(self._masks)
        self._masks.append(mask[1])
        self._boxes[index], self._areas[index], self._labels[index] = mask[0], np.count_nonzero(mask[1]), label

    def overlapped(self, label: int, mask: Mask, nms_iou: float) -> tuple[int, float] | None:
        """(index, IoU) of the first mask of this class that a mask overlaps by more than `nms_iou`; None for none."""
        (x0, y0, x1, y1), inside = mask
        area, kept = np.count_nonzero(inside), len(self._masks)
        boxes, areas = self._boxes[:kept].T, self._areas[:kept]
        width = np.minimum(boxes[2], x1) - np.maximum(boxes[0], x0)
        height = np.minimum(boxes[3], y1) - np.maximum(boxes[1], y0)
        # As many pixels as can be shared, wherever they lie in the boxes.
        most = np.minimum(np.minimum(np.maximum(width, 0) * np.maximum(height, 0), areas), area)
        near = (most > nms_iou * (area + areas - most)) & (self._labels[:kept] == label)
        for index in near.nonzero()[0].tolist():
            shared = crop_intersection(mask[0], inside, self._boxes[index], self._masks[index])
            iou = shared / (area + self._areas[index] - shared)
            if iou > nms_iou:
                return index, float(iou)
        return None
