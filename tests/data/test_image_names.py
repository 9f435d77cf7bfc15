"""Names of images as tools write them into annotation files: the one file that can be meant, or a line."""

import json
from pathlib import Path

import numpy as np
import pytest
from coco_trees import annotation, content, image
from PIL import Image

from partwise.data import open_dataset
from partwise.data.check import check
from partwise.errors import PartwiseError
from partwise.scoring import score

# In the file -> on the disk, in the folder of the file.
MEANT = {
    "as it is": ("a b.jpg", "a b.jpg"),
    "a name with a percent sign": ("100%.jpg", "100%.jpg"),
    "a name that looks percent-encoded": ("a%20b.jpg", "a%20b.jpg"),
    "a leading dot": ("./cam/a.jpg", "cam/a.jpg"),
    "backslashes": ("cam\\a.jpg", "cam/a.jpg"),
    "percent-encoded": ("street%20view.jpg", "street view.jpg"),
    "percent-encoded UTF-8": ("caf%C3%A9%20%231.jpg", "café #1.jpg"),
    "percent-encoded folders": ("my%20cam%2Fa.jpg", "my cam/a.jpg"),
    "Label Studio": ("images\\ab12-a%20b.jpg", "ab12-a b.jpg"),
    "Label Studio, uploaded": ("/data/upload/1/ab12-a.jpg", "ab12-a.jpg"),
    "Label Studio, a local file": ("/data/local-files/?d=far/cam/a%20b.jpg", "cam/a b.jpg"),
    "an address": ("https://host/bucket/a.jpg?signature=1/2", "a.jpg"),
    "images/": ("images/a.jpg", "a.jpg"),
    "images/ and folders": ("images/cam/a.jpg", "cam/a.jpg"),
    "Windows, another machine": ("C:\\Users\\bob\\cam\\a.jpg", "cam/a.jpg"),
    "Linux, another machine": ("/home/bob/a.jpg", "a.jpg"),
    "a file name with a backslash, from a zip of Windows": ("images\\a.jpg", "images\\a.jpg"),
    "upper case in the file": ("A.JPG", "a.jpg"),
    "upper case on the disk": ("cam/a.jpg", "Cam/a.JPG"),
}


def tree(root: Path, names: list[str], stored: list[str]) -> Path:
    """A COCO file that lists some names, in a folder with some images, each of a colour of its own."""
    for number, name in enumerate(stored):
        path = root / "train" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((20, 30, 3), 40 + 20 * number, np.uint8)).save(path, quality=100)
    listed = [image(number, name) for number, name in enumerate(names)]
    rows = [annotation(number, number) for number in range(len(names))]
    file = root / "train" / "_annotations.coco.json"
    file.write_text(json.dumps(content(rows, listed), ensure_ascii=False), "utf-8")
    return file


def notes_of(root: Path) -> list[str]:
    return [one.problem for one in check(root).warnings if "found under another path" in one.problem]


@pytest.mark.parametrize(("written", "stored"), MEANT.values(), ids=MEANT)
def test_the_one_file_that_can_be_meant_is_found_and_check_says_which(tmp_path, written, stored):
    file = tree(tmp_path, [written], [stored])
    (entry,) = open_dataset(tmp_path, "train").annotated.images
    assert Path(entry.path).samefile(tmp_path / "train" / stored)
    said = notes_of(tmp_path)
    if written.replace("\\", "/").removeprefix("./") == stored:
        assert not said
    else:
        there = f"{written} is read from {tmp_path / 'train' / stored}"
        assert said == [f"1 of 1 image found under another path than the file gives: {there}"]
        assert file.exists()


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("a.jpg", ["A.jpg", "a.JPG"]),
        ("a%20b.JPG", ["a b.jpg", "a%20b.jpg"]),
        ("photos/cam/a.jpg", ["cam/a.jpg", "a.jpg"]),
        ("images\\a.jpg", ["images\\a.jpg", "a.jpg"]),
    ],
)
def test_of_two_files_that_can_be_meant_none_is_taken(tmp_path, written, stored):
    file = tree(tmp_path, [written], stored)
    with pytest.raises(PartwiseError) as error:
        open_dataset(tmp_path, "train")
    (line,) = str(error.value).split("\n")
    assert line.startswith(f"{file}: image 0: {written} may be ")
    assert all(str(tmp_path / "train" / one) in line for one in stored)
    for one in stored[1:]:  # copies of one photo are no doubt
        (tmp_path / "train" / one).write_bytes((tmp_path / "train" / stored[0]).read_bytes())
    assert len(open_dataset(tmp_path, "train")) == 1


@pytest.mark.parametrize(
    ("names", "stored"),
    [
        (["a%20b.jpg", "a b.jpg"], ["a b.jpg"]),
        (["a.jpg", "A.jpg"], ["a.jpg"]),
        (["x/a.jpg", "y/a.jpg"], ["y/a.jpg", "a.jpg"]),
        (["x/cam/a.jpg", "y/cam/a.jpg"], ["cam/a.jpg"]),
    ],
)
def test_a_file_is_not_taken_for_another_one_that_is_listed(tmp_path, names, stored):
    tree(tmp_path, names, stored)
    with pytest.raises(PartwiseError, match=r"is missing: put the images into"):
        open_dataset(tmp_path, "train")


@pytest.mark.parametrize("prefix", ["", "images/", "C:\\photos\\", "/home/bob/photos/"])
def test_photos_of_one_name_in_several_folders_are_told_apart(tmp_path, prefix):
    names = [f"{prefix}cam{n}/a%20b.jpg" for n in range(3)]
    tree(tmp_path, names, [f"cam{n}/a b.jpg" for n in range(3)])
    data = open_dataset(tmp_path, "train")
    assert [round(scene.image_HW3.mean()) for scene in data] == [40, 60, 80]
    assert len(set(data.names)) == 3 and all(name.endswith("a b") for name in data.names)


def test_a_missing_image_is_asked_for_where_the_others_are(tmp_path):
    tree(tmp_path, ["images/a.jpg", "images/b.jpg"], ["a.jpg"])
    with pytest.raises(PartwiseError, match=r"image 1: .*b.jpg is missing: put the images into .*/train, or name"):
        open_dataset(tmp_path, "train")


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("name", ["street%20view", "street view", "street%20view.jpg", "images\\street%20view.jpg"])
def test_results_may_name_images_as_the_truth_or_as_the_disk_does(tmp_path, name, whole):
    tree(tmp_path, ["street%20view.jpg"], ["street view.jpg"])
    row = {"image_id": 5 if whole else name, "category_id": 7, "score": 0.5}
    rows = [row | {"segmentation": annotation()["segmentation"]}]
    held = {"images": [{"id": 5, "file_name": name}], "annotations": rows} if whole else rows
    (tmp_path / "results.json").write_text(json.dumps(held))
    found = score(tmp_path, "train", predictions=tmp_path / "results.json")
    assert found["coco"]["ap"] == pytest.approx(1)


def test_pngs_of_the_panoptic_form_are_found_in_the_same_way(tmp_path):
    tree(tmp_path, ["a%20b.jpg"], ["a b.jpg"])
    folder = tmp_path / "annotations" / "panoptic_train"
    folder.mkdir(parents=True)
    pixels = np.zeros((20, 30, 3), np.uint8)
    pixels[2:8, 2:10, 0] = 5
    Image.fromarray(pixels).save(folder / "a b.png")
    segments = [{"id": 5, "category_id": 7}]
    held = {
        "images": [image(0, "a%20b.jpg")],
        "categories": [{"id": 7, "name": "car"}],
        "annotations": [{"image_id": 0, "file_name": "panoptic_train\\a%20b.png", "segments_info": segments}],
    }
    file = folder.with_suffix(".json")
    file.write_text(json.dumps(held))
    report = check(file)
    assert report.ok, report.faults
    said = [one.problem for one in report.warnings if "found under another path" in one.problem]
    assert [one.split(" found")[0] for one in said] == ["1 of 1 image", "1 of 1 PNG"]
    Image.fromarray(pixels + 1).save(folder / "A B.png")
    held["annotations"][0]["file_name"] = "a%20B.png"
    file.write_text(json.dumps(held))
    assert "its PNG a%20B.png may be " in str(check(file).faults[0])
