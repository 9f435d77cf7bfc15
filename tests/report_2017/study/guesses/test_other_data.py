"""The study of the guesses on data in the form of Pascal VOC: other ids of classes, and frames of many sizes."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from partwise.data.dataset import open_dataset
from partwise.data.masks.voc import voc_palette
from partwise.data.streets import Streets
from partwise.errors import PartwiseError
from partwise_report.features import FrozenVgg, store_features
from partwise_report.study.guesses.conduct import run_task
from partwise_report.study.guesses.frames import shown_frames
from partwise_report.study.guesses.plan import choose
from partwise_report.study.guesses.tasks import Study, Task, recipe_of
from partwise_report.study.guesses.trial import read_trial
from partwise_report.study.windows import cars_of
from streeteval.labels import CITYSCAPES, LabelSet

VIEW = (96, 160)
SIZES = {"train": ((128, 192), (64, 224), (96, 160)), "val": ((64, 128), (128, 256))}
VOC_OF = {26: 7, 24: 15}  # car, person


@pytest.fixture(scope="module")
def voc(tmp_path_factory):
    root = tmp_path_factory.mktemp("voc") / "VOC2012"
    for folder in ("JPEGImages", "SegmentationClass", "SegmentationObject", "ImageSets/Segmentation"):
        (root / folder).mkdir(parents=True)
    for split, sizes in SIZES.items():
        names = []
        for place, size in enumerate(sizes):
            scene, name = Streets(1, size, seed=20 + place + 100 * (split == "val"))[0], f"2007_{split}{place}"
            classes, objects = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
            for number, id_ in enumerate(np.unique(scene.instance_ids_HW)[::-1], 1):
                if id_ // 1000 in VOC_OF:
                    inside = scene.instance_ids_HW == id_
                    classes[inside], objects[inside] = VOC_OF[id_ // 1000], number
            Image.fromarray(scene.image_HW3).save(root / "JPEGImages" / f"{name}.jpg", quality=95)
            for folder, indices in (("SegmentationClass", classes), ("SegmentationObject", objects)):
                picture = Image.fromarray(indices, "P")
                picture.putpalette(voc_palette().tobytes())
                picture.save(root / folder / f"{name}.png")
            names.append(name)
        (root / "ImageSets" / "Segmentation" / f"{split}.txt").write_text("\n".join(names) + "\n")
    return root


def test_frames_are_cut_or_padded_to_one_view_and_nothing_of_them_moves(voc):
    scenes = open_dataset(voc, "train")
    shown = shown_frames(scenes, 0, VIEW)
    assert list(shown.names) == list(scenes.names)
    for scene, one in zip(scenes, shown, strict=True):
        assert one.size == VIEW
        void = one.label_set.void_id
        within = [min(side, seen) for side, seen in zip(scene.size, VIEW, strict=True)]
        padding = VIEW[0] * VIEW[1] - within[0] * within[1]
        middle, seen = (
            tuple(slice((side - part) // 2, (side - part) // 2 + part) for side, part in zip(of, within, strict=True))
            for of in (scene.size, VIEW)
        )
        for field in ("image_HW3", "semantic_HW", "instance_ids_HW"):
            assert np.array_equal(getattr(one, field)[seen], getattr(scene, field)[middle])
        outside = np.ones(VIEW, bool)
        outside[seen] = False
        assert outside.sum() == padding
        assert (one.semantic_HW[outside] == void).all() and not one.image_HW3[outside].any()


def test_frames_of_many_sizes_need_a_view(voc, tmp_path):
    scenes = shown_frames(open_dataset(voc, "val"), 0)
    with pytest.raises(PartwiseError, match="--view WIDTHxHEIGHT, which cuts or pads each"):
        store_features(scenes, FrozenVgg("random"), ["conv5_3_holes"], tmp_path / "s", data_name="voc")


def test_the_study_trains_on_cars_of_other_ids(voc, tmp_path):
    assert cars_of(open_dataset(voc, "val").label_set) == (7,)
    backbone = FrozenVgg("random")
    for part in SIZES:
        scenes = shown_frames(open_dataset(voc, part), 0, VIEW)
        store_features(scenes, backbone, ["conv5_3_holes"], tmp_path / "caches" / "plain" / part, data_name=part)
    study = Study(voc, tmp_path / "out", tmp_path / "caches", weights="random", steps=2, seeds=(0,))
    (variant,) = choose(["corrected"])
    few = replace(variant, overrides=(*variant.overrides, "method.branch_channels=8"))
    run_task(Task(study, few, 0))
    record = read_trial(study.trials / "corrected-0.json")
    assert record.steps == 2 and np.isfinite(record.mean("mask_iou")) and np.isfinite(record.mean("auc_near"))


def test_every_recipe_that_names_cars_gets_their_ids(tmp_path):
    study = Study(tmp_path, tmp_path, tmp_path, weights="random", steps=2)
    for name, field in (("corrected", "classes"), ("committed_rate", "classes"), ("order_full", "class_id")):
        (variant,) = choose([name])
        method = recipe_of(replace(variant, start=""), 0, study, (7,)).method
        assert getattr(method, field) in (7, (7,)), name
    (working,) = choose(["working"])
    assert recipe_of(working, 0, study, (7,)) == recipe_of(working, 0, study)


def test_data_without_cars_are_refused_in_one_line():
    described = CITYSCAPES.to_dict()
    for one in described["labels"]:
        if one["name"] == "car":
            one["name"] = "automobile"
    with pytest.raises(PartwiseError, match=r"no class with instances is called 'car'.*automobile"):
        cars_of(LabelSet.from_dict(described, "x"))
