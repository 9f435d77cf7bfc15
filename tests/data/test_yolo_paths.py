"""Paths in the YAML files and lists of YOLO data as tools write them: the one place that can be meant, or a line."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from partwise.data import open_dataset
from partwise.data.check import check
from partwise.errors import PartwiseError

SQUARE = "0 .1 .1 .5 .1 .5 .5 .1 .5"


def photo(path: Path, grey: int = 90) -> Path:
    """An image and its label file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((20, 30, 3), grey, np.uint8)).save(path)
    label = Path(*("labels" if part == "images" else part for part in path.parts)).with_suffix(".txt")
    label.parent.mkdir(parents=True, exist_ok=True)
    label.write_text(SQUARE)
    return path


@pytest.fixture
def data(tmp_path):
    """A data set `up/T` with train in images/train and in train/images, and val in images/val; no YAML file."""
    root = tmp_path / "up" / "T"
    photo(root / "images" / "train" / "a.png", 40)
    photo(root / "images" / "val" / "b.png", 60)
    photo(root / "valid" / "images" / "c.png", 80)
    return root


def write(root: Path, **keys) -> Path:
    (root / "data.yaml").write_text(yaml.safe_dump({"names": ["car"], "val": "images/val"} | keys))
    return root


def notes_of(root: Path) -> list[str]:
    return [str(one) for one in check(root).warnings if "is read from" in one.problem]


@pytest.mark.parametrize(
    "path",
    [
        "data/images/train",
        "./data/images/train",
        "../images/train",
        "../../images/train",
        "T/images/train",
        "datasets/T/images/train",
        "/content/datasets/T/images/train",
        "/content/other-1/images/train",
        "C:\\data\\other\\images\\train",
        "..\\images\\train\\",
    ],
)
@pytest.mark.parametrize("as_list", [False, True])
def test_the_one_folder_that_can_be_meant_is_read_and_check_says_which(data, path, as_list):
    write(data, train=[path] if as_list else path)
    assert open_dataset(data, "train").names == ["a"]
    where = f"{data / 'data.yaml'}: train: {path} is read from {data / 'images' / 'train'}"
    assert notes_of(data) == [f"{where}: correct the path if that is wrong"]


@pytest.mark.parametrize(
    "path", ["images/train", "./images/train", "images\\train", "images/train/", "../T/images/train"]
)
def test_of_what_lies_where_it_should_nothing_is_said(data, path):
    write(data, train=path)
    assert open_dataset(data, "train").names == ["a"] and notes_of(data) == []


def test_several_folders_are_one_split(data):
    write(data, train=["images/train", "../valid/images"])
    assert [Path(name).name for name in open_dataset(data, "train").names] == ["a", "c"]


def test_roboflow_exports_are_read_with_the_names_of_their_splits(data):
    write(data, train="../train/images", val="../valid/images", test="../test/images")
    photo(data / "train" / "images" / "d.png")
    assert [open_dataset(data, split).names for split in ("train", "val")] == [["d"], ["c"]]
    with pytest.raises(PartwiseError, match=r"unknown split 'test'"):
        open_dataset(data, "test")


def test_the_folder_of_path_comes_first(data):
    photo(data / "v2" / "images" / "train" / "z.png")
    write(data, path="v2", train="images/train")
    assert open_dataset(data, "train").names == ["z"] and open_dataset(data, "val").names == ["b"]


@pytest.mark.parametrize(
    ("path", "other"),
    [
        ("../images/train", "../images/train"),
        ("../valid/images", "../valid/images"),
        ("data/images/train", "../images/train"),
        ("/content/T/images/train", "../images/train"),
    ],
)
def test_of_two_folders_that_can_be_meant_none_is_taken(data, path, other):
    photo(data / other / "x.png")
    write(data, train=path)
    with pytest.raises(PartwiseError) as error:
        open_dataset(data, "train")
    (line,) = str(error.value).split("\n")
    assert line.startswith(f"{data / 'data.yaml'}: train: {path} may be ") and line.endswith("path of the right one")
    assert str((data / other).resolve()) in line and str(data / other.removeprefix("../")) in line


@pytest.mark.parametrize("path", ["../train/images", "/content/T/train/images", "data/train", "T/train"])
def test_a_split_is_not_taken_for_all_images(data, path):
    """`images` holds every image, and `T` too."""
    write(data, train=path)
    with pytest.raises(PartwiseError) as error:
        open_dataset(data, "train")
    (line,) = str(error.value).split("\n")
    assert line.startswith(f"{data / 'data.yaml'}: train: {path} does not exist, looked for at ")
    assert str(data / "train") in line and line.endswith(": correct it or put the images there")


def test_a_path_that_is_too_long_for_a_name_is_missing(data):
    write(data, train=10**400)
    with pytest.raises(PartwiseError, match=r"train: 1000.* does not exist, looked for at"):
        open_dataset(data, "train")


@pytest.mark.parametrize("value", [{"a": 1}, True, 1.5, [["images/train"]]])
def test_what_is_no_path_is_named(data, value, complains):
    write(data, train=value)
    assert f"train is {value}: give a path or a list of paths" in complains("check", data)


@pytest.mark.parametrize(
    "line", ["data/images/train/a.png", "/content/T/images/train/a.png", "C:\\x\\images\\train\\a.png"]
)
def test_lists_are_read_in_the_same_way(data, line):
    (data / "train.txt").write_text(f"{line}\n\nimages/val/b.png\n")
    write(data, train="data/train.txt")
    assert [Path(name).name for name in open_dataset(data, "train").names] == ["a", "b"]
    of_list, of_yaml = sorted(notes_of(data), key=lambda note: "data.yaml" in note)
    assert f"1 of 2 images found under another path than the list gives: {line} is read from " in of_list
    assert f"train: data/train.txt is read from {data / 'train.txt'}" in of_yaml
    photo(data.parent / "images" / "train" / "a.png")
    (data / "train.txt").write_text("../images/train/a.png\n")
    with pytest.raises(PartwiseError, match=r"train\.txt: line 1: \.\./images/train/a\.png may be "):
        open_dataset(data, "train")


@pytest.mark.parametrize("path", [".", "./"])
def test_the_folder_itself_can_be_a_split(data, path):
    write(data, train=path)
    assert len(open_dataset(data, "train")) == 3
