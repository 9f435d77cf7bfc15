"""The report's figures of its truth: the task (1.1), the masks in their order (2.4) and the windows (2.10).

Axes: H and W in pixels, M windows.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from partwise.report.overlay import draw_semantic
from partwise.report.palette import assign_colours
from partwise.report.panels import draw_contact_sheet
from partwise.scene import Scene
from partwise_report.instance_fcn import InstanceFcnConfig
from partwise_report.instance_fcn.targets import window_targets
from partwise_report.ordering.targets import OVERFLOW, by_centre, of_class

CAR = 26
RANKS = 30  # report 2.3
SHOWN_MASKS, SHOWN_WINDOWS = 7, 6
POSITIVE_COLOUR, NEGATIVE_COLOUR = (60, 220, 110), (240, 70, 60)
Picture = tuple[str, np.ndarray]


def task(scene: Scene) -> Picture:
    """Figure 1.1: the image, its semantic truth, and a colour for each of its cars."""
    cars = of_class(scene, CAR)
    colours_N3 = assign_colours(cars)
    numbered = np.zeros((*scene.size, 3), np.uint8)
    for n in range(len(cars)):
        numbered[cars.full_mask(n)] = colours_N3[n]
    pictures = [scene.image_HW3, draw_semantic(scene.semantic_HW, scene.label_set), numbered]
    captions = ["(a) image", "(b) semantic truth", f"(c) instance truth: {len(cars)} cars"]
    caption = "Figure 1.1: the task, an image with its semantic truth and the truth of its cars."
    return caption, draw_contact_sheet(pictures, captions, columns=3, cell_width_px=420)


def ordering_truth(scene: Scene) -> Picture:
    """Figure 2.4: the photo and the masks of its cars in the order of their centres, then blank ones."""
    cars = of_class(scene, CAR)
    made = by_centre(cars, RANKS)
    pictures, captions = [scene.image_HW3], [f"{len(cars)} cars"]
    for rank in range(1, SHOWN_MASKS + 1):
        mask = np.zeros(scene.size, np.uint8)
        for n in np.flatnonzero(made.maps_N == rank):
            mask[cars.full_mask(int(n))] = 255
        pictures.append(np.repeat(mask[:, :, None], 3, axis=2))
        captions.append(f"mask {rank}" + ("" if mask.any() else ": blank"))
    overflow = int((made.maps_N == OVERFLOW).sum())
    caption = (
        f"Figure 2.4: the truth of the ordering, {RANKS} masks sorted by x, then y of the cars' centres; the first "
    )
    caption += f"{SHOWN_MASKS} are shown. Ties: {made.ties}, cars without a mask: {overflow}."
    return caption, draw_contact_sheet(pictures, captions, columns=4, cell_width_px=320)


def window_truth(scene: Scene) -> Picture:
    """Figure 2.10: some positive and negative windows of the report on the photo."""
    config = InstanceFcnConfig(windows="report", classes=(CAR,))
    targets = window_targets(scene, config)
    boxes_M4, holders = targets["boxes"].numpy() * config.cell_px, targets["object"].numpy()
    canvas = Image.fromarray(scene.image_HW3.copy())
    draw, line_px = ImageDraw.Draw(canvas), max(1, min(scene.size) // 160)
    for positive, colour in ((False, NEGATIVE_COLOUR), (True, POSITIVE_COLOUR)):
        for y0, x0, y1, x1 in boxes_M4[(holders >= 0) == positive][:SHOWN_WINDOWS].tolist():
            draw.rectangle((x0, y0, x1, y1), outline=colour, width=line_px)
    count = int((holders >= 0).sum())
    caption = f"Figure 2.10: windows of the truth as the report makes them: {count} positive (green), "
    caption += f"{len(holders) - count} negative (red), {SHOWN_WINDOWS} of each shown."
    return caption, np.asarray(canvas)
