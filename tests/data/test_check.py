import json
import shutil

import numpy as np
import pytest
from deep_files import png16
from PIL import Image

from partwise.data.check import SIZE_BINS, check
from partwise.data.cityscapes import CityscapesFolder, write_scene
from partwise.data.image_files import write_png
from partwise.data.source import DataSource
from partwise.errors import PartwiseError, PartwiseWarning
from partwise.scene import Scene
from streeteval.labels import CITYSCAPES


@pytest.fixture
def root(city_root, tmp_path):
    shutil.copytree(city_root, tmp_path, dirs_exist_ok=True)
    return tmp_path


def files(root, pattern):
    return sorted(root.rglob(pattern))


def test_a_sound_data_set_has_no_fault(city_root):
    calls = []
    report = check(city_root, progress=lambda *call: calls.append(call))
    assert report.ok
    assert report.faults == []
    assert {split: counts.frames for split, counts in report.splits.items()} == {"train": 6, "val": 3}
    assert report.splits["train"].image_sizes == {"256x128": 6}
    assert calls[:2] == [("train", 1, 6), ("train", 2, 6)]
    assert calls[-1] == ("val", 3, 3)


@pytest.mark.parametrize("option", ["outside", "images"])
def test_an_option_that_the_format_does_not_take_is_a_fault(option, city_root, tmp_path):
    given = {"outside": "ignored", "images": tmp_path}[option]
    report = check(DataSource(city_root, **{option: given}))
    assert [str(fault) for fault in report.faults if "take no" not in str(fault)] == []
    assert len(report.faults) == len(report.splits) > 0
    assert f"data of the format Cityscapes take no {option}" in str(report.faults[0])


def test_counts_are_those_of_a_plain_loop(city_root):
    classes = check(city_root, ["train"]).splits["train"].classes
    for label in CITYSCAPES:
        pixels = frames = instances = tiny = groups = 0
        sizes = dict.fromkeys(SIZE_BINS, 0)
        for scene in CityscapesFolder(city_root, "train"):
            pixels += int((scene.semantic_HW == label.id).sum())
            frames += bool((scene.semantic_HW == label.id).any())
            groups += int((scene.instance_ids_HW == label.id).sum()) if label.has_instances else 0
            for value in np.unique(scene.instance_ids_HW):
                if value < 1000 or value // 1000 != label.id:
                    continue
                rows, columns = np.nonzero(scene.instance_ids_HW == value)
                side = max(np.ptp(rows), np.ptp(columns)) + 1
                limits = zip(SIZE_BINS, ((0, 15), (16, 31), (32, 63), (64, 127), (128, 256), (257, 1e9)), strict=True)
                instances += 1
                tiny += len(rows) < 100
                for name, (low, high) in limits:
                    sizes[name] += low <= side <= high
        count = classes[label.name]
        assert (count.pixels, count.frames, count.instances) == (pixels, frames, instances)
        assert (count.tiny_instances, count.group_pixels, count.sizes) == (tiny, groups, sizes)


def test_every_fault_is_found_and_none_ends_the_check(root):
    labels, instances = files(root / "gtFine/train", "*labelIds.png"), files(root / "gtFine/train", "*instanceIds.png")
    images = files(root / "leftImg8bit/train", "*.png")
    ids = np.array(Image.open(labels[0]))
    ids[0, :3], ids[1, :4] = 77, 99
    write_png(labels[0], ids)
    values = np.array(Image.open(instances[0])).astype(np.int32)
    values[0, :2] = 7001
    write_png(instances[0], values)
    images[1].write_bytes(images[1].read_bytes()[:500])
    write_png(labels[1], np.zeros((3, 4), np.uint8) + 88)
    instances[2].unlink()
    train_ids = CITYSCAPES.id_to_train_id[np.array(Image.open(labels[3]))]
    write_png(labels[3], train_ids)
    write_png(instances[4], np.array(Image.open(instances[4])).astype(np.int32)[1:])

    report = check(root)
    found = {(fault.file, fault.value, fault.pixels) for fault in report.faults}
    expected = {
        (str(labels[0]), 77, 3),
        (str(labels[0]), 99, 4),
        (str(instances[0]), 7001, 2),
        (str(images[1]), None, None),
        (str(labels[1]), 88, 12),
        (str(images[2]), None, None),
        (str(labels[3]), int(train_ids.max()), 128 * 256),
        (str(instances[4]), None, None),
    }
    assert found == expected
    assert len(report.faults) == len(expected)
    assert not report.ok
    assert all(fault.remedy and fault.problem and "\n" not in str(fault) for fault in report.faults)
    assert report.splits["train"].frames == 1
    assert report.splits["val"].frames == 3


def test_a_damaged_frame_says_what_reading_it_would_raise(root):
    path = files(root / "leftImg8bit/val", "*.png")[0]
    path.write_bytes(b"no image")
    with pytest.raises(PartwiseError) as caught:
        CityscapesFolder(root, "val")[0]
    assert [str(fault) for fault in check(root, ["val"]).faults] == [str(caught.value)]


def test_warnings_for_what_is_odd(tmp_path):
    instance_ids = np.full((40, 60), 7, np.int32)
    instance_ids[:5, :5] = 26001
    instance_ids[10:30, 10:30] = 24001
    semantic = np.where(instance_ids < 1000, instance_ids, instance_ids // 1000).astype(np.uint8)
    semantic[10, 10:17] = 25
    image = np.zeros((40, 60, 3), np.uint8)
    write_scene(Scene("a_1_1", image, semantic, instance_ids), tmp_path, "train")
    void = np.zeros((40, 60), np.uint8)
    write_scene(Scene("a_1_2", image, void, void.astype(np.int32)), tmp_path, "train")
    (tmp_path / "leftImg8bit/train/a/a_1_1.png").write_bytes(b"x")
    (tmp_path / "gtFine/train/a/a_1_9_gtFine_labelIds.png").write_bytes(b"x")

    report = check(tmp_path)
    assert report.ok
    lines = [str(warning) for warning in report.warnings]
    assert any("than instance 24001 (7 pixels)" in line for line in lines)
    assert any("a_1_2" in line and "no pixel of an evaluated class" in line for line in lines)
    assert any("'bus' never appears" in line for line in lines)
    assert any("1 of 1 instances of 'car' are below 100 pixels" in line for line in lines)
    assert any("a_1_1.png" in line and "name" in line for line in lines)
    assert any("a_1_9" in line and "without an image" in line for line in lines)
    assert not any("'person' are below" in line or "'road' never" in line for line in lines)


def test_a_split_without_instances_and_an_empty_split(tmp_path):
    road = np.full((20, 20), 7, np.uint8)
    write_scene(Scene("a_1_1", np.zeros((20, 20, 3), np.uint8), road, road.astype(np.int32)), tmp_path, "train")
    (tmp_path / "leftImg8bit/val/a").mkdir(parents=True)
    report = check(tmp_path)
    assert any("no instance of any evaluated class" in str(warning) for warning in report.warnings)
    (fault,) = report.faults
    assert "split 'val' has no image" in str(fault)


def test_the_report_is_json(root):
    files(root, "*labelIds.png")[0].unlink()
    report = check(root)
    copy = json.loads(json.dumps(report.to_json()))
    assert copy["ok"] is False
    assert copy["faults"][0]["file"] == report.faults[0].file
    assert copy["splits"]["val"]["classes"]["car"]["sizes"] == report.splits["val"].classes["car"].sizes


def test_what_cannot_be_checked_raises(city_root, tmp_path):
    with pytest.raises(PartwiseError, match="no such file or folder"):
        check(tmp_path / "nowhere")
    with pytest.raises(PartwiseError, match="did you mean 'val'"):
        check(city_root, ["vall"])


def test_many_faults_of_a_kind_are_few_lines_and_all_in_the_json(root, fails, tmp_path):
    for path in files(root / "gtFine", "*_instanceIds.png"):
        path.unlink()
    said = fails("check", root, "--json", tmp_path / "check.json")
    lines = [line for line in said.splitlines() if "has no truth" in line]
    assert len(lines) == 5 and "and 4 more of this kind: add that file or remove the image" in said
    assert len(json.loads((tmp_path / "check.json").read_text())["faults"]) == 9


def with_orientation(path, orientation: int, image: Image.Image | None = None) -> None:
    """Write an image with an EXIF orientation; its own pixels without `image`."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    (image or Image.open(path)).save(path, exif=exif)


@pytest.mark.parametrize("orientation", [3, 6])
def test_an_orientation_against_the_truth_is_a_warning_and_the_truth_is_right(root, orientation):
    """The truth has the size of the stored pixels: they are read as they are."""
    path = files(root / "leftImg8bit/val", "*.png")[0]
    before = CityscapesFolder(root, "val")[0].image_HW3
    with_orientation(path, orientation)
    (warning,) = [one for one in check(root, ["val"]).warnings if one.file == str(path)]
    assert f"EXIF orientation {orientation} turns the image" in warning.problem and "look at both" in warning.remedy
    with pytest.warns(PartwiseWarning, match=f"^{path}: its EXIF orientation {orientation}.*partwise check lists"):
        assert np.array_equal(CityscapesFolder(root, "val")[0].image_HW3, before)


def test_an_orientation_that_fits_the_truth_counts(root):
    """Stored sideways, while its truth has the size of the image as people see it."""
    path = files(root / "leftImg8bit/val", "*.png")[0]
    before = CityscapesFolder(root, "val")[0].image_HW3
    with_orientation(path, 6, Image.fromarray(np.rot90(before)))
    report = check(root, ["val"])
    assert report.ok and not [one for one in report.warnings if one.file == str(path)]
    assert np.array_equal(CityscapesFolder(root, "val")[0].image_HW3, before)


def test_every_image_that_was_read_by_a_guess_is_listed_and_training_hears_of_it_once(root):
    """12 bits in files of 16 bits."""
    paths = files(root / "leftImg8bit/val", "*.png")
    for path in paths:
        pixels = np.asarray(Image.open(path)).astype(np.uint16)
        path.write_bytes(png16(pixels * 16 + pixels // 16))
    warnings = [one for one in check(root, ["val"]).warnings if "4095 is taken for white" in one.problem]
    assert [one.file for one in warnings] == [str(path) for path in paths] and len(paths) > 1
    with pytest.warns(PartwiseWarning) as said:
        scenes = list(CityscapesFolder(root, "val"))
    assert len(scenes) == len(paths) and len(said) == 1
