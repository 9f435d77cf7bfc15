"""HEIC photos: read everywhere if pillow-heif is there, else one line says what to install."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from coco_trees import SQUARE, annotation, content, image
from photo_cases import photo
from PIL import Image

import partwise
import streeteval
from partwise.data import open_dataset
from partwise.data.check import check
from partwise.data.dataset import DATASETS
from partwise.data.image_files import PHOTO_SUFFIXES, read_image, write_png

SIZE = (20, 30)
SOURCES = os.pathsep.join(str(Path(one.__file__).resolve().parents[1]) for one in (partwise, streeteval))
ADVICE = "to JPEG or PNG, or pip install pillow-heif, which reads HEIC"


def coco(root: Path, end: str) -> Path:
    (root / "train").mkdir(parents=True)
    what = content([annotation()], [image(1, f"a{end}")])
    (root / "train" / "_annotations.coco.json").write_text(json.dumps(what))
    return root / "train" / f"a{end}"


def labelme(root: Path, end: str) -> Path:
    root.mkdir()
    shape = {"label": "car", "points": [[2, 2], [10, 2], [10, 8], [2, 8]], "shape_type": "polygon"}
    drawn = {"shapes": [shape], "imagePath": f"a{end}", "imageHeight": SIZE[0], "imageWidth": SIZE[1]}
    (root / "a.json").write_text(json.dumps(drawn))
    return root / f"a{end}"


def yolo(root: Path, end: str) -> Path:
    for folder in ("images", "labels"):
        (root / folder).mkdir(parents=True)
    photo(root / "images" / "b.png", size=SIZE[::-1])
    (root / "classes.txt").write_text("car\n")
    for name in "ab":
        shares = " ".join(str(value / (30, 20)[place % 2]) for place, value in enumerate(SQUARE))
        (root / "labels" / f"{name}.txt").write_text(f"0 {shares}\n")
    return root / "images" / f"a{end}"


def cityscapes(root: Path, end: str) -> Path:
    folder, truth = root / "leftImg8bit" / "train" / "x", "gtFine/train/x/x_1_1"
    pixels = np.zeros(SIZE, np.uint16)
    pixels[2:8, 2:10] = 26
    write_png(root / f"{truth}_gtFine_labelIds.png", pixels.astype(np.uint8))
    write_png(root / f"{truth}_gtFine_instanceIds.png", np.where(pixels, 26000, 0).astype(np.uint16))
    folder.mkdir(parents=True)
    return folder / f"x_1_1_leftImg8bit{end}"


def idd(root: Path, end: str) -> Path:
    for tree in ("leftImg8bit", "gtFine"):
        (root / tree / "train" / "x").mkdir(parents=True)
    polygon = [[2, 2], [10, 2], [10, 8], [2, 8]]
    drawn = {"imgHeight": SIZE[0], "imgWidth": SIZE[1], "objects": [{"label": "car", "polygon": polygon}]}
    (root / "gtFine" / "train" / "x" / "a_gtFine_polygons.json").write_text(json.dumps(drawn))
    return root / "leftImg8bit" / "train" / "x" / f"a_leftImg8bit{end}"


def voc(root: Path, end: str) -> Path:
    pixels = np.zeros(SIZE, np.uint8)
    pixels[2:8, 2:10] = 7
    for folder, ids in (("SegmentationClass", pixels), ("SegmentationObject", np.minimum(pixels, 1))):
        write_png(root / folder / "a.png", ids)
    for folder in ("JPEGImages", "ImageSets/Segmentation"):
        (root / folder).mkdir(parents=True)
    (root / "ImageSets" / "Segmentation" / "train.txt").write_text("a\n")
    return root / "JPEGImages" / f"a{end}"


def kitti(root: Path, end: str) -> Path:
    pixels = np.zeros(SIZE, np.uint16)
    pixels[2:8, 2:10] = 26
    write_png(root / "training" / "semantic" / "a.png", pixels)
    write_png(root / "training" / "instance" / "a.png", np.where(pixels, 26 * 256 + 1, 0).astype(np.uint16))
    (root / "training" / "image_2").mkdir()
    return root / "training" / "image_2" / f"a{end}"


WRITERS = {write.__name__: write for write in (coco, labelme, yolo, cityscapes, idd, voc, kitti)}


AS_WRITTEN = ("cityscapes", "idd")  # their names are looked for in small letters
ENDS = [
    (form, end) for form in WRITERS for end in (".heic", ".HEIC", ".heif") if end.islower() or form not in AS_WRITTEN
]


@pytest.mark.parametrize(("form", "end"), ENDS)
def test_every_format_reads_heic_photos(tmp_path, form, end):
    pytest.importorskip("pillow_heif")
    place = WRITERS[form](tmp_path / "data", end)
    ramp = np.broadcast_to(np.linspace(0, 255, 30).astype(np.uint8)[None, :, None], (*SIZE, 3))
    Image.fromarray(ramp).save(place, "HEIF", quality=100)
    assert [name for name, one in DATASETS.items() if one.recognises(tmp_path / "data")] == [form]
    assert np.array_equal(read_image(place), np.asarray(Image.open(place)))
    scene = open_dataset(tmp_path / "data", "train")[0]
    assert np.array_equal(scene.image_HW3, read_image(place)) and scene.instances.areas.tolist() == [48]
    assert check(tmp_path / "data").ok


@pytest.mark.parametrize("end", [".webp", ".bmp", ".tif", ".avif", ".jp2"])
@pytest.mark.parametrize("form", WRITERS)
def test_every_format_reads_what_predictions_read(tmp_path, form, end):
    if end not in PHOTO_SUFFIXES:
        pytest.skip("this Pillow does not read it")
    place = WRITERS[form](tmp_path / "data", end)
    Image.fromarray(np.full((*SIZE, 3), 90, np.uint8)).save(place)
    scene = open_dataset(tmp_path / "data", "train")[0]
    assert np.abs(scene.image_HW3.astype(int) - 90).max() < 9 and scene.instances.areas.tolist() == [48]


WITHOUT = """
import json, sys
sys.modules["pillow_heif"] = None  # as Python tells that a module is absent
from pathlib import Path
from partwise.data.check import check
from partwise.data.image_files import read_image
from partwise.errors import PartwiseError
from partwise.photo_files import find_photos
said = {}
for root in map(Path, sys.argv[2:]):
    report = check(root)
    said[root.name] = list(map(str, [*report.faults, *report.warnings]))
for read in (read_image, lambda photo: find_photos([Path(photo).parent])):
    try:
        read(sys.argv[1])
    except PartwiseError as error:
        said[str(read)] = [str(error)]
print(json.dumps(said))
"""


def test_without_the_package_one_line_says_what_to_install(tmp_path):
    (tmp_path / "photos").mkdir()
    places = [write(tmp_path / name, ".heic") for name, write in WRITERS.items()]
    for place in (*places, tmp_path / "photos" / "a.heic"):
        place.write_bytes(b"\0\0\0\x18ftypheic" + bytes(99))
    roots = [str(tmp_path / name) for name in ("photos/a.heic", *WRITERS)]
    environment = os.environ | {"PYTHONPATH": SOURCES}
    command = [sys.executable, "-c", WITHOUT, *roots]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=True)
    said = json.loads(done.stdout)
    assert len(said) == len(WRITERS) + 2
    for lines in said.values():
        (line,) = [line for line in lines if line.endswith(ADVICE)]
        assert ".heic" in line


def test_of_two_images_of_one_name_only_one_that_is_read_counts(tmp_path):
    place = kitti(tmp_path / "data", ".png")
    photo(place, size=SIZE[::-1])
    place.with_suffix(".dng").write_bytes(b"x")
    assert len(open_dataset(tmp_path / "data", "training")) == 1
    photo(place.with_suffix(".bmp"), "BMP", size=SIZE[::-1])
    (fault,) = check(tmp_path / "data").faults
    assert "is there twice, also as" in str(fault)
