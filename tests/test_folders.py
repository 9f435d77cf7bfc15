"""What is in a folder: without what systems leave behind, each linked folder once, and nothing that never ends."""

import os
import socket

import pytest

from streeteval.folders import files_below, is_clutter


def below(root) -> list[str]:
    files, faults = files_below(root)
    assert not faults
    return [str(path.relative_to(root)) for path in files]


@pytest.mark.parametrize(
    "name",
    ["._x.png", ".DS_Store", ".thumbnails", ".ipynb_checkpoints", "Thumbs.db", "desktop.ini", "@eaDir", "__MACOSX"],
)
def test_clutter(name, tmp_path):
    assert is_clutter(name)
    (tmp_path / name).mkdir()
    (tmp_path / name / "x.png").touch()
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / name).touch()
    assert below(tmp_path) == []
    assert below(tmp_path / name) == ["x.png"]  # what is given itself is looked into


@pytest.mark.parametrize("name", ["x.png", "thumbs", "a.DS_Store", ".", ".."])
def test_no_clutter(name):
    assert not is_clutter(name)


def test_a_linked_folder_is_followed_once_and_two_names_of_a_file_are_two_files(tmp_path):
    root, other = tmp_path / "root", tmp_path / "other"
    (root / "a").mkdir(parents=True)
    other.mkdir()
    (root / "a" / "x.png").touch()
    (root / "a" / "y.png").symlink_to("x.png")
    os.link(root / "a" / "x.png", root / "a" / "z.png")
    (other / "o.png").touch()
    (root / "0").symlink_to("a")  # looked into as a
    (root / "first").symlink_to(other)
    (root / "second").symlink_to(other)
    assert below(root) == ["a/x.png", "a/y.png", "a/z.png", "first/o.png"]


def test_links_that_lead_back_end(tmp_path):
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "sub" / "x.png").touch()
    (tmp_path / "outside.png").touch()
    (root / "sub" / "up").symlink_to("..")
    (root / "above").symlink_to("..")
    (root / "itself").symlink_to("itself")
    assert below(root) == ["itself", "sub/x.png"]


@pytest.mark.usefixtures("nothing_hangs")
def test_what_is_no_file_is_told_and_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "nowhere.png").symlink_to("nothing")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket.png"))
        assert below(tmp_path) == ["nowhere.png", "pipe.png", "socket.png"]


def test_a_folder_that_cannot_be_read_is_told_and_the_others_are_looked_into(tmp_path, monkeypatch):
    for name in ("closed", "open"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.png").touch()
    scan = os.scandir

    def refuse(path):
        if path == tmp_path / "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    files, faults = files_below(tmp_path)
    assert files == [tmp_path / "open" / "x.png"]
    assert [str(fault) for fault in faults] == [
        f"{tmp_path / 'closed'}: this folder cannot be read: permission denied: change its permissions"
    ]
