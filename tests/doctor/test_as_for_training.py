"""The doctor examines what `partwise train` would train: the same network, classes and weights."""

import shlex

import pytest
from coco_trees import annotation, content, image, write_coco
from tiny_networks import QUICK

from partwise.cli import main
from partwise.data.dataset import open_dataset
from partwise.doctor import Diagnosis, examine_run
from partwise.errors import PartwiseError
from partwise.experiment import plan
from partwise.training.checkpoint import read_info, read_model

QUICK_FINETUNE = [text for text in QUICK if not text.startswith("method.")]
MAP = ["--map", "Vehiculo=car,truck", "--map", "Peaton=person"]
SMALL = ["--frames", 2, "--steps", 1]


def coco(root, *names):
    """A data set with these classes, one square of each in every image."""
    categories = [{"id": number, "name": name} for number, name in enumerate(names, 1)]
    images = [image(n, f"{n}.png", (64, 128)) for n in range(2)]
    shapes = [
        annotation(10 * n + one["id"], n, one["id"], [[40 * one["id"] - 30, 5, 40 * one["id"], 5, 40 * one["id"], 50]])
        for n in range(2)
        for one in categories
    ]
    for split in ("train", "valid"):
        write_coco(root / split / "_annotations.coco.json", content(shapes, images, categories))
    return root


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    return {
        "own": coco(root / "own", "Vehiculo", "Peaton"),
        "swapped": coco(root / "swapped", "Peaton", "Vehiculo"),
        "other": coco(root / "other", "Perro", "Gato"),
        "fewer": coco(root / "fewer", "Vehiculo"),
    }


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    """A run of one step on own classes."""
    out = tmp_path_factory.mktemp("run") / "run"
    main(["train", "demo", *QUICK, f"--data={data['own']}", "--steps=1", f"--out={out}"])
    return out


def test_a_run_with_own_classes_needs_its_data(run, complains):
    said = complains("doctor", run, *SMALL)
    assert f"{run}: its classes are Vehiculo, Peaton, background" in said and "give --data ROOT" in said


def test_a_run_is_not_examined_on_other_classes(run, data, city_root, complains):
    for root, lacking in ((data["other"], "Perro, Gato"), (city_root, "road, sidewalk")):
        said = complains("doctor", run, "--data", root, *SMALL)
        assert f"{root}, split train" in said and lacking in said


@pytest.mark.parametrize("name", ["own", "fewer", "swapped"])
def test_a_run_is_examined_with_its_own_classes_which_are_found_by_name(name, run, data, says, monkeypatch):
    seen = []

    def look_at(path, *, scenes, **options):
        seen.append((path, scenes.label_set))
        return Diagnosis(f"run {path}", ())

    monkeypatch.setattr("partwise.doctor.examine_run", look_at)
    says("doctor", run, "--data", data[name])
    ((path, label_set),) = seen
    assert path == run and label_set.same_classes(read_info(run / "last.safetensors").label_set)


def test_the_function_compares_the_classes_too(run, data):
    for name in ("swapped", "other", "fewer"):
        with pytest.raises(PartwiseError, match=r"the data: .*(Peaton|Perro)"):
            examine_run(run, open_dataset(data[name], "train"), where="the data", steps=1)
    assert examine_run(run, open_dataset(data["own"], "train"), frames=2, steps=1).subject.startswith("run ")


def test_a_map_is_for_recipes(run, data, complains):
    said = complains("doctor", run, "--data", data["own"], *MAP, *SMALL)
    assert "a run has its recipe and its weights in its folder: leave --map out" in said


@pytest.fixture
def examined(monkeypatch):
    """What `examine_recipe` is called with, which then finds nothing."""
    calls = []

    def examine_recipe(recipe, **options):
        calls.append({"recipe": recipe} | options)
        return Diagnosis(f"recipe {recipe.name}", ())

    monkeypatch.setattr("partwise.doctor.examine_recipe", examine_recipe)
    return calls


def test_finetune_is_examined_with_the_network_of_its_weights(examined, data, tiny_model_file, tmp_path, says):
    given = [*QUICK_FINETUNE, "--weights", tiny_model_file, "--data", data["own"], *MAP, "--split", "valid"]
    said = says("doctor", "finetune", *given)
    (call,) = examined
    overrides = [*QUICK_FINETUNE, "training.steps=1"]
    (stage,) = plan("finetune", overrides, tmp_path, weights=[str(tiny_model_file)])
    assert call["recipe"].method == stage.recipe.method and call["recipe"].method.channels == 8
    assert call["class_names"] == {"Vehiculo": "car,truck", "Peaton": "person"}
    command = shlex.split(next(line for line in said.splitlines() if line.startswith("next: ")).removeprefix("next: "))
    assert command[:3] == ["partwise", "train", "finetune"] and command[-2:] == ["--out", "RUN"]
    for words in (["--weights", str(tiny_model_file)], ["--map", "Peaton=person"], ["--split", "valid"]):
        assert words in [command[i : i + 2] for i in range(len(command))]
    assert set(QUICK_FINETUNE) <= set(command)


def test_the_heads_start_from_the_classes_of_the_map(data, tiny_model_file, capsys):
    given = ["--weights", tiny_model_file, "--data", data["own"], *MAP, *SMALL]
    try:
        main(["doctor", "finetune", *map(str, [*QUICK_FINETUNE, *given])])
    except SystemExit as ended:
        assert ended.code == 1
    said = " ".join("".join(capsys.readouterr()).split())
    assert "car, truck together" in said
    assert f"{len(read_model(tiny_model_file)[0])} tensors taken" in said and "new network" not in said


def test_a_wrong_map_is_bad_input_and_no_fault(data, tiny_model_file, complains):
    given = ["--weights", tiny_model_file, "--data", data["own"], *SMALL]
    assert "'lorry'" in complains("doctor", "finetune", *QUICK_FINETUNE, *given, "--map", "Vehiculo=lorry")
    assert "no model is given" in complains("doctor", "demo", *QUICK, "--data", data["own"], *MAP, *SMALL)
