"""A model in Python: image in, instances out."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from tiny_networks import tiny_model, tiny_recipe

import partwise
from partwise import model_files
from partwise.device import find_device
from partwise.errors import PartwiseError
from partwise.methods import MaskRcnnConfig, build_method
from partwise.methods.options import InferenceOptions
from partwise.model_files import MODELS, find_model
from partwise.scene import Prediction
from partwise.segmenter import load
from partwise.training.checkpoint import save_model
from streeteval.instances import Instances
from streeteval.labels import CITYSCAPES


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_model(tmp_path_factory.mktemp("models") / "model.safetensors")


@pytest.fixture(scope="module")
def segment(model):
    return load(model)


def same(a, b) -> bool:
    return (
        np.array_equal(a.to_coco(), b.to_coco())
        and np.array_equal(a.semantic_HW, b.semantic_HW)
        and np.array_equal(a.scores, b.scores)
    )


def test_the_package_gives_load_and_the_nouns():
    assert partwise.load is load
    assert issubclass(type(Instances.empty((1, 1))), partwise.Instances)


def test_a_result_is_instances_with_a_semantic_map(segment, scenes, tmp_path):
    result = segment(scenes[0].image_HW3, name="street")
    assert isinstance(result, Instances) and len(result) > 0
    assert result.size == scenes[0].size == result.semantic_HW.shape
    assert set(np.unique(result.semantic_HW).tolist()) <= {label.id for label in CITYSCAPES.evaluated}
    assert set(result.labels.tolist()) <= {label.id for label in CITYSCAPES.things}
    assert result.origin["recipe"] == "tiny"
    paths = result.save(tmp_path)
    assert {path.name for path in paths} == {
        f"street{end}" for end in ("_overlay.png", "_instanceIds.png", "_labelIds.png", ".json")
    }
    record = json.loads((tmp_path / "street.json").read_text())
    assert len(record["instances"]) == len(result) and record["origin"]["recipe"] == "tiny"
    assert len(result.to_supervision()) == len(result)


def test_a_path_a_pil_image_and_an_array_are_one_image(segment, scenes, tmp_path):
    pixels = scenes[1].image_HW3
    Image.fromarray(pixels).save(tmp_path / "street.png")
    of_path = segment(tmp_path / "street.png")
    assert of_path.name == "street"
    assert same(of_path, segment(pixels))
    assert same(of_path, segment(str(tmp_path / "street.png")))
    assert same(of_path, segment(Image.fromarray(pixels)))
    assert all(same(of_path, one) for one in segment.stream([pixels, pixels]))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.tuples(st.integers(1, 80), st.integers(1, 80)))
def test_any_size_gives_a_result_of_that_size(segment, size):
    result = segment(np.full((*size, 3), 90, np.uint8))
    assert result.size == size == result.semantic_HW.shape


def test_distinct_leaves_out_second_classes_of_one_mask(segment, scenes, monkeypatch):
    mask = np.ones((8, 8), bool)
    found = Instances.from_masks([28, 31, 26], [0.9, 0.5, 0.3], [mask, mask, np.triu(mask, 6)])
    monkeypatch.setattr(segment.method, "predict", lambda *_: [Prediction(found, np.zeros((8, 8), np.uint8))])
    image = np.zeros((8, 8, 3), np.uint8)
    assert segment(image).labels.tolist() == [28, 31, 26]
    assert segment(image, distinct=True).labels.tolist() == [28, 26]
    assert next(segment.stream([image], distinct=True, min_score=0.4)).labels.tolist() == [28]


def test_scaled_down_it_is_the_small_image_and_its_result_enlarged(model, scenes):
    """With a scale the network sees `seen`, and the result has the size of what was given."""
    segment, image = load(model, options=InferenceOptions(overview=False)), scenes[0].image_HW3
    height, width = image.shape[:2]
    for scale, size in ((0.5, (height // 2, width // 2)), (2, (2 * height, 2 * width))):
        small = segment.seen(image, scale)
        assert small.shape == (*size, 3)
        result, direct = segment(image, scale=scale), segment(small, scale=1)
        assert result.size == (height, width) and np.array_equal(result.image_HW3, image)
        moved = direct.prediction.resized((height, width))
        assert np.array_equal(result.semantic_HW, moved.semantic_HW)
        assert result.to_coco() == moved.instances.to_coco() and len(result) > 0


def test_several_scales_find_what_each_finds(segment, scenes):
    """A scale twice is the scale once; two scales hold all that one of them holds, or a higher-scoring copy of it."""
    image = scenes[0].image_HW3
    once, twice = segment(image, scale=1.0), segment(image, scale=(1.0, 1.0))
    assert np.mean(once.semantic_HW == twice.semantic_HW) > 0.999 and len(once) == len(twice) > 0
    assert once.scores == pytest.approx(twice.scores, abs=1e-4)
    both, order = segment(image, scale=(1.0, 2.0)), segment(image, scale=(2.0, 1.0))
    assert both.size == scenes[0].size and same(both, order)
    assert both.semantic_HW.shape == scenes[0].size


def test_seen_with_its_mirror_image_a_photo_and_its_mirror_image_show_the_same(scenes):
    segment, image = load(), scenes[0].image_HW3
    plain, both = segment(image, min_score=0.1), segment(image, min_score=0.1, flip=True)
    turned = segment(np.ascontiguousarray(image[:, ::-1]), min_score=0.1, flip=True)
    assert (both.scores > 0.15).sum() > 1 and not same(plain, both)
    for one, other in ((both, turned), (turned, both)):
        for i in np.flatnonzero(one.scores > 0.15):  # one that is little above 0.1 may be little below it
            mask = one.full_mask(i)[:, ::-1]
            overlaps = [
                (mask & other.full_mask(n)).sum() / (mask | other.full_mask(n)).sum() for n in range(len(other))
            ]
            n = int(np.argmax(overlaps))
            assert overlaps[n] > 0.9 and other.labels[n] == one.labels[i]
            assert other.scores[n] == pytest.approx(one.scores[i], abs=0.02)
    assert np.mean(both.semantic_HW == turned.semantic_HW[:, ::-1]) > 0.99
    several = segment(image, min_score=0.1, flip=True, scale=(1.0, 2.0))
    assert several.size == both.size and not same(several, both)


def test_a_large_photo_is_seen_at_the_size_of_the_frames_that_networks_know(segment, scenes):
    large = np.ascontiguousarray(np.kron(scenes[0].image_HW3, np.ones((1, 3000 // scenes[0].size[1] + 1, 1), np.uint8)))
    assert large.shape[1] > 2048
    assert max(segment.seen(large).shape) == 2048
    assert segment.seen(scenes[0].image_HW3) is scenes[0].image_HW3
    assert segment(large).to_coco() == segment(large, scale=2048 / large.shape[1]).to_coco()


def test_a_model_says_how_large_it_sees_an_image(model, segment, scenes):
    """Its own scale holds in a call and in an explanation, up to the longest side, and where no other is given."""
    image, (height, width) = scenes[0].image_HW3, scenes[0].size
    enlarging = load(model, decode={"scale": 1.5})
    assert enlarging.seen(image).shape == (height * 3 // 2, width * 3 // 2, 3)
    semantic_HW = enlarging(image).semantic_HW  # instances may also come from an overview, see test_views.py
    assert np.array_equal(semantic_HW, segment(image, scale=1.5).semantic_HW)
    assert not np.array_equal(semantic_HW, segment(image, scale=1).semantic_HW)
    assert same(enlarging(image, scale=1), segment(image, scale=1))
    assert max(enlarging.seen(np.zeros((10, 1500, 3), np.uint8)).shape) == 2048
    x, y = 50, height - 9
    told, there = enlarging.explain(image, (x, y)), (x * 3 // 2, y * 3 // 2)
    assert told.to_json() == segment.explain(enlarging.seen(image), there).to_json() and told.point == there
    assert told.to_json() == segment.explain(image, (x, y), scale=1.5).to_json()
    with pytest.raises(PartwiseError, match=r"^method\.decode\.scale=0: input should be greater than 0"):
        load(model, decode={"scale": 0})


@pytest.mark.parametrize("scale", [0, -1.0, float("nan"), float("inf"), 9, (), (1, 0), [1, 9]])
def test_scales_that_are_none(segment, scenes, scale):
    with pytest.raises(PartwiseError, match="give a number above 0, at most 8"):
        segment(scenes[0].image_HW3, scale=scale)


def test_options_of_loading_hold_in_every_call_that_does_not_say_otherwise(model, segment, scenes):
    image = scenes[0].image_HW3
    enlarging = load(model, options=InferenceOptions(scale=1.5, flip=True))
    assert same(enlarging(image), segment(image, scale=1.5, flip=True))
    assert same(enlarging(image, flip=False), segment(image, scale=1.5))
    assert same(enlarging(image, scale=1.0, flip=False), segment(image, scale=1.0))
    assert np.array_equal(enlarging.seen(image), segment.seen(image, scale=1.5))
    only_scaled = load(model, options=InferenceOptions(scale=1.5))
    assert only_scaled.explain(image, (50, 40)).to_json() == segment.explain(image, (50, 40), scale=1.5).to_json()


def test_an_explanation_explains_the_prediction_with_the_mirror_image(model, segment, scenes):
    image = scenes[0].image_HW3
    mirrored = load(model, options=InferenceOptions(flip=True))
    told, plain = (one.explain(image, (50, 40)).prediction.instances.scores for one in (mirrored, segment))
    assert np.array_equal(told, mirrored(image).scores) and not np.array_equal(told, plain)


def test_device_and_precision_of_loading_replace_those_of_its_options(model):
    options = InferenceOptions(device="meta", precision="auto", flip=True)
    loaded = load(model, options=options, device="cpu", precision="no")
    assert loaded.options == InferenceOptions(device="cpu", precision="no", flip=True)
    assert (loaded.device, loaded.precision) == ("cpu", "no")


def test_a_model_that_cannot_flip_is_refused_when_it_is_loaded(tmp_path):
    torch.manual_seed(0)
    save_model(tmp_path / "m.safetensors", build_method(MaskRcnnConfig(channels=16)), {})
    with pytest.raises(PartwiseError, match="flip: MaskRcnn cannot average an image and its mirror image"):
        load(tmp_path / "m.safetensors", options=InferenceOptions(flip=True))


def test_min_score_leaves_out_and_changes_nothing_else(segment, scenes):
    every = segment(scenes[0].image_HW3)
    bound = float(np.median(every.scores))
    some = segment(scenes[0].image_HW3, min_score=bound)
    assert np.array_equal(some.scores, every.scores[every.scores >= bound])
    assert np.array_equal(some.semantic_HW, every.semantic_HW)


def test_bf16_differs_from_fp32_only_a_little(model, segment, scenes):
    coarse = load(model, precision="bf16")(scenes[0].image_HW3)
    assert np.mean(coarse.semantic_HW == segment(scenes[0].image_HW3).semantic_HW) > 0.8


def test_decode_fields_can_be_replaced(model, scenes):
    assert len(load(model, decode={"max_instances": 2})(scenes[0].image_HW3)) <= 2
    with pytest.raises(PartwiseError, match=r"max_instance.*did you mean 'max_instances'"):
        load(model, decode={"max_instance": 2})


def test_find_model(tmp_path, model, monkeypatch):
    run = tmp_path / "run"
    run.mkdir()
    with pytest.raises(PartwiseError, match=r"run: a folder without best\.safetensors"):
        find_model(run)
    (run / "last.safetensors").write_bytes(b"")
    assert find_model(run) == run / "last.safetensors"
    (run / "best.safetensors").write_bytes(b"")
    assert find_model(str(run)) == run / "best.safetensors"
    assert find_model(model) == model
    with pytest.raises(
        PartwiseError, match=r"no such model: give a \.safetensors, \.onnx or \.xml file, a run folder, or streets"
    ):
        find_model(tmp_path / "none")
    monkeypatch.setitem(MODELS.own, "streets", lambda: model)
    assert find_model() == find_model("streets") == model
    assert load().info.origin["recipe"] == "tiny"
    monkeypatch.setattr(model_files, "MODELS", {})
    with pytest.raises(PartwiseError, match=r"'streets' is not installed: in the repository pip install \./packages/"):
        load()


def test_a_device_that_is_not_here(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert find_device("auto") == find_device("cpu") == "cpu"
    for name in ("cuda", "cuda:0", "gpu", "meta", ""):
        with pytest.raises(PartwiseError, match=f"device '{name}'"):
            find_device(name)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert find_device("auto") == "cuda" and find_device("cuda:0") == "cuda:0"
    with pytest.raises(PartwiseError, match="torch sees 1 GPU here"):
        find_device("cuda:1")


@pytest.mark.parametrize(("gains", "precision"), [(True, "bf16"), (False, "no")])
def test_auto_is_bf16_where_it_gains(model, scenes, monkeypatch, gains, precision):
    monkeypatch.setattr("partwise.training.precision.gains_from_bf16", lambda device: gains)
    chosen = load(model, precision="auto")
    assert chosen.precision == precision
    assert same(chosen(scenes[0].image_HW3), load(model, precision=precision)(scenes[0].image_HW3))


def test_a_model_is_folded_without_changing_what_it_says(tmp_path, scenes):
    config = tiny_recipe().method
    torch.manual_seed(1)
    method = build_method(replace(config, decode=replace(config.decode, min_objectness=0.0))).eval()
    save_model(tmp_path / "m.safetensors", method, {})
    folded = load(tmp_path / "m.safetensors")(scenes[2].image_HW3)
    plain = method.predict(torch.from_numpy(scenes[2].image_HW3.copy()).permute(2, 0, 1)[None])[0]
    assert np.mean(folded.semantic_HW == plain.semantic_HW) > 0.999
    assert len(folded) == len(plain.instances)
