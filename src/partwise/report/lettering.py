"""Words in pictures: the font, captions above a picture, and chips of text that keep out of each other's way."""

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
MOST_HIDDEN = 1 / 3  # of any instance's box, by one chip of text
CAPTION_INK, CAPTION_PAPER = (235, 235, 235), (24, 24, 27)


@dataclass(frozen=True)
class Chip:
    """One line of text on a coloured ground; `box` x0 y0 x1 y1 in pixels."""

    text: str
    box: tuple[int, int, int, int]
    colour: tuple[int, int, int]


@cache
def font_of(size_px: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans where matplotlib is installed, which carries it and is not imported; else the font of Pillow."""
    matplotlib = importlib.util.find_spec("matplotlib")
    if matplotlib is not None and matplotlib.origin is not None:
        file = Path(matplotlib.origin).parent / "mpl-data/fonts/ttf/DejaVuSans.ttf"
        if file.is_file():
            return ImageFont.truetype(str(file), size_px)
    font = ImageFont.load_default(size_px)
    assert isinstance(font, ImageFont.FreeTypeFont)  # Pillow's wheels have FreeType
    return font


def text_height_px(size: tuple[int, int]) -> int:
    """Height of letters that can be read in an image of `size` (H, W)."""
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
    """Where each text can stand by its box: inside the image, on no other chip. Texts without a place are left out.

    Earlier texts choose first: above the box, below it, in its top or higher up, from its left or right edge.

    texts        N lines
    boxes        (N, 4) x0 y0 x1 y1 in pixels
    colours      (N, 3) uint8, the ground of each chip
    size         (H, W) of the image
    keep_clear   (M, 4) boxes of which no chip may hide more than a third; `boxes` without it
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
    """A copy of the image with the chips on it."""
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
    """The image with a dark strip above it that holds the caption, cut with "..." where it is too long."""
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
    """(N,) how much of each of the other boxes lies under `box`, 0..1."""
    x0, y0, x1, y1 = box
    wide = np.clip(np.minimum(others[:, 2], x1) - np.maximum(others[:, 0], x0), 0, None)
    high = np.clip(np.minimum(others[:, 3], y1) - np.maximum(others[:, 1], y0), 0, None)
    return wide * high / ((others[:, 2] - others[:, 0]) * (others[:, 3] - others[:, 1]))
