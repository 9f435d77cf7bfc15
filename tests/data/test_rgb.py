"""Which sample is white, and what is said where that is a guess."""

import io
import warnings

import numpy as np
import pytest
from deep_files import chunk, packed_12_bits, png16, tiff
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from partwise.data.given_image import as_image
from partwise.data.image_files import decode_image
from partwise.data.rgb import rgb_of_image, to_8_bit
from partwise.errors import PartwiseError, PartwiseWarning

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (12, 18, 3), np.uint8)
COLOUR[0, 0] = 255
GREY = COLOUR[..., 1]
FULL = {8: 255, 10: 1023, 12: 4095, 14: 16383, 16: 65535}


def of_bits(pixels: np.ndarray, bits: int, dtype=np.uint16) -> np.ndarray:
    """0..255 -> 0..2^bits - 1."""
    return np.round(pixels * (FULL[bits] / 255)).astype(dtype)


def as_rgb(pixels: np.ndarray) -> np.ndarray:
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)


def looks_like(image: np.ndarray, expected: np.ndarray) -> bool:
    return np.abs(image.astype(int) - as_rgb(expected)).max() <= 1


FORMS = {
    "PNG": png16,
    "TIFF": tiff,
    "TIFF of the other byte order": lambda pixels: tiff(pixels, ">"),
    "array": lambda pixels: pixels,
}
COLOUR_FORMS = FORMS | {
    "TIFF in planes": lambda pixels: tiff(pixels, planar=True),
    "TIFF in planes of the other byte order": lambda pixels: tiff(pixels, ">", planar=True),
}


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize(
    ("form", "pixels"), [(form, COLOUR) for form in COLOUR_FORMS] + [(form, GREY) for form in FORMS]
)
def test_fewer_bits_in_16_are_seen_at_their_full_range_and_the_guess_is_said(form, pixels, bits):
    image_form = COLOUR_FORMS[form](of_bits(pixels, bits))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        image = as_image(image_form)
    assert looks_like(image, pixels)
    assert ["is taken for white" in str(one.message) for one in said] == [True] * (bits < 16)
    assert all(one.category is PartwiseWarning and "\n" not in str(one.message) for one in said)


USUAL = [
    (np.int16, 255),
    (np.int16, 32767),
    (np.int32, 255),
    (np.int32, 65535),
    (np.float32, 1),
    (np.float32, 255),
    (np.float32, 65535),
]


@pytest.mark.parametrize(("dtype", "top"), USUAL)
def test_usual_ranges_of_wide_numbers_are_no_guess(dtype, top):
    pixels = (GREY * (top / 255)).astype(dtype)
    with warnings.catch_warnings(action="error"):
        for form in (tiff(pixels), tiff(pixels, ">"), pixels):
            assert looks_like(as_image(form), GREY)


def test_what_a_file_declares_is_no_guess():
    """The largest sample of a dark picture has 10 bits, the file says 12."""
    dark = np.full((6, 8), 900)
    with warnings.catch_warnings(action="error"):
        assert (decode_image(packed_12_bits(dark), "x") == round(900 / 4095 * 255)).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_tiff_whose_lowest_value_is_white_is_no_negative(dtype):
    top = 1 if dtype == np.float32 else np.iinfo(dtype).max
    negative = (top - GREY * (top / 255)).astype(dtype)
    assert looks_like(decode_image(tiff(negative, photometric=0), "x"), GREY)


@pytest.mark.parametrize(("alpha", "expected"), [(65535, COLOUR), (4095, COLOUR), (0, np.full_like(COLOUR, 255))])
def test_alpha_has_a_range_of_its_own(alpha, expected):
    pixels = np.dstack([of_bits(COLOUR, 12), np.full(GREY.shape, alpha, np.uint16)])
    for form in (png16(pixels), pixels):
        with pytest.warns(PartwiseWarning):
            assert looks_like(as_image(form), expected)


def test_grey_and_alpha_of_few_bits_are_not_black():
    """Pillow gives no lower bytes here: 12 bits have 16 levels."""
    pixels = np.dstack([of_bits(GREY, 12), np.full(GREY.shape, 65535, np.uint16)])
    with pytest.warns(PartwiseWarning, match="4095 is taken for white"):
        image = decode_image(png16(pixels), "x")
    assert np.abs(image.astype(int) - as_rgb(GREY)).max() <= 17


@pytest.mark.parametrize("pixels", [COLOUR, GREY])
def test_the_value_that_stands_for_transparent_has_16_bits_too(pixels):
    pixels = pixels.astype(np.uint16) * 257
    pixels[3, 4] = 12345
    clear = np.full(3 if pixels.ndim == 3 else 1, 12345, ">u2").tobytes()
    image = decode_image(png16(pixels, extra=chunk(b"tRNS", clear)), "x")
    assert (image[3, 4] == 255).all() and np.array_equal(image[0], as_rgb(pixels >> 8)[0])


@given(st.integers(0, 2**32 - 1), st.sampled_from([np.uint8, np.uint16, np.int16, np.int32, np.float32, np.float64]))
def test_brighter_samples_are_never_darker_and_white_is_never_far(seed, dtype):
    """The order of samples stays, and the largest one is at least a quarter of white: nothing comes out black."""
    rng = np.random.default_rng(seed)
    top = 2 ** rng.uniform(6, 30) if np.dtype(dtype).kind == "f" else min(2 ** rng.uniform(6, 30), np.iinfo(dtype).max)
    samples = np.sort(rng.uniform(0, top, 40)).astype(dtype)
    eight, _ = to_8_bit(samples)
    assert (np.diff(eight.astype(int)) >= 0).all()
    assert eight[-1] >= 63 or samples[-1] < 64


@pytest.mark.parametrize(
    ("pixels", "says"),
    [
        (np.full((4, 5), 3, np.uint16), "almost black"),
        (np.zeros((4, 5, 3)), "almost black"),
        (np.dstack([COLOUR, np.zeros_like(GREY)]), "every pixel is transparent"),
        (np.where(GREY > 9, GREY / 255, np.nan), "are not finite"),
        (np.where(GREY > 9, GREY / 255, -np.inf), "are not finite"),
        (GREY.astype(int) - 100, "from -100 to 155 are cut to 0..255"),
        (RNG.normal(size=(4, 5, 3)), "are cut to 0..1:"),
    ],
)
def test_what_may_look_wrong_is_said(pixels, says):
    with pytest.warns(PartwiseWarning, match=says) as said:
        as_image(pixels)
    assert all("\n" not in str(one.message) and str(one.message).count(": ") == 2 for one in said)


def test_floats_that_overshoot_a_little_are_not_darkened():
    for top in (1, 255):
        pixels = GREY * (top / 255)
        pixels[0, 0] = 1.1 * top
        with pytest.warns(PartwiseWarning, match=f"are cut to 0..{top}:"):
            assert looks_like(as_image(pixels), GREY)


def test_samples_that_are_no_numbers_are_an_error():
    with pytest.raises(PartwiseError, match="no sample is a finite number"):
        as_image(np.full((4, 5), np.nan))


MODES = ["1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "LA", "PA", "RGBX", "RGBa", "La"]


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_of_8_bits_gives_its_colours(mode):
    """The blocks of one colour that JPEG-like modes keep, too; grey where the mode has no colour."""
    base = Image.fromarray(np.kron(COLOUR[:2, :3], np.ones((8, 8, 1), np.uint8)))
    if mode == "1":
        base = base.convert("1").convert("RGB")
    elif mode in ("L", "LA", "PA", "La"):
        base = base.convert("L").convert("RGB")
    steps = {"RGBa": ["RGBA", "RGBa"], "La": ["LA", "La"], "PA": ["LA", "PA"]}.get(mode, [mode])
    image = base
    for step in steps:
        image = image.convert(step, dither=Image.Dither.NONE) if step != "P" else image.quantize(16)
    rgb, remarks = rgb_of_image(image)
    assert rgb.shape == (16, 24, 3) and rgb.dtype == np.uint8 and remarks == []
    assert np.abs(rgb.astype(int) - np.asarray(base)).max() <= (12 if mode in ("LAB", "HSV", "YCbCr") else 1)


def test_colours_of_another_profile_are_those_that_people_see():
    """A profile made of sRGB with red and blue exchanged is undone; a profile that cannot be read changes nothing."""
    own = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    other = own.replace(b"rXYZ", b"tmp!").replace(b"bXYZ", b"rXYZ").replace(b"tmp!", b"bXYZ")
    other = other.replace("sRGB".encode("utf-16-be"), "GBR-".encode("utf-16-be"))

    def read(profile: bytes) -> np.ndarray:
        buffer = io.BytesIO()
        Image.fromarray(COLOUR).save(buffer, "PNG", icc_profile=profile)
        return decode_image(buffer.getvalue(), "x")

    assert np.array_equal(read(own), COLOUR) and np.array_equal(read(b"nonsense"), COLOUR)
    assert np.abs(read(other).astype(int) - COLOUR[..., ::-1]).max() <= 2
