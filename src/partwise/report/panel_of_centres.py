"""Show one decision of the centres in a browser: the vote of a pixel, and the heat where it points.

Axes: h and w cells of a map.
"""

from __future__ import annotations

import numpy as np

from partwise.methods.centres.explain import OUTCOMES, Centre, CentresExplanation
from partwise.methods.centres.targets import STRIDE_PX
from partwise.report.panel import Block, Factor, Panel, arrow, bars, map_of, maps, product, spot, text

__all__ = ["panel_of_centres"]

AROUND_CELLS = 20  # the heat is shown this far around the pixel and its vote
TOLD = 5  # number of centres that are listed


def panel_of_centres(explanation: CentresExplanation) -> Panel:
    """Make the panel of one pixel.

    Args:
        explanation: The explanation of the pixel.
    """
    words = OUTCOMES[explanation.outcome]
    blocks: list[Block] = [text(f"{words[0].upper()}{words[1:]}.")]
    marks: list[Block] = [spot(one.place, one.heat) for one in explanation.centres[:TOLD]]
    if explanation.outcome != "stuff":
        x, y = explanation.point
        marks.append(arrow((x + 0.5, y + 0.5), explanation.vote))
    if explanation.instance >= 0 and explanation.centres:
        score = float(explanation.prediction.instances.scores[explanation.instance])
        heat = explanation.centres[0].heat
        factors = [Factor("heat of its centre", heat), Factor("mean probability over its mask", score / heat)]
        blocks.append(product(f"Score as {explanation.label}", factors, score))
    if explanation.heat_hw is not None:
        blocks.append(_heat(explanation, explanation.heat_hw))
    if explanation.centres:
        listed = "\n".join(_centre(one) for one in explanation.centres[:TOLD])
        many = len(explanation.centres)
        blocks.append(text(listed, f"Centres of class {explanation.label} near its vote: {min(TOLD, many)} of {many}"))
    blocks.append(bars("Semantic map at this pixel", explanation.semantic))
    return Panel(tuple(blocks), tuple(marks))


def _centre(centre: Centre) -> str:
    x, y = centre.place
    return f"{x:.0f},{y:.0f}: {centre.distance_px:.1f} px from the vote, heat {centre.heat:.3f}"


def _heat(explanation: CentresExplanation, heat_hw: np.ndarray) -> Block:
    """The heat around the pixel and its vote."""
    cells = [(at + 0.5) / STRIDE_PX for at in explanation.point], [at / STRIDE_PX for at in explanation.vote]
    height, width = heat_hw.shape
    x0, y0 = (max(0, int(min(pair)) - AROUND_CELLS) for pair in zip(*cells, strict=True))
    x1, y1 = (int(max(pair)) + AROUND_CELLS for pair in zip(*cells, strict=True))
    x0, y0, x1, y1 = min(x0, width - 1), min(y0, height - 1), min(max(x1, 1), width), min(max(y1, 1), height)
    shown_hw = heat_hw[y0:y1, x0:x1]
    at = cells[0][0] - x0, cells[0][1] - y0
    return maps(
        f"Heat: where centres of class {explanation.label} are", [map_of(shown_hw, limit=1.0, at=at)], 1, "", "centre"
    )
