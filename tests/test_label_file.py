"""Label files: what they say, and every fault of them with its line."""

import json

import pytest

from partwise.class_list import ClassEntry, label_set_of_classes
from partwise.errors import PartwiseError
from partwise.label_file import read_label_file
from streeteval.labels import CITYSCAPES, LabelSet

TOML = """\
name = "peru"
outside = "ignored"

[[classes]]
name = "vehicle"
id = 4000
colour = "#00008e"
from = ["Vehiculo", "Moto"]
mean_instance_px = 2500.0

[[classes]]
name = "road"
id = 0
has_instances = false
category = "flat"

[[classes]]
name = "works"
id = 2
ignored = true
"""


def test_toml_and_json_say_the_same(tmp_path):
    (tmp_path / "labels.toml").write_text(TOML)
    rows = [
        {
            "name": "vehicle",
            "id": 4000,
            "colour": [0, 0, 142],
            "from": ["Vehiculo", "Moto"],
            "mean_instance_px": 2500.0,
        },
        {"name": "road", "id": 0, "has_instances": False, "category": "flat"},
        {"name": "works", "id": 2, "ignored": True},
    ]
    (tmp_path / "labels.json").write_text(json.dumps({"name": "peru", "outside": "ignored", "classes": rows}))
    labels = read_label_file(tmp_path / "labels.toml")
    assert labels == read_label_file(tmp_path / "labels.json")
    assert [label.name for label in labels.things] == ["vehicle"] and labels.outside_id == labels.void_id
    assert labels["vehicle"].file_id == 4000 and labels["vehicle"].sources == ("Vehiculo", "Moto")
    assert labels["road"].id == 0 and labels["vehicle"].mean_instance_px == 2500
    assert LabelSet.from_dict(json.loads(json.dumps(labels.to_dict()))) == labels


def lines_of(path) -> list[str]:
    with pytest.raises(PartwiseError) as error:
        read_label_file(path)
    return str(error.value).split("\n")


def test_all_faults_of_a_file_come_with_their_lines(tmp_path):
    file = tmp_path / "labels.toml"
    file.write_text(
        TOML.replace('"#00008e"', '"blue"')
        .replace("id = 0", "id = -1")
        .replace("ignored = true", "colour = 7\nsize = 1")
    )
    assert lines_of(file) == [
        f"{file}, line 7: class 'vehicle': colour is 'blue': give [red, green, blue] in 0..255, or \"#rrggbb\"",
        f"{file}, line 13: class 'road': id is -1: give a whole number from 0 to 2**63 - 1",
        f"{file}, line 20: class 'works': colour is 7: give [red, green, blue] in 0..255, or \"#rrggbb\"",
        f"{file}, line 21: class 'works': unknown key 'size': give name, id, category, has_instances, colour, ignored, "
        "from, mean_instance_px",
    ]


@pytest.mark.parametrize(
    ("second", "words"),
    [
        ('name = "a"\nid = 2', "line 6: class 'a': name 'a' is that of class 'a', too"),
        ('name = "b"\nid = 1', "line 7: class 'b': id 1 is that of class 'a', too"),
        ('name = "b"\nid = 2\ncolour = "#010203"', "line 8: class 'b': colour [1, 2, 3] is that of class 'a', too"),
    ],
)
def test_a_name_an_id_or_a_colour_twice(tmp_path, second, words):
    file = tmp_path / "labels.toml"
    file.write_text(f'[[classes]]\nname = "a"\nid = 1\ncolour = [1, 2, 3]\n[[classes]]\n{second}\n')
    (line,) = lines_of(file)
    assert line.startswith(f"{file}, {words}")


def test_lines_of_json(tmp_path):
    file = tmp_path / "labels.json"
    file.write_text('{"name": "x",\n "classes": [\n  {"name": "a", "id": 1},\n  {"name": "b",\n   "id": 1}\n ]}\n')
    (line,) = lines_of(file)
    assert line.startswith(f"{file}, line 5: class 'b': id 1")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.toml", "classes = [", "not TOML"),
        ("a.json", "{", "not JSON"),
        ("a.toml", 'name = "x"', "it has no classes"),
        ("a.toml", '[[classes]]\nname = "a"\nid = 1\nhas_instances = false', "no class has instances"),
        ("a.toml", 'outside = "sky"\n[[classes]]\nname = "a"\nid = 1', "line 1: outside is 'sky'"),
        ("a.toml", 'colours = 1\n[[classes]]\nname = "a"\nid = 1', "line 1: unknown key 'colours'"),
    ],
)
def test_files_that_are_no_label_set(tmp_path, name, text, words):
    file = tmp_path / name
    file.write_text(text)
    (line,) = lines_of(file)
    assert str(file) in line and words in line


def test_a_missing_file(tmp_path):
    with pytest.raises(PartwiseError, match="no such file"):
        read_label_file(tmp_path / "none.toml")


def test_ids_that_label_maps_cannot_hold_are_kept_apart():
    labels = label_set_of_classes("x", [ClassEntry("a", 0), ClassEntry("b", 7), ClassEntry("c", 4000)])
    assert [(one["id"], one["name"]) for one in labels.coco_categories] == [(0, "a"), (4000, "c"), (7, "b")]
    assert all(label.id > 0 for label in labels.things) and labels["b"].id == 7
    assert labels.outside == "background" and labels["background"].evaluated


def test_too_many_classes_are_refused():
    with pytest.raises(PartwiseError, match="300 classes, and at most 253"):
        label_set_of_classes("x", [ClassEntry(f"c{n}", n) for n in range(300)])


def test_classes_with_names_of_ours_keep_them():
    entries = [ClassEntry("background", 5, has_instances=False), ClassEntry("unlabelled", 6), ClassEntry("a", 7)]
    labels = label_set_of_classes("x", entries)
    assert labels["background"].id == 5 == labels.outside_id and labels["unlabelled"].has_instances


def test_label_sets_agree_by_their_classes_not_by_their_colours():
    one = label_set_of_classes("x", [ClassEntry("a", 1, colour=(1, 2, 3))])
    other = label_set_of_classes("y", [ClassEntry("a", 1, colour=(9, 9, 9))])
    assert one.same_classes(other) and not one.same_classes(CITYSCAPES)
    assert CITYSCAPES.lacking(one) == ["a"] and one.lacking(other) == []


def test_a_byte_order_mark_is_no_fault(tmp_path):
    for name, text in (("a.toml", TOML), ("a.json", '{"classes": [{"name": "a", "id": 1}]}')):
        (tmp_path / name).write_text(text, encoding="utf-8-sig")
        assert read_label_file(tmp_path / name).things


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        (
            'name = "a"\nid = 1\nfrom = ["b"]\n[[classes]]\nname = "b"\nid = 2',
            "line 4: class 'a': 'b' in from is the class",
        ),
        (
            'name = "a"\nid = 1\nfrom = [2]\n[[classes]]\nname = "b"\nid = 2',
            "line 4: class 'a': 2 in from is the class 'b'",
        ),
        (
            'name = "background"\nid = 1\n[[classes]]\nname = "b"\nid = 2',
            "line 1: class 'background' is that of pixels in",
        ),
        ('name = "a"\nid = 1\nmean_instance_px = inf', "line 4: class 'a': mean_instance_px is inf"),
        ('name = "a"\nid = 9223372036854775808', "line 3: class 'a': id is 9223372036854775808"),
    ],
)
def test_classes_that_contradict_each_other(tmp_path, classes, words):
    file = tmp_path / "labels.toml"
    file.write_text(f"[[classes]]\n{classes}\n")
    (line,) = lines_of(file)
    assert line.startswith(f"{file}, {words}")


def test_a_wrong_outside_is_found_with_the_other_faults(tmp_path):
    file = tmp_path / "labels.toml"
    file.write_text('outside = "sky"\n[[classes]]\nname = "a"\nid = -1\n')
    assert len(lines_of(file)) == 2


def test_faults_are_found_however_the_tables_are_written(tmp_path):
    file = tmp_path / "labels.toml"
    file.write_text('[["classes"]]\nname = "a"\nid = 1\n[[classes]]\nname = "a"\nid = 2\n')
    (line,) = lines_of(file)
    assert "name 'a' is that of class 'a', too" in line
    (tmp_path / "deep.json").write_text("[" * 100_000)
    with pytest.raises(PartwiseError, match=r"deep.json: not JSON"):
        read_label_file(tmp_path / "deep.json")
