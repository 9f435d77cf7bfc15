"""Read colours of 16 bits a sample, of which Pillow gives only the upper 8.

A raw mode of Pillow says which of the two bytes of a sample it keeps: "RGB;16B" the first, "RGB;16L" the second. With
the other mode, the same decoder gives the lower byte.
"""

import io
import sys
from typing import Any

import numpy as np
from PIL import Image

_UPPER_IS_ENOUGH = 64  # of 256: samples that reach it have all 16 bits
_OTHER_BYTE = {"16B": "16L", "16L": "16B", "16N": "16B" if sys.byteorder == "little" else "16L"}
_PNG_BITS = 24  # place of the byte that says how many bits a sample has
_TIFF_BITS, _TIFF_PLANAR = 258, 284  # BitsPerSample; PlanarConfiguration, 2: one plane after the other


def read_planes_as_stored(image: Image.Image) -> None:
    """Correct how Pillow will load a TIFF with uncompressed planes of 16 bits, which it takes for 8 bits.

    Args:
        image: Opened and not yet loaded. Any other image stays as it is.
    """
    tiff: Any = image  # only a TIFF has these tags
    if _bits_of_tiff(image) != {16} or tiff.tag_v2.get(_TIFF_PLANAR) != 2:
        return
    order = "L" if tiff.tag_v2.prefix[:2] == b"II" else "B"
    tiff.tile = [
        tile._replace(args=(f"{tile.args[0]};16{order}", *tile.args[1:]))
        if tile.codec_name == "raw" and tile.args[0] in image.getbands()
        else tile
        for tile in tiff.tile
    ]


def dark_deep_colours(data: bytes, image: Image.Image) -> np.ndarray | None:
    """Read a picture of 16 bits a sample whose upper bytes hold almost nothing.

    Such a file holds samples of fewer bits, or is dark. If Pillow cannot give the lower bytes, they are 0.

    Args:
        data: The content of the file.
        image: The same, loaded.

    Returns:
        (H, W, C) uint16 RGB or RGBA; None for any other picture.
    """
    is_deep = data[_PNG_BITS] == 16 if image.format == "PNG" else _bits_of_tiff(image) == {16}
    if not is_deep or image.mode not in ("RGB", "RGBA"):
        return None
    extrema: Any = image.getextrema()  # a pair for each band
    if max(high for _, high in extrema[:3]) >= _UPPER_IS_ENOUGH:
        return None
    again = Image.open(io.BytesIO(data), formats=(image.format or "",))
    read_planes_as_stored(again)
    if not again.tile or not all(_raw_mode(tile).endswith(tuple(_OTHER_BYTE)) for tile in again.tile):
        return None
    again.tile = [_with_other_byte(tile) for tile in again.tile]
    try:
        lower = np.asarray(again)
    except ValueError:  # Pillow knows no such raw mode
        lower = np.zeros((image.height, image.width, len(image.getbands())), np.uint8)
    return np.asarray(image).astype(np.uint16) << 8 | lower


def _bits_of_tiff(image: Image.Image) -> set[int]:
    """Return the numbers of bits a sample that a TIFF names for its channels; none for another image."""
    return set(getattr(image, "tag_v2", {}).get(_TIFF_BITS, ()))


def _raw_mode(tile: Any) -> str:
    """Return the raw mode of one of Pillow's tiles."""
    return tile.args if isinstance(tile.args, str) else str(tile.args[0])


def _with_other_byte(tile: Any) -> Any:
    """Return a tile of Pillow that reads the other byte of each sample."""
    mode = _raw_mode(tile)
    other = mode[:-3] + _OTHER_BYTE[mode[-3:]]
    return tile._replace(args=other if isinstance(tile.args, str) else (other, *tile.args[1:]))
