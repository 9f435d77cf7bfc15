"""The truth alone: what the whole data set gives without its images, and one clear line for what is wrong with it."""

import pickle
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from partwise.data.cityscapes import CityscapesFolder
from partwise.errors import PartwiseError
from streeteval.reading.truth import TruthFolder


@pytest.fixture
def truth_root(city_root, tmp_path) -> Path:
    """gtFine of the rendered tree and nothing else, to be spoilt."""
    shutil.copytree(city_root / "gtFine", tmp_path / "gtFine")
    return tmp_path


def test_it_is_the_truth_of_the_whole_data_set(city_root, truth_root):
    whole, alone = CityscapesFolder(city_root, "val"), TruthFolder(truth_root, "val")
    assert alone.names == whole.names and len(alone) == len(whole)
    for a, b in zip(alone, whole, strict=True):
        assert a.name == b.name and a.size == b.size
        for field in ("semantic_HW", "instance_ids_HW"):
            assert np.array_equal(getattr(a, field), getattr(b, field))
            assert getattr(a, field).dtype == getattr(b, field).dtype
    assert pickle.loads(pickle.dumps(alone))[1].name == whole.names[1]


def test_the_official_zip_will_do(truth_root):
    with zipfile.ZipFile(truth_root / "gtFine_trainvaltest.zip", "w") as archive:
        for path in sorted(truth_root.glob("gtFine/val/*/*.png")):
            archive.write(path, path.relative_to(truth_root))
    expected = [scene.semantic_HW.sum() for scene in TruthFolder(truth_root, "val")]
    shutil.rmtree(truth_root / "gtFine")
    assert [scene.semantic_HW.sum() for scene in TruthFolder(truth_root, "val")] == expected


def spoil(truth_root: Path, how: str) -> None:
    labels = sorted(truth_root.glob("gtFine/val/*/*_labelIds.png"))[0]
    if how == "half":
        labels.unlink()
    elif how == "empty":
        shutil.rmtree(truth_root / "gtFine" / "val")
        (truth_root / "gtFine" / "val").mkdir()
    elif how == "damaged":
        labels.write_bytes(labels.read_bytes()[:200])
    else:
        values = {"unknown": np.full((128, 256), 77, np.uint8), "size": np.full((128, 255), 7, np.uint8)}
        Image.fromarray(values[how]).save(labels)


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("half", r"_labelIds.png: is missing beside its other half"),
        ("empty", r"split 'val' has no truth"),
        ("damaged", r"_labelIds.png: the image is damaged"),
        ("unknown", r"_labelIds.png: unknown id 77 \(32768 pixels\)"),
        ("size", r"256x128.*255x128|255x128.*256x128"),
    ],
)
def test_what_is_wrong_is_said(truth_root, how, expected):
    spoil(truth_root, how)
    with pytest.raises(PartwiseError, match=expected):
        list(TruthFolder(truth_root, "val"))


def test_an_unknown_split_and_a_folder_without_truth_are_refused(truth_root, tmp_path):
    with pytest.raises(PartwiseError, match="did you mean 'val'"):
        TruthFolder(truth_root, "vla")
    with pytest.raises(PartwiseError, match="no such file or folder"):
        TruthFolder(tmp_path / "none", "val")


def test_a_frame_of_one_name_in_two_cities_is_named(truth_root):
    shutil.copytree(truth_root / "gtFine/val/street", truth_root / "gtFine/val/again")
    with pytest.raises(PartwiseError, match=r"/again/.*: a frame of this name is in two cities"):
        TruthFolder(truth_root, "val")
