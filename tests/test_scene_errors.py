"""Wrong input of instances, predictions and scenes: one line that says which value, and what to give."""

import numpy as np
import pytest
from pycocotools.coco import COCO

from partwise.errors import PartwiseError
from partwise.scene import Prediction, Scene
from streeteval.instances import Instances
from streeteval.labels import CITYSCAPES

RIGHT = {
    "labels": [24, 26],
    "scores": [0.5, 1],
    "boxes": [[0, 0, 2, 2], [1, 1, 3, 3]],
    "masks": [np.ones((2, 2)), np.ones((2, 2))],
    "size": (8, 9),
}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"labels": [24]}, "same number"),
        ({"labels": ["car", "car"]}, "labels: .*: give numbers"),
        ({"labels": [24.5, 26]}, "24.5 is no whole number"),
        ({"labels": [2**40, 26]}, "no whole number of 32 bits"),
        ({"labels": [np.nan, 26]}, "nan is no whole number"),
        ({"labels": None}, "labels: None: give numbers"),
        ({"scores": [np.nan, 1]}, "not finite"),
        ({"scores": ["a", 1]}, "scores: .*: give numbers"),
        ({"boxes": [[0, 0, 2, 2], [3, 3, 3, 5]]}, "empty"),
        ({"boxes": [[0, 0, 2, 2], [0, 0, 2, 99]]}, "leaves"),
        ({"boxes": [[0, 0, 2], [1, 1, 3]]}, r"boxes of shape \(2, 3\)"),
        ({"boxes": [[0, 0, 2.5, 2], [1, 1, 3, 3]]}, "2.5 is no whole number"),
        ({"boxes": [[0, 0, 2, 2], [1]]}, "boxes: .*: give numbers"),
        ({"masks": [np.ones((2, 2)), np.ones((1, 2))]}, "crop of its box"),
        ({"masks": [None, None]}, "crop of its box"),
        ({"masks": None}, "masks: .*: give a list of arrays"),
        ({"size": None}, "size None: give"),
        ({"size": (8, 9, 3)}, "size .*: give"),
        ({"size": (8.5, 9)}, "size .*: give"),
        ({"size": (-8, 9)}, "size .*: give"),
        ({"size": "89"}, "size '89': give"),
    ],
)
def test_wrong_instances_are_refused_when_made(changes, said):
    assert len(Instances(**RIGHT)) == 2
    with pytest.raises(PartwiseError, match=said) as caught:
        Instances(**(RIGHT | changes))
    assert "\n" not in str(caught.value)


def one_mask(shape=(2, 2)) -> Instances:
    return Instances.from_masks([26], [1], [np.ones(shape)])


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: Instances.from_masks([1], [1], [np.ones((2, 2))] * 2), "1 labels, 1 scores and 2 masks"),
        (lambda: Instances.from_masks([1, 2], [1, 1], [np.ones((2, 2)), np.ones((3, 3))]), "masks .H, W. of one size"),
        (lambda: Instances.from_masks([1], [1], [np.ones(3)]), "masks .H, W."),
        (lambda: Instances.from_masks(None, None, None), "give a list of labels"),
        (lambda: Instances.from_masks([], [], [], size=5), "size 5: give"),
        (lambda: Instances.from_id_map(np.zeros((3, 3, 3), int)), r"shape \(3, 3, 3\): give a map"),
        (lambda: Instances.from_id_map(np.full((3, 3), 0.5)), "0.5 is no whole number"),
        (lambda: Instances.from_id_map(np.full((3, 3), -1)), "id -1: ids are 0 and above"),
        (lambda: Instances.from_id_map(None), "None: give numbers"),
        (lambda: Instances.empty("a"), "size 'a': give"),
        (lambda: Instances.joined([]), "at least one"),
        (lambda: Instances.joined([one_mask(), one_mask((3, 3))]), "the Instances of one image"),
        (lambda: Instances.joined(None), "the Instances of one image"),
        (lambda: one_mask().resized((0, 5)), "size .*: give"),
        (lambda: one_mask().resized(5), "size 5: give"),
        (lambda: Prediction(one_mask()).resized(None), "size None: give"),
        (lambda: one_mask().distinct("a"), "iou 'a': give a number in 0..1"),
        (lambda: one_mask().without_repeats(float("nan")), "iou nan: give a number in 0..1"),
        (lambda: one_mask().to_id_map(np.zeros((3, 3))), "background_HW has the shape"),
        (lambda: one_mask()["car"], "index 'car': give a whole number"),
        (lambda: one_mask()[None], "index None: give a whole number"),
        (lambda: one_mask()[0.0], "index 0: give a whole number"),
        (lambda: one_mask()[[True, False]], "2 bool for 1 instances"),
        (lambda: one_mask()[[[0]]], "give a whole number"),
        (lambda: one_mask()[[0, [1]]], "give a whole number"),
        (lambda: Prediction(None), "instances are None"),
        (lambda: Prediction(one_mask(), np.zeros((3, 3), np.uint8)), r"uint8 \(3, 3\), the instances are of"),
        (lambda: Scene("a", None, None, None), "image_HW3 is None: give an array"),
        (lambda: Scene("a", np.zeros((4, 5)), None, None), r"image_HW3 is float64 \(4, 5\): give an array"),
        (lambda: Scene("a", np.zeros((4, 5, 3), np.uint8), np.zeros((4, 5)), None), "labelIds are float64"),
        (lambda: Scene("a", np.zeros((4, 5, 3), np.uint8), np.zeros((4, 5), int), None), "instanceIds are None"),
    ],
)
def test_wrong_input_is_one_line(call, said):
    with pytest.raises(PartwiseError, match=said) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_there_is_no_instance_beyond_the_last():
    for index in (1, -2, [1]):
        with pytest.raises(IndexError):
            one_mask()[index]


def test_coco_has_the_names_of_the_classes_as_categories():
    """As pycocotools reads them."""
    made = COCO()
    made.dataset = {"images": [], "annotations": [], "categories": CITYSCAPES.coco_categories}
    made.createIndex()
    (entry,) = one_mask().to_coco()
    assert made.cats[entry["category_id"]] == {"id": 26, "name": "car", "supercategory": "vehicle"}
    assert made.getCatIds(supNms=["human"]) == [24, 25] and len(made.cats) == len(CITYSCAPES.things)
