"""`partwise bench robustness`: the changes, and what the table says of them."""

import json

import numpy as np
import pytest
from tiny_networks import tiny_model

from partwise.bench.robustness import AS_THEY_ARE, CHANGES, Changed, bench_robustness, robustness_text
from partwise.data.streets import Streets, render_dataset
from partwise.errors import PartwiseError

SCENE = Streets(1, (128, 256), seed=3)[0]
MOVES = {"turned by 10 degrees", "narrower: width 0.6", "half the size"}
changed = {name: Changed([SCENE], name)[0] for name in CHANGES}


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    root = tmp_path_factory.mktemp("robustness") / "T"
    render_dataset(root, {"train": 2}, (64, 128))
    return root


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_changes_the_image_and_the_truth_only_if_it_moves_pixels(name):
    one = changed[name]
    assert (one.image_HW3.dtype, one.semantic_HW.dtype, one.instance_ids_HW.dtype) == (
        SCENE.image_HW3.dtype,
        SCENE.semantic_HW.dtype,
        SCENE.instance_ids_HW.dtype,
    )
    assert one.image_HW3.shape[:2] == one.semantic_HW.shape == one.instance_ids_HW.shape
    assert np.array_equal(one.image_HW3, SCENE.image_HW3) == (name == AS_THEY_ARE)
    assert np.array_equal(one.instance_ids_HW, SCENE.instance_ids_HW) == (name not in MOVES)
    assert np.array_equal(one.semantic_HW, SCENE.semantic_HW) == (name not in MOVES)


def test_the_same_change_of_the_same_frame_is_the_same():
    for name, one in changed.items():
        assert np.array_equal(Changed([SCENE], name)[0].image_HW3, one.image_HW3)


def test_colours_do_what_their_names_say():
    value = lambda name: changed[name].image_HW3.astype(float)
    assert value("dark: brightness 0.4").mean() == pytest.approx(0.4 * SCENE.image_HW3.mean(), rel=0.03)
    assert value("bright: gamma 0.5").mean() > 1.2 * SCENE.image_HW3.mean()
    assert np.ptp(value("without colour"), axis=2).max() == 0
    assert value("hard: contrast 2").std() > 1.3 * SCENE.image_HW3.std()
    steps = lambda image: np.abs(np.diff(image, axis=1)).mean()
    assert steps(value("blur: sigma 2 px")) < 0.5 * steps(SCENE.image_HW3.astype(float))
    assert steps(value("noise: sigma 20")) > 1.5 * steps(SCENE.image_HW3.astype(float))
    red = np.full((8, 8, 3), (200, 0, 0), np.uint8)
    nothing = np.zeros((8, 8), np.uint8)
    turned = CHANGES["hue: half a turn"](type(SCENE)("", red, nothing, nothing.astype(np.int32))).image_HW3[0, 0]
    assert turned.argmin() == 0 and turned.max() == pytest.approx(200, abs=2)


def test_truth_and_image_move_together():
    """A scene whose image shows the truth still does after each change, but at the outlines."""
    squares = np.kron(np.random.default_rng(0).integers(1, 34, (4, 8)), np.ones((32, 32), int)).astype(np.uint8)
    scene = type(SCENE)("", np.repeat(7 * squares[..., None], 3, axis=2), squares, squares.astype(np.int32))
    for name in MOVES:
        one = Changed([scene], name)[0]
        inside = one.semantic_HW != one.label_set.void_id
        right = np.abs(one.image_HW3[..., 0].astype(int) - 7 * one.semantic_HW.astype(int)) <= 3
        assert right[inside].mean() > 0.75, name
        assert np.array_equal(one.instance_ids_HW[inside], one.semantic_HW[inside])
    height, width = SCENE.size
    assert changed["half the size"].size == (height // 2, width // 2)
    assert changed["narrower: width 0.6"].size == (height, round(0.6 * width))
    corner = changed["turned by 10 degrees"]
    assert corner.size == SCENE.size and corner.semantic_HW[0, 0] == corner.label_set.void_id
    assert not corner.image_HW3[0, 0].any()


def test_models_are_scored_on_every_change(frames, tiny_model_file, tmp_path):
    chosen = ["without colour", "half the size"]
    models = [str(tiny_model_file), str(tiny_model(tmp_path / "fcn.safetensors", semantic=True))]
    figures = bench_robustness(models, frames, changes=chosen, frames=2, threads=1)
    parts, semantic = figures["robustness"]
    assert list(parts["changes"]) == list(semantic["changes"]) == [AS_THEY_ARE, *chosen]
    for row in (parts, semantic):
        iou = [row["changes"][name]["iou_class"] for name in chosen]
        assert row["mean"]["iou_class"] == pytest.approx(np.mean(iou))
        assert row["kept"]["iou_class"] == pytest.approx(np.mean(iou) / row["changes"][AS_THEY_ARE]["iou_class"])
    assert semantic["mean"]["ap"] is None and semantic["kept"]["ap"] is None
    assert json.loads(json.dumps(figures)) == figures
    assert "mean of the changes" in robustness_text(figures) and "half the size" in robustness_text(figures)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--change", "rain"], "--change 'rain': unknown: give one of as they are, hue: a quarter turn"),
        (["--threads", "0"], "give frames from 0 (all) and threads from 1 on"),
        (["--split", "test"], "test"),
    ],
)
def test_bad_input_is_one_line(options, words, frames, tiny_model_file, complains):
    assert words in complains("bench", "robustness", tiny_model_file, "--data", frames, "--frames", "1", *options)


def test_wrong_paths_are_one_line(frames, tiny_model_file, tmp_path, complains):
    assert "nowhere" in complains("bench", "robustness", tiny_model_file, "--data", tmp_path / "nowhere")
    assert "none.safetensors" in complains("bench", "robustness", tmp_path / "none.safetensors", "--data", frames)


def test_two_models_of_one_name_are_refused(frames, tiny_model_file):
    with pytest.raises(PartwiseError, match="2 models are called model"):
        bench_robustness([str(tiny_model_file)] * 2, frames)
