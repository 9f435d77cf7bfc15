"""A run goes on only with the classes that it was trained on, and notices that its frames have changed."""

import json
import os
import re
from dataclasses import replace

import pytest
import torch
from coco_trees import annotation, content, write_coco
from tiny_networks import Watcher, tiny_recipe

from partwise.data.cityscapes import CityscapesFolder
from partwise.data.dataset import open_dataset
from partwise.data.streets import render_dataset
from partwise.errors import PartwiseError
from partwise.model_info import told_apart
from partwise.training.checkpoint import load_state, save_state
from partwise.training.folder import RunFolder
from partwise.training.loop import train
from partwise.training.presence import frames_key
from streeteval.labels import CITYSCAPES, LabelSet

SWAPPED = {"car": "bus", "bus": "car"}


def changed(change) -> LabelSet:
    """The label set of Cityscapes with its classes changed by a function."""
    return LabelSet("other", tuple(change(label) for label in CITYSCAPES))


OTHERS = {
    "names": (changed(lambda label: replace(label, name=f"my {label.name}")), "my road, my sidewalk"),
    "order": (
        changed(lambda one: replace(one, train_id=CITYSCAPES[SWAPPED.get(one.name, one.name)].train_id)),
        "rider, bus, truck, car, train",
    ),
    "category": (
        changed(lambda label: replace(label, category="wheels") if label.name == "car" else label),
        "(car: category wheels)",
    ),
}


@pytest.fixture(scope="module")
def run(city_root, tmp_path_factory):
    """A run of two steps."""
    out = tmp_path_factory.mktemp("resuming") / "run"
    train(tiny_recipe(), CityscapesFolder(city_root, "train"), out, Watcher(), data_name="tiny")
    return out


def copy_of(run, out):
    out.mkdir()
    for file in run.iterdir():
        (out / file.name).write_bytes(file.read_bytes())
    return RunFolder(out)


@pytest.mark.parametrize("of_state", [True, False])
@pytest.mark.parametrize("what", OTHERS)
def test_other_classes_are_one_line_and_nothing_is_changed(what, of_state, run, city_root, tmp_path):
    folder, (label_set, words) = copy_of(run, tmp_path / "run"), OTHERS[what]
    if not of_state:  # as earlier versions wrote it
        state = torch.load(folder.state, weights_only=True)
        del state["label_set"]
        save_state(folder.state, state)
    before = {file.name: file.read_bytes() for file in folder.path.iterdir()}
    frames = CityscapesFolder(city_root, "train", label_set)
    said = f"{folder.path}: it was trained on the classes road, sidewalk"
    with pytest.raises(PartwiseError, match=re.escape(said)) as caught:
        train(tiny_recipe(steps=3), frames, folder.path, Watcher(), data_name="tiny", resume=True)
    assert words in str(caught.value).split("the data have ")[1]
    assert f"start another run with --weights {folder.path}" in str(caught.value) and "\n" not in str(caught.value)
    assert {file.name: file.read_bytes() for file in folder.path.iterdir()} == before


def test_a_label_set_that_only_has_another_name_or_other_colours_goes_on(run, city_root, tmp_path):
    folder = copy_of(run, tmp_path / "run")
    frames = CityscapesFolder(city_root, "train", changed(lambda label: replace(label, colour=(1, 2, 3))))
    train(tiny_recipe(steps=3), frames, folder.path, Watcher(), data_name="tiny", resume=True)
    assert load_state(folder.state)["progress"]["step"] == 3


def test_classes_that_are_not_the_same_are_told_apart():
    for label_set, _ in OTHERS.values():
        own, others = told_apart(CITYSCAPES, label_set)
        assert own != others
    assert len(set(told_apart(CITYSCAPES, CITYSCAPES))) == 1


def test_frames_are_looked_at_again_when_their_truth_or_classes_change(tmp_path):
    render_dataset(tmp_path / "city", {"train": 2, "val": 1}, size=(64, 128), seed=1)
    folder, recipe = RunFolder(tmp_path / "run"), tiny_recipe()
    recipe = replace(recipe, data=replace(recipe.data, repeat_threshold=0.5))

    def looks(steps: int) -> bool:
        watcher, frames = Watcher(), CityscapesFolder(tmp_path / "city", "train")
        longer = replace(recipe, training=replace(recipe.training, steps=steps))
        train(longer, frames, folder.path, watcher, data_name="tiny", resume=steps > 1)
        return any("finding the classes" in note for note in watcher.notes)

    assert [looks(1), looks(2)] == [True, False]
    truth = next((tmp_path / "city").rglob("train/**/*instanceIds.png"))
    os.utime(truth, (1, 1))
    assert [looks(3), looks(4)] == [True, False]
    values = json.loads(folder.run.read_text())
    del values["frames"]  # a run of an earlier version, whose file may be of other frames
    folder.run.write_text(json.dumps(values))
    assert looks(5)


def test_the_key_of_frames_depends_on_label_set_names_and_annotations(city_root, tmp_path):
    frames = CityscapesFolder(city_root, "train")
    keys = [frames_key(frames), frames_key(CityscapesFolder(city_root, "val"))]
    keys += [frames_key(CityscapesFolder(city_root, "train", label_set)) for label_set, _ in OTHERS.values()]
    keys += [frames_key(list(frames)[:2])]  # scenes without files
    assert len(set(keys)) == len(keys)
    assert frames_key(CityscapesFolder(city_root, "train")) == keys[0]
    classes = [{"id": 7, "name": "car"}, {"id": 8, "name": "bus"}]
    of_coco = []
    for category_id in (7, 8):
        content_of = content([annotation(), annotation(2, category_id=category_id)], categories=classes)
        write_coco(tmp_path / "coco" / "train" / "_annotations.coco.json", content_of)
        of_coco.append(frames_key(open_dataset(tmp_path / "coco", "train")))
    assert of_coco[0] != of_coco[1]
