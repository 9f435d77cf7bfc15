"""Show one decision of the centres as text and as a picture: the vote of a pixel, and the heat where it points.

Axes: H and W pixels, h and w cells of a map.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from partwise.methods.centres.explain import OUTCOMES, Centre, CentresExplanation
from partwise.methods.centres.targets import STRIDE_PX
from partwise.report.inspect import MASK, PIXEL, WINDOW, draw_shares, headline, outline
from partwise.report.maps import rasterised
from streeteval.labels import CITYSCAPES, LabelSet

MARGIN_PX = 24  # margin of the picture around pixel, vote, mask and centre
TOLD = 3  # number of centres that the text lists


def centres_explanation_text(
    explanation: CentresExplanation, shown_score: float = 0.0, label_set: LabelSet = CITYSCAPES
) -> str:
    """Explain a pixel in a few lines: the instance there, where it points, its centre, and how the score is computed.

    Args:
        explanation: The explanation of one pixel.
        shown_score: Default display threshold. `partwise predict` leaves out instances with a lower score.
        label_set: The classes.
    """
    lines = [headline(explanation, shown_score, label_set)]
    at = ", ".join(f"{name} {share:.2f}" for name, share in explanation.semantic.items())
    lines.append(f"  semantic map here: {at}")
    (x, y), (vote_x, vote_y) = explanation.point, explanation.vote
    away = np.hypot(vote_x - x - 0.5, vote_y - y - 0.5)
    if explanation.outcome != "stuff":  # pixels of classes without instances are not trained to point anywhere
        lines.append(f"  its vote: the centre of its instance lies at {vote_x:.0f},{vote_y:.0f}, {away:.0f} px away")
    lines.append(f"  {OUTCOMES[explanation.outcome]}")
    if explanation.centres:
        lines.append(f"    {_centre(explanation.centres[0])}")
    if explanation.instance >= 0:
        score, heat = float(explanation.prediction.instances.scores[explanation.instance]), explanation.centres[0].heat
        mean = f"mean probability of the class over its mask {score / heat:.3f}"
        lines.append(f"    score as {explanation.label}: heat {heat:.3f} x {mean} = {score:.3f}")
    others = explanation.centres[1:TOLD]
    if others:
        lines.append(f"  the next of the {len(explanation.centres)} centres of class {explanation.label}:")
        lines += [f"    {_centre(centre)}" for centre in others]
    return "\n".join(lines)


def _centre(centre: Centre) -> str:
    x, y = centre.place
    return f"centre {x:.0f},{y:.0f}: {centre.distance_px:.1f} px from the vote, heat {centre.heat:.3f}"


def draw_centres_explanation(
    image_HW3: np.ndarray, explanation: CentresExplanation, label_set: LabelSet = CITYSCAPES, *, dpi: int = 110
) -> np.ndarray:
    """Draw the vote of the pixel in the image, the heat of its class there, and its semantic classes.

    The pixel and its vote are red, centres of its class yellow, the mask that was found green.

    Args:
        image_HW3: (H, W, 3) uint8 RGB, the image as the network saw it.
        explanation: The explanation of one pixel.
        label_set: The classes.
        dpi: Dots per inch of the picture.

    Returns:
        (h, w, 3) uint8 RGB of another size.
    """
    figure = Figure(figsize=(15, 4.6), dpi=dpi, layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=(5, 5, 3))
    cut = _cut(explanation, image_HW3.shape[:2])
    left.imshow(image_HW3, interpolation="antialiased")
    left.set_title("where the pixel points", fontsize=9)
    middle.set_title(f"heat: where centres of class {explanation.label} are", fontsize=9)
    if explanation.heat_hw is None:
        middle.set_axis_off()
        middle.set_title(f"class {explanation.label} has no instances and no heat map", fontsize=9)
    else:
        height, width = (side * STRIDE_PX for side in explanation.heat_hw.shape)
        drawn = middle.imshow(
            explanation.heat_hw, cmap="magma", vmin=0, vmax=1, extent=(0, width, height, 0), interpolation="nearest"
        )
        figure.colorbar(drawn, ax=middle, shrink=0.6, aspect=25, orientation="horizontal").ax.tick_params(labelsize=7)
        _draw_vote(middle, explanation, cut)
    _draw_vote(left, explanation, cut)
    if explanation.instance >= 0:
        outline(left, explanation.prediction.instances, explanation.instance, MASK)
        outline(middle, explanation.prediction.instances, explanation.instance, MASK)
    draw_shares(right, explanation.semantic, "semantic map at the pixel")
    figure.suptitle(f"{headline(explanation, 0.0, label_set)}: {OUTCOMES[explanation.outcome]}", fontsize=11)
    return rasterised(figure)


def _draw_vote(axes: Axes, explanation: CentresExplanation, cut: tuple[float, float, float, float]) -> None:
    x, y = (at + 0.5 for at in explanation.point)
    if explanation.outcome != "stuff":
        arrow = {"arrowstyle": "->", "color": PIXEL, "lw": 1.8}
        axes.annotate("", xy=explanation.vote, xytext=(x, y), arrowprops=arrow)
    axes.plot(x, y, "x", color=PIXEL, ms=9, mew=2)
    for centre in explanation.centres:
        axes.plot(*centre.place, "o", mfc="none", mec=WINDOW, ms=4 + 8 * centre.heat, mew=1.6)
    axes.set_xlim(cut[0], cut[2])
    axes.set_ylim(cut[3], cut[1])
    axes.set_xticks([])
    axes.set_yticks([])


def _cut(explanation: CentresExplanation, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """Return x0, y0, x1, y1 of the part of the image to show: pixel, vote, mask and nearest centre, with a margin."""
    corners = [explanation.point, *(centre.place for centre in explanation.centres[:1])]
    if explanation.outcome != "stuff":
        corners.append(explanation.vote)
    if explanation.instance >= 0:
        x0, y0, x1, y1 = explanation.prediction.instances.boxes[explanation.instance].tolist()
        corners += [(x0, y0), (x1, y1)]
    low, high = np.min(corners, axis=0) - MARGIN_PX, np.max(corners, axis=0) + MARGIN_PX
    (x0, y0), (x1, y1) = np.maximum(low, 0), np.minimum(high, size[::-1])
    return float(x0), float(y0), float(x1), float(y1)
