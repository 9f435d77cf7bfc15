"""Features are stored once, go on where they were stopped, and are refused where they are of something else."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from partwise.backbones import VggBackbone
from partwise.data.streets import Streets
from partwise.errors import PartwiseError
from partwise.methods.method import image_batch
from partwise_report.features import FeatureStore, FrozenVgg, StoredFrames, layers_of, store_features
from partwise_report.features.frames import Area
from partwise_report.study.guesses.frames import shown_frames

LAYERS = ("conv4_3", "conv5_3", "conv5_3_holes")


@pytest.fixture(scope="module")
def backbone():
    return FrozenVgg("random")


@pytest.fixture(scope="module")
def scenes():
    return list(Streets(2, (64, 128), seed=1))


@pytest.fixture(scope="module")
def store(backbone, scenes, tmp_path_factory):
    return store_features(scenes, backbone, LAYERS, tmp_path_factory.mktemp("s") / "store", data_name="streets")


def stop_at(count):
    def progress(done, total):
        if done == count:
            raise KeyboardInterrupt

    return progress


def test_what_is_stored_is_what_the_backbone_says(store, backbone, scenes):
    holes = VggBackbone(holes=True, taps="pool")
    holes.load_state_dict(backbone.plain.state_dict())
    with torch.inference_mode():
        image = image_batch(scenes[1].image_HW3) / 255.0
        image = (image - torch.tensor(holes.mean).view(3, 1, 1)) / torch.tensor(holes.std).view(3, 1, 1)
        said = {"conv5_3_holes": holes(image)[8], "pool5": backbone.plain(image)[32]}
    frames = StoredFrames(scenes, store)
    for name, wanted in said.items():
        torch.testing.assert_close(frames.maps(1, {8: name})[8], wanted, rtol=2e-3, atol=2e-3)


def test_a_stopped_store_goes_on_and_is_the_same(store, backbone, scenes, tmp_path):
    folder = tmp_path / "cut"
    with pytest.raises(KeyboardInterrupt):
        store_features(scenes, backbone, LAYERS, folder, data_name="streets", progress=stop_at(1))
    with pytest.raises(PartwiseError, match=r"holds 1 of 2 frames"):
        FeatureStore.open(folder)
    seen = []
    again = store_features(
        scenes, backbone, LAYERS, folder, data_name="streets", progress=lambda done, total: seen.append(done)
    )
    assert seen == [2]
    for name in LAYERS:
        np.testing.assert_array_equal(again.layer(name), store.layer(name))


def test_later_layers_are_made_from_a_stored_conv4_3(store, backbone, scenes, tmp_path):
    made = store_features(scenes, backbone, ("conv5_3_holes",), tmp_path / "made", data_name="streets", base=store)
    np.testing.assert_allclose(made.layer("conv5_3_holes"), store.layer("conv5_3_holes"), rtol=1e-2, atol=1e-2)
    save_file(VggBackbone().state_dict(), tmp_path / "other.safetensors")
    other = FrozenVgg(str(tmp_path / "other.safetensors"))
    with pytest.raises(PartwiseError, match="other weights"):
        store_features(scenes, other, ("conv5_3_holes",), tmp_path / "no", data_name="streets", base=store)


def test_a_slip_of_the_fifth_block_changes_what_is_stored(store, scenes, tmp_path):
    slipped = FrozenVgg("random", changes=["one_dilated_layer"])
    made = store_features(scenes, slipped, ("conv5_3_holes",), tmp_path / "made", data_name="streets", base=store)
    assert np.abs(made.layer("conv5_3_holes") - store.layer("conv5_3_holes")).max() > 0.1
    assert made.description.changes == ("one_dilated_layer",)


def test_a_store_of_something_else_is_refused(store, scenes, backbone):
    for others, name, named in ((scenes[:1], "streets", "frames"), (scenes, "city", "data")):
        with pytest.raises(PartwiseError, match=f"differ in {named}"):
            store_features(others, backbone, LAYERS, store.folder, data_name=name)


def test_a_folder_with_other_files_is_left_alone(backbone, scenes, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(PartwiseError, match="not empty"):
        store_features(scenes, backbone, LAYERS, tmp_path, data_name="streets")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_too_small_a_disk_is_said_before_anything_is_stored(backbone, scenes, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000})())
    with pytest.raises(PartwiseError, match=r"need 0\.0 GB"):
        store_features(scenes, backbone, LAYERS, tmp_path / "new", data_name="streets")
    assert not list((tmp_path / "new").iterdir())


def test_a_damaged_store_is_one_line(store, tmp_path):
    (tmp_path / "features.json").write_text(json.dumps({"kind": "other", "done": 1}))
    with pytest.raises(PartwiseError, match="cannot be read"):
        FeatureStore.open(tmp_path)
    FeatureStore.create(tmp_path / "cut", replace(store.description, data="other"))
    (tmp_path / "cut" / "conv4_3.npy").write_bytes(b"no array")
    with pytest.raises(PartwiseError, match=r"conv4_3\.npy"):
        FeatureStore.open(tmp_path / "cut", complete=False).layer("conv4_3")


def test_frames_of_unfit_sizes_are_refused(backbone, tmp_path):
    with pytest.raises(PartwiseError, match="multiples of 32 px"):
        store_features(list(Streets(1, (48, 96))), backbone, LAYERS, tmp_path / "a", data_name="streets")


def test_the_maps_of_a_part_are_a_part_of_the_maps(store, scenes):
    frames, area = StoredFrames(scenes, store), Area(32, 64, 32, 64)
    layers = {8: "conv4_3", 16: "pool4", 32: "pool5"}
    whole, part = frames.maps(0, layers), frames.maps(0, layers, area)
    for stride in layers:
        rows, columns = slice(32 // stride, 64 // stride), slice(64 // stride, 128 // stride)
        torch.testing.assert_close(part[stride], whole[stride][..., rows, columns])
    with pytest.raises(PartwiseError, match="multiples of 32 px"):
        frames.maps(0, layers, Area(0, 0, 40, 64))


def test_enlarged_frames_keep_their_truth(scenes):
    larger = shown_frames(scenes, 0, times=2)[0]
    assert larger.size == (128, 256)
    np.testing.assert_array_equal(larger.instance_ids_HW[::2, ::2], scenes[0].instance_ids_HW)


@pytest.mark.parametrize("holes", [False, True])
def test_every_map_of_vgg16_has_a_layer(holes):
    for taps in ("conv", "pool"):
        backbone = VggBackbone(holes=holes, taps=taps)
        assert layers_of(backbone).keys() == backbone.channels.keys()
