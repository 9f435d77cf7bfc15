"""Pixels of any kind become 8-bit RGB by one rule, whether they come from a file, a PIL image or an array.

Which value is white:

- 8-bit samples: 255. Black and white images: 1.
- Where the file declares its number of bits, such as 12: 2^bits - 1.
- Whole numbers of more than 8 bits: cameras store 10, 12 or 14 bits in 16 and do not say so. White is the first of 255,
  1023, 4095, 16383 and 65535 (32767 for int16) that no sample exceeds; the largest sample where all are exceeded.
- Floats: 1 where no sample is above 15 (highlights above 1 become white), else as for whole numbers.

Transparent pixels become white. Colours with an embedded profile (Display P3, Adobe RGB, CMYK) are converted to sRGB;
PNG's gamma chunk is ignored. Each function returns remarks beside the pixels: one line, "what: what to do", for every
guess and for a picture of which nothing can be seen.

Axes: H height, W width, C channels.
"""

import io
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from partwise.errors import PartwiseError

_USUAL_WHITES = (255, 1023, 4095, 16383)  # of 8, 10, 12 and 14 bits
_BRIGHTEST_FLOAT = 15  # a float picture of 0..255 that is no brighter would look black, one of 0..1 has highlights
_OVERSHOOT = 1.25  # floats that were resized with a bicubic filter go a little beyond white
_DARK = 16  # of 256: below, people see nothing
_CHANNELS = (1, 3, 4)
_TIFF_BITS = 258  # BitsPerSample: of 12, Pillow makes 16 without scaling
_TIFF_PHOTOMETRIC = 262  # PhotometricInterpretation, 0: the lowest value is white, which Pillow heeds for 8 bits alone
_GIVE = "give samples of 8 bits if that is wrong"


def rgb_of_array(array: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Convert an array to (H, W, 3) uint8 RGB. An array that already is that is returned as it is.

    Args:
        array: (H, W) or (H, W, C) grey, RGB or RGBA of bool, whole numbers or floats; H and W at least 1, C 1, 3 or 4.

    Returns:
        (H, W, 3) uint8 RGB, and remarks for a person.

    Raises:
        PartwiseError: If it has another shape or type, or no sample is a finite number.
    """
    channels = array.shape[2] if array.ndim == 3 else 1
    if array.dtype == np.uint8 and channels == 3 and array.size:
        return np.ascontiguousarray(array), []
    if array.dtype.kind not in "buif" or array.ndim not in (2, 3) or 0 in array.shape or channels not in _CHANNELS:
        raise PartwiseError(
            f"an array of shape {array.shape} and type {array.dtype}: "
            "give one image (H, W), (H, W, 3) or (H, W, 4) of whole numbers or floats"
        )
    colours, remarks = to_8_bit(array[..., :3] if channels == 4 else array)
    if channels == 4:
        alpha, _ = to_8_bit(array[..., 3:])
        colours, more = _on_white(Image.fromarray(np.concatenate([colours, alpha], axis=2)))
        remarks += more
    elif channels == 1:
        colours = np.repeat(colours.reshape(*array.shape[:2], 1), 3, axis=2)
    return np.ascontiguousarray(colours), remarks + _darkness(colours)


def rgb_of_image(image: Image.Image) -> tuple[np.ndarray, list[str]]:
    """Convert a loaded PIL image of any mode to RGB, without turning it.

    Returns:
        (H, W, 3) uint8 RGB, and remarks for a person.

    Raises:
        PartwiseError: If no sample is a finite number, or Pillow cannot convert the colours.
    """
    remarks: list[str] = []
    if image.mode.startswith(("I", "F")):
        image, remarks = _deep_grey_to_8_bit(image)
    try:
        image = _in_srgb(image)
    except (ValueError, ImageCms.PyCMSError) as error:
        raise PartwiseError(f"an image of mode {image.mode} ({error}): convert it to RGB") from None
    if image.mode == "RGBA":
        rgb, more = _on_white(image)
        remarks += more
    else:
        rgb = np.asarray(image)
    return rgb, remarks + _darkness(rgb)


def to_8_bit(samples: np.ndarray, bits: int = 0) -> tuple[np.ndarray, list[str]]:
    """Convert samples of any shape and number type to uint8.

    Args:
        samples: At least one.
        bits: How many bits each sample has, if the file says so; else 0.

    Returns:
        The samples as uint8, and remarks for a person.

    >>> to_8_bit(np.array([0, 2048, 4095], np.uint16), bits=12)[0].tolist()
    [0, 128, 255]

    Raises:
        PartwiseError: If no sample is a finite number.
    """
    if samples.dtype == np.uint8:
        return samples, []
    if samples.dtype == bool:
        return samples * np.uint8(255), []
    finite = samples[np.isfinite(samples)] if samples.dtype.kind == "f" else samples
    if finite.size == 0:
        raise PartwiseError("no sample is a finite number (all are NaN): give numbers")
    lowest, highest = finite.min().item(), finite.max().item()
    white, is_guess = _white_of(samples.dtype, highest, bits)
    remarks = []
    if is_guess:
        remarks.append(f"no sample is above {highest:g}, so {white:g} is taken for white: {_GIVE}")
    if finite.size < samples.size:
        count = samples.size - finite.size
        remarks.append(f"{count} samples are not finite, and NaN are read as black: replace them")
    if lowest < -white / 255 or highest > white * 256 / 255:
        remarks.append(f"samples from {lowest:g} to {highest:g} are cut to 0..{white:g}: {_GIVE}")
    known = np.nan_to_num(samples, nan=0, posinf=white, neginf=0) if samples.dtype.kind == "f" else samples
    return np.clip(known * np.float32(255 / white) + np.float32(0.5), 0, 255).astype(np.uint8), remarks


def _white_of(dtype: np.dtype, highest: float, bits: int) -> tuple[float, bool]:
    """Choose the value that is white by the rule at the top of this file.

    Returns:
        The value, and whether it is a guess.
    """
    if highest <= 0:
        return 255, False
    if bits and highest < 1 << bits:
        return (1 << bits) - 1, False
    usual: tuple[int, ...]
    if dtype.kind == "f":
        if highest <= _BRIGHTEST_FLOAT:
            return 1, False
        highest, top, usual = highest / _OVERSHOOT, 65535, (255, 65535)
    else:
        top = min(int(np.iinfo(dtype).max), 65535)
        usual = (top,) if dtype.kind == "u" and dtype.itemsize == 2 else (255, top)
    white = next((white for white in (*_USUAL_WHITES, top) if highest <= white), highest)
    return white, white not in usual


def _deep_grey_to_8_bit(image: Image.Image) -> tuple[Image.Image, list[str]]:
    """Convert grey of more than 8 bits, or floats.

    Returns:
        An image of mode L, or of LA if one value stands for transparent; and remarks for a person.
    """
    samples = np.asarray(image)
    tags = getattr(image, "tag_v2", {})
    bits = tags.get(_TIFF_BITS, (0,))[0]
    if image.mode == "I" and bits == 16:  # with a sign, which Pillow widens
        samples = samples.astype(np.int16)
    grey, remarks = to_8_bit(samples, bits if 8 < bits < 16 else 0)
    shallow = Image.fromarray(255 - grey if tags.get(_TIFF_PHOTOMETRIC) == 0 else grey)
    clear = image.info.get("transparency")
    if clear is not None:
        shallow.putalpha(Image.fromarray(samples != clear).convert("L"))
    return shallow, remarks


def _in_srgb(image: Image.Image) -> Image.Image:
    """Convert an image of 8 bits to RGB, or RGBA if it may be transparent; a profile that cannot be used is ignored."""
    target = "RGBA" if image.has_transparency_data else "RGB"
    clear = image.info.get("transparency")
    if isinstance(clear, tuple) and max(clear) > 255:  # of 16 bits, while Pillow gives the upper 8 of the samples
        image = image.copy()
        image.info["transparency"] = tuple(value >> 8 for value in clear)
    profile = image.info.get("icc_profile")
    if image.mode == "La":  # which Pillow converts to LA alone
        image = image.convert("LA")
    if profile and (target == "RGBA" or image.mode not in ("L", "CMYK", "LAB")):
        image = image.convert(target)  # which a profile of RGB is for
    if profile:
        image = _profile_to_srgb(image, profile, target)
    return image if image.mode == target else image.convert(target)


def _profile_to_srgb(image: Image.Image, profile: bytes, target: str) -> Image.Image:
    """Convert an image from the colours of a profile to sRGB; if the profile cannot be used, return it as it is."""
    try:
        described = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "srgb" in ImageCms.getProfileDescription(described).lower():
            return image
        converted = ImageCms.profileToProfile(image, described, ImageCms.createProfile("sRGB"), outputMode=target)
        return image if converted is None else converted  # None: only where it converts in place
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image


def _on_white(image: Image.Image) -> tuple[np.ndarray, list[str]]:
    """Lay an RGBA image on white.

    Returns:
        (H, W, 3) uint8 RGB, and remarks for a person.
    """
    remarks = []
    extrema: Any = image.getextrema()  # a pair for each band
    if extrema[3][1] == 0:
        remarks.append("every pixel is transparent, so the picture is white: remove its alpha channel")
    return np.asarray(Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")), remarks


def _darkness(rgb_HW3: np.ndarray) -> list[str]:
    """Return a remark if the picture (H, W, 3) is almost black."""
    highest = rgb_HW3.max()
    if highest >= _DARK:
        return []
    return [f"no sample is above {highest} of 255, so the picture is almost black: look at how it was written"]
