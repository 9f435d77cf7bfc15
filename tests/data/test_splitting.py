"""A split without copies of one photo on both sides, and photos that are there twice."""

import base64
import io
import json
from pathlib import Path

import coco_trees
import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from partwise.data.dataset import described, open_dataset
from partwise.data.duplicates import NEAR_BITS, hashes_of_copies, near_pairs, photo_hash, photo_key
from partwise.data.image_files import write_png
from partwise.data.splitting import split_groups, split_images, write_split
from partwise.errors import PartwiseError

HASH = "0123456789abcdef0123456789abcdef"


def picture(scenes, i: int) -> np.ndarray:
    return scenes[i].image_HW3


def bits(a: np.ndarray, b: np.ndarray) -> int:
    """How many bits the hash of `b` and that of the nearest copy of `a` differ in."""
    return int(np.bitwise_count(hashes_of_copies(a) ^ photo_hash(b)).sum(axis=-1).min())


def test_copies_have_near_hashes_and_other_scenes_have_not(scenes):
    one, other = picture(scenes, 0), picture(scenes, 1)
    smaller = np.asarray(Image.fromarray(one).resize((128, 64)))
    darker = (one * 0.8).astype(np.uint8)
    for copy in (one, one[:, ::-1], np.rot90(one), smaller, darker):
        assert bits(one, np.ascontiguousarray(copy)) <= NEAR_BITS
    assert bits(one, other) > NEAR_BITS
    copies, hashes = np.array([hashes_of_copies(one)]), np.array([photo_hash(other), photo_hash(darker)])
    assert [(n, m) for n, m, _ in near_pairs(copies, hashes)] == [(0, 1)]


@pytest.mark.parametrize(
    ("name", "key"),
    [
        (f"a_jpg.rf.{HASH}.jpg", "a_jpg"),
        (f"deep/a_jpg.rf.{HASH[::-1]}.jpg", "a_jpg"),
        ("lima/1.jpg", "lima/1.jpg"),
        ("a.rf.jpg", "a.rf.jpg"),
    ],
)
def test_copies_that_roboflow_made_have_one_key(name, key):
    assert photo_key(name) == key


@pytest.mark.parametrize("val", [0.1, 0.2, 0.5, 0.8])
@pytest.mark.parametrize("seed", range(5))
def test_groups_stay_together_and_the_share_is_met_as_nearly_as_groups_allow(val, seed):
    groups = [i // 3 for i in range(90)]
    chosen = split_groups(groups, val, seed)
    assert len({(group, inside) for group, inside in zip(groups, chosen, strict=True)}) == 30
    assert abs(sum(chosen) - val * 90) <= 1.5
    assert split_groups(groups, val, seed) == chosen != split_groups(groups, val, seed + 1)


@pytest.mark.parametrize("seed", range(8))
def test_a_group_that_is_far_too_large_is_not_in_val(seed):
    assert 15 <= sum(split_groups([0] * 80 + list(range(1, 21)), 0.15, seed)) <= 16


def test_both_parts_have_a_group():
    assert sorted(split_groups([0, 0, 0, 1], 0.01, 0)) in ([False] * 3 + [True], [False] + [True] * 3)
    with pytest.raises(PartwiseError, match="a split needs two"):
        split_groups([0, 0, 0], 0.2, 0)
    with pytest.raises(PartwiseError, match="above 0 and below 1"):
        split_groups([0, 1], 1.0, 0)


def test_copies_by_name_and_by_look_are_on_one_side(scenes):
    pictures = [picture(scenes, i) for i in (0, 1, 2, 3)]
    images = [*pictures, pictures[3][:, ::-1].copy(), pictures[0]]
    names = [f"a_jpg.rf.{HASH}.jpg", f"a_jpg.rf.{HASH[::-1]}.jpg", "c.jpg", "d.jpg", "copy of d.jpg", "e.jpg"]
    for seed in range(6):
        split = split_images(names, images.__getitem__, val=0.4, seed=seed)
        sides = {place: part for part, places in split.parts.items() for place in places}
        assert split.groups == 3 and split.near == 2
        assert sides[0] == sides[1] == sides[5] and sides[3] == sides[4] and sorted(sides) == list(range(6))


def test_groups_by_an_expression(scenes):
    images = [picture(scenes, i) for i in (0, 1, 2, 3)]
    names = ["lima_1.jpg", "lima_2.jpg", "cusco_1.jpg", "cusco_2.jpg"]
    split = split_images(names, images.__getitem__, val=0.5, group_by=r"^([a-z]+)_")
    assert set(split.parts.values()) == {(0, 1), (2, 3)}
    with pytest.raises(PartwiseError, match=r"1 of 5 names do not match it, such as x\.jpg"):
        split_images([*names, "x.jpg"], images.__getitem__, group_by=r"^([a-z]+)_")
    with pytest.raises(PartwiseError, match="no regular expression"):
        split_images(names, images.__getitem__, group_by="(")


@pytest.mark.parametrize("given", ["folder", "file", "images elsewhere"])
def test_an_expression_is_searched_below_the_data_not_in_folders_above(tmp_path, scenes, says, complains, given):
    """All photos lie in a folder called sequence_1."""
    root = tmp_path / "sequence_1" / "own"
    names = {"train": [("sequence_2_a.png", 0), ("sequence_2_b.png", 1), ("sequence_3.png", 2), ("x.png", 3)]}
    coco_tree(root, scenes, names)
    if given == "images elsewhere":
        (root / "annotations").mkdir()
        root = (root / "train" / "_annotations.coco.json").rename(root / "annotations" / "instances_train.json")
    elif given == "file":
        root = root / "train" / "_annotations.coco.json"
    words = ["split", root, "--out", tmp_path / "out", "--val", "0.4", "--group-by"]
    said = complains(*words, "(sequence_[0-9])")
    assert "1 of 4 names do not match it, such as " in said and "own" not in said.split("such as")[1]
    assert "3 groups of copies" in says(*words, "(sequence_[0-9]|x)")


@pytest.mark.parametrize("copy", [False, True])
def test_the_parts_name_the_same_images_and_keep_every_id(copy, tmp_path, scenes):
    source = tmp_path / "own"
    source.mkdir()
    for name in ("a.png", "b.png"):
        write_png(source / name, picture(scenes, 0))
    content = {
        "info": {"year": 2020},
        "categories": [{"id": 4000, "name": "Moto"}],
        "images": [{"id": 7, "file_name": "a.png"}, {"id": "x", "file_name": "b.png"}],
        "annotations": [{"id": 3, "image_id": "x", "category_id": 4000}, {"id": 9, "image_id": 7, "category_id": 4000}],
    }
    paths = {"train": {7: source / "a.png"}, "val": {"x": source / "b.png"}}
    files = write_split(content, paths, tmp_path / "out", copy=copy)
    for file, image, annotation in zip(files, ("a.png", "b.png"), (9, 3), strict=True):
        written = json.loads(file.read_text())
        assert written["categories"] == content["categories"] and written["info"] == content["info"]
        assert [row["id"] for row in written["annotations"]] == [annotation]
        place = file.parent / written["images"][0]["file_name"]
        assert place.samefile(source / image) is not copy and place.read_bytes() == (source / image).read_bytes()
        assert not Path(written["images"][0]["file_name"]).is_absolute()
    with pytest.raises(PartwiseError, match="is there already"):
        write_split(content, paths, tmp_path / "out")


def test_an_image_that_is_listed_twice_is_copied_once_and_two_of_one_name_are_not_copied(tmp_path, scenes):
    for folder in ("a", "b"):
        write_png(tmp_path / folder / "1.png", picture(scenes, 0))
    content = {"images": [{"id": n, "file_name": "a/1.png"} for n in range(3)], "annotations": []}
    one, other = tmp_path / "a" / "1.png", tmp_path / "b" / "1.png"
    files = write_split(content, {"train": {0: one, 1: one}, "val": {2: other}}, tmp_path / "out", copy=True)
    assert [row["file_name"] for row in json.loads(files[0].read_text())["images"]] == ["1.png", "1.png"]
    with pytest.raises(PartwiseError, match="have one name"):
        write_split(content, {"train": {0: one, 1: other}, "val": {2: one}}, tmp_path / "other", copy=True)
    assert not (tmp_path / "other").exists()
    for file in files:
        file.unlink()
    with pytest.raises(PartwiseError, match=r"1\.png is there already"):
        write_split(content, {"train": {0: one, 1: one}, "val": {}}, tmp_path / "out", copy=True)


def coco_tree(root: Path, scenes, names: dict[str, list[tuple[str, int]]]) -> Path:
    """A COCO data set in Roboflow's layout: split -> (file name, scene that it shows)."""
    for part, files in names.items():
        (root / part).mkdir(parents=True)
        for name, i in files:
            write_png(root / part / name, scenes[i].image_HW3)
        rows = [{"id": n, "file_name": name, "width": 256, "height": 128} for n, (name, _) in enumerate(files)]
        box = [[10, 10, 60, 10, 60, 50, 10, 50]]
        drawn = [{"id": n, "image_id": n, "category_id": 4000, "segmentation": box} for n in range(len(files))]
        content = {"images": rows, "categories": [{"id": 4000, "name": "Moto"}], "annotations": drawn}
        (root / part / "_annotations.coco.json").write_text(json.dumps(content))
    return root


def test_the_command_splits_and_what_it_wrote_can_be_read_and_checked(tmp_path, scenes, says, complains, monkeypatch):
    names = {"train": [(f"a_png.rf.{HASH}.png", 0), (f"a_png.rf.{HASH[::-1]}.png", 1), ("b.png", 2), ("c.png", 3)]}
    root = coco_tree(tmp_path / "own", scenes, names)
    said = says("split", root, "--out", tmp_path / "out", "--val", "0.4")
    assert "3 groups of copies" in said
    train, val = (open_dataset(tmp_path / "out", part) for part in ("train", "val"))
    assert sorted([*train.names, *val.names]) == sorted(name.removesuffix(".png") for name, _ in names["train"])
    assert [one["id"] for one in val.label_set.coco_categories] == [4000]
    whole = open_dataset(root, "train")
    assert np.array_equal(val[0].image_HW3, whole[whole.names.index(val.names[0])].image_HW3)
    assert "same photo" not in says("check", tmp_path / "out")
    monkeypatch.setattr("partwise.data.splitting.read_image", None)  # both are found before an image is read
    assert "is there already" in complains("split", root, "--out", tmp_path / "out")
    assert "above 0 and below 1" in complains("split", root, "--out", tmp_path / "other", "--val", "1.5")


def drawn(root: Path, form: str, scenes) -> Path:
    """Four photos with a few shapes each, as a tool draws them, in one folder without splits."""
    (root / "images").mkdir(parents=True)
    regions = {}
    for n in range(4):
        name, points = f"{n}.png", [[10 + n, 10], [60, 10 + n], [60, 50], [10, 50]]
        write_png(root / "images" / name, scenes[n].image_HW3)
        crop = np.zeros((8, 6), np.uint8)
        crop[2:, n % 4 :] = 1
        buffer = io.BytesIO()
        Image.fromarray(crop).save(buffer, "PNG")
        mask = {"points": [[100, 20], [105, 27]], "mask": base64.b64encode(buffer.getvalue()).decode()}
        shapes = [{"label": "car", "points": points, "shape_type": "polygon"}]
        shapes += [{"label": "bus", "shape_type": "mask"} | mask] if n else []
        labelme = {"imagePath": name, "imageHeight": 128, "imageWidth": 256, "shapes": shapes}
        xs, ys = zip(*points, strict=True)
        shape = {"name": "polygon", "all_points_x": xs, "all_points_y": ys}
        regions[name] = {
            "filename": name,
            "regions": [{"shape_attributes": shape, "region_attributes": {"kind": "car"}}],
        }
        if form == "labelme":
            (root / "images" / f"{n}.json").write_text(json.dumps(labelme))
        if form == "YOLO":
            (root / "labels").mkdir(exist_ok=True)
            shares = " ".join(f"{x / 256} {y / 128}" for x, y in points)
            (root / "labels" / f"{n}.txt").write_text(f"1 {shares}\n0 0.5 0.5 0.2 0.2\n" if n else "")
            (root / "classes.txt").write_text("bus\ncar\n")
    if form == "VIA":
        (root / "images" / "via_project.json").write_text(json.dumps({"_via_img_metadata": regions}))
    return root


@pytest.mark.parametrize("form", ["YOLO", "VIA", "labelme"])
@pytest.mark.filterwarnings("ignore:.*label of a box", "ignore:.*labels of a box")
def test_drawings_of_other_tools_are_split_and_show_the_same(tmp_path, scenes, says, form):
    root = drawn(tmp_path / "own", form, scenes)
    whole = open_dataset(root, "train")
    assert f"{form}," in described(whole)
    says("split", root, "--out", tmp_path / "out", "--val", "0.3")
    parts = [open_dataset(tmp_path / "out", part) for part in ("train", "val")]
    assert sorted(name for part in parts for name in part.names) == [f"{n}" for n in range(4)]
    for part in parts:
        assert [label.file_id for label in part.label_set] == [label.file_id for label in whole.label_set]
        for scene in part:
            same = whole[whole.names.index(scene.name)]
            assert np.array_equal(scene.semantic_HW, same.semantic_HW)
            assert np.array_equal(scene.instance_ids_HW, same.instance_ids_HW)
    written = json.loads((tmp_path / "out" / "val" / "_annotations.coco.json").read_text())
    truth = COCO()
    truth.dataset = written
    truth.createIndex()
    assert all(truth.annToMask(one).sum() == one["area"] for one in written["annotations"])  # as pycocotools reads it


def test_other_formats_are_not_split(city_root, tmp_path, complains):
    assert "only COCO, YOLO, VIA and labelme data are split" in complains("split", city_root, "--out", tmp_path / "out")


def test_check_warns_of_photos_that_two_splits_share(tmp_path, scenes, says):
    names = {
        "train": [(f"a_png.rf.{HASH}.png", 0), ("b.png", 1)],
        "valid": [(f"a_png.rf.{HASH[::-1]}.png", 2), ("c.png", 1), ("d.png", 3)],
    }
    said = says("check", coco_tree(tmp_path / "own", scenes, names), "--json", tmp_path / "check.json")
    warnings = json.loads((tmp_path / "check.json").read_text())["warnings"]
    shared = [one for one in warnings if "of the split valid" in one["problem"]]
    assert [Path(one["file"]).name for one in shared] == [f"a_png.rf.{HASH[::-1]}.png", "c.png"]
    assert "same photo" in shared[0]["problem"] and "looks like" in shared[1]["problem"] and "partwise split" in said


def test_check_of_different_photos_has_no_such_warning(city_root, says):
    assert "partwise split" not in says("check", city_root)


def test_the_data_are_not_split_into_their_own_folder(tmp_path, scenes, complains):
    root = tmp_path / "data"
    images = [coco_trees.image(1, "a.png"), coco_trees.image(2, "b.png")]
    drawn = [coco_trees.annotation(n, n) for n in (1, 2)]
    coco_trees.write_coco(root / "_annotations.coco.json", coco_trees.content(drawn, images))
    assert "holds the data that are split" in complains("split", root, "--out", root)
    assert "holds the data that are split" in complains("split", root / "_annotations.coco.json", "--out", root)
    assert "seed -1: give a whole number from 0 on" in complains("split", root, "--out", tmp_path / "out", "--seed", -1)
    assert not (tmp_path / "out").exists()
