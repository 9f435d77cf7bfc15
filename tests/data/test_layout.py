"""Data sets that were unpacked in another way than documented: they are read, or one line says what to give."""

import os
import shutil
import zipfile
from pathlib import Path

import pytest

from partwise.data.check import check
from partwise.data.cityscapes import TREES, CityscapesFolder
from partwise.errors import PartwiseError
from streeteval.reading.truth import TruthFolder


def linked(city_root: Path, root: Path, place: str) -> Path:
    """`root` with both trees at `place`, in which {tree} is the tree's name."""
    for tree in TREES:
        target = root / place.format(tree=tree)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(city_root / tree)
    return root


READ = {
    "as documented": "{tree}",
    "each zip unpacked into a folder of the tree's name": "{tree}/{tree}",
    "each zip unpacked into a folder of its own name": "{tree}_trainvaltest/{tree}",
    "both of these": "{tree}_trainvaltest/{tree}/{tree}",
    "in one folder below": "cityscapes/{tree}",
}


@pytest.mark.parametrize("how", READ)
def test_it_is_read(how, city_root, tmp_path):
    root = linked(city_root, tmp_path / "data", READ[how])
    frames, documented = CityscapesFolder(root, "val"), CityscapesFolder(city_root, "val")
    assert frames.names == documented.names == TruthFolder(root, "val").names
    assert frames[0].semantic_HW.sum() == documented[0].semantic_HW.sum()
    report = check(root)
    assert report.ok and report.splits["train"].frames == 6
    place = frames.archive.where("gtFine/val")
    assert Path(place).is_dir() and any(place in warning.file for warning in report.warnings), "a place to look at"


def test_a_tree_that_holds_splits_beside_a_folder_of_its_name_is_read_from_its_top(city_root, tmp_path):
    shutil.copytree(city_root, tmp_path, dirs_exist_ok=True)
    (tmp_path / "leftImg8bit" / "leftImg8bit").mkdir()
    assert CityscapesFolder(tmp_path, "val").names == CityscapesFolder(city_root, "val").names
    assert not check(tmp_path).ok, "the folder is said to have no image"


GIVEN = {
    "two levels too high": ("a/b/{tree}", ".", r"give the folder below it, {root}/a/b$"),
    "three levels too high": ("a/b/c/{tree}", ".", r"give the folder below it, {root}/a/b/c$"),
    "a tree": ("{tree}", "gtFine", r"give the folder above it, {root}$"),
    "a city": ("{tree}", "leftImg8bit/val/street", r"give the folder above it, {root}$"),
    "two data sets": ("a/{tree}", ".", r"leftImg8bit lies in several of its folders \(a, b\): give the one to read"),
    "far apart": ("{tree}_zip/x/{tree}", ".", r"leftImg8bit is in {root}/leftImg8bit_zip/x, gtFine is in {root}/gtF"),
    "lower case": ("{tree}", "lower", r"rename its folder leftimg8bit to leftImg8bit$"),
    "something else": ("{tree}", "other", r"give the folder that holds leftImg8bit and gtFine$"),
}


@pytest.mark.parametrize("how", GIVEN)
def test_one_line_says_what_to_give(how, city_root, tmp_path):
    place, given, expected = GIVEN[how]
    root = tmp_path / "data"
    (tmp_path / "other" / "runs").mkdir(parents=True)
    (tmp_path / "lower" / "leftimg8bit").mkdir(parents=True)
    for tree in TREES:
        shutil.copytree(city_root / tree, root / place.format(tree=tree))
    if how == "two data sets":
        shutil.copytree(root / "a", root / "b")
    data = tmp_path / given if given in ("other", "lower") else root / given
    with pytest.raises(PartwiseError, match=expected.format(root=root)):
        CityscapesFolder(data, "val")


@pytest.mark.parametrize("prefix", ["", "cityscapes\\", "{tree}\\"])
def test_a_zip_made_on_windows_is_read(prefix, city_root, tmp_path):
    """Some programs there separate the folders in a zip by backslashes; and there, files may be called .ZIP."""
    for tree in TREES:
        with zipfile.ZipFile(tmp_path / f"{tree}.ZIP", "w") as archive:
            archive.writestr(entry(f"{prefix.format(tree=tree)}{tree}\\val\\"), b"")
            for path in sorted(city_root.glob(f"{tree}/val/*/*.png")):
                name = prefix.format(tree=tree) + str(path.relative_to(city_root)).replace(os.sep, "\\")
                archive.writestr(entry(name), path.read_bytes())
    frames, unpacked = CityscapesFolder(tmp_path, "val"), CityscapesFolder(city_root, "val")
    assert frames.names == unpacked.names
    assert frames[1].instance_ids_HW.sum() == unpacked[1].instance_ids_HW.sum()


def entry(name: str) -> zipfile.ZipInfo:
    """With the name as it is: ZipFile would turn the separators of the system into slashes."""
    info = zipfile.ZipInfo("x")
    info.filename = name
    return info


@pytest.mark.parametrize("split", ["VAL", "Val", "vall"])
def test_a_split_in_other_letters_is_named(split, city_root):
    with pytest.raises(PartwiseError, match=r"did you mean 'val'\? Known: train, val"):
        CityscapesFolder(city_root, split)


def test_check_of_a_folder_without_data_says_where_formats_are_described(tmp_path, complains):
    (tmp_path / "notes.json").write_text("{}")
    assert "(for COCO and other formats see docs/data.md)" in complains("check", tmp_path)
