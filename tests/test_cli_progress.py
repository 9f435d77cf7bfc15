"""Every verb that may take long says what it does and how far it is."""

import pytest
from PIL import Image
from tiny_networks import QUICK

from partwise.cli import main
from partwise.terminal import Heartbeat


@pytest.fixture
def commands(tiny_model_file, city_root, tmp_path, scenes):
    photo = tmp_path / "photo.png"
    Image.fromarray(scenes[0].image_HW3[:64, :64]).save(photo)
    scored = ["--data", city_root, "--frames", 1]
    return {
        "render": ["render", tmp_path / "new", "--train", 2, "--val", 1, "--size", "96x48"],
        "check": ["check", city_root],
        "predict": ["predict", photo, "--model", tiny_model_file, "--out", tmp_path],
        "explain": ["explain", photo, "--model", tiny_model_file, "--at", "3,3", "--out", tmp_path],
        "evaluate": ["evaluate", "--model", tiny_model_file, *scored],
        "compare": ["compare", tiny_model_file, tiny_model_file, "--draws", 2, *scored],
        "ceiling": ["ceiling", "centres", *scored],
        "doctor": ["doctor", "demo", *QUICK, "--steps", 1, *scored],
        "train": [
            "train",
            "demo",
            *QUICK,
            "data.repeat_threshold=0.5",
            "--steps",
            1,
            "--data",
            city_root,
            "--out",
            tmp_path / "run",
        ],
    }


@pytest.mark.parametrize(
    ("verb", "expected"),
    [
        ("render", ["rendering 1/3", "rendering 3/3"]),
        ("check", ["checking train 6/6", "checking val 3/3"]),
        ("predict", ["predicting 1/1"]),
        ("explain", ["explaining"]),
        ("evaluate", ["evaluating 1/1"]),
        ("compare", ["comparing: scoring A 1/1", "comparing: scoring B 1/1", "comparing: bootstrap, draws 4/4"]),
        ("ceiling", ["decoding 1/1"]),
        ("doctor", ["loading weights", "reading frames 1/1", "training steps 1/1", "comparing orders"]),
        ("train", ["finding the classes 6/6", "training 100 %, step 1", "evaluating 3/3"]),
    ],
)
def test_a_verb_says_what_it_does_and_how_far_it_is(verb, expected, commands, monkeypatch, capsys):
    said = []
    monkeypatch.setattr(Heartbeat, "on", lambda self, doing, pace="": said.append(doing))
    try:
        main([str(word) for word in commands[verb]])
    except SystemExit as ended:
        assert (verb, ended.code) == ("doctor", 1)  # a tiny network at random has faults
    assert set(expected) <= set(said), said
