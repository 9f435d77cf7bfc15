"""The terms of use of a model go on to every model that has its tensors or learns from its outputs."""

from dataclasses import replace

import pytest
from tiny_networks import QUICK, Watcher, tiny_recipe

from partwise.cli import main
from partwise.data.cityscapes import CityscapesFolder
from partwise.methods import build_method
from partwise.model_info import joined_terms
from partwise.training.checkpoint import average_models, load_model, read_info, read_model, save_model
from partwise.training.folder import RunFolder
from partwise.training.loop import train
from partwise.training.start import start_weights
from streeteval.labels import CITYSCAPES, LabelSet

FEWER = LabelSet("fewer", tuple(label for label in CITYSCAPES if label.train_id in (255, *range(12))))
OTHER = LabelSet("other", tuple(replace(label, name=f"my {label.name}") for label in CITYSCAPES))


@pytest.fixture(scope="module")
def frames(city_root):
    return CityscapesFolder(city_root, "train")


def model(path, terms="", label_set=CITYSCAPES, **changes):
    method = build_method(replace(tiny_recipe().method, **changes), label_set)
    save_model(
        path, method, {"recipe": path.stem, "steps": 1, "weights": "random"} | ({"terms": terms} if terms else {})
    )
    return str(path)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Model files of the tiny network by name; "heads" is on another backbone."""
    folder = tmp_path_factory.mktemp("terms")
    return {
        "whole": model(folder / "whole.safetensors", "research only"),
        "free": model(folder / "free.safetensors"),
        "second": model(folder / "second.safetensors", "CC BY 4.0"),
        "heads": model(folder / "heads.safetensors", "no resale", backbone="resnet18"),
        "fewer": model(folder / "fewer.safetensors", "CC0", FEWER),
    }


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (["whole"], "research only"),
        (["free"], ""),
        (["whole", "heads"], "research only; also: no resale"),
        (["heads", "whole"], "research only"),  # nothing of the heads is left
        (["whole", "free"], ""),
        (["fewer"], "CC0"),
        (["whole", "fewer"], "research only; also: CC0"),  # the classes that the second model lacks are the first's
    ],
)
def test_a_network_has_the_terms_of_the_models_whose_tensors_it_has(given, wanted, models):
    method = build_method(tiny_recipe().method)
    start = start_weights(method, tiny_recipe(), [models[name] for name in given], lambda note: None)
    assert start.terms == wanted


def test_of_a_model_whose_classes_all_have_another_name_nothing_is_left_when_all_are_mapped(models):
    method = build_method(tiny_recipe().method, OTHER)
    names = {f"my {label.name}": label.name for label in CITYSCAPES.evaluated}
    given = [models["second"], models["whole"]]
    assert start_weights(method, tiny_recipe(), given, lambda note: None, names).terms == "research only"


def test_a_run_writes_the_terms_of_its_start_and_of_its_teacher(models, frames, tmp_path):
    folder = RunFolder(tmp_path / "run")
    recipe = replace(tiny_recipe(), teacher=models["second"])
    how = {"data_name": "tiny", "teacher": load_model(models["second"])[0], "teacher_terms": "CC BY 4.0"}
    train(recipe, frames, folder.path, Watcher(), weights=[models["whole"]], **how)
    assert read_info(folder.last).terms == "research only; also: CC BY 4.0"
    train(tiny_recipe(steps=3), frames, folder.path, Watcher(), data_name="tiny", resume=True)
    assert read_info(folder.last).terms == "research only; also: CC BY 4.0"
    how |= {"teacher": load_model(models["whole"])[0], "teacher_terms": "no resale"}
    recipe = replace(tiny_recipe(steps=4), teacher="whole.safetensors")
    train(recipe, frames, folder.path, Watcher(), **how, resume=True)
    info = read_info(folder.last)
    assert info.terms == "research only; also: CC BY 4.0; also: no resale"
    assert info.origin["teacher"] == "second.safetensors, then whole.safetensors"


def test_the_command_hands_on_the_terms_of_its_teacher(models, city_root, tmp_path):
    options = [f"--data={city_root}", f"--out={tmp_path / 'run'}", "--steps=1", "training.evaluate_frames=1"]
    main(["train", "demo", *QUICK, f"teacher={models['second']}", *options])
    assert read_info(tmp_path / "run" / "last.safetensors").terms == "CC BY 4.0"


def test_a_mean_has_the_terms_of_all_and_given_terms_replace_them(models, tmp_path, says):
    given = [models[name] for name in ("whole", "second", "free")]
    assert average_models(given)[1].terms == "research only; also: CC BY 4.0"
    for order in (given, given[::-1]):
        says("export", *order, "--out", tmp_path / "mean.safetensors")
        assert set(read_info(tmp_path / "mean.safetensors").terms.split("; also: ")) == {"research only", "CC BY 4.0"}
    says("export", *given, "--out", tmp_path / "mean.safetensors", "--terms", "mine")
    assert read_model(tmp_path / "mean.safetensors")[1].terms == "mine"


def test_joined_terms_are_joined_once():
    both = joined_terms(["a", "b"])
    assert joined_terms([both, "b", both, ""]) == both and joined_terms(["", ""]) == ""
