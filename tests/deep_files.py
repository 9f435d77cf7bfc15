"""Files that Pillow cannot write: PNG and TIFF of 16 bits and more a sample."""

import struct
import zlib

import numpy as np

COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # channels -> PNG's colour type


def png16(pixels: np.ndarray, *, extra: bytes = b"") -> bytes:
    """A 16-bit PNG of (H, W) or (H, W, C), C in 1..4; `extra` are chunks before the pixels."""
    height, width, channels = pixels.reshape(*pixels.shape[:2], -1).shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 16, COLOUR_TYPES[channels], 0, 0, 0)
    ends = chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + ends


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def tiff(pixels: np.ndarray, order: str = "<", *, planar: bool = False, photometric: int | None = None) -> bytes:
    """An uncompressed TIFF of (H, W) or (H, W, 3), with the number type and as many bits as the array has.

    order         "<" or ">"
    planar        whether the channels lie one after the other
    photometric   0: the lowest value is white
    """
    kind, bits = {"u": 1, "i": 2, "f": 3}[pixels.dtype.kind], pixels.dtype.itemsize * 8
    stored = np.moveaxis(pixels, 2, 0) if planar else pixels
    content = stored.astype(pixels.dtype.newbyteorder(order)).tobytes()
    return tiff_of(content, pixels.shape, bits, kind, order, planar, photometric)


def packed_12_bits(pixels_HW: np.ndarray) -> bytes:
    """A grey TIFF that says that it has 12 bits a sample, two samples in three bytes; W is even."""
    first, second = pixels_HW.reshape(-1, 2).astype(int).T
    content = np.stack([first >> 4, (first & 15) << 4 | second >> 8, second & 255], axis=1).astype(np.uint8).tobytes()
    return tiff_of(content, pixels_HW.shape, 12, 1, "<", False, None)


def tiff_of(content: bytes, shape, bits: int, kind: int, order: str, planar: bool, photometric: int | None) -> bytes:
    height, width, channels = (*shape, 1)[:3]
    strips = channels if planar else 1
    if photometric is None:
        photometric = 2 if channels == 3 else 1
    tags = [
        (256, [width]), (257, [height]), (258, [bits] * channels), (259, [1]), (262, [photometric]),
        (273, [0] * strips), (277, [channels]), (278, [height]), (279, [len(content) // strips] * strips),
        (284, [2 if planar else 1]), (339, [kind] * channels),
    ]  # fmt: skip
    start = 8 + 2 + 12 * len(tags) + 4
    first_strip = start + sum(4 * len(values) for _, values in tags if len(values) > 1)
    entries = lists = b""
    for tag, values in tags:
        if tag == 273:
            values = [first_strip + i * (len(content) // strips) for i in range(strips)]
        packed = struct.pack(f"{order}{len(values)}I", *values)  # type 4, whole numbers of 32 bits
        place = packed if len(values) == 1 else struct.pack(f"{order}I", start + len(lists))
        lists += packed if len(values) > 1 else b""
        entries += struct.pack(f"{order}HHI", tag, 4, len(values)) + place
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, len(tags))
    return head + entries + struct.pack(f"{order}I", 0) + lists + content
