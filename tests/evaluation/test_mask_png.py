"""The short way through 1 bit PNGs gives what Pillow gives, or leaves the file to it."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from partwise.evaluation.mask_png import packed_rows, unpack_mask
from partwise.geometry import box_of_mask


def png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def filtered_png(mask_HW: np.ndarray, filters: list[int]) -> bytes:
    """A 1 bit PNG whose row y is written with the filter filters[y]: 0 none, 1 sub, 2 up."""
    packed = np.packbits(mask_HW, axis=1)
    above = np.vstack([np.zeros_like(packed[:1]), packed[:-1]])
    left = np.hstack([np.zeros_like(packed[:, :1]), packed[:, :-1]])
    before = {0: np.zeros_like(packed), 1: left, 2: above}
    rows = b"".join(bytes([kind]) + (packed[y] - before[kind][y]).tobytes() for y, kind in enumerate(filters))
    height, width = mask_HW.shape
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in parts
    )


@settings(max_examples=150, deadline=None)
@given(
    hnp.arrays(bool, st.tuples(st.integers(1, 20), st.integers(1, 40)), elements=st.booleans(), fill=st.just(False)),
    st.data(),
)
def test_what_is_unpacked_is_the_mask(mask_HW, data):
    height = len(mask_HW)
    content = filtered_png(mask_HW, data.draw(st.lists(st.sampled_from([0, 1, 2]), min_size=height, max_size=height)))
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(content))), mask_HW), "the test writes sound PNGs"
    rows, size = packed_rows(content)
    assert size == mask_HW.shape
    found, box = unpack_mask(rows, size[1]), box_of_mask(mask_HW)
    if box is None:
        assert found is None
    else:
        x0, y0, x1, y1 = box
        assert found[0] == box and np.array_equal(found[1], mask_HW[y0:y1, x0:x1])


def test_a_round_mask_as_pillow_writes_it_goes_the_short_way():
    y, x = np.mgrid[:300, :500]
    mask_HW = (x - 200) ** 2 + (y - 150) ** 2 < 90**2
    rows, size = packed_rows(png(Image.fromarray(mask_HW)))
    (x0, y0, x1, y1), crop = unpack_mask(rows, size[1])
    assert (x0, y0, x1, y1) == box_of_mask(mask_HW) and np.array_equal(crop, mask_HW[y0:y1, x0:x1])


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "LA"])
def test_any_other_image_is_left_to_a_general_decoder(mode):
    assert packed_rows(png(Image.new(mode, (9, 5)))) is None


def test_damaged_and_foreign_files_are_left_to_a_general_decoder():
    data = png(Image.new("1", (900, 50)))
    assert packed_rows(data) is not None
    place = data.index(b"IDAT") + 6
    for broken in (
        b"",
        b"no image at all, but long enough to hold a header",
        data[:-30],
        data[:20],
        data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :],
    ):
        assert packed_rows(broken) is None
