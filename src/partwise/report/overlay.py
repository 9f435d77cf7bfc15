"""Draw instances on their photo.

Axes: H and W in pixels, N instances. Every function returns a new picture and leaves its arguments as they are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from partwise.errors import PartwiseError
from partwise.report.lettering import draw_chips, place_chips, text_height_px
from partwise.report.palette import assign_colours
from partwise.scene import Prediction
from streeteval.instances import Instances
from streeteval.labels import CITYSCAPES, LabelSet

__all__ = ["CONTOUR_SHARE", "FILL", "LEAST_TEXT_HEIGHTS", "draw_overlay", "draw_semantic"]

FILL = 0.45  # share of an instance's colour inside its contour
CONTOUR_SHARE = 1 / 450  # thickness of a contour as a share of the shorter side of the image
LEAST_TEXT_HEIGHTS = 2.2  # an instance whose longest side is shorter than this many heights of a letter has no text


def draw_overlay(
    image_HW3: np.ndarray,
    prediction: Prediction,
    label_set: LabelSet = CITYSCAPES,
    *,
    fill: float = FILL,
    tint: float = 0.0,
    text: bool = True,
    scores: bool = True,
    text_px: int | None = None,
    colours_N3: np.ndarray | None = None,
    captions: Sequence[str] | None = None,
) -> np.ndarray:
    """Draw each instance in a colour of its own, with its outline, its class and its score.

    If instances overlap, the one with the highest score is on top, as in `Instances.to_id_map`. Pixels outside all
    instances and texts do not change, unless `tint` is above 0.

    Args:
        image_HW3: (H, W, 3) uint8 RGB, of the size of the prediction.
        prediction: What to draw.
        label_set: The classes.
        fill: Share of the colour inside the contour, 0..1. The contour itself has the full colour.
        tint: Share of the class colours of the semantic map under the instances, 0..1; 0 for none.
        text: Write class names, except on instances that are too small, or if there is no room.
        scores: End the text with the score.
        text_px: Height of the letters in pixels; None for `text_height_px` of the size.
        colours_N3: (N, 3) uint8 RGB, a colour for each instance; None for `assign_colours`.
        captions: A text for each instance instead of its class and score.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        PartwiseError: If image and prediction have different sizes, or the image is not uint8 RGB.
    """
    instances = prediction.instances
    _check_size(image_HW3, instances.size, "prediction")
    if tint and prediction.semantic_HW is not None:
        picture_HW3 = draw_semantic(prediction.semantic_HW, label_set, image_HW3, strength=tint)
    else:
        picture_HW3 = image_HW3.copy()
    colours_N3 = assign_colours(instances) if colours_N3 is None else colours_N3
    _paint(picture_HW3, image_HW3, instances, colours_N3, fill)
    if not text:
        return picture_HW3
    text_px = text_px or text_height_px(instances.size)
    order = _worth_text(instances, text_px)
    names = [captions[i] if captions else _caption(instances, i, label_set, scores) for i in order]
    chips = place_chips(names, instances.boxes[order], colours_N3[order], instances.size, text_px, instances.boxes)
    return draw_chips(picture_HW3, chips, text_px)


def draw_semantic(
    semantic_HW: np.ndarray,
    label_set: LabelSet = CITYSCAPES,
    image_HW3: np.ndarray | None = None,
    *,
    strength: float = 0.6,
) -> np.ndarray:
    """Draw a semantic map in the colours of its classes.

    Args:
        semantic_HW: (H, W) uint8, ids of the label set.
        label_set: The classes.
        image_HW3: (H, W, 3) uint8 RGB to draw on; None for the colours alone.
        strength: Share of the class colour over the image, 0..1.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        PartwiseError: If image and map have different sizes, or the image is not uint8 RGB.
    """
    colours_HW3 = label_set.colours[semantic_HW]
    if image_HW3 is None:
        return colours_HW3
    _check_size(image_HW3, semantic_HW.shape, "semantic map")
    share = round(256 * strength)
    mixed = image_HW3.astype(np.uint16) * np.uint16(256 - share)
    mixed += (label_set.colours.astype(np.uint16) * np.uint16(share))[semantic_HW]
    return (mixed >> 8).astype(np.uint8)


def _paint(
    picture_HW3: np.ndarray, image_HW3: np.ndarray, instances: Instances, colours_N3: np.ndarray, fill: float
) -> None:
    """Fill and outline every instance in `picture_HW3`. A fill mixes with the image, not with other instances."""
    thickness_px = max(1, round(min(instances.size) * CONTOUR_SHARE))
    share = round(256 * fill)
    for i in np.argsort(instances.scores, kind="stable"):
        x0, y0, x1, y1 = instances.boxes[i]
        mask, colour = instances.masks[i], colours_N3[i]
        inside = _eroded(mask, thickness_px)
        picture, image = picture_HW3[y0:y1, x0:x1], image_HW3[y0:y1, x0:x1]
        picture[mask] = colour
        mixed = image[inside].astype(np.uint16) * np.uint16(256 - share) + colour.astype(np.uint16) * np.uint16(share)
        picture[inside] = mixed >> 8


def _eroded(mask: np.ndarray, pixels: int) -> np.ndarray:
    """Remove the pixels of a mask that are at most `pixels` steps away from a pixel outside it or outside the crop."""
    for _ in range(pixels):
        smaller = np.zeros_like(mask)
        smaller[1:-1, 1:-1] = mask[1:-1, 1:-1] & mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
        mask = smaller
    return mask


def _worth_text(instances: Instances, text_px: int) -> np.ndarray:
    """Return the indices of the instances that are large enough for a text, largest first."""
    large = np.flatnonzero(instances.longest_sides >= LEAST_TEXT_HEIGHTS * text_px)
    return large[np.argsort(-instances.areas[large], kind="stable")] if len(large) else large


def _caption(instances: Instances, i: int, label_set: LabelSet, scores: bool) -> str:
    label = label_set.by_id.get(int(instances.labels[i]))
    name = label.name if label else f"class {int(instances.labels[i])}"
    return f"{name} {instances.scores[i]:.2f}" if scores else name


def _check_size(image_HW3: np.ndarray, size: tuple[int, int], what: str) -> None:
    if image_HW3.dtype != np.uint8 or image_HW3.ndim != 3 or image_HW3.shape[2] != 3:
        raise PartwiseError(f"overlay: the image is {image_HW3.dtype} {image_HW3.shape}: give uint8 (H, W, 3) RGB")
    if image_HW3.shape[:2] != tuple(size):
        height, width = image_HW3.shape[:2]
        raise PartwiseError(
            f"overlay: the image is {width}x{height}, the {what} {size[1]}x{size[0]}: they must be of one size"
        )
