"""Shards: what is done stays done, whatever ends the process."""

import io
import json
import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from photo_cases import photo

from partwise.errors import PartwiseError
from partwise.photo_files import find_photos, left_out_text
from partwise.shards.listing import ListedPhoto, NameSet, Shard, listed_photos
from partwise.shards.parts import FAULTS, names_in, part_files, photos_in
from partwise.shards.run import MANIFEST, predict_shard
from streeteval.instances import Instances

pytest.importorskip("pyarrow")
import pyarrow.parquet as pq

SETTINGS = {"model": "one"}


def listed(count):
    return (ListedPhoto(Path(f"{i}.jpg"), f"{i}.jpg") for i in range(count))


def find(path):
    """Stands for a model: the label of photo 7.jpg is 7; photo 5.jpg fails."""
    if path.name == "5.jpg":
        raise PartwiseError(f"{path}: damaged")
    mask = np.zeros((4, 6), bool)
    mask[1:3, 2:5] = mask[3, 2] = True
    return Instances.from_masks([int(path.stem)], [0.5], [mask])


def test_parts_hold_what_was_found_and_faults_do_not_stop_the_rest(tmp_path):
    done = predict_shard(find, listed(10), tmp_path, SETTINGS, photos_a_part=3)
    assert (done.photos, done.failed) == (9, 1)
    found = {one.name: one.instances for one in photos_in(tmp_path)}
    assert set(found) == {f"{i}.jpg" for i in range(10) if i != 5}
    expected = find(Path("7.jpg"))
    assert found["7.jpg"].labels.tolist() == [7] and found["7.jpg"].size == (4, 6)
    assert found["7.jpg"].boxes.tolist() == expected.boxes.tolist()
    assert np.array_equal(found["7.jpg"].masks[0], expected.masks[0])
    assert [name for path in part_files(tmp_path, FAULTS) for name in names_in(path)] == ["5.jpg"]
    assert json.loads((tmp_path / MANIFEST).read_text())["complete"]["shard-00001-of-00001"]["failed"] == 1


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("CUDA out of memory. Tried to allocate 8 GiB")])
def test_a_photo_too_large_for_the_memory_is_a_fault_and_is_tried_again(tmp_path, error):
    def short(path):
        if path.name == "3.jpg":
            raise error
        return find(path)

    done = predict_shard(short, listed(5), tmp_path, SETTINGS)
    assert (done.photos, done.failed) == (4, 1)
    (faults,) = part_files(tmp_path, FAULTS)
    assert names_in(faults) == ["3.jpg"]
    assert "3.jpg: there is not enough memory for so large a photo" in str(pq.read_table(faults)["fault"][0])
    done = predict_shard(find, listed(5), tmp_path, SETTINGS, resume=True)
    assert (done.photos, done.failed, done.earlier) == (5, 0, 4)


@pytest.mark.parametrize("error", [RuntimeError("shapes do not fit"), KeyboardInterrupt(), ValueError("a fault")])
def test_an_exception_that_ends_the_call_loses_no_photo_that_is_done(tmp_path, error):
    def broken(path):
        if path.name == "4.jpg":
            raise error
        return find(path)

    with pytest.raises(type(error)):
        predict_shard(broken, listed(10), tmp_path, SETTINGS)
    assert [one.name for one in photos_in(tmp_path)] == ["0.jpg", "1.jpg", "2.jpg", "3.jpg"]
    done = predict_shard(find, listed(10), tmp_path, SETTINGS, resume=True)
    assert (done.photos, done.earlier) == (9, 4)


def test_killed_at_100_random_moments_it_loses_at_most_one_part(tmp_path):
    rng, count, a_part = random.Random(0), 3000, 10
    kills, before = 0, set()
    for _ in range(100):
        started = tmp_path / "started"
        started.unlink(missing_ok=True)
        child = os.fork()
        if child == 0:
            calls = os.open(started, os.O_CREAT | os.O_WRONLY | os.O_APPEND)

            def found(path):
                os.write(calls, b".")
                return find(path)

            try:
                predict_shard(found, listed(count), tmp_path / "out", SETTINGS, resume=True, photos_a_part=a_part)
            finally:
                os._exit(0)
        time.sleep(rng.uniform(0, 0.15))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        kills += os.WIFSIGNALED(status)
        names = [one for path in part_files(tmp_path / "out") for one in names_in(path)]
        assert len(names) == len(set(names)) and before <= set(names)
        calls = started.stat().st_size if started.exists() else 0
        assert calls - len(set(names) - before) <= a_part + 1  # at most one part, and 5.jpg, which fails
        before = set(names)
    assert kills > 50 and before
    done = predict_shard(find, listed(count), tmp_path / "out", SETTINGS, resume=True, photos_a_part=500)
    assert (done.photos, done.failed, done.earlier) == (count - 1, 1, len(before))
    assert sorted(one.name for one in photos_in(tmp_path / "out")) == sorted(f"{i}.jpg" for i in range(count) if i != 5)
    assert not list((tmp_path / "out").glob("*/.partwise-*"))


def test_shards_are_disjoint_and_complete(tmp_path):
    for number in (1, 2, 3):
        predict_shard(find, listed(50), tmp_path, SETTINGS, shard=Shard(number, 3))
    names = [one.name for one in photos_in(tmp_path)]
    assert len(names) == 49 and len(set(names)) == 49


@pytest.mark.parametrize("text", ["3/2", "0/2", "1", "a/b", "1/0", ""])
def test_a_wrong_shard_is_refused(text):
    with pytest.raises(PartwiseError, match="NUMBER/COUNT"):
        Shard.parsed(text)


def test_a_run_with_other_settings_or_without_resume_is_refused(tmp_path):
    predict_shard(find, listed(3), tmp_path, SETTINGS)
    with pytest.raises(PartwiseError, match="this run has model one, not two"):
        predict_shard(find, listed(3), tmp_path, {"model": "two"}, resume=True)
    with pytest.raises(PartwiseError, match="shards"):
        predict_shard(find, listed(3), tmp_path, SETTINGS, shard=Shard(1, 2), resume=True)
    with pytest.raises(PartwiseError, match="has results"):
        predict_shard(find, listed(3), tmp_path, SETTINGS)


def test_a_second_process_on_the_same_shard_is_refused(tmp_path):
    def meanwhile(path):
        with pytest.raises(PartwiseError, match="another process is writing into this folder"):
            predict_shard(find, listed(1), tmp_path, SETTINGS, resume=True)
        return find(path)

    assert predict_shard(meanwhile, listed(1), tmp_path, SETTINGS).photos == 1


def test_a_full_disk_ends_the_run_and_keeps_earlier_parts(tmp_path, monkeypatch):
    def full(path, *_):
        error = PartwiseError("cannot write: no space left on device")
        raise error from OSError(28, "No space left on device")

    predict_shard(find, listed(3), tmp_path, SETTINGS)
    monkeypatch.setattr("partwise.shards.run.write_part", full)
    with pytest.raises(PartwiseError, match="no space"):
        predict_shard(find, listed(9), tmp_path, SETTINGS, resume=True)
    assert len(list(photos_in(tmp_path))) == 3


def test_names_are_relative_paths_and_repeated_ones_are_counted(tmp_path, monkeypatch):
    for name in ("a/1.jpg", "b/1.jpg", "b/.hidden.jpg", "b/notes.md"):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / name).touch()
    monkeypatch.chdir(tmp_path / "photos")
    assert [one.name for one in listed_photos([tmp_path / "photos"])] == ["a/1.jpg", "b/1.jpg"]
    assert sorted(one.name for one in listed_photos(["*/*.jpg"])) == ["a/1.jpg", "b/1.jpg"]
    (tmp_path / "list.txt").write_text("a/1.jpg\n\nb/1.jpg\r\n./a/1.jpg\nmissing.jpg\n")
    given = list(listed_photos([tmp_path / "list.txt"]))
    assert [one.name for one in given] == ["a/1.jpg", "b/1.jpg", "a/1.jpg", "missing.jpg"]
    done = predict_shard(lambda path: Instances.empty((1, 1)), given, tmp_path / "out", SETTINGS)
    assert (done.photos, done.repeated) == (3, 1)


def mixed_tree(predict, folder: Path) -> Path:
    """Photos, results of both forms among them, a label map, files that cannot be read, and links."""
    for name in ("x.png", "deep/y.JPG", "deep/er/z.png", "deep/s.webp"):
        photo(folder / name, Path(name).suffix[1:].upper().replace("JPG", "JPEG"))
    predict(folder / "x.png", "--out", folder)
    predict(folder / "x.png", "--out", folder / "deep" / "form", "--format", "cityscapes")
    for name in ("a_gtFine_labelIds.png", "deep/b_gtFine_instanceIds.png"):
        photo(folder / name)
    for name in ("c.arw", "deep/d.dng", "e.mp4", "notes.md", ".hidden.png"):
        (folder / name).touch()
    photo(folder.parent / "elsewhere" / "far.png")
    (folder / "link").symlink_to(folder.parent / "elsewhere")
    (folder / "loop").symlink_to(folder)
    (folder / "deep" / "again").symlink_to(folder / "deep" / "er")
    return folder


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("given", [".", "**/*"])
def test_what_is_no_photo_is_left_out_and_counted_as_in_the_other_formats(predict, tmp_path, count, given, monkeypatch):
    folder = mixed_tree(predict, tmp_path / "p")
    expected = find_photos([folder])
    assert {"partwise result", "label map", ".arw", ".mp4"} < set(expected.left_out)
    if given != ".":  # patterns follow links more than once
        for link in ("link", "loop", "deep/again"):
            (folder / link).unlink()
        expected = find_photos([folder])
    monkeypatch.chdir(folder)
    found, left_out = set(), Counter()
    for number in range(1, count + 1):
        shard = Shard(number, count)
        found |= {one.name for one in listed_photos([given], shard, left_out) if shard.holds(one.name)}
    assert found == {str(one.path.relative_to(folder)) for one in expected.photos} and found
    assert left_out == expected.left_out


def test_the_command_says_what_it_left_out(predict, tmp_path):
    folder = mixed_tree(predict, tmp_path / "p")
    code, said, _ = predict(folder, "--out", tmp_path / "o", "--format", "parquet")
    assert code == 0 and "5 photos" in said
    words = lambda text: sorted(text.replace(",", "").replace(":", "").split())
    (line,) = (line for line in said.splitlines() if line.startswith("left out: "))
    assert words(line) == words(left_out_text(find_photos([folder]).left_out))
    for one in find_photos([folder]).photos:
        one.path.unlink()
    code, _, complaints = predict(folder, "--out", tmp_path / "o2", "--format", "parquet")
    assert code == 2 and len(complaints) == 1
    assert "a folder without photos: left out: " in complaints[0] and "2 label maps" in complaints[0]


@pytest.mark.parametrize(("given", "said"), [("empty", "without photos"), ("*/*.webp", "look at the pattern")])
def test_an_input_without_photos_is_an_error_and_not_a_run_of_none(tmp_path, monkeypatch, given, said):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.md").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PartwiseError, match=said):
        predict_shard(find, listed_photos([given]), tmp_path / "out", SETTINGS)


@pytest.mark.parametrize("given", ["list.txt", "-"])
def test_the_byte_order_mark_of_a_list_is_no_part_of_the_first_name(tmp_path, monkeypatch, given):
    content = "\ufeffa.jpg\r\nb.jpg\n"
    (tmp_path / "list.txt").write_bytes(content.encode())
    monkeypatch.setattr("sys.stdin", io.StringIO(content))
    monkeypatch.chdir(tmp_path)
    assert [one.name for one in listed_photos([given])] == ["a.jpg", "b.jpg"]


@pytest.mark.parametrize("given", ["*.webp", "missing"])
def test_a_wrong_path_is_said_before_anything_is_written(predict, tmp_path, given):
    code, _, complaints = predict(tmp_path / given, "--out", tmp_path / "out", "--format", "parquet")
    assert code == 2 and len(complaints) == 1 and "look at the" in complaints[0]
    assert not list((tmp_path / "out").glob("**/*"))


def test_every_path_is_looked_at_before_the_first_photo(predict, tmp_path):
    good = photo(tmp_path / "photos" / "a.png").parent
    wrong = [tmp_path / "fotos", tmp_path / "list.txt"]
    code, _, complaints = predict(good, *wrong, "--out", tmp_path / "out", "--format", "parquet")
    assert code == 2 and len(complaints) == 2
    assert all(str(path) in line for path, line in zip(wrong, complaints, strict=True))
    assert not (tmp_path / "out").exists()


def test_parts_are_found_by_a_folder_given_as_text(tmp_path):
    predict_shard(find, listed(3), tmp_path, SETTINGS)
    assert len(list(photos_in(str(tmp_path)))) == 3
    with pytest.raises(PartwiseError, match="no parts"):
        list(photos_in(str(tmp_path / "other")))


def test_a_set_of_names_knows_what_was_added(monkeypatch):
    monkeypatch.setattr("partwise.shards.listing._RECENT", 4)
    names = NameSet()
    assert all(names.add(str(i)) for i in range(50)) and not any(names.add(str(i)) for i in range(50))
    assert len(names) == 50
