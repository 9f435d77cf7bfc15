"""Text in pictures: the font, captions above a picture, and chips (coloured boxes of text) that do not overlap.

Axes: H and W in pixels, N chips, M boxes.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from partwise.report.palette import readable_on

TEXT_SHARE = 0.024  # height of the letters as a share of the image's shorter side
TEXT_RANGE_PX = (10, 56)
MOST_HIDDEN = 1 / 3  # largest share of the box of an instance that one chip may hide
CAPTION_INK, CAPTION_PAPER = (235, 235, 235), (24, 24, 27)


@dataclass(frozen=True)
class Chip:
    """One line of text on a coloured background.

    Attributes:
        text: The text.
        box: x0 y0 x1 y1 in pixels.
        colour: RGB of the background, 0..255.
    """

    text: str
    box: tuple[int, int, int, int]
    colour: tuple[int, int, int]


@cache
def font_of(size_px: int) -> ImageFont.FreeTypeFont:
    """Load DejaVu Sans from the files of matplotlib if it is installed, or else the font of Pillow.

    Args:
        size_px: Height of the letters in pixels.
    """
    matplotlib = importlib.util.find_spec("matplotlib")
    if matplotlib is not None and matplotlib.origin is not None:
        file = Path(matplotlib.origin).parent / "mpl-data/fonts/ttf/DejaVuSans.ttf"
        if file.is_file():
            return ImageFont.truetype(str(file), size_px)
    font = ImageFont.load_default(size_px)
    assert isinstance(font, ImageFont.FreeTypeFont)  # Pillow's wheels have FreeType
    return font


def text_height_px(size: tuple[int, int]) -> int:
    """Return a readable height of letters in pixels for an image of `size` (H, W)."""
    low, high = TEXT_RANGE_PX
    return int(np.clip(round(min(size) * TEXT_SHARE), low, high))


def place_chips(
    texts: Sequence[str],
    boxes: np.ndarray,
    colours: np.ndarray,
    size: tuple[int, int],
    text_px: int,
    keep_clear: np.ndarray | None = None,
) -> list[Chip]:
    """Place each text at its box, inside the image and not on another chip. Texts without a place are left out.

    Earlier texts choose first. The places are: above the box, below it, in its top, and higher up, each from the left
    or the right edge of the box.

    Args:
        texts: N lines.
        boxes: (N, 4), x0 y0 x1 y1 in pixels.
        colours: (N, 3) uint8 RGB, the background of each chip.
        size: (H, W) of the image in pixels.
        text_px: Height of the letters in pixels.
        keep_clear: (M, 4) boxes of which no chip may hide more than a third; None for `boxes`.
    """
    height, width = size
    pad = max(1, text_px // 5)
    chip_height = text_px + 2 * pad
    boxes = np.asarray(boxes)
    clear = boxes if keep_clear is None else np.asarray(keep_clear)
    taken, chips = np.zeros((0, 4), np.int64), []
    for text, (x0, y0, x1, y1), colour in zip(texts, boxes.tolist(), colours, strict=True):
        chip_width = int(np.ceil(font_of(text_px).getlength(text))) + 2 * pad
        if chip_width + 2 > width or chip_height + 2 > height:
            continue
        for y, x in product((y0 - chip_height, y1, y0 + 1, y0 - 2 * chip_height - 2), (x0, x1 - chip_width)):
            left = int(np.clip(x, 1, width - 1 - chip_width))
            top = int(np.clip(y, 1, height - 1 - chip_height))
            spot = (left, top, left + chip_width, top + chip_height)
            if _shares(spot, taken).max(initial=0) == 0 and _shares(spot, clear).max(initial=0) <= MOST_HIDDEN:
                taken = np.vstack([taken, spot])
                red, green, blue = (int(c) for c in colour)
                chips.append(Chip(text, spot, (red, green, blue)))
                break
    return chips


def draw_chips(image_HW3: np.ndarray, chips: Sequence[Chip], text_px: int) -> np.ndarray:
    """Return a copy of the image with the chips drawn on it.

    Args:
        image_HW3: (H, W, 3) uint8 RGB.
        chips: From `place_chips`.
        text_px: Height of the letters in pixels.
    """
    if not chips:
        return image_HW3.copy()
    canvas = Image.fromarray(image_HW3)
    draw = ImageDraw.Draw(canvas)
    for chip in chips:
        x0, y0, x1, y1 = chip.box
        draw.rectangle((x0, y0, x1 - 1, y1 - 1), fill=chip.colour)
        draw.text(
            ((x0 + x1) / 2, (y0 + y1) / 2),
            chip.text,
            fill=readable_on(np.array(chip.colour)),
            font=font_of(text_px),
            anchor="mm",
        )
    return np.asarray(canvas)


def with_caption(image_HW3: np.ndarray, caption: str, text_px: int) -> np.ndarray:
    """Add a dark strip with a caption above an image.

    Args:
        image_HW3: (H, W, 3) uint8 RGB.
        caption: The text; if it is too long, it is cut and ends with "...".
        text_px: Height of the letters in pixels.

    Returns:
        (H + height of the strip, W, 3) uint8 RGB.
    """
    font, pad = font_of(text_px), max(2, text_px // 2)
    width = image_HW3.shape[1]
    shown = caption
    while shown and font.getlength(shown if shown == caption else shown + "...") > width - 2 * pad:
        shown = shown[:-1]
    shown = shown if shown == caption else shown + "..."
    strip = Image.new("RGB", (width, text_px + 2 * pad), CAPTION_PAPER)
    ImageDraw.Draw(strip).text((pad, strip.height / 2), shown, fill=CAPTION_INK, font=font, anchor="lm")
    return np.concatenate([np.asarray(strip), image_HW3], axis=0)


def _shares(box: tuple[int, int, int, int], others: np.ndarray) -> np.ndarray:
    """Return the share of each of the other boxes that lies under `box`, (N,) in 0..1."""
    x0, y0, x1, y1 = box
    wide = np.clip(np.minimum(others[:, 2], x1) - np.maximum(others[:, 0], x0), 0, None)
    high = np.clip(np.minimum(others[:, 3], y1) - np.maximum(others[:, 1], y0), 0, None)
    return wide * high / ((others[:, 2] - others[:, 0]) * (others[:, 3] - others[:, 1]))
