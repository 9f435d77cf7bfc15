"""COCO's panoptic form: where it lies, what its segments become, and every fault of it."""

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from coco_trees import annotation, content, write_coco
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from partwise.class_list import ClassEntry, label_set_of_classes
from partwise.data import open_dataset
from partwise.data.check import check
from partwise.data.cityscapes import CityscapesFolder
from partwise.data.dataset import DATASETS, described
from partwise.errors import PartwiseError
from streeteval.labels import CITYSCAPES
from streeteval.official.create import convert2panoptic
from streeteval.official.panoptic import id2rgb

SIZE = (8, 12)
CAR, PERSON, ROAD = 4000, 91, 0
CATEGORIES = [
    {"id": CAR, "name": "car", "isthing": 1, "supercategory": "vehicle", "color": [0, 0, 142]},
    {"id": PERSON, "name": "person", "isthing": 1, "supercategory": "human"},
    {"id": ROAD, "name": "road", "isthing": 0, "supercategory": "flat", "color": [128, 64, 128]},
]
GROUND, FIRST, SECOND, WALKER, CROWD = 70000, 258, 5, 9, 1 << 23
SEGMENTS = {GROUND: (ROAD, 0), FIRST: (CAR, 0), SECOND: (CAR, 0), WALKER: (PERSON, 0), CROWD: (PERSON, 1)}


def ids_of_segments() -> np.ndarray:
    """Two cars side by side, a person, a crowd, and void in the first row, on a road."""
    ids_HW = np.full(SIZE, GROUND)
    ids_HW[2:6, :3], ids_HW[2:6, 3:6], ids_HW[2:6, 8:], ids_HW[7], ids_HW[0] = FIRST, SECOND, WALKER, CROWD, 0
    return ids_HW


def entry(name: str, segments: dict = SEGMENTS) -> dict:
    rows = [{"id": id_, "category_id": category, "iscrowd": crowd} for id_, (category, crowd) in segments.items()]
    return {"image_id": name, "file_name": f"{name}.png", "segments_info": rows}


def listed(name: str) -> dict:
    return {"id": name, "file_name": f"{name}.jpg", "height": SIZE[0], "width": SIZE[1]}


def write_segments(file: Path, ids_HW: np.ndarray) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(id2rgb(ids_HW)).save(file)


def write_panoptic(
    file: Path, pngs: Path | None = None, images: Path | None = None, names: tuple[str, ...] = ("a",)
) -> Path:
    """Write a JSON, its PNGs and its images; returns the JSON."""
    images = images or file.parent.parent / file.stem.removeprefix("panoptic_")
    images.mkdir(parents=True, exist_ok=True)
    for name in names:
        write_segments((pngs or file.with_suffix("")) / f"{name}.png", ids_of_segments())
        Image.fromarray(np.full((*SIZE, 3), 90, np.uint8)).save(images / f"{name}.jpg")
    file.parent.mkdir(parents=True, exist_ok=True)
    lists = {"images": [listed(name) for name in names], "annotations": [entry(name) for name in names]}
    file.write_text(json.dumps(lists | {"categories": CATEGORIES}))
    return file


def change(file: Path, how: Callable[[dict], object]) -> None:
    held = json.loads(file.read_text())
    how(held)
    file.write_text(json.dumps(held))


@pytest.fixture
def file(tmp_path) -> Path:
    return write_panoptic(tmp_path / "coco" / "annotations" / "panoptic_val2017.json")


@pytest.fixture(scope="module")
def city(city_root, module_folder) -> Path:
    """A Cityscapes tree in which csCreatePanopticImgs has run."""
    shutil.copytree(city_root, module_folder / "city")
    for train_ids in (False, True):
        convert2panoptic(str(module_folder / "city" / "gtFine"), useTrainId=train_ids, setNames=["train", "val"])
    return module_folder / "city"


def forms_of(path: Path) -> list[str]:
    return [name for name, form in DATASETS.items() if form.recognises(path)]


# --- what segments become ---


def test_things_stuff_crowds_and_void(file):
    data = open_dataset(file, "val")
    scene, labels = data[0], data.label_set
    road, person = labels["road"], labels["person"]
    assert sorted(labels.name_of(label) for label in scene.instances.labels.tolist()) == ["car", "car", "person"]
    assert sorted(scene.instances.areas.tolist()) == [12, 12, 16]
    assert scene.instance_ids_HW[2, 0] != scene.instance_ids_HW[2, 3]
    assert scene.semantic_HW[1, 0] == scene.instance_ids_HW[1, 0] == road.id and not road.has_instances
    assert scene.semantic_HW[7, 0] == scene.instance_ids_HW[7, 0] == person.id
    assert scene.semantic_HW[0, 0] == scene.instance_ids_HW[0, 0] == labels.void_id
    assert data.instance_count == 3
    assert described(data) == (
        "panoptic_val2017/val2017: COCO panoptic, label set panoptic_val2017 (3 classes, 2 with instances), 1 frame, "
        "3 instances"
    )


def test_categories_keep_their_ids_and_colours(file):
    labels = open_dataset(file, "val").label_set
    assert {label.name: label.file_id for label in labels.evaluated} == {"car": CAR, "person": PERSON, "road": ROAD}
    assert labels["car"].colour == (0, 0, 142) and labels["road"].colour == (128, 64, 128)
    assert labels["car"].category == "vehicle" and labels.outside == ""


@settings(max_examples=20)
@given(st.data())
def test_every_pixel_is_what_its_segment_is(module_folder, data):
    folder = module_folder / "drawn"
    ids = data.draw(st.lists(st.integers(1, (1 << 24) - 1), min_size=1, max_size=6, unique=True))
    kinds = st.tuples(st.sampled_from([CAR, PERSON, ROAD]), st.integers(0, 1))
    segments = {id_: data.draw(kinds) for id_ in ids}
    rng = np.random.default_rng(data.draw(st.integers(0, 1 << 16)))
    ids_HW = rng.choice([0, *ids], SIZE)
    ids_HW.reshape(-1)[rng.permutation(ids_HW.size)[: len(ids)]] = ids
    file = write_panoptic(folder / "panoptic_val.json", images=folder / "val")
    change(file, lambda held: held["annotations"].__setitem__(0, entry("a", segments)))
    write_segments(file.with_suffix("") / "a.png", ids_HW)
    dataset = open_dataset(file, "val")
    scene, of_category = dataset[0], {label.file_id: label for label in dataset.label_set.evaluated}
    same: dict[int, set[int]] = {}
    for id_, semantic, instance in zip(ids_HW.flat, scene.semantic_HW.flat, scene.instance_ids_HW.flat, strict=True):
        same.setdefault(int(id_), set()).add(int(instance))
        category, crowd = segments.get(int(id_), (None, 0))
        if category is None:
            assert semantic == instance == dataset.label_set.void_id
            continue
        label = of_category[category]
        assert semantic == label.id
        assert instance // 1000 == label.id if label.has_instances and not crowd else instance == label.id
    things = [same[id_] for id_, (category, crowd) in segments.items() if category != ROAD and not crowd]
    assert all(len(one) == 1 for one in things) and len(set.union(set(), *things)) == len(things)
    assert len(scene.instances) == len(things) == dataset.instance_count


@pytest.mark.parametrize("label_set", [None, CITYSCAPES], ids=["own", "cityscapes"])
@pytest.mark.parametrize("name", ["val", "train", "val_trainId"])
def test_cityscapes_in_panoptic_form_is_read_as_cityscapes(name, label_set, city):
    data = open_dataset(city / "gtFine" / f"cityscapes_panoptic_{name}.json", "val", label_set=label_set)
    truth = CityscapesFolder(city, name.removesuffix("_trainId"))
    assert data.names == truth.names and data.split == name
    own_id = np.full(256, data.label_set.void_id)  # id of Cityscapes -> that of the data
    for label in CITYSCAPES.evaluated:
        own_id[label.id] = data.label_set[label.name].id
    for scene, true in zip(data, truth, strict=True):
        is_instance = true.instance_ids_HW >= 1000
        own_HW = own_id[np.where(is_instance, true.instance_ids_HW // 1000, true.instance_ids_HW)]
        is_instance &= own_HW != data.label_set.void_id
        assert np.array_equal(scene.image_HW3, true.image_HW3)
        assert np.array_equal(scene.semantic_HW, own_HW)
        assert np.array_equal(scene.instance_ids_HW[~is_instance], own_HW[~is_instance])
        assert np.array_equal(scene.instance_ids_HW[is_instance] // 1000, own_HW[is_instance])
        ours_N, true_N = scene.instance_ids_HW[is_instance], true.instance_ids_HW[is_instance]
        pairs = set(zip(ours_N.tolist(), true_N.tolist(), strict=True))  # numbers of hidden things are left out
        assert len(pairs) == len(set(ours_N.tolist())) == len(set(true_N.tolist()))
    assert sum(len(scene.instances) for scene in data) == data.instance_count > 0


def test_another_label_set_fits_by_names(file):
    joined = label_set_of_classes(
        "joined", [ClassEntry("moving", 3, sources=("car", "person")), ClassEntry("road", 7, has_instances=False)]
    )
    scene = open_dataset(file, "val", label_set=joined)[0]
    assert scene.instances.labels.tolist() == [3, 3, 3] and scene.semantic_HW[1, 0] == 7
    lacking = label_set_of_classes("cars", [ClassEntry("car", 3)])
    with pytest.raises(PartwiseError, match=r"panoptic_val2017.json: category 'person' \(id 91, 2 annotations\)"):
        open_dataset(file, "val", label_set=lacking)


def test_it_is_read_when_asked_for_and_is_small_to_send(tmp_path):
    names = tuple(f"street_{number:04d}" for number in range(60))
    file = write_panoptic(tmp_path / "panoptic_train.json", images=tmp_path / "train", names=names)
    data = open_dataset(tmp_path, "train")
    sent = pickle.dumps(data)
    assert len(sent) < 300 * len(names) + 10_000
    again = pickle.loads(sent)
    assert again.names == list(names) and np.array_equal(again[7].instance_ids_HW, data[7].instance_ids_HW)
    (file.with_suffix("") / "street_0007.png").write_bytes(b"no PNG")
    assert len(open_dataset(tmp_path, "train")) == 60
    with pytest.raises(PartwiseError, match=r"street_0007\.png: "):
        data[7]


# --- where it lies ---

LAYOUTS = {
    "COCO": ("annotations/panoptic_val2017.json", "annotations/panoptic_val2017", "val2017", "val2017"),
    "Detectron2": ("annotations/panoptic_val2017.json", "panoptic_val2017", "val2017", "val2017"),
    "datumaro": ("annotations/panoptic_val.json", "annotations/panoptic_val", "images/val", "val"),
    "ADE20K": ("ade20k_panoptic_val.json", "ade20k_panoptic_val", "images/validation", "val"),
    "flat": ("panoptic_val.json", ".", "images", "val"),
    "IDD": ("train_panoptic.json", "train_panoptic", "train", "train"),
    "one for each split": ("val/panoptic.json", "val/panoptic", "val", "val"),
    "another name": ("notes.json", "notes", "images", "notes"),
}


@pytest.mark.parametrize(("json_file", "pngs", "images", "split"), LAYOUTS.values(), ids=LAYOUTS)
def test_layouts(json_file, pngs, images, split, tmp_path):
    write_panoptic(tmp_path / json_file, tmp_path / pngs, tmp_path / images)
    for path in (tmp_path, tmp_path / json_file):
        assert forms_of(path) == ["panoptic"]
        assert len(open_dataset(path, split)[0].instances) == 3
    assert open_dataset(tmp_path, split).split == split


def test_two_splits_and_their_other_names(tmp_path):
    for split in ("train2017", "val2017"):
        write_panoptic(tmp_path / "annotations" / f"panoptic_{split}.json")
    assert open_dataset(tmp_path, "val").split == "val2017"
    with pytest.raises(PartwiseError, match="unknown split 'test': Known: train2017, val2017"):
        open_dataset(tmp_path, "test")


def test_a_folder_of_coco_as_published_is_read_as_coco(file):
    root = file.parents[1]
    write_coco(root / "annotations" / "instances_val2017.json", content([annotation()]), root / "val2017")
    assert forms_of(root) == ["coco"] and forms_of(file) == ["panoptic"]
    assert described(open_dataset(root, "val")).startswith("coco/val2017: COCO, ")
    assert described(open_dataset(file, "val")).startswith("panoptic_val2017/val2017: COCO panoptic, ")


def test_a_cityscapes_tree_with_panoptic_files_is_read_as_cityscapes(city):
    assert forms_of(city) == ["cityscapes"]
    assert forms_of(city / "gtFine" / "cityscapes_panoptic_val.json") == ["panoptic"]


@pytest.mark.parametrize("truth", ["", "gtFine"], ids=["no gtFine", "gtFine without labelIds"])
def test_images_of_cityscapes_with_panoptic_files_alone_are_read_as_panoptic(city, tmp_path, truth):
    """Whoever has the panoptic truth may have left the other one out."""
    (tmp_path / "leftImg8bit").symlink_to(city / "leftImg8bit")
    (tmp_path / truth).mkdir(exist_ok=True)
    for name in ("cityscapes_panoptic_val", "cityscapes_panoptic_train"):
        (tmp_path / truth / name).symlink_to(city / "gtFine" / name)
        (tmp_path / truth / f"{name}.json").symlink_to(city / "gtFine" / f"{name}.json")
    assert forms_of(tmp_path) == ["panoptic"]
    data = open_dataset(tmp_path, "val")
    assert data.names == CityscapesFolder(city, "val").names and data[0].instances


def test_a_cityscapes_tree_whose_truth_lies_elsewhere_is_no_panoptic_data(city, tmp_path):
    for tree, place in (("leftImg8bit", "leftImg8bit"), ("gtFine", "gtFine_trainvaltest/gtFine")):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).symlink_to(city / tree)
    (tmp_path / "panoptic_val.json").symlink_to(city / "gtFine" / "cityscapes_panoptic_val.json")
    assert forms_of(tmp_path) == ["cityscapes"]
    assert CityscapesFolder(tmp_path, "val").names == CityscapesFolder(city, "val").names


def test_two_files_for_one_split(tmp_path):
    for name in ("panoptic_val.json", "street_panoptic_val.json"):
        write_panoptic(tmp_path / name, images=tmp_path / "val")
    assert forms_of(tmp_path) == ["panoptic"]
    with pytest.raises(PartwiseError, match=r"street_panoptic_val.json: is the split 'val', as .*panoptic"):
        open_dataset(tmp_path, "val")
    assert len(open_dataset(tmp_path / "panoptic_val.json", "val")) == 1


def test_a_file_is_told_by_its_first_annotation_however_many_images_come_before_it(tmp_path):
    many = [listed(f"street_{number:06d}") for number in range(2000)]
    lists = {"images": many, "annotations": [entry("street_000000")], "categories": CATEGORIES}
    (tmp_path / "p.json").write_text(json.dumps(lists))
    (tmp_path / "c.json").write_text(json.dumps(content([annotation(1, "street_000000")], many)))
    assert forms_of(tmp_path / "p.json") == ["panoptic"] and forms_of(tmp_path / "c.json") == ["coco"]


def test_files_in_unusual_places(says, tmp_path):
    file = write_panoptic(tmp_path / "x" / "p.json", tmp_path / "x" / "p", tmp_path / "photos")
    said = says("check", "--annotations", file, "--images", tmp_path / "photos")
    assert "COCO panoptic, label set p (3 classes, 2 with instances), 1 frame, 3 instances" in said
    labels = tmp_path / "own.toml"
    rows = ('[[classes]]\nname = "moving"\nid = 3\nfrom = ["car", 91]', '[[classes]]\nname = "road"\nid = 7')
    labels.write_text("\n".join(['outside = "ignored"', *rows, "has_instances = false"]))
    said = says("check", "--annotations", file, "--images", tmp_path / "photos", "--labels", labels)
    assert "label set own (2 classes, 1 with instances), 1 frame, 3 instances" in said


# --- faults ---


def first(held: dict) -> dict:
    return held["annotations"][0]


def segment(held: dict, number: int = 1) -> dict:
    return first(held)["segments_info"][number]


FAULTS = {
    "unknown category": (
        lambda held: segment(held).update(category_id=7),
        "image a: segment 258: category_id 7 is not among the categories: add the category, or correct the id",
    ),
    "category of the wrong type": (lambda held: segment(held).update(category_id="7"), "category_id '7' is not among"),
    "segment twice": (lambda held: segment(held, 2).update(id=FIRST), "image a: segment id 258 is there twice: give"),
    "void": (lambda held: segment(held).update(id=0), "image a: segment id 0 is not possible: ids are 1 to 16777215"),
    "no colour": (lambda held: segment(held).update(id=1 << 24), "image a: segment id 16777216 is not possible"),
    "no category": (lambda held: segment(held).pop("category_id"), "image a: segment 258 has no category_id: add it"),
    "no list": (lambda held: first(held).update(segments_info={}), "image a: segments_info is '{}': write a list"),
    "no PNG named": (lambda held: first(held).pop("file_name"), "annotation number 0 has no file_name: add it"),
    "PNG missing": (
        lambda held: first(held).update(file_name="b.png"),
        "image a: its PNG b.png is missing: put the PNGs into",
    ),
    "image missing": (lambda held: held["images"][0].update(file_name="b.jpg"), "b.jpg is missing: put the images"),
    "another width": (lambda held: held["images"][0].update(width=99), "a.jpg is 12x8, the file says 99x8"),
    "unknown image": (
        lambda held: first(held).update(image_id="b"),
        "an annotation has the image_id 'b', which is not among the images",
    ),
    "image id of the wrong type": (lambda held: first(held).update(image_id=[1]), "the image_id [1], neither a whole"),
    "a flag that is a text": (
        lambda held: segment(held).update(iscrowd="0"),
        "image a: segment 258: iscrowd is '0': write 0 or 1, or false or true",
    ),
    "a broken id": (lambda held: segment(held).update(id=2.5), "image a: segment id 2.5 is not possible"),
    "two annotations": (
        lambda held: held["annotations"].append(first(held)),
        "image a: has two annotations (a.png and a.png): remove one of them",
    ),
    "category twice": (lambda held: held["categories"].append(CATEGORIES[0]), "category id 4000 is there twice"),
    "no things": (
        lambda held: [one.update(isthing=0) for one in held["categories"]],
        "no category has instances (isthing is 0 for all)",
    ),
    "no categories": (lambda held: held.pop("categories"), "no list 'categories' in it"),
}


@pytest.mark.parametrize(("how", "words"), FAULTS.values(), ids=FAULTS)
def test_every_fault_of_the_json_is_one_line_with_file_and_image(how, words, file):
    change(file, how)
    with pytest.raises(PartwiseError) as error:
        open_dataset(file, "val", annotations=file)
    (line,) = [line for line in str(error.value).split("\n") if words in line]
    assert line.startswith(f"{file}: ")


def recoloured(old: int, new: int) -> Callable[[Path], None]:
    ids_HW = ids_of_segments()
    return lambda png: write_segments(png, np.where(ids_HW == old, new, ids_HW))


def test_ids_that_are_whole_floats_are_the_same_ids(file):
    scene = open_dataset(file, "val")[0]
    held = json.loads(file.read_text())
    for row in first(held)["segments_info"]:
        row.update(id=float(row["id"]), category_id=float(row["category_id"]), iscrowd=float(row.get("iscrowd", 0)))
    file.write_text(json.dumps(held))
    assert np.array_equal(open_dataset(file, "val")[0].instance_ids_HW, scene.instance_ids_HW)


PNG_FAULTS = {
    "unknown segment": (recoloured(GROUND, 77), "segment 77 is not in segments_info (32 pixels): write each segment"),
    "absent segment": (recoloured(WALKER, GROUND), "segment 9 is in segments_info, but in no pixel (0 pixels): remove"),
    "another size": (lambda png: write_segments(png, np.tile(ids_of_segments(), 2)), "is 24x8, its image "),
    "grey": (lambda png: Image.fromarray(np.zeros(SIZE, np.uint8)).save(png), "one channel (L): write ids as colours"),
    "cut": (lambda png: png.write_bytes(png.read_bytes()[:60]), "damaged or cut short"),
    "no PNG": (lambda png: png.write_text("colours"), "not"),
    "JPEG": (lambda png: Image.fromarray(np.zeros((*SIZE, 3), np.uint8)).save(png, "JPEG"), "JPEG"),
}


@pytest.mark.parametrize(("damage", "words"), PNG_FAULTS.values(), ids=PNG_FAULTS)
def test_every_fault_of_a_png_is_one_line_of_every_command(damage, words, file, complains, fails):
    png = file.with_suffix("") / "a.png"
    damage(png)
    line = next(line for line in fails("check", file).splitlines() if str(png) in line)
    assert words in line
    with pytest.raises(PartwiseError) as error:
        open_dataset(file, "val")[0]
    assert words in str(error.value) and str(error.value).startswith(f"{png}: ") and "\n" not in str(error.value)


def test_many_ids_of_no_segment_are_one_line(file):
    png = file.with_suffix("") / "a.png"
    write_segments(png, np.arange(1000, 1000 + 96).reshape(SIZE))
    faults = check(file).faults
    assert str(faults[0]).startswith(f"{png}: segments 1000, 1001, 1002, 1003, 1004 and 91 more are not in segments_in")
    assert "segments 5, 9, 258, 70000, 8388608 are in segments_info, but in no pixel" in str(faults[1])


def test_check_finds_the_faults_of_json_pngs_and_images_in_one_pass(tmp_path, fails):
    file = write_panoptic(tmp_path / "annotations" / "panoptic_val.json", names=tuple("abcdef"))
    change(file, lambda held: held["annotations"][0]["segments_info"][1].update(category_id=7))
    change(file, lambda held: held["annotations"][1]["segments_info"].pop(1))
    (tmp_path / "val" / "c.jpg").unlink()
    change(file, lambda held: held["annotations"][2].update(file_name="gone.png"))
    pngs = file.with_suffix("")
    for path, end in ((tmp_path / "val" / "d.jpg", -20), (pngs / "d.png", 60)):
        path.write_bytes(path.read_bytes()[:end])
    said = fails("check", tmp_path)
    for words in (
        f"{file}: image a: segment 258: category_id 7",
        f"{pngs / 'b.png'}: segment 258 is not in segments_info (12 pixels)",
        "c.jpg is missing",
        "image c: its PNG gone.png is missing",
        f"{pngs / 'd.png'}: ",
        f"{tmp_path / 'val' / 'd.jpg'}: ",
    ):
        assert words in said
    assert len(check(tmp_path).faults) == 6 and check(tmp_path).splits["val"].frames == 2


def test_faults_are_one_line_and_nothing_is_written(file, complains, tiny_model_file, tmp_path):
    change(file, lambda held: segment(held).update(category_id=7))
    said = complains("evaluate", "--model", tiny_model_file, "--data", file, "--json", tmp_path / "e.json")
    assert "image a: segment 258: category_id 7" in said and not (tmp_path / "e.json").exists()
    file.write_text("{")
    said = complains("evaluate", "--model", tiny_model_file, "--data", file, "--annotations", file)
    assert "panoptic_val2017.json: not JSON" in said


def test_an_image_without_segments_is_a_fault_and_one_without_any_known_pixel_is_not(tmp_path):
    file = write_panoptic(tmp_path / "annotations" / "panoptic_val.json", names=("a", "b"))
    change(file, lambda held: held["annotations"][1].update(segments_info=[]))
    write_segments(file.with_suffix("") / "b.png", np.zeros(SIZE, int))
    data = open_dataset(tmp_path, "val")
    assert set(data[1].semantic_HW.flat) == {data.label_set.void_id} and data[1].instances.labels.size == 0
    change(file, lambda held: held["annotations"].pop())
    with pytest.raises(
        PartwiseError, match=r"panoptic_val.json: image b: has no annotation: add its segments or remove"
    ):
        open_dataset(tmp_path, "val")


def test_pngs_that_are_still_in_their_zip(file):
    shutil.rmtree(file.with_suffix(""))
    file.with_suffix(".zip").write_bytes(b"")
    with pytest.raises(PartwiseError, match=r"its PNG a.png is missing: unpack .*panoptic_val2017\.zip"):
        open_dataset(file, "val")


def test_an_image_is_not_taken_for_its_own_segments(tmp_path):
    file = write_panoptic(tmp_path / "val.json", tmp_path, tmp_path / "images")
    shutil.rmtree(tmp_path / "images")
    change(file, lambda held: held["images"][0].update(file_name="a.png"))
    with pytest.raises(PartwiseError, match=r"image a: the same file, a.png, is its image and the PNG of its segments"):
        open_dataset(file, "val")


def test_more_than_1000_instances_of_a_class_in_one_image(tmp_path):
    file = write_panoptic(tmp_path / "annotations" / "panoptic_val.json", names=("a", "b"))
    ids_HW = np.arange(1, 1002).reshape(13, 77)
    segments = {id_: (CAR if id_ % 2 else PERSON, 0) for id_ in range(1, 1002)}
    change(file, lambda held: held["annotations"].__setitem__(1, entry("b", segments)))
    change(file, lambda held: held["images"][1].update(height=13, width=77))
    write_segments(file.with_suffix("") / "b.png", ids_HW)
    Image.new("RGB", (77, 13), "white").save(tmp_path / "val" / "b.jpg")
    assert len(open_dataset(tmp_path, "val")[1].instances) == 1001
    joined = label_set_of_classes("joined", [ClassEntry("moving", 3, sources=("car", "person")), ClassEntry("road", 7)])
    with pytest.raises(PartwiseError, match=r"val.json: image b has 1001 instances of class 'moving': at most 1000"):
        open_dataset(tmp_path, "val", label_set=joined)


def test_what_is_outside_is_said_by_the_form(file, complains):
    said = complains("ceiling", "parts", "--data", file, "--outside", "ignored")
    assert "data of the format COCO panoptic take no outside: leave it out" in said
