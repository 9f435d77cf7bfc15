"""Instances kept by score, a class at a time, and by class; the same at the command line and in Python."""

import numpy as np
import pytest

from partwise.errors import PartwiseError
from partwise.selection import parse_classes, parse_min_scores, selected
from streeteval.instances import Instances
from streeteval.labels import CITYSCAPES

CAR, PERSON, BUS = (CITYSCAPES[name].id for name in ("car", "person", "bus"))


@pytest.fixture
def found():
    masks = [np.ones((2, 2), bool)] * 5
    return Instances.from_masks([CAR, CAR, PERSON, PERSON, BUS], [0.5, 0.2, 0.5, 0.2, 0.01], masks)


@pytest.mark.parametrize(
    ("min_score", "classes", "kept"),
    [
        (0.0, (), [0, 1, 2, 3, 4]),
        (0.3, (), [0, 2]),
        ({"car": 0.3}, (), [0, 2, 3, 4]),
        ({"car": 0.3, "*": 0.1}, (), [0, 2, 3]),
        ({"car": 0.3, "person": 0.1}, ("car", "bus"), [0, 4]),
    ],
)
def test_each_class_has_its_least_score(found, min_score, classes, kept):
    assert selected(found, CITYSCAPES, min_score, classes) == found[kept]


@pytest.mark.parametrize(
    ("min_score", "classes", "words"),
    [
        ({"carr": 0.3}, (), "unknown class with instances 'carr': did you mean 'car'?"),
        (0.1, ("road",), "unknown class with instances 'road'"),
        (0.1, ("*",), "unknown class with instances"),
        ({"car": 1.5}, (), "min_score of car 1.5: give a number in 0..1"),
        (0.1, "car", "give a list of names"),
    ],
)
def test_what_cannot_be_kept_is_one_line(found, min_score, classes, words):
    with pytest.raises(PartwiseError) as error:
        selected(found, CITYSCAPES, min_score, classes)
    assert words in str(error.value) and "\n" not in str(error.value)


def test_options_in_words():
    assert parse_min_scores(["car=0.3", "traffic=x=0.2", ".1"]) == {"car": 0.3, "traffic=x": 0.2, "*": 0.1}
    assert parse_min_scores([" car = 0.3 "]) == {"car": 0.3}
    assert parse_classes(["car, person", "bus"]) == ("car", "person", "bus") and parse_classes([]) == ()
    for nothing in ([""], [" , "]):
        with pytest.raises(PartwiseError, match="at least one name"):
            parse_classes(nothing)
    for wrong in (["x"], ["car="], ["=0.3"], ["car=2"], ["nan"], ["0.1", "0.2"], ["car=.1", "car=.2"]):
        with pytest.raises(PartwiseError, match="min-score"):
            parse_min_scores(wrong)
