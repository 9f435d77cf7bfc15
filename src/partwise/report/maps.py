"""Draw part maps and objectness: the logits of each of the k x k parts, and where windows hold instances.

Axes: K = k * k parts, row by row (part r * k + c is row r and column c of a window), H and W cells of a map.
"""

from __future__ import annotations

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from partwise.errors import PartwiseError

__all__ = [
    "CELL_WIDTH_IN",
    "COLUMNS",
    "ROWS",
    "SCALE_PERCENTILE",
    "draw_map",
    "draw_part_maps",
    "rasterised",
    "scale_limit",
]

SCALE_PERCENTILE = 99.5  # percentile of |logit| at the end of the colour scale, so that one extreme cell has no effect
CELL_WIDTH_IN = 2.4  # width of one map in inches
ROWS, COLUMNS = ("top", "middle", "bottom"), ("left", "centre", "right")


def draw_part_maps(
    parts_KHW: np.ndarray, objectness_HW: np.ndarray, k: int, *, title: str = "", dpi: int = 110
) -> np.ndarray:
    """Draw the part maps as a k x k grid, and the objectness beside it.

    Red is a logit above 0 (object), blue is below 0, white is 0, grey is not a number. All parts share one scale,
    symmetric around 0. The objectness has a scale of its own.

    Args:
        parts_KHW: (k * k, H, W) float logits.
        objectness_HW: (h, w) float logits; it may have another stride than the parts.
        k: Number of parts along a side of a window.
        title: Title of the picture.
        dpi: Dots per inch of the picture.

    Returns:
        The picture, uint8 RGB.

    Raises:
        PartwiseError: If the number of maps is not k * k.
    """
    parts_KHW, objectness_HW = np.asarray(parts_KHW, np.float32), np.asarray(objectness_HW, np.float32)
    if parts_KHW.ndim != 3 or parts_KHW.shape[0] != k * k or objectness_HW.ndim != 2:
        raise PartwiseError(
            f"part maps: shape {parts_KHW.shape} and objectness {objectness_HW.shape}: k = {k} takes ({k * k}, H, W) "
            "and (H, W)"
        )
    height, width = parts_KHW.shape[1:]
    cell_height_in = CELL_WIDTH_IN * height / width
    figure = Figure(
        figsize=(CELL_WIDTH_IN * 2 * k + 1.6, (cell_height_in + 0.35) * k + 0.5), dpi=dpi, layout="constrained"
    )
    grid_figure, objectness_figure = figure.subfigures(1, 2, squeeze=False, width_ratios=(k, k))[0]
    limit = scale_limit(parts_KHW)
    grid = grid_figure.subplots(k, k, squeeze=False)
    for part, axes in enumerate(grid.flat):
        drawn = draw_map(axes, parts_KHW[part], limit, _part_name(*divmod(part, k), k))
    grid_figure.colorbar(drawn, ax=grid, shrink=0.7, aspect=30, pad=0.02).ax.tick_params(labelsize=7)
    axes = objectness_figure.subplots()
    drawn = draw_map(axes, objectness_HW, scale_limit(objectness_HW), "objectness (of a window centred here)")
    objectness_figure.colorbar(drawn, ax=axes, shrink=0.7, aspect=30, pad=0.02).ax.tick_params(labelsize=7)
    if title:
        figure.suptitle(title, fontsize=11)
    return rasterised(figure)


def rasterised(figure: Figure) -> np.ndarray:
    """Render a figure at its own dpi, (H, W, 3) uint8 RGB."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[:, :, :3].copy()


def draw_map(axes: Axes, map_HW: np.ndarray, limit: float, title: str) -> AxesImage:
    """Draw one map of logits: red above 0, blue below 0.

    Args:
        axes: Where to draw.
        map_HW: (H, W) logits.
        limit: The colours are saturated at +-`limit`.
        title: Title of the axes.

    Returns:
        The image, which a colour bar takes.
    """
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(title, fontsize=8)
    return axes.imshow(map_HW, cmap=_colours(), vmin=-limit, vmax=limit, interpolation="nearest")


def _colours() -> Colormap:
    return matplotlib.colormaps["RdBu_r"].with_extremes(bad="#9a9a9a")


def scale_limit(values: np.ndarray) -> float:
    """Return the end of a symmetric colour scale for these values; 1 if there is no value other than 0."""
    finite = np.abs(values[np.isfinite(values)])
    limit = float(np.percentile(finite, SCALE_PERCENTILE)) if finite.size else 0.0
    return limit if limit > 0 else 1.0


def _part_name(row: int, column: int, k: int) -> str:
    return f"{ROWS[row]} {COLUMNS[column]}" if k == 3 else f"row {row}, column {column}"
