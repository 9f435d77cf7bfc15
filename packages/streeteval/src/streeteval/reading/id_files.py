"""Read maps of ids from files, byte for byte what is stored there, and write them as PNG."""

from __future__ import annotations

import contextlib
import io
import os
import stat
import warnings
from collections.abc import Callable, Iterator
from typing import IO

import numpy as np
from PIL import Image, UnidentifiedImageError

from streeteval.errors import InputError
from streeteval.files import expanded
from streeteval.reading.file_kinds import what_it_is

__all__ = [
    "ID_FORMATS",
    "LARGEST_PIPE_BYTES",
    "decode",
    "decode_ids",
    "encode_png",
    "identified",
    "image_bytes",
    "opened",
    "read_bytes",
    "read_ids",
    "too_large",
]

ID_FORMATS = ("PNG", "TIFF", "BMP")  # without loss: a JPEG would smear ids into each other
LARGEST_PIPE_BYTES = 1 << 30
_START_BYTES = 32
_PNG_LEVEL = 4  # twice as fast as Pillow's 6 and 5 % larger


def read_ids(path: str | os.PathLike) -> np.ndarray:
    """Read the map of ids in a file: labelIds with 8 bits, instanceIds with 16 or 32 bits.

    Returns:
        (H, W) int32. Of a palette image, the indices.

    Raises:
        InputError: As `read_image` does, and if the file is a colour image or a JPEG, which cannot hold ids.
    """
    return decode_ids(image_bytes(path, ID_FORMATS, refused_later=("JPEG",)), os.fspath(path))


def read_bytes(path: str | os.PathLike) -> bytes:
    """Return the content of a file.

    Raises:
        InputError: If there is no file to read.
    """
    with opened(path) as file:
        return file.read()


def image_bytes(path: str | os.PathLike, formats: tuple[str, ...], refused_later: tuple[str, ...] = ()) -> bytes:
    """Return the content of a file that begins as an image of these formats.

    The beginning is looked at first, so that a video of many GB is not read to its end.
    """
    with opened(path) as file:
        if file.read(1):
            file.seek(0)
            identified(file, os.fspath(path), formats, refused_later)
        file.seek(0)
        return file.read()


@contextlib.contextmanager
def opened(path: str | os.PathLike) -> Iterator[IO[bytes]]:
    """Open a file to read from its beginning. The content of a pipe at /dev/stdin or /dev/fd is read first.

    Raises:
        InputError: If there is no file to read, or it is another pipe or a device, which might never end.
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
            raise InputError(f"{path}: this is a folder: give the path of one image file")
        else:
            raise InputError(f"{path}: neither a file nor a folder but a pipe, a socket or a device: give a file")
    except FileNotFoundError:
        gone = "a link to nothing" if path.is_symlink() else "no such file"
        raise InputError(f"{path}: {gone}: check the path") from None
    except ValueError:  # a null character, or one that the file system cannot encode
        raise InputError(f"{str(path)!r}: no file can have this name: check the path") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(f"{path}: cannot be read: {reason}: check the path and its permissions") from None


def decode_ids(data: bytes, where: str) -> np.ndarray:
    """Decode a map of ids as `read_ids` does, from the bytes of a file.

    Args:
        data: The content of the file.
        where: Names the file in errors.
    """
    image = decode(data, where, ID_FORMATS, refused_later=("JPEG",))
    if image.format in ("JPEG", "MPO"):
        raise InputError(f"{where}: ids in a JPEG are smeared by its compression: write them as PNG")
    ids = np.asarray(image)
    if ids.ndim != 2:
        raise InputError(
            f"{where}: a colour image ({image.mode}) where ids are expected: give the labelIds or instanceIds file, "
            "which has one channel"
        )
    if ids.dtype.kind == "f":
        raise InputError(f"{where}: the values are {ids.dtype}, ids are whole numbers: write them as PNG")
    return ids.astype(np.int32)


def encode_png(pixels: np.ndarray) -> bytes:
    """Return the bytes that `write_png` writes.

    Raises:
        InputError: If an id is below 0 or above 65535.
    """
    if pixels.dtype != np.uint8:
        if pixels.min() < 0 or pixels.max() > 65535:
            raise InputError(f"a PNG holds 0..65535, the ids are {pixels.min()}..{pixels.max()}: renumber them")
        pixels = pixels.astype(np.uint16)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=_PNG_LEVEL)
    return buffer.getvalue()


def decode(
    data: bytes,
    where: str,
    formats: tuple[str, ...],
    refused_later: tuple[str, ...] = (),
    prepare: Callable[[Image.Image], None] = lambda image: None,
) -> Image.Image:
    """Decode an image to the last pixel.

    Args:
        data: The content of the file.
        where: Names the file in errors.
        formats: Formats that are accepted, by Pillow's names.
        refused_later: Formats that are read as well, so that the caller can say what is wrong with them.
        prepare: Is given the opened image before its pixels are read, to correct how Pillow reads them.

    Raises:
        InputError: If Pillow cannot decode it.
    """
    if not data:
        raise InputError(f"{where}: the file is empty: copy it again")
    image = identified(io.BytesIO(data), where, formats, refused_later)
    try:
        prepare(image)
    except Exception as error:  # of a damaged file Pillow raises nearly anything
        raise InputError(f"{where}: the image cannot be opened ({error}): copy it again") from None
    try:
        image.load()
    except MemoryError:
        raise too_large(where, image.size) from None
    except Exception as error:
        raise InputError(f"{where}: the image is damaged or cut short ({error}): copy it again") from None
    return image


def identified(
    file: IO[bytes], where: str, formats: tuple[str, ...], refused_later: tuple[str, ...] = ()
) -> Image.Image:
    """Open the image that a file begins with, without its pixels; the arguments are those of `decode`.

    Raises:
        InputError: If the file does not begin as such an image, or the image is too large.
    """
    try:
        with warnings.catch_warnings(action="ignore"):  # of EXIF that cannot be read, and of mere size
            return Image.open(file, formats=(*formats, *refused_later))
    except Image.DecompressionBombError:
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0) // 10**6
        raise InputError(f"{where}: more than {most} million pixels are not read: scale the image down") from None
    except UnidentifiedImageError:
        file.seek(0)
        raise InputError(f"{where}: {what_it_is(file.read(_START_BYTES), formats)}") from None
    except Exception as error:  # of a damaged file Pillow raises nearly anything
        raise InputError(f"{where}: the image cannot be opened ({error}): copy it again") from None


def too_large(where: str, size: tuple[int, int]) -> InputError:
    """Return the error of an image (width, height) that does not fit into memory."""
    return InputError(f"{where}: {size[0]}x{size[1]} pixels do not fit into memory: scale the image down")
