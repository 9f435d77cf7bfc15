"""COCO AP of annotation files and of any tool's results in COCO form, against pycocotools on the same files."""

import contextlib
import io
import json

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from partwise.cli import main
from partwise.data.cityscapes import CityscapesFolder
from partwise.data.image_files import write_png
from partwise.errors import PartwiseError
from partwise.scoring import score

SIZES = [(60, 80), (60, 80), (40, 50), (40, 50)]
CATEGORIES = [{"id": 0, "name": "zero"}, {"id": 7, "name": "seven"}, {"id": 4000, "name": "big"}]


def polygon(rng, size) -> list[float]:
    height, width = size
    x, y, w, h = (float(v) for v in rng.uniform([0, 0, 6, 6], [width - 20, height - 20, 30, 20]))
    return [x, y, x + w, y + 2, x + w - 1, y + h, x + 1, y + h - 1]


def moved(rng, points, size) -> list[float]:
    shifted = np.array(points).reshape(-1, 2) + rng.normal(0, 1.5, 2)
    return np.clip(shifted, 0, (size[1], size[0])).ravel().tolist()


def as_rle(points, size) -> dict:
    rle = coco_mask.merge(coco_mask.frPyObjects([points], *size))
    return {"size": list(size), "counts": rle["counts"].decode()}


def made(root, seed):
    """A COCO data set of overlapping objects, crowds and odd ids, and results for it; (truth file, results)."""
    rng = np.random.default_rng(seed)
    images, annotations, results = [], [], []
    for place, size in enumerate(SIZES):
        id_ = 1000 - place
        write_png(root / "valid" / f"{place}.png", rng.integers(0, 255, (*size, 3), np.uint8))
        images.append({"id": id_, "file_name": f"{place}.png", "height": size[0], "width": size[1]})
        for _ in range(int(rng.integers(1, 7))):
            points, category = polygon(rng, size), CATEGORIES[rng.integers(3)]["id"]
            crowd = int(rng.random() < 0.2)
            shape = as_rle(points, size) if crowd or rng.random() < 0.3 else [points]
            annotations.append(
                {
                    "id": len(annotations) + 5,
                    "image_id": id_,
                    "category_id": category,
                    "segmentation": shape,
                    "iscrowd": crowd,
                    "area": float(rng.choice([50, 500, 5000, 20000])),  # not that of the mask: files say so
                    "bbox": [0, 0, 1, 1],
                }
            )
            for _ in range(int(rng.integers(0, 3))):
                guess = category if rng.random() < 0.8 else 7
                near = as_rle(moved(rng, points, size), size)
                results.append(
                    {"image_id": id_, "category_id": guess, "score": float(rng.random()), "segmentation": near}
                )
    truth = {"images": images, "categories": CATEGORIES, "annotations": annotations}
    (root / "valid" / "_annotations.coco.json").write_text(json.dumps(truth))
    (root / "results.json").write_text(json.dumps(results))
    return root / "valid" / "_annotations.coco.json", results


def pycocotools_says(truth_file, results) -> dict:
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(truth_file)
        evaluation = COCOeval(truth, truth.loadRes(results), "segm")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    names = ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large", "ar_1", "ar_10", "ar_100")
    return {name: None if value < 0 else value for name, value in zip(names, evaluation.stats, strict=False)}


@pytest.fixture
def root(tmp_path):
    (tmp_path / "valid").mkdir()
    return tmp_path


@pytest.mark.parametrize("library", ["hotcoco", "pycocotools"])
@pytest.mark.parametrize("seed", range(4))
def test_results_have_the_scores_that_pycocotools_gives(seed, library, root, monkeypatch):
    if library == "pycocotools":
        monkeypatch.setitem(__import__("sys").modules, "hotcoco", None)
    truth_file, results = made(root, seed)
    figures = score(root, "valid", predictions=root / "results.json")
    wanted = pycocotools_says(truth_file, results)
    assert wanted["ap"] > 0.05
    for name, value in wanted.items():
        assert figures["coco"][name] == (None if value is None else pytest.approx(value)), name
    assert set(figures["coco"]["per_class"]) == {"zero", "seven", "big"} and figures["instance"] is not None


def test_equal_scores_and_more_than_a_hundred_results_an_image_count_as_for_pycocotools(root):
    """Of equal scores those of the image with the lowest id come first, and the ids fall where the names rise."""
    truth_file, results = made(root, 2)
    rng = np.random.default_rng(2)
    many = [row | {"score": float(rng.choice([0.1, 0.5, 0.9]))} for row in results for _ in range(30)]
    rng.shuffle(many)
    (root / "results.json").write_text(json.dumps(many))
    scores = score(root, "valid", predictions=root / "results.json")["coco"]
    for name, value in pycocotools_says(truth_file, many).items():
        assert scores[name] == (None if value is None else pytest.approx(value)), name


@pytest.mark.parametrize("library", ["hotcoco", "pycocotools"])
@pytest.mark.parametrize("seed", range(3))
def test_masks_without_a_pixel_are_false_positives_as_for_pycocotools(seed, library, root, monkeypatch):
    """Also among equal scores, where the order of the file decides; the Cityscapes scores leave them out."""
    if library == "pycocotools":
        monkeypatch.setitem(__import__("sys").modules, "hotcoco", None)
    truth_file, results = made(root, seed)
    rng = np.random.default_rng(seed)
    results = [row | {"score": float(rng.choice([0.1, 0.5, 0.9]))} for row in results]
    (root / "results.json").write_text(json.dumps(results))
    without = score(root, "valid", predictions=root / "results.json")
    for _ in range(9):
        like = results[rng.integers(len(results))]
        height, width = SIZES[1000 - like["image_id"]]
        empty = coco_mask.encode(np.zeros((height, width), np.uint8, order="F"))
        row = like | {"segmentation": {"size": [height, width], "counts": empty["counts"].decode()}}
        results.insert(int(rng.integers(len(results))), row | {"score": float(rng.choice([0.1, 0.5, 0.9]))})
    (root / "results.json").write_text(json.dumps(results))
    figures = score(root, "valid", predictions=root / "results.json")
    for name, value in pycocotools_says(truth_file, results).items():
        assert figures["coco"][name] == (None if value is None else pytest.approx(value)), name
    assert figures["coco"]["ap"] < without["coco"]["ap"] and figures["instance"] == without["instance"]
    said = {one["problem"]: one["remedy"] for one in figures["warnings"]}
    assert said["9 masks without a pixel"] == "left out, and false positives of coco, as for pycocotools"


DEGENERATE = {  # which pycocotools reads as empty masks, or not at all
    "no outline": [],
    "an empty outline": [[]],
    "a point": [[3, 3]],
    "two points": [[3, 3, 9, 9]],
    "two such parts": [[3, 3, 9, 9], [4, 4]],
    "points on a line": [[3, 3, 9, 9, 6, 6]],
    "an empty list of runs": {"size": [0, 0], "counts": []},
    "an empty text of runs": {"size": [0, 0], "counts": ""},
    "one run of zeros": {"size": [0, 0], "counts": [0]},
}


@pytest.mark.parametrize("library", ["hotcoco", "pycocotools"])
@pytest.mark.parametrize("shape", DEGENERATE.values(), ids=DEGENERATE)
def test_shapes_that_enclose_nothing_are_empty_masks(shape, library, root, monkeypatch):
    if library == "pycocotools":
        monkeypatch.setitem(__import__("sys").modules, "hotcoco", None)
    truth_file, results = made(root, 1)
    rng = np.random.default_rng(1)
    as_given, as_runs = list(results), list(results)
    for _ in range(9):
        place = int(rng.integers(len(as_given)))
        like = results[rng.integers(len(results))] | {"score": float(rng.random())}
        size = SIZES[1000 - like["image_id"]]
        own = shape
        if isinstance(shape, dict):
            counts = [size[0] * size[1]] if shape["counts"] == [0] else shape["counts"]
            own = {"size": list(size), "counts": counts}
        as_given.insert(place, like | {"segmentation": own})
        nothing = coco_mask.encode(np.zeros(size, np.uint8, order="F"))["counts"].decode()
        as_runs.insert(place, like | {"segmentation": {"size": list(size), "counts": nothing}})
    (root / "results.json").write_text(json.dumps(as_given))
    figures = score(root, "valid", predictions=root / "results.json")
    for name, value in pycocotools_says(truth_file, as_runs).items():
        assert figures["coco"][name] == (None if value is None else pytest.approx(value)), name
    said = {one["problem"]: one["remedy"] for one in figures["warnings"]}
    assert said["9 masks without a pixel"] == "left out, and false positives of coco, as for pycocotools"
    few = sum(len(one) < 6 for one in shape) if isinstance(shape, list) else 0
    assert [one for one in said if "three points" in one] == (
        [f"{9 * few} outlines of fewer than three points"] * (few > 0)
    )


def test_of_an_entry_of_several_parts_those_that_enclose_nothing_change_nothing(root):
    made(root, 1)
    whole = {"image_id": 1000, "category_id": 7, "score": 0.5, "segmentation": [[5, 5, 40, 6, 39, 50, 6, 49]]}
    scores = []
    for parts in ([], [[3, 3]], [[3, 3, 50, 9]], [[]]):
        for shape in ([*whole["segmentation"], *parts], [*parts, *whole["segmentation"]]):
            (root / "results.json").write_text(json.dumps([whole | {"segmentation": shape}]))
            found = score(root, "valid", predictions=root / "results.json")
            scores.append((found["coco"], found["instance"]))
            assert sum("outline of fewer" in one["problem"] for one in found["warnings"]) == len(parts)
    assert all(one == scores[0] for one in scores)


def test_the_command_says_the_scores_of_each_class(root, says):
    made(root, 0)
    said = says("evaluate", "--data", root, "--predictions", root / "results.json", "--json", root / "scores.json")
    assert "COCO AP %" in said and "4000" not in said and "big" in said
    assert json.loads((root / "scores.json").read_text())["coco"]["ap"] > 0


def test_a_whole_coco_file_is_found_by_names_whatever_its_ids(root):
    _, results = made(root, 1)
    listed = score(root, "valid", predictions=root / "results.json")["coco"]
    new_id = {0: 3, 7: 2, 4000: 1}
    images = [{"id": place, "file_name": f"images/{place}.png"} for place in range(len(SIZES))]
    annotations = [
        row | {"image_id": 1000 - row["image_id"], "category_id": new_id[row["category_id"]], "id": 9}
        for row in results
    ]
    categories = [row | {"id": new_id[row["id"]]} for row in CATEGORIES]
    whole = {"images": images, "annotations": annotations, "categories": categories}
    (root / "whole.json").write_text(json.dumps(whole))
    assert score(root, "valid", predictions=root / "whole.json")["coco"] == listed


def whole_file(root, seed, *names):
    """The results as a whole COCO file whose categories have these names; and what the list of them scores."""
    _, results = made(root, seed)
    images = [{"id": 1000 - place, "file_name": f"{place}.png"} for place in range(len(SIZES))]
    categories = [row | {"name": name} for row, name in zip(CATEGORIES, names, strict=True)]
    (root / "whole.json").write_text(json.dumps({"images": images, "annotations": results, "categories": categories}))
    return score(root, "valid", predictions=root / "results.json")["coco"]


def test_categories_are_found_by_names_that_differ_in_case_alone(root):
    listed = whole_file(root, 1, "Zero", "SEVEN", "big")
    figures = score(root, "valid", predictions=root / "whole.json")
    assert figures["coco"] == listed and not any("category" in one["problem"] for one in figures["warnings"])


def test_a_name_that_is_written_as_a_class_is_that_class(root):
    """Two names of the truth may differ in case alone: then nothing else is taken for either."""
    truth_file, results = made(root, 1)
    truth = json.loads(truth_file.read_text())
    truth["categories"] = [row | {"name": name} for row, name in zip(CATEGORIES, ("car", "Car", "big"), strict=True)]
    truth_file.write_text(json.dumps(truth))
    images = [{"id": 1000 - place, "file_name": f"{place}.png"} for place in range(len(SIZES))]
    whole = {"images": images, "annotations": results, "categories": truth["categories"]}
    (root / "whole.json").write_text(json.dumps(whole))
    exact = score(root, "valid", predictions=root / "whole.json")["coco"]
    assert exact == score(root, "valid", predictions=root / "results.json")["coco"]
    whole["categories"][1]["name"] = "CAR"
    (root / "whole.json").write_text(json.dumps(whole))
    warnings = score(root, "valid", predictions=root / "whole.json")["warnings"]
    assert any(one["problem"].startswith("category 'CAR' is no class of") for one in warnings)


def test_a_category_that_is_no_class_is_named(root, fails):
    whole_file(root, 1, "zero", "Pedestrian", "big")
    warnings = score(root, "valid", predictions=root / "whole.json")["warnings"]
    (said,) = [f"{one['problem']}: {one['remedy']}" for one in warnings if "category" in one["problem"]]
    assert said.startswith("category 'Pedestrian' is no class of ")
    assert said.endswith(" entries): left out: known are zero, big, seven")
    whole_file(root, 1, "nought", "Pedestrian", "large")
    said = fails("evaluate", "--data", root, "--predictions", root / "whole.json", "--split", "valid")
    assert "category 'Pedestrian' is no class of " in said and "entries): known are zero, big, seven" in said


def test_no_result_at_all_scores_nothing(root):
    made(root, 0)
    (root / "empty.json").write_text("[]")
    assert score(root, "valid", predictions=root / "empty.json")["coco"]["ap"] == 0


def test_results_are_scored_against_a_cityscapes_tree_as_its_own_truth_scores(city_root, tmp_path):
    rows = []
    frames = CityscapesFolder(city_root, "val")
    for scene in frames:
        things = np.isin(scene.instances.labels, [label.id for label in scene.label_set.things])
        rows += [row | {"image_id": scene.name} for row in scene.instances[things].to_coco()]
    (tmp_path / "results.json").write_text(json.dumps(rows))
    figures = score(city_root, "val", predictions=tmp_path / "results.json", metrics=["instance.coco"])
    assert figures["instance"]["ap"] == pytest.approx(1) and figures["instance"]["coco"]["ap"] == pytest.approx(1)
    images = [{"id": n, "file_name": f"city/{name}_leftImg8bit.png"} for n, name in enumerate(frames.names)]
    rows = [row | {"image_id": frames.names.index(row["image_id"])} for row in rows]
    whole = {"images": images, "annotations": rows, "categories": frames.label_set.coco_categories}
    (tmp_path / "whole.json").write_text(json.dumps(whole))
    assert score(city_root, "val", predictions=tmp_path / "whole.json")["instance"]["ap"] == pytest.approx(1)


def test_a_model_is_scored_as_what_it_writes(root, tiny_model_file, tmp_path, capsys):
    made(root, 2)
    named = [word for pair in ("seven=car", "big=person", "zero=rider") for word in ("--map", pair)]
    where = [str(root / "valid"), "--out", str(tmp_path / "out"), "--model", str(tiny_model_file)]
    main(["predict", *where, "--format", "coco", "--min-score", "0", *named])
    written = score(root, "valid", predictions=tmp_path / "out" / "predictions.json")
    names = {"seven": "car", "big": "person", "zero": "rider"}
    assert written["coco"] == score(root, "valid", model=str(tiny_model_file), class_names=names)["coco"]


def test_ids_that_are_whole_floats_are_the_whole_numbers(root):
    _, results = made(root, 1)
    listed = score(root, "valid", predictions=root / "results.json")
    floats = [row | {key: float(row[key]) for key in ("image_id", "category_id")} for row in results]
    (root / "floats.json").write_text(json.dumps(floats))
    assert score(root, "valid", predictions=root / "floats.json")["records"] == listed["records"]
    images = [{"id": 1000.0 - place, "file_name": f"{place}.png"} for place in range(len(SIZES))]
    categories = [row | {"id": float(row["id"])} for row in CATEGORIES]
    (root / "whole.json").write_text(json.dumps({"images": images, "annotations": floats, "categories": categories}))
    assert score(root, "valid", predictions=root / "whole.json")["coco"] == listed["coco"]


def test_scores_beyond_float32_keep_their_order(root):
    """As in result files in the official form."""
    truth_file, results = made(root, 1)
    large = [row | {"score": row["score"] * 1e300} for row in results]
    listed = score(root, "valid", predictions=root / "results.json")
    (root / "large.json").write_text(json.dumps(large))
    figures = score(root, "valid", predictions=root / "large.json")
    assert figures["instance"] == listed["instance"] and figures["coco"] == listed["coco"]
    for name, value in pycocotools_says(truth_file, large).items():
        assert figures["coco"][name] == (None if value is None else pytest.approx(value)), name


def changed(results, **fields):
    return [results[0] | fields, *results[1:]]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r: changed(r, image_id=5), "image_id 5 is none of the 4 frames"),
        (lambda r: changed(r, category_id=3), "category_id 3 is no class of"),
        (lambda r: changed(r, category_id=7.5), "category_id 7.5 is no class of"),
        (lambda r: changed(r, image_id=1000.5), "image_id 1000.5 is none of the 4 frames"),
        (lambda r: changed(r, image_id=True), "image_id True is none of the 4 frames"),
        (lambda r: changed(r, category_id=float("inf")), "category_id inf is no class of"),
        (lambda r: changed(r, score="high"), "its score is 'high'"),
        (lambda r: changed(r, score=float("nan")), "its score is nan"),
        (lambda r: [{k: v for k, v in r[0].items() if k != "score"}], "it has no score"),
        (lambda r: changed(r, segmentation=[[1, 2, 3, 4, 5]]), "at least three points"),
        (lambda r: changed(r, segmentation=[[1, 2, 3, float("nan")]]), "at least three points"),
        (lambda r: [row | {"segmentation": []} for row in r], "has a mask: give the results of a model for segmenta"),
        (lambda r: changed(r, segmentation={"size": [9, 9], "counts": [81]}), "its RLE is 9x9, the image 80x60"),
        (lambda r: changed(r, segmentation=None), "it has no mask"),
        (lambda r: changed(r, image_id=[]), "image_id [] is none"),
        (lambda r: {"a": r}, "no COCO results"),
        (lambda r: {"images": [{"id": 1, "file_name": "x.png"}], "annotations": []}, "'x.png' is none of the 4 frames"),
        (lambda r: changed(r, score=10**400), "its score is 1000"),
        (lambda r: changed(r, image_id=10**400), "is none of the 4 frames"),
        (lambda r: changed(r, segmentation=[[1, 2, 3, 4, 5, 10**400]]), "a list of numbers x y x y"),
        # A sum that wraps around in 64 bits once ended the program with a segmentation fault.
        (lambda r: changed(r, segmentation={"size": [60, 80], "counts": [2**62] * 4 + [4800]}), "has a run of 46"),
        (lambda r: {"images": [{"id": [], "file_name": "0.png"}], "annotations": []}, "image number 0 has no id"),
        (lambda r: {"images": [{"id": 1, "file_name": "/"}], "annotations": []}, "image '/' is none of the 4 frames"),
        (
            lambda r: {"images": [{"id": n, "file_name": f"{n}/0.png"} for n in (1, 2)], "annotations": []},
            "images '1/0.png' and '2/0.png' are both frame 0",
        ),
    ],
)
def test_wrong_results_are_one_line_and_nothing_is_written(change, words, root, complains):
    _, results = made(root, 0)
    (root / "results.json").write_text(json.dumps(change(results)))
    said = complains("evaluate", "--data", root, "--predictions", root / "results.json", "--json", root / "s.json")
    assert words in said and "results.json" in said and not (root / "s.json").exists()


def test_every_fault_of_a_file_is_found_in_one_pass(root):
    _, results = made(root, 0)
    (root / "results.json").write_text(json.dumps([row | {"category_id": 3} for row in results[:2]] + [{}]))
    with pytest.raises(PartwiseError) as error:
        score(root, "valid", predictions=root / "results.json")
    assert len(error.value.faults) == 3


def test_faults_that_are_not_shown_are_kept_beside_the_json(root, fails):
    _, results = made(root, 0)
    (root / "results.json").write_text(json.dumps([row | {"image_id": 5} for row in results[:1] * 9]))
    where = ("--data", root, "--predictions", root / "results.json")
    assert "all of them: the same with --json FILE" in fails("evaluate", *where)
    assert f"all of them: {root}/s.faults.json" in fails("evaluate", *where, "--json", root / "s.json")
    assert len(json.loads((root / "s.faults.json").read_text())["faults"]) == 9
    assert not (root / "s.json").exists()


def test_a_file_that_is_no_json_is_one_line(root, complains):
    made(root, 0)
    (root / "results.json").write_text("{")
    assert "not JSON" in complains("evaluate", "--data", root, "--predictions", root / "results.json")
    assert "no such" in complains("evaluate", "--data", root, "--predictions", root / "none.json")


def test_frames_without_results_and_masks_without_a_pixel_are_counted(root):
    _, results = made(root, 0)
    (root / "results.json").write_text(
        json.dumps([results[0], results[0] | {"segmentation": {"size": [60, 80], "counts": [4800]}}])
    )
    said = [one["problem"] for one in score(root, "valid", predictions=root / "results.json")["warnings"]]
    assert said == ["3 of 4 frames without an entry that counts", "1 mask without a pixel"]


@pytest.mark.parametrize("library", ["hotcoco", "pycocotools"])
def test_the_ap_of_a_class_is_its_own_whatever_its_category_id(library, root, monkeypatch):
    """The ids of the label set are 1 for 4000 and 7 for 7: the libraries sort category ids, label sets their own."""
    if library == "pycocotools":
        monkeypatch.setitem(__import__("sys").modules, "hotcoco", None)
    truth_file, _ = made(root, 3)
    annotations = json.loads(truth_file.read_text())["annotations"]
    perfect = [row | {"score": 0.5} for row in annotations if row["category_id"] == 7 and not row["iscrowd"]]
    assert perfect
    (root / "results.json").write_text(json.dumps(perfect))
    by_class = score(root, "valid", predictions=root / "results.json")["coco"]["per_class"]
    assert by_class == {"zero": 0, "big": 0, "seven": pytest.approx(1)}


def test_areas_that_are_no_numbers_are_named_before_anything_is_scored(root):
    truth_file, _ = made(root, 0)
    truth = json.loads(truth_file.read_text())
    assert len(truth["annotations"]) > 4
    areas = ["9", [], -1, float("nan"), 10**400]
    truth["annotations"] = [row | {"area": area} for row, area in zip(truth["annotations"], areas, strict=False)]
    truth_file.write_text(json.dumps(truth))
    with pytest.raises(PartwiseError, match=r"annotation 5 of image 0: its area is '9': give a number") as error:
        score(root, "valid", predictions=root / "results.json")
    assert len(error.value.faults) == len(areas)
