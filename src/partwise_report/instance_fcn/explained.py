"""One decision of the instance-sensitive FCN, in words and as a picture: the window, its parts, its objectness.

Axes: K = k * k parts, H and W pixels.
"""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Rectangle

from partwise.report.maps import draw_map, rasterised, scale_limit
from partwise_report.instance_fcn.explain import OUTCOMES, InstanceFcnExplanation, WindowStory

__all__ = ["draw_explanation", "explanation_text"]

MARGIN = 0.25  # of a window's side, around it in the picture
WINDOW, PIXEL, MASK = "#ffb000", "#ff2d55", "#00c2a8"


def explanation_text(explanation: InstanceFcnExplanation, shown_score: float = 0.0) -> str:
    """A few lines: what is at the pixel, its window and objectness, and what became of the other windows over it.

    Args:
        explanation: Of one pixel.
        shown_score: Below it an instance is found, but not shown to people.
    """
    story, found = explanation.windows[0], explanation.prediction.instances
    lines = [_headline(explanation)]
    if explanation.instance >= 0 and found.scores[explanation.instance] < shown_score:
        lines[0] += f"; predict leaves it out, as its score is below {shown_score:g}"
    x0, y0, x1, y1 = story.box_px
    which = "its window" if explanation.instance >= 0 else "the window that got furthest"
    lines.append(f"  {which}: {x1 - x0} x {y1 - y0} px, x {x0}..{x1}, y {y0}..{y1}")
    row, column = story.part
    lines += [
        f"    objectness of the window {story.objectness:.3f}; {OUTCOMES[story.outcome]}",
        f"    part {row + 1},{column + 1} (row, column) answers for it: {story.pixel:.3f} that it is the object",
        f"  {sum(explanation.counts.values())} windows lie over this pixel:",
    ]
    return "\n".join(lines + [f"    {count:5d}  {OUTCOMES[name]}" for name, count in explanation.counts.items()])


def _headline(explanation: InstanceFcnExplanation) -> str:
    """What is at the pixel, in one line."""
    found, i = explanation.prediction.instances, explanation.instance
    (x, y), (height, width) = explanation.point, found.size
    where = f"pixel {x},{y} of {width}x{height}"
    if i < 0:
        return f"{where}: no instance"
    name = explanation.label_names[int(found.labels[i])]
    return f"{where}: {name}, score {found.scores[i]:.3f}, instance {i + 1} of {len(found)} by score"


def draw_explanation(image_HW3: np.ndarray, explanation: InstanceFcnExplanation, *, dpi: int = 110) -> np.ndarray:
    """Draw the window in the image, its part maps, what they assemble, and the objectness of all windows of its size.

    The window is yellow, the pixel red, the mask that was found green. Of each part map the window's cells are shown;
    the frame marks those that the part answers for.

    Args:
        image_HW3: (H, W, 3) uint8 RGB, as the network saw it.
        explanation: Of one of its pixels.
        dpi: Dots per inch of the picture.

    Returns:
        (h, w, 3) uint8 RGB.
    """
    story = explanation.windows[0]
    figure = Figure(figsize=(19, 4.8), dpi=dpi, layout="constrained")
    left, middle, right = figure.subfigures(1, 3, squeeze=False, width_ratios=(4.7, 4.9, 8.4))[0]
    axes = left.subplots()
    axes.imshow(image_HW3, interpolation="antialiased")
    _draw_window(axes, explanation, story)
    _draw_parts(middle, story)
    assembled, objectness = right.subplots(1, 2, width_ratios=(1, 1.7))
    limit = scale_limit(story.logits_rc)
    drawn = draw_map(assembled, story.logits_rc, limit, "assembled (logits)")
    right.colorbar(drawn, ax=assembled, shrink=0.7, orientation="horizontal").ax.tick_params(labelsize=7)
    _mark_pixel(assembled, explanation, story)
    _draw_objectness(objectness, explanation, story)
    drawn = objectness.images[0]
    right.colorbar(drawn, ax=objectness, shrink=0.7, orientation="horizontal").ax.tick_params(labelsize=7)
    figure.suptitle(f"{_headline(explanation)}: {OUTCOMES[story.outcome]}", fontsize=11)
    return rasterised(figure)


def _draw_window(axes: Axes, explanation: InstanceFcnExplanation, story: WindowStory) -> None:
    """The image around the window, with the borders of its parts."""
    x0, y0, x1, y1 = story.box_px
    k = math.isqrt(len(story.parts_Krc))
    if explanation.instance >= 0:
        mask = explanation.prediction.instances.full_mask(explanation.instance)
        axes.contour(mask, levels=[0.5], colors=MASK, linewidths=1.6)
    for i in range(1, k):
        across, down = x0 + i * (x1 - x0) / k, y0 + i * (y1 - y0) / k
        axes.plot([across, across], [y0, y1], color=WINDOW, lw=0.7, ls=":")
        axes.plot([x0, x1], [down, down], color=WINDOW, lw=0.7, ls=":")
    axes.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, ec=WINDOW, lw=1.6))
    axes.plot(explanation.point[0] + 0.5, explanation.point[1] + 0.5, "x", color=PIXEL, ms=9, mew=2)
    axes.set_xlim(x0 - MARGIN * (x1 - x0), x1 + MARGIN * (x1 - x0))
    axes.set_ylim(y1 + MARGIN * (y1 - y0), y0 - MARGIN * (y1 - y0))
    axes.set_facecolor("#d8d8d8")  # what of a window lies outside the image
    axes.set_title(f"window of {x1 - x0} x {y1 - y0} px, objectness {story.objectness:.2f}", fontsize=9)
    axes.set_xticks([])
    axes.set_yticks([])


def _draw_parts(figure: SubFigure, story: WindowStory) -> None:
    """The part maps at the cells of the window."""
    k = math.isqrt(len(story.parts_Krc))
    grid, limit = figure.subplots(k, k, squeeze=False), scale_limit(story.parts_Krc)
    rows, columns = story.logits_rc.shape
    for part, axes in enumerate(grid.flat):
        row, column = divmod(part, k)
        own = (row, column) == story.part
        draw_map(axes, story.parts_Krc[part], limit, "answers for the pixel" if own else "")
        corner = (column * columns / k - 0.5, row * rows / k - 0.5)
        axes.add_patch(Rectangle(corner, columns / k, rows / k, fill=False, lw=1.6, ec=PIXEL if own else WINDOW))
    figure.suptitle(f"the {k * k} part maps inside the window: red says object", fontsize=9)


def _draw_objectness(axes: Axes, explanation: InstanceFcnExplanation, story: WindowStory) -> None:
    """How much objectness a window of this size has at each cell, in the image."""
    height, width = (side * explanation.cell_px for side in explanation.objectness_hw.shape)
    extent = (-0.5, width - 0.5, height - 0.5, -0.5)
    axes.imshow(explanation.objectness_hw, cmap="magma", extent=extent, interpolation="nearest")
    x0, y0, x1, y1 = story.box_px
    axes.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, ec=WINDOW, lw=1.2))
    axes.plot(explanation.point[0] + 0.5, explanation.point[1] + 0.5, "x", color=PIXEL, ms=7, mew=1.6)
    axes.set_xlim(-0.5, width - 0.5)
    axes.set_ylim(height - 0.5, -0.5)
    axes.set_title("objectness of a window of this size centred here", fontsize=9)
    axes.set_xticks([])
    axes.set_yticks([])


def _mark_pixel(axes: Axes, explanation: InstanceFcnExplanation, story: WindowStory) -> None:
    """Where the pixel lies on a map of the window."""
    x, y = (
        (at + 0.5 - low) / explanation.cell_px - 0.5
        for at, low in zip(explanation.point, story.box_px[:2], strict=True)
    )
    axes.plot(x, y, "x", color=PIXEL, ms=9, mew=2)
