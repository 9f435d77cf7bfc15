import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from deep_files import chunk, png16, tiff
from hypothesis import given, settings
from hypothesis import strategies as st
from photo_cases import SAID_OF_HEIC
from PIL import Image, ImageOps

from partwise.data.image_files import decode_image, read_image, write_png
from partwise.errors import PartwiseError, PartwiseWarning
from streeteval.reading.id_files import decode_ids, encode_png, read_ids

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (12, 17, 3), np.uint8)
GREY = RNG.integers(0, 256, (12, 17), np.uint8)


def file_of(image: Image.Image, format_: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def test_colour_is_read_exactly(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(COLOUR).save(path)
    image = read_image(path)
    assert image.dtype == np.uint8
    assert np.array_equal(image, COLOUR)


@pytest.mark.parametrize("mode", ["L", "LA", "1", "I;16"])
def test_grey_of_any_kind_becomes_rgb(mode):
    grey = (GREY > 127).astype(np.uint8) * 255 if mode == "1" else GREY
    stored = Image.fromarray(grey.astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(grey).convert(mode)
    assert np.array_equal(decode_image(file_of(stored), "x"), np.repeat(grey[..., None], 3, axis=2))


def test_palette_gives_its_colours():
    image = Image.fromarray(COLOUR).quantize(16)
    assert np.array_equal(decode_image(file_of(image), "x"), np.asarray(image.convert("RGB")))


def test_16_bit_colour_keeps_its_upper_bits():
    assert np.array_equal(decode_image(png16(COLOUR.astype(np.uint16) * 257), "x"), COLOUR)


def test_transparent_pixels_become_white_and_opaque_ones_stay():
    alpha = np.zeros((12, 17), np.uint8)
    alpha[:6] = 255
    image = decode_image(file_of(Image.fromarray(np.dstack([COLOUR, alpha]))), "x")
    assert np.array_equal(image[:6], COLOUR[:6])
    assert (image[6:] == 255).all()


def test_cmyk_jpeg_looks_like_the_rgb_it_was_made_from():
    smooth = np.tile(np.linspace(0, 255, 32).astype(np.uint8)[None, :, None], (32, 1, 3))
    image = decode_image(file_of(Image.fromarray(smooth).convert("CMYK"), "JPEG", quality=95), "x")
    assert np.abs(image.astype(int) - smooth).mean() < 4


def test_a_photo_taken_sideways_is_turned_upright():
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to view
    data = file_of(Image.fromarray(COLOUR), "PNG", exif=exif)
    assert np.array_equal(decode_image(data, "x"), np.rot90(COLOUR, -1))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_it_is_turned_as_pillow_turns_it(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = file_of(Image.fromarray(COLOUR), "PNG", exif=exif)
    assert np.array_equal(decode_image(data, "x"), np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data)))))


def test_a_tiff_of_which_the_width_or_the_second_page_is_damaged():
    """Pillow raises a TypeError for the one, and a SyntaxError or KeyError for the other."""
    data = bytearray(tiff(COLOUR))
    data[10] ^= 255  # the first tag, ImageWidth
    with pytest.raises(PartwiseError, match=r"x: .*copy it again"):
        decode_image(bytes(data), "x")
    two = bytearray(KINDS["TIFF of two pages"])
    order = "<" if two[:2] == b"II" else ">"
    second = two.rindex(struct.pack(f"{order}H", 256))
    two[second] ^= 255
    two[second + 1] ^= 255
    assert np.array_equal(decode_image(bytes(two), "x"), COLOUR)


@given(place=st.integers(0, 10_000), byte=st.integers(0, 255), kind=st.sampled_from(["JPEG", "PNG", "WEBP"]))
@settings(max_examples=300, deadline=None)
def test_exif_that_cannot_be_read_does_not_keep_the_image_from_it(place, byte, kind):
    exif = Image.Exif()
    exif[0x0112], exif[0x0100], exif[0x011A], exif[0x0128], exif[0x010F] = 6, 17, 72.0, 2, "camera"
    written = bytearray(exif.tobytes())
    written[6 + place % (len(written) - 6)] = byte
    image = decode_image(file_of(Image.fromarray(COLOUR), kind, exif=bytes(written)), "x")
    assert image.shape in (COLOUR.shape, np.rot90(COLOUR).shape)


def test_a_colour_that_stands_for_transparent_becomes_white():
    pixels = COLOUR.copy()
    pixels[3, 4] = (1, 2, 3)
    image = decode_image(file_of(Image.fromarray(pixels), "PNG", transparency=(1, 2, 3)), "x")
    clear = (pixels == (1, 2, 3)).all(axis=2)
    assert (image[clear] == 255).all() and np.array_equal(image[~clear], pixels[~clear])


def test_one_pixel(tmp_path):
    write_png(tmp_path / "a.png", np.full((1, 1, 3), 70, np.uint8))
    assert read_image(tmp_path / "a.png").tolist() == [[[70, 70, 70]]]


@pytest.mark.parametrize(("format_", "count"), [("PNG", 3), ("WEBP", 2), ("TIFF", 2)])
def test_of_several_pictures_the_first_is_read_and_that_is_said(format_, count):
    others = [Image.fromarray(255 - COLOUR)] * (count - 1)
    options = {"lossless": True} if format_ == "WEBP" else {}
    data = file_of(Image.fromarray(COLOUR), format_, save_all=True, append_images=others, **options)
    with pytest.warns(PartwiseWarning, match=f"^street.x: it holds {count} pictures, of which only the first is read"):
        assert np.array_equal(decode_image(data, "street.x"), COLOUR)


def test_a_photo_with_a_preview_is_one_photo():
    """MPO: what phones and stereo cameras write as .jpg."""
    first, preview = Image.fromarray(COLOUR), Image.fromarray(255 - COLOUR)
    data = file_of(first, "MPO", save_all=True, append_images=[preview], quality=100, subsampling=0)
    with warnings.catch_warnings(action="error"):
        assert np.abs(decode_image(data, "x").astype(int) - COLOUR).max() < 8
    with pytest.raises(PartwiseError, match="smeared"):
        decode_ids(data, "x")


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_cut_in_half_is_an_error(progressive):
    data = file_of(Image.fromarray(COLOUR).resize((256, 256)), "JPEG", progressive=progressive)
    with pytest.raises(PartwiseError, match="cut short"):
        decode_image(data[: len(data) // 2], "x")


def header_alone(width: int, height: int) -> bytes:
    """A PNG that says that it is so large and holds hardly a pixel."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0" * 100)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("size", "says"),
    [
        ((60_000, 60_000), "more than 178 million pixels are not read: scale the image down"),
        ((2**31 - 1, 2**31 - 1), "more than 178 million pixels are not read"),
        ((12_000, 10_000), "damaged or cut short"),
        ((0, 5), "damaged"),
    ],
)
def test_a_size_that_cannot_be_is_one_line_and_no_warning(size, says):
    with warnings.catch_warnings(action="error"), pytest.raises(PartwiseError, match=says) as caught:
        decode_image(header_alone(*size), "x")
    assert "\n" not in str(caught.value) and "bomb" not in str(caught.value).lower()


def test_an_image_for_which_there_is_no_memory_is_an_error(monkeypatch):
    def full(*_):
        raise MemoryError

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", full)
    with pytest.raises(PartwiseError, match="x: 17x12 pixels do not fit into memory"):
        decode_image(encode_png(COLOUR), "x")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"%PDF-1.7" + bytes(50), "not an image that is read (PDF): one of PNG"),
        (b"\0\0\0\x18ftypheic" + bytes(50), SAID_OF_HEIC),
        (b"\0\0\0\x18ftypisom" + bytes(50), "not an image: a video: take frames out of it"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"II*\0" + bytes(50), "it begins as a TIFF does, but is damaged or of an unusual kind"),
        (b"\x89PNG" + bytes(50), "it begins as a PNG does, but is damaged"),
    ],
)
def test_what_is_no_image_is_named(data, says):
    with pytest.raises(PartwiseError) as caught:
        decode_image(data, "x")
    assert says in str(caught.value)


@given(cut=st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_a_png_cut_anywhere_is_an_error_or_still_whole(cut):
    data = encode_png(COLOUR)
    try:
        image = decode_image(data[: cut % len(data)], "cut.png")
    except PartwiseError as error:
        assert str(error).startswith("cut.png: ")
        assert "\n" not in str(error)
    else:
        assert np.array_equal(image, COLOUR)


KINDS = {
    "PNG": encode_png(COLOUR),
    "JPEG": file_of(Image.fromarray(COLOUR), "JPEG"),
    "WEBP": file_of(Image.fromarray(COLOUR), "WEBP"),
    "PNG of 16 bits": png16(COLOUR.astype(np.uint16)),
    "TIFF of 16 bits": tiff(COLOUR.astype(np.uint16), planar=True),
    "TIFF of two pages": file_of(
        Image.fromarray(COLOUR), "TIFF", save_all=True, append_images=[Image.fromarray(COLOUR)]
    ),
}


@given(place=st.integers(0, 10_000), byte=st.integers(0, 255), kind=st.sampled_from(sorted(KINDS)))
@settings(max_examples=200, deadline=None)
@pytest.mark.filterwarnings("ignore::partwise.errors.PartwiseWarning")
def test_a_damaged_byte_raises_nothing_but_partwise_error(place, byte, kind):
    data = bytearray(KINDS[kind])
    data[place % len(data)] = byte
    try:
        image = decode_image(bytes(data), "x")
    except PartwiseError:
        return
    assert image.dtype == np.uint8
    assert image.ndim == 3


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.mkdir(), "folder"),
        (lambda path: path.write_bytes(b""), "empty"),
        (lambda path: path.write_text("hello"), "not an image"),
        (lambda path: path.write_bytes(encode_png(COLOUR)[:200]), "cut short"),
    ],
)
@pytest.mark.parametrize("read", [read_image, read_ids])
def test_what_cannot_be_read_is_one_line_with_the_path(tmp_path, make, says, read):
    path = tmp_path / "thing.png"
    make(path)
    with pytest.raises(PartwiseError) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_image_is_told_which_formats_are_read(tmp_path):
    (tmp_path / "thing.png").write_text("hello")
    for read, formats in ((read_image, "PNG, JPEG, WEBP, .*TIFF, GIF, PPM"), (read_ids, "PNG, TIFF, BMP is")):
        with pytest.raises(PartwiseError, match=f"one of {formats}"):
            read(tmp_path / "thing.png")


@pytest.mark.parametrize("top", [255, 65535])
def test_ids_come_back_as_written(tmp_path, top):
    ids = RNG.integers(0, top + 1, (9, 5)).astype(np.uint8 if top == 255 else np.int32)
    ids[0, 0] = top
    write_png(tmp_path / "ids.png", ids)
    read = read_ids(tmp_path / "ids.png")
    assert read.dtype == np.int32
    assert np.array_equal(read, ids)


def test_ids_of_32_bits():
    ids = np.array([[0, 26001], [33_000_000, -1]], np.int32)
    assert np.array_equal(decode_ids(file_of(Image.fromarray(ids), "TIFF"), "x"), ids)


def test_a_palette_of_ids_gives_the_indices():
    image = Image.fromarray(GREY % 5)
    image.putpalette([9, 9, 9, 200, 0, 0, 0, 200, 0, 0, 0, 200, 1, 2, 3])
    assert np.array_equal(decode_ids(file_of(image), "x"), GREY % 5)


@pytest.mark.parametrize(("format_", "array", "says"), [("PNG", COLOUR, "colour"), ("JPEG", GREY, "JPEG")])
def test_what_cannot_hold_ids_is_refused(format_, array, says):
    with pytest.raises(PartwiseError, match=says):
        decode_ids(file_of(Image.fromarray(array), format_), "x")


def test_ids_that_no_png_can_hold_are_refused():
    with pytest.raises(PartwiseError, match="70000"):
        encode_png(np.array([[70_000]], np.int32))


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, disk_full_after):
    path = tmp_path / "a.png"
    write_png(path, COLOUR)
    noise = RNG.integers(0, 256, (64, 64, 3), np.uint8)
    with disk_full_after(2000), pytest.raises(PartwiseError, match="cannot write"):
        write_png(path, noise)
    assert np.array_equal(read_image(path), COLOUR)
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]


def test_a_folder_that_is_a_file_cannot_be_written_to(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PartwiseError, match="cannot write"):
        write_png(tmp_path / "file" / "a.png", COLOUR)
