"""Draw the verdicts on one image: predictions as outlines in the colour of their verdict, missed truth filled.

Axes: H W image.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from streeteval.explain import DUPLICATE, FALSE, FOUND, IGNORED, MISSED, NOT_COUNTED, TRUE, Explanation, Verdict
from streeteval.instances import Instances
from streeteval.labels import LabelSet
from streeteval.scene import Scene

__all__ = ["draw"]

COLOURS = {  # told apart by people who are colour blind: Okabe and Ito, 2008
    TRUE: (0, 158, 115),
    DUPLICATE: (240, 228, 66),
    FALSE: (213, 94, 0),
    IGNORED: (170, 170, 170),
    MISSED: (86, 180, 233),
}
_GREY = 0.35  # share of the class colours that shows through where there is no photo
_LINE_PX, _LEGEND_PX, _LETTERS_PX = 3, 40, 18


def draw(
    scene: Scene,
    instances: Instances,
    explanation: Explanation,
    image_HW3: np.ndarray | None = None,
    min_score: float = 0.0,
) -> Image.Image:
    """Draw the verdicts, true positives on top. A label that would cover another one is left out; the list has it.

    Args:
        scene: The image with its truth.
        instances: The predictions that were explained.
        explanation: What `explain` returned.
        image_HW3: (H, W, 3) uint8 photo to draw on; None for the classes of the truth in pale colours.
        min_score: Leave out predictions with a lower confidence. The legend counts them.

    Returns:
        RGB, with a legend below the image.
    """
    canvas_HW3 = _pale(scene.semantic_HW, scene.label_set) if image_HW3 is None else image_HW3.copy()
    for one in explanation.truth:
        if one.verdict == MISSED:
            inside_HW = scene.instance_ids_HW == one.number
            canvas_HW3[inside_HW] = (0.35 * canvas_HW3[inside_HW] + 0.65 * np.array(COLOURS[MISSED])).astype(np.uint8)
    shown = [one for one in explanation.predictions if (one.score or 0.0) >= min_score]
    shown.sort(key=lambda one: (list(COLOURS).index(one.verdict), -(one.score or 0.0)))
    for one in reversed(shown):
        _outline(canvas_HW3, instances, one.number, COLOURS[one.verdict])
    image = Image.new("RGB", (canvas_HW3.shape[1], canvas_HW3.shape[0] + _LEGEND_PX), (255, 255, 255))
    image.paste(Image.fromarray(canvas_HW3))
    _label(image, instances, shown)
    _legend(image, explanation)
    return image


def _pale(semantic_HW: np.ndarray, label_set: LabelSet) -> np.ndarray:
    """Return the classes in pale colours, (H, W, 3) uint8."""
    colours = np.full((256, 3), 255.0)
    for label in label_set:
        colours[label.id] = label.colour
    return (255 - _GREY * (255 - colours)).astype(np.uint8)[semantic_HW]


def _outline(canvas_HW3: np.ndarray, instances: Instances, number: int, colour: tuple[int, int, int]) -> None:
    """Paint the border of a mask, inwards."""
    x0, y0, x1, y1 = instances.boxes[number].tolist()
    mask = instances.masks[number]
    inner = np.pad(mask, _LINE_PX)
    height, width = mask.shape
    core = mask.copy()
    for shift in (-_LINE_PX, _LINE_PX):
        core &= inner[_LINE_PX + shift : _LINE_PX + shift + height, _LINE_PX : _LINE_PX + width]
        core &= inner[_LINE_PX : _LINE_PX + height, _LINE_PX + shift : _LINE_PX + shift + width]
    canvas_HW3[y0:y1, x0:x1][mask & ~core] = colour


def _label(image: Image.Image, instances: Instances, shown: Sequence[Verdict]) -> None:
    """Write number and confidence of predictions that count at the corners of their boxes, the first ones first."""
    drawer, font = ImageDraw.Draw(image), ImageFont.load_default(16)
    taken: list[tuple[float, float, float, float]] = []
    for one in shown:
        if one.verdict == IGNORED:
            continue
        x0, y0, _, _ = instances.boxes[one.number].tolist()
        text = f"{one.number} {one.label} {one.score:.2f}"
        x0 = max(0, min(x0, image.width - int(drawer.textlength(text, font=font))))
        box = drawer.textbbox((x0, max(y0 - 18, 0)), text, font=font)
        if any(box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3] for b in taken):
            continue
        taken.append(box)
        drawer.rectangle(box, fill=(0, 0, 0))
        drawer.text((x0, max(y0 - 18, 0)), text, fill=COLOURS[one.verdict], font=font)


def _legend(image: Image.Image, explanation: Explanation) -> None:
    """Write what the colours mean, with the number of each verdict."""
    drawer, font = ImageDraw.Draw(image), ImageFont.load_default(_LETTERS_PX)
    verdicts = [one.verdict for one in (*explanation.predictions, *explanation.truth)]
    counts = {verdict: verdicts.count(verdict) for verdict in (*COLOURS, FOUND, NOT_COUNTED)}
    x, y = 8, image.height - _LEGEND_PX + 10
    for verdict, colour in COLOURS.items():
        text = f"{counts[verdict]} {verdict}"
        drawer.rectangle((x, y, x + 18, y + 18), fill=colour, outline=(0, 0, 0))
        drawer.text((x + 24, y - 2), text, fill=(0, 0, 0), font=font)
        x += 40 + int(drawer.textlength(text, font=font))
