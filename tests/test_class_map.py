"""Classes of one label set in the words of another: heads that start from a model of other classes, and zero-shot."""

import numpy as np
import pytest

from partwise.class_map import ClassMap, named_classes, parse_class_map
from partwise.errors import PartwiseError, PartwiseWarning
from partwise.scene import Prediction
from partwise.segmenter import load
from streeteval.instances import Instances
from streeteval.labels import CITYSCAPES, Label, LabelSet

GREY = (90, 90, 90)
OWN = LabelSet(
    "own",
    (
        Label("background", 0, 0, "background", False, GREY),
        Label("Moto", 1, 1, "Moto", True, GREY),
        Label("cone", 2, 2, "cone", True, GREY),
        Label("Person", 3, 3, "Person", True, GREY),
        Label("vehicle", 5, 4, "vehicle", True, GREY),
    ),
    outside="background",
)


def names(some):
    return [label.name for label in some]


def test_classes_are_taken_by_map_by_name_and_the_background_takes_the_rest():
    classes = ClassMap.between(OWN, CITYSCAPES, {"vehicle": "car, truck", "Moto": ["motorcycle", "bicycle"]})
    assert {name: names(some) for name, some in classes.sources.items() if name != "background"} == {
        "Moto": ["motorcycle", "bicycle"],
        "cone": [],
        "Person": ["person"],  # the same name but for upper and lower case
        "vehicle": ["car", "truck"],
    }
    taken = {"motorcycle", "bicycle", "person", "car", "truck"}
    assert names(classes.sources["background"]) == [x.name for x in CITYSCAPES.evaluated if x.name not in taken]
    assert classes.unused == ()


def test_one_class_stands_for_several():
    classes = ClassMap.between(OWN, CITYSCAPES, {"vehicle": "car", "Moto": "car", "background": ""})
    assert names(classes.sources["vehicle"]) == names(classes.sources["Moto"]) == ["car"]
    assert classes.sources["background"] == () and "road" in names(classes.unused)


def test_classes_that_are_never_found_are_named():
    names_of = {"vehicle": "car", "Moto": "road", "background": ""}
    classes = ClassMap.between(OWN, CITYSCAPES, names_of)
    assert classes.never_found == ("background", "Moto", "cone")  # a road has no instances
    with pytest.warns(
        PartwiseWarning, match="no class of the model gives background, Moto, cone: they are never found"
    ):
        load(None, classes=names_of, label_set=OWN)


def test_the_classes_of_a_label_set_stand_for_themselves():
    assert ClassMap.between(CITYSCAPES, CITYSCAPES).is_identity
    assert not ClassMap.between(CITYSCAPES, CITYSCAPES, {"rider": "person"}).is_identity
    assert not ClassMap.between(OWN, CITYSCAPES).is_identity


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"vehicel": "car"}, "unknown class of the data in map 'vehicel': did you mean 'vehicle'?"),
        ({"vehicle": "carr"}, "unknown class of the model in map 'carr': did you mean 'car'?"),
        ({"vehicle": "trailer"}, "unknown class of the model in map 'trailer'"),  # a class that is not evaluated
        ({"vehicle": "car,*"}, "give it alone"),
        ({"vehicle": "*", "cone": "*"}, "given for two classes"),
        ({"vehicle": "car", "Vehicle": "truck"}, "class 'vehicle' is given twice"),
    ],
)
def test_a_class_that_neither_side_has_is_one_line(given, words):
    with pytest.raises(PartwiseError) as error:
        ClassMap.between(OWN, CITYSCAPES, given)
    assert words in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["vehicle", "=car", ""])
def test_a_map_without_a_class_is_one_line(text):
    with pytest.raises(PartwiseError, match="vehicle=car"):
        parse_class_map([text])


def square(left: int) -> np.ndarray:
    mask = np.zeros((8, 16), bool)
    mask[2:6, left : left + 4] = True
    return mask


def test_predictions_get_the_names_of_the_data():
    car, truck, bicycle, person, train = (CITYSCAPES[x].id for x in ("car", "truck", "bicycle", "person", "train"))
    labels = [car, truck, car, bicycle, person, train]
    masks = [square(0), square(0), square(0), square(8), square(12), square(4)]
    found = Instances.from_masks(labels, [0.5, 0.9, 0.4, 0.7, 0.8, 0.6], masks)
    semantic_HW = np.full((8, 16), CITYSCAPES["road"].id, np.uint8)
    semantic_HW[0] = truck
    classes = ClassMap.between(OWN, CITYSCAPES, {"vehicle": "car,truck", "Moto": "bicycle"})
    mapped = classes.applied(Prediction(found, semantic_HW))
    # The truck hides the cars that it covers: they are one class now. The train stands for nothing.
    assert mapped.instances.labels.tolist() == [5, 3, 1]
    assert np.allclose(mapped.instances.scores, [0.9, 0.8, 0.7])
    assert np.unique(mapped.semantic_HW).tolist() == [0, 5]


def test_a_class_that_stands_for_several_gives_an_instance_of_each():
    found = Instances.from_masks([CITYSCAPES["car"].id], [0.5], [square(0)])
    semantic_HW = np.full((8, 16), CITYSCAPES["car"].id, np.uint8)
    mapped = ClassMap.between(OWN, CITYSCAPES, {"vehicle": "car", "Moto": "car"}).applied(
        Prediction(found, semantic_HW)
    )
    assert sorted(mapped.instances.labels.tolist()) == [1, 5] and np.all(mapped.semantic_HW == 1)


def test_a_map_alone_makes_a_label_set():
    own = named_classes({"vehicle": "car,truck", "street": "road"}, CITYSCAPES)
    assert [(x.name, x.id, x.has_instances) for x in own] == [("vehicle", 1, True), ("street", 2, False)]
    with pytest.raises(PartwiseError, match="give the class of the model"):
        named_classes({"vehicle": ""}, CITYSCAPES)
    with pytest.raises(PartwiseError) as error:
        named_classes({"a\nb": ""}, CITYSCAPES)
    assert "\n" not in str(error.value)
