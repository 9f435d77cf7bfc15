"""VIA, labelme and IDD: polygons as drawing tools store them."""

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from partwise.data import open_dataset
from partwise.data.cityscapes import CityscapesFolder
from partwise.data.dataset import described
from partwise.data.polygons.coco_content import coco_content_of
from partwise.data.polygons.coco_file import read_records
from partwise.errors import PartwiseError

SIZE = (20, 30)
POINTS = [[2, 2], [10, 2], [10, 8], [2, 8]]  # 48 pixels


def photo(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*SIZE, 3), 90, np.uint8)).save(path)


def via_region(points=POINTS, attributes=None, **shape) -> dict:
    xs, ys = [p[0] for p in points], [p[1] for p in points]
    drawn = shape or {"name": "polygon", "all_points_x": xs, "all_points_y": ys}
    return {"shape_attributes": drawn, "region_attributes": {"class": "car"} if attributes is None else attributes}


def write_via(file: Path, regions, project: bool = False, name: str = "a.png") -> Path:
    photo(file.parent / name)
    entries = {f"{name}123": {"filename": name, "size": 123, "regions": regions, "file_attributes": {}}}
    content = {"_via_settings": {}, "_via_img_metadata": entries, "_via_attributes": {}} if project else entries
    file.write_text(json.dumps(content))
    return file


@pytest.mark.parametrize("project", [False, True])
def test_via_2_lists_and_via_1_dictionaries(tmp_path, project):
    regions = [via_region(), via_region(name="rect", x=15, y=2, width=6, height=4, attributes={"class": "bus"})]
    write_via(tmp_path / "two" / "via_project.json", regions, project)
    write_via(tmp_path / "one" / "via_region_data.json", dict(enumerate(regions)), project)
    for folder in ("two", "one"):
        data = open_dataset(tmp_path / folder, "train")
        names = [data.label_set.name_of(label) for label in data[0].instances.labels.tolist()]
        assert sorted(zip(names, data[0].instances.areas.tolist(), strict=True)) == [("bus", 24), ("car", 48)]
        assert "VIA" in described(data)


def test_via_splits_circles_points_and_ticked_boxes(tmp_path):
    circle = via_region(name="circle", cx=10, cy=10, r=6, attributes={"kind": {"car": True, "bus": False}})
    point = via_region(name="point", cx=1, cy=1, attributes={"kind": {"car": True}})
    for split in ("train", "val"):
        write_via(tmp_path / split / "via_region_data.json", [circle, point])
    data = open_dataset(tmp_path, "validation")
    assert data.split == "val" and abs(data[0].instances.areas[0] - np.pi * 36) < 6
    assert "1 shape of the kind 'point'" in str(data.annotated.warnings[0])


def test_a_via_region_without_a_class_is_a_fault(tmp_path):
    write_via(tmp_path / "via.json", [via_region(), via_region(attributes={})])
    with pytest.raises(PartwiseError, match=r"via.json: a.png region 2: its attribute 'class' names no single class"):
        open_dataset(tmp_path, "train")


def labelme_shape(label="car", points=POINTS, kind="polygon", group=None, **more) -> dict:
    return {"label": label, "points": points, "group_id": group, "shape_type": kind, "flags": {}} | more


def write_labelme(file: Path, shapes: list[dict], **more) -> Path:
    photo(file.with_suffix(".png"))
    content = {"version": "5.4.1", "flags": {}, "shapes": shapes, "imagePath": file.with_suffix(".png").name}
    file.write_text(json.dumps(content | {"imageData": None, "imageHeight": SIZE[0], "imageWidth": SIZE[1]} | more))
    return file


def test_labelme_shapes(tmp_path):
    buffer = io.BytesIO()
    Image.fromarray(np.ones((3, 4), bool)).save(buffer, "PNG")
    mask = {"mask": base64.b64encode(buffer.getvalue()).decode()}
    shapes = [
        labelme_shape(group=1),
        labelme_shape(points=[[12, 2], [16, 2], [16, 6], [12, 6]], group=1),
        labelme_shape("bus", [[20, 2], [26, 5]], "rectangle"),
        labelme_shape("man", [[20, 10], [23, 12]], "mask", **mask),
        labelme_shape("man", [[5, 14], [8, 14]], "circle"),
        labelme_shape("man", [[5, 5]], "point"),
    ]
    write_labelme(tmp_path / "train" / "street.json", shapes)
    write_labelme(tmp_path / "val" / "other.json", [labelme_shape()])
    data = open_dataset(tmp_path, "train")
    found = {}
    for label, area in zip(data[0].instances.labels.tolist(), data[0].instances.areas.tolist(), strict=True):
        found.setdefault(data.label_set.name_of(label), []).append(area)
    assert found["car"] == [48 + 16] and found["bus"] == [18] and 12 in found["man"] and len(found["man"]) == 2
    assert "'point'" in str(data.annotated.warnings[0])
    assert len(open_dataset(tmp_path, "val")) == 1


def mask_shape(x: int, y: int, pixels: np.ndarray, label: str = "car", group: int | None = None) -> dict:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    corners = [[x, y], [x + pixels.shape[1] - 1, y + pixels.shape[0] - 1]]
    return labelme_shape(label, corners, "mask", group, mask=base64.b64encode(buffer.getvalue()).decode())


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_masks_and_polygons_of_one_group_of_labelme_are_one_instance(tmp_path, order):
    ring = np.ones((4, 5), bool)
    ring[1:3, 1:4] = False
    parts = [mask_shape(2, 10, ring, group=1), mask_shape(20, 10, ring, group=1), labelme_shape(group=1)]
    others = [mask_shape(12, 3, ring), mask_shape(20, 3, ring, group=2), mask_shape(12, 14, ring, "bus", group=1)]
    write_labelme(tmp_path / "a.json", [*(parts[n] for n in order), *others])
    data = open_dataset(tmp_path, "train")
    scene, expected = data[0], np.zeros(SIZE, bool)
    expected[2:8, 2:10] = expected[10:14, 2:7] = expected[10:14, 20:25] = True
    expected[11:13, 3:6] = expected[11:13, 21:24] = False
    masks = [scene.instances.full_mask(n) for n in range(len(scene.instances))]
    assert sorted(int(mask.sum()) for mask in masks) == [14, 14, 14, 14 + 14 + 48]
    assert sum(np.array_equal(mask, expected) for mask in masks) == 1
    content = coco_content_of(data.annotated)  # as the split of data writes it
    again = read_records(content, "again", [tmp_path])
    assert all(
        np.array_equal(crop_of(again, n)[1], crop_of(data.annotated, n)[1]) for n in range(len(data.annotated.table))
    )


def crop_of(annotated, n: int):
    return annotated.table.crop(n, SIZE)


def test_a_shape_of_a_mixed_group_is_checked_as_any_other(tmp_path):
    far = labelme_shape(points=[[1, 1], [1e12, 1], [1e12, 9]], group=1)
    write_labelme(tmp_path / "a.json", [mask_shape(2, 10, np.ones((4, 5), bool), group=1), far])
    with pytest.raises(PartwiseError, match=r"a.json shape 1' of image a: its polygon .* leaves the 30x20 image"):
        open_dataset(tmp_path, "train")


def test_a_labelme_file_that_cannot_be_read_is_named(tmp_path):
    write_labelme(tmp_path / "a.json", [labelme_shape()])
    (tmp_path / "b.json").write_text('{"shapes": [')
    write_labelme(tmp_path / "c.json", [labelme_shape(points=[[1, 1], [2, 2]])])
    with pytest.raises(PartwiseError, match=r"b.json: not JSON"):
        open_dataset(tmp_path, "train")
    (tmp_path / "b.json").unlink()
    with pytest.raises(PartwiseError, match=r"c.json shape 1' of image c: its polygon has 2 points"):
        open_dataset(tmp_path, "train")


def write_idd(root: Path, objects: list[dict]) -> None:
    photo(root / "leftImg8bit" / "train" / "7" / "000_leftImg8bit.png")
    file = root / "gtFine" / "train" / "7" / "000_gtFine_polygons.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"imgHeight": SIZE[0], "imgWidth": SIZE[1], "objects": objects}))


def test_idd_lays_each_object_over_those_before_it(tmp_path):
    whole = [[0, 0], [30, 0], [30, 15], [0, 15]]
    beside = [[15, 2], [25, 2], [25, 8], [15, 8]]
    objects = [
        {"label": "road", "polygon": whole},
        {"label": "autorickshaw", "polygon": POINTS},
        {"label": "cargroup", "polygon": beside},
        {"label": "bus", "polygon": whole, "deleted": 1},
        {"label": "person", "polygon": [[3, 3], [6, 3], [6, 6], [3, 6]]},
        {"label": "car", "polygon": [[1, 1], [2, 2]]},
        {"label": "sky", "polygon": [[3, 3], [5, 3], [5, 5], [3, 5]]},
    ]
    write_idd(tmp_path, objects)
    data = open_dataset(tmp_path, "train")
    scene, names = data[0], data.label_set.name_of
    assert [names(label) for label in scene.instances.labels.tolist()] == ["person", "autorickshaw"]
    assert scene.instances.areas.tolist() == [9 - 4, 48 - 9]  # the sky is seen through the person
    assert [names(scene.semantic_HW[y, x]) for y, x in ((0, 0), (18, 0), (4, 20), (3, 3))] == [
        "road",
        "unlabeled",
        "car",
        "sky",
    ]
    assert scene.instance_ids_HW[4, 20] == data.label_set["car"].id  # a group
    assert "fewer than three points" in str(data.annotated.warnings[0])
    assert not CityscapesFolder.recognises(tmp_path)


def test_idd_names_a_class_that_it_does_not_have(tmp_path):
    write_idd(tmp_path, [{"label": "spaceship", "polygon": POINTS}])
    with pytest.raises(PartwiseError, match=r"category 'spaceship' .* is no class of idd"):
        open_dataset(tmp_path, "train")


@pytest.mark.parametrize(
    ("objects", "words"),
    [
        ([7], "object 1 has no label"),
        ([{"label": "car", "polygon": 7}], "object 1: its points are '7', a list of points"),
        ([{"label": "car", "polygon": [[1, 1], [2]]}], "object 1: its points are"),
        (7, "has no list 'objects'"),
    ],
)
def test_damaged_polygons_of_idd_are_one_line(tmp_path, objects, words):
    write_idd(tmp_path, objects)
    with pytest.raises(PartwiseError, match=words) as error:
        open_dataset(tmp_path, "train")
    assert str(error.value).count("\n") == 0 and "000_gtFine_polygons.json" in str(error.value)


@pytest.mark.parametrize(
    ("regions", "words"),
    [
        (["a"], "a.png region 1 has no shape"),
        ([{"shape_attributes": [], "region_attributes": {"class": "car"}}], "a.png region 1 has no shape"),
        ([via_region() | {"region_attributes": None}], "a.png region 1: its attribute"),
        ([via_region(name="circle", cx=10, cy=10, r=10**400)], "a.png region 1 has no shape|has 0 points"),
    ],
)
def test_damaged_regions_of_via_are_one_line(tmp_path, regions, words):
    write_via(tmp_path / "via.json", regions)
    with pytest.raises(PartwiseError, match=words) as error:
        open_dataset(tmp_path, "train")
    assert str(error.value).count("\n") == 0


def test_a_polyline_of_via_has_no_area(tmp_path):
    line = via_region(name="polyline", all_points_x=[1, 9, 9], all_points_y=[1, 1, 9])
    write_via(tmp_path / "via.json", [via_region(), line])
    data = open_dataset(tmp_path, "train")
    assert data.instance_count == 1 and "'polyline'" in str(data.annotated.warnings[0])


@pytest.mark.parametrize(
    ("shape", "more"),
    [
        (labelme_shape(points=[], kind="rectangle"), {}),
        (labelme_shape(points=[[1, 1]], kind="circle"), {}),
        (labelme_shape(points=[[float("inf"), 1], [3, 3]], kind="mask", mask=""), {}),
        (labelme_shape(points=[[1, 1], [3, 3]], kind="mask", mask=""), {"imageHeight": "a"}),
        (7, {}),
    ],
)
def test_damaged_shapes_of_labelme_are_one_line(tmp_path, shape, more):
    write_labelme(tmp_path / "a.json", [labelme_shape(), shape], **more)
    with pytest.raises(PartwiseError, match=r"a.json.* shape 2") as error:
        open_dataset(tmp_path, "train")
    assert str(error.value).count("\n") == 0


def test_a_labelme_rectangle_of_four_corners(tmp_path):
    write_labelme(tmp_path / "a.json", [labelme_shape(kind="rectangle")])
    assert open_dataset(tmp_path, "train")[0].instances.areas.tolist() == [48]


def test_json_that_is_nested_too_deeply_is_one_line(tmp_path):
    deep = "[" * 100_000
    for name, start in (("via", '{"_via_settings": '), ("labelme", '{"shapes": [')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.json").write_text(start + deep)
        with pytest.raises(PartwiseError, match=r"a.json: not JSON"):
            open_dataset(tmp_path / name, "train")
