"""COCO files as tools export them: the masks that pycocotools draws, or one line for what cannot be read."""

import json
from pathlib import Path

import numpy as np
import pytest
from coco_trees import SQUARE, annotation, content, image, write_coco
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from partwise.data import open_dataset
from partwise.data.check import check
from partwise.errors import PartwiseError

SIZE = (20, 30)
BESIDE = [15, 2, 25, 2, 25, 8, 15, 8]


def rle(points: list[float], as_list: bool) -> dict:
    whole = coco_mask.merge(coco_mask.frPyObjects([points], *SIZE))
    if not as_list:
        return {"size": list(SIZE), "counts": whole["counts"].decode()}
    flat = coco_mask.decode(whole).ravel(order="F")
    changes = np.flatnonzero(np.diff(flat, prepend=0))
    return {"size": list(SIZE), "counts": np.diff(changes, prepend=0, append=flat.size).tolist()}


def cvat(root: Path) -> Path:
    """With every key that CVAT's export has."""
    rows = [
        {"id": n, "image_id": 1, "category_id": n, "segmentation": [points], "area": 48.0, "bbox": [2.0, 2.0, 8.0, 6.0]}
        | {"iscrowd": 0, "attributes": {"occluded": False, "track_id": 3, "keyframe": True}}
        for n, points in ((1, SQUARE), (2, BESIDE))
    ]
    listed = {"id": 1, "width": 30, "height": 20, "file_name": "frame 000 001.PNG", "license": 0, "flickr_url": ""}
    held = {
        "licenses": [{"name": "", "id": 0, "url": ""}],
        "info": {"contributor": "", "date_created": "", "description": "", "url": "", "version": "", "year": ""},
        "categories": [{"id": n, "name": name, "supercategory": ""} for n, name in ((1, "car"), (2, "Fußgänger"))],
        "images": [listed | {"coco_url": "", "date_captured": 0}],
        "annotations": rows,
    }
    return write_coco(root / "annotations" / "instances_default.json", held, root / "images" / "default")


def label_studio(root: Path) -> Path:
    """Ids from 0 on, the names of files percent-encoded and with backslashes."""
    rows = [annotation(n, 0, n, [points], ignore=0) for n, points in ((0, SQUARE), (1, BESIDE))]
    held = content(rows, [image(0, "images/ab12-s 1.jpg")], [{"id": 0, "name": "car"}, {"id": 1, "name": "bus"}])
    file = write_coco(root / "result.json", held)
    held["images"][0]["file_name"] = "images\\ab12-s%201.jpg"
    file.write_text(json.dumps(held | {"info": {"contributor": "Label Studio"}}))
    return file


def roboflow(root: Path) -> Path:
    """The project is the category 0, whose name is the supercategory of all others."""
    name = "s_jpg.rf.0123456789abcdef0123456789abcdef.jpg"
    rows = [annotation(n, 0, n + 1, [points], area=48) for n, points in ((0, SQUARE), (1, BESIDE))]
    names = {0: ("streets", "none"), 1: ("car", "streets"), 2: ("bus", "streets")}
    categories = [{"id": id_, "name": one, "supercategory": parent} for id_, (one, parent) in names.items()]
    listed = image(0, name) | {"license": 1, "date_captured": "2026", "extra": {"name": "s.jpg"}}
    return write_coco(root / "train" / "_annotations.coco.json", content(rows, [listed], categories))


def bare(root: Path) -> Path:
    """Annotations without id, area, bbox and iscrowd, images without sizes, numbers as floats."""
    rows = [{"image_id": 1.0, "category_id": 7.0, "segmentation": [points]} for points in (SQUARE, BESIDE)]
    return write_coco(root / "train" / "_annotations.coco.json", content(rows, [{"id": 1.0, "file_name": "a.png"}]))


def null_ids(root: Path) -> Path:
    rows = [annotation(None, segmentation=[points], area=None, bbox=None) for points in (SQUARE, BESIDE)]
    return write_coco(root / "train" / "_annotations.coco.json", content(rows))


def run_lengths(root: Path) -> Path:
    shapes = [rle(SQUARE, as_list=True), rle(BESIDE, as_list=False)]
    rows = [annotation(n, segmentation=shape) for n, shape in enumerate(shapes)]
    return write_coco(root / "train" / "_annotations.coco.json", content(rows))


def masks_of_pycocotools(file: Path) -> list[np.ndarray]:
    held = json.loads(file.read_text())
    for number, row in enumerate(held["annotations"]):
        row["id"] = number + 1
    for one in held["images"]:
        one |= {"height": SIZE[0], "width": SIZE[1]}
    truth = COCO()
    truth.dataset = held
    truth.createIndex()
    return [truth.annToMask(row) == 1 for row in held["annotations"]]


@pytest.mark.parametrize(
    "export", [cvat, label_studio, roboflow, bare, null_ids, run_lengths], ids=lambda x: x.__name__
)
def test_an_export_has_the_masks_and_classes_of_its_file(tmp_path, export):
    file = export(tmp_path)
    data = open_dataset(tmp_path, "train")
    assert check(tmp_path).ok
    scene = data[0]
    found = [scene.instances.full_mask(n) for n in range(len(scene.instances))]
    wanted = masks_of_pycocotools(file)
    assert sorted(mask.tobytes() for mask in found) == sorted(mask.tobytes() for mask in wanted)
    held = json.loads(file.read_text())
    used = {row["category_id"] for row in held["annotations"]}
    assert {one["id"] for one in data.label_set.coco_categories} == used
    names = {one["name"] for one in held["categories"] if one["id"] in used}
    assert {label.name for label in data.label_set.things} == names


ROWS = content([annotation(), annotation(2, segmentation=[BESIDE])])
NO_BOX = (
    "annotation 2 of image a: it has no mask, and its box {} is no list [x, y, width, height]: draw its outline, "
    "correct the box or remove it"
)


def boxed(box):
    return content([annotation(), annotation(2, segmentation=[], bbox=box)])


FAULTY = {
    "a category without a name": (
        ROWS | {"categories": [{"id": 7, "supercategory": "vehicle"}]},
        "category 7 has no name: add it or remove the entry",
    ),
    "a category whose id is a text": (
        ROWS | {"categories": [{"id": "7", "name": "car"}]},
        "category 'car': its id '7' is no whole number of 64 bits: give it one",
    ),
    "an image without a name": (
        ROWS | {"images": [{"id": 1, "path": "a.png"}]},
        "image 1 has no file_name: add it or remove the entry",
    ),
    "a box of two corners": (boxed([[1, 1], [5, 5]]), NO_BOX.format("[[1, 1], [5, 5]]")),
    "a box of no numbers": (boxed(["1", 1, 5, 5]), NO_BOX.format("['1', 1, 5, 5]")),
    "a box of negative width": (boxed([9, 1, -5, 5]), NO_BOX.format("[9, 1, -5, 5]")),
    "a box outside": (
        boxed([99, 1, 5, 5]),
        "annotation 2 of image a: its polygon (x 99 to 104, y 1 to 6) lies outside the 30x20 image: "
        "correct its points, or the size of the image",
    ),
    "an image id twice": (
        content([annotation()], [image(), image(1, "b.png")]),
        "image id 1 is there twice (a.png and b.png): give each an id of its own",
    ),
}


@pytest.mark.parametrize(("held", "line"), FAULTY.values(), ids=FAULTY)
def test_what_cannot_be_read_is_one_line_and_not_one_for_each_annotation(tmp_path, held, line):
    file = write_coco(tmp_path / "train" / "_annotations.coco.json", held)
    with pytest.raises(PartwiseError) as error:
        open_dataset(tmp_path, "train")
    assert str(error.value) == f"{file}: {line}"


def test_two_files_of_labelme_for_one_image_are_named(tmp_path):
    Image.new("RGB", SIZE[::-1]).save(tmp_path / "a.jpg")
    shape = {"label": "car", "points": [[2, 2], [10, 2], [10, 8]], "shape_type": "polygon"}
    for name in "ab":
        drawn = {"shapes": [shape], "imagePath": "a.jpg", "imageHeight": SIZE[0], "imageWidth": SIZE[1]}
        (tmp_path / f"{name}.json").write_text(json.dumps(drawn))
    with pytest.raises(PartwiseError) as error:
        open_dataset(tmp_path, "train")
    where = tmp_path / "b.json"
    assert str(error.value) == f"{where}: its imagePath a.jpg is also that of a.json: correct one of them, or remove it"
