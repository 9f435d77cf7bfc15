"""One decision of an ordering, in words and as a picture; needs matplotlib, which the network does not.

Axes: H and W pixels.
"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from partwise.report.inspect import MASK, PIXEL, WINDOW, draw_shares, outline
from partwise.report.maps import rasterised
from partwise_report.ordering.explain import OrderExplanation

WIDTH_IN, BARS_IN = 15.0, 3.0


def explanation_text(explanation: OrderExplanation, shown_score: float = 0.0) -> str:
    """Say in a few lines what the pixel is, what each map says there, and what would be right.

    Args:
        explanation: Of the pixel.
        shown_score: Instances below it are found, but not shown to people.
    """
    lines = [_headline(explanation, shown_score)]
    maps = ", ".join(f"{_name(number, explanation)} {value:.2f}" for number, value in explanation.maps.items())
    lines.append(f"  maps here, by probability: {maps}")
    if explanation.instance >= 0:
        found, i = explanation.prediction.instances, explanation.instance
        where = f"{found.areas[i]} px where {_name(explanation.rank, explanation)} has the highest probability"
        lines.append(f"  its instance: the {where}; score: the mean probability there, {found.scores[i]:.3f}")
    if explanation.order is not None:
        lines.append(f"  {_truth(explanation)}")
    return "\n".join(lines)


def _headline(explanation: OrderExplanation, shown_score: float) -> str:
    found, i = explanation.prediction.instances, explanation.instance
    (x, y), (height, width) = explanation.point, found.size
    said = f"pixel {x},{y} of {width}x{height}: "
    if i < 0:
        return said + "no instance"
    said += f"{explanation.class_name}, score {found.scores[i]:.3f}, {_name(explanation.rank, explanation)}"
    if found.scores[i] < shown_score:
        said += f"; predict leaves it out, as its score is below {shown_score:g}"
    return said


def _name(number: int, explanation: OrderExplanation) -> str:
    return "background" if number == 0 else f"{explanation.noun} {number}"


def _truth(explanation: OrderExplanation) -> str:
    order = explanation.order
    assert order is not None
    own = next((one for one in order if one.holds_pixel), None)
    if own is None:
        return f"truth: no {explanation.class_name}; the image has {len(order)}"
    if own.rank is None:
        return f"truth: a {explanation.class_name} beyond the last rank, one of {len(order)}"
    if explanation.noun != "rank":
        return f"truth: {_name(own.rank, explanation)}"
    before = sum(one.rank is not None and one.rank < own.rank for one in order)
    return f"truth: {_name(own.rank, explanation)} of {len(order)}; {before} come before it"


def draw_explanation(image_HW3: np.ndarray, explanation: OrderExplanation, *, dpi: int = 110) -> np.ndarray:
    """Draw the image, the probability of the pixel's map over the image, and the maps at the pixel.

    The pixel is red, the mask that was found green; true ranks, where they are known, stand in yellow at the centres.

    Args:
        image_HW3: (H, W, 3) uint8 RGB, as the network saw it.
        explanation: Of the pixel.
        dpi: Dots of the picture per inch.

    Returns:
        (h, w, 3) uint8 RGB.
    """
    height, width = image_HW3.shape[:2]
    panel_in = (WIDTH_IN - BARS_IN) / 2 * height / width
    figure = Figure(figsize=(WIDTH_IN, panel_in + 1.1), dpi=dpi, layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=(6, 6, BARS_IN))
    left.imshow(image_HW3, interpolation="antialiased")
    left.set_title("the image" + (", and the true ranks" if explanation.order else ""), fontsize=9)
    most = max(float(explanation.own_map_HW.max()), 0.01)
    drawn = middle.imshow(explanation.own_map_HW, cmap="magma", vmin=0, vmax=most, interpolation="nearest")
    middle.set_title(f"probability of {_name(explanation.rank, explanation)} at every pixel", fontsize=9)
    figure.colorbar(drawn, ax=middle, shrink=0.7, aspect=25, orientation="horizontal").ax.tick_params(labelsize=7)
    x, y = explanation.point
    for axes in (left, middle):
        axes.plot(x, y, "x", color=PIXEL, ms=9, mew=2)
        axes.set_xticks([])
        axes.set_yticks([])
        if explanation.instance >= 0:
            outline(axes, explanation.prediction.instances, explanation.instance, MASK)
        axes.set_xlim(-0.5, width - 0.5)
        axes.set_ylim(height - 0.5, -0.5)
    for one in explanation.order or ():
        left.text(
            *one.centre, "–" if one.rank is None else one.rank, color=WINDOW, fontsize=9, ha="center", va="center"
        )
    draw_shares(right, {_name(n, explanation): value for n, value in explanation.maps.items()}, "maps at the pixel")
    figure.suptitle(_headline(explanation, 0.0), fontsize=11)
    return rasterised(figure)
