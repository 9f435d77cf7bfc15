"""Read images of every kind as 8-bit RGB, and write PNG files whole or not at all."""

import contextlib
import os
from collections.abc import Iterable

import numpy as np
from PIL import Image

from partwise.data.deep_colours import dark_deep_colours, read_planes_as_stored
from partwise.data.orientation import orientation_of, turned
from partwise.data.rgb import rgb_of_array, rgb_of_image
from partwise.errors import PartwiseError
from partwise.files import atomic_write
from streeteval.errors import warn_of
from streeteval.reading.file_kinds import INSTALL_HEIF
from streeteval.reading.id_files import decode, encode_png, image_bytes, too_large

Image.init()  # so that Pillow knows all its formats
with contextlib.suppress(ImportError):  # also if its library cannot be loaded
    from pillow_heif import register_heif_opener

    register_heif_opener()
IMAGE_FORMATS: tuple[str, ...] = ("PNG", "JPEG", "WEBP", "BMP", "DIB", "TIFF", "GIF", "PPM", "JPEG2000", "AVIF", "HEIF")
IMAGE_FORMATS = tuple(name for name in IMAGE_FORMATS if name in Image.OPEN)  # AVIF since Pillow 11.3
_USUAL_SUFFIXES = (".png", ".jpg", ".jpeg")
_SUFFIXES = tuple(end for end, name in Image.registered_extensions().items() if name in (*IMAGE_FORMATS, "MPO"))
PHOTO_SUFFIXES = tuple(dict.fromkeys((*_USUAL_SUFFIXES, *_SUFFIXES)))  # of photos and of the images of data sets
_RAW_SUFFIXES = (".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".pef", ".srw", ".raw")
_HEIC_SUFFIXES = (".heic", ".heif", ".hif")
_GRAPHICS_SUFFIXES = (".jxl", ".svg", ".psd", ".xcf", ".exr", ".hdr", ".tga", ".ico", ".qoi")
OTHER_SUFFIXES = tuple(
    end for end in (*_RAW_SUFFIXES, *_HEIC_SUFFIXES, *_GRAPHICS_SUFFIXES) if end not in PHOTO_SUFFIXES
)
VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".mts", ".3gp", ".wmv", ".flv")
_SEVERAL_PICTURES = "it holds {} pictures, of which only the first is read: save the others as files of their own"
_UNTURNED = (
    "its EXIF orientation {} turns the image, but its truth has the size of the stored pixels and is taken for drawn "
    "on them: look at both, turn the one that is wrong and remove the orientation"
)
_UNCERTAIN = (
    "its EXIF orientation {} turns the image, which keeps its size, so that the size of the truth does not tell how it "
    "was drawn, and it is taken for drawn on the stored pixels: look at both; if it was drawn on the upright image, "
    "turn the pixels; then remove the orientation"
)


def advice_on(suffixes: Iterable[str], what: str = "") -> str:
    """Say what to do about images of suffixes that are not read; `what` they are, such as "photos".

    >>> advice_on([".dng"], "photos")
    'convert photos to JPEG or PNG'
    """
    convert = " ".join(filter(None, ("convert", what, "to JPEG or PNG")))
    return f"{convert}, or {INSTALL_HEIF}" if any(one.lower() in _HEIC_SUFFIXES for one in suffixes) else convert


def read_image(path: str | os.PathLike) -> np.ndarray:
    """Read the image in a file.

    Images of any kind are converted by the rule of data/rgb.py: grey, palette, CMYK, more than 8 bits, transparent. A
    photo that says it was taken sideways (EXIF) is turned upright.

    Returns:
        (H, W, 3) uint8 RGB.

    Warns:
        PartwiseWarning: If the meaning of the samples had to be guessed.

    Raises:
        PartwiseError: If the file is missing, a folder, no image, damaged or cut short, or too large for memory.
    """
    return decode_image(image_bytes(path, IMAGE_FORMATS), os.fspath(path))


def decode_image(data: bytes, where: str) -> np.ndarray:
    """Decode an image as `read_image` does, from the bytes of a file.

    Args:
        data: The content of the file.
        where: Names the file in errors and warnings.
    """
    image = decode(data, where, IMAGE_FORMATS, prepare=read_planes_as_stored)
    orientation = orientation_of(image)
    stored_HW3, remarks = _stored_rgb(data, image, where)
    warn_of(where, remarks)
    return turned(stored_HW3, orientation)


def decode_frame(
    data: bytes, where: str, truth_size: tuple[int, int] | None, *, upright: bool = False
) -> tuple[np.ndarray, list[str]]:
    """Decode the image of a frame of a data set, turned as its truth was drawn.

    Tools that read label files take the pixels as they are stored. So an EXIF orientation counts only if the truth has
    the size of the turned image and not that of the stored one. Many drawing tools show the image upright: `upright`.

    Args:
        data: The content of the image file.
        where: Names the file in errors.
        truth_size: (H, W) of the truth; None if it is not known.
        upright: Whether the truth was drawn on the upright image if it has the size of both.

    Returns:
        (H, W, 3) uint8 RGB, and remarks for a person: one line each, "what: what to do".

    Raises:
        PartwiseError: As `read_image` does.
    """
    image = decode(data, where, IMAGE_FORMATS, prepare=read_planes_as_stored)
    orientation = orientation_of(image)
    stored_HW3, remarks = _stored_rgb(data, image, where)
    turned_HW3 = turned(stored_HW3, orientation)
    keeps_size = turned_HW3.shape == stored_HW3.shape
    if truth_size == turned_HW3.shape[:2] and (upright or not keeps_size):
        return turned_HW3, remarks
    if orientation != 1:
        remarks.append((_UNCERTAIN if keeps_size else _UNTURNED).format(orientation))
    return stored_HW3, remarks


def _stored_rgb(data: bytes, image: Image.Image, where: str) -> tuple[np.ndarray, list[str]]:
    """Return a loaded file as (H, W, 3) uint8 RGB, not turned, and remarks for a person."""
    try:
        deep = dark_deep_colours(data, image)
        rgb_HW3, remarks = rgb_of_image(image) if deep is None else rgb_of_array(deep)
    except PartwiseError as error:
        raise PartwiseError(f"{where}: {error}") from None
    except MemoryError:
        raise too_large(where, image.size) from None
    if (pictures := _pictures_in(image)) > 1:
        remarks.append(_SEVERAL_PICTURES.format(pictures))
    return rgb_HW3, remarks


def _pictures_in(image: Image.Image) -> int:
    """Count pages of a TIFF or frames of an animation; an MPO counts as one: its others are previews and depth."""
    try:
        return 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
    except Exception:  # a damaged page takes nothing from the first one
        return 1


def write_png(path: str | os.PathLike, pixels: np.ndarray) -> None:
    """Write pixels as a PNG file, whole or not at all.

    Missing folders are made, and a file that is there is replaced.

    Args:
        path: The file.
        pixels: (H, W, 3) uint8 RGB, (H, W) uint8, or (H, W) ids of 0..65535. The file has 8 bits if the array is uint8,
            else 16.

    Raises:
        PartwiseError: If an id is out of range, the disk is full, or the folder cannot be written.
    """
    data = encode_png(pixels)
    with atomic_write(path, overwrite=True) as file:
        file.write(data)
