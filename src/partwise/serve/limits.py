"""What the page accepts: the size of an upload, the pixels of a photo, and how many photos are kept."""

from __future__ import annotations

import io
import warnings
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from partwise.data.given_image import as_image
from partwise.data.image_files import IMAGE_FORMATS
from partwise.errors import PartwiseError, PartwiseWarning

__all__ = ["DEFAULT_LIMITS", "Limits", "RefusedError", "at_most", "check_photo", "decode_photo"]


class RefusedError(PartwiseError):
    """A request that is not answered.

    Args:
        message: One line: what is wrong, and what to do.
        status: Status of HTTP.
    """

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Limits:
    """The limits of a server.

    Attributes:
        upload_bytes: Largest file.
        pixels: Largest number of pixels of a photo.
        kept: Number of photos whose outputs are kept; the one that was used longest ago goes first.
        kept_pixels: Largest number of pixels of all kept photos together, 4 bytes each; the newest is kept in any case.
        waiting: Number of photos that may wait for the network.
        page_px: Longest side in pixels of the picture in the page. Larger photos are shown smaller.
    """

    upload_bytes: int = 32 << 20
    pixels: int = 50_000_000
    kept: int = 8
    kept_pixels: int = 150_000_000
    waiting: int = 8
    page_px: int = 2048

    def page_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return (H, W) at which a photo of `size` is shown."""
        factor = min(1.0, self.page_px / max(size))
        return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


DEFAULT_LIMITS = Limits()


async def at_most(chunks: AsyncIterator[bytes], limit: int) -> AsyncGenerator[bytes, None]:
    """Pass on the chunks of an upload until they are more than `limit` bytes.

    Raises:
        RefusedError: If they are.
    """
    total = 0
    async for chunk in chunks:
        total += len(chunk)
        if total > limit:
            raise too_large(limit)
        yield chunk


def too_large(limit: int) -> RefusedError:
    """Make the error of a file with more than `limit` bytes."""
    return RefusedError(f"the file has more than {limit >> 20} MiB: scale the photo down, or save it as JPEG", 413)


def check_photo(data: bytes, limits: Limits) -> None:
    """Check the beginning of a file: whether it is an image, and how many pixels it has. Nothing is decoded.

    A few kilobytes can hold billions of equal pixels, which would fill the memory when they are decoded.

    Raises:
        RefusedError: If the file is no image that can be read, or has too many pixels.
    """
    if not data:
        raise RefusedError("the file is empty: choose another one", 422)
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(data), formats=IMAGE_FORMATS) as image:
            width, height = image.size
    except Image.DecompressionBombError:
        raise _too_many(limits) from None
    except Exception:  # of a damaged file Pillow raises nearly anything
        raise RefusedError("this is not an image that can be read: give a JPEG, PNG or WebP file", 422) from None
    if width * height > limits.pixels:
        raise _too_many(limits, f"{width}x{height} pixels are ")


def _too_many(limits: Limits, what: str = "") -> RefusedError:
    return RefusedError(f"{what}more than {limits.pixels // 10**6} million pixels: scale the photo down", 413)


def decode_photo(data: bytes) -> np.ndarray:
    """Decode a photo that `check_photo` has accepted, (H, W, 3) uint8 RGB.

    Raises:
        RefusedError: If it is damaged or cut short.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PartwiseWarning)
            return as_image(data)
    except PartwiseError as error:
        raise RefusedError(str(error).replace("the bytes: ", ""), 422) from None
