"""A short way through the PNGs that masks come in: grey, of 1 or 8 bits.

A mask is empty nearly everywhere. Inflating the whole file takes a tenth of a general decoder's time (libdeflate,
through the package `deflate`); everything after it touches only the box that holds what is not 0. Any other file, and
any that is damaged, is left to a general decoder.
Source: Portable Network Graphics (PNG) Specification, second edition, sections 5.3, 7.2, 9.2, 9.4, 11.2.2.

Axes: H height, W width, B bytes of a row (1 pixel of 8 bits or 8 pixels of 1 bit each); h w b the same of a crop.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import deflate
import numpy as np

from streeteval.boxes import box_of_mask

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY = 0  # colour type
_SUB, _UP, _AVERAGE, _PAETH = 1, 2, 3, 4  # filters of rows; 0 is none
_ZERO = np.zeros(1, np.uint8)
_MANY = 4096  # bytes under Paeth's filter: no mask has so many, and a general decoder is faster from here on

Found = tuple[tuple[int, int, int, int], np.ndarray]


def plain_mask(data: bytes, size: tuple[int, int]) -> Found | None:
    """Read the mask in a grey PNG of 1 or 8 bits; what is not 0 is inside.

    Args:
        data: The content of the file.
        size: (H, W) that the image must have.

    Returns:
        The tight box (x0, y0, x1, y1) and the (h, w) bool crop; the box of an empty mask is (0, 0, 0, 0). None for any
        other file: another size, another kind of PNG, an interlaced or damaged one, and one that filters the mask's
        rows by averages (Pillow's `optimize` does with 1 bit), which must be undone pixel by pixel.
    """
    inflated = inflated_rows(data, size)
    if inflated is None:
        return None
    rows, depth = inflated
    box = _unfiltered_box(rows[:, 0], rows[:, 1:])
    if box is None:
        return None
    x0, y0, bytes_hb = box
    if depth == 8:
        return _tight(x0, y0, bytes_hb != 0)
    return _tight(8 * x0, y0, np.unpackbits(bytes_hb, axis=1)[:, : size[1] - 8 * x0].view(bool))


def inflated_rows(data: bytes, size: tuple[int, int]) -> tuple[np.ndarray, int] | None:
    """Inflate the rows of a grey PNG of 1 or 8 bits.

    Args:
        data: The content of the file.
        size: (H, W) that the image must have.

    Returns:
        (H, 1 + B) uint8 rows, each after the number of its filter, and the bits a pixel; None for any other file,
        another size, and a damaged file.
    """
    depth = _depth(data, size)
    if depth is None:
        return None
    height, stride = size[0], 1 + (size[1] * depth + 7) // 8
    try:
        rows = deflate.zlib_decompress(b"".join(_chunks(data, b"IDAT")), height * stride)
    except (deflate.DeflateError, zlib.error, struct.error):
        return None
    if len(rows) != height * stride:
        return None
    return np.frombuffer(rows, np.uint8).reshape(height, stride), depth


def _depth(data: bytes, size: tuple[int, int]) -> int | None:
    """Return the bits a pixel, 1 or 8, of a grey PNG of (H, W) without interlacing; None for any other file."""
    if data[:8] != _SIGNATURE or data[12:16] != b"IHDR" or len(data) < 33:
        return None
    width, height, depth, *kind, check = struct.unpack(">IIBBBBBI", data[16:33])
    plain = kind == [_GREY, 0, 0, 0]  # colour type, compression, filter method, interlace
    sound = check == zlib.crc32(data[12:29])
    return depth if plain and sound and depth in (1, 8) and (height, width) == size and width and height else None


def _chunks(data: bytes, wanted: bytes) -> Iterator[bytes]:
    """Yield the contents of the chunks of one kind.

    Raises:
        zlib.error: If a chunk does not pass its check.
    """
    place = 8
    while place < len(data):
        length, kind = struct.unpack(">I4s", data[place : place + 8])
        content = data[place + 8 : place + 8 + length]
        if kind == wanted:
            (check,) = struct.unpack(">I", data[place + 8 + length : place + 12 + length])
            if check != zlib.crc32(kind + content):
                raise zlib.error("check of a chunk")
            yield content
        place += 12 + length


def _unfiltered_box(filters_H: np.ndarray, stored_HB: np.ndarray) -> tuple[int, int, np.ndarray] | None:
    """Undo the filters of the rows in a box outside of which every byte is then 0.

    Filters predict a byte from the ones before and above it, and from zeros they predict 0. So all is 0 above the first
    and left of the first byte that is stored as something else. Right of the last one, a row goes on as it was: that
    column is undone once and repeated. Below the last one, rows go on until one that looks at no row above it.

    Returns:
        x0, y0 and the (h, b) bytes of the box. None if a row inside it is filtered by averages, a filter does not
        exist, or a general decoder is faster.
    """
    if filters_H.max() > _PAETH:
        return None
    filled = np.flatnonzero(stored_HB.max(axis=1))
    if len(filled) == 0:
        return 0, 0, stored_HB[:0]
    y0, y1 = int(filled[0]), int(filled[-1]) + 1
    columns = np.flatnonzero(stored_HB[y0:y1].max(axis=0))
    x0, x1 = int(columns[0]), int(columns[-1]) + 1
    ends = np.flatnonzero(filters_H[y1:] <= _SUB)
    y1 = y1 + int(ends[0]) if len(ends) else len(filters_H)
    filters_h, bytes_hb = filters_H[y0:y1], stored_HB[y0:y1, x0 : x1 + 1]
    if not filters_h.any():
        return x0, y0, bytes_hb
    if (filters_h == _AVERAGE).any() or np.count_nonzero(bytes_hb[filters_h == _PAETH]) > _MANY:
        return None
    bytes_hb = bytes_hb.copy()
    _undo(filters_h, bytes_hb)
    to_the_right = stored_HB.shape[1] - x1
    if to_the_right > 1 and bytes_hb[:, -1].any():
        bytes_hb = np.hstack([bytes_hb, np.repeat(bytes_hb[:, -1:], to_the_right - 1, axis=1)])
    return x0, y0, bytes_hb


def _undo(filters_h: np.ndarray, bytes_hb: np.ndarray) -> None:
    """Undo the filters, in place; above and left of the crop is 0. Bytes add modulo 256."""
    starts = [0, *(np.flatnonzero(np.diff(filters_h)) + 1).tolist()]
    for start, end in zip(starts, [*starts[1:], len(filters_h)], strict=True):
        kind = filters_h[start]
        if kind == _SUB:  # adds to the byte before it
            np.cumsum(bytes_hb[start:end], axis=1, dtype=np.uint8, out=bytes_hb[start:end])
        elif kind == _UP:  # adds to the byte above it
            rows = bytes_hb[max(start - 1, 0) : end]
            np.cumsum(rows, axis=0, dtype=np.uint8, out=rows)
        elif kind == _PAETH:
            for y in range(start, end):
                _undo_paeth(bytes_hb[y], bytes_hb[y - 1] if y else np.zeros_like(bytes_hb[y]))


def _undo_paeth(row_b: np.ndarray, above_b: np.ndarray) -> None:
    """Undo Paeth's filter of one row, in place.

    If 0 is stored and the row above goes on as it was, the prediction is the byte to the left. Such bytes, nearly all
    of a mask, are filled in, and only the others are visited.
    """
    before_b = np.concatenate([_ZERO, above_b[:-1]])
    places = np.flatnonzero((row_b != 0) | (above_b != before_b)).tolist()
    value = 0
    for x, end in zip(places, [*places, len(row_b)][1:], strict=True):
        value = (int(row_b[x]) + _paeth(value, int(above_b[x]), int(before_b[x]))) & 255
        row_b[x:end] = value


def _paeth(left: int, above: int, before: int) -> int:
    """Return the neighbour that is nearest to left + above - before; `before` is the one above and to the left."""
    to_left, to_above, to_before = abs(above - before), abs(left - before), abs(left + above - 2 * before)
    if to_left <= to_above and to_left <= to_before:
        return left
    return above if to_above <= to_before else before


def _tight(x: int, y: int, inside_hw: np.ndarray) -> Found:
    """Return the tight box and crop of a mask whose corner lies at (x, y) of the image."""
    box = box_of_mask(inside_hw)
    if box is None:
        return (0, 0, 0, 0), np.zeros((0, 0), bool)
    x0, y0, x1, y1 = box
    return (x + x0, y + y0, x + x1, y + y1), inside_hw[y0:y1, x0:x1]
