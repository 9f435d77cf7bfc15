"""Turn an image as a Python program holds it into (H, W, 3) uint8 RGB: a file, a PIL image, an array or a tensor."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from partwise.data.deep_colours import read_planes_as_stored
from partwise.data.image_files import decode_image, read_image
from partwise.data.orientation import orientation_of, turned
from partwise.data.rgb import rgb_of_array, rgb_of_image
from partwise.errors import PartwiseError
from streeteval.errors import warn_of

GIVE = "give a path, a PIL image, the bytes of an image file, or an array of (H, W, 3) uint8 RGB"
_CHANNELS = (1, 3, 4)


def as_image(image: Any) -> np.ndarray:
    """Return any form of image as (H, W, 3) uint8 RGB.

    All forms follow the rule of data/rgb.py, so that an array gives the same as that image in a file. An image that
    already is (H, W, 3) uint8 is returned as it is, without a copy if it is contiguous.

    Args:
        image: A path; a PIL image of any mode; the bytes of an image file, or an open binary file; an array or a tensor
            of whole numbers, floats or bool. Arrays have the shape (H, W), (H, W, C) with C = 1, 3 or 4 channels, or
            (C, H, W) if the last axis cannot be channels.

    Raises:
        PartwiseError: If a file cannot be read (see `read_image`), a PIL image is closed or damaged, an array has
            another shape or type, or `image` is something else.
    """
    if isinstance(image, str | os.PathLike):
        return read_image(image)
    if isinstance(image, Image.Image):
        return _of_pil(image)
    if isinstance(image, bytes | bytearray | memoryview):
        return decode_image(bytes(image), "the bytes")
    if hasattr(image, "read"):
        return decode_image(_content(image), name_of(image) or "the image")
    return _of_array(_array(image))


def name_of(image: Any) -> str | None:
    """Return the stem of the file that an image comes from.

    Args:
        image: A path, a PIL image, or an open file; other images have no name.

    Returns:
        The stem, or None if the file is not known.
    """
    file = image
    if isinstance(image, Image.Image):
        file = getattr(image, "filename", None)
    elif hasattr(image, "read"):
        file = getattr(image, "name", None)
    return Path(os.fsdecode(file)).stem or None if isinstance(file, str | os.PathLike) else None


def _of_pil(image: Image.Image) -> np.ndarray:
    """Return a PIL image as (H, W, 3) uint8 RGB, turned upright; see `as_image`."""
    if 0 in image.size:
        raise PartwiseError(f"a PIL image of {image.width}x{image.height} pixels has none: {GIVE}")
    try:
        read_planes_as_stored(image)
        image.load()
    except MemoryError:
        raise PartwiseError(f"a PIL image of {image.width}x{image.height} pixels does not fit into memory") from None
    except Exception as error:  # Pillow raises nearly anything
        why = f" ({error})" if str(error) else ""
        raise PartwiseError(f"the PIL image is closed, damaged or cut short{why}: open it again") from None
    rgb_HW3, remarks = rgb_of_image(image)
    warn_of(getattr(image, "filename", None) or "the PIL image", remarks)
    return turned(rgb_HW3, orientation_of(image))


def _content(file: Any) -> bytes:
    """Read what an open file holds from its position on."""
    try:
        content = file.read()
    except (OSError, ValueError, TypeError) as error:
        raise PartwiseError(f"the file {file!r} cannot be read ({error}): {GIVE}") from None
    if not isinstance(content, bytes):
        raise PartwiseError(f"the file {file!r} gives text: open it with mode 'rb'")
    return content


def _array(given: Any) -> np.ndarray:
    """Return an array, a tensor on any device, or a list of numbers as an array."""
    try:
        if hasattr(given, "detach"):  # a torch tensor, without a need for torch
            given = given.detach().cpu()
            given = given.float() if given.is_floating_point() else given
        array = np.asarray(given)
    except (TypeError, ValueError, RuntimeError) as error:
        raise PartwiseError(f"{type(given).__name__} is no image ({error}): {GIVE}") from None
    if array.dtype.kind not in "buif" or array.ndim == 0:
        kind = type(given).__name__
        several = "; stream() takes several images" if isinstance(given, list | tuple) else ""
        raise PartwiseError(f"{kind} is no image: {GIVE}{several}")
    return array


def _of_array(array: np.ndarray) -> np.ndarray:
    """Return an array of any accepted shape as (H, W, 3) uint8 RGB; see `as_image`."""
    if array.ndim == 3 and array.shape[2] not in _CHANNELS and array.shape[0] in _CHANNELS:
        array = np.moveaxis(array, 0, 2)
    try:
        rgb_HW3, remarks = rgb_of_array(array)
    except MemoryError:
        raise PartwiseError(f"an array of shape {array.shape} does not fit into memory: scale the image down") from None
    warn_of("the array", remarks)
    return rgb_HW3
