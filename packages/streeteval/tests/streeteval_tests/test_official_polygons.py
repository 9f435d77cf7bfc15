"""Polygons become the same pixels as in cityscapesScripts; the label tables are the same."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from streeteval.errors import InputError
from streeteval.official import labels as our_labels
from streeteval.official.create import create_from_polygons
from streeteval.official.polygons import (
    createLabelImage,
    instance_ids_of,
    json2instanceImg,
    json2labelImg,
    label_ids_of,
    read_annotation,
)

cityscapesscripts = pytest.importorskip("cityscapesscripts", reason="needs cityscapesScripts as the oracle")
from cityscapesscripts.helpers import labels as official_labels  # noqa: E402
from cityscapesscripts.helpers.annotation import Annotation  # noqa: E402
from cityscapesscripts.preparation.json2instanceImg import createInstanceImage as official_instances  # noqa: E402, N813
from cityscapesscripts.preparation.json2labelImg import createLabelImage as official_classes  # noqa: E402, N813

NAMES = [label.name for label in official_labels.labels]
GROUPS = [f"{label.name}group" for label in official_labels.labels if label.name != "pole"]  # polegroup is a class


def as_tuples(table):
    if isinstance(table, dict):
        return {key: as_tuples(value) for key, value in table.items()}
    return [tuple(one) for one in table] if isinstance(table, list) else tuple(table)


def test_the_tables_are_the_official_ones():
    for name in ("labels", "name2label", "id2label", "trainId2label", "category2labels"):
        ours, theirs = getattr(our_labels, name), getattr(official_labels, name)
        as_tuples = lambda table: (
            {key: as_tuples(x) for key, x in table.items()} if isinstance(table, dict) else plain(table)
        )
        plain = lambda x: [tuple(one) for one in x] if isinstance(x, list) else tuple(x)
        assert as_tuples(ours) == as_tuples(theirs), name
    assert our_labels.Label._fields == official_labels.Label._fields
    for name in [*NAMES, *GROUPS, "tram", "group"]:
        assert our_labels.assureSingleInstanceName(name) == official_labels.assureSingleInstanceName(name)


def assert_same_pixels(path):
    theirs, ours = Annotation(), read_annotation(path)
    theirs.fromJsonFile(str(path))
    for encoding in ("ids", "trainIds"):
        assert np.array_equal(label_ids_of(ours, encoding), np.asarray(official_classes(theirs, encoding)))
        assert np.array_equal(instance_ids_of(ours, encoding), np.asarray(official_instances(theirs, encoding)))
    assert np.array_equal(np.asarray(createLabelImage(ours, "color")), np.asarray(official_classes(theirs, "color")))


corners = st.lists(st.tuples(st.integers(-9, 70), st.integers(-9, 50)), min_size=3, max_size=8)
objects = st.lists(st.tuples(st.sampled_from(NAMES + GROUPS), corners, st.sampled_from([0, 0, 0, 1])), max_size=12)


@settings(max_examples=150, deadline=None)
@given(objects=objects)
def test_any_polygons_become_the_same_pixels(tmp_path_factory, objects):
    """Overlaps, borders, groups, deleted objects, and corners outside the image."""
    path = tmp_path_factory.mktemp("one") / "ulm_000000_000019_gtFine_polygons.json"
    listed = [{"label": label, "polygon": polygon, "deleted": deleted} for label, polygon, deleted in objects]
    path.write_text(json.dumps({"imgWidth": 64, "imgHeight": 40, "objects": listed}))
    assert_same_pixels(path)


def test_every_label_and_every_group(tmp_path):
    path = tmp_path / "all_polygons.json"
    listed = [
        {"label": label, "polygon": [[4 * i, 2], [4 * i + 6, 5], [4 * i + 3, 30], [4 * i - 2, 12]]}
        for i, label in enumerate([*NAMES, *GROUPS, *NAMES])
    ]
    path.write_text(json.dumps({"imgWidth": 420, "imgHeight": 40, "objects": listed}))
    assert_same_pixels(path)
    assert len(np.unique(instance_ids_of(read_annotation(path)))) > len(NAMES)


def test_published_polygons(shared_polygons):
    for path in shared_polygons:
        assert_same_pixels(path)


def test_files_hold_the_pixels_and_lie_where_they_are_asked_for(tmp_path):
    folder = tmp_path / "city" / "gtFine" / "val" / "ulm"
    folder.mkdir(parents=True)
    path = folder / "ulm_000000_000019_gtFine_polygons.json"
    listed = [
        {"label": "car", "polygon": [[1, 1], [20, 2], [9, 20]]},
        {"label": "sky", "polygon": [[30, 1], [60, 2], [40, 20]]},
    ]
    path.write_text(json.dumps({"imgWidth": 64, "imgHeight": 40, "objects": listed}))
    makers = [("_labelIds.png", json2labelImg), ("_instanceIds.png", json2instanceImg)]
    assert create_from_polygons(tmp_path / "city", makers, tmp_path / "out") == 1
    assert list(folder.iterdir()) == [path]
    out = tmp_path / "out" / "gtFine" / "val" / "ulm"
    made = {one.name: np.asarray(Image.open(one)) for one in out.iterdir()}
    annotation = read_annotation(path)
    assert np.array_equal(made["ulm_000000_000019_gtFine_labelIds.png"], label_ids_of(annotation))
    assert np.array_equal(made["ulm_000000_000019_gtFine_instanceIds.png"], instance_ids_of(annotation))
    create_from_polygons(tmp_path / "city", makers)
    assert len(list(folder.iterdir())) == 3


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({}, "no annotation of Cityscapes"),
        ({"label": "tram", "polygon": [[0, 0], [1, 1], [2, 0]]}, "Label 'tram'"),
        ({"label": "car", "polygon": [[0, 0]]}, "1 corners cannot be drawn"),
    ],
    ids=["no label", "unknown class", "one corner"],
)
def test_bad_annotations_are_one_line(tmp_path, content, said):
    path = tmp_path / "ulm_000000_000019_gtFine_polygons.json"
    path.write_text(json.dumps({"imgWidth": 8, "imgHeight": 8, "objects": [content]}))
    with pytest.raises(InputError, match=said):
        json2labelImg(str(path), str(tmp_path / "out.png"))
    assert not (tmp_path / "out.png").exists()


def test_a_data_set_without_polygons(tmp_path):
    with pytest.raises(InputError, match="Did not find any files"):
        create_from_polygons(tmp_path, [("_labelIds.png", json2labelImg)])
