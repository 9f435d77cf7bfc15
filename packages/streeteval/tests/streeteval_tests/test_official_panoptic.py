"""Panoptic quality and panoptic truth equal those of cityscapesScripts; faults are named in one pass."""

import json

import numpy as np
import pytest
from PIL import Image

from streeteval.errors import InputError
from streeteval.official.create import convert2panoptic
from streeteval.official.panoptic import (
    average_pq,
    evaluatePanoptic,
    pq_compute,
    pq_compute_multi_core,
    pq_compute_single_core,
)
from streeteval.official.segment_files import pairs_of, read_segments, rgb2id
from streeteval_tests.city import truth_of

cityscapesscripts = pytest.importorskip("cityscapesscripts", reason="needs cityscapesScripts as the oracle")
import cityscapesscripts.evaluation.evalPanopticSemanticLabeling as official  # noqa: E402, N813
from cityscapesscripts.preparation.createPanopticImgs import convert2panoptic as official_convert  # noqa: E402


def panoptic_truth(city, folder):
    convert2panoptic(str(city.root / "gtFine"), str(folder), setNames=["val"])
    return folder / "cityscapes_panoptic_val.json", folder / "cityscapes_panoptic_val"


def predictions(folder, truth_json, seed=1):
    """Shifted truth, some segments of another class, some joined with a neighbour; (JSON, folder)."""
    rng = np.random.default_rng(seed)
    (folder / "pred").mkdir(parents=True)
    entries = []
    for entry in json.loads(truth_json.read_text())["annotations"]:
        path = truth_json.with_suffix("") / entry["file_name"]
        ids_HW = np.roll(rgb2id(np.asarray(Image.open(path))), rng.integers(-2, 3, 2), (0, 1))
        for value in np.unique(ids_HW)[::4]:
            ids_HW[ids_HW == value] = rng.choice(np.unique(ids_HW))
        category_of = {one["id"]: one["category_id"] for one in entry["segments_info"]}
        category_of |= dict.fromkeys(list(category_of)[::5], 7)
        present = [int(value) for value in np.unique(ids_HW) if value]
        Image.fromarray(np.stack([ids_HW % 256, ids_HW // 256, ids_HW // 65536], -1).astype(np.uint8)).save(
            folder / "pred" / f"{entry['image_id']}.png"
        )
        info = [{"id": value, "category_id": category_of[value]} for value in present]
        entries.append({"image_id": entry["image_id"], "file_name": f"{entry['image_id']}.png", "segments_info": info})
    (folder / "pred.json").write_text(json.dumps({"annotations": entries}))
    return folder / "pred.json", folder / "pred"


@pytest.fixture
def paths(city, tmp_path):
    truth_json, truth = panoptic_truth(city, tmp_path)
    return (str(truth_json), str(truth), *map(str, predictions(tmp_path, truth_json)))


def test_truth_in_panoptic_form_as_the_official_script(city, tmp_path):
    made = []
    for convert, folder, train_ids in (
        (official_convert, tmp_path / "a", False),
        (convert2panoptic, tmp_path / "b", False),
        (official_convert, tmp_path / "c", True),
        (convert2panoptic, tmp_path / "d", True),
    ):
        folder.mkdir()
        convert(str(city.root / "gtFine"), str(folder), train_ids, ["val"])
        made.append({str(path.relative_to(folder)): path for path in sorted(folder.rglob("*.*")) if path.is_file()})
    for official_files, ours in (made[:2], made[2:]):
        assert official_files.keys() == ours.keys() and len(ours) == 4
        for name, path in official_files.items():
            if name.endswith(".json"):
                assert json.loads(path.read_text()) == json.loads(ours[name].read_text())
            else:
                assert np.array_equal(np.asarray(Image.open(path)), np.asarray(Image.open(ours[name])))


@pytest.mark.parametrize("seed", range(6))
def test_panoptic_quality_as_the_official_script(city, tmp_path, seed):
    truth_json, truth = panoptic_truth(city, tmp_path)
    pairs, categories = pairs_of(str(truth_json), str(truth), *map(str, predictions(tmp_path, truth_json, seed)))
    arguments = str(truth), str(tmp_path / "pred"), categories
    theirs = official.average_pq(official.pq_compute_single_core(0, pairs, *arguments), categories)
    ours = average_pq(pq_compute_single_core(0, pairs, *arguments), categories)
    assert ours.keys() == theirs.keys() and 0 < theirs["All"]["pq"] < 1
    for key in ("All", "Things", "Stuff"):
        assert ours[key] == pytest.approx(theirs[key], abs=1e-9)
    assert ours["per_class"].keys() == theirs["per_class"].keys()
    for category, of in theirs["per_class"].items():
        assert ours["per_class"][category] == pytest.approx(of, abs=1e-9)


def test_table_and_file_as_the_official_script(paths, tmp_path, capsys, monkeypatch):
    def on_one_core(matched, *others):
        return official.pq_compute_single_core(0, matched, *others)

    monkeypatch.setattr(official, "pq_compute_multi_core", on_one_core)
    said = []
    for evaluate, name in ((official.evaluatePanoptic, "a.json"), (evaluatePanoptic, "b.json")):
        evaluate(*paths, str(tmp_path / name))
        said.append(capsys.readouterr().out.partition("Category")[2].partition("Time elapsed")[0])
    assert said[0] == said[1] and "Things" in said[0]
    ours, theirs = (json.loads((tmp_path / name).read_text()) for name in ("b.json", "a.json"))
    assert ours["All"] == pytest.approx(theirs["All"], abs=1e-9) and ours.keys() == theirs.keys()


def test_several_processes_and_the_name_of_panopticapi_change_nothing(paths):
    pairs, categories = pairs_of(*paths)
    one, two = (average_pq(pq_compute_multi_core(pairs, paths[1], paths[3], categories, n), categories) for n in (1, 2))
    assert one == two == pq_compute(paths[0], paths[2], gt_folder=paths[1], pred_folder=paths[3])


def test_all_faults_are_named_in_one_pass(paths, tmp_path):
    held = json.loads((tmp_path / "pred.json").read_text())
    first, second, third = held["annotations"]
    gone = first["segments_info"].pop()
    second["segments_info"][0]["category_id"] = 99
    third["segments_info"].append({"id": 77, "category_id": 7})
    (tmp_path / "pred.json").write_text(json.dumps(held))
    with pytest.raises(InputError) as raised:
        pq_compute(paths[0], paths[2], paths[1], paths[3])
    said = str(raised.value)
    assert f"segment {gone['id']} is not in the JSON" in said
    assert "has the unknown category_id 99" in said and "segment 77 of the JSON has no pixel" in said


def break_missing(held, folder):
    held["annotations"].pop()


def break_form(held, folder):
    del held["annotations"][0]["segments_info"][0]["category_id"]


def break_channels(held, folder):
    Image.new("L", (96, 48)).save(folder / held["annotations"][0]["file_name"])


def break_size(held, folder):
    Image.new("RGB", (48, 24)).save(folder / held["annotations"][0]["file_name"])


@pytest.mark.parametrize(
    ("breaks", "said"),
    [
        (break_missing, "no prediction for the image with id"),
        (break_form, "not in COCO's panoptic form"),
        (break_channels, "one channel"),
        (break_size, "is 48x24, the truth 96x48"),
    ],
)
def test_bad_predictions_are_one_line(paths, tmp_path, breaks, said):
    held = json.loads((tmp_path / "pred.json").read_text())
    breaks(held, tmp_path / "pred")
    (tmp_path / "pred.json").write_text(json.dumps(held))
    with pytest.raises(InputError, match=said):
        pq_compute(paths[0], paths[2], paths[1], paths[3])


def test_ids_of_colours_are_those_of_the_sum(tmp_path):
    colours = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    wanted = (colours.astype(np.int64) * [1, 256, 65536]).sum(axis=2)
    for mode in ("RGB", "RGBA"):
        Image.fromarray(colours).convert(mode).save(tmp_path / f"{mode}.png")
        assert np.array_equal(read_segments(tmp_path / f"{mode}.png"), wanted)


def test_a_split_without_files_and_an_unknown_id(city, tmp_path):
    with pytest.raises(InputError, match="Did not find any files for train set"):
        convert2panoptic(str(city.root / "gtFine"), str(tmp_path), setNames=["train"])
    ids_HW = truth_of(np.random.default_rng(0))
    ids_HW[0, 0] = 99
    (tmp_path / "val" / "ulm").mkdir(parents=True)
    path = tmp_path / "val" / "ulm" / "ulm_000000_000019_gtFine_instanceIds.png"
    Image.fromarray(ids_HW.astype(np.uint16)).save(path)
    with pytest.raises(InputError, match="unknown id 99"):
        convert2panoptic(str(tmp_path), str(tmp_path / "out"), setNames=["val"])
