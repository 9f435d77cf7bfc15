"""Data sets at the command line: one line says what was found; what is wrong is told before anything is written."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from coco_trees import annotation, content, image, write_coco
from PIL import Image
from tiny_networks import QUICK


@pytest.fixture
def root(tmp_path) -> Path:
    for split in ("train", "valid"):
        write_coco(tmp_path / "own" / split / "_annotations.coco.json", content([annotation()]))
    return tmp_path / "own"


def test_check_says_what_the_data_are(says, root, tmp_path):
    said = says("check", root, "--json", tmp_path / "check.json")
    assert "own/train: COCO, label set own (2 classes, 1 with instances), 1 frame" in said and "no faults" in said
    assert set(json.loads((tmp_path / "check.json").read_text())["splits"]) == {"train", "valid"}
    assert "own/valid" in says("check", "--data", root, "--split", "val")


def test_check_suggests_the_next_command_for_own_data(says, root, tmp_path):
    said = says("check", root)
    assert f"next: partwise train finetune --data {root} --weights streets --out run --minutes 20" in said
    shutil.rmtree(root / "train")
    words = says("check", root).split("next: partwise ")[1].split()
    assert words == ["split", str(root), "--out", "DIR", "--val", "0.2", "--split", "valid"]
    names = ("a.png", "b.png")
    two = content([annotation(1, 1), annotation(2, 2)], images=[image(1, names[0]), image(2, names[1])])
    write_coco(root / "valid" / "_annotations.coco.json", two)
    for seed, name in enumerate(names):  # photos that do not look alike
        pixels = np.random.default_rng(seed).integers(0, 256, (20, 30, 3), np.uint8)
        Image.fromarray(pixels).save(root / "valid" / name)
    says(*words[:3], tmp_path / "parts", *words[4:])
    assert "next: partwise train finetune" in says("check", tmp_path / "parts")


def test_faults_of_a_file_end_a_training_before_anything_is_written(fails, root, tmp_path):
    write_coco(root / "train" / "_annotations.coco.json", content([annotation(1, category_id=9), annotation(1, 5)]))
    said = fails("train", "demo", *QUICK, "--data", root, "--out", tmp_path / "run", "--steps", 1)
    assert "3 faults, so that nothing was read:" in said and "category_id 9" in said
    assert not (tmp_path / "run").exists()
    assert "category_id 9" in fails("check", root)


def test_one_split_is_not_trained_and_validated_on(complains, tmp_path):
    file = write_coco(tmp_path / "all.json", content([annotation()]))
    arguments = [*QUICK, "--annotations", file, "--images", tmp_path, "--out", tmp_path / "run", "--steps", 1]
    assert "the split 'val' is the same as 'train'" in complains("train", "demo", *arguments)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["ceiling", "parts"], "no data set is given: give --data ROOT"),
        (["ceiling", "parts", "--data", "{city}", "--outside", "ignored"], "take no outside"),
        (["ceiling", "parts", "--data", "{file}"], "a file of no known format"),
        (["check", "{city}", "--data", "{city}"], "give the data set once"),
        (["evaluate", "--data", "{city}", "--labels", "{file}"], "not TOML"),
        (["evaluate", "--data", "{city}", "--labels", "{file}", "--predictions", "{city}"], "have Cityscapes' ids"),
    ],
)
def test_wrong_options(complains, city_root, tmp_path, arguments, words):
    file = tmp_path / "notes.txt"
    file.write_text("nothing")
    assert words in complains(*(word.format(city=city_root, file=file) for word in arguments))


def test_doctor_and_ceiling_name_the_data(says, root):
    said = says("ceiling", "parts", "method.channels=8", "--data", root)
    assert said.startswith("own/valid: COCO, label set own")
