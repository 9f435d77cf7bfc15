"""Fine-tuning at the command line: from a model of other classes to predictions with the ids of one's own data."""

import json

import numpy as np
import pytest
from tiny_networks import QUICK, tiny_model

from partwise.cli import main
from partwise.data.image_files import write_png
from partwise.errors import PartwiseError
from partwise.experiment import plan
from partwise.methods import PartsConfig, build_method
from partwise.methods.options import InferenceOptions
from partwise.model_files import find_model
from partwise.recipes import RECIPES
from partwise.segmenter import load
from partwise.training.checkpoint import read_model, save_model
from partwise.training.config import method_from_dict, method_to_dict

BOX = [[20, 20, 120, 20, 120, 90, 20, 90]]
MAP = ["--map", "Vehiculo=car,truck", "--map", "Peaton=person"]


@pytest.fixture(scope="module")
def own(tmp_path_factory, scenes):
    """A COCO data set with the categories 7 and 4000 and one that is like no class of streets: train (2), valid (1)."""
    root = tmp_path_factory.mktemp("own")
    categories = [{"id": id_, "name": name} for id_, name in ((7, "Vehiculo"), (4000, "Peaton"), (3, "Cono"))]
    for split, count in (("train", 2), ("valid", 1)):
        (root / split).mkdir()
        images, annotations = [], []
        for n in range(count):
            write_png(root / split / f"{n}.png", scenes[n].image_HW3)
            images.append({"id": n, "file_name": f"{n}.png", "width": 256, "height": 128})
            for category in (7, 4000, 3):
                drawn = [[x + 40 * (category == 4000) for x in BOX[0]]]
                number = len(annotations)
                annotations.append({"id": number, "image_id": n, "category_id": category, "segmentation": drawn})
        content = {"images": images, "categories": categories, "annotations": annotations}
        (root / split / "_annotations.coco.json").write_text(json.dumps(content))
    return root


def train(own, tiny_model_file, out, *options):
    quick = [*QUICK, "data.rendered_share=0.5"]
    return [
        "train",
        "demo",
        *quick,
        "--data",
        own,
        "--weights",
        tiny_model_file,
        "--steps",
        "1",
        "--out",
        out,
        *options,
    ]


def test_from_a_model_of_other_classes_to_predictions_with_own_ids(own, tiny_model_file, tmp_path, says, capsys):
    main([str(word) for word in train(own, tiny_model_file, tmp_path / "run", *MAP)])
    said = "".join(capsys.readouterr())
    lines = said.splitlines()
    assert any(line.startswith("Vehiculo") and "car, truck together" in line for line in lines)
    assert any(line.startswith("Peaton") and line.endswith("from person") for line in lines)
    assert any(line.startswith("Cono") and "starts at random" in line for line in lines)
    assert any(line.startswith("background") and "road" in line and "car" not in line.split() for line in lines)
    assert "rendered streets are left out" in said
    for model, options in (("run", []), (tiny_model_file, MAP)):
        where = tmp_path / model if model == "run" else model
        said = says("evaluate", "--model", where, "--data", own, "--json", tmp_path / "scores.json", *options)
        assert "AP100m" not in said  # only Cityscapes trees have distances
        assert set(json.loads((tmp_path / "scores.json").read_text())["coco"]["per_class"]) == {
            "Vehiculo",
            "Peaton",
            "Cono",
        }
    says("predict", own / "valid", "--model", tmp_path / "run", "--out", tmp_path / "out", "--format", "coco")
    content = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert {one["id"]: one["name"] for one in content["categories"]} == {7: "Vehiculo", 4000: "Peaton", 3: "Cono"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--map", "Vehicle=car"], "unknown class of the data in map 'Vehicle': did you mean 'Vehiculo'?"),
        (["--map", "Vehiculo=lorry"], "unknown class of the model in map 'lorry'"),
        (["--map", "Vehiculo"], "write CLASS=CLASS_OF_THE_MODEL"),
    ],
)
def test_a_wrong_map_is_one_line_and_nothing_is_written(options, words, own, tiny_model_file, tmp_path, complains):
    assert words in complains(*train(own, tiny_model_file, tmp_path / "run", *options))
    assert not (tmp_path / "run" / "last.safetensors").exists()
    assert words in complains("evaluate", "--model", tiny_model_file, "--data", own, *options)


def test_a_model_that_lacks_classes_of_the_data_is_one_line(own, tiny_model_file, complains):
    said = complains("evaluate", "--model", tiny_model_file, "--data", own)
    assert "Vehiculo" in said and "cityscapes" in said and "class map" in said


def test_a_map_for_result_files_is_one_line(own, tmp_path, complains):
    (tmp_path / "results.json").write_text("[]")
    said = complains("evaluate", "--predictions", tmp_path / "results.json", "--data", own, *MAP)
    assert "--map is for models" in said
    said = complains("evaluate", "--predictions", tmp_path / "results.json", "--data", own, "--workers", "2")
    assert "--workers 2 is for folders" in said


def planned(out, *overrides, weights=("streets",), name="finetune"):
    (stage,) = plan(name, ["training.steps=1", *overrides], out, weights=weights)
    return stage.recipe.method


@pytest.mark.parametrize("model", ["streets", "tiny"])
def test_finetune_has_the_network_of_the_model_that_it_starts_from(model, tiny_model_file, tmp_path):
    given = str(tiny_model_file) if model == "tiny" else model
    state, info = read_model(find_model(given))
    method = planned(tmp_path, weights=["pypi", given])
    own = build_method(method, info.label_set).state_dict()
    assert {name: value.shape for name, value in own.items()} == {name: value.shape for name, value in state.items()}
    assert method_to_dict(method) == method_to_dict(method_from_dict(info.method)) | {"frozen_blocks": 2}


def test_a_field_that_is_given_wins_over_the_network_of_the_model(tiny_model_file, tmp_path):
    method = planned(tmp_path, "method.channels=16", "method.frozen_blocks=1", weights=[str(tiny_model_file)])
    assert (method.channels, method.frozen_blocks, method.windows) == (16, 1, ((8, 8), (16, 8)))


def test_the_crop_is_enlarged_to_what_the_network_of_the_model_takes(tmp_path):
    far = PartsConfig(channels=8, windows=((8, 8), (64, 8)))
    save_model(tmp_path / "far.safetensors", build_method(far), {"recipe": "tiny", "steps": 0, "weights": "random"})
    recipes = [
        plan("finetune", ["training.steps=1", *given], tmp_path, weights=[str(tmp_path / "far.safetensors")])[0].recipe
        for given in ([], ["data.augment.crop=[128,192]"])
    ]
    assert [recipe.data.augment.crop for recipe in recipes] == [(448, 448), (128, 192)]
    assert build_method(recipes[0].method).size_multiple == 64


def test_only_recipes_that_say_so_and_models_of_their_method_change_the_network(tiny_model_file, tmp_path):
    semantic = str(tiny_model(tmp_path / "fcn.safetensors", semantic=True))
    assert planned(tmp_path, weights=()) == planned(tmp_path, weights=[semantic]) == RECIPES["finetune"]().method
    light = planned(tmp_path, weights=[str(tiny_model_file)], name="parts_light")
    assert light == RECIPES["parts_light"]().method


def test_an_override_switches_the_network_of_the_weights_on_and_off(tiny_model_file, tmp_path):
    given, own = [str(tiny_model_file)], RECIPES["finetune"]().method
    assert planned(tmp_path, "network_of_weights=false", weights=given) == own
    assert planned(tmp_path, "network_of_weights=false", "method.channels=16", weights=given).channels == 16
    light = planned(tmp_path, "network_of_weights=true", "method.k=2", weights=given, name="parts_light")
    info = read_model(tiny_model_file)[1]
    assert method_to_dict(light) == method_to_dict(method_from_dict(info.method)) | {"k": 2}


def test_a_network_of_weights_that_has_no_effect_is_one_line(tiny_model_file, tmp_path):
    semantic = str(tiny_model(tmp_path / "fcn.safetensors", semantic=True))
    for weights in ((), [semantic], ["random"]):
        with pytest.raises(PartwiseError, match=r"network_of_weights=true: no model of the method parts is given"):
            planned(tmp_path, "network_of_weights=true", weights=weights, name="parts_light")
        planned(tmp_path, "network_of_weights=true", weights=weights)  # as the recipe has it
    for value in ("true", "false"):
        with pytest.raises(PartwiseError, match="each stage of fcn has a network of its own"):
            plan("fcn", ["training.steps=3", f"network_of_weights={value}"], tmp_path, weights=[semantic])


def test_finetune_from_a_network_of_another_size_takes_all_of_its_tensors(own, tiny_model_file, tmp_path, capsys):
    quick = [text for text in QUICK if not text.startswith("method.")]
    command = ["train", "finetune", *quick, "--data", own, "--weights", tiny_model_file, "--steps", "1", *MAP]
    main([str(word) for word in (*command, "--out", tmp_path / "run")])
    said = " ".join("".join(capsys.readouterr()).split())
    assert f"{len(read_model(tiny_model_file)[0])} tensors taken" in said and "start as in a new network" not in said
    assert read_model(tmp_path / "run" / "last.safetensors")[1].method["channels"] == 8


def test_a_mapped_model_averages_mirror_images_as_its_own_and_says_why_it_explains_nothing(scenes, tiny_model_file):
    image = scenes[0].image_HW3
    own = load(tiny_model_file)(image, flip=True)
    most = int(np.bincount(own.semantic_HW.ravel()).argmax())
    names = {"mine": own.label_set.name_of(most)}
    mapped = load(tiny_model_file, classes=names, options=InferenceOptions(flip=True))
    assert np.array_equal(mapped(image).semantic_HW == 1, own.semantic_HW == most)
    with pytest.raises(PartwiseError, match="load it without them"):
        mapped.explain(image)
