"""The outcome of every candidate, for functions that explain a decision.

Axes: E candidates, N instances.
"""

from __future__ import annotations

from dataclasses import dataclass

from partwise.decoding.candidates import Candidates
from partwise.decoding.score import RefinedScore, Scored
from partwise.decoding.suppress import Kept, Outcome
from streeteval.labels import LabelSet


@dataclass(frozen=True)
class CandidateOutcome:
    """The outcome of one candidate.

    Attributes:
        grid: Index of the grid of its window.
        centre: Cell (y, x) of its window in the grid.
        label: Id of its class.
        score: Score before refinement, 0..1.
        outcome: See `suppress.Outcome`.
        instance: Index, in the final order, of the instance that it became or that it overlaps; -1 for neither.
        iou: IoU with the instance that it overlaps; 0 for other outcomes.
        refined: The factors of the instance's final score; None if its mask was not refined.
    """

    grid: int
    centre: tuple[int, int]
    label: int
    score: float
    outcome: Outcome
    instance: int = -1
    iou: float = 0.0
    refined: RefinedScore | None = None


def outcomes_of(candidates: Candidates, kept: Kept, scored: Scored, label_set: LabelSet) -> list[CandidateOutcome]:
    """List the outcome of each of E candidates, the one with the highest score first.

    Args:
        candidates: E candidates.
        kept: The decisions of suppression about them.
        scored: The final scores of those that were kept.
        label_set: The label set that `Candidates.class_E` refers to.
    """
    ids = [label.id for label in label_set.things]
    place = scored.place_N.tolist()
    columns = zip(
        candidates.grid_E.tolist(),
        candidates.centre_E2.tolist(),
        candidates.class_E.tolist(),
        candidates.score_E.tolist(),
        kept.outcomes_E,
        kept.instance_E.tolist(),
        kept.iou_E.tolist(),
        strict=True,
    )
    return [
        CandidateOutcome(
            grid,
            tuple(centre),
            ids[class_index],
            score,
            outcome,
            place[instance] if instance >= 0 else -1,
            iou,
            scored.refined_N[instance] if outcome == "kept" else None,
        )
        for grid, centre, class_index, score, outcome, instance, iou in columns
    ]
