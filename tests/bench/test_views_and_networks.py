"""`partwise bench views` and `partwise bench networks`."""

import json

import numpy as np
import pytest
from PIL import Image
from tiny_networks import tiny_model

from partwise.bench import views
from partwise.bench.networks import bench_networks
from partwise.bench.views import NEAR, Near, bench_views, framed, views_text
from partwise.cli import main
from partwise.data.streets import Streets, render_dataset
from partwise.errors import PartwiseError
from partwise.methods import MaskRcnnConfig, build_method
from partwise.methods.options import InferenceOptions
from partwise.recipes import recipe
from partwise.scoring import score
from partwise.training.checkpoint import save_model


@pytest.mark.parametrize("near", NEAR, ids=lambda near: near.name)
def test_a_framing_shows_the_largest_object_as_large_as_it_says(near):
    scene = Streets(1, (256, 512), seed=3)[0]
    things = {label.id for label in scene.label_set.things}
    sizes = {int(i): (scene.instance_ids_HW == i) for i in np.unique(scene.instance_ids_HW) if i // 1000 in things}
    sides = {i: max(np.ptp(axis) + 1 for axis in mask.nonzero()) for i, mask in sizes.items()}
    largest = max(sides, key=sides.__getitem__)
    photo = framed(scene, near)
    assert photo.size == near.size
    rows, columns = (photo.instance_ids_HW == largest).nonzero()
    share = max((np.ptp(rows) + 1) / near.size[0], (np.ptp(columns) + 1) / near.size[1])
    assert share == pytest.approx(near.fills, abs=0.08)


def test_a_framing_of_a_scene_without_objects_is_a_crop():
    scene = Streets(1, (64, 128), seed=3)[0]
    ids = np.where(scene.instance_ids_HW >= 1000, 7, scene.instance_ids_HW)
    empty = type(scene)("", scene.image_HW3, np.where(ids == 7, 7, scene.semantic_HW).astype(np.uint8), ids)
    assert framed(empty, Near("", (32, 48), 0.5)).size == (32, 48)


def test_networks_are_compared_with_the_first():
    figures = bench_networks(("demo", "parts_fast"), size=(64, 128), threads=1, repeats=1)
    first, second = figures["networks"]
    assert first["of_first"] == 1 and second["gflop"] > 0 and second["parameters"] > 0
    with pytest.raises(PartwiseError, match="give numbers from 1 on"):
        bench_networks(("demo",), threads=0)


@pytest.mark.usefixtures("auto_is_elsewhere")  # the views are compared on the processor where there is a GPU, too
def test_views_are_compared_on_every_framing(tmp_path, monkeypatch):
    monkeypatch.setattr("partwise.bench.views.NEAR", (Near("small", (64, 96), 0.8),))
    monkeypatch.setattr("partwise.bench.views.STREET_SIZES", ((64, 128),))
    render_dataset(tmp_path / "T", {"train": 2}, (64, 128))
    save_model(tmp_path / "m.safetensors", build_method(recipe("demo").method), {})
    figures = bench_views(str(tmp_path / "m.safetensors"), tmp_path / "T", frames=2, threads=1)
    assert len(figures["rows"]) == 3 * 4 and set(figures["means"]) == {row["rule"] for row in figures["rows"]}
    assert json.loads(json.dumps(figures)) == figures
    assert "equal area and overview" in views_text(figures)


@pytest.fixture
def frames_alone(monkeypatch):
    """Only the frames as they are, at the default scale without an overview."""
    monkeypatch.setattr(views, "NEAR", ())
    monkeypatch.setattr(views, "STREET_SIZES", ())
    monkeypatch.setattr(views, "RULES", views.RULES[:1])


@pytest.mark.usefixtures("auto_is_elsewhere", "frames_alone")
def test_each_frame_is_seen_at_a_size_of_its_own(tmp_path):
    for seed, size in enumerate(((64, 128), (160, 96))):
        render_dataset(tmp_path / "T", {"train": 1}, size, seed)
    model = str(tiny_model(tmp_path / "m.safetensors"))
    (row,) = bench_views(model, tmp_path / "T", frames=2, threads=1)["rows"]
    alone = score(tmp_path / "T", "train", model=model, options=InferenceOptions(device="cpu", overview=False))
    assert (row["ap"], row["iou_class"]) == (alone["instance"]["ap"], alone["semantic"]["iou_class"])


@pytest.mark.usefixtures("auto_is_elsewhere", "frames_alone")
def test_a_model_without_a_semantic_map_has_no_iou(tmp_path):
    render_dataset(tmp_path / "T", {"train": 1}, (64, 128))
    save_model(tmp_path / "m.safetensors", build_method(MaskRcnnConfig(channels=8)), {})
    figures = bench_views(str(tmp_path / "m.safetensors"), tmp_path / "T", frames=1, threads=1)
    assert [row["iou_class"] for row in figures["rows"]] == [None] and figures["rows"][0]["ap"] is not None


def test_views_of_a_semantic_model_or_without_truth_are_refused(tmp_path):
    render_dataset(tmp_path / "T", {"train": 1}, (64, 128))
    semantic = str(tiny_model(tmp_path / "fcn.safetensors", semantic=True))
    with pytest.raises(PartwiseError, match="a semantic model finds no objects"):
        bench_views(semantic, tmp_path / "T", progress=lambda *_: pytest.fail("it has begun"))
    for file in (tmp_path / "T").rglob("*gtFine*.png"):
        Image.fromarray(np.zeros((64, 128), np.uint16 if "instanceIds" in file.name else np.uint8)).save(file)
    with pytest.raises(PartwiseError, match="no pixel of an evaluated class"):
        bench_views(
            str(tiny_model(tmp_path / "m.safetensors")), tmp_path / "T", progress=lambda *_: pytest.fail("begun")
        )


def test_a_share_out_of_range_is_one_line(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["render", str(tmp_path / "T"), "--pavement", "2"])
    assert "give a share of the scenes from 0 to 1" in " ".join(capsys.readouterr().err.split())
