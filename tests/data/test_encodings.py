"""JSON, YAML and text files in every encoding that can be told for certain; one line for the others."""

import json
from pathlib import Path

import pytest
import yaml
from coco_trees import SQUARE, annotation, content, image, write_coco

from partwise.data import open_dataset
from partwise.data.check import check
from partwise.data.dataset import DATASETS
from partwise.errors import PartwiseError
from partwise.label_file import read_label_file
from partwise.scoring import score
from streeteval.files import read_json

ENCODINGS = ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le"]
CATEGORIES = [{"id": 7, "name": "Fußgänger"}]


def encoded(file: Path, encoding: str) -> None:
    """Write a UTF-8 file in another encoding; with it the lines of Windows."""
    file.write_bytes(file.read_text("utf-8").replace("\n", "\r\n").encode(encoding))


def coco(root: Path) -> list[Path]:
    file = write_coco(root / "train" / "_annotations.coco.json", content([annotation()], categories=CATEGORIES))
    file.write_text(json.dumps(json.loads(file.read_text()), ensure_ascii=False), "utf-8")
    return [file]


def labelme(root: Path) -> list[Path]:
    write_coco(root / "unused.json", content([]))
    (root / "unused.json").unlink()
    shape = {"label": "Fußgänger", "points": [[2, 2], [10, 2], [10, 8], [2, 8]], "shape_type": "polygon"}
    drawn = {"shapes": [shape], "imagePath": "a.png", "imageHeight": 20, "imageWidth": 30}
    (root / "a.json").write_text(json.dumps(drawn, ensure_ascii=False), "utf-8")
    return [root / "a.json"]


def via(root: Path) -> list[Path]:
    write_coco(root / "unused.json", content([]))
    (root / "unused.json").unlink()
    shape = {"name": "polygon", "all_points_x": SQUARE[::2], "all_points_y": SQUARE[1::2]}
    region = {"shape_attributes": shape, "region_attributes": {"class": "Fußgänger"}}
    drawn = {"a.png1": {"filename": "a.png", "size": 1, "regions": [region]}}
    (root / "via.json").write_text(json.dumps(drawn, ensure_ascii=False), "utf-8")
    return [root / "via.json"]


def yolo(root: Path) -> list[Path]:
    write_coco(root / "images" / "train" / "unused.json", content([]))
    (root / "images" / "train" / "unused.json").unlink()
    (root / "labels" / "train").mkdir(parents=True)
    shares = " ".join(str(value / (30, 20)[place % 2]) for place, value in enumerate(SQUARE))
    (root / "labels" / "train" / "a.txt").write_text(f"0 {shares}\n")
    (root / "list.txt").write_text("images/train/a.png\n")
    keys = {"names": ["Fußgänger"], "train": "list.txt", "val": "images/train"}
    (root / "data.yaml").write_text(yaml.safe_dump(keys, allow_unicode=True), "utf-8")
    return [root / "labels" / "train" / "a.txt", root / "list.txt", root / "data.yaml"]


def yolo_folders(root: Path) -> list[Path]:
    label, list_, keys = yolo(root)
    list_.unlink()
    keys.unlink()
    (root / "classes.txt").write_text("Fußgänger\n", "utf-8")
    return [label, root / "classes.txt"]


@pytest.mark.parametrize("encoding", ["utf-8", *ENCODINGS])
@pytest.mark.parametrize("write", [coco, labelme, via, yolo, yolo_folders], ids=lambda write: write.__name__)
def test_drawings_in_every_encoding_are_recognised_and_read(tmp_path, write, encoding):
    for file in write(tmp_path):
        encoded(file, encoding)
    name = write.__name__.removesuffix("_folders")
    assert [one for one, form in DATASETS.items() if form.recognises(tmp_path)] == [name]
    data = open_dataset(tmp_path, "train")
    assert [label.name for label in data.label_set.things] == ["Fußgänger"]
    assert [scene.instances.areas.tolist() for scene in data] == [[48]]
    report = check(tmp_path)
    said = [one.problem for one in report.warnings if "not in plain UTF-8" in one.problem]
    assert report.ok and len(said) == (encoding != "utf-8" and not name.startswith("yolo"))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_panoptic_form_is_told_from_coco_in_every_encoding(tmp_path, encoding):
    file = write_coco(tmp_path / "panoptic_train.json", content([]))
    rows = [{"image_id": 1, "file_name": "a.png", "segments_info": []}]
    file.write_text(json.dumps({"images": [image(n, f"{n}.png") for n in range(5000)], "annotations": rows}))
    encoded(file, encoding)
    assert [one for one, form in DATASETS.items() if form.recognises(file)] == ["panoptic"]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_results_in_every_encoding_are_scored(tmp_path, encoding):
    coco(tmp_path)
    rows = [{"image_id": 1, "category_id": 7, "score": 0.5, "segmentation": [SQUARE]}]
    (tmp_path / "results.json").write_bytes(json.dumps(rows).encode(encoding))
    assert score(tmp_path, "train", predictions=tmp_path / "results.json")["coco"]["ap"] == pytest.approx(1)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_label_files_in_every_encoding(tmp_path, encoding):
    (tmp_path / "labels.toml").write_bytes('[[classes]]\r\nname = "Fußgänger"\r\nid = 7\r\n'.encode(encoding))
    assert [label.name for label in read_label_file(tmp_path / "labels.toml").things] == ["Fußgänger"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty: write or copy it again"),
        (b"\xff\xfe", "is empty: write or copy it again"),
        (bytes(300), "is empty: write or copy it again"),
        ('{"images": ["Fußgänger"]}'.encode("latin-1"), "not UTF-8 (byte 0xdf at 15): save it as UTF-8"),
        ('{"images": [1]}'.encode("utf-16")[:-1], "not UTF-16 (byte 0x7d at 30): save it as UTF-8"),
        ('{"images": [1]}'.encode("utf-16-le") + b"\x00\xd8", "not UTF-16 (byte 0x00 at 30): save it as UTF-8"),
        (b'{"images": [', "not JSON (Expecting value: line 1 column 13 (char 12)): write or copy it again"),
    ],
)
def test_what_is_no_text_is_one_line(tmp_path, data, said, fails):
    (tmp_path / "train").mkdir()
    file = tmp_path / "train" / "_annotations.coco.json"
    file.write_bytes(data)
    with pytest.raises(PartwiseError) as error:
        read_json(file)
    assert str(error.value) == f"{file}: {said}"
    assert said in " ".join(fails("check", tmp_path).split())


def test_labelme_is_recognised_where_the_first_file_is_empty(tmp_path):
    labelme(tmp_path)
    (tmp_path / "0.json").write_bytes(b"")
    with pytest.raises(PartwiseError, match=r"0\.json: is empty: write or copy it again"):
        open_dataset(tmp_path, "train")
