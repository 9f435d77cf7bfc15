"""Ray Data with two workers gives what the model gives, and a damaged photo becomes a row with its fault."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from partwise.errors import PartwiseError
from partwise.segmenter import load

pytest.importorskip("pyarrow")
ray = pytest.importorskip("ray")

from partwise.ray import Predictor  # noqa: E402 - needs what is looked for above
from partwise.shards.model import predict_photos_in_shards  # noqa: E402
from partwise.shards.parts import photos_in  # noqa: E402


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Five photos of several sizes, and one file that is no image."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for number in range(5):
        blocks = rng.integers(0, 255, (6 + number, 9, 3), dtype=np.uint8)
        Image.fromarray(blocks.repeat(16, 0).repeat(16, 1)).save(folder / f"{number}.png")
    (folder / "broken.png").write_bytes((folder / "0.png").read_bytes()[:100])
    return folder


@pytest.fixture(scope="module")
def two_workers():
    """A local Ray for two workers and one task that reads files, which wait for ever if they have no processor."""
    ray.init(num_cpus=3, include_dashboard=False, log_to_driver=False, object_store_memory=100 * 2**20)
    yield
    ray.shutdown()


def test_two_workers_find_what_one_model_finds(two_workers, photos, tiny_model_file, tmp_path):
    data = ray.data.read_binary_files(str(photos), include_paths=True, override_num_blocks=6)
    found = data.map_batches(
        Predictor,
        fn_constructor_kwargs={"model": str(tiny_model_file), "min_score": 0.0, "device": "cpu"},
        batch_size=1,
        concurrency=2,
        num_cpus=1,
    )
    found.write_parquet(str(tmp_path / "found"))
    import pyarrow.parquet as pq

    rows = {row["name"].rpartition("/")[2]: row for row in pq.read_table(tmp_path / "found").to_pylist()}
    assert set(rows) == {"broken.png", *(f"{number}.png" for number in range(5))}
    broken = rows.pop("broken.png")
    assert "cut short" in broken["fault"] or "cannot be read" in broken["fault"]
    assert broken["instances"] is None
    segment = load(tiny_model_file, device="cpu")
    for name, row in rows.items():
        expected = segment(photos / name).instances  # with 0, Parquet and COCO have all that is found
        assert row["fault"] is None and (row["height"], row["width"]) == expected.size
        assert [one["label"] for one in row["instances"]] == expected.labels.tolist()
        np.testing.assert_allclose([one["score"] for one in row["instances"]], expected.scores, rtol=1e-5)
        for one, entry in zip(row["instances"], expected.to_coco(), strict=True):
            mine = coco_mask.decode({"size": list(expected.size), "counts": one["rle"].encode()})
            assert (mine == coco_mask.decode(entry["segmentation"])).mean() > 0.999
    assert sum(len(row["instances"]) for row in rows.values()) > 0


@pytest.mark.parametrize("min_score", [None, 0.0, 0.01, {"*": 0.0, "person": 0.02}, {"car": 0.0}])
@pytest.mark.parametrize("classes", [(), ("car", "person")])
def test_ray_and_parquet_have_the_same_instances(photos, tiny_model_file, tmp_path, min_score, classes):
    segment = load(tiny_model_file, device="cpu")
    how = {"min_score": min_score, "classes": classes}
    names = [f"{number}.png" for number in range(5)]
    predict_photos_in_shards(segment, tiny_model_file, [photos / name for name in names], tmp_path, **how)
    parts = {Path(one.name).name: one.instances for one in photos_in(tmp_path)}
    batch = {"path": names, "bytes": [(photos / name).read_bytes() for name in names]}
    rows = Predictor(tiny_model_file, device="cpu", **how)(batch).to_pylist()
    for row in rows:
        ours = parts[row["name"]]
        assert [one["label"] for one in row["instances"]] == ours.labels.tolist()
        assert [one["box"] for one in row["instances"]] == ours.boxes.tolist()
    assert classes or min_score != 0.0 or any(len(one) > len(one.distinct()) for one in parts.values())


def test_arrays_in_a_batch_give_the_same_as_files(photos, tiny_model_file):
    predictor = Predictor(tiny_model_file, min_score=0.0, device="cpu")
    names = ["0.png", "1.png"]
    files = predictor({"path": names, "bytes": [(photos / name).read_bytes() for name in names]})
    arrays = predictor({"path": names, "image": [np.asarray(Image.open(photos / name)) for name in names]})
    assert files.drop_columns("seconds") == arrays.drop_columns("seconds")


def test_the_fault_of_a_photo_does_not_name_bytes_that_nobody_gave(tiny_model_file):
    (row,) = Predictor(tiny_model_file, device="cpu")({"path": ["a.png"], "bytes": [b"no image"]}).to_pylist()
    assert row["name"] == "a.png" and row["fault"].startswith("not an image")


def test_a_photo_too_large_for_the_memory_is_a_fault_and_the_others_are_done(photos, tiny_model_file, monkeypatch):
    predictor = Predictor(tiny_model_file, device="cpu")
    find = predictor._find

    def short(image):
        if np.shape(image)[0] == 1000:
            raise MemoryError
        return find(image)

    monkeypatch.setattr(predictor, "_find", short)
    images = [np.zeros((size, 64, 3), np.uint8) for size in (64, 1000, 64)]
    rows = predictor({"path": ["a", "b", "c"], "image": images}).to_pylist()
    assert [row["fault"] is None for row in rows] == [True, False, True]
    assert rows[1]["fault"].startswith("there is not enough memory") and rows[1]["instances"] is None


def test_a_batch_without_photos_is_one_line(tiny_model_file):
    with pytest.raises(PartwiseError, match=r"read_binary_files.*include_paths"):
        Predictor(tiny_model_file, device="cpu")({"item": [1]})


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ({"classes": ["unicorn"]}, "unicorn"),
        ({"classes": "car"}, "give a list of names"),
        ({"min_score": 1.5}, "1.5"),
        ({"model": "no-such.safetensors"}, "no-such"),
    ],
)
def test_a_wrong_option_is_known_before_the_first_batch(tiny_model_file, wrong, line):
    with pytest.raises(PartwiseError, match=line):
        Predictor(**({"model": tiny_model_file, "device": "cpu"} | wrong))
