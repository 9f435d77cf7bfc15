"""Show one decision of the part maps as text and as a picture: the window, its parts, the assembled mask, its class.

Axes: K = k * k parts, m window cells a side, n finer cells a side, H and W pixels.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Rectangle

from partwise.decoding.outcomes import CandidateOutcome
from partwise.methods.centres.explain import CentresExplanation
from partwise.methods.parts.decode_config import DecodeConfig
from partwise.methods.parts.explain import OUTCOMES, Explanation, WindowStory
from partwise.report.maps import draw_map, rasterised, scale_limit
from streeteval.instances import Instances
from streeteval.labels import CITYSCAPES, LabelSet

MARGIN = 0.25  # margin around the window in the picture, as a share of its side
__all__ = [
    "MASK",
    "PIXEL",
    "WINDOW",
    "draw_explanation",
    "draw_shares",
    "explanation_text",
    "headline",
    "outline",
]

WINDOW, PIXEL, MASK = "#ffb000", "#ff2d55", "#00c2a8"


def explanation_text(
    explanation: Explanation, config: DecodeConfig, shown_score: float = 0.0, label_set: LabelSet = CITYSCAPES
) -> str:
    """Explain a pixel in a few lines: the instance there, how its score is computed, and the outcomes of other windows.

    Args:
        explanation: The explanation of one pixel.
        config: The decoder's configuration.
        shown_score: Default display threshold. `partwise predict` leaves out instances with a lower score.
        label_set: The classes.
    """
    lines, story = [headline(explanation, shown_score, label_set)], explanation.windows[0]
    at = ", ".join(f"{name} {share:.2f}" for name, share in explanation.semantic.items())
    lines.append(f"  semantic map here: {at}")
    lines.append("  " + ("its window" if explanation.instance >= 0 else "the window that got furthest") + _where(story))
    lines += [f"    {line}" for line in _reckoning(story, config, label_set)]
    total = sum(explanation.counts.values())
    lines.append(f"  {total} windows lie over this pixel:")
    lines += [f"    {count:5d}  {OUTCOMES[outcome]}" for outcome, count in explanation.counts.items()]
    return "\n".join(lines)


def headline(explanation: Explanation | CentresExplanation, shown_score: float, label_set: LabelSet) -> str:
    """Describe the instance at the pixel in one line. Positions are in pixels of the image as the network saw it.

    Args:
        explanation: The explanation of one pixel.
        shown_score: Default display threshold. `partwise predict` leaves out instances with a lower score.
        label_set: The classes.
    """
    found, i = explanation.prediction.instances, explanation.instance
    (x, y), (height, width) = explanation.point, found.size
    where = f"pixel {x},{y} of {width}x{height}"
    if i < 0:
        return f"{where}: no instance"
    name = label_set.by_id[int(found.labels[i])].name
    said = f"{where}: {name}, score {found.scores[i]:.3f}, instance {i + 1} of {len(found)} by score"
    if found.scores[i] < shown_score:
        said += f"; predict leaves it out, as its score is below {shown_score:g}"
    return said


def _where(story: WindowStory) -> str:
    x0, y0, x1, y1 = story.box_px
    window = story.window
    return f": {window.side_px} px a side ({window.cells} cells of {window.stride_px} px), x {x0}..{x1}, y {y0}..{y1}"


def _reckoning(story: WindowStory, config: DecodeConfig, label_set: LabelSet) -> list[str]:
    """Explain the scores and the outcome of a window, a line for each step."""
    row, column = story.part
    lines = [
        f"objectness {story.objectness:.3f} (best of its neighbours {story.best_near:.3f})",
        f"part {row + 1},{column + 1} (row, column) answers for this pixel: {story.pixel:.3f} that it is the object",
    ]
    power = f"{story.quality:.3f}^{config.quality_power:g}"
    names = {label.name: label.id for label in label_set.things}
    by_label = {candidate.label: candidate for candidate in story.as_classes}
    for name, share in story.votes.items():
        candidate = by_label.get(names[name])
        if candidate is None:
            continue
        score = f"score as {name}: {story.objectness:.3f} x mask quality {power} x share of its votes {share:.3f}"
        lines.append(f"{score} = {candidate.score:.3f}; {_outcome(candidate)}")
        if candidate.refined is not None:
            refined = candidate.refined
            product = f"{story.objectness:.3f} x mask quality {refined.quality:.3f}^{config.refined_power:g}"
            product += f" x share of its votes {refined.share:.3f}"
            if refined.crowding > 0:
                product += (
                    f" x exp(-{refined.crowding:.3f}^2 / {config.soft_sigma:g}), as a higher-scoring one overlaps it,"
                )
            lines.append(f"its mask refined: {product} = {refined.score:.3f}")
    if not story.as_classes:
        votes = ", ".join(f"{name} {share:.2f}" for name, share in story.votes.items())
        lines += [f"{OUTCOMES[story.outcome]}; its mask would vote {votes}"]
    return lines


def _outcome(candidate: CandidateOutcome) -> str:
    if candidate.outcome == "kept":
        return f"kept as instance {candidate.instance + 1}"
    if candidate.outcome == "overlaps":
        return f"left out: overlaps instance {candidate.instance + 1} by {candidate.iou:.2f}"
    return f"left out: {OUTCOMES[candidate.outcome].removeprefix('assembled, but ')}"


def draw_explanation(
    image_HW3: np.ndarray, explanation: Explanation, k: int, label_set: LabelSet = CITYSCAPES, *, dpi: int = 110
) -> np.ndarray:
    """Draw the window in the image, its k x k part maps, the assembled mask, the refined mask, and the votes.

    The window is yellow, the pixel red, the mask that was found green. Each part map is shown at the cells of the
    window; the frame marks the cells that belong to this part.

    Args:
        image_HW3: (H, W, 3) uint8 RGB, the image as the network saw it.
        explanation: The explanation of one pixel.
        k: Number of parts along a side of a window.
        label_set: The classes.
        dpi: Dots per inch of the picture.

    Returns:
        (h, w, 3) uint8 RGB of another size.
    """
    story = explanation.windows[0]
    masks = {"assembled (logits)": story.logits_mm}
    if story.refined_nn is not None:
        masks["refined"] = story.refined_nn
    widths = (4.7, 4.7, 2.4 + 3.2 * len(masks))
    figure = Figure(figsize=(sum(widths), 4.6), dpi=dpi, layout="constrained")
    left, middle, right = figure.subfigures(1, 3, squeeze=False, width_ratios=widths)[0]
    _draw_window(left.subplots(), image_HW3, explanation, story, k)
    _draw_parts(middle, story, k)
    *boxes, votes = right.subplots(1, len(masks) + 1, width_ratios=(*[1.35] * len(masks), 1))
    limit = scale_limit(story.logits_mm)
    for axes, (title, logits) in zip(boxes, masks.items(), strict=True):
        drawn = draw_map(axes, logits, limit, title)
        _mark_pixel(axes, explanation, story, len(logits))
    right.colorbar(drawn, ax=boxes, shrink=0.6, aspect=25, orientation="horizontal").ax.tick_params(labelsize=7)
    draw_shares(votes, story.votes, "votes of the mask")
    figure.suptitle(f"{headline(explanation, 0.0, label_set)}: {OUTCOMES[story.outcome]}", fontsize=11)
    return rasterised(figure)


def _draw_window(axes: Axes, image_HW3: np.ndarray, explanation: Explanation, story: WindowStory, k: int) -> None:
    """Draw the image around the window, with the borders of its parts."""
    x0, y0, x1, y1 = story.box_px
    margin = MARGIN * (x1 - x0)
    axes.imshow(image_HW3, interpolation="antialiased")
    if explanation.instance >= 0:
        outline(axes, explanation.prediction.instances, explanation.instance, MASK)
    for i in range(1, k):
        at = i * (x1 - x0) / k
        axes.plot([x0 + at, x0 + at], [y0, y1], color=WINDOW, lw=0.7, ls=":")
        axes.plot([x0, x1], [y0 + at, y0 + at], color=WINDOW, lw=0.7, ls=":")
    axes.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, ec=WINDOW, lw=1.6))
    axes.plot(explanation.point[0] + 0.5, explanation.point[1] + 0.5, "x", color=PIXEL, ms=9, mew=2)
    axes.set_xlim(x0 - margin, x1 + margin)
    axes.set_ylim(y1 + margin, y0 - margin)
    axes.set_facecolor("#d8d8d8")  # colour of the part of a window that lies outside the image
    axes.set_title(f"window of {story.window.side_px} px, objectness {story.objectness:.2f}", fontsize=9)
    axes.set_xticks([])
    axes.set_yticks([])


def outline(axes: Axes, found: Instances, i: int, colour: str) -> None:
    """Draw the outline of an instance into the axes of its image.

    Args:
        axes: Axes that show the image.
        found: The instances of the image.
        i: Index of the instance.
        colour: Colour of the outline.
    """
    mask = found.full_mask(i)
    # The mask gets a border of one pixel; the extent places the centres of its pixels.
    extent = (-1.0, float(mask.shape[1]), -1.0, float(mask.shape[0]))
    axes.contour(np.pad(mask, 1), levels=[0.5], colors=colour, linewidths=1.6, extent=extent)


def _draw_parts(figure: SubFigure, story: WindowStory, k: int) -> None:
    grid = figure.subplots(k, k, squeeze=False)
    limit, cells = scale_limit(story.parts_Kmm), story.window.cells
    for part, axes in enumerate(grid.flat):
        row, column = divmod(part, k)
        own = (row, column) == story.part
        draw_map(axes, story.parts_Kmm[part], limit, "answers for the pixel" if own else "")
        side = cells / k
        box = Rectangle((column * side - 0.5, row * side - 0.5), side, side, fill=False, lw=1.6)
        box.set_edgecolor(PIXEL if own else WINDOW)
        axes.add_patch(box)
    figure.suptitle(f"the {k * k} part maps inside the window: red says object", fontsize=9)


def _mark_pixel(axes: Axes, explanation: Explanation, story: WindowStory, cells: int) -> None:
    """Mark the pixel on a map of the window with `cells` cells along a side."""
    x, y = (
        (at + 0.5 - low) * cells / story.window.side_px - 0.5
        for at, low in zip(explanation.point, story.box_px[:2], strict=True)
    )
    axes.plot(x, y, "x", color=PIXEL, ms=9, mew=2)


def draw_shares(axes: Axes, shares: dict[str, float], title: str) -> None:
    """Draw named shares as bars.

    Args:
        axes: Where to draw.
        shares: Name -> share, 0..1.
        title: Title of the axes.
    """
    axes.barh(range(len(shares)), list(shares.values()), height=0.6, color=MASK)
    axes.set_ylim(-0.5, max(len(shares), 4) - 0.5)
    axes.set_yticks(range(len(shares)), list(shares), fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.tick_params(axis="x", labelsize=7)
    axes.set_title(title, fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
