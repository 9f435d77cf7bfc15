"""KITTI, Mapillary Vistas, BDD100K and Pascal VOC: small trees as the formats define them."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from partwise.class_list import ClassEntry, label_set_of_classes
from partwise.data import open_dataset
from partwise.data.check import check
from partwise.data.dataset import described, splits_of
from partwise.data.id_maps import mapped_ids, numbered_instances
from partwise.data.image_files import write_png
from partwise.data.masks.voc import voc_palette
from partwise.errors import PartwiseError
from partwise.label_file import read_label_file
from streeteval.labels import LabelSet

SIZE = (8, 12)


def photo(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*SIZE, 3), 90, np.uint8)).save(path)


def two_objects(number_of_first: int, ground: int, thing: int, other: int) -> tuple[np.ndarray, np.ndarray]:
    """Classes, and numbers of instances: two things of one class side by side, and a third of another class."""
    classes, numbers = np.full(SIZE, ground), np.zeros(SIZE, int)
    for number, columns in enumerate((slice(0, 3), slice(3, 6))):
        classes[2:6, columns], numbers[2:6, columns] = thing, number_of_first + number
    classes[2:6, 8:], numbers[2:6, 8:] = other, number_of_first
    return classes, numbers


def write_kitti(root: Path) -> None:
    classes, numbers = two_objects(1, ground=7, thing=26, other=24)
    classes[7], numbers[7] = 26, 0  # a group
    photo(root / "training" / "image_2" / "000000_10.png")
    write_png(root / "training" / "semantic" / "000000_10.png", classes.astype(np.uint8))
    write_png(root / "training" / "instance" / "000000_10.png", classes * 256 + numbers)


def write_vistas(root: Path, version: str = "v2.0") -> None:
    names = ("construction--flat--road", "object--vehicle--car", "human--person", "void--unlabeled")
    labels = [
        {"name": name, "readable": name.split("--")[-1].title(), "color": [10 * n, 5, 200], "instances": n in (1, 2)}
        | {"evaluate": n != 3}
        for n, name in enumerate(names)
    ]
    root.mkdir(parents=True, exist_ok=True)
    (root / f"config_{version}.json").write_text(json.dumps({"labels": labels}))
    classes, numbers = two_objects(0, ground=0, thing=1, other=2)
    classes[7] = 3
    photo(root / "validation" / "images" / "x.jpg")
    write_png(root / "validation" / version / "instances" / "x.png", classes * 256 + numbers)


def write_bdd(root: Path) -> None:
    classes, numbers = two_objects(1, ground=0, thing=3, other=1)
    numbers[classes == 1] = 3
    planes = np.zeros((*SIZE, 4), np.uint8)
    classes[0, :2], numbers[0, :2], planes[0, :2, 1] = 3, 300, 2  # a crowd
    classes[0, 5:7], numbers[0, 5:7], planes[0, 5:7, 1] = 4, 301, 1  # ignored
    planes[..., 0], planes[..., 2], planes[..., 3] = classes, numbers // 256, numbers % 256
    photo(root / "images" / "10k" / "val" / "a-1.jpg")
    photo(root / "images" / "10k" / "val" / "without-truth.jpg")
    file = root / "labels" / "ins_seg" / "bitmasks" / "val" / "a-1.png"
    file.parent.mkdir(parents=True)
    Image.fromarray(planes, "RGBA").save(file)


def palette_png(file: Path, indices: np.ndarray, palette: np.ndarray | None = None) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(indices.astype(np.uint8), "P")
    image.putpalette((voc_palette() if palette is None else palette).tobytes())
    image.save(file)


def write_voc(root: Path) -> None:
    classes, numbers = two_objects(1, ground=0, thing=7, other=15)
    numbers[classes == 15] = 3
    classes[7] = numbers[7] = 255
    photo(root / "JPEGImages" / "2007_000032.jpg")
    palette_png(root / "SegmentationClass" / "2007_000032.png", classes)
    palette_png(root / "SegmentationObject" / "2007_000032.png", numbers)
    for split, names in (("train", ""), ("val", "2007_000032\n")):
        file = root / "ImageSets" / "Segmentation" / f"{split}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(names)


FORMATS = {
    "kitti": (write_kitti, "training", "KITTI", ["person", "car", "car"], "road"),
    "vistas": (write_vistas, "val", "Mapillary Vistas", ["Car", "Car", "Person"], "Road"),
    "bdd": (write_bdd, "val", "BDD100K", ["pedestrian", "car", "car"], "background"),
    "voc": (write_voc, "val", "Pascal VOC", ["car", "car", "person"], "background"),
}


@pytest.mark.parametrize(("write", "split", "form", "things", "ground"), FORMATS.values(), ids=FORMATS)
def test_a_tree_is_recognised_and_read(write, split, form, things, ground, tmp_path):
    write(tmp_path)
    data = open_dataset(tmp_path, split)
    assert form in described(data) and len(data) == 1
    scene = data[0]
    names = [data.label_set.name_of(label) for label in scene.instances.labels.tolist()]
    assert names == things and scene.instances.areas.tolist().count(12) == 2
    assert data.label_set.name_of(scene.semantic_HW[1, 10]) == ground
    report = check(tmp_path, [split])
    assert report.ok and not any("another class" in str(one) for one in report.warnings)


def test_groups_and_ignored_regions(tmp_path):
    write_kitti(tmp_path / "kitti")
    scene = open_dataset(tmp_path / "kitti", "train")[0]
    assert scene.instance_ids_HW[7, 0] == scene.semantic_HW[7, 0] == 26
    write_bdd(tmp_path / "bdd")
    data = open_dataset(tmp_path / "bdd", "val")
    scene, car = data[0], data.label_set["car"].id
    assert scene.instance_ids_HW[0, 0] == scene.semantic_HW[0, 0] == car
    assert scene.semantic_HW[0, 5] == scene.instance_ids_HW[0, 5] == data.label_set.void_id
    write_voc(tmp_path / "voc")
    data = open_dataset(tmp_path / "voc", "val")
    assert data.label_set.name_of(data[0].semantic_HW[7, 0]) == "void" and not data.label_set["void"].evaluated


def test_vistas_takes_the_newest_truth_and_its_own_categories(tmp_path):
    write_vistas(tmp_path, "v1.2")
    write_vistas(tmp_path, "v2.0")
    data = open_dataset(tmp_path, "validation")
    assert data.label_set.name == "vistas_v2.0" and data.label_set["Car"].category == "object--vehicle"
    assert [label.name for label in data.label_set if not label.evaluated] == ["Unlabeled"]


def test_bdd_panoptic_truth_has_the_other_classes(tmp_path):
    write_bdd(tmp_path)
    (tmp_path / "labels" / "ins_seg").rename(tmp_path / "labels" / "pan_seg")
    assert open_dataset(tmp_path, "val").label_set.name == "bdd100k_panoptic"


def test_faults_are_one_line_each(tmp_path):
    write_voc(tmp_path)
    other = voc_palette()[::-1].copy()
    file = tmp_path / "SegmentationClass" / "2007_000032.png"
    palette_png(file, np.full(SIZE, 7), other)
    with pytest.raises(PartwiseError, match=r"2007_000032.png: colour 7 of its palette is .*write the mask with VOC's"):
        open_dataset(tmp_path, "val")[0]
    palette_png(file, np.full(SIZE, 30))
    with pytest.raises(PartwiseError, match=r"unknown id 30 \(96 pixels\): voc has the ids 0 to 255"):
        open_dataset(tmp_path, "val")[0]
    file.unlink()
    with pytest.raises(PartwiseError, match=r"2007_000032.jpg: has no truth .*SegmentationClass"):
        open_dataset(tmp_path, "val")
    assert [str(fault) for fault in check(tmp_path, ["val"]).faults]


@pytest.mark.parametrize(
    ("name", "listed"),
    [
        ("my photo.jpg", "my photo\n"),
        ("b.png", "b\n"),
        ("c.jpg", "\ufeffc\r\n"),
        ("c.jpg", " c \n\n"),
        ("caf\u00e9.jpg", "cafe\u0301\n"),
        ("c.jpg", "c d"),
    ],
)
def test_every_name_in_a_list_of_voc_is_found(tmp_path, name, listed):
    write_voc(tmp_path)
    before = open_dataset(tmp_path, "val")[0]
    photos = tmp_path / "JPEGImages"
    (photos / "2007_000032.jpg").rename(photos / name)
    stems = [Path(name).stem]
    if "d" in listed.split():  # several names in one line
        (photos / "d.jpg").write_bytes((photos / name).read_bytes())
        stems.append("d")
    for folder in ("SegmentationClass", "SegmentationObject"):
        masks = tmp_path / folder
        for stem in stems:
            (masks / f"{stem}.png").write_bytes((masks / "2007_000032.png").read_bytes())
        (masks / "2007_000032.png").unlink()
    (tmp_path / "ImageSets" / "Segmentation" / "val.txt").write_text(listed, encoding="utf-8", newline="")
    data = open_dataset(tmp_path, "val")
    assert [np.array_equal(scene.instance_ids_HW, before.instance_ids_HW) for scene in data] == [True] * len(stems)


def test_files_of_macos_beside_the_lists_of_voc_are_no_splits(tmp_path):
    write_voc(tmp_path)
    (tmp_path / "ImageSets" / "Segmentation" / "._val.txt").write_bytes(b"\x00\x05\x16\x07")
    assert splits_of(tmp_path) == ["train", "val"]


def test_a_name_with_a_space_without_an_image_is_one_fault(tmp_path):
    write_voc(tmp_path)
    (tmp_path / "ImageSets" / "Segmentation" / "val.txt").write_text("2007_000032\nmy photo\n")
    (fault,) = check(tmp_path, ["val"]).faults
    assert "my photo.jpg is missing" in str(fault)


def test_an_empty_split_is_said(tmp_path):
    write_voc(tmp_path)
    with pytest.raises(PartwiseError, match="split 'train' has no image"):
        open_dataset(tmp_path, "train")


def test_grey_masks_with_indices_are_read_as_those_with_a_palette(tmp_path):
    write_voc(tmp_path)
    before = open_dataset(tmp_path, "val")[0]
    for folder in ("SegmentationClass", "SegmentationObject"):
        file = tmp_path / folder / "2007_000032.png"
        Image.fromarray(np.asarray(Image.open(file)), "L").save(file)
    assert np.array_equal(open_dataset(tmp_path, "val")[0].instance_ids_HW, before.instance_ids_HW)


def test_a_label_file_can_join_classes(tmp_path):
    write_kitti(tmp_path / "kitti")
    file = tmp_path / "labels.toml"
    file.write_text(
        'outside = "ignored"\n[[classes]]\nname = "moving"\nid = 26\nfrom = [24]\n'
        '[[classes]]\nname = "road"\nid = 7\nhas_instances = false\n'
    )
    scene = open_dataset(tmp_path / "kitti", "train", label_set=read_label_file(file))[0]
    assert scene.instances.labels.tolist() == [26, 26, 26]


def test_check_reads_the_complete_frames_where_others_are_not(tmp_path):
    write_voc(tmp_path)
    palette_png(tmp_path / "SegmentationClass" / "2007_000032.png", np.full(SIZE, 30))
    names = tmp_path / "ImageSets" / "Segmentation" / "val.txt"
    names.write_text("2007_000032\ngone\n")
    problems = [fault.problem for fault in check(tmp_path, ["val"]).faults]
    assert len(problems) == 2 and "gone.jpg is missing" in problems[0] and problems[1] == "unknown id 30"


def labels_in(file: Path, rows: str) -> LabelSet:
    file.write_text(f'outside = "ignored"\n{rows}')
    return read_label_file(file)


def test_a_label_file_can_name_the_classes_of_the_format(tmp_path):
    write_kitti(tmp_path / "kitti")
    rows = (
        '[[classes]]\nname = "moving"\nid = 70000\nfrom = ["car", "person"]\n'
        '[[classes]]\nname = "road"\nid = 7\nhas_instances = false\n'
    )
    classes = labels_in(tmp_path / "labels.toml", rows)
    scene = open_dataset(tmp_path / "kitti", "train", label_set=classes)[0]
    assert scene.instances.labels.tolist() == [classes["moving"].id] * 3 and classes["moving"].file_id == 70000


def test_a_name_whose_number_is_another_class_is_refused(tmp_path):
    write_kitti(tmp_path / "kitti")
    rows = '[[classes]]\nname = "a"\nid = 1\nfrom = ["car"]\n[[classes]]\nname = "b"\nid = 26\n'
    with pytest.raises(PartwiseError, match=r"class 'a': 'car' has the number 26, which is the class 'b'"):
        open_dataset(tmp_path / "kitti", "train", label_set=labels_in(tmp_path / "labels.toml", rows))


def test_names_of_classes_count_in_a_cityscapes_tree_too():
    classes = label_set_of_classes("own", [ClassEntry("vehicle", 26, sources=("truck",)), ClassEntry("road", 7)])
    semantic_HW, ids_HW = mapped_ids(np.array([[27, 26, 7]]), np.array([[27000, 26000, 7]]), classes)
    assert semantic_HW.tolist() == [[26, 26, 7]] and ids_HW.tolist() == [[26001, 26000, 7]]


def test_a_number_is_not_taken_for_the_id_that_stands_for_another():
    classes = label_set_of_classes("own", [ClassEntry("vehicle", 4000, sources=("car",)), ClassEntry("road", 7)])
    id_ = classes["vehicle"].id
    assert mapped_ids(np.array([[26, 7]]), None, classes)[0].tolist() == [[id_, 7]]
    with pytest.raises(PartwiseError, match=rf"unknown id {id_}: own has no class with this number"):
        mapped_ids(np.array([[26, id_]]), None, classes)


def test_more_than_1000_instances_of_a_class_are_refused():
    keys_HW = np.arange(1, 1002)[None]
    with pytest.raises(PartwiseError, match="more than 1000 instances of one class"):
        numbered_instances(np.full(keys_HW.shape, 26), keys_HW)


def test_ids_of_32_bits_are_a_fault(tmp_path):
    write_vistas(tmp_path)
    (file,) = tmp_path.rglob("instances/*.png")
    Image.fromarray(np.full((12, 16), 1 << 25, np.int32)).save(file, "TIFF")
    with pytest.raises(PartwiseError, match=r"its ids are 131072 to 131072: ids are 0 to 65535"):
        open_dataset(tmp_path, "train")[0]
