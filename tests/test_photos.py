"""Photos in, files out: no file of a user is replaced, and one bad photo is only one."""

import errno
import io
import json
import os
import subprocess
import sys
import warnings
from collections import Counter
from pathlib import Path

import pytest
from photo_cases import HEIC, SAID_OF_HEIC, VIDEO, listing, photo, results
from PIL import Image

from partwise.cli import main
from partwise.data.image_files import read_image
from partwise.errors import PartwiseError
from partwise.photo_files import find_photos
from partwise.segmenter import Segmenter


def test_an_annotation_beside_its_photo_is_kept(predict, tmp_path):
    lab = tmp_path / "lab"
    photo(lab / "photo.png")
    photo(lab / "other.png")
    annotation = '{"version": "5.4.1", "flags": {}, "shapes": [], "imagePath": "photo.png"}'
    (lab / "photo.json").write_text(annotation)
    code, said, complaints = predict(lab, "--out", lab)
    assert code == 2 and len(complaints) == 1
    assert f"{lab / 'photo.json'}: partwise did not write this file" in complaints[0]
    assert "for 1 of 2 images" in said and "--overwrite" in said
    assert (lab / "photo.json").read_text() == annotation
    assert listing(lab) == {"photo.png", "photo.json", "other.png", *results("other")}
    code, said, _ = predict(lab, "--out", lab)
    assert code == 2 and "replacing earlier results of 1" in said
    assert predict(lab, "--out", lab, "--overwrite")[0] == 0
    assert json.loads((lab / "photo.json").read_text())["name"] == "photo"


def test_what_was_found_is_said_by_class(predict, tmp_path):
    photos = [photo(tmp_path / "photos" / name) for name in ("a.png", "b.png")]
    code, said, _ = predict(*photos, "--out", tmp_path / "out", "--min-score", "0")
    counts = Counter(one["label"] for name in "ab" for one in instances_in(tmp_path / "out" / f"{name}.json"))
    number = f"{counts.total()} instance" + "s" * (counts.total() != 1)
    assert code == 0 and counts and f"found {number}: " in said
    assert all(f"{name} {count}" in said for name, count in counts.items())
    said = predict(*photos, "--out", tmp_path / "out", "--min-score", "1")[1]
    assert "found no instance with a score of at least 1: --min-score 0.5 shows less certain ones" in said
    submitted = predict(*photos, "--out", tmp_path / "theirs", "--format", "cityscapes")[1]
    assert not [line for line in submitted.splitlines() if line.startswith("found")]


def instances_in(path: Path) -> list[dict]:
    return json.loads(path.read_text())["instances"]


def test_no_network_is_run_for_a_photo_whose_results_cannot_be_written(predict, tmp_path, monkeypatch):
    path = photo(tmp_path / "a.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.json").write_text("mine")
    monkeypatch.setattr(Segmenter, "__call__", lambda *_, **__: pytest.fail("the network was run"))
    assert predict(path, "--out", tmp_path / "out")[0] == 2


def test_lines_of_another_tool_are_kept(predict, tmp_path):
    path, lines = photo(tmp_path / "a.png"), tmp_path / "out" / "instances" / "a_pred.txt"
    lines.parent.mkdir(parents=True)
    lines.write_text("a_0_car.png 26 0.5\n")
    assert predict(path, "--out", tmp_path / "out", "--format", "cityscapes")[0] == 2
    assert listing(tmp_path / "out") == {"instances/a_pred.txt"} and lines.read_text() == "a_0_car.png 26 0.5\n"


def test_a_result_never_replaces_a_photo_that_was_given(predict, tmp_path):
    both = photo(tmp_path / "a.png"), photo(tmp_path / "a_overlay.png")
    before = both[1].read_bytes()
    code, _, complaints = predict(*both, "--out", tmp_path, "--overwrite")
    assert code == 2 and len(complaints) == 1 and "would replace this photo" in complaints[0]
    assert both[1].read_bytes() == before


def test_two_photos_of_one_name_have_results_of_their_own(predict, tmp_path):
    first, second = photo(tmp_path / "a" / "x.png"), photo(tmp_path / "b" / "x.png", seed=1)
    third = photo(tmp_path / "b" / "x_2.png")
    code, said, _ = predict(first, second, third, "--out", tmp_path / "out")
    assert code == 0 and f"{second}: another photo has this name, its results are called x_3" in said
    assert listing(tmp_path / "out") == results("x", "x_2", "x_3")


def test_names_that_only_some_file_systems_tell_apart(tmp_path):
    for name in ("A.png", "a.png", "a.jpg", "caf\u00e9.png", "cafe\u0301.png"):
        photo(tmp_path / name)
    found = find_photos([tmp_path])
    assert sorted(p.name for p in found.photos) == ["A", "a_2", "a_3", "cafe\u0301", "caf\u00e9_2"]
    assert len(found.renamed) == 3


@pytest.mark.parametrize("names", [("a.png", "a_leftImg8bit.png"), ("one/a.png", "two/a.png")])
def test_a_submission_has_one_result_of_a_name(names, predict, tmp_path):
    for name in names:
        photo(tmp_path / "photos" / name)
    code, said, complaints = predict(tmp_path / "photos", "--out", tmp_path / "out", "--format", "cityscapes")
    assert code == 2 and len(complaints) == 1 and "for 1 of 2 images" in said
    assert str(tmp_path / "photos" / names[1]) in complaints[0] and "would be called a" in complaints[0]
    assert "pixels/a_labelIds.png" in listing(tmp_path / "out")


def test_a_file_system_that_takes_two_names_for_one(predict, tmp_path):
    """Folders of the results that are one folder stand for it."""
    photo(tmp_path / "in" / "one" / "a.png")
    photo(tmp_path / "in" / "two" / "a.png", seed=1)
    (tmp_path / "out" / "one").mkdir(parents=True)
    (tmp_path / "out" / "two").symlink_to("one")
    code, said, complaints = predict(tmp_path / "in", "--out", tmp_path / "out")
    assert code == 2 and "would replace that of another photo" in complaints[0] and "for 1 of 2" in said


def test_explain_keeps_files_of_others(tiny_model_file, complains, says, tmp_path):
    path, told = photo(tmp_path / "a.png"), tmp_path / "out" / "a_5_6_explained.json"
    command = ["explain", path, "--at", "5,6", "--out", tmp_path / "out", "--model", tiny_model_file]
    says(*command)
    told.write_text("mine")
    picture = told.with_suffix(".png").read_bytes()
    assert "partwise did not write this file" in complains(*command)
    assert told.read_text() == "mine" and told.with_suffix(".png").read_bytes() == picture
    says(*command, "--overwrite")
    assert json.loads(told.read_text())["x"] == 5


@pytest.mark.usefixtures("nothing_hangs")
def test_each_thing_that_is_no_photo_is_one_line_and_the_rest_is_done(predict, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("good.png", "two\nlines.png", f"{'n' * 226}.png", f"{'l' * 251}.png", "photo.tar.png", " s .png"):
        photo(tmp_path / "p" / name)
    (tmp_path / "p" / "empty.png").touch()
    (tmp_path / "p" / "text\n.png").write_text("no image")
    (tmp_path / "p" / "heic.jpg").write_bytes(HEIC)
    (tmp_path / "p" / "link.png").symlink_to("nothing")
    (tmp_path / "p" / "self.png").symlink_to("self.png")
    (tmp_path / "p" / "zero.png").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "p" / "pipe.png")
    code, said, complaints = predict("p", "none.png", "nothing/*.png", "v" * 300, "--out", "o")
    assert code == 2 and "for 5 of 16 images to o; 11 failed" in said
    assert listing(tmp_path / "o") == results("good", "two\nlines", "n" * 226, "photo.tar", " s ")
    words = {
        "p/empty.png": "the file is empty",
        "p/heic.jpg": SAID_OF_HEIC,
        "p/link.png": "a link to nothing",
        "p/self.png": "too many levels of symbolic links",
        "p/zero.png": "a pipe, a socket or a device",
        "p/pipe.png": "a pipe, a socket or a device",
        "p/text\\n.png": "not an image",
        f"p/{'l' * 251}.png": "the name is too long",
        "none.png": "no such file or folder",
        "nothing/*.png": "no such file or folder",
        "v" * 300: "file name too long",
    }
    assert len(complaints) == len(words)
    for path, problem in words.items():
        assert any(line.startswith(f"partwise: {path}: ") and problem in line for line in complaints), path


def test_a_large_video_is_not_read(predict, tmp_path):
    """6 GB, as a file without blocks; memory is limited so that reading it would fail."""
    resource = pytest.importorskip("resource")
    with (tmp_path / "v.mp4").open("wb") as file:
        file.write(VIDEO)
        file.truncate(6 << 30)
    os.link(tmp_path / "v.mp4", tmp_path / "v.png")
    photo(tmp_path / "good.png")
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (4 << 30), hard))
    try:
        code, said, complaints = predict(tmp_path / "v.mp4", tmp_path, "--out", tmp_path / "o")
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    assert code == 2 and "for 1 of 3 images" in said
    assert len(complaints) == 2 and all("not an image: a video" in line for line in complaints)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: you tried"),
    ],
)
def test_a_photo_that_is_too_large_for_the_memory(error, predict, tmp_path, monkeypatch):
    for name in ("a.png", "b.png"):
        photo(tmp_path / "p" / name)
    call = Segmenter.__call__

    def short(self, image, *, name, **options):
        if name == "a":
            raise error
        return call(self, image, name=name, **options)

    monkeypatch.setattr(Segmenter, "__call__", short)
    code, said, complaints = predict(tmp_path / "p", "--out", tmp_path / "o")
    assert code == 2 and "for 1 of 2 images" in said and len(complaints) == 1
    assert f"{tmp_path / 'p' / 'a.png'}: there is not enough memory for so large a photo" in complaints[0]


def test_a_fault_of_the_program_is_not_hidden(tmp_path, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr(Segmenter, "__call__", broken)
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        main(["predict", str(photo(tmp_path / "a.png")), "--out", str(tmp_path / "o")])


def test_large_photos_are_told_in_plain_words(tmp_path, monkeypatch):
    path = photo(tmp_path / "a.png")  # of 1536 pixels
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with warnings.catch_warnings(action="error"):
        assert read_image(path).shape == (32, 48, 3)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 600)
    with pytest.raises(PartwiseError, match="pixels are not read: scale the image down") as caught:
        read_image(path)
    assert "bomb" not in str(caught.value)


def test_a_scale_that_cannot_be_is_one_line_for_all_photos(predict, tmp_path):
    for name in ("a.png", "b.png"):
        photo(tmp_path / name)
    code, _, complaints = predict(tmp_path, "--out", tmp_path / "o", "--scale", 99)
    assert code == 2 and len(complaints) == 1 and "scale 99" in complaints[0]


def test_a_photo_and_its_mirror_image_can_be_averaged(predict, tmp_path):
    photo(tmp_path / "a.png")
    code, said, _ = predict(tmp_path / "a.png", "--out", tmp_path / "o", "--flip")
    assert code == 0, said
    assert {path.name for path in (tmp_path / "o").iterdir()} == results("a")


def test_a_full_disk_ends_it_and_says_how_far_it_came(predict, tmp_path, monkeypatch):
    for name in ("a.png", "b.png", "c.png"):
        photo(tmp_path / "p" / name)
    fsync, calls = os.fsync, []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) > 4:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    code, said, complaints = predict(tmp_path / "p", "--out", tmp_path / "o")
    assert code == 2 and "for 1 of 3 images" in said and len(complaints) == 1
    assert "no space left on device" in complaints[0] and listing(tmp_path / "o") == results("a")


def test_a_folder_of_the_results_that_cannot_be_written_keeps_no_other_photo_from_them(predict, tmp_path):
    for name in ("a/x.png", "b/x.png"):
        photo(tmp_path / "p" / name)
    (tmp_path / "o").mkdir()
    (tmp_path / "o" / "a").write_text("mine")
    code, said, complaints = predict(tmp_path / "p", "--out", tmp_path / "o")
    assert code == 2 and "for 1 of 2 images" in said and len(complaints) == 1
    assert listing(tmp_path / "o") == {"a", *results("b/x")}


@pytest.mark.parametrize("place", ["photo", "folder", "out", "model"])
def test_what_nobody_may_read_or_write_is_one_line(place, predict, tmp_path, monkeypatch):
    """As the system says it to anybody but root."""
    good, closed = photo(tmp_path / "good.png"), tmp_path / "closed"
    closed.mkdir()
    photo(closed / "x.png")
    stat, access = os.stat, os.access

    def refuse(path, *arguments, **options):
        if str(path).startswith(f"{closed}/"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return stat(path, *arguments, **options)

    monkeypatch.setattr(os, "stat", refuse)
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != closed and access(path, mode))
    monkeypatch.setattr(os, "scandir", lambda path: refuse(f"{path}/"))
    inputs = {"photo": [good, closed / "x.png"], "folder": [good, closed]}.get(place, [good])
    words = ["--out", closed / "o" if place == "out" else tmp_path / "o"]
    words += ["--device", "cpu", "--model", closed / "m.safetensors"] if place == "model" else []
    if place == "model":
        with pytest.raises(SystemExit) as ended:
            main(["predict", *map(str, [*inputs, *words])])
        assert ended.value.code == 2
        return
    code, said, complaints = predict(*inputs, *words)
    assert code == 2 and len(complaints) == 1 and "permission denied" in complaints[0]
    assert str(closed) in complaints[0]
    assert ("for 1 of 2 images" in said) == (place != "out")


@pytest.mark.parametrize("form", ["/dev/stdin", "/dev/fd/0"])
def test_a_photo_out_of_a_pipe(form):
    program = "import sys; from partwise.data.image_files import read_image; print(read_image(sys.argv[1]).shape)"
    data = io.BytesIO()
    Image.new("RGB", (48, 32)).save(data, "PNG")
    done = subprocess.run([sys.executable, "-c", program, form], input=data.getvalue(), capture_output=True, timeout=60)
    assert done.stdout == b"(32, 48, 3)\n", done.stderr


@pytest.mark.parametrize("batch", [2, 5])
def test_photos_in_batches_have_the_results_of_one_by_one(batch, predict, tmp_path):
    for number, size in enumerate([(40, 30), (50, 20), (40, 30), (40, 30)]):
        photo(tmp_path / "p" / f"{number}.png", size=size)
    (tmp_path / "p" / "2b.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    one = predict(tmp_path / "p", "--out", tmp_path / "one", "--min-score", 0)
    together = predict(tmp_path / "p", "--out", tmp_path / "together", "--min-score", 0, "--batch", batch)
    assert (one[0], together[0]) == (2, 2) and len(one[2]) == len(together[2]) == 1 and "2b.png" in together[2][0]
    assert listing(tmp_path / "one") == listing(tmp_path / "together")
    for name in listing(tmp_path / "one"):
        first, second = ((tmp_path / folder / name) for folder in ("one", "together"))
        if name.endswith(".json"):
            first, second = (json.loads(path.read_text()) for path in (first, second))
            assert [i["label"] for i in first["instances"]] == [i["label"] for i in second["instances"]] != []


def test_a_batch_that_fails_is_predicted_one_by_one(predict, tmp_path, monkeypatch):
    for number in range(3):
        photo(tmp_path / "p" / f"{number}.png")

    def refuse(self, images, **arguments):
        raise MemoryError

    monkeypatch.setattr(Segmenter, "stream", refuse)
    assert predict(tmp_path / "p", "--out", tmp_path / "out", "--batch", 3)[0] == 0
    assert listing(tmp_path / "out") == {*results("0"), *results("1"), *results("2")}


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--batch", 0], "from 1 on"),
        (["--batch", 2, "--format", "parquet"], "is for photos"),
        (["--resume"], "partwise: --resume: for --format parquet: add it, or leave --resume out"),
        (["--shard", "1/2"], "partwise: --shard: for --format parquet"),
    ],
)
def test_an_option_that_does_not_fit_is_one_line(words, line, predict, tmp_path):
    code, _, complaints = predict(photo(tmp_path / "a.png"), "--out", tmp_path / "out", *words)
    assert code == 2 and len(complaints) == 1 and line in complaints[0]
    assert not (tmp_path / "out").exists()
