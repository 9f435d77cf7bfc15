"""An image in whatever form a Python program holds it."""

import io
import pathlib

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from partwise.data.given_image import as_image, name_of
from partwise.errors import PartwiseError, PartwiseWarning
from streeteval.reading.id_files import encode_png

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (12, 17, 3), np.uint8)
COLOUR[0, 0] = 255
FILE = encode_png(COLOUR)


@pytest.mark.parametrize(
    "form",
    [
        FILE,
        bytearray(FILE),
        memoryview(FILE),
        io.BytesIO(FILE),
        Image.open(io.BytesIO(FILE)),
        COLOUR.tolist(),
        COLOUR.astype(int),
        COLOUR / 255,
        (COLOUR / 255).astype(np.float16),
        np.asfortranarray(COLOUR),
        np.moveaxis(COLOUR, 2, 0),
        torch.from_numpy(COLOUR),
        torch.from_numpy(COLOUR).permute(2, 0, 1),
        (torch.from_numpy(COLOUR) / 255).requires_grad_(),
        torch.from_numpy(COLOUR).permute(2, 0, 1).bfloat16(),
        np.dstack([COLOUR, np.full(COLOUR.shape[:2], 255, np.uint8)]),
        torch.from_numpy(np.dstack([COLOUR, np.full(COLOUR.shape[:2], 255, np.uint8)])).permute(2, 0, 1),
    ],
    ids=lambda form: f"{type(form).__name__} {getattr(form, 'dtype', '')} {tuple(getattr(form, 'shape', ''))}",
)
def test_every_form_is_one_image(form):
    image = as_image(form)
    assert image.dtype == np.uint8 and np.array_equal(image, COLOUR)


def test_black_and_white_is_an_image(tmp_path):
    white = COLOUR[..., 0] > 99
    for form in (white, torch.from_numpy(white), Image.fromarray(white)):
        assert np.array_equal(as_image(form), np.repeat(white[..., None], 3, axis=2) * 255)


def damaged() -> Image.Image:
    return Image.open(io.BytesIO(FILE[: len(FILE) // 2]))


def closed() -> Image.Image:
    image = Image.open(io.BytesIO(FILE))
    image.close()
    return image


def closed_by_with(tmp_path: pathlib.Path) -> Image.Image:
    (tmp_path / "a.png").write_bytes(FILE)
    with Image.open(tmp_path / "a.png") as image:
        pass
    return image


def closed_file() -> io.BytesIO:
    file = io.BytesIO(FILE)
    file.close()
    return file


@pytest.mark.parametrize(
    ("form", "says"),
    [
        (lambda _: damaged(), "the PIL image is closed, damaged or cut short"),
        (lambda _: closed(), "the PIL image is closed, damaged or cut short"),
        (closed_by_with, "the PIL image is closed, damaged or cut short"),
        (lambda _: Image.new("RGB", (0, 5)), "0x5 pixels has none"),
        (lambda folder: folder, "this is a folder"),
        (lambda folder: folder / "none.png", "no such file"),
        (lambda _: "a" * 300, "cannot be read: file name too long"),
        (lambda _: "a\0b", "no file can have this name"),
        (lambda _: b"photo.png", "the bytes: not an image"),
        (lambda _: closed_file(), "cannot be read (I/O operation on closed file"),
        (lambda _: io.StringIO("x"), "gives text: open it with mode 'rb'"),
        (lambda _: None, "NoneType is no image: give a path, a PIL image"),
        (lambda _: 5, "int is no image"),
        (lambda _: {"image": COLOUR}, "dict is no image"),
        (lambda _: int, "type is no image"),
        (lambda _: ["a.png", "b.png"], "list is no image"),
        (lambda _: ["a.png", "b.png"], "stream() takes several images"),
        (lambda _: [[1, 2], [3]], "list is no image"),
        (lambda _: [COLOUR, COLOUR], "give one image (H, W)"),
        (lambda _: COLOUR.astype(complex), "ndarray is no image"),
        (lambda _: COLOUR.astype(object), "ndarray is no image"),
        (lambda _: np.array(5), "ndarray is no image"),
        (lambda _: torch.empty(5, 6, 3, device="meta"), "Tensor is no image"),
    ],
)
def test_what_is_no_image_is_one_line_that_says_what_to_give(form, says, tmp_path):
    with pytest.raises(PartwiseError) as caught:
        as_image(form(tmp_path))
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_the_name_is_that_of_the_file_as_far_as_it_is_known(tmp_path):
    path = tmp_path / "street.7.png"
    path.write_bytes(FILE)
    with path.open("rb") as file, Image.open(path) as image:
        assert [name_of(one) for one in (path, str(path), file, image)] == ["street.7"] * 4
    for nameless in (
        Image.open(io.BytesIO(FILE)),
        io.BytesIO(FILE),
        COLOUR,
        torch.zeros(3),
        FILE,
        Image.new("L", (1, 1)),
    ):
        assert name_of(nameless) is None


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_photo_taken_sideways_is_turned_wherever_it_comes_from(mode, scenes, tmp_path):
    exif, path = Image.Exif(), tmp_path / "sideways.jpg"
    exif[0x0112] = 6
    Image.fromarray(scenes[0].image_HW3).convert(mode).save(path, exif=exif)
    upright = as_image(path)
    assert upright.shape == (scenes[0].size[1], scenes[0].size[0], 3)
    assert np.array_equal(as_image(Image.open(path)), upright)
    assert np.array_equal(as_image(ImageOps.exif_transpose(Image.open(path))), upright)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16", "I", "F", "YCbCr"])
def test_every_mode_of_an_image_is_seen_as_the_file_of_it(mode, tmp_path):
    """TIFF holds all of these; the reader of files is tested by itself."""
    grey = np.arange(64 * 32, dtype=np.uint16).reshape(32, 64) % 256
    if mode == "I;16":
        image = Image.fromarray(grey * 257)
    else:
        image = Image.fromarray(np.dstack([grey, grey.T.reshape(32, 64), 255 - grey]).astype(np.uint8)).convert(mode)
    image.save(tmp_path / "image.tif")
    pixels = as_image(image)
    assert pixels.dtype == np.uint8 and pixels.shape == (32, 64, 3)
    assert np.array_equal(pixels, as_image(tmp_path / "image.tif"))


def test_arrays_that_are_images():
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (5, 7, 3), np.uint8)
    assert np.array_equal(as_image(rgb), rgb)
    assert np.array_equal(as_image(rgb[:, ::-1]), rgb[:, ::-1])
    for grey in (rgb[..., 0], rgb[..., :1], rgb[..., 0].astype(np.uint16) * 257):
        assert np.array_equal(as_image(grey), np.repeat(rgb[..., :1], 3, axis=2))
    opaque = np.dstack([rgb, np.full((5, 7), 255, np.uint8)])
    assert np.array_equal(as_image(opaque), rgb)
    clear = np.dstack([rgb, np.zeros((5, 7), np.uint8)])
    with pytest.warns(PartwiseWarning, match="every pixel is transparent"):
        assert (as_image(clear) == 255).all()


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((5, 7, 2), np.uint8),
        np.zeros((0, 7, 3), np.uint8),
        np.zeros((3,), np.uint8),
        np.zeros((1, 5, 7, 3), np.uint8),
    ],
    ids=lambda array: f"{array.shape}",
)
def test_arrays_that_are_no_image(array):
    with pytest.raises(PartwiseError, match=r"an array of shape .*: give one image \(H, W\)"):
        as_image(array)
