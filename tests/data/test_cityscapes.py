import multiprocessing
import pickle
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from partwise.data.cityscapes import CityscapesFolder, write_scene
from partwise.data.image_files import write_png
from partwise.errors import PartwiseError
from partwise.scene import Scene
from streeteval.labels import CITYSCAPES
from streeteval.reading.faults import id_faults, implied_ids


def same(a: Scene, b: Scene) -> bool:
    return (
        a.name == b.name
        and np.array_equal(a.image_HW3, b.image_HW3)
        and np.array_equal(a.semantic_HW, b.semantic_HW)
        and np.array_equal(a.instance_ids_HW, b.instance_ids_HW)
    )


def zip_tree(root: Path, tree: str, target: Path, prefix: str = "") -> None:
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("README", "about")
        archive.writestr(f"__MACOSX/{tree}/train/x/._x{tree}.png", "not an image")
        for path in sorted((root / tree).rglob("*.png")):
            archive.write(path, prefix + path.relative_to(root).as_posix())


@pytest.fixture(scope="module")
def zip_root(city_root, tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("zips")
    zip_tree(city_root, "leftImg8bit", root / "leftImg8bit_trainvaltest.zip")
    zip_tree(city_root, "gtFine", root / "gtFine_trainvaltest.zip", prefix="cityscapes/")
    return root


@pytest.fixture
def one_scene_root(scenes, tmp_path) -> Path:
    write_scene(scenes[0], tmp_path, "train")
    return tmp_path


def only(root: Path, pattern: str) -> Path:
    (path,) = root.rglob(pattern)
    return path


def test_what_is_written_is_read(scenes, tmp_path):
    for scene in scenes:
        write_scene(scene, tmp_path, "train")
    data = CityscapesFolder(tmp_path, "train")
    assert data.names == sorted(scene.name for scene in scenes)
    assert len(data) == len(scenes)
    assert all(same(read, scene) for read, scene in zip(data, scenes, strict=True))
    assert same(data[-1], scenes[-1])
    with pytest.raises(IndexError):
        data[len(scenes)]


@pytest.mark.parametrize("split", ["train", "val"])
def test_zips_give_what_the_folder_gives(city_root, zip_root, split):
    folder, zips = CityscapesFolder(city_root, split), CityscapesFolder(zip_root, split)
    assert folder.names == zips.names
    assert all(same(a, b) for a, b in zip(folder, zips, strict=True))


def test_one_tree_as_a_folder_and_one_as_a_zip(city_root, zip_root, tmp_path):
    shutil.copytree(city_root / "leftImg8bit", tmp_path / "leftImg8bit")
    shutil.copy(zip_root / "gtFine_trainvaltest.zip", tmp_path)
    assert same(CityscapesFolder(tmp_path, "val")[1], CityscapesFolder(city_root, "val")[1])


def _checksum(data: CityscapesFolder, i: int) -> int:
    return int(data[i].image_HW3.sum()) + int(data[i].instance_ids_HW.sum())


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_workers_read_from_zips_at_the_same_time(zip_root, start):
    data = CityscapesFolder(zip_root, "train")
    order = list(range(len(data))) * (4 if start == "fork" else 1)
    expected = [_checksum(data, i) for i in order]  # opens the zips here, before the fork
    with multiprocessing.get_context(start).Pool(2) as pool:
        assert pool.starmap(_checksum, [(data, i) for i in order], chunksize=1) == expected


def test_a_pickle_of_a_used_folder_reads_on(zip_root):
    data = CityscapesFolder(zip_root, "val")
    first = data[0]
    assert same(pickle.loads(pickle.dumps(data))[0], first)


def test_jpeg_images(one_scene_root):
    path = only(one_scene_root, "*_leftImg8bit.png")
    image = Image.open(path).convert("RGB")
    image.save(path.with_suffix(".jpg"), quality=95)
    path.unlink()
    scene = CityscapesFolder(one_scene_root, "train")[0]
    assert np.abs(scene.image_HW3.astype(int) - np.asarray(image)).mean() < 8


def test_official_frames_are_read_as_published(shared_root):
    data = CityscapesFolder(shared_root / "cityscapes" / "official", "train")
    assert len(data) == 8
    scene = data[0]
    assert scene.size == (1024, 2048)
    assert scene.name.startswith("aachen_")
    assert np.array_equal(implied_ids(scene.instance_ids_HW), scene.semantic_HW)
    assert len(scene.instances) > 0


def _delete(pattern):
    return lambda root: only(root, pattern).unlink()


def _overwrite(pattern, change):
    def remedy(root):
        path = only(root, pattern)
        ids = np.array(Image.open(path)).astype(np.int32)
        ids = change(ids)
        write_png(path, ids.astype(np.uint8) if "label" in pattern else ids)

    return remedy


def _set(value, pixels):
    def change(ids):
        ids.reshape(-1)[:pixels] = value
        return ids

    return change


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda root: shutil.rmtree(root / "gtFine"), ["no gtFine", "leftImg8bit and gtFine"]),
        (lambda root: shutil.rmtree(root / "leftImg8bit"), ["no leftImg8bit"]),
        (_delete("*labelIds.png"), ["leftImg8bit.png", "has no truth", "labelIds.png"]),
        (_delete("*instanceIds.png"), ["has no truth", "instanceIds.png"]),
        (_delete("*leftImg8bit.png"), ["split 'train' has no image"]),
        (_overwrite("*labelIds.png", lambda ids: ids[:-2]), ["labelIds.png", "256x126", "256x128"]),
        (_overwrite("*instanceIds.png", lambda ids: ids[:, :-2]), ["instanceIds.png", "254x128", "256x128"]),
        (_overwrite("*labelIds.png", _set(77, 5)), ["labelIds.png", "unknown id 77", "(5 pixels)", "0 to 33"]),
        (_overwrite("*instanceIds.png", _set(7003, 1)), ["instanceIds.png", "7003", "'road'", "(1 pixel)"]),
        (_overwrite("*instanceIds.png", _set(40001, 9)), ["unknown id 40001", "(9 pixels)"]),
        (_overwrite("*labelIds.png", lambda ids: CITYSCAPES.id_to_train_id[ids]), ["trainIds", "labelIds"]),
        (lambda root: only(root, "*labelIds.png").write_bytes(b"\x89PNG"), ["labelIds.png", "not an image"]),
    ],
)
def test_each_fault_is_one_line_with_file_value_and_remedy(one_scene_root, harm, says):
    harm(one_scene_root)
    with pytest.raises(PartwiseError) as caught:
        CityscapesFolder(one_scene_root, "train")[0]
    message = str(caught.value)
    assert "\n" not in message
    for part in says:
        assert part in message


def test_train_ids_without_ignored_pixels_are_known_by_the_instance_ids():
    instance_ids = np.array([[7, 7, 26001], [7, 11, 11]])
    train_ids = CITYSCAPES.id_to_train_id[implied_ids(instance_ids)].astype(np.int32)
    (fault,) = id_faults(train_ids, instance_ids, ("a", "b"), CITYSCAPES)
    assert "trainIds" in fault.problem
    assert id_faults(implied_ids(instance_ids), instance_ids, ("a", "b"), CITYSCAPES) == []


def test_low_ids_alone_are_no_train_ids():
    road = np.full((4, 4), 7)
    assert id_faults(road, road, ("a", "b"), CITYSCAPES) == []


def test_paths_and_splits_that_do_not_exist(city_root, tmp_path):
    with pytest.raises(PartwiseError, match="no such file or folder"):
        CityscapesFolder(tmp_path / "nowhere", "train")
    with pytest.raises(PartwiseError, match=r"did you mean 'train'.*train, val"):
        CityscapesFolder(city_root, "trian")
    with pytest.raises(PartwiseError, match="give the folder above it"):
        CityscapesFolder(city_root / "gtFine", "train")


def test_an_image_that_is_there_twice(one_scene_root):
    path = only(one_scene_root, "*_leftImg8bit.png")
    Image.open(path).save(path.with_suffix(".jpg"))
    with pytest.raises(PartwiseError, match="twice"):
        CityscapesFolder(one_scene_root, "train")


def test_a_zip_that_was_not_downloaded_wholly(zip_root, tmp_path):
    for name in ("leftImg8bit_trainvaltest.zip", "gtFine_trainvaltest.zip"):
        data = (zip_root / name).read_bytes()
        (tmp_path / name).write_bytes(data[: len(data) // 2])
    with pytest.raises(PartwiseError, match=r"not a complete zip.*download"):
        CityscapesFolder(tmp_path, "train")


def test_a_damaged_member_of_a_zip(zip_root, tmp_path):
    shutil.copytree(zip_root, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "leftImg8bit_trainvaltest.zip"
    with zipfile.ZipFile(path) as archive:
        member = next(info for info in archive.infolist() if "/val/" in info.filename)
    data = bytearray(path.read_bytes())
    data[member.header_offset + 2000] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(PartwiseError, match="cannot be unpacked"):
        list(CityscapesFolder(tmp_path, "val"))


def test_a_full_disk_while_a_scene_is_written_leaves_no_file(scenes, tmp_path, disk_full_after):
    with disk_full_after(20_000), pytest.raises(PartwiseError, match="cannot write"):
        write_scene(scenes[0], tmp_path, "train")  # the truth fits, the image does not
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_the_official_tool_reads_what_we_write(one_scene_root, scenes):
    from cityscapesscripts.evaluation.instance import Instance

    ids = np.array(Image.open(only(one_scene_root, "*instanceIds.png")))
    found = {int(value): Instance(ids, value).pixelCount for value in np.unique(ids) if value >= 1000}
    truth = scenes[0].instances
    assert sorted(found.values()) == sorted(truth.areas.tolist())
