"""The study of the guesses: the plan is whole, what is recorded is passed over, and other settings are refused."""

import json
import shlex
import shutil
from dataclasses import replace

import pytest
from safetensors.torch import save_file

from partwise.backbones import VggBackbone
from partwise.data.dataset import open_dataset
from partwise.data.streets import render_dataset
from partwise.errors import PartwiseError
from partwise_report.cli import study as commands
from partwise_report.features import CHANGES, FrozenVgg, store_features
from partwise_report.features.store import POOLED
from partwise_report.study.guesses.answer import by_variant
from partwise_report.study.guesses.comparisons import chain_of
from partwise_report.study.guesses.conduct import conduct, recorded, run_task
from partwise_report.study.guesses.frames import shown_frames
from partwise_report.study.guesses.guide import _run, run_whole
from partwise_report.study.guesses.needs import missing_of, needed_layers
from partwise_report.study.guesses.plan import CHAIN_STEPS, ORDER_STEPS, SHORT, VARIANTS, choose
from partwise_report.study.guesses.rounds import ROUNDS
from partwise_report.study.guesses.tasks import Study, Task, recipe_of
from partwise_report.study.guesses.trial import read_trial
from partwise_report.study.guesses.variant import GROUPS, STORES

NAMES = {variant.name for variant in VARIANTS}
PLANNED = {guess for guesses in ROUNDS.values() for guess in guesses}


class Listener:
    """A watcher that remembers."""

    def __init__(self):
        self.notes, self.counts = [], []

    def note(self, text):
        self.notes.append(text)

    def count(self, *position):
        self.counts.append(position)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    root = tmp_path_factory.mktemp("guide")
    render_dataset(root / "T", {"train": 3, "val": 2}, (128, 256), seed=4)
    backbone = FrozenVgg("random")
    for part in ("train", "val"):
        scenes = shown_frames(open_dataset(root / "T", part), 0)
        folder = root / "caches" / "plain" / part
        store_features(scenes, backbone, ["conv5_3_holes"], folder, data_name=part)
        folder = root / "caches" / "pools" / part
        store_features(scenes, backbone, ["pool3", "pool4", "pool5"], folder, data_name=part)
    return Study(root / "T", root / "out", root / "caches", weights="random", steps=2, seeds=(0, 1))


@pytest.fixture(scope="module")
def small():
    """Two variants of the plan with few channels."""
    few = "method.branch_channels=8"
    return [replace(one, overrides=(*one.overrides, few)) for one in choose(["corrected", "mask_plain"])]


@pytest.fixture(scope="module")
def done(study, small):
    tasks = [Task(study, variant, seed) for variant in small for seed in study.seeds]
    for task in tasks[:-1]:
        run_task(task)
    return tasks


def test_every_variant_is_a_whole_recipe(study):
    for variant in VARIANTS:
        recipe = recipe_of(replace(variant, start=""), 3, study)
        assert recipe.training.seed == 3 and recipe.training.steps == 2


def test_the_features_of_a_variant_are_those_of_its_backbone(study):
    """A slip that lies in the backbone is in the stored features, and in no others."""
    for variant in VARIANTS:
        slips = getattr(recipe_of(replace(variant, start=""), 0, study).method, "slips", None)
        options = STORES[variant.store]
        assert all(
            f"--layer {POOLED.get(layer, layer)} " in f"{options} " or f"--layer {layer} " in f"{options} "
            for layer in needed_layers(variant)
        ), variant.name
        assert bool(slips and slips.no_mean_subtraction) == ("--keep-mean" in options), variant.name
        for change in CHANGES:
            assert bool(slips and getattr(slips, change)) == (change in options), variant.name


def test_what_is_compared_is_planned_and_has_one_length_and_crop():
    by_name = {variant.name: variant for variant in VARIANTS}
    assert len(by_name) == len(VARIANTS) and {variant.group for variant in VARIANTS} < GROUPS.keys()
    assert {*CHAIN_STEPS, *ORDER_STEPS, *SHORT} <= NAMES
    assert {name for guess in PLANNED if guess.only_if for name in (guess.only_if.one, guess.only_if.other)} <= NAMES
    for guess in PLANNED:
        one, other = by_name[guess.without], by_name[guess.blamed]
        assert one.crop == other.crop, guess
        assert (one.steps == other.steps) != guess.about_steps, guess


def test_two_variants_of_a_guess_differ_by_what_it_blames(study):
    """So the optimiser is the same, unless the guess is about the rate."""
    by_name = {variant.name: replace(variant, start="") for variant in VARIANTS}
    for guess in PLANNED:
        one, other = (recipe_of(by_name[name], 0, study).optim for name in (guess.without, guess.blamed))
        if not guess.without.startswith("rate_"):  # about the rate
            assert one == replace(other, backbone_lr_factor=one.backbone_lr_factor), guess


def test_a_finished_training_is_passed_over_and_the_rest_is_trained(study, done):
    assert len(recorded(study, VARIANTS)) == 3
    listener = Listener()
    records = conduct(done, 2, note=listener.note)
    assert [(record.trial, record.seed) for record in records] == [(t.variant.name, t.seed) for t in done]
    assert len(listener.notes) == 1 and listener.notes[0].startswith("mask_plain, seed 1: 2 steps")
    assert all(len(record.looks) == 3 for record in records)


def test_records_elsewhere_count_as_finished(study, done, tmp_path):
    conduct(done, 1)
    elsewhere = replace(study, out=tmp_path / "new", records=(study.trials,))
    assert len(conduct([replace(task, study=elsewhere) for task in done], 1)) == 4
    assert not (tmp_path / "new").exists()


def test_a_record_of_other_settings_is_refused(study, done):
    other = replace(done[0], study=replace(study, steps=3))
    with pytest.raises(PartwiseError, match=r"other settings \(steps\)"):
        conduct([other], 1)


def test_another_precision_is_another_training(study, done):
    in_bf16 = replace(study, precision="bf16")
    assert recipe_of(done[0].variant, 0, in_bf16).training.precision == "bf16"
    with pytest.raises(PartwiseError, match=r"other settings \(overrides\)"):
        conduct([replace(done[0], study=in_bf16)], 1)


def test_two_seeds_are_two_trainings(study, done):
    one, other = (read_trial(study.trials / f"corrected-{seed}.json") for seed in (0, 1))
    assert one.losses != other.losses and one.settings == other.settings


def test_a_network_of_ranks_is_held_against_what_can_be_known_without_learning(study, tmp_path):
    (variant,) = choose(["order_full"])
    few = replace(variant, store="pools", start="", overrides=(*variant.overrides, "method.channels=8"))
    elsewhere = replace(study, out=tmp_path)
    run_task(Task(elsewhere, few, 0))
    figures = read_trial(elsewhere.trials / "order_full-0.json").figures
    for name in ("order", "order_constant", "order_place", "order_unseen"):
        assert 0 <= figures[name]["mean"] <= 1, name
    assert figures["order_unseen"]["mean"] == 0  # the frames are smaller than what a pixel sees


def test_the_page_and_its_json_are_written_and_say_what_is_lacking(study, small, done):
    conduct(done, 1)
    others = choose(["skips", "from_fcn8s"])
    listener = Listener()
    page = run_whole(study, [], 1, listener, variants=[*small, *others])
    written = json.loads((study.out / "study.json").read_text())
    assert page.exists() and set(written["variants"]) == {"corrected", "mask_plain"}
    seventh = next(one for one in written["verdicts"] if one["guess"]["number"] == 7)
    assert seventh["seeds"] == [2, 2] and seventh["outcome"] == "not decided"  # two steps teach nothing
    assert "partwise study cache" in written["lacking"]["from_fcn8s"]
    assert any(note.startswith("from_fcn8s: not trained") for note in listener.notes)


def test_a_training_is_shown_when_its_features_are_gone(study, small, done, tmp_path):
    conduct(done, 1)
    listener = Listener()
    run_whole(replace(study, caches=tmp_path), [], 1, listener, variants=small)
    written = json.loads((study.out / "study.json").read_text())
    assert set(written["variants"]) == {"corrected", "mask_plain"} and not written["lacking"]


def test_the_command_that_stores_features_can_be_run_as_it_is_said(study, tmp_path):
    elsewhere = replace(study, caches=tmp_path, fcn8s="FCN.safetensors")
    for variant in choose(["corrected", "slip_one_dilated", "from_fcn8s", "size_2"]):
        words = shlex.split(missing_of(variant, elsewhere).partition("(")[2].removesuffix(")"))
        assert words[:2] == ["partwise", "study"]
        _, given, _ = commands.parse_args(words[2:], exit_on_error=False, print_error=False)
        assert given.arguments["data"] == study.data
        assert given.arguments["out"] == tmp_path / variant.store / "train"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"mean_subtracted": False}, "with their mean subtracted"),
        ({"changes": ("one_dilated_layer",)}, "without slips"),
    ],
)
def test_features_of_another_backbone_are_not_trained_on(study, tmp_path, changed, said):
    """The slip of a variant lies in its features: with those of another one it would compare nothing."""
    for part in ("train", "val"):
        shutil.copytree(study.store("plain", part), tmp_path / "plain" / part)
        described = json.loads((tmp_path / "plain" / part / "features.json").read_text())
        (tmp_path / "plain" / part / "features.json").write_text(json.dumps(described | changed))
    assert said in missing_of(choose(["corrected"])[0], replace(study, caches=tmp_path))
    assert missing_of(choose(["corrected"])[0], study) == ""


def test_both_splits_have_features_of_the_same_weights(study, tmp_path):
    assert FrozenVgg("random").hash(["conv3_3"]) == FrozenVgg("random").hash(["conv3_3"])
    for part in ("train", "val"):
        shutil.copytree(study.store("plain", part), tmp_path / "plain" / part)
    path = tmp_path / "plain" / "val" / "features.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"weights_hash": "0"}))
    said = missing_of(choose(["corrected"])[0], replace(study, caches=tmp_path))
    assert "same layers and weights" in said and "val has" in said and said.endswith("of weights 0)")


def test_a_start_from_other_weights_than_the_features_is_named(study, tmp_path):
    save_file(VggBackbone().state_dict(), tmp_path / "other.safetensors")
    (variant,) = choose(["conv5_learnt"])
    for part in ("train", "val"):
        scenes = shown_frames(open_dataset(study.data, part), 1)
        store_features(scenes, FrozenVgg("random"), ["conv4_3"], tmp_path / "plain" / part, data_name=part)
    elsewhere = replace(study, caches=tmp_path)
    assert missing_of(variant, elsewhere) == ""
    told = missing_of(variant, replace(elsewhere, weights=str(tmp_path / "other.safetensors")))
    assert "of the weights of" in told and "other.safetensors" in told


def test_what_the_time_is_too_short_for_is_said(study, small, tmp_path):
    listener = Listener()
    never = replace(study, out=tmp_path)
    _run(never, small, 1, listener, "", lambda: False, small)
    written = json.loads((tmp_path / "study.json").read_text())
    assert written["lacking"] == {"corrected": "time", "mask_plain": "time"} and not written["variants"]
    assert any(note.startswith("4 trainings were not begun") for note in listener.notes)


def test_nothing_to_train_is_one_line(study):
    with pytest.raises(PartwiseError, match="nothing can be trained"):
        run_whole(replace(study, out=study.out / "new"), ["from_fcn8s"], 1, Listener())
    with pytest.raises(PartwiseError, match="corected"):
        run_whole(study, ["corected"], 1, Listener())


def test_what_is_lacking_is_one_line_for_each_reason(study, tmp_path):
    """Variants that wait for the same stored features are named in one line; a wrong path of the data comes first."""
    listener = Listener()
    elsewhere = replace(study, out=tmp_path / "out", caches=tmp_path)
    with pytest.raises(PartwiseError, match="nothing can be trained"):
        run_whole(elsewhere, [], 1, listener)
    named = [name for note in listener.notes for name in note.partition(": not trained")[0].split(", ")]
    assert sorted(named) == sorted(variant.name for variant in VARIANTS)
    assert len(listener.notes) == len({note.partition("for lack of ")[2] for note in listener.notes}) < 12
    quiet = Listener()
    with pytest.raises(PartwiseError, match="nowhere"):
        run_whole(replace(elsewhere, data=tmp_path / "nowhere"), [], 1, quiet)
    assert not quiet.notes


def test_a_store_that_is_not_complete_is_said(study, tmp_path):
    missing = missing_of(choose(["corrected"])[0], replace(study, caches=tmp_path))
    assert "partwise study cache" in missing and str(tmp_path / "plain" / "train") in missing


def test_a_chain_compares_each_step_with_the_trained_one_before_it():
    from report_2017.study.guesses.made_trials import made_trials

    values = {"chain_0": 0.1, "chain_2": 0.3, "working": 0.35}
    records = [one for name, value in values.items() for one in made_trials(name, value, figure="car_ap")]
    steps = chain_of(by_variant(records), "chain")
    assert [step["variant"] for step in steps] == list(values)
    assert steps[1]["step"] == "usual inference; rate 1e-3; random start"  # what is not trained is in it, too
    assert "worth" not in steps[0] and steps[1]["worth"] == pytest.approx(0.2, abs=0.05)
