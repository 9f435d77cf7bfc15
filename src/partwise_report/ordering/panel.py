"""One decision of an ordering in a browser: what each map says at the pixel, and the map of its instance.

Axes: H and W pixels.
"""

from __future__ import annotations

import numpy as np

from partwise.report.panel import Block, Factor, Panel, bars, map_of, maps, product
from partwise_report.ordering.explain import OrderExplanation

__all__ = ["panel_of_ordering"]

MOST_CELLS = 96  # along a side of the map in the page


def panel_of_ordering(explanation: OrderExplanation) -> Panel:
    """Make the panel of one pixel.

    Args:
        explanation: Of the pixel.
    """
    found, i = explanation.prediction.instances, explanation.instance
    name = _name(explanation.rank, explanation)
    blocks: list[Block] = []
    if i >= 0:
        score = float(found.scores[i])
        why = f"over the {int(found.areas[i])} px where {name} has the highest probability"
        factors = [Factor(f"mean probability of {name}", score, note=why)]
        blocks.append(product(f"Score as {explanation.class_name}", factors, score))
    shares = {_name(number, explanation): value for number, value in explanation.maps.items()}
    blocks.append(bars("Maps at this pixel", shares))
    step = -(-max(explanation.own_map_HW.shape) // MOST_CELLS)
    seen_HW = explanation.own_map_HW[step // 2 :: step, step // 2 :: step]
    x, y = explanation.point
    shown = map_of(np.asarray(seen_HW, float), limit=1.0, at=((x + 0.5) / step, (y + 0.5) / step))
    blocks.append(maps(f"Probability of {name}", [shown], 1, "", "certain"))
    return Panel(tuple(blocks))


def _name(number: int, explanation: OrderExplanation) -> str:
    return "background" if number == 0 else f"{explanation.noun} {number}"
