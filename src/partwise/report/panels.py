"""Arrange pictures: photo, truth and prediction of a scene, and a sheet of many pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from partwise.errors import PartwiseError
from partwise.report.lettering import CAPTION_PAPER, text_height_px, with_caption
from partwise.report.overlay import draw_overlay
from partwise.report.palette import assign_colours
from partwise.scene import Prediction, Scene
from streeteval.boxes import crop_iou
from streeteval.instances import Instances

__all__ = ["CAPTION_SHARE", "SAME_OBJECT_IOU", "draw_comparison", "draw_contact_sheet", "match_instances"]

CAPTION_SHARE = 12 / 1300  # height of letters as a share of the sheet's width: 12 pixels on a page of 1300 pixels
SAME_OBJECT_IOU = 0.5  # from this IoU on, a prediction gets the colour of its true instance


def draw_comparison(scene: Scene, prediction: Prediction, *, tint: float = 0.3, columns: int = 3) -> np.ndarray:
    """Draw photo, truth and prediction with captions.

    A predicted instance with an IoU of at least .5 with a true instance of its class has the same colour in both
    pictures. So an instance whose colour occurs once was missed, invented or split. As in the scores, the truth is
    shown without instances of classes that are not evaluated (trailer, caravan).

    Args:
        scene: Photo and truth.
        prediction: What was found.
        tint: Share of the class colours of the semantic maps, 0..1.
        columns: Number of pictures side by side, 1 to 3.

    Returns:
        (h, w, 3) uint8 RGB of another size.
    """
    evaluated = [label.id for label in scene.label_set.things]
    truth = scene.instances[np.isin(scene.instances.labels, evaluated)]
    found, matched = prediction.instances, match_instances(truth, prediction.instances)
    colours_truth, colours_found = _common_colours(truth, found, matched)
    size, label_set = scene.size, scene.label_set
    text_px = round(1.5 * text_height_px(size))  # three pictures are shown smaller than one
    true_HW3 = draw_overlay(
        scene.image_HW3, Prediction(truth, scene.semantic_HW), label_set, tint=tint, scores=False,
        text_px=text_px, colours_N3=colours_truth,
    )  # fmt: skip
    found_HW3 = draw_overlay(
        scene.image_HW3, prediction, label_set, tint=tint, text_px=text_px, colours_N3=colours_found
    )
    hits = int((matched >= 0).sum())
    captions = (
        f"photo: {scene.name}",
        f"truth: {_count(len(truth))}",
        f"prediction: {_count(len(found))}, {hits} of them on a true one",
    )
    pictures = (scene.image_HW3, true_HW3, found_HW3)
    return draw_contact_sheet(pictures, captions, columns=columns, cell_width_px=size[1])


def match_instances(truth: Instances, found: Instances) -> np.ndarray:
    """Match predictions with true instances of the same class at IoU .5 or more.

    Each true instance is matched at most once, with the highest-scoring prediction that overlaps it.

    Args:
        truth: The true instances.
        found: The predictions.

    Returns:
        (len(found),) int64, the index of the true instance; -1 without a match.
    """
    matched = np.full(len(found), -1, np.int64)
    free = np.ones(len(truth), bool)
    for i in np.argsort(-found.scores, kind="stable"):
        best = SAME_OBJECT_IOU
        for j in np.flatnonzero(free & (truth.labels == found.labels[i])):
            iou = crop_iou(truth.boxes[j], truth.masks[j], found.boxes[i], found.masks[i])
            if iou >= best:
                best, matched[i] = iou, j
        if matched[i] >= 0:
            free[matched[i]] = False
    return matched


def draw_contact_sheet(
    images: Sequence[np.ndarray],
    captions: Sequence[str] | None = None,
    *,
    columns: int | None = None,
    cell_width_px: int = 640,
    gap_px: int | None = None,
) -> np.ndarray:
    """Draw all images on one sheet, row by row, each with its caption above it.

    Args:
        images: Arrays (H, W, 3) uint8 RGB of any sizes. A row is as high as its highest picture.
        captions: A caption for each image; None for none.
        columns: Number of pictures in a row; None for a sheet that has about the shape of a screen.
        cell_width_px: Each image is scaled to this width in pixels.
        gap_px: Gap between the pictures in pixels; None for a gap that fits the width.

    Returns:
        (h, w, 3) uint8 RGB.

    Raises:
        PartwiseError: If there is no image.
    """
    if not images:
        raise PartwiseError("contact sheet: no images: give at least one")
    columns = min(len(images), columns or max(1, round(np.sqrt(len(images) * 1.2))))
    gap_px = max(4, cell_width_px // 128) if gap_px is None else gap_px
    cells = [_scaled(image, cell_width_px) for image in images]
    if captions is not None:
        text_px = max(11, round(columns * cell_width_px * CAPTION_SHARE))
        cells = [with_caption(cell, text, text_px) for cell, text in zip(cells, captions, strict=True)]
    rows = [cells[i : i + columns] for i in range(0, len(cells), columns)]
    width = columns * cell_width_px + (columns + 1) * gap_px
    height = sum(max(cell.shape[0] for cell in row) + gap_px for row in rows) + gap_px
    sheet_HW3 = np.empty((height, width, 3), np.uint8)
    sheet_HW3[:] = CAPTION_PAPER
    y = gap_px
    for row in rows:
        for column, cell in enumerate(row):
            x = gap_px + column * (cell_width_px + gap_px)
            sheet_HW3[y : y + cell.shape[0], x : x + cell_width_px] = cell
        y += max(cell.shape[0] for cell in row) + gap_px
    return sheet_HW3


def _scaled(image_HW3: np.ndarray, width_px: int) -> np.ndarray:
    height, width = image_HW3.shape[:2]
    if width == width_px:
        return image_HW3
    new_height = max(1, round(height * width_px / width))
    return np.asarray(Image.fromarray(image_HW3).resize((width_px, new_height), Image.Resampling.LANCZOS))


def _common_colours(truth: Instances, found: Instances, matched: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Choose the colours of truth and prediction: equal for matched instances, different for all others."""
    extra = np.flatnonzero(matched < 0)
    everything = Instances(
        np.concatenate([truth.labels, found.labels[extra]]),
        np.concatenate([truth.scores, found.scores[extra]]),
        np.concatenate([truth.boxes, found.boxes[extra]]),
        truth.masks + tuple(found.masks[i] for i in extra),
        truth.size,
    )
    colours = assign_colours(everything)
    colours_found = colours[np.maximum(matched, 0)] if len(colours) else np.zeros((len(found), 3), np.uint8)
    colours_found[extra] = colours[len(truth) :]
    return colours[: len(truth)], colours_found


def _count(number: int) -> str:
    return f"{number} instance" + ("" if number == 1 else "s")
