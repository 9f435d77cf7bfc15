"""Images and id maps as files: every kind of PNG and JPEG in, 8-bit RGB and integer ids out, and PNG written whole."""

import contextlib
import io
import os
import stat
import struct
import warnings
import zlib
from collections.abc import Iterator
from typing import IO

import numpy as np
from PIL import ExifTags, Image

from partwise.errors import PartwiseError
from partwise.files import atomic_write, expanded

Image.init()  # so that Pillow knows all its formats
IMAGE_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "DIB", "TIFF", "GIF", "PPM", "JPEG2000", "AVIF")
IMAGE_FORMATS = tuple(name for name in IMAGE_FORMATS if name in Image.OPEN)  # AVIF since Pillow 11.3
ID_FORMATS = ("PNG", "TIFF", "BMP")  # without loss: a JPEG would smear ids into each other
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")  # of a data set
PHOTO_SUFFIXES = tuple(end for end, name in Image.registered_extensions().items() if name in (*IMAGE_FORMATS, "MPO"))
_RAW_SUFFIXES = (".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".pef", ".srw", ".raw")
_HEIC_SUFFIXES = (".heic", ".heif", ".hif")
OTHER_SUFFIXES = (
    *_RAW_SUFFIXES,
    *_HEIC_SUFFIXES,
    ".jxl",
    ".svg",
    ".psd",
    ".xcf",
    ".exr",
    ".hdr",
    ".tga",
    ".ico",
    ".qoi",
)
VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".mts", ".3gp", ".wmv", ".flv")
LARGEST_PIPE_BYTES = 1 << 30
_DECODE_ERRORS = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, Image.DecompressionBombError)
_TURNS = {  # EXIF orientation -> what turns the image upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_START_BYTES = 32
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1")
_VIDEO_STARTS = (b"\x1aE\xdf\xa3", b"\x00\x00\x01\xba", b"FLV")  # Matroska and WebM, MPEG, Flash
_PNG_LEVEL = 4  # twice as fast as Pillow's 6 and 5 % larger


def read_image(path: str | os.PathLike) -> np.ndarray:
    """The image in a file: (H, W, 3) uint8 RGB.

    Grey, palette, CMYK and 16-bit images are converted, transparent pixels become white, and a photo that says it was
    taken sideways (EXIF) is turned upright. Raises PartwiseError where the file is missing, a directory, no image, or
    cut short.
    """
    return decode_image(_image_bytes(path, IMAGE_FORMATS), os.fspath(path))


def read_ids(path: str | os.PathLike) -> np.ndarray:
    """The map of ids in a file (labelIds, 8 bit; instanceIds, 16 or 32 bit): (H, W) int32.

    A palette image gives its indices. Raises PartwiseError as `read_image` does, and for a colour image or a JPEG,
    which cannot hold ids.
    """
    return decode_ids(_image_bytes(path, ID_FORMATS, refused_later=("JPEG",)), os.fspath(path))


def read_bytes(path: str | os.PathLike) -> bytes:
    """The content of a file; PartwiseError where there is none to read."""
    with _opened(path) as file:
        return file.read()


def _image_bytes(path: str | os.PathLike, formats: tuple[str, ...], refused_later: tuple[str, ...] = ()) -> bytes:
    """The same of a file that begins as an image of these formats; a video of many GB is not read to its end."""
    with _opened(path) as file:
        if file.read(1):
            file.seek(0)
            _identified(file, os.fspath(path), formats, refused_later)
        file.seek(0)
        return file.read()


@contextlib.contextmanager
def _opened(path: str | os.PathLike) -> Iterator[IO[bytes]]:
    """A file to read from, at its beginning. What a pipe at /dev/stdin or /dev/fd holds is read first.

    Raises PartwiseError where there is none to read, and for other pipes and devices, which might never end.
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
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise PartwiseError(f"{path}: cannot be read: {reason}: check the path and its permissions") from None


def decode_image(data: bytes, where: str) -> np.ndarray:
    """As `read_image`, from the bytes of a file; `where` names it in errors."""
    image = _decode(data, where, IMAGE_FORMATS)
    image = upright(image)
    if image.mode == "RGB" and "transparency" not in image.info:
        return np.asarray(image)
    if image.mode.startswith(("I", "F")):
        return np.repeat(_to_8_bit(np.asarray(image))[..., None], 3, axis=2)
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.asarray(image.convert("RGB"))


def decode_ids(data: bytes, where: str) -> np.ndarray:
    """As `read_ids`, from the bytes of a file; `where` names it in errors."""
    image = _decode(data, where, ID_FORMATS, refused_later=("JPEG",))
    if image.format == "JPEG":
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
    """Write (H, W, 3) uint8 RGB, (H, W) uint8, or (H, W) ids of at most 65535 as PNG, wholly or not at all.

    8 bits where the array is uint8, else 16. Missing folders are made, and what is there is replaced. Raises
    PartwiseError if the disk is full or the folder cannot be written; no half file remains.
    """
    data = encode_png(pixels)
    with atomic_write(path, overwrite=True) as file:
        file.write(data)


def encode_png(pixels: np.ndarray) -> bytes:
    """The bytes that `write_png` writes."""
    if pixels.dtype != np.uint8:
        if pixels.min() < 0 or pixels.max() > 65535:
            raise PartwiseError(f"a PNG holds 0..65535, the ids are {pixels.min()}..{pixels.max()}: renumber them")
        pixels = pixels.astype(np.uint16)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=_PNG_LEVEL)
    return buffer.getvalue()


def _decode(data: bytes, where: str, formats: tuple[str, ...], refused_later: tuple[str, ...] = ()) -> Image.Image:
    """The loaded image; PartwiseError for anything that Pillow cannot decode to the last pixel.

    refused_later   formats that are read so that the caller can say what is wrong with them
    """
    if not data:
        raise PartwiseError(f"{where}: the file is empty: copy it again")
    image = _identified(io.BytesIO(data), where, formats, refused_later)
    try:
        image.load()
    except _DECODE_ERRORS as error:
        raise PartwiseError(f"{where}: the image is damaged or cut short ({error}): copy it again") from None
    return image


def _identified(
    file: IO[bytes], where: str, formats: tuple[str, ...], refused_later: tuple[str, ...] = ()
) -> Image.Image:
    """The image that a file begins with, its pixels not read yet; PartwiseError for anything else."""
    try:
        with warnings.catch_warnings(action="ignore"):  # of EXIF that cannot be read, and of large images
            return Image.open(file, formats=(*formats, *refused_later))
    except Image.DecompressionBombError:
        most = 2 * Image.MAX_IMAGE_PIXELS // 1_000_000
        raise PartwiseError(f"{where}: more than {most} million pixels: scale the image down") from None
    except _DECODE_ERRORS:
        file.seek(0)
        start = file.read(_START_BYTES)
        raise PartwiseError(f"{where}: not an image: {_what_instead(start, formats)}") from None


def _what_instead(start: bytes, formats: tuple[str, ...]) -> str:
    """What to do about a file that begins so."""
    if start[4:8] == b"ftyp" and start[8:12] in _HEIC_BRANDS:
        return "a HEIC picture: convert it to JPEG or PNG"
    if start[4:8] == b"ftyp" or start.startswith(_VIDEO_STARTS):
        return "a video: take frames out of it, for example with ffmpeg"
    return f"one of {', '.join(formats)} is expected"


def upright(image: Image.Image) -> Image.Image:
    """Turned as its EXIF says; as it is where that says nothing or cannot be read, which is no reason to refuse it."""
    try:
        with warnings.catch_warnings(action="ignore"):
            turn = _TURNS.get(image.getexif().get(ExifTags.Base.Orientation))
    except Exception:
        return image
    if turn is None:
        return image
    turned = image.transpose(turn)
    turned.info = {key: value for key, value in image.info.items() if key == "transparency"}  # no EXIF to turn it again
    return turned


def _to_8_bit(grey_HW: np.ndarray) -> np.ndarray:
    """Grey of more than 8 bits (0..65535, or floats 0..1 or 0..255) as uint8."""
    if grey_HW.dtype.kind == "f":
        scale = 255.0 if grey_HW.max(initial=0) <= 1 else 1.0
        return np.clip(np.nan_to_num(grey_HW) * scale + 0.5, 0, 255).astype(np.uint8)
    return np.clip((grey_HW.astype(np.int64) + 128) // 257, 0, 255).astype(np.uint8)
