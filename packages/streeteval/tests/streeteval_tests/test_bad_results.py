"""Results that are not as the benchmark wants them: what is wrong is said, all of it, or they are read all the same."""

import shutil

import numpy as np
import pytest
from PIL import Image

from streeteval_tests.city import FRAMES, labels_of, make_city
from streeteval_tests.test_commands import run

ULM, ULM_1, BONN = FRAMES


@pytest.fixture
def own(tmp_path):
    """A data set of one's own, to be damaged."""
    return make_city(tmp_path / "city")


def score(city, kind, results=None):
    where = {"CITYSCAPES_DATASET": city.root, "CITYSCAPES_RESULTS": results or city.root / "results" / f"{kind}s"}
    return run("streeteval", kind, "--json", city.root / "out.json", cwd=city.root, **where)


def test_an_empty_folder_names_the_frames_without_a_result(own, tmp_path):
    (tmp_path / "empty").mkdir()
    done = score(own, "instance", tmp_path / "empty")
    assert done.returncode == 255 and all(name in done.stdout for name in FRAMES)
    done = score(own, "instance", tmp_path / "none")
    assert done.returncode == 255 and "no folder of results: set CITYSCAPES_RESULTS" in done.stdout


def test_two_files_for_one_image(own):
    shutil.copy(own.instances / f"{ULM}_pred.txt", own.instances / f"{ULM}_other.txt")
    (own.instances / f"{BONN}_pred.txt").unlink()
    done = score(own, "instance")
    assert (
        done.returncode == 255 and "Found multiple predictions" in done.stdout and "Found no prediction" in done.stdout
    )


def test_a_city_that_the_truth_lacks_is_not_read_and_said(own):
    for kind, end in (("instances", "_pred.txt"), ("pixels", "_pred_labelIds.png")):
        folder = getattr(own, kind)
        shutil.copy(folder / f"{BONN}{end}", folder / f"cologne_000000_000019{end}")
    for kind in ("instance", "pixel"):
        done = score(own, kind)
        assert done.returncode == 0 and "1 result file belongs to no frame of the truth" in done.stderr
        assert "cologne_000000_000019" in done.stderr


def test_all_faults_of_all_frames_in_one_pass(own):
    Image.new("L", (10, 10), 7).save(own.pixels / f"{ULM}_pred_labelIds.png")
    Image.fromarray(np.full((48, 96), 90, np.uint8)).save(own.pixels / f"{ULM_1}_pred_labelIds.png")
    (own.pixels / f"{BONN}_pred_labelIds.png").write_bytes(b"no picture")
    done = score(own, "pixel")
    assert done.returncode == 255
    for part in (
        "is 10x10, the truth 96x48",
        "value 90 is no label id",
        "not an image",
        "3 faults, nothing was scored",
    ):
        assert part in done.stdout, done.stdout


@pytest.mark.parametrize("form", ["16 bits", "palette"])
def test_maps_of_another_kind_of_png_score_the_same(own, form):
    assert score(own, "pixel").returncode == 0
    wanted = (own.root / "out.json").read_text()
    for name in FRAMES:
        path = own.pixels / f"{name}_pred_labelIds.png"
        labels_HW = np.asarray(Image.open(path))
        image = Image.fromarray(labels_HW.astype(np.uint16)) if form == "16 bits" else Image.fromarray(labels_HW)
        if form == "palette":
            image.putpalette(np.random.default_rng(0).integers(0, 256, 768).astype(np.uint8).tobytes())
            assert image.mode == "P"
        image.save(path)
    assert score(own, "pixel").returncode == 0
    assert (own.root / "out.json").read_text() == wanted


def test_paths_of_windows_in_result_files(own):
    assert score(own, "instance").returncode == 0
    wanted = (own.root / "out.json").read_text()
    (own.instances / "masks").mkdir()
    for path in own.instances.glob("*.png"):
        path.rename(own.instances / "masks" / path.name)
    for path in own.instances.glob("*.txt"):
        lines = path.read_text().splitlines()
        path.write_bytes("".join(f"masks\\{line}\r\n" for line in lines).encode())
    done = score(own, "instance")
    assert done.returncode == 0, done.stdout
    assert (own.root / "out.json").read_text() == wanted
    path.write_text(f"C:\\results\\{ULM}_0.png 26 0.9\n")
    done = score(own, "instance")
    assert done.returncode == 255 and "is absolute: give it relative to the .txt" in done.stdout


def test_instances_of_train_ids_and_of_half_the_size(own):
    assert score(own, "instance").returncode == 0
    train_id_of = {26: 13, 24: 11, 25: 12, 27: 14, 28: 15, 31: 16, 32: 17, 33: 18}
    before = (own.root / "out.json").read_text()
    for path in own.instances.glob("*.txt"):
        words = [line.split() for line in path.read_text().splitlines()]
        path.write_text("".join(f"{mask} {train_id_of[int(label)]} {score}\n" for mask, label, score in words))
    done = score(own, "instance")
    assert done.returncode == 255 and "train_ids" in done.stdout
    where = {"CITYSCAPES_DATASET": own.root, "CITYSCAPES_RESULTS": own.instances}
    done = run("streeteval", "instance", "--train-ids", "--json", own.root / "out.json", cwd=own.root, **where)
    assert done.returncode == 0 and (own.root / "out.json").read_text() == before

    for path in own.instances.glob("*.png"):
        Image.fromarray(np.asarray(Image.open(path))[1::2, 1::2]).save(path)
    done = run("streeteval", "instance", "--train-ids", cwd=own.root, **where)
    assert done.returncode == 255 and "48x24, the truth 96x48" in done.stdout and "(--enlarge" in done.stdout
    done = run(
        "streeteval", "instance", "--train-ids", "--enlarge", "--json", own.root / "out.json", cwd=own.root, **where
    )
    assert done.returncode == 0 and '"allAp": 0.' in (own.root / "out.json").read_text()


def test_instance_ids_in_place_of_label_ids(own):
    Image.fromarray(own.truth[ULM].astype(np.uint16)).save(own.pixels / f"{ULM}_pred_labelIds.png")
    done = score(own, "pixel")
    assert done.returncode == 255 and "these are instance ids: write label ids" in done.stdout
    Image.fromarray(labels_of(own.truth[ULM])).save(own.pixels / f"{ULM}_pred_labelIds.png")
    assert score(own, "pixel").returncode == 0
