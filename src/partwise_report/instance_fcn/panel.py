"""One decision of the instance-sensitive FCN in a browser: the window, its parts, and its objectness.

Axes: K = k * k parts, r and c cells of a window.
"""

from __future__ import annotations

import math

import numpy as np

from partwise.report.panel import Block, Panel, box, choice, choices, counts, map_of, maps, text
from partwise_report.instance_fcn.explain import OUTCOMES, InstanceFcnExplanation, WindowStory

__all__ = ["panel_of_instance_fcn"]


def panel_of_instance_fcn(explanation: InstanceFcnExplanation) -> Panel:
    """Make the panel of one pixel.

    Args:
        explanation: Of the pixel.
    """
    windows = [_window(story, explanation) for story in explanation.windows]
    total = sum(explanation.counts.values())
    rows = {OUTCOMES[outcome]: count for outcome, count in reversed(explanation.counts.items())}
    return Panel(
        (
            choices("Windows that got furthest", windows),
            counts(f"What became of the {total} windows over this pixel", rows),
        )
    )


def _window(story: WindowStory, explanation: InstanceFcnExplanation) -> Block:
    """A window with its objectness, its parts and its mask."""
    x0, y0, x1, y1 = story.box_px
    size = f"{x1 - x0}x{y1 - y0} px"
    k = math.isqrt(len(story.parts_Krc))
    at = tuple(
        (place + 0.5) / explanation.cell_px - low
        for place, low in zip(explanation.point, story.cells[1::-1], strict=True)
    )
    height, width = story.logits_rc.shape
    limit = float(np.nanmax(np.abs(story.parts_Krc), initial=0.0))
    shown = []
    for part, logits_rc in enumerate(story.parts_Krc):
        row, column = divmod(part, k)
        frame = (column * width / k, row * height / k, (column + 1) * width / k, (row + 1) * height / k)
        own = (row, column) == story.part
        shown.append(map_of(logits_rc, limit=limit, frame=frame, own=own, at=(at[0], at[1]) if own else None))
    row, column = story.part
    answers = f"part {row + 1},{column + 1} answers for the pixel with {story.pixel:.3f}"
    words = OUTCOMES[story.outcome]
    blocks = [
        text(f"Objectness {story.objectness:.3f}, which is its score."),
        maps(f"Part maps: {answers}", shown, k),
        maps("Mask", [map_of(story.logits_rc, "assembled", at=(at[0], at[1]))], 2),
    ]
    return choice(size, f"{size}. {words[0].upper()}{words[1:]}.", blocks, [box(story.box_px, k)])
