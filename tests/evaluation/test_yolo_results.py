"""Results as text files of YOLO: scored as the same results in COCO form, and every fault with its line."""

import json

import numpy as np
import pytest
import yaml
from PIL import Image

from partwise.errors import PartwiseError
from partwise.scoring import score

SIZE = (40, 60)  # H, W
SQUARE = "0.1 0.1 0.5 0.1 0.5 0.5 0.1 0.5"


@pytest.fixture
def data(tmp_path):
    """Three images, one of them without an object."""
    root = tmp_path / "T"
    for folder in ("images", "labels"):
        (root / folder / "val").mkdir(parents=True)
    for number in range(3):
        Image.new("RGB", SIZE[::-1], "grey").save(root / "images" / "val" / f"street {number}.png")
    (root / "labels" / "val" / "street 0.txt").write_text("")
    (root / "labels" / "val" / "street 1.txt").write_text(f"0 {SQUARE}\n2 0.6 0.2 0.9 0.2 0.9 0.9 0.6 0.9\n")
    (root / "labels" / "val" / "street 2.txt").write_text(f"1 {SQUARE}\n")
    (root / "data.yaml").write_text(yaml.safe_dump({"val": "images/val", "names": ["car", "person", "bus"]}))
    return root


def write_results(folder, **lines):
    (folder / "labels").mkdir(parents=True)
    for name, text in lines.items():
        (folder / "labels" / f"street {name[1:]}.txt").write_text(text)
    return folder


def test_the_truth_with_scores_is_perfect(data, tmp_path):
    texts = {
        f"n{number}": "".join(
            f"{line} 0.{9 - place}\n"
            for place, line in enumerate((data / f"labels/val/street {number}.txt").read_text().splitlines())
        )
        for number in range(3)
    }
    results = write_results(tmp_path / "predict", **texts)
    for given in (results, results / "labels"):
        assert score(data, "val", predictions=given)["instance"]["ap"] == 1.0


def test_two_results_of_own_data_are_compared_from_their_files(data, tmp_path, says):
    """The classes are those of the data, also if its folder is called as an announced label set."""
    data = data.rename(data.parent / "cityscapes")
    lines = (data / "labels/val/street 1.txt").read_text().splitlines()
    for name, certain in (("a", "0.9"), ("b", "0.8")):
        texts = {"n1": "".join(f"{line} {certain}\n" for line in lines[: 1 + (name == "b")])}
        results = write_results(tmp_path / name, **texts)
        says("evaluate", "--predictions", results, "--data", data, "--split", "val", "--json", f"{results}.json")
    says("compare", tmp_path / "a.json", tmp_path / "b.json", "--draws", 9, "--json", tmp_path / "c.json")
    row = json.loads((tmp_path / "c.json").read_text())["differences"]["instance.ap bus"]
    assert (row["a"], row["b"], row["images"]) == (0, 1, 1)


@pytest.mark.parametrize("seed", range(4))
def test_they_score_as_the_same_entries_in_coco_form(data, tmp_path, seed):
    rng = np.random.default_rng(seed)
    entries, texts = [], {}
    for number in range(3):
        lines = []
        for _ in range(4):
            shares = np.array(SQUARE.split(), float) + rng.uniform(-0.05, 0.05, 8)
            index, certain = int(rng.integers(3)), float(rng.uniform())
            points = (shares * np.tile(SIZE[::-1], 4)).tolist()
            entry = {"image_id": f"street {number}", "category_id": index, "score": certain}
            entries.append(entry | {"segmentation": [points]})
            lines.append(f"{index} {' '.join(f'{share:.17g}' for share in shares)} {certain:.17g}")
        texts[f"n{number}"] = "\n".join(lines)
    (tmp_path / "results.json").write_text(json.dumps(entries))
    yolo = score(data, "val", predictions=write_results(tmp_path / "predict", **texts))
    coco = score(data, "val", predictions=tmp_path / "results.json")
    assert yolo["records"] == coco["records"]
    assert yolo["instance"]["ap"] == coco["instance"]["ap"]


def test_lines_without_a_mask_and_images_without_a_file_are_said(data, tmp_path):
    results = write_results(tmp_path / "predict", n1=f"0 {SQUARE} 0.9\n0 0.3\n")
    said = [f"{one['problem']}: {one['remedy']}" for one in score(data, "val", predictions=results)["warnings"]]
    assert said == [
        "1 line without a mask: left out",
        "2 of 3 frames without an entry that counts: scored as frames in which nothing was found",
    ]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (f"0 {SQUARE}", "line 1 has no score: 8 numbers after the class: predict with save_conf=True"),
        (f"1.5 {SQUARE} 0.9", "line 1: class 1.5 is no whole number"),
        (f"7 {SQUARE} 0.9", "category_id 7 is no class of T"),
        (f"0 {SQUARE} nan", "its score is nan"),
        (f"0 {SQUARE} 0.9\n0 {SQUARE} x", "line 2 is no list of numbers"),
    ],
)
def test_a_wrong_line_is_named(data, tmp_path, line, words):
    results = write_results(tmp_path / "predict", n2=f"0 {SQUARE} 0.9\n", n1=line)
    with pytest.raises(PartwiseError) as caught:
        score(data, "val", predictions=results)
    assert words in str(caught.value)


def test_files_of_other_images_are_refused(data, tmp_path, complains):
    results = write_results(tmp_path / "predict", n7=f"0 {SQUARE} 0.9\n")
    said = complains("evaluate", "--predictions", results, "--data", data, "--split", "val")
    assert "street 7 is none of the 3 frames: score the split that the results are of" in said


def entries_of(data, change=lambda index: index, keep=lambda index: True):
    """The truth as entries of a COCO file, with other category ids."""
    rows = []
    for file in sorted((data / "labels/val").glob("*.txt")):
        for line in file.read_text().splitlines():
            index, *shares = line.split()
            if keep(int(index)):
                points = (np.array(shares, float) * np.tile(SIZE[::-1], 4)).tolist()
                row = {"image_id": file.stem, "category_id": change(int(index)), "score": 0.9}
                rows.append(row | {"segmentation": [points]})
    return rows


def in_file(folder, rows):
    (folder / "predictions.json").write_text(json.dumps(rows))
    return folder / "predictions.json"


def test_category_ids_that_count_from_1_are_named(data, tmp_path, complains):
    """As Ultralytics writes predictions.json: one class off if no entry has the last class, else an unknown class."""
    where = ("--data", data, "--split", "val", "--json", tmp_path / "s.json")
    said = complains("evaluate", "--predictions", in_file(tmp_path, entries_of(data, lambda i: i + 1)), *where)
    assert "category_id 3 is no class of T" in said and "if the ids count from 1, as Ultralytics'" in said
    rows = entries_of(data, lambda index: index + 1, keep=lambda index: index < 2)
    said = complains("evaluate", "--predictions", in_file(tmp_path, rows), *where)
    assert "these ids count from 1, as Ultralytics' predictions.json does: 2 of 2 entries lie on objects" in said
    assert "subtract 1 from each category_id" in said and not (tmp_path / "s.json").exists()


@pytest.mark.parametrize(
    ("change", "keep", "warns"),
    [
        (lambda index: index, lambda index: True, False),
        (lambda index: index, lambda index: index > 0, False),  # no id 0, and each is right
        (lambda index: (index + 1) % 3, lambda index: True, False),  # each is wrong, but an id is 0
        (lambda index: 2 if index == 1 else index, lambda index: True, False),  # one class is taken for another
        (lambda index: 1, lambda index: index == 0, True),  # the same, or a single class that counts from 1
    ],
)
def test_category_ids_that_count_from_0_are_scored(data, tmp_path, change, keep, warns):
    figures = score(data, "val", predictions=in_file(tmp_path, entries_of(data, change, keep)))
    said = [one["remedy"] for one in figures["warnings"] if "one below" in one["problem"]]
    assert len(said) == warns and all("if the ids count from 1" in one for one in said)


def test_image_ids_may_be_the_names_of_files(data, tmp_path):
    rows = entries_of(data)
    for place, form in enumerate(("{}_leftImg8bit", "{}.png", "images/val/{}.png")):
        rows[place]["image_id"] = form.format(rows[place]["image_id"])
    assert score(data, "val", predictions=in_file(tmp_path, rows))["instance"]["ap"] == 1


def test_a_folder_without_results_is_named_and_not_the_data(data, tmp_path, complains):
    wrong = tmp_path / "wrong"
    where = ("evaluate", "--data", data, "--split", "val", "--predictions", wrong)
    assert f"{wrong}: no such file or folder: check the path of the results" in complains(*where)
    wrong.mkdir()
    for name in ("nothing", "photo.png", "notes.txt"):
        if name != "nothing":
            (wrong / name).write_text("some words")
        said = complains(*where)
        assert (
            f"{wrong}: holds no results for YOLO data: give a JSON file in COCO form, a folder of YOLO's text" in said
        )
    labels = tmp_path / "own.toml"
    labels.write_text('name = "own"\n')
    assert "holds no results for YOLO data" in complains(*where, "--labels", labels)


@pytest.mark.parametrize("files", [(), ("street 0.txt", "street 2.txt")])
def test_labels_without_a_line_are_results_in_which_nothing_was_found(data, tmp_path, files, complains):
    results = write_results(tmp_path / "predict", **{f"n{name[7]}": "" for name in files})
    figures = score(data, "val", predictions=results)
    assert figures["instance"]["ap"] == 0
    assert [one["problem"] for one in figures["warnings"]] == ["3 of 3 frames without an entry that counts"]
    (results / "labels" / "notes.md").write_text("")
    assert "holds no results" in complains("evaluate", "--data", data, "--split", "val", "--predictions", results)


@pytest.mark.parametrize(
    "shares",
    [
        "0.1 0.2 0.3 0.2",  # two points, as many numbers as a box
        "0.1 0.2",
        "0.1 0 0.2 0 0.3 0",  # on each border of the image
        "0.1 1 0.2 1 0.3 1",
        "0 0.1 0 0.2 0 0.3",
        "1 0.1 1 0.2 1 0.3",
        "0.5 0.1 0.5 0.3 0.5 0.2",
    ],
)
def test_an_outline_without_an_area_is_left_out(data, tmp_path, shares):
    texts = {f"n{n}": "" for n in range(3)}
    for n in (1, 2):
        lines = (data / f"labels/val/street {n}.txt").read_text().splitlines()
        texts[f"n{n}"] = "".join(f"{line} 0.9\n" for line in lines)
    plain = score(data, "val", predictions=write_results(tmp_path / "plain", **texts))
    texts["n1"] = f"0 {shares} 0.95\n{texts['n1']}"
    figures = score(data, "val", predictions=write_results(tmp_path / "predict", **texts))
    assert figures["instance"] == plain["instance"] and figures["instance"]["ap"] == 1
    first = figures["warnings"][0]
    assert (first["problem"], first["remedy"]) == ("1 line without a mask", "left out")


def test_boxes_alone_are_refused_each_with_its_line(data, tmp_path):
    results = write_results(tmp_path / "predict", n1="0 0.5 0.5 0.2 0.2 0.9\n" * 2, n2="1 0.5 0.5 0.2 0.2 0.9\n")
    with pytest.raises(PartwiseError, match="line 2 is a box: predict with a model for segmentation") as caught:
        score(data, "val", predictions=results)
    assert len(caught.value.faults) == 3
