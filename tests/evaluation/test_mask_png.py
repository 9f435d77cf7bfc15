"""The short way through masks gives what Pillow gives, whatever filters and encoder, or leaves the file to it."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from streeteval.boxes import box_of_mask
from streeteval.reading.mask_png import plain_mask

NONE, SUB, UP, AVERAGE, PAETH = range(5)


def png(image: Image.Image, **how) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", **how)
    return file.getvalue()


def filtered_png(stored_HB: np.ndarray, filters: list[int], width: int, depth: int) -> bytes:
    """A grey PNG whose row y holds these bytes as they are stored, under the filter filters[y]."""
    rows = b"".join(bytes([kind]) + stored.tobytes() for kind, stored in zip(filters, stored_HB, strict=True))
    header = struct.pack(">IIBBBBB", width, len(stored_HB), depth, 0, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in parts
    )


def filters_of(data: bytes) -> set[int]:
    """The filters of the rows of a grey PNG with one IDAT chunk."""
    (height,) = struct.unpack(">I", data[20:24])
    place = data.index(b"IDAT")
    (length,) = struct.unpack(">I", data[place - 4 : place])
    rows = zlib.decompress(data[place + 4 : place + 4 + length])
    return set(rows[:: len(rows) // height])


def assert_as_pillow(data: bytes) -> None:
    """The box and the crop of what Pillow decodes."""
    expected_HW = np.asarray(Image.open(io.BytesIO(data)).convert("L")) != 0
    box, crop = plain_mask(data, expected_HW.shape)
    assert box == (box_of_mask(expected_HW) or (0, 0, 0, 0))
    x0, y0, x1, y1 = box
    assert crop.dtype == bool and np.array_equal(crop, expected_HW[y0:y1, x0:x1])


# Few bytes that are not 0, as in a mask, and those that add up to 0 again.
stored_bytes = st.sampled_from([0, 1, 128, 255, 254, 77])


@settings(max_examples=400, deadline=None)
@given(st.data(), st.sampled_from([1, 8]), st.integers(1, 12), st.integers(1, 30))
def test_any_rows_under_any_filters_are_what_pillow_decodes(data, depth, height, width):
    filters = data.draw(st.lists(st.sampled_from([NONE, SUB, UP, PAETH]), min_size=height, max_size=height))
    shape = (height, (width * depth + 7) // 8)
    stored_HB = data.draw(hnp.arrays(np.uint8, shape, elements=stored_bytes, fill=st.just(0)))
    assert_as_pillow(filtered_png(stored_HB, filters, width, depth))


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(np.uint8, (9, 14), elements=stored_bytes, fill=st.just(0)), st.integers(0, 8))
def test_averages_inside_a_mask_are_left_to_a_general_decoder(stored_HB, y):
    data = filtered_png(stored_HB, [AVERAGE if row == y else UP for row in range(9)], 14, 8)
    filled = np.flatnonzero(stored_HB.any(axis=1))
    if len(filled) and y >= filled[0]:
        assert plain_mask(data, stored_HB.shape) is None
    else:
        assert_as_pillow(data)


def blobs(size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """(H, W) bool: a few ellipses and a bar, some of them cut by the image's border."""
    y, x = np.mgrid[: size[0], : size[1]]
    mask_HW = np.zeros(size, bool)
    for _ in range(rng.integers(1, 4)):
        cy, cx, ry, rx = rng.uniform((0, 0, 2, 2), (size[0], size[1], size[0] / 2, 2 + size[1] / 3))
        mask_HW |= ((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 < 1
    if rng.random() < 0.3:
        mask_HW[:, -rng.integers(1, 9) :] = True
    return mask_HW


ENCODERS = {"optimize": {"optimize": True}} | {f"level {n}": {"compress_level": n} for n in (0, 1, 6, 9)}
ENCODERS |= {f"strategy {n}": {"compress_type": n} for n in range(5)}  # zlib's: default, filtered, Huffman, RLE, fixed


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("bits", [1, 8])
def test_masks_as_pillow_writes_them(encoder, bits):
    rng = np.random.default_rng(bits)
    for size in ((60, 101), (33, 64), (100, 7)):
        for _ in range(6):
            mask_HW = blobs(size, rng)
            values = mask_HW if bits == 1 else mask_HW * np.uint8(rng.choice([1, 7, 128, 255]))
            data = png(Image.fromarray(values), **ENCODERS[encoder])
            if plain_mask(data, size) is None:
                assert AVERAGE in filters_of(data)
            else:
                assert_as_pillow(data)


@pytest.mark.parametrize("mode", ["L", "1"])
def test_an_empty_and_a_full_mask(mode):
    box, crop = plain_mask(png(Image.new(mode, (9, 5))), (5, 9))
    assert box == (0, 0, 0, 0) and crop.shape == (0, 0)
    box, crop = plain_mask(png(Image.new(mode, (9, 5), 255)), (5, 9))
    assert box == (0, 0, 9, 5) and crop.shape == (5, 9) and crop.all()


def test_grey_noise_is_decoded_or_left_alone():
    """No masks at all: something is stored in every byte, under any filter."""
    noise_HW = np.random.default_rng(0).integers(0, 256, (80, 90), dtype=np.uint8)
    smooth_HW = (np.add.outer(np.arange(90), np.arange(120)) // 3).astype(np.uint8)
    assert plain_mask(filtered_png(noise_HW, [PAETH] * 80, 90, 8), (80, 90)) is None
    assert_as_pillow(filtered_png(noise_HW, [UP] * 80, 90, 8))
    for values in (noise_HW, smooth_HW):
        data = png(Image.fromarray(values))
        if plain_mask(data, values.shape) is not None:
            assert_as_pillow(data)


@pytest.mark.parametrize("mode", ["RGB", "P", "LA", "I;16"])
def test_any_other_image_is_left_to_a_general_decoder(mode):
    assert plain_mask(png(Image.new(mode, (9, 5))), (5, 9)) is None


def test_an_image_of_another_size_is_left_to_a_general_decoder():
    data = png(Image.new("L", (9, 5), 255))
    assert [plain_mask(data, size) is None for size in ((5, 9), (5, 8), (9, 5), (6, 9))] == [False, True, True, True]


@pytest.mark.parametrize("mode", ["L", "1"])
def test_damaged_and_foreign_files_are_left_to_a_general_decoder(mode):
    data = png(Image.new(mode, (900, 50)))
    assert plain_mask(data, (50, 900)) is not None
    place = data.index(b"IDAT") + 6
    for broken in (
        b"",
        b"no image at all, but long enough to hold a header",
        data[:-30],
        data[:20],
        data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :],
    ):
        assert plain_mask(broken, (50, 900)) is None


def test_a_file_that_is_cut_anywhere_or_has_any_bit_changed_is_never_another_mask():
    size = (30, 40)
    whole = png(Image.fromarray(blobs(size, np.random.default_rng(3)) * np.uint8(255)))
    sound = plain_mask(whole, size)
    end = whole.index(b"IEND") - 4
    for cut in range(end):
        assert plain_mask(whole[:cut], size) is None
    for place in range(end):
        for bit in range(8):
            changed = bytearray(whole)
            changed[place] ^= 1 << bit
            result = plain_mask(bytes(changed), size)
            assert result is None or (result[0] == sound[0] and np.array_equal(result[1], sound[1]))


def test_rows_with_a_filter_that_does_not_exist_are_refused():
    assert plain_mask(filtered_png(np.zeros((2, 3), np.uint8), [0, 4], 3, 8), (2, 3)) is not None
    assert plain_mask(filtered_png(np.zeros((2, 3), np.uint8), [0, 5], 3, 8), (2, 3)) is None


def test_more_or_fewer_rows_than_the_header_says_are_left_to_a_general_decoder():
    for height in (4, 6):
        data = filtered_png(np.ones((height, 3), np.uint8), [0] * height, 3, 8)
        header = struct.pack(">IIBBBBB", 3, 5, 8, 0, 0, 0, 0)
        check = struct.pack(">I", zlib.crc32(b"IHDR" + header))
        assert plain_mask(data[:16] + header + check + data[33:], (5, 3)) is None
