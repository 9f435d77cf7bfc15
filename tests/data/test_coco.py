"""COCO files: where they lie, what their annotations become, and every fault of them."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from unicodedata import normalize

import numpy as np
import pytest
from coco_trees import SQUARE, annotation, content, image, write_coco
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pycocotools import mask as coco_mask

from partwise.class_list import ClassEntry, label_set_of_classes
from partwise.data import open_dataset
from partwise.data.check import check
from partwise.data.dataset import described
from partwise.data.polygons.coco_file import read_records
from partwise.data.polygons.dataset import CocoFolder
from partwise.data.polygons.rasters import crop_of_polygons, crop_of_runs, runs_of_text
from partwise.errors import PartwiseError, PartwiseWarning


def opened(tmp_path: Path, what: dict, **options) -> CocoFolder:
    return open_dataset(write_coco(tmp_path / "train" / "_annotations.coco.json", what).parents[1], "train", **options)


def full(crop, size) -> np.ndarray:
    drawn = np.zeros(size, bool)
    if crop is not None:
        (x0, y0, x1, y1), mask = crop
        drawn[y0:y1, x0:x1] = mask
    return drawn


# --- masks ---


@given(
    st.lists(
        st.lists(st.floats(-8, 40), min_size=6, max_size=12).filter(lambda p: len(p) % 2 == 0), min_size=1, max_size=3
    )
)
def test_polygons_are_drawn_as_pycocotools_draws_them_on_the_whole_image(polygons):
    size = (24, 31)
    whole = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(polygons, *size))).astype(bool)
    crop = crop_of_polygons([np.array(one).reshape(-1, 2) for one in polygons], size)
    assert np.array_equal(full(crop, size), whole)


@pytest.mark.parametrize("decimals", [0, 1, 2, 6])
@pytest.mark.parametrize("span", [(0.0, 1.0), (-0.4, 1.4)], ids=["inside", "beyond"])
def test_polygons_of_few_decimals_are_drawn_as_on_the_whole_image(decimals, span):
    """pycocotools rounds points, and every step between them, in a way that depends on their place in the image."""
    rng = np.random.default_rng(decimals)
    differ = 0
    for _ in range(150):
        size = tuple(rng.integers(8, 500, 2).tolist())
        middle, reach = rng.uniform(*span, 2) * size[::-1], rng.uniform(2, 40)
        parts = [middle + rng.uniform(-reach, reach, (rng.integers(3, 9), 2)) for _ in range(rng.integers(1, 3))]
        polygons = [np.round(part, decimals) for part in parts]
        flat = [polygon.ravel().tolist() for polygon in polygons]
        whole = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(flat, *size))).astype(bool)
        differ += not np.array_equal(full(crop_of_polygons(polygons, size), size), whole)
    assert differ == 0


@pytest.mark.parametrize(
    "triangle", [[339, 285, 353, 277, 328, 311], [395, 302, 419, 315, 397, 300], [339, 285, 364, 251, 361, 259]]
)
def test_triangles_that_are_drawn_in_another_way_near_the_corner_of_the_image(triangle):
    size = (480, 640)
    whole = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects([triangle], *size))).astype(bool)
    assert np.array_equal(full(crop_of_polygons([np.array(triangle, float).reshape(-1, 2)], size), size), whole)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_run_lengths_are_read_as_pycocotools_reads_them(height, width, seed):
    mask = np.random.default_rng(seed).random((height, width)) < 0.5
    encoded = coco_mask.encode(np.asfortranarray(mask))
    assert np.array_equal(full(crop_of_runs(runs_of_text(encoded["counts"].decode()), mask.shape), mask.shape), mask)


def test_long_runs_survive_compression():
    mask = np.zeros((700, 900), np.uint8)
    mask[100:600, 200:201], mask[3:5, 800:] = 1, 1
    runs = runs_of_text(coco_mask.encode(np.asfortranarray(mask))["counts"].decode())
    assert runs.sum() == mask.size and np.array_equal(full(crop_of_runs(runs, mask.shape), mask.shape), mask == 1)


# --- what annotations become ---


def test_both_kinds_of_run_lengths_and_polygons_of_several_parts(tmp_path):
    mask = np.zeros((20, 30), np.uint8)
    mask[2:8, 2:10], mask[12:14, 20:25] = 1, 1
    compressed = coco_mask.encode(np.asfortranarray(mask))
    counts = runs_of_text(compressed["counts"].decode()).tolist()
    shapes = [
        {"size": [20, 30], "counts": compressed["counts"].decode()},
        {"size": [20, 30], "counts": counts},
        [SQUARE, [20, 12, 25, 12, 25, 14, 20, 14]],
    ]
    images = [image(n, f"{n}.png") for n in range(3)]
    scenes = opened(tmp_path, content([annotation(n, n, segmentation=shapes[n]) for n in range(3)], images))
    assert [np.array_equal(scene.instances.full_mask(0), mask == 1) for scene in scenes] == [True] * 3


def test_categories_keep_their_ids_and_an_unused_parent_is_no_class(tmp_path):
    categories = [
        {"id": 0, "name": "street", "supercategory": "none"},
        {"id": 4000, "name": "car", "supercategory": "street"},
        {"id": 91, "name": "bike", "supercategory": "street"},
    ]
    data = opened(tmp_path, content([annotation(category_id=4000)], categories=categories))
    labels = data.label_set
    assert [(one["id"], one["name"]) for one in labels.coco_categories] == [(4000, "car"), (91, "bike")] or sorted(
        one["id"] for one in labels.coco_categories
    ) == [91, 4000]
    assert [label.name for label in labels.evaluated if not label.has_instances] == ["background"]
    assert len({label.category for label in labels.things}) == 2  # one parent of all divides nothing
    assert labels.file_id_of(int(data[0].instances.labels[0])) == 4000


def test_a_used_category_with_the_id_0_is_a_class(tmp_path):
    categories = [{"id": 0, "name": "car", "supercategory": "car"}, {"id": 1, "name": "bike"}]
    data = opened(tmp_path, content([annotation(category_id=0)], categories=categories))
    assert data.label_set.file_id_of(int(data[0].instances.labels[0])) == 0


def test_parents_that_divide_the_classes_are_their_categories(tmp_path):
    categories = [
        {"id": 7, "name": "car", "supercategory": "vehicle"},
        {"id": 8, "name": "bus", "supercategory": "vehicle"},
        {"id": 9, "name": "man", "supercategory": "human"},
    ]
    labels = opened(tmp_path, content([annotation()], categories=categories)).label_set
    assert {name: [label.name for label in of] for name, of in labels.things_by_category.items()} == {
        "vehicle": ["car", "bus"],
        "human": ["man"],
    }


@pytest.mark.parametrize("name", ["background", "Background", "_background_", "__background__"])
def test_a_category_called_background_is_what_is_in_no_instance(tmp_path, name):
    what = content([annotation()], categories=[{"id": 0, "name": name}, {"id": 7, "name": "car"}])
    data = opened(tmp_path, what)
    assert [label.name for label in data.label_set.evaluated] == [name, "car"]
    assert [label.name for label in data.label_set.things] == ["car"] and data.label_set.outside == name
    assert data[0].semantic_HW[0, 0] == data.label_set[name].id == 0


@pytest.mark.parametrize("name", ["ignore", "_ignore_", "__ignore__", "__Void__", "ignore_region", "DontCare"])
def test_a_category_that_is_called_ignored_is_void(tmp_path, name):
    beside = [[15, 2, 25, 2, 25, 8, 15, 8]]
    categories = [{"id": 7, "name": "car"}, {"id": 8, "name": name}]
    rows = [annotation(1), annotation(2, category_id=8, segmentation=beside)]
    data = opened(tmp_path, content(rows, categories=categories))
    assert {label.name for label in data.label_set.evaluated} == {"background", "car"}
    assert len(data[0].instances) == 1 and data[0].semantic_HW[4, 20] == data.label_set.void_id


def test_crowds_are_groups_and_ignored_regions_are_void(tmp_path):
    beside = [[15, 2, 25, 2, 25, 8, 15, 8]]
    data = opened(
        tmp_path,
        content([annotation(1, iscrowd=1), annotation(2, segmentation=beside, ignore=1)])
        | {"images": [image(), image(2, "b.png")]}
        | {"annotations": [annotation(1, iscrowd=1), annotation(2, segmentation=beside, ignore=1), annotation(3, 2)]},
    )
    scene = data[0]
    assert len(scene.instances) == 0 and scene.instance_ids_HW[4, 4] == scene.semantic_HW[4, 4] == 7
    assert scene.semantic_HW[4, 20] == data.label_set.void_id
    assert scene.label_set.name_of(scene.semantic_HW[15, 15]) == "background"
    assert data.instance_count == 1


@pytest.mark.parametrize("missing", [[], None])
def test_boxes_among_masks_are_ignored_and_alone_they_are_refused(tmp_path, missing):
    """As tools write them that annotate objects for detection and for segmentation in one project."""
    box = annotation(2, bbox=[16.0, 4, 10, 12], iscrowd=1) | {"segmentation": missing}
    data = opened(tmp_path, content([annotation(), box]))
    (said,) = map(str, data.annotated.warnings)
    assert "1 annotation of a box without a mask: nothing is learnt or scored in these boxes" in said
    with pytest.warns(PartwiseWarning, match="1 annotation of a box without a mask"):
        scene = data[0]
    alone = opened(tmp_path / "alone", content([annotation()]))[0]
    evaluated = [one.id for one in data.label_set.evaluated]
    ignored_HW = ~np.isin(scene.semantic_HW, evaluated)
    inside_HW = np.zeros(scene.size, bool)
    inside_HW[4:16, 16:26] = True
    assert len(scene.instances) == 1 and np.array_equal(ignored_HW & inside_HW, inside_HW)
    assert np.array_equal(scene.semantic_HW[~inside_HW], alone.semantic_HW[~inside_HW])
    with pytest.raises(PartwiseError, match=r"all annotations are boxes without a mask \(1\): .* export the data for"):
        opened(tmp_path / "boxes", content([box]))


def test_crowds_are_one_warning_with_their_classes_and_what_to_do(tmp_path):
    """CVAT and supervision write iscrowd 1 for single objects that are masks."""
    categories = [{"id": 7, "name": "car"}, {"id": 8, "name": "person"}, {"id": 9, "name": "bus"}]
    crowds = [7, 8, 7]
    rows = [annotation(n, category_id=id_, iscrowd=1) for n, id_ in enumerate(crowds)]
    file = tmp_path / "train" / "_annotations.coco.json"
    opened(tmp_path, content([*rows, annotation(3, category_id=9)], categories=categories))
    report = check(tmp_path)
    assert report.ok
    (line,) = [str(one) for one in report.warnings if "iscrowd" in str(one)]
    assert line == (
        f"{file}: iscrowd is 1 for 3 of 4 annotations (car 2, person 1): they are groups, neither learnt nor scored: "
        "set iscrowd to 0 where each is one object (CVAT and supervision write 1 for masks)"
    )
    with pytest.warns(PartwiseWarning, match="iscrowd is 1 for 3 of 4"):
        open_dataset(tmp_path, "train")[0]
    with pytest.raises(PartwiseError, match=r"no annotation is an instance \(3 are crowds, 0 .* set iscrowd to 0"):
        opened(tmp_path, content(rows, categories=categories))


def test_of_many_classes_with_crowds_the_most_frequent_are_named(tmp_path):
    categories = [{"id": id_, "name": f"c{id_}"} for id_ in range(1, 9)]
    rows = [annotation(10 * id_ + n, category_id=id_, iscrowd=1) for id_ in range(1, 9) for n in range(id_)]
    data = opened(tmp_path, content([*rows, annotation(0, category_id=1)], categories=categories))
    words = "iscrowd is 1 for 36 of 37 annotations (c8 8, c7 7, c6 6, c5 5, c4 4, other classes 6)"
    assert [str(one) for one in data.annotated.warnings if words in str(one)]


def test_a_file_without_crowds_says_nothing_of_them(tmp_path):
    assert not opened(tmp_path, content([annotation()])).annotated.warnings


def test_pixels_in_no_instance_can_be_unknown(tmp_path):
    data = opened(tmp_path, content([annotation()]), outside="ignored")
    assert data[0].semantic_HW[15, 15] == data.label_set.void_id
    assert [label.name for label in data.label_set.evaluated] == ["car"]


def test_the_smaller_of_two_is_on_top_and_stuff_is_below(tmp_path):
    large, small = [[0, 0, 20, 0, 20, 15, 0, 15]], [SQUARE]
    road = {"id": 8, "name": "road", "isthing": 0}
    annotations = [annotation(1, segmentation=small), annotation(2, segmentation=large)]
    annotations.append(annotation(3, category_id=8, segmentation=[[0, 0, 30, 0, 30, 20, 0, 20]]))
    data = opened(tmp_path, content(annotations, categories=[{"id": 7, "name": "car"}, road]))
    scene = data[0]
    assert sorted(scene.instances.areas.tolist()) == [48, 300 - 48]
    assert scene.instance_ids_HW[4, 4] != scene.instance_ids_HW[12, 4]
    assert scene.semantic_HW[18, 28] == 8 and [label.name for label in data.label_set.things] == ["car"]


def test_an_object_that_was_drawn_twice_counts_once_and_check_says_so(tmp_path):
    again = [[2, 2, 10, 2, 10, 8.4, 2, 8]]
    data = opened(tmp_path, content([annotation(1), annotation("second", segmentation=again)]))
    with pytest.warns(UserWarning, match="'second' repeats annotation 1"):
        assert len(data[0].instances) == 1
    assert "'second'" in str(data.content(0).warnings[0])


def test_an_image_that_is_listed_twice_has_the_annotations_of_both(tmp_path):
    beside = [[15, 2, 25, 2, 25, 8, 15, 8]]
    what = content([annotation(1, 1), annotation(2, 2, segmentation=beside)], [image(1), image(2)])
    data = opened(tmp_path, what)
    assert len(data) == 1 and len(data[0].instances) == 2 and data.image_ids == [1]
    assert "listed 2 times" in str(data.annotated.warnings[0])


def test_images_without_annotations_and_in_folders(tmp_path):
    images = [image(1, "x/a.png"), image(2, "y/a.png"), image("three", "y\\b.png")]
    what = content([annotation(1, "three")], images)
    for one in images:
        one["file_name"] = one["file_name"].replace("\\", "/")
    write_coco(tmp_path / "train" / "_annotations.coco.json", what)
    images[2]["file_name"] = "y\\b.png"
    (tmp_path / "train" / "_annotations.coco.json").write_text(json.dumps(what))
    data = open_dataset(tmp_path, "train")
    assert data.names == ["x/a", "y/a", "y/b"]
    assert [len(scene.instances) for scene in data] == [0, 0, 1]


def test_it_can_be_pickled(tmp_path):
    data = opened(tmp_path, content([annotation()]))
    again = pickle.loads(pickle.dumps(data))
    assert np.array_equal(again[0].instance_ids_HW, data[0].instance_ids_HW)


# --- where it lies ---


def test_layouts(tmp_path):
    what = content([annotation()])
    write_coco(tmp_path / "roboflow" / "valid" / "_annotations.coco.json", what)
    write_coco(tmp_path / "roboflow" / "train" / "_annotations.coco.json", what)
    coco = tmp_path / "coco"
    for year in ("train2017", "val2017"):
        write_coco(coco / "annotations" / f"instances_{year}.json", what, coco / year)
    (coco / "annotations" / "captions_val2017.json").write_text('{"images": [], "annotations": []}')
    write_coco(tmp_path / "cvat" / "annotations" / "instances_default.json", what, tmp_path / "cvat" / "images")
    write_coco(tmp_path / "studio" / "result.json", what, tmp_path / "studio" / "images")
    for root, split, name in (
        ("roboflow", "val", "roboflow/valid"),
        ("roboflow", "valid", "roboflow/valid"),
        ("coco", "val", "coco/val2017"),
        ("cvat", "val", "cvat/all"),
        ("studio", "train", "studio/all"),
    ):
        data = open_dataset(tmp_path / root, split)
        assert data.name == name and len(data[0].instances) == 1
    assert CocoFolder.splits(tmp_path / "roboflow") == ["train", "valid"]
    assert described(data) == "studio/all: COCO, label set studio (2 classes, 1 with instances), 1 frame, 1 instance"


def test_a_file_and_a_folder_of_images(tmp_path):
    file = write_coco(tmp_path / "boxes.json", content([annotation()]), tmp_path / "elsewhere")
    assert len(open_dataset(file, "val", annotations=file, images=tmp_path / "elsewhere")) == 1
    with pytest.raises(PartwiseError, match=r"boxes.json: image 1: a.png is missing"):
        open_dataset(file, "val")


def test_an_unknown_split_names_the_known_ones(tmp_path):
    for split in ("train", "valid"):
        write_coco(tmp_path / split / "_annotations.coco.json", content([annotation()]))
    with pytest.raises(PartwiseError, match="unknown split 'test': Known: train, valid"):
        open_dataset(tmp_path, "test")


def test_exif_that_turns_an_image_is_followed_where_the_file_says_the_turned_size(tmp_path):
    data = opened(tmp_path, content([annotation()]))
    path = tmp_path / "train" / "a.png"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((30, 20, 3), np.uint8)).save(path, exif=exif)
    assert open_dataset(tmp_path, "train")[0].size == data[0].size == (20, 30)


# --- faults ---

SHORT, AWAY = [[1, 1, 5, 5]], [[40, 2, 50, 2, 50, 8]]
CATEGORIES_TWICE = [{"id": 7, "name": "car"}, {"id": 8, "name": "car"}]
FAULTS = {
    "a category that is not listed": (
        content([annotation(3, category_id=9)]),
        "annotation 3 of image a: category_id 9",
    ),
    "an image that is not listed": (content([annotation(3, 9)]), "annotation 3: image_id 9 is not among the images"),
    "two points": (content([annotation(3, segmentation=SHORT)]), "annotation 3 of image a: its polygon has 2 points"),
    "an odd number": (content([annotation(3, segmentation=[[1, 1, 5, 5, 9]])]), "has 5 numbers"),
    "outside": (content([annotation(3, segmentation=AWAY)]), r"(x 40 to 50, y 2 to 8) lies outside the 30x20 image"),
    "far away": (content([annotation(3, segmentation=[[1, 1, 1e12, 1, 1e12, 9]])]), "leaves the 30x20 image by more"),
    "points as pairs": (content([annotation(3, segmentation=[[[1, 1], [5, 1], [5, 5]]])]), "a list of numbers x y x y"),
    "one flat list": (content([annotation(3, segmentation=SQUARE)]), "a list of numbers x y x y"),
    "an id of the wrong type": (content([annotation(3, category_id="7")]), "an id of the wrong type"),
    "not finite": (
        content([annotation(3, segmentation=[[1, 1, 5, float("nan"), 9, 9]])]),
        "a number that is not finite",
    ),
    "text": (content([annotation(3, segmentation=["abc"])]), "a list of numbers"),
    "no mask": (content([annotation(3, segmentation=[])]), "annotation 3 of image a: it has no mask"),
    "another size of the RLE": (
        content([annotation(3, segmentation={"size": [30, 20], "counts": [600]})]),
        "its RLE is 20x30, the image 30x20",
    ),
    "runs with fractions": (
        content([annotation(3, segmentation={"size": [20, 30], "counts": [5.7, 10.9, 583.4]})]),
        "annotation 3 of image a: its RLE cannot be read (a run of 5.7 pixels)",
    ),
    "runs that are texts": (
        content([annotation(3, segmentation={"size": [20, 30], "counts": ["5", "10", "585"]})]),
        "its RLE cannot be read (its counts are no list of whole numbers)",
    ),
    "short runs": (
        content([annotation(3, segmentation={"size": [20, 30], "counts": [500, 1]})]),
        "add up to 501, the image has 600 pixels",
    ),
    "runs whose sum wraps around": (
        content([annotation(3, segmentation={"size": [20, 30], "counts": [2**62] * 4 + [600]})]),
        "annotation 3 of image a: its RLE has a run of 4611686018427387904, the image has 600 pixels",
    ),
    "a number beyond floats": (content([annotation(3, segmentation=[[1, 1, 5, 1, 5, 10**400]])]), "a list of numbers"),
    "damaged runs": (content([annotation(3, segmentation={"size": [20, 30], "counts": "xxxx"})]), "its RLE"),
    "annotation id twice": (content([annotation(3), annotation(3)]), "annotation 3 of image a: this annotation id"),
    "image id twice": (
        content([annotation()], [image(), image(1, "b.png")]),
        "image id 1 is there twice (a.png and b.png)",
    ),
    "category name twice": (content([annotation()], categories=CATEGORIES_TWICE), "'car' is there twice (ids 7 and 8)"),
    "no category": (content([annotation()], categories=[]), "it has no category"),
    "no instances": (
        content([annotation()], categories=[{"id": 7, "name": "road", "isthing": 0}]),
        "no category has inst",
    ),
    "no category_id": (content([{"id": 5, "image_id": 1}]), "annotation 5 has no category_id"),
    "runs whose sum overflows": (
        content([annotation(3, segmentation={"size": [20, 30], "counts": [2**63 - 1, 2**63 - 1, 602]})]),
        "its RLE has a run of 9223372036854775807, the image has 600",
    ),
    "an id of more than 64 bits": (
        content([annotation(3, category_id=1 << 63)], categories=[{"id": 1 << 63, "name": "car"}]),
        "its id 9223372036854775808 is no whole number of 64 bits",
    ),
}


def test_a_width_that_is_no_number_of_pixels_is_that_of_the_image(tmp_path):
    listed = image() | {"width": float("inf")}
    file = write_coco(tmp_path / "train" / "_annotations.coco.json", content([annotation()]))
    file.write_text(json.dumps(content([annotation()], [listed])))
    assert open_dataset(tmp_path, "train")[0].size == (20, 30)


@pytest.mark.parametrize(("written", "stored"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_an_image_with_an_accent_is_found_in_either_form(tmp_path, written, stored):
    """macOS writes é as an e and an accent."""
    listed = image(file_name=f"x/{normalize(stored, 'café')}.png")
    file = write_coco(tmp_path / "train" / "_annotations.coco.json", content([annotation()], [listed]))
    listed["file_name"] = normalize(written, listed["file_name"])
    file.write_text(json.dumps(content([annotation()], [listed])))
    assert len(open_dataset(tmp_path, "train")) == 1


@pytest.mark.parametrize("folder", ["valid", "images/valid", "validation", "images/val2017"])
def test_images_are_found_in_the_folder_of_the_split_whatever_it_is_called(tmp_path, folder):
    write_coco(tmp_path / "annotations" / "instances_val.json", content([annotation()]), tmp_path / folder)
    (tmp_path / "train").mkdir()
    assert len(open_dataset(tmp_path, "val")) == 1


@pytest.mark.parametrize("folder", ["train", "images/train"])
def test_images_of_another_split_are_not_taken_for_those_that_are_missing(tmp_path, folder):
    write_coco(tmp_path / "annotations" / "instances_val.json", content([annotation()]), tmp_path / folder)
    with pytest.raises(PartwiseError, match=r"a.png is missing"):
        open_dataset(tmp_path, "val")


def test_an_absolute_path_of_an_image_is_followed_where_no_folder_has_it(tmp_path):
    root, far = tmp_path / "data", tmp_path / "far" / "away"
    file = write_coco(root / "train" / "_annotations.coco.json", content([annotation()]), far)
    file.write_text(json.dumps(content([annotation()], [image(file_name=str(far / "a.png"))])))
    assert open_dataset(root, "train").annotated.images[0].path == str(far / "a.png")
    Image.new("RGB", (30, 20)).save(root / "train" / "a.png")  # moved with the annotations
    assert open_dataset(root, "train").annotated.images[0].path == str(root / "train" / "a.png")


def test_an_image_without_a_name_is_missing(tmp_path):
    file = write_coco(tmp_path / "train" / "_annotations.coco.json", content([annotation()]))
    file.write_text(json.dumps(content([annotation()], [image(), image(2, "")])))
    with pytest.raises(PartwiseError, match=r"image 2: .* is missing"):
        open_dataset(tmp_path, "train")


def test_an_image_is_not_taken_for_another_one_of_its_name(tmp_path):
    file = write_coco(tmp_path / "train" / "_annotations.coco.json", content([annotation()]))
    for names, words in ((("b/a.png",), ""), (("b/a.png", "c/a.png"), "b/a.png is missing")):
        listed = [image(number, name) for number, name in enumerate(names, 1)]
        file.write_text(json.dumps(content([annotation()], listed)))
        if words:
            with pytest.raises(PartwiseError, match=words):
                open_dataset(tmp_path, "train")
        else:
            assert len(open_dataset(tmp_path, "train")) == 1


def test_categories_that_are_one_class_together_have_at_most_1000_instances(tmp_path):
    squares = [[x, y, x + 1, y, x + 1, y + 1] for y in range(20) for x in range(30)]
    rows = [annotation(n, category_id=7 + n % 2, segmentation=[squares[n % 600]]) for n in range(1002)]
    what = content(rows, categories=[{"id": 7, "name": "car"}, {"id": 8, "name": "van"}])
    assert opened(tmp_path, what).instance_count == 1002
    joined = label_set_of_classes("joined", [ClassEntry("vehicle", 1, sources=("car", "van"))])
    with pytest.raises(PartwiseError, match=r"image a has 1002 instances of class 'vehicle': at most 1000"):
        open_dataset(tmp_path, "train", label_set=joined)


def test_what_is_odd_in_a_file_is_said_when_its_first_frame_is_read(tmp_path):
    what = content(
        [annotation(segmentation=[[-5, 2, 10, 2, 10, 8]]), annotation(2, segmentation=[[2, 9, 35, 9, 9, 15]])]
    )
    with pytest.warns(PartwiseWarning, match=r"leaves the image.* \(and 1 more: partwise check lists them\)"):
        opened(tmp_path, what)[0]


@pytest.mark.parametrize("key", ["iscrowd", "ignore", "isthing", "upright"])
@pytest.mark.parametrize("value", ["0", "1", "false", 2, -1, 0.5, [], {}])
def test_a_flag_is_0_or_1_and_anything_else_is_named(tmp_path, key, value):
    place = {"isthing": "categories", "upright": "images"}.get(key, "annotations")
    what = content([annotation()])
    what[place][0] = what[place][0] | {key: value}
    with pytest.raises(PartwiseError, match=rf"{key} is .*: write 0 or 1, or false or true") as error:
        opened(tmp_path, what)
    assert str(value) in str(error.value)


@pytest.mark.parametrize(("value", "meant"), [(0, 0), (1, 1), (False, 0), (True, 1), (0.0, 0), (1.0, 1), (None, 0)])
def test_flags_are_read_in_every_form(tmp_path, value, meant):
    beside = [[15, 2, 25, 2, 25, 8, 15, 8]]
    data = opened(tmp_path, content([annotation(1, iscrowd=value), annotation(2, segmentation=beside)]))
    assert data.instance_count == 2 - meant
    categories = [{"id": 7, "name": "car", "isthing": value}, {"id": 8, "name": "bus"}]
    things = opened(tmp_path, content([annotation(category_id=8)], categories=categories)).label_set.things
    assert len(things) == (2 if meant or value is None else 1)


def test_ids_that_are_whole_floats_are_the_same_ids(tmp_path):
    """pandas writes 1.0 for 1 where a column had a gap."""
    row = annotation(1.0, 1.0, 7.0)
    data = opened(tmp_path, content([row], [image(1.0)], [{"id": 7.0, "name": "car"}]))
    assert len(data[0].instances) == 1 and data.image_ids == [1] and data.annotated.table.names_N == (1,)
    assert [(type(one["id"]), one["id"]) for one in data.label_set.coco_categories] == [(int, 7)]
    broken = content([annotation(1, 1.5)], [image(1)])
    with pytest.raises(PartwiseError, match=r"image_id 1.5, .* of the wrong type: ids are whole numbers"):
        opened(tmp_path, broken)


@pytest.mark.parametrize("counts", [[42, 6, 552], [42.0, 6.0, 552.0]])
def test_run_lengths_that_are_whole_floats_are_whole(tmp_path, counts):
    data = opened(tmp_path, content([annotation(segmentation={"size": [20, 30], "counts": counts})]))
    assert data[0].instances.areas.tolist() == [6]


@pytest.mark.parametrize("what", FAULTS.values(), ids=FAULTS)
def test_every_fault_is_one_line_with_file_and_id(what, tmp_path):
    with pytest.raises(PartwiseError) as error:
        opened(tmp_path, what[0])
    (line,) = [line for line in str(error.value).split("\n") if what[1] in line]
    assert line.startswith(str(tmp_path)) and "_annotations.coco.json: " in line


@pytest.mark.parametrize("name", ["", "/", ".."])
def test_an_image_whose_name_is_that_of_no_file_is_missing(name, tmp_path):
    with pytest.raises(PartwiseError, match=r"image 1: .* is missing"):
        read_records(content([], [image(1, name)]), "boxes.json", [tmp_path])


def test_all_faults_of_a_file_are_found_in_one_pass(tmp_path):
    what = content([annotation(1, segmentation=SHORT), annotation(2, category_id=9)], [image(), image(1, "b.png")])
    what["images"].append(image(3, "gone.png"))
    file = write_coco(tmp_path / "train" / "_annotations.coco.json", what)
    (tmp_path / "train" / "gone.png").unlink()
    with pytest.raises(PartwiseError) as error:
        open_dataset(tmp_path, "train")
    assert str(error.value).split("\n")[0] == f"{file}: 4 faults, so that nothing was read:"
    for words in ("image id 1", "gone.png is missing", "2 points", "category_id 9"):
        assert words in str(error.value)


def test_an_image_of_another_size_is_a_fault_before_anything_is_read(tmp_path):
    file = write_coco(tmp_path / "train" / "_annotations.coco.json", content([annotation()]))
    Image.new("RGB", (31, 20)).save(tmp_path / "train" / "a.png")
    with pytest.raises(PartwiseError, match=r"image 1: a.png is 31x20, the file says 30x20: correct"):
        open_dataset(file, "train")


@pytest.mark.parametrize("text", ["{", "[]", '{"images": [], "annotations": []}'])
def test_what_is_no_coco_file(tmp_path, text):
    file = tmp_path / "a.json"
    file.write_text(text)
    with pytest.raises(PartwiseError, match=r"a\.json: (not JSON|no list)"):
        open_dataset(file, "train", annotations=file)


def test_classes_that_a_given_label_set_lacks(tmp_path):
    data = opened(tmp_path, content([annotation()]))
    other = content([annotation(category_id=8)], categories=[{"id": 8, "name": "tram"}])
    file = write_coco(tmp_path / "other.json", other)
    with pytest.raises(PartwiseError, match=r"category 'tram' \(id 8, 1 annotations\) is no class of"):
        open_dataset(file, "all", label_set=data.label_set)


def test_check_says_the_split_and_the_instances(tmp_path):
    opened(tmp_path, content([annotation(), annotation(2, segmentation=[[12, 2, 20, 2, 20, 8]])]))
    report = check(tmp_path)
    assert report.splits["train"].about.endswith("1 frame, 2 instances")
    assert {str(one).split(": ")[0] for one in report.warnings} == {f"{tmp_path}, split train"}


def test_a_file_with_a_byte_order_mark_is_read(tmp_path):
    file = write_coco(tmp_path / "train" / "_annotations.coco.json", content([annotation()]))
    file.write_text(file.read_text(), encoding="utf-8-sig")
    assert len(open_dataset(tmp_path, "train")[0].instances) == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.json")
    write_coco(tmp_path / "train" / "_annotations.coco.json", content([annotation()]))
    code = (
        "import sys; from pathlib import Path; from partwise.data import open_dataset; root = Path(sys.argv[1])\n"
        "print(len(open_dataset(root, 'train')))\n"
        "open_dataset(root, 'train', annotations=root / 'a.json')"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, timeout=60)
    assert done.stdout == "1\n" and "a.json: a pipe, which may never end" in done.stderr
