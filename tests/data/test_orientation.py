"""Photos with an EXIF orientation: annotations that were drawn on the upright photo lie on it."""

import json
from pathlib import Path

import numpy as np
import pytest
from coco_trees import annotation, content, image
from PIL import Image, ImageOps

from partwise.data import open_dataset
from partwise.data.orientation import orientation_in_header, orientation_of
from partwise.data.source import DataSource
from partwise.data.splitting import split_annotated
from partwise.errors import PartwiseWarning

RED = (255, 0, 0)
POINTS = [[2, 3], [12, 3], [12, 8], [2, 8]]  # the red part of the upright photo
FLAT = [value for point in POINTS for value in point]
TURNED = range(2, 9)


def photo(path: Path, orientation: int, shape=(20, 30)) -> tuple[int, int]:
    """Write a photo whose red part is seen at POINTS; returns the size that is seen."""
    seen = np.full((*shape, 3), 90, np.uint8)
    seen[3:8, 2:12] = RED
    exif = Image.Exif()
    exif[0x0112] = orientation
    for back in range(1, 9):  # the orientation that undoes this one
        stored = turned_by(Image.fromarray(seen), back)
        if np.array_equal(turned_by(stored, orientation), seen):
            break
    path.parent.mkdir(parents=True, exist_ok=True)
    stored.save(path, exif=exif)
    return seen.shape[:2]


def turned_by(picture: Image.Image, orientation: int) -> Image.Image:
    picture.getexif()[0x0112] = orientation
    turned = ImageOps.exif_transpose(picture)
    return Image.fromarray(np.asarray(turned))


def write_yolo(root: Path, orientation: int) -> None:
    height, width = photo(root / "images" / "train" / "a.png", orientation)
    shares = " ".join(f"{x / width:.9f} {y / height:.9f}" for x, y in POINTS)
    (root / "labels" / "train").mkdir(parents=True)
    (root / "labels" / "train" / "a.txt").write_text(f"0 {shares}\n")
    (root / "data.yaml").write_text("train: images/train\nnames: [red]\n")


def write_labelme(root: Path, orientation: int) -> None:
    height, width = photo(root / "a.png", orientation)
    shape = {"label": "red", "points": POINTS, "group_id": None, "shape_type": "polygon"}
    (root / "a.json").write_text(
        json.dumps({"shapes": [shape], "imagePath": "a.png", "imageHeight": height, "imageWidth": width})
    )


def write_via(root: Path, orientation: int) -> None:
    photo(root / "a.png", orientation)
    xs, ys = zip(*POINTS, strict=True)
    shape = {"name": "polygon", "all_points_x": xs, "all_points_y": ys}
    region = {"shape_attributes": shape, "region_attributes": {"class": "red"}}
    (root / "via.json").write_text(json.dumps({"a": {"filename": "a.png", "size": 1, "regions": [region]}}))


def write_coco(root: Path, orientation: int, size: bool = True, **more) -> None:
    height, width = photo(root / "a.png", orientation)
    listed = image(size=(height, width)) if size else {"id": 1, "file_name": "a.png"}
    what = content([annotation(segmentation=[FLAT])], [listed | more])
    (root / "_annotations.coco.json").write_text(json.dumps(what))


def write_coco_without_sizes(root: Path, orientation: int) -> None:
    write_coco(root, orientation, size=False)


def write_coco_that_says_it(root: Path, orientation: int) -> None:
    write_coco(root, orientation, upright=1)


def colours_under_the_mask(root: Path) -> set[tuple[int, ...]]:
    (scene,) = open_dataset(root, "train")
    assert scene.size == (20, 30)
    return set(map(tuple, scene.image_HW3[scene.instance_ids_HW >= 1000].tolist()))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    "write", [write_yolo, write_labelme, write_via, write_coco_without_sizes, write_coco_that_says_it]
)
@pytest.mark.filterwarnings("error::partwise.errors.PartwiseWarning")
def test_what_was_drawn_on_the_upright_photo_lies_on_it(tmp_path, write, orientation):
    write(tmp_path, orientation)
    assert colours_under_the_mask(tmp_path) == {RED}


@pytest.mark.parametrize("orientation", TURNED)
def test_a_coco_file_with_sizes_is_read_by_them_and_a_size_of_both_is_a_warning(tmp_path, orientation):
    write_coco(tmp_path, orientation)
    if orientation > 4:  # only the upright photo has the size that the file says
        assert colours_under_the_mask(tmp_path) == {RED}
        return
    with pytest.warns(PartwiseWarning, match=f"orientation {orientation} turns the image, which keeps its size"):
        assert colours_under_the_mask(tmp_path) != {RED}


@pytest.mark.parametrize("orientation", range(5, 9))
def test_a_size_that_only_the_stored_photo_has_says_that_it_was_drawn_on_it(tmp_path, orientation):
    write_labelme(tmp_path, orientation)
    file = tmp_path / "a.json"
    shown = json.loads(file.read_text()) | {"imageHeight": 30, "imageWidth": 20}
    file.write_text(json.dumps(shown))
    with pytest.warns(PartwiseWarning, match="its truth has the size of the stored pixels"):
        (scene,) = open_dataset(tmp_path, "train")
    assert np.array_equal(scene.image_HW3, np.asarray(Image.open(tmp_path / "a.png")))


@pytest.mark.parametrize("orientation", TURNED)
def test_idd_is_drawn_on_the_stored_pixels(tmp_path, orientation):
    photo(tmp_path / "leftImg8bit" / "train" / "7" / "0_leftImg8bit.png", orientation)
    stored = np.asarray(Image.open(tmp_path / "leftImg8bit" / "train" / "7" / "0_leftImg8bit.png"))
    file = tmp_path / "gtFine" / "train" / "7" / "0_gtFine_polygons.json"
    file.parent.mkdir(parents=True)
    objects = [{"label": "car", "polygon": POINTS}]
    file.write_text(json.dumps({"imgHeight": stored.shape[0], "imgWidth": stored.shape[1], "objects": objects}))
    with pytest.warns(PartwiseWarning, match="look at both"):
        (scene,) = open_dataset(tmp_path, "train")
    assert np.array_equal(scene.image_HW3, stored)


@pytest.mark.parametrize("orientation", [1, 3, 6])
@pytest.mark.filterwarnings("error::partwise.errors.PartwiseWarning")
def test_the_split_of_drawn_data_is_read_as_the_data(tmp_path, orientation):
    write_labelme_twice(tmp_path / "own", orientation)
    split_annotated(DataSource(tmp_path / "own"), tmp_path / "out", val=0.5)
    for part in ("train", "val"):
        (scene,) = open_dataset(tmp_path / "out", part)
        assert set(map(tuple, scene.image_HW3[scene.instance_ids_HW >= 1000].tolist())) == {RED}


def write_labelme_twice(root: Path, orientation: int) -> None:
    write_labelme(root, orientation)
    shown = json.loads((root / "a.json").read_text())
    photo(root / "b.png", orientation, (40, 60))
    shown |= {"imagePath": "b.png", "imageHeight": 40, "imageWidth": 60}
    (root / "b.json").write_text(json.dumps(shown))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_in_the_header(tmp_path, suffix, orientation):
    photo(tmp_path / f"a{suffix}", orientation)
    with Image.open(tmp_path / f"a{suffix}") as opened:
        assert orientation_in_header(opened) == orientation
    with Image.open(tmp_path / f"a{suffix}") as opened:
        assert orientation_of(opened) == orientation


def test_a_png_without_exif_is_not_decoded_for_its_orientation(tmp_path, monkeypatch):
    Image.new("RGB", (3, 4)).save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as opened:
        monkeypatch.setattr(opened, "load", lambda: pytest.fail("the pixels were decoded"))
        assert orientation_in_header(opened) == 1
