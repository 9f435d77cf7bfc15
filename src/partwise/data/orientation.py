"""Turn pictures upright: EXIF orientations 1 (as stored) to 8."""

import warnings

import numpy as np
from PIL import ExifTags, Image, ImageOps

_PLACES_IN_PNG = ("exif", "Raw profile type exif", "XML:com.adobe.xmp")  # as Pillow names them


def orientation_of(image: Image.Image) -> int:
    """Return the EXIF orientation of an image, 1..8; 1 if it says none, or if its EXIF cannot be read."""
    try:
        with warnings.catch_warnings(action="ignore"):
            orientation: int | None = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # whatever is wrong with the EXIF, the picture can still be seen
        return 1
    return orientation if orientation is not None and orientation in range(2, 9) else 1


def orientation_in_header(image: Image.Image) -> int:
    """Return the same from the header alone: the EXIF of a PNG is looked for only where it is before the pixels."""
    if image.format == "PNG" and not any(key in image.info for key in _PLACES_IN_PNG):
        return 1  # Pillow would decode the whole image to look behind the pixels
    return orientation_of(image)


def turned(image_HW3: np.ndarray, orientation: int) -> np.ndarray:
    """Turn a stored image upright.

    Args:
        image_HW3: (H, W, 3) uint8.
        orientation: EXIF orientation, 1..8; 5 to 8 exchange height and width.

    >>> turned(np.array([[[1, 1, 1], [2, 2, 2]]], np.uint8), 3)[0, :, 0].tolist()
    [2, 1]
    """
    if orientation == 1:
        return image_HW3
    image = Image.fromarray(image_HW3)
    image.getexif()[ExifTags.Base.Orientation] = orientation
    return np.asarray(ImageOps.exif_transpose(image))
