"""A study shares one budget, passes over what is finished, goes on with what was cut, and refuses mixed settings."""

import json
from dataclasses import replace

import pytest
from tiny_networks import QUICK, Watcher

from partwise.errors import PartwiseError
from partwise.experiment import TrainingData
from partwise.training.checkpoint import read_model
from partwise.training.stopping import Stopped
from partwise_report.study.systems.record import LEAST_FALL, LEAST_GAIN, judge, movement
from partwise_report.study.systems.runner import EARLY, Study, check_overrides, recipe_of, run_study
from partwise_report.study.systems.variants import GROUPS, VARIANTS, Variant, choose

FIRST = Variant("first", "putback", "demo", "the first")
SECOND = Variant("second", "putback", "demo", "from the first", ("optim.lr=1e-5",), start="first", share=2.0)
PAIR = (FIRST, SECOND)


def study_in(city_root, out) -> Study:
    return Study(TrainingData(city_root), out, steps=3, frames=2, view=(64, 128), overrides=(*QUICK,))


@pytest.fixture
def study(city_root, tmp_path):
    return study_in(city_root, tmp_path / "study")


class Listener(Watcher):
    """A Watcher that remembers how far the whole is."""

    def __init__(self):
        super().__init__()
        self.shares = []

    def progress(self, done, record):
        super().progress(done, record)
        self.shares.append(done)


@pytest.fixture(scope="module")
def trained(city_root, module_folder):
    study, listener = study_in(city_root, module_folder), Listener()
    return study, listener, run_study(PAIR, study, listener)


def interrupt():
    raise KeyboardInterrupt


def test_a_study_trains_every_variant_once(trained):
    study, listener, records = trained
    assert [record.steps for record in records] == [3, 6]
    assert records[1].weights.startswith("first (3 steps)")
    assert all(len(record.by_frame("mask_iou")) == 2 for record in records)
    again = Watcher()
    assert [record.to_json() for record in run_study(PAIR, study, again)] == [record.to_json() for record in records]
    assert len(listener.records) == 9 and not again.records


def test_progress_is_that_of_the_whole_study(trained):
    shares = trained[1].shares
    assert shares == pytest.approx([step / 9 for step in range(1, 10)])
    for name in ("first", "second"):
        for what in (f"looking at {name}", f"looking at an oracle {name}"):
            assert trained[1].counted()[what] == (2, 2)


def test_movement_is_the_distance_from_the_start(trained):
    study, _, records = trained
    assert records[0].moved["rest"] > records[1].moved["rest"] > 0
    last = study.folder("first").last
    assert movement(last, last) == {"backbone": 0.0, "rest": 0.0}


def test_a_finished_run_with_other_settings_is_refused(trained):
    study = trained[0]
    with pytest.raises(PartwiseError, match=r"first: was trained with other settings \(method\.k 3 -> 5\): give the"):
        run_study(PAIR, replace(study, overrides=(*QUICK, "method.k=5")), Watcher())
    other = TrainingData(study.data.root, split="val", val_split="val")
    with pytest.raises(PartwiseError, match=r"first: was trained with other settings \(data \S+/train"):
        run_study(PAIR, replace(study, data=other), Watcher())
    longer = Watcher()
    run_study(PAIR, replace(study, steps=9), longer)  # another length is no other setting
    assert not longer.records


def test_a_cut_study_goes_on_where_it_was(study):
    quick = replace(study, overrides=(*QUICK, "training.checkpoint_every_seconds=0"))
    with pytest.raises(Stopped):
        run_study((FIRST,), quick, Watcher(2, interrupt))
    assert not quick.folder("first").finished
    watcher = Watcher()
    (record,) = run_study((FIRST,), quick, watcher)
    assert [line["step"] for line in watcher.records] == [2, 3]
    assert record.steps == 3
    assert read_model(quick.folder("first").kept(EARLY))[1].origin["steps"] == 1


def test_the_minutes_are_shared_in_proportion(study):
    study = replace(study, steps=0, minutes=6.0)
    minutes = [recipe_of(variant, PAIR, study).training.minutes for variant in PAIR]
    assert minutes == [2.0, 4.0]


def test_overrides_reach_those_that_have_the_field_and_never_the_switch_itself(study):
    study = replace(study, overrides=("optim.lr=0.5", "second:training.seed=7", "method.fc6=7x7"))
    recipes = [recipe_of(variant, PAIR, study) for variant in PAIR]
    assert [recipe.optim.lr for recipe in recipes] == [0.5, 1e-5]
    assert recipes[1].training.seed == study.seed  # the study's seed is every training's
    check_overrides(PAIR, study)  # fc6 is a field of other variants
    with pytest.raises(PartwiseError, match=r"optim\.rl"):
        check_overrides(PAIR, replace(study, overrides=("optim.rl=1",)))
    with pytest.raises(PartwiseError, match="nonsense"):
        check_overrides(PAIR, replace(study, overrides=("nonsense*:optim.lr=1",)))


def test_every_variant_is_a_whole_recipe_that_differs_from_all_others(study):
    study = replace(study, overrides=())
    made = [json.dumps(str(replace(recipe_of(v, VARIANTS, study), name=v.start)), sort_keys=True) for v in VARIANTS]
    assert len(set(made)) == len(VARIANTS)
    assert {variant.group for variant in VARIANTS} == set(GROUPS)
    assert not {variant.name for variant in VARIANTS} & set(GROUPS)  # --only takes both
    places = {variant.name: place for place, variant in enumerate(VARIANTS)}
    assert all(places[v.start] < places[v.name] for v in VARIANTS if v.start)


def test_choosing_takes_along_what_a_variant_starts_from():
    assert [v.name for v in choose(["parts_report_1"])] == ["fcn32s", "fcn16s", "fcn8s", "parts_report_1"]
    assert {v.group for v in choose(["corrected"])} == {"corrected"}
    assert choose() == list(VARIANTS)
    assert [v.name for v in choose(["parts_report_1"], given=["fcn8s"])] == ["parts_report_1"]
    assert {v.name for v in VARIANTS} - {v.name for v in choose(given=["fcn8s"])} == {"fcn32s", "fcn16s", "fcn8s"}
    with pytest.raises(PartwiseError, match="did you mean 'working'"):
        choose(["workin"])


def test_converged_takes_a_falling_loss_and_a_gain():
    scores, nothing = {"car_ap": LEAST_GAIN["car_ap"], "iou_class": None}, {"car_ap": 0.0, "iou_class": None}
    assert judge(1.0, 0.99 - LEAST_FALL, scores, nothing)[0]
    assert not judge(1.0, 1 - LEAST_FALL / 2, scores, nothing)[0]
    assert not judge(1.0, 0.1, nothing, nothing)[0]
    semantic = {"car_ap": None, "iou_class": 0.11 + LEAST_GAIN["iou_class"]}
    assert judge(1.0, 0.1, semantic, {"car_ap": None, "iou_class": 0.1})[0]
