"""Read images and id maps of every kind as 8-bit RGB and integer ids, and write PNG files whole or not at all."""

import contextlib
import io
import os
import stat
import warnings
from collections.abc import Iterator
from typing import IO

import numpy as np
from PIL import Image, UnidentifiedImageError

from partwise.data.deep_colours import dark_deep_colours, read_planes_as_stored
from partwise.data.file_kinds import what_it_is
from partwise.data.orientation import orientation_of, turned
from partwise.data.rgb import rgb_of_array, rgb_of_image
from partwise.errors import PartwiseError, warn_of
from partwise.files import atomic_write, expanded

Image.init()  # so that Pillow knows all its formats
IMAGE_FORMATS: tuple[str, ...] = ("PNG", "JPEG", "WEBP", "BMP", "DIB", "TIFF", "GIF", "PPM", "JPEG2000", "AVIF")
IMAGE_FORMATS = tuple(name for name in IMAGE_FORMATS if name in Image.OPEN)  # AVIF since Pillow 11.3
ID_FORMATS = ("PNG", "TIFF", "BMP")  # without loss: a JPEG would smear ids into each other
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")  # of a data set
PHOTO_SUFFIXES = tuple(end for end, name in Image.registered_extensions().items() if name in (*IMAGE_FORMATS, "MPO"))
_RAW_SUFFIXES = (".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".pef", ".srw", ".raw")
_HEIC_SUFFIXES = (".heic", ".heif", ".hif")
_GRAPHICS_SUFFIXES = (".jxl", ".svg", ".psd", ".xcf", ".exr", ".hdr", ".tga", ".ico", ".qoi")
OTHER_SUFFIXES = (*_RAW_SUFFIXES, *_HEIC_SUFFIXES, *_GRAPHICS_SUFFIXES)
VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".mts", ".3gp", ".wmv", ".flv")
LARGEST_PIPE_BYTES = 1 << 30
_START_BYTES = 32
_SEVERAL_PICTURES = "it holds {} pictures, of which only the first is read: save the others as files of their own"
_UNTURNED = (
    "its EXIF orientation {} turns the image, but its truth has the size of the stored pixels and is taken for drawn "
    "on them: look at both, turn the one that is wrong and remove the orientation"
)
_PNG_LEVEL = 4  # twice as fast as Pillow's 6 and 5 % larger


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
    return decode_image(_image_bytes(path, IMAGE_FORMATS), os.fspath(path))


def read_ids(path: str | os.PathLike) -> np.ndarray:
    """Read the map of ids in a file: labelIds with 8 bits, instanceIds with 16 or 32 bits.

    Returns:
        (H, W) int32. Of a palette image, the indices.

    Raises:
        PartwiseError: As `read_image` does, and if the file is a colour image or a JPEG, which cannot hold ids.
    """
    return decode_ids(_image_bytes(path, ID_FORMATS, refused_later=("JPEG",)), os.fspath(path))


def read_bytes(path: str | os.PathLike) -> bytes:
    """Return the content of a file.

    Raises:
        PartwiseError: If there is no file to read.
    """
    with _opened(path) as file:
        return file.read()


def _image_bytes(path: str | os.PathLike, formats: tuple[str, ...], refused_later: tuple[str, ...] = ()) -> bytes:
    """Return the content of a file that begins as an image of these formats.

    The beginning is looked at first, so that a video of many GB is not read to its end.
    """
    with _opened(path) as file:
        if file.read(1):
            file.seek(0)
            _identified(file, os.fspath(path), formats, refused_later)
        file.seek(0)
        return file.read()


@contextlib.contextmanager
def _opened(path: str | os.PathLike) -> Iterator[IO[bytes]]:
    """Open a file to read from its beginning. The content of a pipe at /dev/stdin or /dev/fd is read first.

    Raises:
        PartwiseError: If there is no file to read, or it is another pipe or a device, which might never end.
    """
    path = expanded(path)
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode):
            with path.open("rb") as file:
                yield file
        elif stat.S_ISFIFO(mode) and str(path).startswith(("/dev/stdin", "/dev/fd/", "/proc/self/fd/")):
            with path.open("rb") as pipe:
                yield io.BytesIO(pipe.read(LARGEST_PIPE_BYTES))
        elif stat.S_ISDIR(mode):
            raise PartwiseError(f"{path}: this is a folder: give the path of one image file")
        else:
            raise PartwiseError(f"{path}: neither a file nor a folder but a pipe, a socket or a device: give a file")
    except FileNotFoundError:
        gone = "a link to nothing" if path.is_symlink() else "no such file"
        raise PartwiseError(f"{path}: {gone}: check the path") from None
    except ValueError:  # a null character, or one that the file system cannot encode
        raise PartwiseError(f"{str(path)!r}: no file can have this name: check the path") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise PartwiseError(f"{path}: cannot be read: {reason}: check the path and its permissions") from None


def decode_image(data: bytes, where: str) -> np.ndarray:
    """Decode an image as `read_image` does, from the bytes of a file.

    Args:
        data: The content of the file.
        where: Names the file in errors and warnings.
    """
    image = _decode(data, where, IMAGE_FORMATS)
    orientation = orientation_of(image)
    stored_HW3, remarks = _stored_rgb(data, image, where)
    warn_of(where, remarks)
    return turned(stored_HW3, orientation)


def decode_frame(data: bytes, where: str, truth_size: tuple[int, int] | None) -> tuple[np.ndarray, list[str]]:
    """Decode the image of a frame of a data set, turned as its truth was drawn.

    Tools that read label files take the pixels as they are stored. So an EXIF orientation counts only if the truth has
    the size of the turned image and not that of the stored one.

    Args:
        data: The content of the image file.
        where: Names the file in errors.
        truth_size: (H, W) of the truth; None if it is not known.

    Returns:
        (H, W, 3) uint8 RGB, and remarks for a person: one line each, "what: what to do".

    Raises:
        PartwiseError: As `read_image` does.
    """
    image = _decode(data, where, IMAGE_FORMATS)
    orientation = orientation_of(image)
    stored_HW3, remarks = _stored_rgb(data, image, where)
    turned_HW3 = turned(stored_HW3, orientation)
    if truth_size == turned_HW3.shape[:2] != stored_HW3.shape[:2]:
        return turned_HW3, remarks
    if orientation != 1:
        remarks.append(_UNTURNED.format(orientation))
    return stored_HW3, remarks


def _stored_rgb(data: bytes, image: Image.Image, where: str) -> tuple[np.ndarray, list[str]]:
    """Return a loaded file as (H, W, 3) uint8 RGB, not turned, and remarks for a person."""
    try:
        deep = dark_deep_colours(data, image)
        rgb_HW3, remarks = rgb_of_image(image) if deep is None else rgb_of_array(deep)
    except PartwiseError as error:
        raise PartwiseError(f"{where}: {error}") from None
    except MemoryError:
        raise _too_large(where, image.size) from None
    if (pictures := _pictures_in(image)) > 1:
        remarks.append(_SEVERAL_PICTURES.format(pictures))
    return rgb_HW3, remarks


def _pictures_in(image: Image.Image) -> int:
    """Count pages of a TIFF or frames of an animation; an MPO counts as one: its others are previews and depth."""
    try:
        return 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
    except Exception:  # a damaged page takes nothing from the first one
        return 1


def decode_ids(data: bytes, where: str) -> np.ndarray:
    """Decode a map of ids as `read_ids` does, from the bytes of a file.

    Args:
        data: The content of the file.
        where: Names the file in errors.
    """
    image = _decode(data, where, ID_FORMATS, refused_later=("JPEG",))
    if image.format in ("JPEG", "MPO"):
        raise PartwiseError(f"{where}: ids in a JPEG are smeared by its compression: write them as PNG")
    ids = np.asarray(image)
    if ids.ndim != 2:
        raise PartwiseError(
            f"{where}: a colour image ({image.mode}) where ids are expected: give the labelIds or instanceIds file, "
            "which has one channel"
        )
    if ids.dtype.kind == "f":
        raise PartwiseError(f"{where}: the values are {ids.dtype}, ids are whole numbers: write them as PNG")
    return ids.astype(np.int32)


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


def encode_png(pixels: np.ndarray) -> bytes:
    """Return the bytes that `write_png` writes.

    Raises:
        PartwiseError: If an id is below 0 or above 65535.
    """
    if pixels.dtype != np.uint8:
        if pixels.min() < 0 or pixels.max() > 65535:
            raise PartwiseError(f"a PNG holds 0..65535, the ids are {pixels.min()}..{pixels.max()}: renumber them")
        pixels = pixels.astype(np.uint16)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=_PNG_LEVEL)
    return buffer.getvalue()


def _decode(data: bytes, where: str, formats: tuple[str, ...], refused_later: tuple[str, ...] = ()) -> Image.Image:
    """Decode an image to the last pixel.

    Args:
        data: The content of the file.
        where: Names the file in errors.
        formats: Formats that are accepted, by Pillow's names.
        refused_later: Formats that are read as well, so that the caller can say what is wrong with them.

    Raises:
        PartwiseError: If Pillow cannot decode it.
    """
    if not data:
        raise PartwiseError(f"{where}: the file is empty: copy it again")
    image = _identified(io.BytesIO(data), where, formats, refused_later)
    try:
        read_planes_as_stored(image)
    except Exception as error:  # of a damaged file Pillow raises nearly anything
        raise PartwiseError(f"{where}: the image cannot be opened ({error}): copy it again") from None
    try:
        image.load()
    except MemoryError:
        raise _too_large(where, image.size) from None
    except Exception as error:
        raise PartwiseError(f"{where}: the image is damaged or cut short ({error}): copy it again") from None
    return image


def _identified(
    file: IO[bytes], where: str, formats: tuple[str, ...], refused_later: tuple[str, ...] = ()
) -> Image.Image:
    """Open the image that a file begins with, without its pixels; the arguments are those of `_decode`.

    Raises:
        PartwiseError: If the file does not begin as such an image, or the image is too large.
    """
    try:
        with warnings.catch_warnings(action="ignore"):  # of EXIF that cannot be read, and of mere size
            return Image.open(file, formats=(*formats, *refused_later))
    except Image.DecompressionBombError:
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0) // 10**6
        raise PartwiseError(f"{where}: more than {most} million pixels are not read: scale the image down") from None
    except UnidentifiedImageError:
        file.seek(0)
        raise PartwiseError(f"{where}: {what_it_is(file.read(_START_BYTES), formats)}") from None
    except Exception as error:  # of a damaged file Pillow raises nearly anything
        raise PartwiseError(f"{where}: the image cannot be opened ({error}): copy it again") from None


def _too_large(where: str, size: tuple[int, int]) -> PartwiseError:
    """Return the error of an image (width, height) that does not fit into memory."""
    return PartwiseError(f"{where}: {size[0]}x{size[1]} pixels do not fit into memory: scale the image down")
