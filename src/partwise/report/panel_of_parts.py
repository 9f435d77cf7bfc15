"""Show one decision of the part maps in a browser: windows, part maps, votes, and the score as a product.

Axes: K = k * k parts, m window cells a side, n finer cells a side.
"""

from __future__ import annotations

import math

import numpy as np

from partwise.decoding.outcomes import CandidateOutcome
from partwise.methods.parts.decode_config import DecodeConfig
from partwise.methods.parts.explain import OUTCOMES, Explanation, WindowStory
from partwise.report.panel import (
    Block,
    Factor,
    Panel,
    bars,
    box,
    choice,
    choices,
    counts,
    map_of,
    maps,
    product,
    text,
)
from streeteval.labels import LabelSet

__all__ = ["panel_of_parts"]


def panel_of_parts(
    explanation: Explanation, config: DecodeConfig, k: int, label_set: LabelSet, *, other_maps: bool = True
) -> Panel:
    """Make the panel of one pixel.

    Args:
        explanation: The explanation of the pixel.
        config: The decoder's configuration.
        k: Number of parts along a side of a window.
        label_set: The classes.
        other_maps: Whether the windows after the first are shown with their maps, too.
    """
    windows = [
        _window(story, explanation, config, k, label_set, with_maps=other_maps or place == 0)
        for place, story in enumerate(explanation.windows)
    ]
    total = sum(explanation.counts.values())
    # The windows that got furthest come first.
    rows = {OUTCOMES[outcome]: count for outcome, count in reversed(explanation.counts.items())}
    return Panel(
        (
            choices("Windows that got furthest", windows),
            counts(f"What became of the {total} windows over this pixel", rows),
            bars("Semantic map at this pixel", explanation.semantic),
        )
    )


def _window(
    story: WindowStory, explanation: Explanation, config: DecodeConfig, k: int, label_set: LabelSet, *, with_maps: bool
) -> Block:
    """Describe a window: its scores, its maps and its votes."""
    side = story.window.side_px
    blocks = _scores(story, explanation.instance, config, label_set)
    if with_maps:
        blocks += _maps(story, explanation.point, k)
    blocks.append(bars("Votes of its mask", story.votes))
    subtitle = (
        f"{side} px a side: {story.window.cells} cells of {story.window.stride_px} px. {_sentence(story.outcome)}"
    )
    return choice(f"{side} px", subtitle, blocks, [box(story.box_px, k)])


def _sentence(outcome: str) -> str:
    words = OUTCOMES[outcome]
    return f"{words[0].upper()}{words[1:]}."


def _scores(story: WindowStory, instance: int, config: DecodeConfig, label_set: LabelSet) -> list[Block]:
    """The score of a window for each class that its mask may have, the class of the instance first."""
    if not story.as_classes:
        return [
            text(
                f"Objectness {story.objectness:.3f}; the best of its neighbours has {story.best_near:.3f}. "
                "The window has no score, as it was not assembled."
            )
        ]
    names = {label.id: label.name for label in label_set.things}
    order = sorted(story.as_classes, key=lambda one: (one.instance != instance or one.outcome != "kept", -one.score))
    return [_score(story, one, names[one.label], config) for one in order]


def _score(story: WindowStory, candidate: CandidateOutcome, name: str, config: DecodeConfig) -> Block:
    """The score of a window as one class."""
    near = f"best of its neighbours {story.best_near:.3f}"
    objectness = Factor("objectness", story.objectness, note=near)
    refined = candidate.refined
    if refined is None:
        share = story.votes.get(name)
        if share is None:  # below what is listed, so that it follows from the product
            before = story.objectness * story.quality**config.quality_power
            share = candidate.score / before if before else 0.0
        factors = [
            objectness,
            Factor("mask quality", story.quality, config.quality_power),
            Factor(f"votes for {name}", share),
        ]
        return product(f"Score as {name}", factors, candidate.score, _remark(candidate))
    factors = [
        objectness,
        Factor("quality of the refined mask", refined.quality, config.refined_power),
        Factor(f"votes for {name}", refined.share),
    ]
    if refined.crowding > 0 and config.soft_sigma > 0:
        factor = math.exp(-(refined.crowding**2) / config.soft_sigma)
        why = "a higher-scoring instance of its class overlaps it"
        factors.append(Factor("crowding", refined.crowding, note=why, factor=factor))
    before = f"{candidate.score:.3f} before its mask was refined"
    return product(f"Score as {name}", factors, refined.score, f"{_remark(candidate)}; {before}")


def _remark(candidate: CandidateOutcome) -> str:
    """What became of a window as one class."""
    if candidate.outcome == "kept":
        return f"kept as instance {candidate.instance + 1}"
    if candidate.outcome == "overlaps":
        return f"left out: overlaps instance {candidate.instance + 1} by {candidate.iou:.2f}"
    return f"left out: {OUTCOMES[candidate.outcome].removeprefix('assembled, but ')}"


def _maps(story: WindowStory, point: tuple[int, int], k: int) -> list[Block]:
    """The part maps of a window, and the masks that are made of them."""
    limit = float(np.abs(story.parts_Kmm).max())
    cells = story.window.cells
    side, at = cells / k, _place(story, point, cells)
    parts = []
    for part, logits_mm in enumerate(story.parts_Kmm):
        row, column = divmod(part, k)
        own = (row, column) == story.part
        frame = (column * side, row * side, (column + 1) * side, (row + 1) * side)
        parts.append(map_of(logits_mm, limit=limit, frame=frame, own=own, at=at if own else None))
    limit = float(np.abs(story.logits_mm).max())
    masks = [map_of(story.logits_mm, "assembled", limit=limit, at=at)]
    if story.refined_nn is not None:
        place = _place(story, point, len(story.refined_nn))
        masks.append(map_of(story.refined_nn, "refined", limit=limit, at=place))
    row, column = story.part
    answers = f"part {row + 1},{column + 1} answers for the pixel with {story.pixel:.3f}"
    return [maps(f"Part maps: {answers}", parts, k), maps("Mask", masks, 2)]


def _place(story: WindowStory, point: tuple[int, int], cells: int) -> tuple[float, float]:
    """(x, y) of the pixel in cells of a map with `cells` cells along the side of the window."""
    x, y = ((at + 0.5 - low) * cells / story.window.side_px for at, low in zip(point, story.box_px[:2], strict=True))
    return x, y
