"""What systems leave behind in a data set is never a split, a frame or a fault; links in it are followed once."""

import os
import shutil
import zipfile
from pathlib import Path

import pytest

from partwise.data.check import check
from partwise.data.cityscapes import TREES, CityscapesFolder
from partwise.errors import PartwiseError
from streeteval.reading.archive import Archive
from streeteval.reading.result_files import ResultFiles
from streeteval.reading.truth import TruthFolder

APPLE = b"\0\5\x16\7"  # how a ._ file begins


def with_clutter(root: Path) -> Path:
    """Put what macOS, Windows, a NAS and Jupyter leave behind into every folder."""
    for folder in [root, *(path for path in root.rglob("*") if path.is_dir())]:
        for file in [path for path in folder.iterdir() if path.is_file()]:
            (folder / f"._{file.name}").write_bytes(APPLE)
        for name in (".DS_Store", "Thumbs.db", "desktop.ini", "._leftImg8bit.zip"):
            (folder / name).write_bytes(APPLE)
        for name in ("@eaDir", ".ipynb_checkpoints", "__MACOSX", ".thumbnails"):
            (folder / name).mkdir()
            (folder / name / "x_000000_000000_leftImg8bit.png").write_bytes(APPLE)
            (folder / name / "x_000000_000000_gtFine_labelIds.png").write_bytes(APPLE)
    return root


@pytest.fixture(scope="module")
def cluttered(city_root, tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("cluttered") / "city"
    shutil.copytree(city_root, root)
    return with_clutter(root)


@pytest.fixture(scope="module")
def zipped(cluttered, tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("zipped")
    for tree in TREES:
        with zipfile.ZipFile(root / f"{tree}.zip", "w") as archive:
            for path in (cluttered / tree).rglob("*"):
                archive.write(path, path.relative_to(cluttered))
    (root / "._gtFine.zip").write_bytes(APPLE)
    return root


@pytest.mark.parametrize("form", ["cluttered", "zipped"])
def test_clutter_is_no_part_of_a_data_set(form, request, city_root):
    root = request.getfixturevalue(form)
    assert Archive(root, TREES).splits("leftImg8bit") == ["train", "val"]
    for kind in (CityscapesFolder, TruthFolder):
        assert kind(root, "val").names == kind(city_root, "val").names
    clean, found = check(city_root), check(root)
    assert found.splits == clean.splits and not found.faults
    assert len(found.warnings) == len(clean.warnings)


def test_clutter_among_result_files(tmp_path):
    (tmp_path / "a_pred.txt").touch()
    (tmp_path / "a_labelIds.png").touch()
    files = ResultFiles.find(with_clutter(tmp_path), ["a"])
    assert files.instance == {"a": [tmp_path / "a_pred.txt"]}
    assert files.pixel == {"a": [tmp_path / "a_labelIds.png"]} and files.warnings == []


def test_a_city_that_is_linked_twice_and_a_link_to_the_top_are_read_once(city_root, tmp_path):
    root = tmp_path / "city"
    shutil.copytree(city_root, root)
    for tree in TREES:
        city = next((root / tree / "val").iterdir())
        (city.parent / "again").symlink_to(city.name)
        (city / "up").symlink_to("../..")
    assert CityscapesFolder(root, "val").names == CityscapesFolder(city_root, "val").names
    assert check(root, ["val"]).ok


def test_a_folder_that_cannot_be_read_is_a_fault_of_its_split(city_root, tmp_path, monkeypatch):
    root = tmp_path / "city"
    shutil.copytree(city_root, root)
    closed, scan = next((root / "gtFine" / "train").iterdir()), os.scandir

    def refuse(path):
        if not isinstance(path, int) and Path(path) == closed:
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    report = check(root)
    assert [str(fault).partition(": change")[0] for fault in report.faults] == [
        f"{root}: {closed}: this folder cannot be read: permission denied"
    ]
    assert report.splits["val"].frames == 3
    with pytest.raises(PartwiseError, match="cannot be read: permission denied"):
        CityscapesFolder(root, "train")
    with pytest.raises(PartwiseError, match="cannot be read: permission denied"):
        ResultFiles.find(root, ["a"])


@pytest.mark.usefixtures("nothing_hangs")
def test_pipes_are_not_waited_for(city_root, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(PartwiseError, match="neither a folder nor a file"):
        Archive(tmp_path / "pipe", TREES)
    root = tmp_path / "city"
    shutil.copytree(city_root, root)
    image = next((root / "leftImg8bit" / "val").rglob("*.png"))
    image.unlink()
    os.mkfifo(image)
    os.mkfifo(root / "x.zip")
    assert [str(fault) for fault in check(root, ["val"]).faults] == [
        f"{image}: neither a file nor a folder but a pipe, a socket or a device: give a file"
    ]
