"""YOLO data for segmentation: a YAML file or folders, text files of polygons, and every fault with its line."""

import json
import pickle
from pathlib import Path
from unicodedata import normalize

import numpy as np
import pytest
import yaml
from PIL import ExifTags, Image

from partwise.data import open_dataset
from partwise.data.check import check
from partwise.data.dataset import DATASETS, described, splits_of
from partwise.data.polygons.yolo_labels import label_file
from partwise.data.polygons.yolo_layout import holds_label_lines
from partwise.errors import PartwiseError, PartwiseWarning

SIZE = (40, 60)  # H, W
CLASSES = ["car", "person", "bus"]
SQUARE = "0 0.1 0.1 0.5 0.1 0.5 0.5 0.1 0.5"


def photo(path: Path, size=SIZE, **how) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*size, 3), 90, np.uint8)).save(path, **how)
    return path


def label(image: Path, *lines: str) -> Path:
    file = label_file(image)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(lines) + "\n")
    return file


def write_yaml(folder: Path, name: str = "data.yaml", **keys) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    content = {"train": "images/train", "val": "images/val", "names": CLASSES} | keys
    (folder / name).write_text(yaml.safe_dump({key: value for key, value in content.items() if value is not None}))
    return folder / name


@pytest.fixture
def data(tmp_path):
    """A data set with one image in each split."""
    for split in ("train", "val"):
        label(photo(tmp_path / "T" / "images" / split / f"{split}_1.jpg"), SQUARE)
    write_yaml(tmp_path / "T")
    return tmp_path / "T"


def same_scenes(one, other) -> None:
    assert len(one) == len(other) > 0
    for a, b in zip(one, other, strict=True):
        assert a.name == b.name
        np.testing.assert_array_equal(a.semantic_HW, b.semantic_HW)
        np.testing.assert_array_equal(a.instance_ids_HW, b.instance_ids_HW)


@pytest.mark.parametrize("seed", range(4))
def test_polygons_are_those_of_the_same_coco_file(tmp_path, seed):
    rng = np.random.default_rng(seed)
    images, annotations = [], []
    for number in range(3):
        size = tuple(rng.integers(30, 90, 2).tolist())
        image = photo(tmp_path / "yolo" / "images" / "train" / f"{number}.png", size)
        photo(tmp_path / "coco" / "train" / f"{number}.png", size)
        images.append({"id": number, "file_name": f"{number}.png", "height": size[0], "width": size[1]})
        lines = []
        for _ in range(rng.integers(0, 6)):
            shares = rng.uniform(0, 1, (rng.integers(3, 9), 2))
            index = int(rng.integers(len(CLASSES)))
            points = (shares * size[::-1]).ravel().tolist()
            annotations.append(
                {"id": len(annotations), "image_id": number, "category_id": index, "segmentation": [points]}
            )
            lines.append(f"{index} " + " ".join(f"{share:.17g}" for share in shares.ravel()))
        label(image, *lines)
    categories = [{"id": number, "name": name} for number, name in enumerate(CLASSES)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (tmp_path / "coco" / "annotations").mkdir()
    (tmp_path / "coco" / "annotations" / "instances_train.json").write_text(json.dumps(content))
    write_yaml(tmp_path / "yolo")
    yolo, coco = (open_dataset(tmp_path / name, "train") for name in ("yolo", "coco"))
    assert "YOLO" in described(yolo)
    same_scenes(yolo, coco)
    same_scenes(pickle.loads(pickle.dumps(yolo)), coco)


def moved(data: Path, tmp_path: Path, layout: str) -> Path:
    """The same data as another tool lays them out; what is to be given."""
    new = tmp_path / layout
    for split in ("train", "val"):
        image, text = data / f"images/{split}/{split}_1.jpg", data / f"labels/{split}/{split}_1.txt"
        folder = {
            "label studio": "images",
            "beside": split,
            "roboflow": f"{split}/images",
            "folders": f"{split}/images",
        }
        at = new / folder.get(layout, f"images/{split}") / image.name
        at.parent.mkdir(parents=True, exist_ok=True)
        image.rename(at)
        to = at.with_suffix(".txt") if layout == "beside" else label_file(at)
        to.parent.mkdir(parents=True, exist_ok=True)
        text.rename(to)
        if layout == "cvat":
            (new / f"{split}.txt").write_text(f"images/{split}/{image.name}\n")
    if layout == "ultralytics":  # the YAML file lies beside the folder
        return write_yaml(tmp_path, "streets.yaml", path="ultralytics", names=dict(enumerate(CLASSES)))
    if layout == "roboflow":
        write_yaml(new, train="../train/images", val="../val/images", test="../test/images", nc=3)
    elif layout == "cvat":
        write_yaml(new, path="./", train="train.txt", val="val.txt")
    elif layout == "supervision":  # which names no folders
        write_yaml(new, train=None, val=None, nc=3)
    elif layout == "beside":
        write_yaml(new, train=["train"], val=str(new / "val"))
    else:
        (new / "classes.txt").write_text("\n".join(CLASSES))
        note = {"categories": [{"id": 0, "name": "car"}], "info": {"year": 2026}}
        (new / "notes.json").write_text(json.dumps(note))
    return new


@pytest.mark.parametrize(
    "layout", ["ultralytics", "roboflow", "cvat", "label studio", "beside", "folders", "supervision"]
)
def test_every_tool_lays_the_same_data_out_in_its_own_way(data, tmp_path, layout):
    given = moved(data, tmp_path, layout)
    assert [name for name, form in DATASETS.items() if form.recognises(given)] == ["yolo"]
    alone = layout == "label studio"  # which knows no splits
    assert splits_of(given) == (["all"] if alone else ["train", "val"])
    shown = open_dataset(given, "validation")
    assert shown.names == (["train_1", "val_1"] if alone else ["val_1"])
    assert shown[0].instances.areas.tolist() == [384]  # .4 of the width, .4 of the height
    assert {one.name for one in shown.label_set.things} == set(CLASSES)
    assert [shown.label_set.name_of(one) for one in shown[0].instances.labels.tolist()] == ["car"]


def test_an_image_without_a_label_file_shows_no_object(data):
    photo(data / "images" / "train" / "train_0.png")
    shown = open_dataset(data, "train")
    assert shown.names == ["train_0", "train_1"] and [len(one.instances) for one in shown] == [0, 1]


def warnings_of(root: Path, split: str = "train") -> list[str]:
    where = f"{root / 'data.yaml'}: {split}: "
    return [str(one).removeprefix(where) for one in open_dataset(root, split).annotated.warnings]


def test_images_without_labels_and_labels_without_images_are_said_once_each(data):
    images, labels = data / "images" / "train", data / "labels" / "train"
    assert warnings_of(data) == []
    for name in ("x.jpg", "y.jpg"):
        photo(images / name)
    for name in ("gone.txt", "city/gone.txt", "raw.txt"):
        (labels / name).parent.mkdir(exist_ok=True)
        (labels / name).write_text(SQUARE)
    (images / "raw.DNG").write_bytes(b"x")
    for name in ("README.txt", "classes.txt", "._train_1.txt"):  # which are no label files
        (labels / name).write_text("exported by me\n")
    assert warnings_of(data) == [
        f"2 of 3 images without a label file, such as {images / 'x.jpg'}: they count as images without an object: "
        "where one is to be seen, add its label file",
        f"1 image with labels, but of a format that is not read, such as {images / 'raw.DNG'}: left out: convert to "
        "JPEG or PNG",
        f"2 label files without an image, such as {labels / 'city' / 'gone.txt'}: left out: add the images, correct "
        "the names, or remove the files",
    ]
    assert [one for one in check(data).warnings if "label file" in str(one)], "check lists them"
    assert open_dataset(data, "train").names == ["train_1", "x", "y"]


def test_label_files_of_another_split_have_their_images(data):
    label(photo(data / "images" / "other.jpg"), SQUARE)
    (data / "list.txt").write_text("images/other.jpg\n")
    write_yaml(data, train="list.txt", val="images")
    assert warnings_of(data) == warnings_of(data, "val") == []


@pytest.mark.parametrize(("written", "stored"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_a_name_with_an_accent_is_found_in_either_form(data, written, stored):
    """macOS writes é as an e and an accent."""
    image = photo(data / "images" / "train" / (normalize(stored, "café") + ".jpg"))
    file = label_file(image)
    file.with_name(normalize(written, file.name)).write_text(SQUARE)
    (data / "list.txt").write_text(normalize(written, "images/train/café.jpg") + "\n")
    assert [len(one.instances) for one in open_dataset(data, "train")] == [1, 1] and warnings_of(data) == []
    write_yaml(data, train="list.txt")
    assert [len(one.instances) for one in open_dataset(data, "train")] == [1]


@pytest.mark.parametrize("names", [["._val_1.txt"], [f"note {n}.txt" for n in range(5)], ["a/README.txt", "z.txt"]])
def test_labels_are_recognised_beside_files_that_hold_none(data, tmp_path, names):
    """macOS writes ._NAME beside each file on a disk of another system; which file is met first is not defined."""
    root = moved(data, tmp_path, "label studio")
    for name in names:
        file = root / "labels" / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        " if name[0] == "." else b"exported by me\n")
    for first in (True, False):  # in either order
        files = sorted((root / "labels").glob("**/*.txt"), key=lambda path: (path.stem[-2:] == "_1") == first)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Path, "glob", lambda folder, _, found=files: iter(found if folder.name == "labels" else []))
            assert holds_label_lines(root / "labels")
    assert [name for name, form in DATASETS.items() if form.recognises(root)] == ["yolo"]
    assert open_dataset(root, "train").names == ["train_1", "val_1"]


def test_texts_that_are_no_labels_are_not_taken_for_yolo_data(tmp_path):
    (tmp_path / "labels").mkdir()
    for number in range(30):
        (tmp_path / "labels" / f"{number}.txt").write_text("" if number % 2 else "car\n")
    assert not holds_label_lines(tmp_path / "labels")


def test_coordinates_are_shares_of_the_upright_image(data):
    """As viewers and training tools turn a photo by its EXIF orientation before they show it."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    photo(data / "images" / "val" / "val_1.jpg", exif=exif)
    (scene,) = open_dataset(data, "val")
    assert scene.size == SIZE[::-1] and scene.instances.boxes.tolist() == [[4, 6, 20, 30]]


def test_boxes_among_polygons_are_ignored_and_alone_they_are_refused(data):
    image = data / "images" / "train" / "train_1.jpg"
    label(image, SQUARE, "1 0.8 0.8 0.2 0.2")
    shown = open_dataset(data, "train")
    assert "1 label of a box" in str(shown.annotated.warnings[0])
    with pytest.warns(PartwiseWarning, match="1 label of a box"):
        scene = shown[0]
    evaluated = {one.id for one in shown.label_set.evaluated}
    assert len(scene.instances) == 1 and int(scene.semantic_HW[32, 48]) not in evaluated
    label(image, "1 0.8 0.8 0.2 0.2")
    with pytest.raises(PartwiseError, match=r"all labels are boxes \(1 lines? of .* export the data for segmentation"):
        open_dataset(data, "train")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("0 0.1 0.1 0.5 x 0.5 0.5", "'0 0.1 0.1 0.5 x 0.5 0.5' is no list of numbers"),
        ("7 0.1 0.1 0.5 0.1 0.5 0.5", "class 7 has no name: give one of the classes 0 to 2, or"),
        ("1.5 0.1 0.1 0.5 0.1 0.5 0.5", "class 1.5 has no name"),
        ("nan 0.1 0.1 0.5 0.1 0.5 0.5", "class nan has no name"),
        ("0 0.1 0.1 0.5 0.1 0.5 0.5 0.9", "has 7 numbers after the class: write x y of three points"),
        ("0 0.1 0.1", "has 2 numbers after the class"),
        ("0 12 14 30 14 30 33", "coordinate 12 is no share of the image: divide x by its width"),
        ("0 0.1 0.1 0.5 inf 0.5 0.5", "coordinate inf is no share"),
    ],
)
def test_a_wrong_line_is_named_with_its_file(data, fails, line, words):
    file = label(data / "images" / "train" / "train_1.jpg", SQUARE, "", line)
    assert f"{file}: line 3: {words}" in fails("check", data)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"names": 3}, "names is '3'"),
        ({"names": []}, "names is '[]': give a list of class names, or index: name"),
        ({"names": {"car": 0}}, "names is"),
        ({"nc": 4}, "nc is 4, but names has 3 classes"),
        ({"names": ["car", "car", "bus"]}, "category name 'car' is there twice"),
        ({"kpt_shape": [17, 3]}, "its labels are key points"),
        ({"train": "images/nowhere"}, "train: images/nowhere does not exist, looked for at"),
        ({"train": "labels/train"}, "train: no image in labels/train"),
        ({"train": "list.txt"}, "list.txt: line 2: images/none.jpg does not exist"),
    ],
)
def test_a_wrong_yaml_is_one_line(data, keys, words):
    (data / "list.txt").write_text("images/train/train_1.jpg\nimages/none.jpg\n")
    write_yaml(data, **keys)
    with pytest.raises(PartwiseError) as caught:
        open_dataset(data, "train")
    assert words in str(caught.value)


def test_damaged_files_are_named(data):
    (data / "data.yaml").write_text("names: [a, b\ntrain: images/train\n")
    with pytest.raises(PartwiseError, match=r"data\.yaml: cannot be read as YAML \(.*: write or copy it again"):
        open_dataset(data, "train")
    write_yaml(data)
    label_file(data / "images" / "train" / "train_1.jpg").write_bytes(b"\xff\xfe\x00")
    (data / "images" / "val" / "val_1.jpg").write_bytes(b"no image")
    for split, words in (("train", r"train_1\.txt: cannot be read"), ("val", r"val_1\.jpg: not an image")):
        with pytest.raises(PartwiseError, match=words):
            open_dataset(data, split)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("names: [a", "cannot be read as YAML"),
        ("- a", "holds no keys: give train, val and names"),
        ("train: images/train", "names is 'None'"),
    ],
)
def test_a_yaml_file_that_is_given_says_what_is_wrong_with_it(data, complains, text, words):
    (data / "other.yaml").write_text(text)
    assert words in complains("check", data / "other.yaml")


def test_an_empty_line_among_the_names_of_classes_counts(data, tmp_path):
    root = moved(data, tmp_path, "label studio")
    (root / "classes.txt").write_text("car\n\nperson\nbus\n\n")
    label(root / "images" / "val_1.jpg", SQUARE.replace("0 ", "2 ", 1))
    shown = open_dataset(root, "train")
    names = {scene.name: [shown.label_set.name_of(one) for one in scene.instances.labels] for scene in shown}
    assert names == {"train_1": ["car"], "val_1": ["person"]}
    label(root / "images" / "val_1.jpg", SQUARE.replace("0 ", "1 ", 1))
    with pytest.raises(PartwiseError, match="class 1 has no name: give one of the classes 0, 2 to 3, or name it"):
        open_dataset(root, "train")
    (root / "classes.txt").write_text("\n")
    with pytest.raises(PartwiseError, match=r"classes\.txt: names no class"):
        open_dataset(root, "train")


def test_classes_without_names_and_images_without_labels_are_refused(data):
    (data / "data.yaml").unlink()
    with pytest.raises(PartwiseError, match=r"without the names of their classes: .*classes\.txt, one on each line"):
        open_dataset(data, "train")
    (data / "classes.txt").write_text("car\n")
    label_file(data / "images" / "train" / "train_1.jpg").unlink()
    with pytest.raises(PartwiseError, match=r"none of 1 image has a label file: .*train_1\.jpg should have .*train_1"):
        open_dataset(data, "train")


def test_of_several_yaml_files_one_must_be_given(data):
    (data / "data.yaml").rename(data / "one.yaml")
    other = write_yaml(data, "other.yaml", names=["vehicle"])
    with pytest.raises(PartwiseError, match=r"2 YAML files describe data \(one\.yaml, other\.yaml\): give one of them"):
        open_dataset(data, "train")
    assert [one.name for one in open_dataset(other, "train").label_set.things] == ["vehicle"]


def test_beside_a_coco_file_the_labels_are_read_where_the_yaml_is_given(data):
    content = {"images": [], "annotations": [], "categories": []}
    (data / "annotations").mkdir()
    (data / "annotations" / "instances_train.json").write_text(json.dumps(content))
    assert [name for name, form in DATASETS.items() if form.recognises(data)] == ["coco"]
    assert len(open_dataset(data / "data.yaml", "train")) == 1


def test_a_split_may_have_several_folders(data, monkeypatch):
    monkeypatch.chdir(data.parent)
    write_yaml(data, train=["images/train", str(data / "images" / "val"), "images/train/train_1.jpg"])
    assert open_dataset("T", "train").names == ["train_1", "val_1"]


def test_train_and_evaluate_on_it(data, tmp_path, says):
    says("train", "demo", "--data", data / "data.yaml", "--out", tmp_path / "run", "--steps", 1)
    assert "car" in says("evaluate", "--model", tmp_path / "run", "--data", data, "--split", "val", "--no-records")
