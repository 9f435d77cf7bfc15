"""Figures 2.1, 2.5 and 2.9: the architectures, drawn from the layers that the networks really have.

Places of boxes are in columns and in rows, from the left and from the top.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from partwise.methods import MethodConfig
from partwise.report.maps import rasterised
from partwise_report.fcn import ReportFcnConfig
from partwise_report.instance_fcn import InstanceFcnConfig
from partwise_report.ordering import OrderingConfig
from partwise_report.study.pictures.layers import Layer, backbone_blocks, joined, layers_of, within

Picture = tuple[str, np.ndarray]
COLUMN_IN, ROW_IN, MARGIN_IN = 1.32, 1.55, 0.25
BOX = (0.86, 0.74)  # width and height of a box as shares of a column and a row
LINE = "#4a4a4a"
COLOURS = {
    "backbone": "#dbe8fb",
    "head": "#fde6cf",
    "skip": "#d9f2e6",
    "sum": "#ffffff",
    "data": "#eeeeee",
    "new": "#f9d5dd",
}


@dataclass(frozen=True)
class Box:
    """A part of the network at (column, row): a title, lines below it, and a key of COLOURS."""

    column: float
    row: float
    title: str
    lines: tuple[str, ...] = ()
    colour: str = "head"


@dataclass
class Drawing:
    """Boxes by name, and arrows (from, to, route) between them; a route is "side" or "below"."""

    boxes: dict[str, Box] = field(default_factory=dict)
    arrows: list[tuple[str, str, str]] = field(default_factory=list)

    def add(self, name: str, box: Box, after: str = "", below: str = "") -> str:
        """Add a box, and arrows that lead to it.

        Args:
            name: Of the box.
            box: It.
            after: Name of the box whose arrow enters at the left side, or at the top from straight above.
            below: Name of the box whose arrow enters from below.

        Returns:
            The name.
        """
        self.boxes[name] = box
        self.arrows += [(start, name, route) for start, route in ((after, "side"), (below, "below")) if start]
        return name


def fcn_figure(config: MethodConfig | None = None) -> Picture:
    """Figure 2.1: FCN-8s, by default as the report's code builds it."""
    layers = layers_of(config or ReportFcnConfig(output_stride=8))
    drawing = Drawing()
    last = _fcn(drawing, layers)
    drawing.add("classes", Box(12, 0, "semantic map", ("class of the", "highest score"), "data"), last)
    caption = "Figure 2.1: the architecture of FCN-8s, read from the network."
    return caption, drawn(drawing, "FCN-8s: each box says layers, kernels, channels and stride of its output")


def slice_figure(config: MethodConfig | None = None) -> Picture:
    """Figure 2.5: the network that makes masks of instances from one slice of the score."""
    layers = layers_of(config or OrderingConfig(source="slice", conv7="3x3", upsampling="learnt", void_taught=True))
    drawing = Drawing()
    last = _fcn(drawing, layers, to_image=False)
    (order,) = within(layers, "order")
    drawing.add("slice", Box(11, 0, "slice", ("the score map", "of car alone", "1 channel"), "data"), last)
    drawing.add("order", Box(12, 0, "order", _lines([order]), "new"), "slice")
    drawing.add("masks", Box(13, 0, "masks", _enlarged(layers, order.channels), "data"), "order")
    caption = "Figure 2.5: the network for instances with the slicing operation, read from the network."
    return caption, drawn(drawing, "From FCN-8s to instance masks: one convolution over the score map of car")


def instance_fcn_figure(config: MethodConfig | None = None) -> Picture:
    """Figure 2.9: the instance-sensitive FCN with its two branches."""
    config = config or InstanceFcnConfig(features="holes", windows="report", objectness="window")
    layers = layers_of(config)
    drawing = Drawing()
    last = _backbone(drawing, layers, row=0.5)
    column = drawing.boxes[last].column
    for row, part in enumerate(("parts", "objectness")):
        first, second = within(layers, f"{part}_branch")
        drawing.add(f"{part} 1", Box(column + 1, row, f"{part} 1", _lines([first]), "skip"), last)
        drawing.add(f"{part} 2", Box(column + 2, row, f"{part} 2", _lines([second]), "new"), f"{part} 1")
    parts = within(layers, "parts_branch")[1].channels
    said = (f"each of {parts} parts", "from a map", "of its own")
    drawing.add("assemble", Box(column + 3, 0, "assemble", said), "parts 2")
    said = ("windows by", "objectness, then", "suppression")
    drawing.add("instances", Box(column + 4, 0, "instances", said, "data"), "assemble", "objectness 2")
    caption = "Figure 2.9: the architecture of the instance-sensitive FCN, read from the network."
    return caption, drawn(drawing, "Instance-sensitive FCN: two branches on one backbone")


def _backbone(drawing: Drawing, layers: Sequence[Layer], row: float = 0) -> str:
    """The image and the blocks of the backbone, from left to right; returns the last box's name."""
    last = drawing.add("image", Box(0, row, "image", ("RGB", "stride 1"), "data"))
    for n, block in enumerate(backbone_blocks(layers), start=1):
        last = drawing.add(f"conv{n}", Box(n, row, f"conv{n}", _lines(block), "backbone"), last)
    return last


def _fcn(drawing: Drawing, layers: Sequence[Layer], to_image: bool = True) -> str:
    """FCN-8s up to its sum at stride 8, or enlarged to the image; returns the last box's name."""
    last = _backbone(drawing, layers)
    for column, part in enumerate(("conv6", "conv7", "score"), start=6):
        last = drawing.add(part, Box(column, 0, part, _lines(within(layers, part))), last)
    for n, (stride, source) in enumerate((("16", "conv4"), ("8", "conv3"))):
        skip = Box(
            drawing.boxes[source].column, 1 + n, f"skip of {source}", _lines(within(layers, f"skips.{stride}")), "skip"
        )
        drawing.add(f"skip {stride}", skip, source)
        box = Box(9 + n, 0, "sum", (_how_enlarged(layers, stride), "+ skip", f"stride {stride}"), "sum")
        last = drawing.add(f"sum {stride}", box, last, f"skip {stride}")
    if to_image:
        maps = within(layers, "score")[0].channels
        last = drawing.add("enlarged", Box(11, 0, "enlarged", _enlarged(layers, maps), "sum"), last)
    return last


def _how_enlarged(layers: Sequence[Layer], to: str) -> str:
    learnt = within(layers, f"enlarge.{to}")
    return f"deconv {learnt[0].kernel}×{learnt[0].kernel}" if learnt else "bilinear"


def _enlarged(layers: Sequence[Layer], maps: int) -> tuple[str, ...]:
    return _how_enlarged(layers, "image"), f"{maps} maps", "stride 1"


def _lines(layers: Sequence[Layer]) -> tuple[str, ...]:
    """What a box says of its layers: kernels, widths, holes, pooling, and the stride of the last one's output."""
    said = []
    for layer in joined(layers):
        if layer.kind == "pooling":
            said.append(f"pool {layer.kernel}×{layer.kernel}")
            continue
        times = f"{layer.count} × " if layer.count > 1 else ""
        said.append(f"{times}{layer.kernel}×{layer.kernel}, {layer.channels}")
        if layer.dilation > 1:
            said.append(f"dilated by {layer.dilation}")
    return (*said, f"stride {layers[-1].stride_px}")


def drawn(drawing: Drawing, title: str, *, dpi: int = 110) -> np.ndarray:
    """Draw the boxes and arrows.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    columns = max(box.column for box in drawing.boxes.values()) + 1
    rows = max(box.row for box in drawing.boxes.values()) + 1
    size = (columns * COLUMN_IN + 2 * MARGIN_IN, rows * ROW_IN + 2 * MARGIN_IN + 0.3)
    figure = Figure(figsize=size, dpi=dpi, facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(-MARGIN_IN, size[0] - MARGIN_IN)
    axes.set_ylim(size[1] - MARGIN_IN - 0.3, -MARGIN_IN - 0.3)
    axes.set_axis_off()
    axes.text(0, -0.2, title, fontsize=11, va="center")
    for start, end, route in drawing.arrows:
        _draw_arrow(axes, drawing.boxes[start], drawing.boxes[end], route)
    for box in drawing.boxes.values():
        _draw_box(axes, box)
    return rasterised(figure)


def _extent(box: Box) -> tuple[float, float, float, float]:
    """x0, y0, x1, y1 of a box in inches."""
    width, height = BOX[0] * COLUMN_IN, BOX[1] * ROW_IN
    x0, y0 = box.column * COLUMN_IN + (COLUMN_IN - width) / 2, box.row * ROW_IN + (ROW_IN - height) / 2
    return x0, y0, x0 + width, y0 + height


def _draw_box(axes: Axes, box: Box) -> None:
    x0, y0, x1, y1 = _extent(box)
    frame = FancyBboxPatch((x0, y0), x1 - x0, y1 - y0, boxstyle="round,pad=0,rounding_size=0.07", zorder=2)
    frame.set(facecolor=COLOURS[box.colour], edgecolor=LINE, linewidth=1.0)
    axes.add_patch(frame)
    middle = (x0 + x1) / 2
    axes.text(middle, y0 + 0.16, box.title, fontsize=8.5, weight="bold", ha="center", va="center", zorder=3)
    axes.text(middle, (y0 + y1) / 2 + 0.1, "\n".join(box.lines), fontsize=8, ha="center", va="center", zorder=3)


def _draw_arrow(axes: Axes, start: Box, end: Box, route: str) -> None:
    """Lines at right angles, with the head at the end's left side, its top or its bottom."""
    a, b = _extent(start), _extent(end)
    (a_x, a_y), (b_x, b_y) = (((one[0] + one[2]) / 2, (one[1] + one[3]) / 2) for one in (a, b))
    if route == "below":
        points = [(a[2], a_y), (b_x, a_y), (b_x, b[3])]
    elif start.column == end.column:
        points = [(a_x, a[3]), (b_x, b[1])]
    else:
        between = (a[2] + b[0]) / 2
        points = [(a[2], a_y), (between, a_y), (between, b_y), (b[0], b_y)]
    axes.plot(*zip(*points, strict=True), color=LINE, linewidth=1.1, zorder=1, solid_capstyle="butt")
    arrow = {"arrowstyle": "-|>", "color": LINE, "lw": 1.1, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", xy=points[-1], xytext=points[-2], arrowprops=arrow, zorder=1)
