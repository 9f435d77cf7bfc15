"""AP100m and AP50m against the official code, and depth from the official files."""

import pickle
import shutil
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from evaluation.oracle import same, score_files, write_prediction, write_truth
from evaluation.scenes import painted, predicted, random_instances, random_scenes, scene_of
from partwise.errors import PartwiseError
from streeteval.evaluator import CityscapesEvaluator
from streeteval.reading.depth import find_depth


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_ap_within_a_distance_against_cityscapesscripts(data):
    scenes = data.draw(random_scenes())
    found = [data.draw(random_instances(scene)) for scene in scenes]
    depths = [
        painted(*((value, *box) for value, box in data.draw(depth_patches)), background=30).astype(np.float32)
        for _ in scenes
    ]
    depths = [np.where(depth_HW == 0, np.nan, depth_HW) for depth_HW in depths]
    evaluator = CityscapesEvaluator()
    with tempfile.TemporaryDirectory() as folder:
        truth, files = [], []
        for scene, instances, depth_HW in zip(scenes, found, depths, strict=True):
            evaluator.update(scene, instances, depth_HW=depth_HW)
            truth.append(str(write_truth(Path(folder), scene)[1]))
            files.append(str(write_prediction(Path(folder), scene.name, instances)))
        official, _ = score_files(Path(folder), truth, files, depths)
    ours = evaluator.compute()["instance"]
    assert same(ours["ap"], official["allAp"])
    assert same(ours["within_100m"]["ap"], official["allAp100m"])
    assert same(ours["within_50m"]["ap"], official["allAp50m"])
    assert same(ours["within_50m"]["ap50"], official["allAp50%50m"])


rectangles = st.tuples(st.integers(0, 40), st.integers(0, 30), st.integers(41, 56), st.integers(31, 40))
depth_patches = st.lists(st.tuples(st.sampled_from([0, 40, 70, 120]), rectangles), max_size=4)


def test_without_disparity_the_scores_within_a_distance_are_none():
    evaluator = CityscapesEvaluator()
    evaluator.update(scene_of(painted((26000, 5, 5, 50, 35))), predicted((26, 1, 5, 5, 50, 35)))
    scores = evaluator.compute()["instance"]
    assert scores["within_100m"] is None and scores["within_50m"] is None


NAME = "ulm_000000_000019"


@pytest.fixture
def depth_root(tmp_path) -> Path:
    """A tree with the official disparity and camera files of one frame."""
    for kind in ("disparity", "camera"):
        (tmp_path / kind / "val" / "ulm").mkdir(parents=True)
    disparity_HW = np.array([[0, 1 + 256 * 10], [1 + 256 * 4, 1]], np.uint16)
    Image.fromarray(disparity_HW).save(tmp_path / "disparity" / "val" / "ulm" / f"{NAME}_disparity.png")
    camera = '{"extrinsic": {"baseline": 0.2}, "intrinsic": {"fx": 2000}}'
    (tmp_path / "camera" / "val" / "ulm" / f"{NAME}_camera.json").write_text(camera)
    return tmp_path


def test_depth_comes_from_the_official_files(depth_root):
    expected = [[np.nan, 40], [100, np.inf]]
    assert np.array_equal(find_depth(depth_root, "val")(NAME), expected, equal_nan=True)
    with zipfile.ZipFile(depth_root / "camera_trainvaltest.zip", "w") as archive:
        for path in depth_root.glob("camera/val/*/*"):
            archive.write(path, path.relative_to(depth_root))
    shutil.rmtree(depth_root / "camera")
    depth = pickle.loads(pickle.dumps(find_depth(depth_root, "val")))
    assert np.array_equal(depth(NAME), expected, equal_nan=True)


def test_without_the_files_of_a_split_there_is_no_depth(depth_root):
    assert find_depth(depth_root, "train")(NAME) is None
    shutil.rmtree(depth_root / "camera")
    assert find_depth(depth_root, "val")(NAME) is None


def test_depth_files_that_cannot_be_used_are_named(depth_root):
    camera = depth_root / "camera" / "val" / "ulm" / f"{NAME}_camera.json"
    for values in ("{}", "NaN, 0.2", "0, 0.2", "2000, -1", "1e999, 0.2"):
        fx, _, baseline = values.partition(", ")
        camera.write_text(f'{{"extrinsic": {{"baseline": {baseline or 0.2}}}, "intrinsic": {{"fx": {fx}}}}}')
        with pytest.raises(PartwiseError, match=r"camera.json: no intrinsic.fx and extrinsic.baseline"):
            find_depth(depth_root, "val")(NAME)
    with pytest.raises(PartwiseError, match=r"ulm_000001_000019_disparity.png: is missing, and other frames"):
        find_depth(depth_root, "val")("ulm_000001_000019")
    shutil.rmtree(depth_root / "camera")
    (depth_root / "camera.zip").write_bytes(b"no zip")
    with pytest.raises(PartwiseError, match=r"camera.zip: not a complete zip"):
        find_depth(depth_root, "val")
