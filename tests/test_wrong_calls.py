"""What a Segmenter is given and cannot take: one line that says which value, and what to give."""

import re

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_networks import tiny_model

from partwise.device import find_device
from partwise.errors import PartwiseError
from partwise.segmenter import load


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_model(tmp_path_factory.mktemp("models") / "model.safetensors")


@pytest.fixture(scope="module")
def segment(model):
    return load(model)


@pytest.fixture
def pixels(scenes) -> np.ndarray:
    return np.ascontiguousarray(scenes[0].image_HW3[:64, :96])


CALLS = {
    "scale '2': give a number above 0": {"scale": "2"},
    "scale None: give a number": {"scale": [None]},
    "scale 'x': give a number": {"scale": ["x"]},
    "scale tensor": {"scale": torch.tensor(0.5)},
    "min_score 'a': give a number in 0..1": {"min_score": "a"},
    "min_score nan: give a number in 0..1": {"min_score": float("nan")},
    "min_score None: give a number": {"min_score": None},
    "min_score 2: give a number": {"min_score": 2},
    "name 5: give a text": {"name": 5},
    "flip 'no': give True or False": {"flip": "no"},
    "distinct None: give True or False": {"distinct": None},
}


@pytest.mark.parametrize("says", CALLS)
def test_options_of_a_call(says, segment, pixels):
    with pytest.raises(PartwiseError) as caught:
        segment(pixels, **CALLS[says])
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_numbers_of_numpy_are_numbers(segment, pixels):
    options = {"min_score": np.float32(0.1), "flip": np.bool_(False), "distinct": 1}
    assert segment(pixels, scale=np.float64(0.5), **options) == segment(pixels, scale=0.5, min_score=0.1, distinct=True)
    assert segment(pixels, scale=np.array([0.5, 1.0])) == segment(pixels, scale=(0.5, 1.0))


@pytest.mark.parametrize("point", ["a", (1,), (1.5, 2), 5, (float("nan"), 1), {"x": 1, "y": 2}, (1, 2, 3)], ids=str)
def test_pixels(point, segment, pixels):
    with pytest.raises(PartwiseError, match=r"give \(x, y\), two whole numbers"):
        segment.explain(pixels, point)


def test_a_pixel_of_an_array_is_one(segment, pixels):
    assert segment.explain(pixels, np.array([5, 6])).to_json() == segment.explain(pixels, (5, 6)).to_json()


def test_several_sizes_where_one_is_seen(segment, pixels):
    for look in (segment.seen, lambda image, scale: segment.explain(image, (5, 5), scale)):
        with pytest.raises(PartwiseError, match=r"scale \(1, 2\): give one number here"):
            look(pixels, (1, 2))


SINGLE = ["a.png", b"x", np.zeros((4, 5, 3), np.uint8), torch.zeros(3, 4, 5), None, 5, Image.new("L", (4, 5))]


@pytest.mark.parametrize("images", SINGLE, ids=lambda images: type(images).__name__)
def test_a_stream_of_a_single_image(images, segment):
    with pytest.raises(PartwiseError, match="is not several images: give a list"):
        segment.stream(images)


def test_a_stream_takes_whatever_gives_images(segment, pixels):
    expected = segment(pixels)
    for images in ([pixels], (one for one in [pixels]), pixels[None], torch.from_numpy(pixels.copy())[None]):
        assert list(segment.stream(images)) == [expected]
    assert list(segment.stream([])) == []


def test_a_name_comes_from_the_file_of_an_image(segment, pixels, tmp_path):
    Image.fromarray(pixels).save(tmp_path / "street.png")
    with Image.open(tmp_path / "street.png") as image:
        assert segment(image).name == "street" and segment(image, name="other").name == "other"
    with (tmp_path / "street.png").open("rb") as file:
        assert segment(file).name == "street"


@pytest.mark.parametrize("name", ["cuda:999999999999", 3, -1, None, []])
def test_devices(name, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(PartwiseError, match=re.escape(f"device {name!r}")):
        find_device(name)
    assert find_device(torch.device("cpu")) == "cpu"


@pytest.mark.parametrize("precision", ["fp8", 16, ["no"], torch.bfloat16, np.array(["no", "bf16"])], ids=str)
def test_precisions(model, precision):
    with pytest.raises(PartwiseError, match=re.escape(f"precision {precision!r}: give no, bf16 or auto")):
        load(model, precision=precision)


@pytest.mark.parametrize(
    ("decode", "says"),
    [
        ([1], "decode [1]: give a dict of fields"),
        ("nms_iou=0.5", "decode 'nms_iou=0.5': give a dict"),
        ({1: 2}, "unknown field of method.decode '1'"),
        ({"nms_iou": "a"}, "method.decode.nms_iou='a': input should be a valid number"),
        ({"nms_iou": None}, "method.decode.nms_iou=None"),
        ({"nms_iou": float("nan")}, "method.decode.nms_iou=nan: input should be"),
        ({"max_instances": 2.5}, "method.decode.max_instances=2.5"),
        ({"scale": [1, 2]}, "method.decode.scale="),
    ],
)
def test_fields_of_the_decoder(model, decode, says):
    with pytest.raises(PartwiseError, match=re.escape(says)) as caught:
        load(model, decode=decode)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [5, b"streets", ["streets"], "a" * 300, "a\0b", "street"], ids=lambda m: repr(m)[:12])
def test_models(name):
    with pytest.raises(PartwiseError, match=r"give a \.safetensors, \.onnx or \.xml file, a run folder, or streets"):
        load(name)


@pytest.mark.parametrize("batch", [1, 2])
def test_several_images_with_one_name(segment, pixels, batch):
    with pytest.raises(PartwiseError, match=r"^stream: name 'x': images cannot have one name: leave it out$"):
        segment.stream([pixels, pixels], batch=batch, name="x")
