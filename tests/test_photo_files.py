"""Which photos are meant by files and folders, and where their results lie."""

import numpy as np
import pytest
from photo_cases import VIDEO, listing, photo, results
from PIL import Image

from partwise.data.image_files import read_image
from partwise.photo_files import find_photos


def test_what_systems_leave_behind_is_no_photo(predict, tmp_path):
    photo(tmp_path / "p" / "x.png")
    for name in (".thumbnails/x.png", "@eaDir/x.png/thumb.png", ".ipynb_checkpoints/x-checkpoint.png"):
        photo(tmp_path / "p" / name)
    for name in ("._x.png", "Thumbs.db", ".DS_Store", "__MACOSX/x.png"):
        (tmp_path / "p" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "p" / name).write_bytes(b"\0\5\x16\7")
    code, said, _ = predict(tmp_path / "p", "--out", tmp_path / "o")
    assert code == 0 and "for 1 of 1 images" in said and "left out" not in said


def test_every_kind_of_photo_is_read_and_the_others_are_counted(predict, tmp_path):
    kinds = {
        "jfif": "JPEG",
        "jpe": "JPEG",
        "JPG": "JPEG",
        "gif": "GIF",
        "ppm": "PPM",
        "avif": "AVIF",
        "jp2": "JPEG2000",
    }
    for end, format_ in kinds.items():
        photo(tmp_path / "p" / f"{end}.{end}", format_)
    for name, content in (("a.dng", b"x"), ("b.DNG", b"x"), ("c.mp4", VIDEO), ("notes.txt", b"x")):
        (tmp_path / "p" / name).write_bytes(content)
    code, said, _ = predict(tmp_path / "p", "--out", tmp_path / "o")
    assert code == 0 and listing(tmp_path / "o") == results(*kinds)
    assert "left out: 2 .dng, 1 .mp4: convert photos to JPEG or PNG; predict videos by themselves" in said


def test_the_first_picture_of_a_gif_is_read(tmp_path):
    pictures = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    pictures[0].save(tmp_path / "a.gif", save_all=True, append_images=pictures[1:])
    assert (read_image(tmp_path / "a.gif") == (255, 0, 0)).all()


def test_a_folder_with_nothing_to_read_says_what_is_in_it(predict, tmp_path):
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "a.dng").write_bytes(b"x")
    code, _, complaints = predict(tmp_path / "p", "--out", tmp_path / "o")
    assert code == 2 and len(complaints) == 1 and "1 .dng: convert photos to JPEG or PNG" in complaints[0]


def test_folders_are_mirrored(predict, tmp_path):
    for name in ("x.png", "left/x.png", "right/deep/x.png"):
        photo(tmp_path / "p" / name)
    assert predict(tmp_path / "p", "--out", tmp_path / "o")[0] == 0
    assert listing(tmp_path / "o") == results("x", "left/x", "right/deep/x")
    assert predict(tmp_path / "p" / "left", tmp_path / "p" / "right", "--out", tmp_path / "o2")[0] == 0
    assert listing(tmp_path / "o2") == results("left/x", "right/deep/x")


@pytest.mark.parametrize(
    ("out", "form"), [(".", "files"), (".", "cityscapes"), ("p", "files"), ("p/sub", "files"), ("p/sub", "cityscapes")]
)
def test_results_are_no_photos_wherever_they_lie(out, form, predict, tmp_path, monkeypatch):
    """Above the photos, beside them and among them; a second call finds the same photos, also with another --out."""
    monkeypatch.chdir(tmp_path)
    photo(tmp_path / "p" / "x.png")
    photo(tmp_path / "p" / "sub" / "y.png")
    for _ in range(2):
        code, said, _ = predict("p", "--out", out, "--format", form)
        assert code == 0 and "for 2 of 2 images" in said
    found = find_photos([tmp_path])
    assert [str(found.path) for found in found.photos] == [f"{tmp_path}/p/sub/y.png", f"{tmp_path}/p/x.png"]
    assert found.left_out["partwise result"] >= 6


def test_results_of_versions_without_marks_are_no_photos(predict, tmp_path):
    photo(tmp_path / "x.png")
    predict(tmp_path, "--out", tmp_path / "files")
    predict(tmp_path, "--out", tmp_path / "form", "--format", "cityscapes")
    for path in (*(tmp_path / "files").glob("*.png"), *(tmp_path / "form").rglob("*.png")):
        Image.fromarray(np.array(Image.open(path))).save(path)
    assert [found.path.name for found in find_photos([tmp_path]).photos] == ["x.png"]


def test_truth_is_no_photo(city_root):
    found = find_photos([city_root])
    assert len(found.photos) == 9 and found.left_out == {"label map": 18}


def test_a_photo_is_done_once_however_often_it_is_given(predict, tmp_path, monkeypatch):
    path = photo(tmp_path / "p" / "x.png")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to("p")
    code, said, _ = predict(path, "p/x.png", "p/../p/x.png", "p", "p", "link", "p/*.png", "--out", "o")
    assert code == 0 and "for 1 of 1 images" in said and listing(tmp_path / "o") == results("x")


def test_a_photo_that_lies_in_a_given_folder_has_its_results_where_those_of_the_folder_are(predict, tmp_path):
    path = photo(tmp_path / "p" / "sub" / "x.png")
    assert predict(path, tmp_path / "p", "--out", tmp_path / "o")[0] == 0
    assert listing(tmp_path / "o") == results("sub/x")


def test_home_is_found_in_every_form(predict, says, city_root, tmp_path, monkeypatch):
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    photo(home / "x.png")
    elsewhere.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(elsewhere)
    assert predict("~/x.png", "--out=~/o")[0] == 0
    (home / "city").symlink_to(city_root)
    says("check", "~/city", "--json=~/check.json", "--split", "val")
    assert listing(home / "o") == results("x") and (home / "check.json").is_file()
    assert not list(elsewhere.iterdir())


@pytest.mark.parametrize("words", [["", "--out", "o"], ["x.png", "--out", ""]])
def test_an_unset_variable_is_not_the_folder_that_we_are_in(words, predict, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photo(tmp_path / "x.png")
    code, said, _ = predict(*words)
    assert code == 2 and "an empty argument" in said and listing(tmp_path) == {"x.png"}
